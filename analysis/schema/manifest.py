"""Contents of an experiment's table: rows, columns, run keys of each cell, published numbers and claims."""

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
    """A line of the table: a method in one reading.

    Attributes:
        curve: name of the curve that the row is a point of; "" for none.
        x: position of the point on the curve.
        combine: "vote" or "average" where each run of the row combines finished runs (its parents).
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
    """A column of the table: a metric on a split of a task.

    Attributes:
        ceiling: expected score of the best possible rule, where it can be computed.
        trained_on: the task whose runs fill the column.
        published_as: name of the column in the paper.
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
        printed: row, column, metric and split as the paper prints them.
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
    """A published number of a row and column that is no table cell: of an epoch, a bucket, a loss or a quartile.

    Attributes:
        quantity: name of the quantity: error_rate, ce_loss, accuracy, median ...
        axis: quantity on the x axis: epoch, micro-batch, agreement ...
        x: position on the axis, or the bucket.
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
    """Printed cells that the suite does not run, with the reason; ``*`` stands for every row or column."""

    row: str
    column: str
    reason: str


@dataclass(frozen=True)
class Fact:
    """A printed count of a data set together with the count of the official files.

    Attributes:
        printed: the count as the paper prints it: ``8.5k``.
        count: the count of the official files; None where they are not available.
        agrees: True if the count rounds to the printed one.
        note: reason for a difference.
    """

    dataset: str
    column: str
    printed: str
    count: int | None
    agrees: bool
    note: str = ""


@dataclass(frozen=True)
class Manifest:
    """Table of an experiment, with the run keys of each of its cells.

    Attributes:
        cells: row id -> column id or task -> run keys in seed order.
        reasons_missing: "row|column" (either may be ``*``) -> why there is no run or no score.
        omitted: printed cells of the paper's table that have no cell here.
        selections: rules for choosing the epoch that the experiment's figure compares.
        facts: counts of data sets, for the experiment that compares them.
        tuned: row id -> task -> the trial that tuning selected, such as ``1x,epsilon=0.01``.
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
    tuned: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def keys(self, row: str, column: Column) -> list[str]:
        """Return the run keys of a cell, one per seed in seed order; empty where the experiment has no such cell."""
        cells = self.cells.get(row, {})
        return list(cells.get(column.id, cells.get(column.task, ())))

    def reason(self, row: str, column: Column) -> str:
        """Return the reason why the planner left a cell out, or "" if it did not."""
        ids = [f"{r}|{c}" for r in (row, "*") for c in (column.id, column.task, "*")]
        return next((self.reasons_missing[i] for i in ids if i in self.reasons_missing), "")

    @property
    def is_generated(self) -> bool:
        """True if the runs use generated data."""
        return any(text.startswith("Generated data") for text in self.warnings)

    def distinct(self) -> list[Column]:
        """Return one column for each distinct set of runs: a learning curve belongs to runs, not to a metric."""
        columns: dict[tuple[tuple[str, ...], ...], Column] = {}
        for column in self.columns:
            columns.setdefault(tuple(tuple(self.keys(row.id, column)) for row in self.rows), column)
        return list(columns.values())

    def row(self, row_id: str) -> Row:
        """Return the row with this id.

        Raises:
            KeyError: no row has this id.
        """
        return {row.id: row for row in self.rows}[row_id]

    def all_keys(self) -> list[str]:
        """Return every run key once, in table order."""
        return list(dict.fromkeys(key for cells in self.cells.values() for keys in cells.values() for key in keys))

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``results/experiments/<name>/<grid>.json``."""
        return {"schema": VERSION, **codec.to_json(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """Read a manifest of the current or an older schema version.

        Raises:
            SchemaError: a newer version, an unknown or missing key, or a value of a wrong type.
        """
        return codec.from_json(cls, migrations.migrated(content), "manifest")
