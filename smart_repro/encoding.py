"""Tokenised examples, stored flat in memory and padded per batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smart_repro.sampler import mixed_batches, update_batches


@dataclass(frozen=True, eq=False)
class Encoded:
    """A tokenised split.

    Attributes:
        columns: model input -> tokens of all examples, concatenated.
        offsets: ``(n + 1,)`` start of each example, and the end of the last one.
        padding: model input -> value that fills up a batch.
        ids: ``(n,)`` number of each example in its official split; it seeds the example's noise.
        labels: ``(n,)`` int64 classes or float64 targets.
        left: True if the tokenizer pads on the left.
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
        """``(n,)`` tokens per example, without padding."""
        return np.diff(self.offsets)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of examples per task: a single entry."""
        return (len(self),)

    def updates(self, size: int, seed: int, epoch: int) -> list[np.ndarray]:
        """Return the examples of each update of one epoch, see :func:`~smart_repro.sampler.update_batches`."""
        return update_batches(self.lengths, size, seed, epoch)

    def batch(self, rows: np.ndarray, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """Return the given examples as model inputs, padded to the longest, with ``labels`` and ``example_id``."""
        lengths = self.lengths[rows]
        width = int(lengths.max())
        positions = np.arange(width)
        is_token = positions >= width - lengths[:, None] if self.left else positions < lengths[:, None]
        tokens = np.concatenate([np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows])
        inputs = {}
        for name, values in self.columns.items():
            padded = np.full(is_token.shape, self.padding[name], dtype=np.int64)
            padded[is_token] = values[tokens]
            inputs[name] = torch.from_numpy(padded)
        inputs["attention_mask"] = torch.from_numpy(is_token.astype(np.int64))
        labels = torch.from_numpy(self.labels[rows])
        inputs["labels"] = labels.float() if labels.is_floating_point() else labels
        inputs["example_id"] = torch.from_numpy(self.ids[rows])
        return {name: value.to(device) for name, value in inputs.items()}


@dataclass(frozen=True, eq=False)
class Mixed:
    """Training sets of several tasks, for a ``MultiTask`` model.

    Attributes:
        tasks: name -> training set, in the order of the model's tasks. Rows are numbered through all of them.
    """

    tasks: Mapping[str, Encoded]

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of examples per task."""
        return tuple(map(len, self.tasks.values()))

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(n,)`` tokens per example, without padding."""
        return np.concatenate([encoded.lengths for encoded in self.tasks.values()])

    def updates(self, size: int, seed: int, epoch: int) -> list[np.ndarray]:
        """Return the examples of each update of one epoch, see :func:`~smart_repro.sampler.mixed_batches`."""
        return mixed_batches([encoded.lengths for encoded in self.tasks.values()], size, seed, epoch)

    def batch(self, rows: np.ndarray, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """Return the given examples, all of one task, as :meth:`Encoded.batch` does, with the task's number (``task``).

        Raises:
            ValueError: the examples belong to several tasks.
        """
        ends = np.cumsum(self.sizes)
        numbers = np.searchsorted(ends, rows, side="right")
        if (numbers != numbers[0]).any():
            raise ValueError(f"a batch must be of one task; these examples are of {len(np.unique(numbers))} tasks")
        task = int(numbers[0])
        part = list(self.tasks.values())[task]
        first = int(ends[task]) - len(part)
        return {**part.batch(rows - first, device), "task": torch.tensor(task)}  # on the CPU: Python selects the head


def encode(
    tokenizer: Any, texts: Sequence[Sequence[str]], labels: np.ndarray, max_length: int, ids: np.ndarray | None = None
) -> Encoded:
    """Tokenise one or two text columns; pairs that are too long lose tokens from the end of the longer text.

    Args:
        tokenizer: a Hugging Face tokenizer.
        texts: the columns, each a list of n strings.
        labels: ``(n,)`` targets.
        max_length: largest number of tokens, special ones included.
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


__all__ = ["Encoded", "Mixed", "encode"]
