"""Classifiers on an encoder: a head that reads the last hidden states, and several heads that share an encoder."""

from __future__ import annotations

from collections.abc import Mapping
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
    """Classifier of an encoder, a vector per text, dropout and a linear layer.

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
        """Load the classifier that :meth:`save_pretrained` wrote, in evaluation mode.

        Raises:
            ValueError: the folder holds no such classifier.
        """
        if not (Path(folder) / _WEIGHTS).is_file():
            raise ValueError(
                f"{folder} holds no {_WEIGHTS}: it was not written by PooledClassifier.save_pretrained. Load any "
                "other classifier by AutoModelForSequenceClassification.from_pretrained"
            )
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        model = cls(AutoModel.from_config(config), config.num_labels, **config.pooled_classifier)
        load_model(model, Path(folder) / _WEIGHTS)
        return model.eval()

    def get_input_embeddings(self) -> nn.Module:
        """Return the module that turns token ids into vectors."""
        return self.encoder.get_input_embeddings()

    def forward(self, attention_mask: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        """Return the logits ``(batch, num_labels)`` of a batch."""
        states = self.encoder(attention_mask=attention_mask, **inputs).last_hidden_state
        logits = self.classifier(self.dropout(self._pool(states, attention_mask)))
        return SequenceClassifierOutput(logits=logits)

    def _pool(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        if self.pooling == "cls":
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
