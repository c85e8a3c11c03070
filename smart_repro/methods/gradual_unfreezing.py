"""Gradual unfreezing with discriminative learning rates (Howard and Ruder 2018, ULMFiT, arXiv:1801.06146, section 3.3).

The head learns first; then one layer after the other is added, from the top, until all learn. The learning rate of
each layer is 2.6 times smaller than that of the layer above. The paper's slanted triangular schedule is the setting
``schedule=slanted``.

Deviations:

- ULMFiT opens one layer per epoch; Transformers have more layers than fine-tuning has epochs, so the openings are
  spread evenly over the first ``opening`` of the updates.
- A layer that is not open yet has its gradient dropped before the optimiser sees it: ``requires_grad`` never changes,
  which data-parallel training relies on. The optimiser keeps no state for it and decays nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from smart_repro.methods.base import Loss, Method, TaskLoss, register
from smart_repro.models import layer_groups


@dataclass(frozen=True, kw_only=True)
class GradualUnfreezingConfig:
    """Options of gradual unfreezing."""

    opening: float = 0.5  # share of the updates after which every layer is open; ULMFiT: one layer per epoch
    decay: float = 2.6  # factor between the learning rates of neighbouring layers; paper 2.6; 1 is one rate for all

    def __post_init__(self) -> None:
        if not 0 <= self.opening <= 1 or self.decay < 1:
            raise ValueError(f"opening must lie in [0, 1] and decay be >= 1, got {self.opening} and {self.decay}")


@register("gradual-unfreezing")
class GradualUnfreezing(Method):
    """Training that unfreezes one layer after the other, with a smaller learning rate for lower layers."""

    Config = GradualUnfreezingConfig
    paper = "Howard and Ruder 2018, section 3.3; heuristic named by Jiang et al. 2020, section 1"
    equation = "layer l (0 = top) opens at update l * opening * T / L and learns at lr / decay^l"
    config: GradualUnfreezingConfig

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Group the layers, from the top."""
        super().setup(model, total_steps, task_loss=task_loss)
        self._groups = layer_groups(model)[::-1]  # from the top
        self._total = total_steps
        self._step = 0

    def param_groups(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return two groups per layer, with its learning rate; only matrices have weight decay."""
        groups = []
        for depth, parameters in enumerate(self._groups):
            rate = lr / self.config.decay**depth
            matrices = [parameter for parameter in parameters if parameter.dim() > 1]
            vectors = [parameter for parameter in parameters if parameter.dim() <= 1]
            groups.append({"params": matrices, "lr": rate, "weight_decay": weight_decay})
            groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
        return groups

    def open_groups(self, step: int) -> int:
        """Return the number of groups, from the top, that learn in the update after ``step`` finished ones."""
        last = len(self._groups) - 1
        if self.config.opening == 0:
            return last + 1
        return 1 + min(last, int(step * last / (self.config.opening * self._total)))

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        """Backpropagate, then clear the gradients of layers that are not open yet."""
        loss = super().backward(model, batch, backward)
        for group in self._groups[self.open_groups(self._step) :]:
            for parameter in group:
                parameter.grad = None
        return loss

    def after_step(self, model: nn.Module, step: int) -> None:
        """Store the number of finished updates, which decides the open layers."""
        super().after_step(model, step)
        self._step = step

    def state_dict(self) -> dict[str, Any]:
        """Return the number of finished updates."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._step = state["step"]
