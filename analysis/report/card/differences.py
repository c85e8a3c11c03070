"""The frame of the card's figure: differences with their intervals on each task, and their mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis import schema
from analysis.claims import Verdict
from analysis.claims.claim import POINTS
from analysis.claims.deciding import column_of
from analysis.claims.quantity import quantity_of
from analysis.interval import Interval
from analysis.schema import Column, Manifest
from analysis.tables import number, records, unit_of

if TYPE_CHECKING:
    import pandas as pd

MOST_SERIES = 4  # methods that one figure shows on every task


@dataclass(frozen=True)
class Forest:
    """What the answer's figure shows.

    Attributes:
        frame: a line per task and series, as :func:`analysis.figures.plot_forest` takes it; empty where nothing is
            compared in one unit.
        titles: title of each series.
        quantity: what is shown, with its unit: the label of the axis; "" with an empty frame.
        claimed: the values that the intervals are compared with.
    """

    frame: pd.DataFrame
    titles: dict[str, str]
    quantity: str = ""
    claimed: tuple[float, ...] = (0.0,)


def forest_of(manifest: Manifest, cells: pd.DataFrame, verdicts: Sequence[Verdict]) -> Forest:
    """Return what the answer's figure shows for the verdicts on one claim.

    The rows of its frame are the tasks of the claim's contrast and, for an average, their mean; several readings are
    several series. Where too few seeds leave the claim undecided, they are the differences to the baseline.
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
    quantities = {quantity_of(part.claim) for verdict in verdicts for part in verdict.parts or (verdict,)}
    frame = pd.DataFrame.from_records(lines) if len(units) == len(quantities) == 1 else pd.DataFrame()
    if frame.empty:
        return Forest(frame, titles)
    quantity = quantities.pop()
    return Forest(
        frame.sort_values("is_mean", kind="stable", ignore_index=True),
        titles,
        quantity.name or f"difference in {units.pop()}",
        quantity.claimed,
    )


def comparisons_of(manifest: Manifest, cells: pd.DataFrame) -> Forest:
    """Return what the answer's figure shows where nothing is claimed: differences to the baseline.

    The first column of each task counts, and of the methods the first :data:`MOST_SERIES`.
    """
    import pandas as pd

    rows = [row for row in manifest.rows if row.id != manifest.baseline_row][:MOST_SERIES]
    tasks = [column.task for column in manifest.columns]
    lines = [line for row in rows for line in _cell_lines(manifest, cells, row.id, tasks)]
    units = [line.pop("unit") for line in lines]
    kept = [line for line, unit in zip(lines, units, strict=True) if unit == units[0]]
    series = {line["series"] for line in kept}
    titles = {row.id: row.title for row in rows if row.id in series}
    return Forest(pd.DataFrame.from_records(kept), titles, f"difference in {units[0]}" if units else "")


def drawn_methods(manifest: Manifest, verdicts: Sequence[Verdict]) -> str:
    """Return which methods the answer's figure shows; "" where it shows all that it is about."""
    n_others = sum(row.id != manifest.baseline_row for row in manifest.rows)
    if verdicts or n_others <= MOST_SERIES:
        return ""
    return f"The first {MOST_SERIES} of {n_others} methods; all are under Figures."


def mark_of(verdicts: Sequence[Verdict]) -> str:
    """Return what a mark of the answer's figure is: a mean difference, or the estimate of a ratio or a share."""
    parts = [part for verdict in verdicts for part in verdict.parts or (verdict,)]
    return "mean difference" if all(quantity_of(part.claim).is_difference for part in parts) else "estimate"


def _lines(manifest: Manifest, cells: pd.DataFrame, verdict: Verdict) -> Iterator[dict[str, Any]]:
    """Yield a line of the figure per task of one verdict, then the mean."""
    claim = verdict.claim
    if not verdict.per_task and not verdict.parts:
        if claim.b == manifest.baseline_row and isinstance(claim.test, schema.Difference):
            for line in _cell_lines(manifest, cells, claim.a, claim.tasks):
                yield line | {"undecided": line["undecided"] or verdict.reason}
        return
    if verdict.parts or (quantity_of(claim).is_difference and not isinstance(claim.test, schema.Difference)):
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


def alt_of(forest: Forest) -> str:
    """Return the answer's figure in words."""
    is_difference, digits = forest.claimed == (0.0,), 1 if forest.claimed == (0.0,) else 2
    entries = [
        f"{forest.titles[line.series]}, {line.place}: {number(line.difference, digits, signed=is_difference)} "
        f"({number(line.low, digits)} to {number(line.high, digits)}{'; no verdict' if line.undecided else ''})"
        for line in records(forest.frame)
    ]
    name = "Differences" if is_difference else f"{forest.quantity[:1].upper()}{forest.quantity[1:]}"
    return f"{name} with 95 % intervals, one scale: {'; '.join(entries)}."
