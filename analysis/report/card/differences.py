"""The frame of the card's figure: differences with their intervals on each task, and their mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis import schema
from analysis.claims import Verdict
from analysis.claims.claim import POINTS
from analysis.claims.deciding import column_of
from analysis.interval import Interval
from analysis.schema import Column, Manifest
from analysis.tables import number, records, unit_of

if TYPE_CHECKING:
    import pandas as pd

MOST_SERIES = 4  # methods that one figure shows on every task


def forest_of(
    manifest: Manifest, cells: pd.DataFrame, verdicts: Sequence[Verdict]
) -> tuple[pd.DataFrame, dict[str, str], str]:
    """Return the frame of the answer's figure, the title of each series, and the unit.

    The rows are the tasks of the claim's contrast and, for an average, their mean; several readings are several series.
    Where too few seeds leave the claim undecided, and for experiments without claims, they are the differences to the
    baseline. The frame is empty where nothing is compared in one unit.
    """
    import pandas as pd

    names = {row.id: row.title for row in manifest.rows}
    lines: list[dict[str, Any]] = []
    titles: dict[str, str] = {}
    for verdict in verdicts:
        for line in _lines(manifest, cells, verdict):
            lines.append(line)
            titles[verdict.claim.a] = names.get(verdict.claim.a, verdict.claim.a)
    units = {line.pop("unit") for line in lines}
    frame = pd.DataFrame.from_records(lines) if len(units) == 1 else pd.DataFrame()
    if len(frame):
        frame = frame.sort_values("is_mean", kind="stable", ignore_index=True)
    return frame, titles, next(iter(units), "")


def comparisons_of(manifest: Manifest, cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str], str]:
    """Return the frame of the answer's figure where nothing is claimed: differences to the baseline.

    The first column of each task counts, and of the methods the first :data:`MOST_SERIES`.
    """
    import pandas as pd

    rows = [row for row in manifest.rows if row.id != manifest.baseline_row][:MOST_SERIES]
    tasks = [column.task for column in manifest.columns]
    lines = [line for row in rows for line in _cell_lines(manifest, cells, row.id, tasks)]
    units = [line.pop("unit") for line in lines]
    kept = [line for line, unit in zip(lines, units, strict=True) if unit == units[0]]
    series = {line["series"] for line in kept}
    return pd.DataFrame.from_records(kept), {r.id: r.title for r in rows if r.id in series}, units[0] if units else ""


def drawn_methods(manifest: Manifest, verdicts: Sequence[Verdict]) -> str:
    """Return which methods the answer's figure shows; "" where it shows all that it is about."""
    n_others = sum(row.id != manifest.baseline_row for row in manifest.rows)
    if verdicts or n_others <= MOST_SERIES:
        return ""
    return f"The first {MOST_SERIES} of {n_others} methods; all are under Figures."


def _lines(manifest: Manifest, cells: pd.DataFrame, verdict: Verdict) -> Iterator[dict[str, Any]]:
    """Yield a line of the figure per task of one verdict, then the mean."""
    claim = verdict.claim
    if not verdict.per_task and not verdict.parts:
        if claim.b == manifest.baseline_row and isinstance(claim.test, schema.Difference):
            for line in _cell_lines(manifest, cells, claim.a, claim.tasks):
                yield line | {"undecided": line["undecided"] or verdict.reason}
        return
    if verdict.parts or not isinstance(claim.test, schema.Difference):
        for part in verdict.parts or (verdict,):
            if part.interval is not None:
                place = part.claim.clause if verdict.parts else part.estimand or "all tasks"
                yield _line(place, claim.a, part.interval, part.unit, "", math.nan)
        return
    for task, value in sorted(verdict.per_task.items(), key=lambda item: item[0] in verdict.excluded):
        column = column_of(manifest, task, claim.metric)
        place = (column.title or column.task) if column else task
        undecided = verdict.excluded.get(task, "") or (verdict.reason if verdict.status == "no verdict" else "")
        yield _line(place, claim.a, value, verdict.unit, undecided, _papers(manifest, verdict, column))
    if len(verdict.per_task) > 1 and claim.quantifier == "average" and verdict.interval is not None:
        n_deciding = len([task for task in verdict.per_task if task not in verdict.excluded]) or len(verdict.per_task)
        if n_deciding == 1:
            return
        size = claim.sign * claim.size if claim.size and not claim.within and verdict.unit == POINTS else math.nan
        published = math.nan if manifest.is_generated else size
        mean = _line(f"mean of {n_deciding} tasks", claim.a, verdict.interval, verdict.unit, verdict.reason, published)
        yield mean | {"is_mean": True}


def _line(place: str, series: str, value: Interval, unit: str, undecided: str, published: float) -> dict[str, Any]:
    return {
        "place": place,
        "series": series,
        "difference": value.estimate,
        "low": value.low,
        "high": value.high,
        "n_pairs": value.n_seeds,
        "n_items": value.n_items,
        "undecided": undecided,
        "published": published,
        "is_mean": False,
        "unit": unit,
    }


def _cell_lines(manifest: Manifest, cells: pd.DataFrame, row: str, tasks: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the differences to the baseline in the first column of each task, as a description."""
    first = {column.task: column.id for column in reversed(manifest.columns)}
    for cell in records(cells[cells["row"] == row]):
        if cell.task in tasks and first[cell.task] == cell.column and not math.isnan(cell.difference):
            yield {
                "place": cell.column_title,
                "series": row,
                "difference": cell.difference,
                "low": cell.low,
                "high": cell.high,
                "n_pairs": cell.n_pairs,
                "n_items": cell.n_items,
                "undecided": cell.undecided,
                "published": math.nan,
                "is_mean": False,
                "unit": unit_of(cell.metric),
            }


def _papers(manifest: Manifest, verdict: Verdict, column: Column | None) -> float:
    """Return the paper's difference of the claim's two rows in a column; nan without both, and on generated data."""
    if column is None or verdict.unit != POINTS or manifest.is_generated:
        return math.nan
    values = {p.row: p.value for p in manifest.published if p.column == column.id}
    return values.get(verdict.claim.a, math.nan) - values.get(verdict.claim.b, math.nan)


def alt_of(frame: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Return the answer's figure in words."""
    entries = [
        f"{titles[line.series]}, {line.place}: {number(line.difference, signed=True)} ({interval_of(line)}"
        f"{'; no verdict' if line.undecided else ''})"
        for line in records(frame)
    ]
    return f"Differences with 95 % intervals, one scale: {'; '.join(entries)}."


def interval_of(line: Any) -> str:
    """Return the interval of a line of the figure: ``−0.4 to 2.8``."""
    return f"{number(line.low)} to {number(line.high)}"
