"""PGD: training on the worst perturbation that K ascent steps find (Madry et al. 2018, arXiv:1706.06083).

It perturbs word embeddings, as FreeLB's experiments do, which are the source of the PGD row of SMART's Table 1. The
ascent increases the task loss, so it needs labels; SMART's ascent increases the change of the prediction and needs
none.

Deviations:

- An example whose gradient vanishes keeps its perturbation; the public code divides 0 by 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro.methods.adversarial import Attack, AttackConfig
from smart_repro.methods.base import Loss, register
from smart_repro.methods.terms import largest


@dataclass(frozen=True, kw_only=True)
class PgdConfig(AttackConfig):
    """Options of PGD."""

    K: int = 3  # ascent steps; FreeLB's scripts 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.K < 1:
            raise ValueError(f"K must be >= 1, got {self.K}; without ascent use r3f or vanilla")


@register("pgd")
class Pgd(Attack):
    """PGD: the task loss at the perturbation after K ascent steps."""

    Config = PgdConfig
    paper = "Madry et al. 2018, equation 2.1; row of Jiang et al. 2020, Table 1"
    equation = "min_theta E max_{|delta|_2 <= epsilon} loss(f(x + delta; theta), y)"
    config: PgdConfig

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the task loss at the perturbation that K ascent steps reach."""
        passes = self.open_passes(model, batch)
        delta = self.start(passes)
        for _ in range(self.config.K):
            delta = delta.requires_grad_()
            (gradient,) = torch.autograd.grad(self.at(passes, delta), delta)
            delta = self.step(passes, delta, gradient)
        adversarial = self.at(passes, delta)
        return Loss(adversarial, {"adversarial": adversarial.detach()}, {"max_abs_delta": largest(delta)})

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: each ascent step adds a forward pass and a backward pass to the embeddings."""
        return 3.0 + 2.0 * int(config.K)
