"""Tokenised examples, kept flat in memory and padded per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Encoded:
    """A tokenised split.

    Attributes:
        columns: per model input, the tokens of all examples end to end.
        offsets: ``(n + 1,)`` where each example begins.
        padding: per model input, the value that fills up a batch.
        ids: ``(n,)`` number of each example in its official split: what its noise is drawn from.
        labels: ``(n,)`` int64 classes or float64 targets.
        left: whether this tokenizer pads on the left.
    """

    columns: dict[str, np.ndarray]
    offsets: np.ndarray
    padding: dict[str, int]
    ids: np.ndarray
    labels: np.ndarray
    left: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """``(n,)`` tokens per example, padding not counted."""
        return np.diff(self.offsets)

    def batch(self, rows: np.ndarray, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """The given examples as a model takes them, padded to the longest, with ``labels`` and ``example_id``."""
        lengths = self.lengths[rows]
        width = int(lengths.max())
        places = np.arange(width)
        real = places >= width - lengths[:, None] if self.left else places < lengths[:, None]
        tokens = np.concatenate([np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows])
        inputs = {}
        for name, values in self.columns.items():
            padded = np.full(real.shape, self.padding[name], dtype=np.int64)
            padded[real] = values[tokens]
            inputs[name] = torch.from_numpy(padded)
        inputs["attention_mask"] = torch.from_numpy(real.astype(np.int64))
        labels = torch.from_numpy(self.labels[rows])
        inputs["labels"] = labels.float() if labels.is_floating_point() else labels
        inputs["example_id"] = torch.from_numpy(self.ids[rows])
        return {name: value.to(device) for name, value in inputs.items()}


def encode(
    tokenizer: Any, texts: Sequence[Sequence[str]], labels: np.ndarray, max_length: int, ids: np.ndarray | None = None
) -> Encoded:
    """Tokenise one or two text columns; longer pairs lose tokens from the longer text's end.

    Args:
        tokenizer: a Hugging Face tokenizer.
        texts: the columns, each a list of n strings.
        labels: ``(n,)`` targets.
        max_length: tokens kept, special ones included.
        ids: ``(n,)`` example numbers; default 0..n-1.
    """
    encoded = tokenizer(*[list(column) for column in texts], truncation=True, max_length=max_length)
    names = [name for name in encoded if name != "attention_mask"]
    lengths = np.array([len(tokens) for tokens in encoded["input_ids"]], dtype=np.int64)
    fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
    return Encoded(
        columns={
            name: np.fromiter((token for row in encoded[name] for token in row), np.int32, int(lengths.sum()))
            for name in names
        },
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        padding={name: fill.get(name, 0) for name in names},
        ids=np.arange(len(lengths)) if ids is None else np.asarray(ids, dtype=np.int64),
        labels=labels,
        left=tokenizer.padding_side == "left",
    )
