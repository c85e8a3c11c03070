"""The main table of a page: which way round it stands, its cells, and the notes at its foot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.report.answer import chip, plural
from analysis.results import Run
from analysis.schema import Manifest
from analysis.tables import digits_of, heading, interval, number, records

if TYPE_CHECKING:
    import pandas as pd

FITTING = 6  # columns that fit a page of paper
ABOVE_CEILING = (
    "above the ceiling, which is an average over data sets: all seeds are scored on the same items, on which chance "
    "may take the best rule higher too"
)
MARKS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class GridCell:
    """A cell of the table as the page shows it.

    Attributes:
        heading: title of its column, for narrow screens, where each cell has a line of its own.
        value: the mean; "" where there are no runs.
        spread: the standard deviation, or "".
        change: the difference to the baseline, or "".
        chip: colour class of the difference.
        interval: interval of the difference.
        paper: the published number with its difference, or "".
        marks: letters of the notes at the foot.
        sort: number to sort by; nan sorts last.
        place: key of the cell's runs in the page's data; "" without runs.
    """

    heading: str
    value: str
    spread: str
    change: str
    chip: str
    interval: str
    paper: str
    marks: str
    sort: float
    place: str


Line = tuple[str, tuple[GridCell, ...]]


@dataclass(frozen=True)
class Grid:
    """The main table.

    Attributes:
        corner: heading of the first column.
        headings: headings of the others.
        lines: title of each line with its cells.
        notes: mark and text of each note at the foot.
        n: the number of seeds and items, where most cells have the same, said once.
        wide: True where it has more columns than fit; paper then shows a line per cell.
    """

    corner: str
    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[tuple[str, str], ...]
    n: str
    wide: bool

    @property
    def is_turned(self) -> bool:
        """True if the lines are tasks."""
        return self.corner == "task"


def grid_of(manifest: Manifest, cells: pd.DataFrame) -> Grid:
    """Return the table, with tasks as lines where there are more of them than fit side by side."""
    by_place = {(cell.row, cell.column): cell for cell in records(cells)}
    rows, columns = [row.id for row in manifest.rows], [column.id for column in manifest.columns]
    counts = [cell.n_seeds for cell in by_place.values() if cell.n_seeds]
    usual = max(sorted(set(counts), reverse=True), key=counts.count, default=0)
    notes: dict[str, str] = {}
    titles = {row.id: row.title for row in manifest.rows}
    headings = {c: heading(by_place[(rows[0], c)]) for c in columns}
    turned = len(columns) > FITTING and len(rows) < len(columns)
    lines: list[Line] = []
    for first in columns if turned else rows:
        line = [
            _cell(
                by_place[(second, first) if turned else (first, second)],
                titles[second] if turned else headings[second],
                usual,
                notes,
            )
            for second in (rows if turned else columns)
        ]
        lines.append((headings[first] if turned else titles[first], tuple(line)))
    if any(column.ceiling is not None for column in manifest.columns):
        lines = _with_ceilings(manifest, by_place, lines, turned)
    across = [titles[row] for row in rows] if turned else [headings[column] for column in columns]
    if turned and len(lines[0][1]) > len(across):
        across.append("ceiling")
    n = f"n = {plural(usual, 'seed')} a cell" + (", except where a note says otherwise" if len(set(counts)) > 1 else "")
    return Grid(
        "task" if turned else "method",
        tuple(across),
        tuple(lines),
        tuple((mark, text) for text, mark in notes.items()),
        n if usual else "",
        len(across) > FITTING,
    )


def cell_runs(cells: pd.DataFrame, runs: Sequence[Run]) -> dict[str, list[int]]:
    """Return the positions of each cell's runs in the list of runs, by the place of the cell."""
    positions = {run.key: n for n, run in enumerate(runs)}
    return {
        place_of(cell): [positions[key] for key in cell.keys if key in positions]
        for cell in records(cells)
        if cell.n_seeds
    }


def place_of(cell: Any) -> str:
    """Return the key of a cell in the page's data."""
    return f"{cell.row}|{cell.column}"


def _cell(cell: Any, title: str, usual: int, notes: dict[str, str]) -> GridCell:
    digits = digits_of(cell.metric)
    texts = []
    if cell.n_seeds and (cell.n_seeds != usual or cell.missing):
        texts.append(
            f"{cell.n_seeds} of {cell.n_seeds + cell.missing} seeds" if cell.missing else f"{cell.n_seeds} seeds"
        )
    if cell.undecided:
        texts.append(f"no verdict: {cell.undecided}")
    if cell.n_seeds and math.isnan(cell.difference) and cell.reason:
        texts.append(cell.reason)
    if cell.against.startswith("the mean") and not math.isnan(cell.difference):
        texts.append(f"difference to {cell.against}")
    if not cell.n_seeds:
        texts.append(f"missing: {cell.reason}")
    if cell.collapsed:
        texts.append(f"{cell.collapsed} of {cell.n_seeds} runs collapsed: (almost) one answer to all items")
    if cell.n_seeds and cell.mean > cell.ceiling:
        texts.append(ABOVE_CEILING)
    marks = "".join(notes.setdefault(text, _mark(len(notes))) + " " for text in texts).strip()
    paper = number(cell.published, 1)
    if paper and not math.isnan(cell.published_difference):
        paper += f" ({number(cell.published_difference, 1, signed=True)})"
    return GridCell(
        title,
        number(cell.mean, digits) if cell.n_seeds else "",
        number(cell.sd, digits) if cell.n_seeds > 1 else "",
        number(cell.difference, digits, signed=True),
        "" if math.isnan(cell.difference) else chip(cell),
        interval(cell),
        paper,
        marks,
        cell.mean if cell.n_seeds else math.nan,
        place_of(cell) if cell.n_seeds else "",
    )


def _mark(n: int) -> str:
    """Return the n-th letter of a note: a to z, then aa, ab ..."""
    return MARKS[n] if n < len(MARKS) else MARKS[n // len(MARKS) - 1] + MARKS[n % len(MARKS)]


def _with_ceilings(
    manifest: Manifest,
    by_place: dict[tuple[str, str], Any],
    lines: list[Line],
    turned: bool,
) -> list[Line]:
    """Return the lines with the ceilings, as a line or, in a turned table, as a column."""
    first = manifest.rows[0].id
    best = []
    for column in manifest.columns:
        cell = by_place[(first, column.id)]
        text = number(cell.ceiling, digits_of(cell.metric))
        title = "ceiling" if turned else heading(cell)
        best.append(GridCell(title, text, "", "", "", "", "", "", cell.ceiling, ""))
    if turned:
        return [(title, (*line, extra)) for (title, line), extra in zip(lines, best, strict=True)]
    return [*lines, ("ceiling", tuple(best))]
