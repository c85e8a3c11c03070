"""R_s: the smoothness-inducing regulariser of SMART (Jiang et al. 2020, arXiv:1911.03437, section 3.1, Algorithm 1).

``R_s = (1/n) sum_i max over |x' - x_i|_inf <= epsilon of l_s(f(x'), f(x_i))``, with l_s the symmetrised KL divergence
for classification and the squared error for regression. The maximum is sought by Algorithm 1: Gaussian start, gradient
divided by its l-inf norm, step eta, projection on the ball. The gradient reaches the weights through both arguments.

Readings of what the paper leaves open, each an option:

- ``dropout``: the equation has one f on both sides, hence ``shared`` masks. Ordinary training code draws new masks for
  each pass (``independent``); at the paper's epsilon R_s is then the same number with and without a perturbation.
- ``site``: "the embedding" is the output of the whole embedding layer (``block``) or the word embedding (``word``).
- ``norm_scope``: the gradient's norm over a whole ``example`` or per ``token``.
- ``p``: the paper takes p = inf and says that p = 2 depends on the length of the text: with ``p=2`` step and ball are
  in the Frobenius norm of an example's perturbation.

Controls: ``direction="random"`` keeps the noise and skips the ascent; ``direction="none"`` sets the perturbation to 0;
``direction="signs"`` takes the corner of the ball with the signs of the noise, as long as a saturated ascent. Gaussian
noise of sigma = epsilon, clamped, has a root mean square of 0.72 epsilon: an ascent would win by its length alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor

from smart_repro import divergence
from smart_repro.methods.base import Passes, check_choices, register
from smart_repro.methods.terms import Clean, Regularised, Term, Value, largest
from smart_repro.perturbation import ascend, project, random_signs

_CHOICES = {
    "dropout": ("shared", "independent", "off"),
    "direction": ("ascent", "random", "signs", "none"),
    "p": ("inf", 2),
    "site": ("block", "word"),
    "norm_scope": ("example", "token"),
    "ascent": ("algorithm-1", "exact"),
}


@dataclass(frozen=True, kw_only=True)
class SmoothnessConfig:
    """Options of R_s."""

    lambda_s: float = 1.0  # weight of R_s; the paper searches {1, 3, 5}
    epsilon: float = 1e-5  # radius of the l-inf ball around a token's embedding; paper 1e-5; scale sigma, eta with it
    sigma: float = 1e-5  # standard deviation of the starting noise; paper 1e-5
    eta: float = 1e-3  # ascent step size; paper 1e-3, far beyond the ball, so most entries end on its surface
    ascent_steps: int = 1  # the paper's T_x, 1
    dropout: str = "shared"  # masks of the two passes: shared / independent / off
    direction: str = "ascent"  # ascent / random (noise only) / signs (epsilon times its signs) / none
    site: str = "block"  # what is perturbed: block (after the embedding layer) / word (before it)
    norm_scope: str = "example"  # the gradient's norm over the whole example / per token
    ascent: str = "algorithm-1"  # algorithm-1 / exact (two classes or regression: one pass fewer)
    p: int | str = "inf"  # of the ball's norm: inf / 2 (over the whole example); paper inf

    def __post_init__(self) -> None:
        check_choices(self, _CHOICES)
        for option in ("epsilon", "sigma", "eta"):
            if not getattr(self, option) > 0:
                raise ValueError(
                    f"{option} must be positive, got {getattr(self, option)}; for no perturbation use direction='none'"
                )
        if self.lambda_s < 0 or self.ascent_steps < 1:
            raise ValueError(
                f"lambda_s must be >= 0 and ascent_steps >= 1, got {self.lambda_s} and {self.ascent_steps}"
            )
        if self.p == 2 and (self.norm_scope != "example" or self.ascent == "exact" or self.direction == "signs"):
            raise ValueError(
                "p=2 is the norm of a whole example, by Algorithm 1: leave norm_scope and ascent out, and take "
                "direction='random' instead of 'signs', which are a corner of the l-inf ball"
            )


class SmoothnessTerm(Term):
    """R_s on one micro-batch."""

    part = "smoothness"
    exact = True
    site: str

    def __init__(self, config: SmoothnessConfig) -> None:
        self.config = config
        self.site = config.site
        self.may_be_zero = config.direction == "none"

    def __call__(self, passes: Passes, clean: Clean) -> Value:
        """Return l_s at the worst perturbation that the ascent finds."""
        assert clean.embeddings is not None
        logits, embeddings = clean.logits, clean.embeddings
        if self.config.dropout == "off":
            logits, embeddings = passes.embedded("clean", self.site, dropout=False)
        delta, stuck = self.worst_perturbation(passes, logits, embeddings)
        shifted = self._shifted(passes, "adversarial", delta)
        value = divergence.for_target(passes.target)(shifted, logits)
        rms = root_mean_square(embeddings, passes.mask)
        return Value(value, {"max_abs_delta": largest(delta), "stuck": stuck, "embedding_rms": rms})

    def worst_perturbation(self, passes: Passes, logits: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return the perturbation after the ascent, and the share of examples whose gradient was zero."""
        config, zero_share = self.config, torch.zeros((), device=logits.device)
        if config.direction == "none":
            return torch.zeros_like(embeddings), zero_share
        if config.ascent == "exact" and config.direction == "ascent":
            return exact_ascent(logits, embeddings, config.epsilon, passes.mask)
        noise = config.sigma * passes.noise(embeddings.shape[-1], embeddings.dtype)
        if config.direction == "signs":
            return random_signs(noise, config.epsilon), zero_share
        if config.direction == "random":
            return project(noise, config.epsilon, config.p), zero_share
        distance, number, fixed = divergence.for_target(passes.target), count(), logits.detach()
        return ascend(
            lambda delta: distance(self._shifted(passes, f"ascent-{next(number)}", delta), fixed),
            noise,
            radius=config.epsilon,
            step_size=config.eta,
            steps=config.ascent_steps,
            mask=passes.mask,
            norm_scope=config.norm_scope,
            p=config.p,
        )

    def _shifted(self, passes: Passes, name: str, delta: Tensor) -> Tensor:
        """Return the logits under perturbation, with the masks of the clean pass, with its own, or with none."""
        masks = name if self.config.dropout == "independent" else "clean"
        return passes.perturbed(masks, delta, self.site, dropout=self.config.dropout != "off")


@torch.no_grad()
def root_mean_square(embeddings: Tensor, mask: Tensor) -> Tensor:
    """Return the root mean square of embedding entries over tokens, the scale to compare epsilon with."""
    real = mask.unsqueeze(-1).to(embeddings.dtype)  # no boolean index, which would synchronise a GPU
    return ((embeddings * real).square().sum() / (real.sum() * embeddings.shape[-1])).sqrt()


def exact_ascent(logits: Tensor, embeddings: Tensor, radius: float, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``radius * sign(dz/dx)``, the first-order maximiser of l_s over the l-inf ball.

    It exists for two classes or regression. l_s grows with the squared change of ``z = z_1 - z_0`` (or of the
    prediction). Its maximum over the ball is reached where every entry has the sign of its derivative, so that one
    vector-Jacobian product on the clean graph is enough and no further forward pass is needed.

    Returns:
        The perturbation, detached, and the share of examples whose derivative was exactly zero.

    Raises:
        ValueError: there are more than two classes.
    """
    if logits.shape[-1] > 2:
        raise ValueError(
            f"ascent='exact' needs two classes or regression, this task has {logits.shape[-1]}: use 'algorithm-1'"
        )
    margin = logits.sum() if logits.shape[-1] == 1 else (logits[:, 1] - logits[:, 0]).sum()
    (slope,) = torch.autograd.grad(margin, embeddings, retain_graph=True)
    slope = slope * mask.unsqueeze(-1).to(slope.dtype)
    stuck = (slope.flatten(1).abs().amax(1) == 0).float().mean()
    return radius * slope.sign(), stuck


def smoothness_passes(config: SmoothnessConfig) -> float:
    """Return the cost of R_s in forward passes: the adversarial pass (3) and the search of the perturbation."""
    search_cost = 0.0
    if config.direction == "ascent":
        search_cost = 1.0 if config.ascent == "exact" else 2.0 * config.ascent_steps
    return 3.0 + search_cost + (3.0 if config.dropout == "off" else 0.0)


@register("smoothness")
class Smoothness(Regularised):
    """R_s without D_Breg: SMART without its Bregman term (the paper's row "-D_Breg")."""

    Config = SmoothnessConfig
    paper = "Jiang et al. 2020, section 3.1, equation 1"
    equation = "L + lambda_s 1/n sum_i max_{|x' - x_i|_inf <= epsilon} l_s(f(x'), f(x_i))"
    config: SmoothnessConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return R_s with the weight lambda_s."""
        return [(self.config.lambda_s, SmoothnessTerm(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: a plain step and the passes of R_s."""
        return 3.0 + smoothness_passes(config)
