"""The papers' numbers, placed: which printed cell stands beside which of ours, and why some stand beside none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from benchmarks.papers import Published, published

if TYPE_CHECKING:
    from benchmarks.experiments.base import Column, Experiment, Row

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

    def covers(self, number: Published) -> bool:
        return fnmatchcase(number.row, _literal(self.row)) and fnmatchcase(number.column, _literal(self.column))


def place(rows: Iterable[Row], columns: Iterable[Column], *tables: str) -> tuple[Number, ...]:
    """The published numbers of the tables, at the rows and columns that name them."""
    printed = {cell(number): number for table in tables for number in published(table)}
    columns = tuple(columns)
    placed = []
    for row in rows:
        for column in columns:
            name = (
                row.published,
                column.published + row.at,
                column.published_metric or column.metric,
                column.published_split or column.split,
            )
            if row.published and name in printed:
                number = printed[name]
                source = f"{number.where}, {number.row}"
                placed.append(Number(row.id, column.id, column.metric, column.split, number.value, source, name))
    return tuple(placed)


def points(
    table: str, rows: Mapping[str, str], column: str, axis: str, at: Mapping[str, float | str], quantity: str = ""
) -> tuple[Point, ...]:
    """Published points of a curve.

    Args:
        rows: row as printed -> our rows' id; several ids are separated by blanks.
        column: id of our column.
        at: column as printed -> place on the axis.
        quantity: only numbers of this metric; "" takes all, each under its own metric.
    """
    return tuple(
        Point(row, column, n.metric, axis, at[n.column], n.value, f"{n.where}, {n.row}", cell(n))
        for n in published(table)
        if n.row in rows and n.column in at and quantity in ("", n.metric)
        for row in rows[n.row].split()
    )


def cell(number: Published) -> Cell:
    """A printed cell's name."""
    return number.row, number.column, number.metric, number.split


def unaccounted(experiment: Experiment) -> list[Cell]:
    """Printed cells of the experiment's tables that have neither a place nor a stated reason."""
    placed = {number.printed for number in experiment.published} | {point.printed for point in experiment.points}
    return [
        cell(number)
        for table in experiment.tables
        for number in published(table)
        if cell(number) not in placed and not any(omission.covers(number) for omission in experiment.omitted)
    ]


def _literal(pattern: str) -> str:
    """Brackets are part of names here, not sets of letters."""
    return pattern.replace("[", "[[]")
