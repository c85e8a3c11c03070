"""SMART and SDA together: both papers' terms in one objective. Neither paper does this.

``task loss + lambda_s R_s + mu D_Breg + lambda_d MSE``: see :mod:`smart_repro.methods.smart` and
:mod:`smart_repro.methods.sda`. Both D_Breg and the distillation term pull the student towards its past; with ``mu=0``
only the term of the second paper does.

Deviations:

- ``teacher_dropout`` applies to both teachers. ``evaluate="teacher"`` needs a single teacher: ``mu=0`` or
  ``lambda_d=0``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smart_repro.methods.base import register
from smart_repro.methods.sda import AveragedStudents, SdaConfig
from smart_repro.methods.smart import Smart, SmartConfig
from smart_repro.methods.terms import Term


@dataclass(frozen=True, kw_only=True)
class SmartSdaConfig(SmartConfig, SdaConfig):
    """Options of SMART with SDA."""

    evaluate: str = "student"  # student / teacher (the only one: mu or lambda_d must be 0)

    def __post_init__(self) -> None:
        SmartConfig.__post_init__(self)
        SdaConfig.__post_init__(self)


@register("smart+sda")
class SmartSda(Smart):
    """SMART plus the distillation from past students."""

    Config = SmartSdaConfig
    paper = "Jiang et al. 2020, Algorithm 1, with Xu et al. 2020, equations 5 and 6"
    equation = "L + lambda_s R_s + mu D_Breg + lambda_d MSE(f(x; theta_t), f(x; 1/K sum_{k=1..K} theta_{t-k}))"
    config: SmartSdaConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return SMART's terms and the distillation with the weight lambda_d."""
        return [*super().make_terms(), (self.config.lambda_d, AveragedStudents(self.config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: SMART's, and one forward pass of the mean of past students."""
        return super().cost(config) + (1.0 if config.lambda_d else 0.0)
