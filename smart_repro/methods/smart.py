"""SMART: the smoothness regulariser R_s and the Bregman proximal term D_Breg (Jiang et al. 2020, arXiv:1911.03437).

Algorithm 1: ``task loss + lambda_s R_s + mu D_Breg``; see :mod:`smart_repro.methods.smoothness` and
:mod:`smart_repro.methods.bregman` for the two terms and the readings of each. With ``mu=0`` this is ``smoothness``,
with ``lambda_s=0`` it is ``bregman``. The student is evaluated (line 15 of the algorithm), unless
``evaluate="teacher"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smart_repro.methods.base import register
from smart_repro.methods.bregman import BregmanConfig, BregmanTerm
from smart_repro.methods.smoothness import SmoothnessConfig, SmoothnessTerm, smoothness_passes
from smart_repro.methods.terms import Regularised, Term


@dataclass(frozen=True, kw_only=True)
class SmartConfig(SmoothnessConfig, BregmanConfig):
    """Options of SMART."""

    def __post_init__(self) -> None:
        SmoothnessConfig.__post_init__(self)
        BregmanConfig.__post_init__(self)


@register("smart")
class Smart(Regularised):
    """SMART: the task loss plus R_s and D_Breg."""

    Config = SmartConfig
    paper = "Jiang et al. 2020, Algorithm 1"
    equation = "L + lambda_s R_s + mu D_Breg(theta, teacher)"
    config: SmartConfig

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return R_s with the weight lambda_s and D_Breg with the weight mu."""
        config = self.config
        return [(config.lambda_s, SmoothnessTerm(config)), (config.mu, BregmanTerm(config))]

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: the passes of R_s, and one of the teacher."""
        smoothness = smoothness_passes(config) if config.lambda_s else 0.0
        return 3.0 + smoothness + (1.0 if config.mu else 0.0)
