"""FreeAT: adversarial training at the cost of plain training (Shafahi et al. 2019, arXiv:1904.12843, Algorithm 1).

Each batch is presented m times and the epochs are divided by m. Every presentation is one update of the weights at
the current perturbation, and the same backward pass also gives the gradient that moves the perturbation.

Deviations:

- The perturbation is reset for each batch, as in FreeLB's public code; the original carries it over to the next
  batch, which is not possible between texts of different length.
- The m presentations of a batch share their dropout masks (FreeLB's scripts: "syncdp").
- With ``m=1`` and ``start=0`` this is plain fine-tuning. A loop that never calls ``begin`` presents every batch once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from smart_repro.methods.adversarial import Attack, AttackConfig
from smart_repro.methods.base import Loss, Passes, TaskLoss, register
from smart_repro.methods.terms import largest


@dataclass(frozen=True, kw_only=True)
class FreeAtConfig(AttackConfig):
    """Options of FreeAT."""

    m: int = 3  # presentations of each batch; Shafahi et al. 2 to 10, FreeLB's scripts 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.m < 1:
            raise ValueError(f"m must be >= 1, got {self.m}")


@register("freeat")
class FreeAt(Attack):
    """FreeAT: each presentation of a batch updates the weights and the perturbation."""

    Config = FreeAtConfig
    paper = "Shafahi et al. 2019, Algorithm 1; row of Jiang et al. 2020, Table 1"
    equation = (
        "for each batch, m times: theta <- theta - lr grad_theta loss(x + delta), delta <- P(delta + alpha g/|g|_2)"
    )
    config: FreeAtConfig

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.replays = self.config.m
        self._replay = 0
        self._deltas: dict[int, Tensor] = {}  # by micro-batch, between two presentations of the same batch

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Forget the perturbations of an earlier run."""
        super().setup(model, total_steps, task_loss=task_loss)
        self._replay = 0
        self._deltas = {}

    def begin(self, micro: int, replay: int, step: int) -> None:
        """Set the position of a presentation; all presentations of a batch use the masks of the first."""
        super().begin(micro, replay, step - replay)  # position of the first presentation, for the same masks
        self._replay = replay

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the task loss at the current perturbation."""
        passes = self.open_passes(model, batch)
        return self._loss_at(passes, self._delta(passes))

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        """Backpropagate the task loss at the perturbation, then move the perturbation for the next presentation."""
        passes = self.open_passes(model, batch)
        delta = self._delta(passes).requires_grad_()
        loss = self._loss_at(passes, delta)
        backward(loss.total)
        assert delta.grad is not None
        self._deltas.pop(self.streams.micro, None)
        if self._replay + 1 < self.replays:
            self._deltas[self.streams.micro] = self.step(passes, delta, delta.grad)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the perturbations between two presentations, by micro-batch."""
        return {"deltas": self._deltas}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._deltas = dict(state["deltas"])

    def _delta(self, passes: Passes) -> Tensor:
        stored = self._deltas.get(self.streams.micro) if self._replay else None
        return self.start(passes) if stored is None else stored.to(passes.mask.device)

    def _loss_at(self, passes: Passes, delta: Tensor) -> Loss:
        value = self.at(passes, delta)
        return Loss(value, {"adversarial": value.detach()}, {"max_abs_delta": largest(delta)})
