"""What an experiment's table consists of: rows, columns, which run keys fill which cell, published numbers, claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.schema import codec, migrations
from analysis.schema.claim import Claim
from analysis.schema.constants import SELECTIONS

VERSION = migrations.VERSION
PrintedCell = tuple[str, str, str, str]  # row, column, metric and split as a paper prints them
NO_CELL: PrintedCell = ("", "", "", "")


@dataclass(frozen=True)
class Row:
    """One line of the table: a method in one reading.

    Attributes:
        curve, x: the curve the row is a point of, and its place there.
        combine: "vote" or "average" where each of its runs combines finished runs: its parents.
    """

    id: str
    title: str
    method: str = ""
    reading: str = ""
    curve: str = ""
    x: float | None = None
    combine: str = ""


@dataclass(frozen=True)
class Column:
    """One number per row: a metric on a split of a task.

    Attributes:
        ceiling: the best reachable score, where it is known.
        trained_on: the task whose runs fill the column.
        published_as: what the paper calls the column.
    """

    id: str
    task: str
    metric: str
    split: str = "dev"
    title: str = ""
    ceiling: float | None = None
    trained_on: str = ""
    published_as: str = ""


@dataclass(frozen=True)
class Published:
    """A published number of one cell, in percent.

    Attributes:
        printed: the cell as the paper has it.
    """

    row: str
    column: str
    value: float
    metric: str = ""
    split: str = ""
    source: str = ""
    printed: PrintedCell = NO_CELL


@dataclass(frozen=True)
class Point:
    """A published number that belongs to a row and column but is no cell: an epoch, a bucket, a loss, a quartile.

    Attributes:
        quantity: what it is: error_rate, ce_loss, accuracy, median ...
        axis: what ``x`` counts: epoch, micro-batch, agreement ...
        x: where on the axis, or which bucket.
    """

    row: str
    column: str
    quantity: str
    axis: str
    x: float | str
    value: float
    source: str = ""
    printed: PrintedCell = NO_CELL


@dataclass(frozen=True)
class Omission:
    """Printed cells without a run of the suite, and why. ``row`` and ``column`` may hold ``*``."""

    row: str
    column: str
    reason: str


@dataclass(frozen=True)
class Fact:
    """A printed count of a data set beside the official files' count.

    Attributes:
        printed: as the paper has it: ``8.5k``.
        count: of the official files; None where it is not known.
        agrees: whether the count rounds to what is printed.
        note: why they differ.
    """

    dataset: str
    column: str
    printed: str
    count: int | None
    agrees: bool
    note: str = ""


@dataclass(frozen=True)
class Manifest:
    """What an experiment consists of: which run keys fill which cell of its table.

    Attributes:
        cells: row id -> column id or task -> run keys in seed order.
        reasons_missing: "row|column" (either may be ``*``) -> why there is no run or no score.
        omitted: printed cells of the paper's table that have no cell here.
        selections: the ways to choose the epoch that its figure compares.
        facts: counts of data sets, where the experiment is their comparison.
        tuned: row id -> task -> number of the trial that tuning chose.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]
    cells: Mapping[str, Mapping[str, tuple[str, ...]]]
    baseline_row: str | None = None
    profile: str | None = None
    grid: str = ""
    published: tuple[Published, ...] = ()
    points: tuple[Point, ...] = ()
    omitted: tuple[Omission, ...] = ()
    claims: tuple[Claim, ...] = ()
    layout: str = "methods-by-tasks"
    warnings: tuple[str, ...] = ()
    reasons_missing: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    selections: tuple[str, ...] = SELECTIONS
    facts: tuple[Fact, ...] = ()
    tuned: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def keys(self, row: str, column: Column) -> list[str]:
        """Return the run keys of a cell, one per seed in seed order; empty where the experiment has no such cell."""
        cells = self.cells.get(row, {})
        return list(cells.get(column.id, cells.get(column.task, ())))

    def reason(self, row: str, column: Column) -> str:
        """Return why the planner left a cell out, "" where it did not; ``*`` stands for every row or column."""
        ids = [f"{r}|{c}" for r in (row, "*") for c in (column.id, column.task, "*")]
        return next((self.reasons_missing[i] for i in ids if i in self.reasons_missing), "")

    def distinct(self) -> list[Column]:
        """Return the columns that differ in their runs: curves belong to runs, whatever is read from them."""
        columns: dict[tuple[tuple[str, ...], ...], Column] = {}
        for column in self.columns:
            columns.setdefault(tuple(tuple(self.keys(row.id, column)) for row in self.rows), column)
        return list(columns.values())

    def row(self, row_id: str) -> Row:
        """Return the row of that id. Raises KeyError."""
        return {row.id: row for row in self.rows}[row_id]

    def all_keys(self) -> list[str]:
        """Return every run key once, in table order."""
        return list(dict.fromkeys(key for cells in self.cells.values() for keys in cells.values() for key in keys))

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``results/experiments/<name>/<grid>.json``."""
        return {"schema": VERSION, **codec.to_json(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """Read a manifest of this or an older version.

        Raises: SchemaError: a newer version, an unknown or missing key, or a value of another type.
        """
        return codec.from_json(cls, migrations.migrated(content), "manifest")
