"""SMART as its public code computes it (namisan/mt-dnn at 3228e7c), without the errors that stop that code.

The code differs from Jiang et al. 2020, Algorithm 1, in every step; only the idea is the same.

Deviations:

- No Bregman term, no teacher, no S: only R_s, weighted by ``lambda_s`` (``adv_alpha`` in the code).
- No projection into a ball. The perturbation is ``(noise + eta g) / (max |noise + eta g| + guard)`` per token, so its
  largest entry is about 1: at eta = 1e-3 it is almost only the random start, magnified 100,000 times.
- The code's ``epsilon`` only guards that division; the option is called ``guard`` here.
- The ascent maximises a one-sided surrogate, ``2 sum p (log odds p - log odds q)`` with the log odds detached; the
  loss is another function, two KL divergences with each reference detached, whose gradient is half the true one.
- Independent dropout masks in all passes.
- ``embedding="doubled"``: since February 2021 the code passes the output of the whole embedding layer as if it were
  word embeddings, so position, type, LayerNorm and dropout are applied twice, on the noisy side only. ``single`` adds
  the perturbation to that output, as earlier versions of the code did.
- Corrected: the argument order of a call, which raises an error; the regression loss, which compares all pairs of a
  batch; the branch for a non-finite gradient, which raises an error too (here such entries count as 0). Padding gets
  no noise; this has no effect, because attention masks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smart_repro import divergence
from smart_repro.methods.base import Passes, check_choices, register
from smart_repro.methods.terms import Clean, Regularised, Term, Value, largest

_ODDS_GUARD = 1e-6  # keeps the log odds finite, as in the public code


@dataclass(frozen=True, kw_only=True)
class SmartReleasedConfig:
    """Options of SMART's public code."""

    lambda_s: float = 1.0  # weight of the term; public code 1 (adv_alpha)
    sigma: float = 1e-5  # standard deviation of the starting noise; public code 1e-5
    eta: float = 1e-3  # ascent step size; public class 1e-3, its command line 1e-5
    ascent_steps: int = 1  # public code 1
    guard: float = 1e-6  # keeps the division by the largest entry finite; public code 1e-6, called epsilon
    site: str = "block"  # what is perturbed: block (after the embedding layer, as released) / word (before it)
    embedding: str = "single"  # single (perturb the embedding layer's output) / doubled (embed it again, as released)

    def __post_init__(self) -> None:
        check_choices(self, {"embedding": ("single", "doubled"), "site": ("block", "word")})
        if (self.site, self.embedding) == ("word", "doubled"):
            raise ValueError("embedding='doubled' embeds the output of the whole layer again: it needs site='block'")
        if self.lambda_s < 0 or self.ascent_steps < 1 or min(self.sigma, self.eta, self.guard) <= 0:
            raise ValueError(
                "lambda_s must be >= 0, ascent_steps >= 1, and sigma, eta and guard positive, got "
                f"{self.lambda_s}, {self.ascent_steps}, {self.sigma}, {self.eta}, {self.guard}"
            )


def released_step(noise: Tensor, gradient: Tensor, eta: float, guard: float) -> Tensor:
    """Return ``(noise + eta g) / (max |noise + eta g| + guard)``, with the maximum per token and without projection.

    Args:
        noise: ``(batch, length, width)``, the perturbation before the step.
        gradient: same shape, of the objective with respect to ``noise``.
        eta: step size.
        guard: keeps the division finite.
    """
    ascended = noise + eta * gradient
    return ascended / (ascended.abs().amax(-1, keepdim=True) + guard)


def released_objective(logits: Tensor, reference: Tensor) -> Tensor:
    """Return the objective that the public ascent maximises for classification: ``2 sum p (log odds p - log odds q)``.

    The log odds are detached, so the gradient flows through the factor ``p`` only.

    Args:
        logits: ``(batch, classes)`` of the perturbed pass, for p.
        reference: same shape, of the clean pass, for q.
    Returns: scalar, summed over the batch; it can be negative.
    """
    p, q = logits.softmax(-1), reference.softmax(-1)
    return (2 * p * (_log_odds(p) - _log_odds(q))).sum()


def released_loss(logits: Tensor, reference: Tensor) -> Tensor:
    """Return ``KL(sg q || p) + KL(sg p || q)`` in nats, averaged over the batch; sg stops the gradient.

    Computed as ``sum sg(p - q) (log p - log q)``, without cancellation of digits; value and gradient are the same,
    because ``sum p d log p = 0``.

    Args:
        logits: ``(batch, classes)`` of the clean pass, for p.
        reference: same shape, of the perturbed pass, for q; gradients flow through both.
    Returns: scalar, >= 0.
    """
    log_p, log_q = logits.log_softmax(-1), reference.log_softmax(-1)
    return ((log_p.exp() - log_q.exp()).detach() * (log_p - log_q)).sum(-1).mean()


def _log_odds(p: Tensor) -> Tensor:
    return -(1.0 / (p + _ODDS_GUARD) - 1.0 + _ODDS_GUARD).detach().log()


class ReleasedTerm(Term):
    """Smoothness term of the public code on one micro-batch."""

    part = "smoothness"
    exact = True
    site: str

    def __init__(self, config: SmartReleasedConfig) -> None:
        self.config = config
        self.site = config.site

    def __call__(self, passes: Passes, clean: Clean) -> Value:
        """Return the public code's smoothness loss at the perturbation after the last ascent step."""
        assert clean.embeddings is not None  # the base class collects them because ``site`` is set
        regression = passes.target == "regression"
        width, dtype = clean.embeddings.shape[-1], clean.embeddings.dtype
        delta, clean_logits = self.config.sigma * passes.noise(width, dtype), clean.logits.detach()
        for step in range(self.config.ascent_steps):
            delta = delta.requires_grad_()
            logits = self._perturbed_logits(passes, f"ascent-{step}", clean.embeddings.detach(), delta)
            if regression:
                objective = (logits - clean_logits).square().sum()
            else:
                objective = released_objective(logits, clean_logits)
            (gradient,) = torch.autograd.grad(objective, delta)
            gradient = gradient.nan_to_num(0.0, 0.0, 0.0) * passes.mask.unsqueeze(-1)
            delta = released_step(delta.detach(), gradient, self.config.eta, self.config.guard)
        logits = self._perturbed_logits(passes, "adversarial", clean.embeddings, delta)
        value = divergence.squared_error(clean.logits, logits) if regression else released_loss(clean.logits, logits)
        return Value(value, {"max_abs_delta": largest(delta)})

    def _perturbed_logits(self, passes: Passes, name: str, embeddings: Tensor, delta: Tensor) -> Tensor:
        if self.config.embedding == "doubled":
            return passes.embedded_again(name, embeddings + delta)
        return passes.perturbed(name, delta, self.site)


@register("smart-released")
class SmartReleased(Regularised):
    """SMART's public code: the task loss plus its smoothness term."""

    Config = SmartReleasedConfig
    paper = "public code of Jiang et al. 2020 (namisan/mt-dnn)"
    equation = (
        "L + lambda_s [KL(sg q||p) + KL(sg p||q)], q at delta = (nu + eta g) / (max|nu + eta g| + guard) per token"
    )
    config: SmartReleasedConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return the smoothness term with the weight lambda_s."""
        return [(self.config.lambda_s, ReleasedTerm(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: the adversarial pass (3) and two per ascent step."""
        return 6.0 + 2.0 * config.ascent_steps if config.lambda_s else 3.0
