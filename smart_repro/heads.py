"""Classifiers on an encoder: a head that reads the last hidden states, and several heads that share an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

POOLINGS = ("cls", "mean")


class PooledClassifier(nn.Module):
    """Classifier of an encoder, a vector per text, dropout and a linear layer.

    :mod:`smart_repro.hf.pooled` has the same as a model of transformers, with its saving and loading.

    Args:
        encoder: a model loaded by ``AutoModel``; an unused pooler is removed, so that every parameter gets a gradient.
        num_labels: number of outputs; 1 for regression.
        pooling: ``"cls"``: the first token's state; ``"mean"``: the mean over tokens, without padding.
        dropout: dropout rate before the linear layer.
    """

    base_model_prefix = "encoder"

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
        """Configuration of the encoder."""
        return self.encoder.config

    @property
    def base_model(self) -> PreTrainedModel:
        """The encoder."""
        return self.encoder

    def get_input_embeddings(self) -> nn.Module:
        """Return the module that turns token ids into vectors."""
        return self.encoder.get_input_embeddings()

    def forward(self, attention_mask: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        """Return the logits ``(batch, num_labels)`` of a batch."""
        states = self.encoder(attention_mask=attention_mask, **inputs).last_hidden_state
        logits = self.classifier(self.dropout(pooled(states, attention_mask, self.pooling)))
        return SequenceClassifierOutput(logits=logits)


def pooled(states: Tensor, attention_mask: Tensor, pooling: str) -> Tensor:
    """Return a vector per text, ``(batch, hidden)``: the first token's state, or the mean over tokens, not padding."""
    if pooling == "cls":
        return states[:, 0]
    weights = attention_mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp_min(torch.finfo(states.dtype).tiny)


class MultiTask(nn.Module):
    """One encoder with a head per task (MT-DNN: Liu et al. 2019, arXiv:1901.11504, section 3).

    Each task keeps the classifier it would have in single-task training, but all classifiers share the encoder of the
    first one. A batch belongs to one task, given by its number in ``batch["task"]``, so the other heads get no gradient
    from it.

    Attributes:
        tasks: name -> the task's classifier, which can be used and evaluated like any other.
        outputs: name -> number of outputs; 1 for regression.

    Args:
        classifiers: name -> classifier, all of one architecture.

    Raises:
        ValueError: there is no classifier, or the architecture does not name its encoder.
    """

    def __init__(self, classifiers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not classifiers:
            raise ValueError("a multi-task model needs at least one task")
        models: list[Any] = list(classifiers.values())
        self.outputs = {name: model.config.num_labels for name, model in zip(classifiers, models, strict=True)}
        encoder = models[0].base_model
        for model in models:
            if model.base_model is model:
                raise ValueError(f"{type(model).__name__} does not name its encoder, so the encoder cannot be shared")
            setattr(model, model.base_model_prefix, encoder)
        self.tasks = nn.ModuleDict(classifiers)

    @property
    def config(self) -> Any:
        """Configuration of the shared encoder; the numbers of outputs are in :attr:`outputs`."""
        return self.base_model.config

    @property
    def base_model(self) -> Any:
        """The shared encoder."""
        first: Any = next(iter(self.tasks.values()))
        return first.base_model

    def get_input_embeddings(self) -> nn.Module:
        """Return the module that turns token ids into vectors."""
        embeddings: nn.Module = self.base_model.get_input_embeddings()
        return embeddings

    def name_of(self, batch: Mapping[str, Tensor]) -> str:
        """Return the task a batch belongs to.

        Raises:
            ValueError: the batch has no entry ``task``.
        """
        if "task" not in batch:
            names = ", ".join(self.tasks)
            raise ValueError(f"the batch has no entry 'task': it must be the number of one of {names}")
        return list(self.tasks)[int(batch["task"])]

    def weights(self) -> dict[str, Tensor]:
        """Return the state dict with every weight once: the encoder's are under the first task."""
        _, *further_tasks = self.tasks.items()
        repeated = tuple(f"tasks.{name}.{model.base_model_prefix}." for name, model in further_tasks)
        return {name: value for name, value in self.state_dict().items() if not name.startswith(repeated)}

    def forward(self, task: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        """Return the output of the task's classifier."""
        output: SequenceClassifierOutput = self.tasks[self.name_of({"task": task})](**inputs)
        return output


__all__ = ["MultiTask", "PooledClassifier"]
