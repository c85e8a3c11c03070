"""What an experiment's manifest holds."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from analysis.records import ResultsError, read_json

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One arm of an experiment: a method in one reading; ``x`` is its place on the curve it is a point of.

    ``combine`` is "vote" or "average" where each of its runs combines finished runs: its parents.
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
    """One number per arm: a metric on a split of a task; ``ceiling`` is the best reachable score, where it is known."""

    id: str
    task: str
    metric: str
    split: str = "dev"
    title: str = ""
    ceiling: float | None = None


@dataclass(frozen=True)
class Published:
    """What a paper prints for one cell, in percent."""

    row: str
    column: str
    value: float
    metric: str = ""
    split: str = ""
    source: str = ""


@dataclass(frozen=True)
class Point:
    """A published number that is no cell: ``quantity`` at ``x`` on ``axis`` (epoch, micro-batch, agreement ...)."""

    row: str
    column: str
    quantity: str
    axis: str
    x: float | str
    value: float
    source: str = ""


@dataclass(frozen=True)
class Manifest:
    """What an experiment consists of: which run keys fill which cell of its table."""

    name: str
    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]
    cells: dict[str, dict[str, list[str]]]
    baseline_row: str | None = None
    profile: str | None = None
    grid: str = ""
    published: tuple[Published, ...] = ()
    claims: tuple[dict[str, Any], ...] = ()
    layout: str = "methods-by-tasks"
    warnings: tuple[str, ...] = ()
    reasons_missing: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    def keys(self, row: str, column: Column) -> list[str]:
        """The run keys of a cell, one per seed in seed order; empty where the experiment has no such cell."""
        cells = self.cells.get(row, {})
        return cells.get(column.id, cells.get(column.task, []))

    def reason(self, row: str, column: Column) -> str:
        """Why the planner left a cell out, "" where it did not; ``*`` stands for every row or column."""
        ids = [f"{r}|{c}" for r in (row, "*") for c in (column.id, column.task, "*")]
        return next((self.reasons_missing[i] for i in ids if i in self.reasons_missing), "")

    def distinct(self) -> list[Column]:
        """The columns that differ in their runs: curves belong to runs, whatever is read from them."""
        seen: dict[tuple[tuple[str, ...], ...], Column] = {}
        for column in self.columns:
            seen.setdefault(tuple(tuple(self.keys(row.id, column)) for row in self.rows), column)
        return list(seen.values())

    def row(self, row_id: str) -> Row:
        """The row of that id. Raises KeyError."""
        return {row.id: row for row in self.rows}[row_id]

    def all_keys(self) -> list[str]:
        """Every run key once, in table order."""
        return list(dict.fromkeys(key for tasks in self.cells.values() for keys in tasks.values() for key in keys))


def load_manifest(path: str | Path) -> Manifest:
    """Read one ``results/experiments/<name>/<grid-hash>.json``."""
    path = Path(path)
    raw = read_json(path)
    try:
        return Manifest(
            rows=tuple(_build(Row, r) for r in raw["rows"]),
            columns=tuple(_build(Column, c) for c in raw["columns"]),
            published=tuple(_build(Published, p) for p in raw.get("published") or ()),
            name=raw["name"],
            title=raw.get("title") or raw["name"],
            seeds=tuple(raw["seeds"]),
            cells=raw["cells"],
            baseline_row=raw.get("baseline_row"),
            profile=raw.get("profile"),
            grid=raw.get("grid", path.stem),
            claims=(*(raw.get("claims") or ()), *(raw.get("further_claims") or ())),
            layout=raw.get("layout") or "methods-by-tasks",
            warnings=tuple(raw.get("warnings") or ()),
            reasons_missing=raw.get("reasons_missing") or {},
            commands=raw.get("commands") or {},
            points=tuple(_build(Point, p) for p in raw.get("points") or ()),
            about=raw.get("about") or {},
        )
    except (KeyError, TypeError) as error:
        raise ResultsError(f"{path} is not a manifest ({error!r}): plan the experiment again to rewrite it") from error


def _build(kind: type[T], raw: dict[str, Any]) -> T:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: v for k, v in raw.items() if k in names})
