"""A classifier that reads the encoder's last hidden states directly, for encoders whose pooler is untrained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

POOLINGS = ("cls", "mean")
# Not model.safetensors: AutoModelForSequenceClassification would load the encoder and give it a new random head.
_WEIGHTS = "pooled_classifier.safetensors"


class PooledClassifier(nn.Module):
    """Encoder, one vector per text, dropout, one linear layer.

    Args:
        encoder: what ``AutoModel`` loads; an unused pooler is dropped, so that every parameter gets a gradient.
        num_labels: outputs; 1 for regression.
        pooling: ``"cls"`` = the first token's state, ``"mean"`` = the mean over real tokens.
        dropout: rate in front of the linear layer.
    """

    def __init__(self, encoder: PreTrainedModel, num_labels: int, pooling: str, dropout: float) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None  # type: ignore[assignment]
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.config.hidden_size, num_labels)
        nn.init.normal_(self.classifier.weight, std=getattr(encoder.config, "initializer_range", 0.02))
        nn.init.zeros_(self.classifier.bias)

    @property
    def config(self) -> PreTrainedConfig:
        return self.encoder.config

    @property
    def base_model(self) -> PreTrainedModel:
        return self.encoder

    def save_pretrained(self, folder: str | Path) -> None:
        """Write weights and configuration; :meth:`from_pretrained` reads them back."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.config.pooled_classifier = {"pooling": self.pooling, "dropout": self.dropout.p}
        self.config.architectures = [type(self).__name__]
        self.config.save_pretrained(folder)
        save_model(self, str(folder / _WEIGHTS))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> PooledClassifier:
        """The classifier that :meth:`save_pretrained` wrote, in evaluation mode.

        Raises: ValueError: if the folder holds none.
        """
        if not (Path(folder) / _WEIGHTS).is_file():
            raise ValueError(
                f"{folder} holds no {_WEIGHTS}: it is not a folder that PooledClassifier.save_pretrained wrote. Any "
                "other classifier is read by AutoModelForSequenceClassification.from_pretrained"
            )
        config = AutoConfig.from_pretrained(folder)
        model = cls(AutoModel.from_config(config), config.num_labels, **config.pooled_classifier)
        load_model(model, Path(folder) / _WEIGHTS)
        return model.eval()

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.get_input_embeddings()

    def forward(self, attention_mask: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        states = self.encoder(attention_mask=attention_mask, **inputs).last_hidden_state
        logits = self.classifier(self.dropout(self._pool(states, attention_mask)))
        return SequenceClassifierOutput(logits=logits)

    def _pool(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            return states[:, 0]
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp_min(torch.finfo(states.dtype).tiny)
