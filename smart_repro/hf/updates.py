"""Rows of an update: which are labelled, their positions, and the weight of each micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

IGNORED = -100  # the label that means "no label", as everywhere in Hugging Face's libraries
ROW_ID = "example_id"

Batch = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A micro-batch of an update.

    Attributes:
        index: its number, counted over all processes.
        rows: its number of labelled rows.
        first: number of labelled rows of the update before it.
    """

    index: int
    rows: int
    first: int


class Update:
    """The micro-batches that this process contributes to one update.

    Attributes:
        step: finished updates before this one.
        total: labelled rows of the update, over all processes.
        rows_of_process: labelled rows of this process.

    Args:
        counts: labelled rows of each micro-batch, per process; micro-batches alternate between processes.
        rank: number of this process.
        step: number of finished updates before this one.
    """

    def __init__(self, counts: Sequence[Sequence[int]], rank: int, step: int) -> None:
        self.step = step
        self.rows_of_process = sum(counts[rank])
        self.total = sum(map(sum, counts))
        processes = len(counts)
        in_order = [rows for turn in zip(*counts, strict=True) for rows in turn]
        self._pieces = iter(
            Piece(index, in_order[index], sum(in_order[:index])) for index in range(rank, len(in_order), processes)
        )

    def next_piece(self) -> Piece:
        """Return the next micro-batch.

        Raises:
            ValueError: there is none.
        """
        piece = next(self._pieces, None)
        if piece is None:
            raise ValueError(
                "training_step was called with a batch that get_batch_samples did not return: a subclass that "
                "overrides get_batch_samples has to call super().get_batch_samples"
            )
        return piece


def count_rows(batches: Sequence[Mapping[str, Any]], outputs: int | None) -> list[int]:
    """Count the labelled rows of each batch.

    Args:
        batches: the batches of an update.
        outputs: number of the model's outputs, where labels are classes; None: do not check the labels.

    Raises:
        ValueError: a label is none of the model's classes.
    """
    counted = [_count(batch, outputs) for batch in batches]
    table = torch.stack(counted).tolist() if counted else []  # one transfer: each read of a number synchronises a GPU
    for _, lowest, highest in table:
        if outputs is not None:
            refuse_range(int(lowest), int(highest), outputs)
    return [int(rows) for rows, _, _ in table]


def refuse_range(lowest: int, highest: int, outputs: int, *, place: str = "") -> None:
    """Refuse labels that are none of the model's classes.

    Args:
        lowest: smallest label.
        highest: largest label.
        outputs: number of classes.
        place: beginning of the message.

    Raises:
        ValueError: a label is none.
    """
    if lowest < 0 or highest >= outputs:
        raise ValueError(
            f"{place}labels run from {lowest} to {highest}, but the model has {outputs} outputs: they must be whole "
            f"numbers from 0 to {outputs - 1} ({IGNORED} for a row without a label)"
        )


def _count(batch: Mapping[str, Any], outputs: int | None) -> Tensor:
    """Return labelled rows, smallest and largest class; the latter are 0 where labels are not classes."""
    labels = batch.get("labels")
    if not isinstance(labels, Tensor):
        return torch.tensor([row_count(batch), 0, 0])
    kept = _kept(labels)
    rows = kept.sum() if kept is not None else torch.tensor(len(labels), device=labels.device)
    if outputs is None or labels.is_floating_point() or kept is None or not labels.numel():
        return torch.stack([rows, torch.zeros_like(rows), torch.zeros_like(rows)])
    classes = labels.view(-1).long().where(kept, 0)
    return torch.stack([rows, classes.amin(), classes.amax()])


def row_count(batch: Mapping[str, Any]) -> int:
    """Return the number of texts in a batch."""
    return len(next(iter(batch.values())))


def _kept(labels: Tensor) -> Tensor | None:
    """Return booleans, True for labelled rows; None if there is not one label per row."""
    return labels.view(-1) != IGNORED if labels.numel() == len(labels) else None


def labelled(batch: Mapping[str, Any]) -> tuple[Batch, Tensor | None]:
    """Return the batch without the rows whose label is -100, and the mask of the kept rows (None if all are kept)."""
    labels = batch.get("labels")
    kept = _kept(labels) if isinstance(labels, Tensor) else None
    if kept is None or bool(kept.all()):
        return dict(batch), None
    return select(batch, kept), kept


def placeholder(batch: Mapping[str, Any]) -> Batch:
    """Return the first row with the label 0, for a process without examples: its row has weight 0 in the update."""
    row: Batch = select(batch, torch.arange(1))
    row["labels"] = torch.zeros_like(row["labels"])
    return row


def select(batch: Mapping[str, Any], rows: Tensor) -> Batch:
    """Return some rows of a batch, given by their numbers or by one boolean per row."""
    size = len(batch["labels"])
    per_row = {key for key, value in batch.items() if isinstance(value, Tensor) and value.dim() and len(value) == size}
    return {key: value[rows.to(value.device)] if key in per_row else value for key, value in batch.items()}


def numbered(batch: Batch, first: int) -> Batch:
    """Return the batch with a number for each row: its ``example_id``, else its position in the whole update.

    The noise of a row depends on this number, and therefore not on the division into micro-batches or processes.
    """
    numbers = batch.get(ROW_ID)
    size = row_count(batch)
    if isinstance(numbers, Tensor) and numbers.numel() == size and _is_integer(numbers.dtype):
        return {**batch, ROW_ID: numbers.view(-1)}
    return {**batch, ROW_ID: torch.arange(first, first + size)}


def _is_integer(dtype: torch.dtype) -> bool:
    return not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)


class WithoutForeignIds:
    """Collator that drops the column ``example_id`` if it has no integers (question ids, for example)."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, rows: list[Any]) -> Any:
        """Collate rows, without ``example_id`` unless it numbers every row."""
        if all(isinstance(row, dict) and is_row_id(row.get(ROW_ID)) for row in rows):
            return self.collate(rows)
        return self.collate([_without_id(row) for row in rows])


def is_row_id(value: Any) -> bool:
    """Return True if a value of the column ``example_id`` can number rows."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and _is_integer(value.dtype)
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _without_id(row: Any) -> Any:
    return {key: value for key, value in row.items() if key != ROW_ID} if isinstance(row, dict) else row


__all__ = [
    "ROW_ID",
    "Update",
    "WithoutForeignIds",
    "count_rows",
    "is_row_id",
    "labelled",
    "numbered",
    "placeholder",
    "refuse_range",
    "row_count",
    "select",
]
