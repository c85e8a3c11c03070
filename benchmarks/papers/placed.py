"""The papers' numbers, placed: values of what stands beside which of our cells, and why some stand beside none."""

from __future__ import annotations

from dataclasses import dataclass

Cell = tuple[str, str, str, str]  # row, column, metric, split as printed


@dataclass(frozen=True)
class Number:
    """A published number, placed in our table.

    Attributes:
        printed: row, column, metric and split as the paper has them.
    """

    row: str
    column: str
    metric: str
    split: str
    value: float
    source: str
    printed: Cell = ("", "", "", "")


@dataclass(frozen=True)
class Point:
    """A published number that belongs to a row and column but is no cell: an epoch, a bucket, a loss, a quartile.

    Attributes:
        quantity: what it is: error_rate, ce_loss, accuracy, median ...
        x: where on the axis, or which bucket.
        axis: what ``x`` counts: epoch, micro-batch, agreement ...
    """

    row: str
    column: str
    quantity: str
    axis: str
    x: float | str
    value: float
    source: str
    printed: Cell = ("", "", "", "")


@dataclass(frozen=True)
class Omission:
    """Printed cells without a run of ours, and why. ``row`` and ``column`` may hold ``*``."""

    row: str
    column: str
    reason: str
