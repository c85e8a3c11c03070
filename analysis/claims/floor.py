"""Whether a task was learnt at all: where plain fine-tuning hardly beats a constant answer, no method can be judged.

The learnt share is ``L = (s - s0) / (r - s0)``: s the baseline's score, s0 the best constant answer's, r the score of
plain fine-tuning in the paper. A task is at the floor where the lower 95 % end of L is below a third, or where a run of
the baseline gives (almost) one answer to all items. r comes from the experiment's published cell, else from
``references.csv`` (a test holds it against the papers' tables); generated data has none.
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
from analysis.crossed import combine, is_constant, is_near_constant
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, Metric
from analysis.tables import number, percent

LEARNT = 1 / 3  # of what the paper's plain fine-tuning has learnt: below it a task is at the floor
PILOT = "pilot at the floor"


@dataclass(frozen=True)
class Learnt:
    """How far a task was learnt by the baseline.

    Attributes:
        baseline: title of the baseline's row.
        score, constant: of the baseline and of the best constant answer, as tables print them; the latter nan where the
            metric has none.
        reference: plain fine-tuning in the paper; nan where none is fixed.
        low: lower 95 % end of the baseline's score (upper, where lower is better).
        collapsed: runs of the baseline with (almost) one answer to all items.
        is_own: on a user's own data, where no paper has a reference: there the baseline must beat a constant answer.
    """

    baseline: str
    score: float
    constant: float
    reference: float
    low: float
    collapsed: int
    n_seeds: int
    is_own: bool = False
    greater_is_better: bool = True

    @property
    def share(self) -> float:
        """The learnt share L; nan where it is not defined."""
        return self._share(self.score)

    @property
    def low_share(self) -> float:
        """Lower 95 % end of the learnt share."""
        return self._share(self.low)

    @property
    def is_floor(self) -> bool:
        """Whether the task is at the floor."""
        return self.collapsed > 0 or self.low_share < LEARNT or (self.is_own and not self._beats_constant)

    @property
    def _beats_constant(self) -> bool:
        """Whether the worse 95 % end of the score is better than the best constant answer's."""
        return self.low > self.constant if self.greater_is_better else self.low < self.constant

    @property
    def words(self) -> str:
        """Why the task is at the floor, or how far it was learnt."""
        if self.collapsed:
            return f"{self.collapsed} of {self.n_seeds} runs of {self.baseline} give (almost) one answer to all items"
        if self.is_own:
            return (
                f"{self.baseline} scores {number(self.score)} (worse 95 % end {number(self.low)}), the best constant "
                f"answer {number(self.constant)}"
            )
        if math.isnan(self.share):
            return f"no reference says how far {self.baseline} can learn it"
        share, low = (percent(max(value, 0.0)) for value in (self.share, self.low_share))
        return f"{self.baseline} has learnt {share} of the task (lower 95 % end {low}; a third is needed)"

    def _share(self, score: float) -> float:
        span = self.reference - self.constant
        return (score - self.constant) / span if span and not math.isnan(span) else math.nan


def learnt(results: Results, manifest: Manifest, column: Column) -> Learnt | None:
    """Return how far the experiment's baseline has learnt a column's task; None without a finished baseline."""
    row, metric = manifest.baseline_row, METRICS.get(column.metric)
    if row is None or metric is None:
        return None
    try:
        scored = read_cell(results, manifest, row, column)
    except ResultsError:
        return None
    return of_baseline(scored, manifest, column)


def of_baseline(scored: Scored, manifest: Manifest, column: Column) -> Learnt:
    """Return how far a task was learnt, from the baseline's own runs."""
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
    )


def floors(results: Results, manifest: Manifest, columns: Mapping[str, Column]) -> dict[str, str]:
    """Return the columns at the floor, by their names, each with why."""
    measured = {name: learnt(results, manifest, column) for name, column in columns.items()}
    return {name: f"{PILOT}: {each.words}" for name, each in measured.items() if each is not None and each.is_floor}


def collapsed(scored: Scored, metric: Metric) -> np.ndarray:
    """Return ``(seeds,)``: whether a run gives (almost) one answer to all items: fewer than five others, or in a
    regression answers whose standard deviation is below 5 % of the labels'."""
    chosen = scored.outputs.argmax(-1) if metric.uses == "logits" else scored.outputs
    return np.asarray(is_constant(chosen) | is_near_constant(scored.labels, chosen, metric))


def constant_score(metric: Metric, labels: np.ndarray) -> float:
    """Return the score of the best constant answer: the majority's accuracy, F1 of always answering 1, 0 for
    correlations, the labels' standard deviation for RMSE; nan for metrics on logits."""
    if metric.uses == "logits":
        return math.nan
    if metric.is_regression:
        return 0.0 if metric.greater_is_better else float(labels.std())  # the error of always answering the mean
    ones = np.ones(len(labels))
    scores = [float(metric.function(labels, np.full(len(labels), label), ones)) for label in np.unique(labels)]
    return max(scores) if metric.greater_is_better else min(scores)


def reference(manifest: Manifest, column: Column) -> float:
    """Return plain fine-tuning's score in the paper, in percent: of the experiment's own cell, else of the task; nan
    where there is none, and for generated data, on which no paper has trained."""
    if manifest.is_generated:
        return math.nan
    for cell in manifest.published:
        if (cell.row, cell.column) == (manifest.baseline_row, column.id):
            return cell.value
    splits = {key[2]: value for key, value in references().items() if key[:2] == (column.task, column.metric)}
    return splits.get(column.split, next(iter(splits.values()), math.nan))


@lru_cache
def references() -> dict[tuple[str, str, str], float]:
    """Return (task, metric, split) -> plain fine-tuning's score in the papers, in percent."""
    with (Path(__file__).parent / "references.csv").open(newline="", encoding="utf-8") as stream:
        return {(line["task"], line["metric"], line["split"]): float(line["value"]) for line in csv.DictReader(stream)}
