"""SDA: self-distillation from the mean of past students (Xu et al. 2020, arXiv:2002.10345, equations 5 and 6).

``CE(f(x; theta), y) + lambda MSE(f(x; theta), f(x; teacher))`` on logits, where the teacher's weights at theta_t are
the mean of theta_{t-1} ... theta_{t-K}. ``K="all"`` (the paper's T-1) is the mean of all earlier students.

Readings of what the paper leaves open:

- A student is the result of an optimiser update; the paper's figure 6 counts micro-batches, between which the
  weights do not change. The pre-trained weights theta_0, with their random head, are the first student.
- While fewer than K students exist, all of them form the teacher. The first update has no teacher and no such term.
- ``teacher_dropout`` is off, since the paper does not state it. The teacher's logits are then larger than the
  student's at equal weights, and early in training this can make the logits diverge: docs/sda-teacher.md. MSE is the
  mean over batch and classes.
- ``teacher_lag=0`` lets the teacher include the current weights; with K = 1 the teacher is then the student itself,
  and only the effect of dropout remains: the control.
- ``evaluate``: the paper does not state that the teacher is evaluated, so the student is. ``"teacher"`` evaluates the
  teacher of the update after the last one; before there is a teacher, the student.
- In bf16 runs student and teacher are both bf16, because no perturbation is involved. Together with R_s or D_Breg both
  are float32.
- ``mean="ema"`` is the choice of a public re-implementation (lonePatient/BERT-SDA): an exponential mean with decay
  ``min(0.995, (1 + t) / (10 + t))`` that includes the current weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro import divergence
from smart_repro.averaging import ExponentialMean, PastMean, RunningMean, Window, WindowMean, carrier
from smart_repro.methods.base import TEACHER_DROPOUT, Passes, check_choices, register
from smart_repro.methods.terms import EVALUATED, Clean, Regularised, Term, Value
from smart_repro.models import unwrapped

_EMA_DECAY = 0.995


@dataclass(frozen=True, kw_only=True)
class StudentsConfig:
    """Options of a teacher made of past students."""

    lambda_d: float = 1.0  # the paper's lambda, weight of the distillation term; paper 1, best in [1.0, 1.5]
    K: int | str = 1  # teacher size: past students in the teacher; paper 1 to 5; "all" (SDA) is its T-1
    teacher_lag: int = 1  # newest students left out: 1 excludes the current weights (equation 6) / 0
    teacher_dropout: str = "off"  # off / independent / shared (the student's masks)

    def __post_init__(self) -> None:
        check_choices(self, {"teacher_dropout": TEACHER_DROPOUT})
        if self.lambda_d < 0 or self.teacher_lag not in (0, 1):
            raise ValueError(
                f"lambda_d must be >= 0 and teacher_lag 0 or 1, got {self.lambda_d} and {self.teacher_lag}"
            )
        if self.K != "all" and (not isinstance(self.K, int) or self.K < 1):
            raise ValueError(f"K must be a positive whole number or 'all', got {self.K!r}")


@dataclass(frozen=True, kw_only=True)
class SdaConfig(StudentsConfig):
    """Options of SDA."""

    mean: str = "window"  # window (equation 6) / ema (the public re-implementation's)
    evaluate: str = "student"  # student / teacher (the mean of past students, as the next update would use it)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"mean": ("window", "ema"), "evaluate": EVALUATED})


class DistillationTerm(Term):
    """Squared distance of the logits from a teacher made of past students; subclasses build the teacher."""

    part = "distillation"

    def __init__(self, config: StudentsConfig) -> None:
        self.config = config
        self.may_be_zero = config.K == 1 and config.teacher_lag == 0  # the teacher is the student itself

    def setup(self, model: nn.Module, total_steps: int) -> None:
        """Refuse a K that is larger than the number of updates."""
        if self.config.K != "all" and int(self.config.K) > total_steps:
            raise ValueError(
                f"K={self.config.K} past students are more than the {total_steps} updates of this run produce: "
                "use a smaller K, or K='all'"
            )

    def __call__(self, passes: Passes, clean: Clean) -> Value:
        """Return the squared distance of the student's logits from the teacher's; 0 without a teacher."""
        teacher = self.teacher_logits(passes)
        if teacher is None:
            return Value(torch.zeros((), device=clean.logits.device))
        return Value(divergence.logit_mse(clean.logits, teacher))

    def teacher_logits(self, passes: Passes) -> Tensor | None:
        """Return the teacher's logits, without a graph; None while there is no past student."""
        raise NotImplementedError

    def reference(self, passes: Passes, teacher: nn.Module) -> Tensor:
        """Return the logits of one teacher model."""
        return passes.reference(teacher, dropout=self.config.teacher_dropout)


class AveragedStudents(DistillationTerm):
    """Distillation from one model with the mean of past weights."""

    config: SdaConfig
    averages = True

    def setup(self, model: nn.Module, total_steps: int) -> None:
        """Create the mean that ``K``, ``mean`` and ``teacher_lag`` define, and the teacher that computes with it."""
        super().setup(model, total_steps)
        parameters = list(unwrapped(model).parameters())
        size, lag = self.config.K, self.config.teacher_lag
        self.mean: ExponentialMean | RunningMean | PastMean | WindowMean
        if self.config.mean == "ema":
            self.mean = ExponentialMean(parameters)
        elif isinstance(size, int):
            self.mean = WindowMean(Window(size, lag), parameters)
            self.mean.push(parameters)
        elif lag == 0:
            self.mean = RunningMean(parameters)
            self.mean.add(parameters)
        else:
            self.mean = PastMean(parameters)
        self.teacher = carrier(unwrapped(model), self.mean.values)

    def teacher_logits(self, passes: Passes) -> Tensor | None:
        """Return the logits of the mean of past students, without a graph; None while there is none."""
        if not isinstance(self.mean, PastMean):
            return self._reference_if_any(passes)
        with self.mean.without(list(unwrapped(passes.model).parameters())):
            return self._reference_if_any(passes)

    def averaged_model(self) -> nn.Module | None:
        """Return the teacher; None while the mean is empty."""
        empty = isinstance(self.mean, RunningMean | WindowMean) and self.mean.count == 0
        return None if empty else self.teacher

    def after_step(self, model: nn.Module, step: int) -> None:
        """Update the mean with the weights after this update."""
        parameters = unwrapped(model).parameters()
        if isinstance(self.mean, ExponentialMean):
            self.mean.update(parameters, min(_EMA_DECAY, (1.0 + step) / (10.0 + step)))
        elif isinstance(self.mean, WindowMean):
            self.mean.push(parameters)
        elif isinstance(self.mean, PastMean):
            self.mean.move_on()
        else:
            self.mean.add(parameters)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the mean."""
        return {"mean": self.mean.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.mean.load_state_dict(state["mean"])

    def _reference_if_any(self, passes: Passes) -> Tensor | None:
        teacher = self.averaged_model()
        return None if teacher is None else self.reference(passes, teacher)


@register("sda")
class Sda(Regularised):
    """SDA: the task loss plus the distillation from the mean of past students."""

    Config = SdaConfig
    paper = "Xu et al. 2020, equations 5 and 6"
    equation = "CE(f(x; theta_t), y) + lambda_d MSE(f(x; theta_t), f(x; 1/K sum_{k=1..K} theta_{t-k}))"
    config: SdaConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return the distillation with the weight lambda_d."""
        return [(self.config.lambda_d, AveragedStudents(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: the teacher adds one forward pass."""
        return 4.0 if config.lambda_d else 3.0
