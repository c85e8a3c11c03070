"""The report's section on annotator agreement, for tasks whose predictions hold votes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import errors
from analysis.cells import seeded
from analysis.errors import Outputs
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest, Row
from analysis.tables import number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Agreement:
    """Agreement of one task: means per method and bucket, and each method's contrast of contrasts in words."""

    task: str
    table: pd.DataFrame
    sentences: tuple[str, ...]
    excluded: int


def read_arms(
    results: Results, manifest: Manifest, column: Column, split: str, rows: Sequence[Row]
) -> dict[str, Outputs]:
    """Read the finished runs of these rows on a split; rows scored on other items than the first are left out."""
    arms: dict[str, Outputs] = {}
    for row in rows:
        keys = dict(seeded(results, manifest, row.id, column))
        try:
            outputs = errors.read_outputs(results, keys, column.task, split)
        except ResultsError:
            continue
        if not arms or np.array_equal(outputs.ids, next(iter(arms.values())).ids):
            arms[row.id] = outputs
    return arms


def read_held(results: Results, manifest: Manifest, column: Column, rows: Iterable[str]) -> dict[str, errors.Holdouts]:
    """Read the holdouts of these rows, by seed; rows without any are left out."""
    holdouts_by_row = {
        row: errors.read_holdouts(results, dict(seeded(results, manifest, row, column)), column.task) for row in rows
    }
    return {row: holdouts for row, holdouts in holdouts_by_row.items() if holdouts}


def agreement_of(results: Results, manifest: Manifest, column: Column, arms: Mapping[str, Outputs]) -> Agreement | None:
    """Return the section of one task, or None where there are no votes."""
    if not arms or any(outputs.votes is None for outputs in arms.values()):
        return None
    base = manifest.baseline_row or ""
    holdouts = read_held(results, manifest, column, [base]) if base in arms else {}
    fitting = {row: by_seed for row, by_seed in holdouts.items() if set(arms[row].seeds) <= set(by_seed)}
    titles = {row.id: row.title for row in manifest.rows}
    table = errors.by_agreement({titles[r]: o for r, o in arms.items()}, {titles[r]: o for r, o in fitting.items()})
    sentences = tuple(
        _sentence(titles[row], titles[base], arms[row], arms[base])
        for row in arms
        if base in arms and row != base and _contrastable(arms[row], arms[base])
    )
    return Agreement(column.task, table, sentences, table.attrs["no_majority"])


def _contrastable(a: Outputs, b: Outputs) -> bool:
    """Return True if both share a seed and have at least two contested and two other items with a majority."""
    if a.votes is None or not set(a.seeds) & set(b.seeds):
        return False
    contested = errors.is_contested(a.votes)[errors.agreement(a.votes) != errors.NO_MAJORITY]
    return bool(min(contested.sum(), (~contested).sum()) >= 2)


def _sentence(title: str, baseline: str, a: Outputs, b: Outputs) -> str:
    assert a.votes is not None
    common = [s for s in a.seeds if s in b.seeds]
    kept = errors.agreement(a.votes) != errors.NO_MAJORITY
    contested = errors.is_contested(a.votes)[kept]
    gap = errors.interaction(errors.at_seeds(a, common, kept), errors.at_seeds(b, common, kept), contested)
    higher = "higher" if gap.estimate > 0 else "lower"
    verdict = "inconclusive" if gap.low <= 0 <= gap.high else f"{higher} on contested items"
    basis = f"{int(contested.sum()):,} of {gap.n_items:,} items"
    size, ends = number(abs(100 * gap.estimate)), f"{number(100 * gap.low)} to {number(100 * gap.high)}"
    return (
        f"The difference of {title} to {baseline} is {size} points {higher} on contested items than on the others "
        f"(95 % interval {ends}, {basis}): {verdict}."
    )
