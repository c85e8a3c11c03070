"""A pooled classifier as a model of transformers, which ``AutoModelForSequenceClassification`` loads.

Importing :mod:`smart_repro.hf` registers it, so that transformers loads such a folder without running any code from it.
Without that import the loader refuses the folder, because it has no architecture of that name; it never replaces the
head by a random one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from smart_repro.heads import PooledClassifier, pooled


class PooledConfig(PreTrainedConfig):
    """Configuration of an encoder together with its pooled head.

    Args:
        encoder: the encoder's configuration as a dictionary with its ``model_type``.
        pooling: as of :class:`~smart_repro.heads.PooledClassifier`.
        head_dropout: dropout rate before the linear layer.
        **settings: as of every configuration, for example ``id2label``.
    """

    model_type = "smart-repro-pooled"

    def __init__(
        self,
        encoder: Mapping[str, Any] | None = None,
        pooling: str = "mean",
        head_dropout: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.encoder = dict(encoder or {})
        self.pooling = pooling
        self.head_dropout = head_dropout


class PooledForSequenceClassification(PreTrainedModel):
    """A ``PooledClassifier`` with the loaders and the loss of transformers' classifiers."""

    config_class = PooledConfig
    base_model_prefix = "classifier_with_encoder"
    _supports_sdpa = True  # the encoder decides for itself

    def __init__(self, config: PooledConfig) -> None:
        super().__init__(config)
        self.num_labels = cast(int, config.num_labels)
        head = PooledClassifier(
            AutoModel.from_config(AutoConfig.for_model(**config.encoder)),
            self.num_labels,
            config.pooling,
            config.head_dropout,
        )
        self.encoder, self.dropout, self.classifier = head.encoder, head.dropout, head.classifier
        self.post_init()  # type: ignore[no-untyped-call]  # of transformers

    def get_input_embeddings(self) -> nn.Module:
        """Return the module that turns token ids into vectors."""
        embeddings: nn.Module = self.encoder.get_input_embeddings()
        return embeddings

    def forward(self, attention_mask: Tensor, labels: Tensor | None = None, **inputs: Any) -> SequenceClassifierOutput:
        """Return the logits ``(batch, num_labels)``; with labels also the loss: cross-entropy, or the squared error."""
        states = self.encoder(attention_mask=attention_mask, **inputs).last_hidden_state
        logits = self.classifier(self.dropout(pooled(states, attention_mask, self.config.pooling)))
        if labels is None:
            return SequenceClassifierOutput(logits=logits)
        is_number = self.num_labels == 1
        loss = F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype)) if is_number else F.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def as_pretrained(model: PooledClassifier) -> PooledForSequenceClassification:
    """Return the classifier, with its weights, as a model of transformers; the encoder's settings included."""
    labels = {name: getattr(model.config, name) for name in ("id2label", "label2id", "problem_type")}
    config = PooledConfig(
        encoder=model.config.to_dict(),
        pooling=model.pooling,
        head_dropout=model.dropout.p,
        num_labels=model.config.num_labels,
    )
    config.update(labels)
    pretrained = PooledForSequenceClassification(config)
    pretrained.load_state_dict(model.state_dict())
    pretrained.train(model.training)
    return pretrained


AutoConfig.register(PooledConfig.model_type, PooledConfig)
AutoModelForSequenceClassification.register(PooledConfig, PooledForSequenceClassification)
