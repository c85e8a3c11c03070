"""One experiment as a frame of estimates: a row per cell of its table, computed from stored predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.cache import CellCache
from analysis.cells import Scored, parents_of, read_cell, seeded
from analysis.claims.claim import FEWEST_SEEDS, INERT
from analysis.claims.floor import PILOT, of_baseline, reference
from analysis.claims.inert import IDENTICAL
from analysis.contrasts import Arm, identical_share, measure
from analysis.crossed import Components, combine
from analysis.interval import Interval
from analysis.power import noise_of, seeds_needed, visible
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest, Row
from analysis.scores import METRICS, displayed
from analysis.table_cell import TableCell

if TYPE_CHECKING:
    import pandas as pd

TOO_FEW = "too few seeds"


def compare(results: Results, manifest: Manifest, level: float = 0.95) -> pd.DataFrame:
    """Return every cell of the experiment's table, one per row; the columns are the fields of :class:`TableCell`.

    A row of combined runs (votes, averaged weights) is compared with the mean of the runs it combines.
    """
    import pandas as pd

    cache = CellCache(results, manifest.name)
    cells = [
        cell
        for column in manifest.columns
        for cell in with_undecided(manifest, list(_column(results, manifest, column, level, cache)))
    ]
    cache.save()
    return pd.DataFrame.from_records([cell.to_json() for cell in cells], columns=TableCell.names())


def fewest_seeds(manifest: Manifest, row: str) -> int:
    """Return the number of seeds that a row's difference to the baseline needs for a verdict.

    It is the largest number that claims about these two rows require; without such claims, the smallest number that any
    claim of the experiment requires.
    """
    pair = {row, manifest.baseline_row}
    required = [claim.min_seeds for claim in manifest.claims if {claim.a, claim.b} == pair]
    return max(required) if required else min((claim.min_seeds for claim in manifest.claims), default=FEWEST_SEEDS)


def scored_cell(manifest: Manifest, row: Row, column: Column, scored: Scored, level: float = 0.95) -> TableCell:
    """Return the cell of these runs, without a difference; the baseline's cell has the mark of a task at the floor."""
    return _cell(manifest, row, column, scored, "", [], level)


def with_undecided(manifest: Manifest, cells: Sequence[TableCell]) -> Iterator[TableCell]:
    """Yield the cells of one column, each with the reason why it decides nothing."""
    floor = next((cell.floor for cell in cells if cell.row == manifest.baseline_row), "")
    for cell in cells:
        fewest, undecided = fewest_seeds(manifest, cell.row), ""
        if not np.isnan(cell.difference):
            reasons = (
                f"{INERT}: {100 * cell.identical:.2f} % of the answers are identical"
                if cell.identical >= IDENTICAL
                else "",
                f"{TOO_FEW}: {cell.n_pairs} of {fewest}" if cell.n_pairs < fewest else "",
                floor,
                cell.near_constant,
            )
            undecided = next((reason for reason in reasons if reason), "")
        yield replace(cell, floor=floor, undecided=undecided)


def _column(
    results: Results, manifest: Manifest, column: Column, level: float, cache: CellCache
) -> Iterator[TableCell]:
    """Yield the cells of one column; its baseline is read once, and only if a cell has to be computed."""
    read = lru_cache(lambda row: _try_read(results, manifest, row, column))
    base = manifest.baseline_row
    files = {row.id: _files(results, manifest, row.id, column) for row in manifest.rows}
    for row in manifest.rows:

        def compute(row: Row = row) -> TableCell:
            scored, reason = read(row.id)
            references = [] if base in (None, row.id) else [base_runs for base_runs, _ in (read(base),) if base_runs]
            if row.combine and scored is not None:
                references, reason = _parents(results, scored, column, reason)
            return _cell(manifest, row, column, scored, reason, references, level)

        if row.combine or not files[row.id]:
            yield compute()  # not cached: its parents, or the reason why it is missing, are in other files
        else:
            published, reason = _published(manifest, row.id, column.id), manifest.reason(row.id, column)
            n_runs, paper_score = len(manifest.keys(row.id, column)), reference(manifest, column)
            request = (row, column, level, published, reason, base, n_runs, paper_score)
            yield cache.cell((request, files[row.id], files.get(base or "", [])), compute)


def _files(results: Results, manifest: Manifest, row: str, column: Column) -> list[tuple[int, str, int, int]]:
    """Return seed, key, size and modification time of the prediction files of a cell's finished runs."""
    states = []
    for seed, key in seeded(results, manifest, row, column):
        path = results.folder(key) / "predictions" / f"{column.task}.{column.split}.parquet"
        try:
            state = path.stat()
        except OSError:
            continue
        states.append((seed, key, state.st_size, state.st_mtime_ns))
    return states


def contrast(a: Scored, b: Scored, column: Column, level: float = 0.95) -> tuple[Interval, np.ndarray, np.ndarray]:
    """Return the deciding interval of ``a - b`` at the seeds both have, and both arms' scores, on the printed scale.

    Raises:
        ResultsError: there is no common seed, or items differ.
    """
    part, scores_a, scores_b = _contrasted(a, [b], column)
    return combine([part], level=level), scores_a, scores_b


def _contrasted(a: Scored, references: Sequence[Scored], column: Column) -> tuple[Components, np.ndarray, np.ndarray]:
    """Return the components of ``a`` minus the mean of the references, and the scores of both sides."""
    common = [s for s in a.seeds if all(s in arm.seeds for arm in references)]
    if not common:
        raise ResultsError("no seed was run by both")
    arms = [Arm(1.0, a, column), *(Arm(-1.0 / len(references), arm, column) for arm in references)]
    reference_scores = np.mean([arm.scores[_at(arm, common)] for arm in references], axis=0)
    scale = METRICS[column.metric].scale
    return measure(arms, common), scale * a.scores[_at(a, common)], scale * reference_scores


def _parents(results: Results, scored: Scored, column: Column, reason: str) -> tuple[list[Scored], str]:
    try:
        return parents_of(results, scored, column), reason
    except ResultsError as error:
        return [], f"not compared: {error}"


def _cell(
    manifest: Manifest,
    row: Row,
    column: Column,
    scored: Scored | None,
    reason: str,
    references: Sequence[Scored],
    level: float,
) -> TableCell:
    cell = _empty(manifest, row, column, reason, level)
    if scored is None:
        return cell
    cell = _with_scores(cell, scored, METRICS[column.metric].scale)
    if row.id == manifest.baseline_row:
        learnt = of_baseline(scored, manifest, column)
        cell = replace(cell, floor=f"{PILOT}: {learnt.words}" if learnt.is_floor else "")
    if not references:
        return cell
    try:
        return _with_difference(cell, scored, references, column)
    except ResultsError as error:
        return replace(cell, reason=str(error))


def _empty(manifest: Manifest, row: Row, column: Column, reason: str, level: float) -> TableCell:
    """Return the cell as it is without any finished run."""
    scale = displayed(column.metric).scale
    return TableCell(
        row=row.id,
        row_title=row.title,
        column=column.id,
        column_title=column.title or column.task,
        task=column.task,
        metric=column.metric,
        split=column.split,
        ceiling=np.nan if column.ceiling is None else column.ceiling * scale,
        missing=len(manifest.keys(row.id, column)),
        reason=reason,
        level=level,
        against="the mean of its parents" if row.combine else manifest.baseline_row or "",
        **_published(manifest, row.id, column.id),
    )


def _with_scores(cell: TableCell, scored: Scored, scale: float) -> TableCell:
    values = scored.scores * scale
    return replace(
        cell,
        n_seeds=len(values),
        n_items=len(scored.labels),
        mean=values.mean(),
        sd=values.std(ddof=1) if len(values) > 1 else np.nan,
        scores=tuple(values.tolist()),
        seeds=scored.seeds,
        keys=scored.keys,
        collapsed=int(scored.collapsed.sum()),
        collapsed_runs=tuple(scored.collapsed.tolist()),
        missing=cell.missing - len(values),
    )


def _with_difference(cell: TableCell, scored: Scored, references: Sequence[Scored], column: Column) -> TableCell:
    """Return the cell with its difference to the mean of the references.

    Raises:
        ResultsError: there is no common seed, or items differ.
    """
    part, scores, baseline = _contrasted(scored, references, column)
    interval = combine([part], level=cell.level)
    return replace(
        with_interval(cell, interval),
        correlation=_correlation(scores, baseline),
        identical=identical_share(scored, references[0], column.metric) if len(references) == 1 else np.nan,
        seeds_needed=_needed(part, cell.published_difference),
    )


def with_interval(cell: TableCell, interval: Interval) -> TableCell:
    """Return the cell with its difference to the baseline."""
    return replace(
        cell,
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        p=interval.p,
        n_pairs=interval.n_seeds,
        near_constant=interval.withheld,
        visible=visible(interval),
    )


def _needed(part: Components, claimed: float) -> float:
    """Return the number of seeds that would detect the published difference; nan where it cannot be computed."""
    if not claimed or np.isnan(claimed):
        return float("nan")
    try:
        noise = noise_of(part)
    except ValueError:
        return float("nan")
    return float(seeds_needed(claimed, part.n_items, noise) or np.inf)


def _published(manifest: Manifest, row: str, column: str) -> dict[str, Any]:
    printed = {(p.row, p.column): p for p in manifest.published}
    cell, base = printed.get((row, column)), printed.get((manifest.baseline_row or "", column))
    return {
        "published": cell.value if cell else np.nan,
        "published_difference": cell.value - base.value if cell and base and cell is not base else np.nan,
        "published_source": cell.source if cell else "",
    }


def _try_read(results: Results, manifest: Manifest, row: str, column: Column) -> tuple[Scored | None, str]:
    """Return the cell's runs, or None and the reason why they are missing (the planner's, where it gave one)."""
    planned_reason = manifest.reason(row, column)
    try:
        return read_cell(results, manifest, row, column), planned_reason
    except ResultsError as error:
        return None, planned_reason or str(error)


def _at(scored: Scored, seeds: Sequence[int]) -> list[int]:
    return [scored.seeds.index(seed) for seed in seeds]


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the correlation over seeds, the benefit of pairing; nan below three seeds or without variation."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
