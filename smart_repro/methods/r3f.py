"""R3F: noise on the embeddings should not change the prediction (Aghajanyan et al. 2021, arXiv:2008.03156).

SMART without its ascent: the control for the effect of the perturbation's direction. It is
``smoothness(direction="random")`` with unprojected noise on word embeddings.

Deviations:

- For regression the squared difference of the predictions is used; the public code omits the term.
- ``dropout="independent"`` is the public code's behaviour; its penalty then mostly measures dropout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from smart_repro import divergence
from smart_repro.methods.base import Passes, check_choices, register
from smart_repro.methods.terms import Clean, Regularised, Term, Value, largest


@dataclass(frozen=True, kw_only=True)
class R3fConfig:
    """Options of R3F."""

    lambda_r: float = 1.0  # weight of the consistency term; paper {0.1, 0.5, 1, 5}
    sigma: float = 1e-5  # scale of the noise; paper 1e-5
    noise: str = "normal"  # normal (deviation sigma) / uniform (between -sigma and sigma); paper: both
    dropout: str = "independent"  # masks of the two passes: independent (the public code's) / shared

    def __post_init__(self) -> None:
        check_choices(self, {"noise": ("normal", "uniform"), "dropout": ("independent", "shared")})
        if self.lambda_r < 0 or self.sigma <= 0:
            raise ValueError(f"lambda_r must be >= 0 and sigma positive, got {self.lambda_r} and {self.sigma}")


class NoiseTerm(Term):
    """Distance between the clean prediction and the one under noise."""

    part = "consistency"
    exact = True
    site = "word"

    def __init__(self, config: R3fConfig) -> None:
        self.config = config

    def __call__(self, passes: Passes, clean: Clean) -> Value:
        """Return the distance of the predictions with and without noise."""
        assert clean.embeddings is not None
        noise = passes.noise(clean.embeddings.shape[-1], clean.embeddings.dtype)
        if self.config.noise == "uniform":
            noise = torch.erf(noise / math.sqrt(2.0))
        delta = self.config.sigma * noise
        masks = "noisy" if self.config.dropout == "independent" else "clean"
        noisy = passes.perturbed(masks, delta, self.site)
        value = divergence.for_target(passes.target)(noisy, clean.logits)
        return Value(value, {"max_abs_delta": largest(delta)})


@register("r3f")
class R3f(Regularised):
    """R3F: the task loss plus the distance of the predictions with and without noise."""

    Config = R3fConfig
    paper = "Aghajanyan et al. 2021, equation 2"
    equation = "L + lambda_r [KL(f(x)||f(x + z)) + KL(f(x + z)||f(x))], z ~ N(0, sigma^2 I) or U(-sigma, sigma)"
    config: R3fConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return the consistency term with the weight lambda_r."""
        return [(self.config.lambda_r, NoiseTerm(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: the noisy pass adds a forward and a backward pass."""
        return 6.0 if config.lambda_r else 3.0
