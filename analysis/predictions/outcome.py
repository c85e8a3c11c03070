"""Outcome of a comparison of systems: in words, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.interval import Interval
from analysis.predictions.study import Study
from analysis.schema import Manifest
from analysis.table_cell import TableCell
from analysis.tables import digits_of, github, number, percent, probability

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE, SAME, OPEN = "better", "worse", "no relevant difference", "not decided"
NO_VERDICT, ITEMS_ONLY = "no verdict", "items only"
CHIPS = {BETTER: "better", WORSE: "worse", SAME: "none"}  # all others: no colour
HEADINGS = ("system", "mean ± sd", "seeds", "difference", "95 % interval", "p", "Holm's p", "verdict")


@dataclass(frozen=True)
class Comparison:
    """One system against the baseline.

    Attributes:
        verdict: better, worse, no relevant difference, not decided, items only (one seed), or no verdict.
        reason: why there is no verdict, "" where there is one.
        interval: of ``name - baseline``, as tables print scores.
        holm: p after Holm's correction over all comparisons.
        identical: share of equal answers at the seeds both have; nan where they have none.
    """

    name: str
    baseline: str
    verdict: str
    reason: str
    interval: Interval
    holm: float
    identical: float

    @property
    def chip(self) -> str:
        """The colour of the verdict on a page."""
        return CHIPS.get(self.verdict, "inconclusive")


@dataclass(frozen=True)
class Outcome:
    """Systems compared with a baseline on the same items.

    Attributes:
        bound: a difference within it does not matter; None: every difference may.
        cells: one per system, in the order they were given: the numbers of the table.
        notes: what must be read beside the verdicts.
    """

    study: Study
    manifest: Manifest
    baseline: str
    bound: float | None
    cells: tuple[TableCell, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a frame: what :mod:`analysis.figures` draws."""
        import pandas as pd

        return pd.DataFrame.from_records([cell.to_json() for cell in self.cells], columns=TableCell.names())

    @property
    def sentences(self) -> tuple[str, ...]:
        """One per comparison, without its verdict."""
        return tuple(self._sentence(comparison) for comparison in self.comparisons)

    @property
    def lines(self) -> list[list[str]]:
        """The table's cells as text, in the order of :data:`HEADINGS`."""
        compared = {comparison.name: comparison for comparison in self.comparisons}
        return [self._line(cell, compared.get(cell.row)) for cell in self.cells]

    @property
    def basis(self) -> str:
        """The metric, the items and the baseline, in one line."""
        groups = self.study.n_groups
        items = f"{self.study.n_items:,} items" + (f" in {groups:,} groups" if groups is not None else "")
        return f"{self.study.title} on {items}; differences to {self.baseline}"

    def __str__(self) -> str:
        verdicts = (
            f"{comparison.verdict}: {sentence}"
            for comparison, sentence in zip(self.comparisons, self.sentences, strict=True)
        )
        notes = (f"Note: {note}" for note in self.notes)
        return "\n".join([self.basis, "", *verdicts, *notes, "", _aligned([list(HEADINGS), *self.lines])])

    def to_markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        return github([list(HEADINGS), *self.lines], texts=1)

    def to_json(self) -> dict[str, Any]:
        """Return everything as numbers; null where a number does not exist."""
        return {
            "metric": self.study.score_name or self.study.metric.name,
            "positive": self.study.positive or None,
            "unit": self.study.metric.unit,
            "greater_is_better": self.study.metric.greater_is_better,
            "items": self.study.n_items,
            "groups": self.study.n_groups,
            "classes": list(self.study.classes),
            "baseline": self.baseline,
            "bound": self.bound,
            "systems": [_system_json(cell) for cell in self.cells],
            "comparisons": [
                {**_comparison_json(comparison), "sentence": sentence}
                for comparison, sentence in zip(self.comparisons, self.sentences, strict=True)
            ],
            "notes": list(self.notes),
        }

    def _sentence(self, comparison: Comparison) -> str:
        interval, metric = comparison.interval, self.study.metric
        digits = digits_of(metric.name)
        size = number(abs(interval.estimate), digits)
        relation = f"{size} {metric.unit} {'above' if interval.estimate > 0 else 'below'}"
        if not float(size):
            relation = "level with"
        ends = f"{number(interval.low, digits)} to {number(interval.high, digits)}"
        corrected = f", {probability(comparison.holm)} after Holm over {len(self.comparisons)}"
        p = f"p {'' if interval.p < 0.001 else '= '}{probability(interval.p)}"
        p += corrected if len(self.comparisons) > 1 and not math.isnan(comparison.holm) else ""
        size_of_data = f"{self._seeds_of(comparison)} × {self.study.n_items:,} items"
        basis = f"{percent(interval.level)} interval {ends}; {p}; {size_of_data}"
        reason = f": {comparison.reason}" if comparison.reason else ""
        better = "" if metric.greater_is_better else "; lower is better"
        return f"{comparison.name} is {relation} {comparison.baseline} in {self.study.title} ({basis}{better}){reason}."

    def _seeds_of(self, comparison: Comparison) -> str:
        seeds = [
            cell.seeds for name in (comparison.name, comparison.baseline) for cell in self.cells if cell.row == name
        ]
        if seeds[0] == seeds[1]:
            return f"{len(seeds[0])} seed{'' if len(seeds[0]) == 1 else 's'}"
        return f"{len(seeds[0])} and {len(seeds[1])} seeds, not paired"

    def _line(self, cell: TableCell, comparison: Comparison | None) -> list[str]:
        digits = digits_of(cell.metric)
        score = number(cell.mean, digits) + (f" ± {number(cell.sd, digits)}" if cell.n_seeds > 1 else "")
        line = [cell.row, score, str(cell.n_seeds)]
        if comparison is None:
            return [*line, "", "", "", "", "baseline"]
        interval = comparison.interval
        return [
            *line,
            number(interval.estimate, digits, signed=True),
            f"{number(interval.low, digits)} to {number(interval.high, digits)}",
            probability(interval.p),
            "" if math.isnan(comparison.holm) else probability(comparison.holm),
            comparison.verdict,
        ]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(text) for text in column) for column in zip(*rows, strict=True)]
    padded = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)


def _system_json(cell: TableCell) -> dict[str, Any]:
    return {
        "name": cell.row,
        "mean": _finite(cell.mean),
        "sd": _finite(cell.sd),
        "seeds": list(cell.seeds),
        "scores": list(cell.scores),
        "constant_runs": cell.collapsed,
    }


def _comparison_json(comparison: Comparison) -> Mapping[str, Any]:
    names = ("estimate", "low", "high", "level", "se", "df", "p")
    return {
        "system": comparison.name,
        "baseline": comparison.baseline,
        **{name: _finite(getattr(comparison.interval, name)) for name in names},
        "holm": _finite(comparison.holm),
        "verdict": comparison.verdict,
        "reason": comparison.reason,
        "method": comparison.interval.method,
        "identical": _finite(comparison.identical),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
