"""SE: evaluate the mean of the weights over a plain run (Xu et al. 2020, arXiv:2002.10345, equation 4).

Training is plain fine-tuning; only the evaluated model differs (Polyak averaging).

Readings of what the paper leaves open:

- Time steps are optimiser updates 1 to T; theta_0 is excluded. ``every="epoch"`` reads them as epochs: the mean of the
  weights at the end of each epoch; the last update counts as an end.
- ``start``: the paper averages the whole run, early weights included. A later start is a variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from smart_repro.averaging import RunningMean, carrier
from smart_repro.methods.base import Method, TaskLoss, check_choices, register
from smart_repro.models import unwrapped


@dataclass(frozen=True, kw_only=True)
class SelfEnsembleConfig:
    """Options of the self-ensemble."""

    start: float = 0.0  # share of the run before averaging begins; paper 0
    every: str = "step"  # weights that are averaged: after each step (update) / at the end of each epoch

    def __post_init__(self) -> None:
        check_choices(self, {"every": ("step", "epoch")})
        if not 0 <= self.start < 1:
            raise ValueError(f"start must lie in [0, 1), got {self.start}")


@register("self-ensemble")
class SelfEnsemble(Method):
    """Plain fine-tuning, evaluated at the mean of its weights."""

    Config = SelfEnsembleConfig
    paper = "Xu et al. 2020, equation 4"
    equation = "evaluate f(x; 1/T sum_{t=1..T} theta_t)"
    config: SelfEnsembleConfig

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Create the mean of the weights, and the model that computes with it.

        Raises:
            ValueError: ``every="epoch"`` and ``updates_per_epoch`` is not set.
        """
        super().setup(model, total_steps, task_loss=task_loss)
        self._interval = 1
        if self.config.every == "epoch":
            if self.updates_per_epoch is None:
                raise ValueError("every='epoch' needs the length of an epoch: set updates_per_epoch before setup")
            self._interval = self.updates_per_epoch
        self._total = total_steps
        self._first = int(self.config.start * total_steps) + 1
        self.mean = RunningMean(unwrapped(model).parameters())
        self._averaged = carrier(unwrapped(model), self.mean.values)

    def after_step(self, model: nn.Module, step: int) -> None:
        """Add the weights to the mean from the first averaged update on, at every interval and at the end."""
        super().after_step(model, step)
        if step >= self._first and (step % self._interval == 0 or step == self._total):
            self.mean.add(unwrapped(model).parameters())

    def eval_model(self, model: nn.Module) -> nn.Module:
        """Return the model with the averaged weights; the trained model while there is no average."""
        return self._averaged if self.mean.count else model

    def state_dict(self) -> dict[str, Any]:
        """Return the mean."""
        return self.mean.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.mean.load_state_dict(state)
