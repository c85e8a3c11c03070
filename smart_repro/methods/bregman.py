"""D_Breg: the Bregman proximal point term of SMART (Jiang et al. 2020, arXiv:1911.03437, equations 2 and 3).

``D_Breg(theta, teacher) = (1/n) sum_i l_s(f(x_i; theta), f(x_i; teacher))`` on clean inputs. MBPP (equation 3) takes
the exponential mean ``teacher_t = (1 - beta) theta_t + beta teacher_{t-1}`` with beta 0.99 in the first tenth of the
outer iterations and 0.999 after; VBPP (equation 2) is ``beta=0``. An outer iteration has ``inner_steps`` (S) updates
with a fixed teacher. Line 13 of Algorithm 1 is read as the weights after the S-th update.

Readings of what the paper leaves open:

- ``teacher_dropout``: off by default; the gradient never enters the teacher.
- The teacher starts from theta_0 with its random head. In a short run theta_0 keeps a large share of the mean
  (``start_share`` in the history): ``teacher="ema-scaled"`` scales the mean's memory to the length of the run,
  ``"theta0"`` and ``"current"`` are the two extremes.
- ``evaluate``: the algorithm returns the student; ``"teacher"`` evaluates the mean of equation 3 instead, as Mean
  Teacher does, with which the paper compares it.
- VBPP with S = 1 compares the student with itself: its gradient is zero if and only if dropout is off or shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro import divergence
from smart_repro.averaging import ExponentialMean, carrier
from smart_repro.methods.base import TEACHER_DROPOUT, Passes, check_choices, register
from smart_repro.methods.terms import EVALUATED, Clean, Regularised, Term, Value
from smart_repro.models import unwrapped

_CHOICES = {
    "teacher": ("ema", "ema-scaled", "theta0", "current"),
    "teacher_dropout": TEACHER_DROPOUT,
    "evaluate": EVALUATED,
}


@dataclass(frozen=True, kw_only=True)
class BregmanConfig:
    """Options of D_Breg."""

    mu: float = 1.0  # weight of D_Breg; paper 1
    beta: float = 0.999  # share the old teacher keeps per outer iteration; paper 0.999; 0 is VBPP
    beta_early: float = 0.99  # the same during the first tenth of training; paper 0.99; never above beta
    inner_steps: int = 1  # the paper's S: updates per proximal step, 1
    teacher: str = "ema"  # ema (the paper's) / ema-scaled (1 - beta = 10/T) / theta0 / current
    teacher_dropout: str = "off"  # off / independent / shared (the student's masks)
    evaluate: str = "student"  # student (line 15 of Algorithm 1) / teacher (the exponential mean of the weights)

    def __post_init__(self) -> None:
        check_choices(self, _CHOICES)
        if not (0 <= self.beta < 1 and 0 <= self.beta_early < 1):
            raise ValueError(f"beta and beta_early must lie in [0, 1), got {self.beta} and {self.beta_early}")
        if self.mu < 0 or self.inner_steps < 1:
            raise ValueError(f"mu must be >= 0 and inner_steps >= 1, got {self.mu} and {self.inner_steps}")


class BregmanTerm(Term):
    """D_Breg on one micro-batch, with its teacher."""

    part = "bregman"
    exact = True

    def __init__(self, config: BregmanConfig) -> None:
        self.config = config
        self.may_be_zero = config.beta == 0 or config.teacher == "current"
        self.averages = config.teacher in ("ema", "ema-scaled")
        self.teacher: nn.Module | None = None
        self.mean: ExponentialMean | None = None

    def setup(self, model: nn.Module, total_steps: int) -> None:
        """Create the teacher at theta_0, unless the teacher is the current model."""
        if self.config.teacher == "current":
            return
        self._outer_iterations = max(1, total_steps // self.config.inner_steps)
        self.mean = ExponentialMean(unwrapped(model).parameters())
        self.teacher = carrier(unwrapped(model), self.mean.values)

    def __call__(self, passes: Passes, clean: Clean) -> Value:
        """Return the distance of the student's predictions from the teacher's."""
        reference = self.teacher_logits(passes)
        value = divergence.for_target(passes.target)(clean.logits, reference)
        info = {} if self.mean is None else {"start_share": torch.tensor(self.mean.start_share)}
        return Value(value, info)

    def teacher_logits(self, passes: Passes) -> Tensor:
        """Return the teacher's logits on the clean input, without a graph."""
        return passes.reference(self.teacher, dropout=self.config.teacher_dropout)

    def averaged_model(self) -> nn.Module | None:
        """Return the teacher."""
        return self.teacher

    def after_step(self, model: nn.Module, step: int) -> None:
        """Move the teacher towards the student after each outer iteration."""
        if self.mean is None or self.config.teacher == "theta0" or step % self.config.inner_steps:
            return
        self.mean.update(unwrapped(model).parameters(), self.beta_at(step // self.config.inner_steps))

    def beta_at(self, iteration: int) -> float:
        """Return the share that the old teacher keeps after outer iteration ``iteration`` (from 1)."""
        if self.config.teacher == "ema-scaled":
            return max(0.0, 1.0 - 10.0 / self._outer_iterations)
        early = iteration <= 0.1 * self._outer_iterations
        return min(self.config.beta_early, self.config.beta) if early else self.config.beta

    def state_dict(self) -> dict[str, Any]:
        """Return the teacher's weights; empty without a teacher of its own."""
        return {} if self.mean is None else self.mean.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        if self.mean is not None:
            self.mean.load_state_dict(state)


@register("bregman")
class Bregman(Regularised):
    """D_Breg without R_s: SMART without its smoothness term (the paper's row "-R_s")."""

    Config = BregmanConfig
    paper = "Jiang et al. 2020, section 3.2, equations 2 and 3"
    equation = "L + mu 1/n sum_i l_s(f(x_i; theta), f(x_i; teacher)), teacher <- (1 - beta) theta + beta teacher"
    config: BregmanConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return D_Breg with the weight mu."""
        return [(self.config.mu, BregmanTerm(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: the teacher adds one forward pass."""
        return 4.0 if config.mu else 3.0
