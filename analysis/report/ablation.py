"""What the parts of a method do, in one sentence for each question: from the logs and the answers of the runs.

The questions are about any table that has the rows to answer them: two rows that differ in the direction of the
perturbation alone, a row with R_s and D_Breg beside one with D_Breg alone, and a row whose perturbation leaves the ball
of the other rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from analysis.cells import read_cell
from analysis.contrasts import identical_shares
from analysis.records import ResultsError
from analysis.results import Log, Results
from analysis.schema import Column, Manifest, Row

# The share of answers, or of a sum of loss terms, below which nothing is changed: as for inert contrasts.
NEGLIGIBLE = 0.001
LEAST_SHARE = 0.00001  # smaller shares are not written out
MOST_ROWS = 6  # rows that one question is answered for: a sweep has dozens
R_S, D_BREG, RADIUS = "smoothness", "bregman", "max_abs_delta"
_OF_A_METHOD = ("method", "options", "method_config", "seed", "task")
_QUESTIONS = {
    "none": "Does the perturbation change what the model answers?",
    "random": "Does the direction of the perturbation matter?",
}
_DIRECTIONS = {"none": "no perturbation", "random": "a random direction"}


@dataclass(frozen=True)
class PartAnswer:
    """A question about the parts of a method, with a sentence for each row that answers it."""

    question: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Arm:
    """A row with finished runs.

    Attributes:
        row: the row.
        options: its method's options with their values.
        settings: id of each column with finished runs -> the settings of its runs that no method has, as text.
        means: id of each column -> logged quantity -> its mean over all updates of all runs.
    """

    row: Row
    options: Mapping[str, Any]
    settings: Mapping[str, str]
    means: Mapping[str, Mapping[str, float]]

    def logs(self, *parts: str) -> bool:
        """Return True if the runs of every column log these quantities."""
        return bool(self.means) and all(part in means for means in self.means.values() for part in parts)

    def mean(self, part: str, columns: Sequence[Column]) -> float:
        """Return the mean of a logged quantity over these columns."""
        return sum(self.means[column.id][part] for column in columns) / len(columns)


def part_answers(results: Results, manifest: Manifest, logs: Mapping[str, Log]) -> tuple[PartAnswer, ...]:
    """Return the questions that the experiment's rows answer, each with its sentences.

    Args:
        results: the results folder.
        manifest: the experiment.
        logs: log of each finished run, by key (:func:`analysis.curves.read_logs`).
    """
    table = _Table(results, manifest, logs)
    asked = {
        **{question: table.on_direction(direction) for direction, question in _QUESTIONS.items()},
        "Through which of its two terms does SMART act?": table.on_terms(),
        "How large is the perturbation?": table.on_radius(),
    }
    answers = [PartAnswer(question, tuple(islice(sentences, MOST_ROWS))) for question, sentences in asked.items()]
    return tuple(answer for answer in answers if answer.sentences)


class _Table:
    """The rows of an experiment that have finished runs, to be compared."""

    def __init__(self, results: Results, manifest: Manifest, logs: Mapping[str, Log]) -> None:
        self.results, self.manifest, self.logs = results, manifest, logs
        self.columns = manifest.distinct()
        self.arms = [arm for row in manifest.rows if not row.combine and (arm := self._arm(row)) is not None]

    def _arm(self, row: Row) -> _Arm | None:
        """Return a row's finished runs; None if there are none, or if its options differ between tasks."""
        keys = {column.id: [k for k in self.manifest.keys(row.id, column) if k in self.logs] for column in self.columns}
        keys = {column: of_column for column, of_column in keys.items() if of_column}
        specs = {column: self.results.run(of_column[0]).spec for column, of_column in keys.items()}
        options = [spec.get("method_config") or {} for spec in specs.values()]
        if not options or any(other != options[0] for other in options):
            return None
        settings = {
            column: json.dumps(
                {name: value for name, value in spec.items() if name not in _OF_A_METHOD}, sort_keys=True
            )
            for column, spec in specs.items()
        }
        means = {column: _means([self.logs[key] for key in of_column]) for column, of_column in keys.items()}
        return _Arm(row, options[0], settings, means)

    def shared(self, a: _Arm, b: _Arm) -> list[Column]:
        """Return the columns that two rows have; none if their runs differ in more than the method."""
        columns = [column for column in self.columns if column.id in a.settings and column.id in b.settings]
        return columns if all(a.settings[column.id] == b.settings[column.id] for column in columns) else []

    def on_direction(self, direction: str) -> Iterator[str]:
        """Yield a sentence for each row with the ascent, beside the row with another direction or none."""
        for arm in self.arms:
            if arm.options.get("direction") != "ascent" or not arm.logs(R_S):
                continue
            for other in self.arms:
                columns = self.shared(arm, other)
                is_pair = other.options == {**arm.options, "direction": direction} and other.logs(R_S)
                if columns and is_pair and other.row.method == arm.row.method:
                    yield self._direction_sentence(arm, other, direction, columns)

    def _direction_sentence(self, arm: _Arm, other: _Arm, direction: str, columns: Sequence[Column]) -> str:
        value, other_value = (each.mean(R_S, columns) for each in (arm, other))
        share = other_value / value if value else 0.0
        words = _DIRECTIONS[direction]
        changed, total = self._changed_answers(arm, other, columns)
        verdict = "Not known," if not total else "No," if changed <= NEGLIGIBLE * total else "Yes,"
        size = f"R_s averages {_small(value)} with the ascent and {_small(other_value)} with {words}"
        origin = ""
        if direction == "none":
            origin = f", so {_share(share)} of it comes from the dropout masks"
        answers = f"{changed:,} of {total:,} answers differ"
        return f"{verdict} in {arm.row.title} beside {words}, {_places(columns)}: {answers}; {size}{origin}."

    def on_terms(self) -> Iterator[str]:
        """Yield a sentence for each row with both of SMART's terms: their sizes, and a row with D_Breg alone."""
        for arm in self.arms:
            if arm.row.curve or not arm.logs(R_S, D_BREG):
                continue
            alone = next((other for other in self.arms if self._is_without_r_s(arm, other)), None)
            columns = [column for column in self.columns if column.id in arm.means]
            yield self._terms_sentence(arm, alone, self.shared(arm, alone) if alone else columns)

    def _is_without_r_s(self, arm: _Arm, other: _Arm) -> bool:
        """Return True if a row is the same method without R_s: the other parts, options and settings are equal."""
        own_options = all(name in arm.options and arm.options[name] == value for name, value in other.options.items())
        parts = {part for means in other.means.values() for part in means}
        has_other_terms = all(other.logs(part) for means in arm.means.values() for part in means if part in _TERMS)
        return own_options and R_S not in parts and has_other_terms and bool(self.shared(arm, other))

    def _terms_sentence(self, arm: _Arm, alone: _Arm | None, columns: Sequence[Column]) -> str:
        r_s, d_breg = (
            arm.mean(part, columns) * float(arm.options.get(weight, 1.0)) for part, weight in _WEIGHTS.items()
        )
        share = r_s / (r_s + d_breg) if r_s + d_breg else 0.0
        sizes = f"R_s averages {_small(r_s)} and D_Breg {_small(d_breg)}, both with their weights"
        radius = f" at a radius of {arm.options['epsilon']:g}" if "epsilon" in arm.options else ""
        subject = f"{arm.row.title}{radius}, {_places(columns)}: {sizes}, so R_s is {_share(share)} of the two"
        if alone is None:
            return f"{subject}; no row here has D_Breg alone, so their answers are not compared."
        changed, total = self._changed_answers(arm, alone, columns)
        if not total:
            return f"{subject}; the labels are hidden, so the answers are not compared with those of {alone.row.title}."
        compared = f"{changed:,} of {total:,} answers differ from those of {alone.row.title}"
        if share <= NEGLIGIBLE and changed <= NEGLIGIBLE * total:
            return f"Through D_Breg alone: {subject}, and {compared}."
        return f"Not through D_Breg alone: {subject}, and {compared}."

    def on_radius(self) -> Iterator[str]:
        """Yield a sentence for each row whose perturbation is larger than the radius of the rows that have one."""
        radii = {arm.options["epsilon"] for arm in self.arms if "epsilon" in arm.options and not arm.row.curve}
        if len(radii) != 1:
            return
        (radius,) = radii
        for arm in self.arms:
            if "epsilon" not in arm.options and arm.logs(RADIUS):
                columns = [column for column in self.columns if column.id in arm.means]
                largest = arm.mean(RADIUS, columns)
                if largest > radius:
                    times = _times(largest / radius)
                    yield (
                        f"In {arm.row.title}, {_places(columns)}, the largest element of the perturbation averages "
                        f"{_small(largest)}: {times} times the radius of {radius:g} of the other rows."
                    )

    def _changed_answers(self, arm: _Arm, other: _Arm, columns: Sequence[Column]) -> tuple[int, int]:
        """Return the number of answers that differ between the paired runs of two rows, and that of all answers."""
        changed = total = 0
        for column in columns:
            try:
                a, b = (read_cell(self.results, self.manifest, each.row.id, column) for each in (arm, other))
            except ResultsError:  # the labels are hidden
                continue
            shares = identical_shares(a, b, column.metric)
            changed += round(float((1 - shares).sum()) * len(a.labels))
            total += len(shares) * len(a.labels)
        return changed, total


_WEIGHTS = {R_S: "lambda_s", D_BREG: "mu"}
_TERMS = (D_BREG, "distillation", "adversarial", "consistency")  # terms of a loss beside R_s and the task's


def _means(logs: Sequence[Log]) -> dict[str, float]:
    """Return the mean of each logged quantity over the updates of runs; a record may stand for several updates."""
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    for step in (step for log in logs for step in log.steps):
        n_updates = float(step.get("updates", 1))
        for part in (*_WEIGHTS, *_TERMS, RADIUS):
            if step.get(part) is not None:
                sums[part] = sums.get(part, 0.0) + n_updates * float(step[part])
                counts[part] = counts.get(part, 0.0) + n_updates
    return {part: total / counts[part] for part, total in sums.items()}


def _places(columns: Sequence[Column]) -> str:
    names = [column.title or column.task for column in columns]
    return f"on {' and '.join(names)}" if len(names) < 3 else f"on {len(names)} tasks"


def _small(value: float) -> str:
    """Return a quantity of any size with three digits: ``0.0121``, ``8.9e-09``."""
    return f"{value:.3g}"


def _times(ratio: float) -> str:
    """Return a ratio with two significant digits: ``1.4``, ``98,000``."""
    return f"{float(f'{ratio:.2g}'):,.{1 if ratio < 9.95 else 0}f}"


def _share(share: float) -> str:
    """Return a share as a percentage with two digits: ``11 %``, ``99.9 %``, ``less than 0.001 %``."""
    if 0 < share < LEAST_SHARE:
        return f"less than {100 * LEAST_SHARE:g} %"
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.1f} %"
