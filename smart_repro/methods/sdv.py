"""SDV: self-distillation from the vote of past students (Xu et al. 2020, arXiv:2002.10345, equation 7).

The teacher's logits are the mean of the logits of the last K students, so every step has K further forward passes.
With K = 1 this is ``sda``; the readings of the paper are the same as there.

Deviations:

- In bf16 runs student and teachers are all bf16, because no perturbation is involved.
- ``K="all"`` is not offered, as in the paper, because it would need every earlier student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro.averaging import Window, carrier, lend
from smart_repro.methods.base import Passes, register
from smart_repro.methods.sda import DistillationTerm, StudentsConfig
from smart_repro.methods.terms import Regularised, Term
from smart_repro.models import unwrapped


@dataclass(frozen=True, kw_only=True)
class SdvConfig(StudentsConfig):
    """Options of SDV."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.K == "all":
            raise ValueError("sdv needs a number of students, it would have to run all of them: use sda for K='all'")


class VotingStudents(DistillationTerm):
    """Distillation from the mean of the logits of the last K students."""

    def setup(self, model: nn.Module, total_steps: int) -> None:
        """Create the window of past students, starting with theta_0."""
        super().setup(model, total_steps)
        self._window = Window(int(self.config.K), self.config.teacher_lag)
        self._window.push(unwrapped(model).parameters())
        self._carrier = carrier(unwrapped(model), self._window._members[0])

    def teacher_logits(self, passes: Passes) -> Tensor | None:
        """Return the mean of the past students' logits, without a graph; None while there is none."""
        votes = []
        for weights in self._window.members:
            lend(self._carrier, weights)
            votes.append(self.reference(passes, self._carrier))
        return torch.stack(votes).mean(0) if votes else None

    def after_step(self, model: nn.Module, step: int) -> None:
        """Push the weights after this update into the window."""
        self._window.push(unwrapped(model).parameters())

    def state_dict(self) -> dict[str, Any]:
        """Return the window."""
        return self._window.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._window.load_state_dict(state)


@register("sdv")
class Sdv(Regularised):
    """SDV: the task loss plus the distillation from the vote of past students."""

    Config = SdvConfig
    paper = "Xu et al. 2020, equation 7"
    equation = "CE(f(x; theta_t), y) + lambda_d MSE(f(x; theta_t), 1/K sum_{k=1..K} f(x; theta_{t-k}))"
    config: SdvConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return the distillation with the weight lambda_d."""
        return [(self.config.lambda_d, VotingStudents(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: each of the K past students adds one forward pass."""
        return 3.0 + config.K if config.lambda_d else 3.0
