"""R-Drop: two passes with different dropout masks should agree (Liang et al. 2021, arXiv:2106.14448, equations 2 to 4).

The control for SMART: a consistency penalty from dropout only, without a perturbation of the input. At the paper's
radius, SMART with independent masks measures the same.

Deviations:

- The paper adds the two cross-entropies; here the whole objective is halved, so that the learning rate and the
  clipped norm have the same meaning as in the other methods: ``mean CE + alpha/4 (KL(p||q) + KL(q||p))``. This equals
  R_s without a perturbation and with independent masks at ``lambda_s = alpha / 4``, except that the task loss is
  averaged over both passes.
- For regression the squared difference of the two predictions replaces the divergence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from smart_repro import divergence
from smart_repro.methods.base import Loss, Method, register


@dataclass(frozen=True, kw_only=True)
class RDropConfig:
    """Options of R-Drop."""

    alpha: float = 1.0  # weight of the consistency term; paper {0.1, 0.5, 1.0} on GLUE

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha must be >= 0, got {self.alpha}")


@register("r-drop")
class RDrop(Method):
    """R-Drop: the mean task loss of two passes plus the distance of their predictions."""

    Config = RDropConfig
    paper = "Liang et al. 2021, equations 2 to 4"
    equation = "1/2 [CE(p, y) + CE(q, y)] + alpha/2 * 1/2 [KL(p||q) + KL(q||p)], p and q from two dropout masks"
    config: RDropConfig
    exact = True

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the mean task loss of two passes plus half of alpha times their distance."""
        passes = self.open_passes(model, batch)
        first, second = passes("clean"), passes("second")
        task = (self.task_loss(first, passes) + self.task_loss(second, passes)) / 2
        distance = divergence.for_target(passes.target)(first, second)
        consistency = distance / 2 if passes.target == "classification" else distance
        total = task + self.config.alpha / 2 * consistency
        return Loss(total, {"task": task.detach(), "consistency": consistency.detach()})

    def expected_signals(self) -> frozenset[str]:
        """Return the consistency term unless its weight is 0."""
        return frozenset({"consistency"}) if self.config.alpha else frozenset()

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: two passes with their backward passes."""
        return 6.0
