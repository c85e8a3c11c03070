"""Common part of the adversarial baselines: an l2 ball around each example's word embeddings, and steps in it.

As in FreeLB (Zhu et al. 2020, arXiv:1909.11764, Algorithm 1), whose experiments are the source of the PGD and FreeAT
rows of SMART's Table 1: uniform start, gradient divided by its Frobenius norm per example, projection on the ball.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smart_repro.methods.base import Method, Passes
from smart_repro.models import embedding_site
from smart_repro.perturbation import step_l2

SITE = "word"


@dataclass(frozen=True, kw_only=True)
class AttackConfig:
    """Options of all adversarial baselines."""

    alpha: float = 0.04  # ascent step along the normalised gradient; FreeLB's scripts 0.04 to 0.2
    epsilon: float = 0.4  # radius of the l2 ball around an example's embeddings; FreeLB's scripts 0.14 to 0.7
    start: float = 0.64  # size of the uniform start, divided by the root of its dimensions; FreeLB's scripts 0.08 to 1

    def __post_init__(self) -> None:
        if self.alpha <= 0 or self.epsilon <= 0:
            raise ValueError(f"alpha and epsilon must be positive, got {self.alpha} and {self.epsilon}")
        if self.start < 0:
            raise ValueError(f"start must be >= 0, got {self.start}; 0 starts at the clean embeddings")


class Attack(Method):
    """Base of the methods that train on perturbed word embeddings."""

    config: AttackConfig
    exact = True

    def start(self, passes: Passes) -> Tensor:
        """Return delta_0: ``start / sqrt(N) * U(-1, 1)`` with N = tokens x width, zero on padding."""
        embedding: Any = embedding_site(passes.model, SITE).weight
        normal = passes.noise(embedding.shape[-1], embedding.dtype)
        uniform = torch.erf(normal / math.sqrt(2.0))  # the normal distribution function maps normal to uniform numbers
        size = passes.mask.sum(1).view(-1, 1, 1) * embedding.shape[-1]
        perturbation: Tensor = self.config.start * uniform / size.to(uniform.dtype).sqrt()
        return perturbation

    def at(self, passes: Passes, delta: Tensor) -> Tensor:
        """Return the task loss at the embeddings plus ``delta``; all passes of a micro-batch share their masks."""
        return self.task_loss(passes.perturbed("clean", delta, SITE), passes)

    def step(self, passes: Passes, delta: Tensor, gradient: Tensor) -> Tensor:
        """Return the perturbation after one ascent step, projected into the ball."""
        return step_l2(delta, gradient, step_size=self.config.alpha, radius=self.config.epsilon, mask=passes.mask)

    def expected_signals(self) -> frozenset[str]:
        """Return the adversarial loss, which must not stay at exactly 0."""
        return frozenset({"adversarial"})
