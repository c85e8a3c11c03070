"""Feature extraction: the pre-trained encoder stays fixed, only the head learns.

The oldest remedy for overfitting in fine-tuning (Peters et al. 2019, arXiv:1903.05987, compare it with fine-tuning),
one of the heuristics both papers argue against.

Readings of what the papers leave open:

- The head is the part outside the pre-trained encoder. BERT's pooler belongs to the encoder and stays fixed; where it
  is untrained, ``--head mean`` is the fairer model.
- ``encoder_dropout`` is off: features of a fixed encoder are fixed. The head's own dropout stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from smart_repro.methods.base import Loss, Method, TaskLoss, dropping, register
from smart_repro.models import encoder, head_parameters


@dataclass(frozen=True, kw_only=True)
class FeatureExtractionConfig:
    """Options of feature extraction."""

    encoder_dropout: bool = False  # True keeps the dropout of the fixed encoder while the head learns


@register("feature-extraction")
class FeatureExtraction(Method):
    """Training of the head on a fixed encoder."""

    Config = FeatureExtractionConfig
    paper = "Peters et al. 2019; heuristic named by Jiang et al. 2020, section 1"
    equation = "min over the head alone of L(theta)"
    config: FeatureExtractionConfig

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Freeze the encoder. Raises ValueError if no parameter is left to train."""
        super().setup(model, total_steps, task_loss=task_loss)
        if not head_parameters(model):
            raise ValueError("this model has no parameter outside its encoder: feature extraction would train nothing")
        encoder(model).requires_grad_(False)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the task loss, with the encoder's dropout off unless ``encoder_dropout`` is set."""
        fixed = encoder(model)
        with dropping(fixed, fixed.training and self.config.encoder_dropout):
            return super().loss(model, batch)

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: a forward pass; the head's backward pass is negligible."""
        return 1.0
