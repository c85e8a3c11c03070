"""Methods that gave the same answers: two names for one result, which a reader must hear of first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.cells import read_cell
from analysis.contrasts import identical_share
from analysis.results import Results
from analysis.schema import Manifest
from analysis.tables import records

if TYPE_CHECKING:
    import pandas as pd

NEAR = 0.05  # points: scores farther apart than this cannot come from the same answers
Group = tuple[str, ...]


def identical_sentences(results: Results, manifest: Manifest, cells: pd.DataFrame) -> list[str]:
    """Return a sentence for each group of methods whose answers agree on every item of every paired run."""
    titles = {row.id: row.title for row in manifest.rows}
    sentences = []
    for group, n_pairs in identical_groups(results, manifest, cells):
        *first, last = (f'"{titles[row]}"' for row in group)
        runs = f"all {n_pairs} paired runs" if n_pairs > 1 else "their one paired run"
        sentences.append(f"{', '.join(first)} and {last} gave the same answer to every item in {runs}.")
    return sentences


def identical_groups(results: Results, manifest: Manifest, cells: pd.DataFrame) -> Iterator[tuple[Group, int]]:
    """Yield the rows of each group, and the number of runs that each of them shares with the first."""
    places = {
        row.id: {cell.column: cell for cell in records(cells[cells["row"] == row.id]) if cell.n_seeds}
        for row in manifest.rows
    }
    groups: list[list[str]] = []
    for row, row_cells in places.items():
        for group in groups:
            if _are_identical(results, manifest, row, row_cells, group[0], places[group[0]]):
                group.append(row)
                break
        else:
            groups.append([row])
    for group in groups:
        if len(group) > 1:
            yield tuple(group), _n_pairs(manifest, [places[row] for row in group])


def _are_identical(
    results: Results, manifest: Manifest, row: str, cells: Mapping[str, Any], other: str, others: Mapping[str, Any]
) -> bool:
    """Return True if two rows agree in all columns that both have; the predictions are read only if scores agree."""
    shared = [column for column in manifest.columns if column.id in cells and column.id in others]
    if not shared or not all(_scores_agree(cells[column.id], others[column.id]) for column in shared):
        return False
    arms = ([read_cell(results, manifest, name, column) for name in (row, other)] for column in shared)
    return all(identical_share(a, b, column.metric) == 1.0 for column, (a, b) in zip(shared, arms, strict=True))


def _scores_agree(cell: Any, other: Any) -> bool:
    """Return True if two cells have a seed in common, and at each such seed (almost) the same score."""
    scores, other_scores = (dict(zip(c.seeds, c.scores, strict=True)) for c in (cell, other))
    common = scores.keys() & other_scores.keys()
    return bool(common) and all(abs(scores[seed] - other_scores[seed]) <= NEAR for seed in common)


def _n_pairs(manifest: Manifest, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of runs of a group's first row that all its rows have at the same seed, over all tasks."""
    seeds = {
        column.task: set.intersection(*(set(cells[column.id].seeds) for cells in rows))
        for column in manifest.columns
        if all(column.id in cells for cells in rows)
    }
    return sum(map(len, seeds.values()))
