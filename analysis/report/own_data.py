"""The first sentence of a report on own data: does the method help there, or what would it take to know?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isnan
from typing import TYPE_CHECKING, Any

from analysis import contrasts
from analysis.claims.floor import PILOT
from analysis.claims.rule import CORRELATION_BOUND, METRICS_WITH_WIDER_BOUND, SMALLEST_BOUND
from analysis.comparison import TOO_FEW, fewest_seeds
from analysis.contrasts import Arm
from analysis.crossed import Components, combine
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.report.remedy import cost_in_words, count, deciding_items, deciding_seeds, larger_study
from analysis.results import Results, Run
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, Metric
from analysis.tables import digits_of, kind_of, number, percent, records

if TYPE_CHECKING:
    import pandas as pd

HELPS, HURTS, EXCLUDED, OPEN = "helps", "hurts", "no difference that matters", "not decided"
CHIPS = {HELPS: "better", HURTS: "worse", EXCLUDED: "none", OPEN: "inconclusive"}
MEANINGS = {
    HELPS: "the 95 % interval of the difference lies beyond 0 on the better side",
    HURTS: "the 95 % interval lies beyond 0 on the worse side",
    EXCLUDED: "the 90 % interval is so narrow that a difference that matters is excluded",
    OPEN: "the interval contains 0 and is too wide to exclude a difference that matters, or nothing can be judged yet",
}
EQUIVALENCE = 0.90  # level of the interval that excludes a difference


@dataclass(frozen=True)
class OwnAnswer:
    """The answer on one own task for one method.

    Attributes:
        title: the method as tables call it.
        verdict: helps, hurts, no difference that matters, or not decided.
        sentence: the first thing on the page, with the numbers.
        details: what it costs, and which errors changed.
        effect: the difference with its interval.
        more_seeds: number of seeds to add that would decide; 0 where nothing is open or seeds alone would not do.
    """

    row: str
    title: str
    task: str
    verdict: str
    sentence: str
    details: str
    effect: str
    more_seeds: int

    @property
    def chip(self) -> str:
        """The colour of its word on the page."""
        return CHIPS[self.verdict]


@dataclass(frozen=True)
class _Study:
    """One contrast with what is needed to speak of it."""

    cell: Any
    metric: Metric
    arms: Sequence[Arm]
    seeds: Sequence[int]
    part: Components
    interval: Interval
    facts: dict[str, Any]
    fewest: int
    baseline: str


def own_answers(results: Results, manifest: Manifest, cells: pd.DataFrame, runs: Sequence[Run]) -> list[OwnAnswer]:
    """Return an answer per task on own data and method, on the task's first metric; none without own data."""
    facts = {str(run.spec.get("task")): run.task["own"] for run in runs if run.task.get("own")}
    answers = []
    for column in {column.task: column for column in reversed(manifest.columns)}.values():
        if column.task not in facts:
            continue
        for cell in records(cells[cells["column"] == column.id]):
            if cell.row == manifest.baseline_row or isnan(cell.difference):
                continue
            study = _study(results, manifest, column, cell, facts[column.task])
            if study is not None:
                answers.append(_answer(study, runs))
    return answers


def _study(results: Results, manifest: Manifest, column: Column, cell: Any, facts: dict[str, Any]) -> _Study | None:
    """Return the contrast of a cell with the baseline; None where it cannot be read."""
    assert manifest.baseline_row is not None
    try:
        arms = contrasts.difference(results, manifest, cell.row, manifest.baseline_row, column)
        seeds = contrasts.shared_seeds(manifest, arms)
        part = contrasts.measure(arms, seeds)
    except ResultsError:
        return None
    baseline = manifest.row(manifest.baseline_row).title
    fewest = fewest_seeds(manifest, cell.row)
    return _Study(cell, METRICS[column.metric], arms, seeds, part, combine([part]), facts, fewest, baseline)


def _answer(study: _Study, runs: Sequence[Run]) -> OwnAnswer:
    verdict, words, more_seeds = _verdict(study)
    cell, digits = study.cell, digits_of(study.metric.name)
    change = f"{number(study.interval.estimate, digits, signed=True)} {study.metric.unit}"
    ends = f"{number(study.interval.low, digits)} to {number(study.interval.high, digits)}"
    title = study.metric.title
    if study.metric.name == "f1_named":
        title = f"F1 of {study.facts['named_class']!r}"
    interval = f"{percent(study.interval.level)} interval {ends}"
    measured = f"{title} by {change} against {study.baseline} ({interval})"
    if cell.floor:
        sentence = (
            f"On your data ({_data(cell, study.facts)}), nothing is decided about {cell.row_title}: {words}. "
            f"(It changed {measured}, which says nothing about the method.)"
        )
    else:
        sentence = f"On your data ({_data(cell, study.facts)}), {cell.row_title} changes {measured}: {words}."
    details = " ".join([*_scores(study, title), *_cost(study, runs), *_changed(study)])
    effect = f"{change} ({interval})"
    return OwnAnswer(cell.row, cell.row_title, cell.task, verdict, sentence, details, effect, more_seeds)


def _data(cell: Any, facts: dict[str, Any]) -> str:
    kind = f"{facts['classes']} classes" if facts["classes"] else "a number to predict"
    groups = f" in groups of {facts['group']!r}" if facts["group"] else ""
    return f"{cell.task}: n = {cell.n_items:,} {cell.split} items{groups}, {kind}"


UNLEARNT = (
    "the baseline has not learnt the task. Train longer (--epochs), at a higher rate (--set learning_rate=...) or on "
    "more rows"
)


def _verdict(study: _Study) -> tuple[str, str, int]:
    """Return the verdict, its words and the seeds that would decide, from the contrast that the statistics decide."""
    interval, cell = study.interval, study.cell
    sign = 1 if study.metric.greater_is_better else -1
    unlearnt = f"{cell.floor.removeprefix(f'{PILOT}: ')}; {UNLEARNT}"
    if cell.floor and kind_of(cell.undecided) == TOO_FEW:  # more seeds alone would not do
        return OPEN, f"{cell.undecided}, and {unlearnt}", 0
    if cell.floor:
        return OPEN, unlearnt, 0
    remedy, more_seeds = _remedy(study)
    if cell.undecided:
        return OPEN, f"not decided, {cell.undecided}{remedy}", more_seeds
    if interval.low > 0 or interval.high < 0:
        verdict = HELPS if sign * interval.estimate > 0 else HURTS
        return verdict, verdict, 0
    bound = _bound(study.metric)
    narrow = interval.at(EQUIVALENCE)
    if bound is not None and -bound < narrow.low and narrow.high < bound:
        digits = digits_of(study.metric.name)
        largest = ceil(max(-narrow.low, narrow.high) * 10**digits) / 10**digits
        return EXCLUDED, f"a difference larger than {number(largest, digits)} {study.metric.unit} can be excluded", 0
    return OPEN, f"not decided{remedy}", more_seeds


def _bound(metric: Metric) -> float | None:
    """Return what is too small to matter; None in a unit of the user's own."""
    if metric.unit != "points":
        return None
    return CORRELATION_BOUND if metric.name in METRICS_WITH_WIDER_BOUND else SMALLEST_BOUND


def _remedy(study: _Study) -> tuple[str, int]:
    """Return what would decide, for a difference as large as the one seen or as matters: in words, and seeds to add."""
    kind = kind_of(study.cell.undecided) if study.cell.undecided else ""
    if kind not in ("", TOO_FEW):
        return "", 0
    lacking = max(study.fewest - len(study.seeds), 0)
    size = max(abs(study.interval.estimate), _bound(study.metric) or 0.0)
    digits = digits_of(study.metric.name)
    if len(study.seeds) < 2 or round(size, digits) == 0:
        return (f"; {count(lacking, 'more seed')} would allow a verdict", lacking) if lacking else ("", 0)
    n_items = study.part.n_items
    seeds = deciding_seeds([study.part], size)
    more_seeds = 0 if seeds is None else max(seeds - len(study.seeds), lacking, 1)
    options = [count(more_seeds, "more seed")] if more_seeds else []
    items = None if lacking else deciding_items(study.part, size, len(study.seeds))
    if items is not None:
        unit = f"more groups of {study.facts['group']!r}" if study.facts["group"] else f"more {study.cell.split} items"
        options.append(f"{items - n_items:,} {unit}")
    size_text = f"{number(size, digits)} {study.metric.unit}"
    if not options:
        larger = larger_study(study.part, size, max(len(study.seeds), study.fewest))
        unit = f"groups of {study.facts['group']!r}" if study.facts["group"] else f"{study.cell.split} items"
        offer = f"; about {larger[0]:,} seeds with {larger[1]:,} {unit} would, with 80 % chance" if larger else ""
        return f"; neither more seeds nor more items alone would show {size_text}{offer}", 0
    text = f"; about {' or '.join(options)} would decide, with 80 % chance, if the true difference is {size_text}"
    return text, more_seeds


def _scores(study: _Study, title: str) -> Iterator[str]:
    """Yield both mean scores, where they are means over the same seeds."""
    cell, digits = study.cell, digits_of(study.metric.name)
    if cell.n_pairs == cell.n_seeds:
        base = number(cell.mean - cell.difference, digits)
        yield f"Mean {title}: {number(cell.mean, digits)} against {base} of {study.baseline}."


def _cost(study: _Study, runs: Sequence[Run]) -> Iterator[str]:
    """Yield what a run takes, beside one of the baseline."""
    keys, base_keys = (set(arm.scored.keys) for arm in study.arms)
    if text := cost_in_words({study.cell.row_title: keys}, study.baseline, base_keys, runs):
        yield text


def _changed(study: _Study) -> Iterator[str]:
    """Yield how many items changed sides, as a mean over the seeds."""
    first, base = (arm.scored for arm in study.arms)
    if study.metric.is_regression or study.metric.uses == "logits":
        return
    answers = [side.outputs[[side.seeds.index(seed) for seed in study.seeds]] for side in (first, base)]
    right, was_right = (answer == first.labels for answer in answers)
    mended, broken = (float(changed.sum(1).mean()) for changed in (right & ~was_right, was_right & ~right))
    yield (
        f"Of {len(first.labels):,} items, it mends {mended:.1f} errors of {study.baseline} and makes {broken:.1f} new "
        f"ones (mean over {len(study.seeds)} seeds)."
    )
