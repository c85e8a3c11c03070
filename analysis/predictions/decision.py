"""The verdicts: the intervals and rules that decide claims (docs/statistics.md), for systems of any program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.cells import Scored
from analysis.claims.claim import (
    CONTRADICTED,
    INCONCLUSIVE,
    INERT,
    LEVEL,
    NO_EFFECT,
    POINTS,
    SUPPORTED,
    VALUE,
    Verdict,
)
from analysis.claims.claim import NO_VERDICT as WITHHELD
from analysis.claims.floor import of_baseline
from analysis.claims.rule import Measure, after_holm, bound_of, decide_by
from analysis.comparison import contrast, scored_cell, with_interval, with_undecided
from analysis.contrasts import Arm, identical_share, unpaired
from analysis.crossed import RARE_CLASS, few_groups, rare_class
from analysis.descriptive import holm
from analysis.interval import Interval
from analysis.predictions.judgement import Judgement
from analysis.predictions.outcome import BETTER, ITEMS_ONLY, NO_VERDICT, OPEN, SAME, WORSE, Comparison
from analysis.predictions.study import Study
from analysis.records import ResultsError
from analysis.schema import Claim, Column, Contrast, Manifest, Published, Row
from analysis.table_cell import TableCell
from analysis.tables import digits_of, kind_of, number

TASK = "items"
WORDS = {SUPPORTED: BETTER, CONTRADICTED: WORSE, NO_EFFECT: SAME, INCONCLUSIVE: OPEN, WITHHELD: NO_VERDICT}


def decide(study: Study, baseline: str, *, bound: float | None = None, reference: float | None = None) -> Judgement:
    """Return every other system against the baseline, with Holm's correction over all of them.

    Args:
        study: the systems on the same items.
        baseline: name of the system that the others are compared with.
        bound: largest irrelevant difference, in the printed unit; None: by the rule for claims without a size.
        reference: score of a system that has learnt the task, in percent, for the floor; None: not known.
    Raises: ResultsError: a reference that no system can score, or that is a share instead of a percentage.
    """
    if reference is not None and study.metric.unit == POINTS and not 1 < reference <= 100:
        raise ResultsError(
            f"the reference is a score in percent, above 1 and at most 100, got {reference:g}: give it as it is printed"
        )
    manifest = _manifest(study, baseline, reference)
    column = manifest.columns[0]
    compared_names = [name for name in study.runs if name != baseline]
    intervals = {name: _interval(study.runs[name], study.runs[baseline], column) for name in compared_names}
    cells = _cells(study, manifest, column, intervals)
    bound = _bound(study, bound)
    verdicts = {name: _verdict(study, baseline, name, intervals[name], bound) for name in compared_names}
    reasons = {
        cell.row: _reason(study, baseline, cell, intervals.get(cell.row), verdicts.get(cell.row)) for cell in cells
    }
    cells = [replace(cell, undecided=reasons[cell.row]) for cell in cells]  # as the figures show it
    p_values = [1.0 if reasons[name] else verdicts[name].p for name in compared_names]
    by_name = {cell.row: cell for cell in cells}
    comparisons = [
        _comparison(by_name[name], baseline, intervals[name], verdicts[name], reasons[name], float(p))
        for name, p in zip(compared_names, holm(p_values), strict=True)
    ]
    notes = _notes(study, manifest, column, cells)
    return Judgement(study, manifest, baseline, bound, tuple(cells), tuple(comparisons), tuple(notes))


def _manifest(study: Study, baseline: str, reference: float | None) -> Manifest:
    """Return the systems as an experiment of one column."""
    column = Column(TASK, TASK, study.metric.name, title=study.score_name or f"{study.n_items:,} items")
    return Manifest(
        name="judge",
        title=f"{study.title} against {baseline}",
        rows=tuple(Row(name, name) for name in study.runs),
        columns=(column,),
        seeds=tuple(sorted({seed for runs in study.runs.values() for seed in runs.seeds})),
        cells={},
        baseline_row=baseline,
        published=() if reference is None else (Published(baseline, TASK, reference),),
    )


def _interval(a: Scored, b: Scored, column: Column) -> Interval:
    """Return the deciding interval: over pairs of seeds where these are equal, else over two samples of seeds."""
    if a.seeds == b.seeds:
        return contrast(a, b, column, LEVEL)[0]
    return unpaired(Arm(1.0, a, column), Arm(-1.0, b, column), LEVEL)


def _cells(study: Study, manifest: Manifest, column: Column, intervals: dict[str, Interval]) -> list[TableCell]:
    """One cell per system, with why its difference decides nothing."""
    baseline = study.runs[manifest.baseline_row or ""]
    cells = []
    for row in manifest.rows:
        cell = scored_cell(manifest, row, column, study.runs[row.id], LEVEL)
        if row.id in intervals:
            share = _identical(study, study.runs[row.id], baseline)
            cell = replace(with_interval(cell, intervals[row.id]), identical=share)
        cells.append(cell)
    return list(with_undecided(manifest, cells))


def _identical(study: Study, a: Scored, b: Scored) -> float:
    if not set(a.seeds) & set(b.seeds):
        return math.nan
    return identical_share(a, b, study.metric.name)


def _bound(study: Study, bound: float | None) -> float | None:
    unit = POINTS if study.metric.unit == POINTS else VALUE
    return bound_of(replace(_claim(study, "a", "b"), bound=bound), [study.metric.name], unit)


def _claim(study: Study, name: str, baseline: str) -> Claim:
    """``name`` is better than the baseline."""
    return Claim(
        id="judge",
        sentence=f"{name} is better than {baseline}",
        contrast=Contrast(name, baseline),
        tasks=(TASK,),
        direction="greater" if study.metric.greater_is_better else "less",
    )


def _verdict(study: Study, baseline: str, name: str, interval: Interval, bound: float | None) -> Verdict:
    claim = _claim(study, name, baseline)
    unit = POINTS if study.metric.unit == POINTS else VALUE
    return decide_by(claim, interval, {TASK: interval}, Measure(claim.sign, None, bound, unit))


def _reason(study: Study, baseline: str, cell: TableCell, interval: Interval | None, verdict: Verdict | None) -> str:
    """Return the reason why a difference decides nothing; "" where it may."""
    if interval is None or verdict is None:
        return ""
    if cell.n_pairs == 1 and not cell.undecided.startswith(INERT):
        return f"{ITEMS_ONLY}: of one seed the interval is of these very systems on other items, not of new runs"
    rare = _rare_class(study)
    if cell.undecided:
        return rare if kind_of(cell.undecided) == RARE_CLASS else cell.undecided
    copied = next((name for name in (cell.row, baseline) if _are_copies(study.runs[name])), None)
    if copied is not None:
        return (
            f"{ITEMS_ONLY}: all {len(study.runs[copied].seeds)} seeds of {copied} give the same answers, as copies of "
            "one run do, so the interval is not of new runs"
        )
    if rare:
        return rare
    groups = next(iter(study.runs.values())).groups
    return (few_groups(groups) if groups is not None else "") or verdict.reason


def _are_copies(runs: Scored) -> bool:
    """Return whether several seeds give the same answer to every item."""
    return len(runs.seeds) > 1 and bool((runs.outputs == runs.outputs[0]).all())


def _rare_class(study: Study) -> str:
    """Return the reason why an average over classes cannot be judged, with the class; "" where it can."""
    labels = next(iter(study.runs.values())).labels
    reason = rare_class(labels, study.metric, study.n_classes)
    if not reason:
        return ""
    counts = np.bincount(labels, minlength=study.n_classes)
    return f"{reason} ({study.classes[int(counts.argmin())]})"


def _comparison(
    cell: TableCell, baseline: str, interval: Interval, verdict: Verdict, reason: str, adjusted: float
) -> Comparison:
    if reason.startswith(ITEMS_ONLY):
        word = ITEMS_ONLY
    elif reason:
        word = NO_VERDICT
    else:
        word = WORDS[after_holm(verdict.status, adjusted)]
    holm_p = math.nan if reason else adjusted
    return Comparison(cell.row, baseline, word, reason, interval, holm_p, cell.identical)


def _notes(study: Study, manifest: Manifest, column: Column, cells: Sequence[TableCell]) -> list[str]:
    """Return what must be read beside the verdicts, a sentence each."""
    notes = []
    baseline = manifest.baseline_row or ""
    learnt = of_baseline(study.runs[baseline], manifest, column)
    is_above = learnt.low > learnt.constant if study.metric.greater_is_better else learnt.low < learnt.constant
    if not math.isnan(learnt.constant) and not is_above and not learnt.is_floor:
        digits = digits_of(study.metric.name)
        notes.append(
            f"{baseline} is not clearly better than the best constant answer ({number(learnt.score, digits)} against "
            f"{number(learnt.constant, digits)}): it may not have learnt the task"
        )
    for cell in cells:
        if cell.collapsed:
            notes.append(f"{cell.collapsed} of {cell.n_seeds} runs of {cell.row} give one answer to all items")
        if len(cell.seeds) > 1 and cell.row != baseline and cell.seeds != study.runs[baseline].seeds:
            notes.append(f"{cell.row} and {baseline} have different seeds: two samples, not pairs")
    if extra := study.classes[study.n_classes :]:
        notes.append(_of_strange_answers(study, extra))
    if study.n_groups is not None:
        notes.append(
            f"intervals are for new groups: {study.n_groups:,} groups, not {study.n_items:,} items, were drawn"
        )
    return [*notes, *study.notes]


def _of_strange_answers(study: Study, extra: Sequence[str]) -> str:
    counts = {name: int((runs.outputs >= study.n_classes).sum()) for name, runs in study.runs.items()}
    if study.metric.name == "f1":
        return f"some answers are no class of the labels ({', '.join(extra[:5])})"
    counted = ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)
    return f"answers that are no class of the labels ({', '.join(extra[:5])}) count as wrong: {counted}"
