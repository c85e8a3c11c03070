"""The masked-language head on an encoder, tied to its word embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedConfig
from transformers.activations import ACT2FN

from smart_repro.hnn.options import FILE, SUBFOLDER

_PARTS = {  # our name -> BERT's and RoBERTa's, behind the prefix of their head
    "dense.weight": ("predictions.transform.dense.weight", "dense.weight"),
    "dense.bias": ("predictions.transform.dense.bias", "dense.bias"),
    "norm.weight": ("predictions.transform.LayerNorm.weight", "layer_norm.weight"),
    "norm.bias": ("predictions.transform.LayerNorm.bias", "layer_norm.bias"),
    "bias": ("predictions.bias", "bias"),
}


class LmHead(nn.Module):
    """``E transform(state) + bias`` with E the word embeddings, which it does not own.

    Args:
        width: of the states.
        vocabulary: rows of E.
        activation: with it the transform is BERT's (linear, activation, layer norm); None: one linear map without
            offset, initialised as the identity, for a model that was published without such a head.
    """

    def __init__(self, width: int, vocabulary: int, activation: str | None = None, eps: float = 1e-12) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.dense = nn.Linear(width, width, bias=activation is not None)
        self.activation: Any = nn.Identity() if activation is None else ACT2FN[activation]
        self.norm = nn.Identity() if activation is None else nn.LayerNorm(width, eps=eps)
        if activation is None:
            nn.init.eye_(self.dense.weight)

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Return ``(n, vocabulary)`` logits of ``(n, width)`` states; ``embeddings`` is ``(vocabulary, width)``."""
        logits: Tensor = self.norm(self.activation(self.dense(states))) @ embeddings.t() + self.bias
        return logits


def load_encoder_with_head(name: str | Path, config: PreTrainedConfig, revision: str | None) -> tuple[Any, LmHead]:
    """Return the pre-trained encoder and its own masked-language head, or the identity where it has none.

    Raises: ValueError: for an architecture whose masked-language head is of another form.
    """
    model, report = AutoModelForMaskedLM.from_pretrained(
        name,
        config=config,
        revision=revision,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    return model.base_model, _head(name, model, set(report["missing_keys"]))


def empty_encoder_with_head(config: PreTrainedConfig) -> tuple[Any, LmHead]:
    """Return the same without pre-training: random weights, and the identity as head."""
    model = AutoModelForMaskedLM.from_config(config)
    return model.base_model, LmHead(config.hidden_size, config.vocab_size)


def _head(name: str | Path, model: Any, missing: set[str]) -> LmHead:
    config, apart = model.config, Path(name) / SUBFOLDER / FILE
    weights = load_file(apart) if apart.is_file() else _own_weights(model, missing)
    if weights is None:
        return LmHead(config.hidden_size, config.vocab_size)
    head = LmHead(config.hidden_size, config.vocab_size, getattr(config, "hidden_act", "gelu"), config.layer_norm_eps)
    head.load_state_dict(weights)
    return head


def _own_weights(model: Any, missing: set[str]) -> dict[str, Tensor] | None:
    """Return the head's weights under our names; None if the checkpoint has none."""
    prefix = next((name for name in ("cls", "lm_head") if hasattr(model, name)), None)
    if prefix is None:
        raise ValueError(
            f"HNN needs the masked-language head of BERT or RoBERTa, {model.config.model_type} has one of another form"
        )
    weights = model.state_dict()
    names = {
        part: next((f"{prefix}.{end}" for end in ends if f"{prefix}.{end}" in weights), "")
        for part, ends in _PARTS.items()
    }
    if set(names.values()) & missing or not all(names.values()):
        return None
    return {part: weights[name].clone() for part, name in names.items()}


__all__ = ["LmHead", "empty_encoder_with_head", "load_encoder_with_head"]
