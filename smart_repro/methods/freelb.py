"""FreeLB: one update from the average gradient along K ascent steps (Zhu et al. 2020, arXiv:1909.11764, Algorithm 1).

The gradient of the weights is averaged over the points delta_0 ... delta_{K-1} that the ascent visits; the same
backward pass that gives it also moves the perturbation. All K passes share their dropout masks (section 3.3).

Deviations:

- K counts the passes, each weighted 1/K, as in Algorithm 1 and the authors' Hugging Face code; their fairseq code makes
  K + 1 passes of weight 1/(K + 1) for the same K.
- With ``K=1`` there is no ascent: this is plain fine-tuning at randomly shifted embeddings, and with ``start=0`` plain
  fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro.methods.adversarial import Attack, AttackConfig
from smart_repro.methods.base import Loss, register
from smart_repro.methods.terms import largest


@dataclass(frozen=True, kw_only=True)
class FreeLbConfig(AttackConfig):
    """Options of FreeLB."""

    K: int = 3  # points whose gradients are averaged; FreeLB's Hugging Face scripts 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.K < 1:
            raise ValueError(f"K must be >= 1, got {self.K}")


@register("freelb")
class FreeLb(Attack):
    """FreeLB: the gradient of the weights is the mean over the points of the ascent."""

    Config = FreeLbConfig
    paper = "Zhu et al. 2020, Algorithm 1; row of Jiang et al. 2020, Table 1"
    equation = "g = 1/K sum_{t<K} grad_theta loss(x + delta_t),  delta_{t+1} = P(delta_t + alpha g_delta/|g_delta|_2)"
    config: FreeLbConfig

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the mean task loss over the ascent, as one graph."""

        def slope(value: Tensor, delta: Tensor) -> Tensor:
            return torch.autograd.grad(value, delta, retain_graph=True)[0]

        return self._average(model, batch, slope)

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        """Backpropagate the task loss of each ascent step separately, so that only one graph is in memory."""

        def slope(value: Tensor, delta: Tensor) -> Tensor:
            backward(value)  # frees this pass's graph before the next one is built
            assert delta.grad is not None
            return delta.grad

        loss = self._average(model, batch, slope)
        return Loss(loss.total.detach(), loss.parts, loss.info)

    def _average(self, model: nn.Module, batch: dict[str, Tensor], slope: Callable[[Tensor, Tensor], Tensor]) -> Loss:
        """Return the mean loss along the ascent; ``slope(value, delta)`` returns d value / d delta."""
        passes = self.open_passes(model, batch)
        delta = self.start(passes)
        total = torch.zeros((), device=delta.device)
        farthest = largest(delta)
        for _ in range(self.config.K):
            farthest = torch.maximum(farthest, largest(delta))
            delta = delta.requires_grad_()
            value = self.at(passes, delta) / self.config.K
            total = total + value
            delta = self.step(passes, delta, slope(value, delta))
        return Loss(total, {"adversarial": total.detach()}, {"max_abs_delta": farthest})

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: K plain steps."""
        return 3.0 * int(config.K)
