"""What stands on an encoder: a classifier that reads its last hidden states, and several classifiers that share it."""

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
    """Encoder, one vector per text, dropout, one linear layer.

    Args:
        encoder: what ``AutoModel`` loads; an unused pooler is dropped, so that every parameter gets a gradient.
        num_labels: outputs; 1 for regression.
        pooling: ``"cls"`` = the first token's state, ``"mean"`` = the mean over real tokens.
        dropout: rate in front of the linear layer.
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
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
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


class MultiTask(nn.Module):
    """One encoder with a head per task (MT-DNN: Liu et al. 2019, arXiv:1901.11504, section 3).

    Every task keeps the classifier it would have alone; all of them read the first one's encoder. A batch belongs to
    one task, named by its number in ``batch["task"]``, so that the other heads get no gradient from it.

    Attributes:
        tasks: name -> the task's classifier, which can be used, and evaluated, like any other.
        outputs: name -> its number of outputs; 1 for regression.

    Args:
        classifiers: name -> classifier, all of one architecture.
    Raises: ValueError: without a classifier, or for an architecture that does not say where its encoder is.
    """

    def __init__(self, classifiers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not classifiers:
            raise ValueError("a multi-task model needs at least one task")
        found: list[Any] = list(classifiers.values())
        self.outputs = {name: each.config.num_labels for name, each in zip(classifiers, found, strict=True)}
        encoder = found[0].base_model
        for each in found:
            if each.base_model is each:
                raise ValueError(f"{type(each).__name__} does not tell its encoder from its head: it cannot be shared")
            setattr(each, each.base_model_prefix, encoder)
        self.tasks = nn.ModuleDict(classifiers)

    @property
    def config(self) -> Any:
        """Of the encoder, which all tasks share; how many outputs there are is in :attr:`outputs`."""
        return self.base_model.config

    @property
    def base_model(self) -> Any:
        first: Any = next(iter(self.tasks.values()))
        return first.base_model

    def get_input_embeddings(self) -> nn.Module:
        found: nn.Module = self.base_model.get_input_embeddings()
        return found

    def name_of(self, batch: Mapping[str, Tensor]) -> str:
        """The task a batch belongs to. Raises ValueError if the batch does not say."""
        if "task" not in batch:
            known = ", ".join(self.tasks)
            raise ValueError(f"the batch does not say which task it belongs to: its entry task is a number in {known}")
        return list(self.tasks)[int(batch["task"])]

    def weights(self) -> dict[str, Tensor]:
        """The state dict with every weight once: the encoder's stand under the first task."""
        _, *others = self.tasks.items()
        repeated = tuple(f"tasks.{name}.{each.base_model_prefix}." for name, each in others)
        return {name: value for name, value in self.state_dict().items() if not name.startswith(repeated)}

    def forward(self, task: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        output: SequenceClassifierOutput = self.tasks[self.name_of({"task": task})](**inputs)
        return output


__all__ = ["MultiTask", "PooledClassifier"]
