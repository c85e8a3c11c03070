"""Freezing the lower layers: embeddings and first layers stay fixed (Lee et al. 2019, arXiv:1911.03090).

One of the heuristics both papers argue against.

Deviations:

- The share is rounded to whole layers. Models whose layers share weights (ALBERT) are refused, because none of their
  layers can be frozen separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from smart_repro.methods.base import Method, TaskLoss, register
from smart_repro.models import inside_adapters, layer_groups


@dataclass(frozen=True, kw_only=True)
class FreezeLowerConfig:
    """Options of freezing the lower layers."""

    frozen: float = 0.5  # share of the encoder's layers that stay fixed, from below; Lee et al. up to 0.75

    def __post_init__(self) -> None:
        if not 0 <= self.frozen <= 1:
            raise ValueError(f"frozen must lie in [0, 1], got {self.frozen}")


@register("freeze-lower")
class FreezeLower(Method):
    """Training of the upper layers and the head."""

    Config = FreezeLowerConfig
    paper = "Lee et al. 2019; heuristic named by Jiang et al. 2020, section 1"
    equation = "min of L(theta) over the upper layers and the head alone"
    config: FreezeLowerConfig

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Freeze the embeddings and the lower layers.

        Raises:
            ValueError: the layers of the model share their weights.
        """
        super().setup(model, total_steps, task_loss=task_loss)
        groups = layer_groups(model)
        layers = len(groups) - 2
        if layers != inside_adapters(model).config.num_hidden_layers:
            raise ValueError(
                "the layers of this model share their weights, so none can be frozen separately: use another model"
            )
        for group in groups[: 1 + round(self.config.frozen * layers)]:
            for parameter in group:
                parameter.requires_grad_(False)

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: only the trained layers need a backward pass."""
        return 1.0 + 2.0 * (1.0 - float(config.frozen))
