"""Decide whether a task was learnt: where plain fine-tuning hardly beats a constant answer, no method can be judged.

The learnt share is ``L = (s - s0) / (r - s0)``, where s is the baseline's score, s0 the score of the best constant
answer, and r the score of plain fine-tuning in the paper. A task is at the floor if the lower 95 % end of L is below a
third, or if a run of the baseline gives (almost) one answer to all items. r comes from the experiment's published cell,
else from ``references.csv`` (a test compares it with the papers' tables); generated data has none.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from analysis.cells import Scored, read_cell
from analysis.contrasts import Arm, measure
from analysis.crossed import combine, is_collapsed
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, Metric
from analysis.tables import digits_of, number, percent

LEARNT = 1 / 3  # learnt share below which a task is at the floor
PILOT = "pilot at the floor"


@dataclass(frozen=True)
class Learnt:
    """Progress of the baseline on a task.

    Attributes:
        baseline: title of the baseline's row.
        score: score of the baseline, as tables print it.
        constant: score of the best constant answer, as tables print it; nan where the metric has none.
        reference: score of plain fine-tuning in the paper; nan where none is fixed.
        low: lower 95 % end of the baseline's score (upper end, where lower is better).
        collapsed: number of runs of the baseline with (almost) one answer to all items.
        n_seeds: number of runs of the baseline.
        is_own: True on a user's own data, where no paper has a reference: there the baseline must beat a constant
            answer.
        greater_is_better: False for errors.
        digits: number of decimals of the scores.
    """

    baseline: str
    score: float
    constant: float
    reference: float
    low: float
    collapsed: int
    n_seeds: int
    is_own: bool
    greater_is_better: bool
    digits: int

    @property
    def share(self) -> float:
        """Learnt share L; nan where it is not defined."""
        return self._share(self.score)

    @property
    def low_share(self) -> float:
        """Lower 95 % end of the learnt share."""
        return self._share(self.low)

    @property
    def is_floor(self) -> bool:
        """True if the task is at the floor."""
        return self.collapsed > 0 or self.low_share < LEARNT or (self.is_own and not self._beats_constant)

    @property
    def _beats_constant(self) -> bool:
        """True if the worse end of the score's 95 % interval is better than the best constant answer's."""
        return self.low > self.constant if self.greater_is_better else self.low < self.constant

    @property
    def words(self) -> str:
        """The reason why the task is at the floor, or the learnt share, in words."""
        if self.collapsed:
            return f"{self.collapsed} of {self.n_seeds} runs of {self.baseline} give (almost) one answer to all items"
        if self.is_own:
            score, low, constant = (number(value, self.digits) for value in (self.score, self.low, self.constant))
            end = "lower" if self.greater_is_better else "upper"
            return (
                f"{self.baseline} scores {score} ({end} end of its 95 % interval {low}), the best constant answer "
                f"scores {constant}"
            )
        if math.isnan(self.share):
            return f"no reference says how far {self.baseline} can learn it"
        share, low = (percent(max(value, 0.0)) for value in (self.share, self.low_share))
        return f"{self.baseline} has learnt {share} of the task (lower 95 % end {low}; a third is needed)"

    def _share(self, score: float) -> float:
        span = self.reference - self.constant
        return (score - self.constant) / span if span and not math.isnan(span) else math.nan


def learnt(results: Results, manifest: Manifest, column: Column) -> Learnt | None:
    """Return the progress of the experiment's baseline on a column's task; None without a finished baseline."""
    row, metric = manifest.baseline_row, METRICS.get(column.metric)
    if row is None or metric is None:
        return None
    try:
        scored = read_cell(results, manifest, row, column)
    except ResultsError:
        return None
    return of_baseline(scored, manifest, column)


def of_baseline(scored: Scored, manifest: Manifest, column: Column) -> Learnt:
    """Return the progress on a task, from the baseline's runs."""
    metric = METRICS[column.metric]
    interval = combine([measure([Arm(1.0, scored, column)], scored.seeds)])
    row = manifest.baseline_row or ""
    return Learnt(
        baseline=manifest.row(row).title if row else "the baseline",
        score=interval.estimate,
        constant=metric.scale * constant_score(metric, scored.labels),
        reference=reference(manifest, column),
        low=interval.low if metric.greater_is_better else interval.high,
        collapsed=int(collapsed(scored, metric).sum()),
        n_seeds=len(scored.seeds),
        is_own=scored.is_own,
        greater_is_better=metric.greater_is_better,
        digits=digits_of(metric.name),
    )


def floors(results: Results, manifest: Manifest, columns: Mapping[str, Column]) -> dict[str, str]:
    """Return the columns at the floor, by name, with the reason for each."""
    progress_by_name = {name: learnt(results, manifest, column) for name, column in columns.items()}
    return {
        name: f"{PILOT}: {progress.words}"
        for name, progress in progress_by_name.items()
        if progress is not None and progress.is_floor
    }


def collapsed(scored: Scored, metric: Metric) -> np.ndarray:
    """Return ``(seeds,)`` booleans: True where a run gives (almost) one answer to all items.

    This means that fewer than five answers differ from the most frequent one, or in a regression that the standard
    deviation of the answers is below 5 % of the labels'. Scores that another program gave are no answers.
    """
    if metric.uses == "scores":
        return np.zeros(len(scored.outputs), dtype=bool)
    answers = scored.outputs.argmax(-1) if metric.uses == "logits" else scored.outputs
    return is_collapsed(scored.labels, answers, metric)


def constant_score(metric: Metric, labels: np.ndarray) -> float:
    """Return the score of the best constant answer.

    This is the accuracy of the majority class, F1 of always answering 1, 0 for correlations, and the labels' standard
    deviation for the root mean squared error; nan for metrics on logits or item scores.
    """
    if metric.uses != "predictions":
        return math.nan
    ones = np.ones(len(labels))
    if metric.is_regression:
        return float(metric.function(labels, np.full(len(labels), labels.mean()), ones))
    scores = [float(metric.function(labels, np.full(len(labels), label), ones)) for label in np.unique(labels)]
    return max(scores) if metric.greater_is_better else min(scores)


def reference(manifest: Manifest, column: Column) -> float:
    """Return the score of plain fine-tuning in the paper, in percent.

    The source is the experiment's published cell, else ``references.csv``. The result is nan where there is none, and
    for generated data, on which no paper has trained.
    """
    if manifest.is_generated:
        return math.nan
    for cell in manifest.published:
        if (cell.row, cell.column) == (manifest.baseline_row, column.id):
            return cell.value
    splits = {key[2]: value for key, value in references().items() if key[:2] == (column.task, column.metric)}
    return splits.get(column.split, next(iter(splits.values()), math.nan))


@lru_cache
def references() -> dict[tuple[str, str, str], float]:
    """Return (task, metric, split) -> score of plain fine-tuning in the papers, in percent."""
    with (Path(__file__).parent / "references.csv").open(newline="", encoding="utf-8") as stream:
        return {(line["task"], line["metric"], line["split"]): float(line["value"]) for line in csv.DictReader(stream)}
