"""Comparison with a baseline: a verdict on every figure of every cell.

Where a run must be bit-identical to the baseline's (same machine and versions, same seed) the comparison is paired,
with a small tolerance; otherwise the baseline's spread over seeds decides, and the outcome reports that it is
unpaired: :mod:`analysis.drift`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis import drift
from analysis.drift import Drift
from analysis.scores import METRICS
from benchmarks.errors import UsageError
from benchmarks.regression.baseline import Baseline, Cell, GridResults

TOLERANCE = 1e-5  # relative, paired: equal bits give 0; the history has 7 digits, and this is 100 units of the last one
EQUAL = 1e-9  # of a score, paired: one item more changes it by 1e-4 or more, the rounding of a correlation by 1e-15
FLOOR = 1e-3  # relative, unpaired: allowance for another processor in a part that hardly differs between seeds
ALARM = 1e-3  # unpaired: probability that any figure fails in one check of unchanged code, by Bonferroni
EXACT = ("lr", "tokens")  # independent of the model's arithmetic: equal at equal seeds on any machine
SPREAD_SEEDS = 3  # least number of seeds for an estimate of the spread


@dataclass(frozen=True)
class Finding:
    """One figure of one cell compared with its baseline; ``part`` is True for a loss part, False for a score."""

    cell: str
    quantity: str
    part: bool
    drift: Drift


@dataclass(frozen=True)
class Comparison:
    """The outcome of a check.

    Attributes:
        paired: True if runs were compared seed by seed.
        unpaired_reason: the reason for an unpaired comparison, or "".
        failures: cell -> the reason why runs of it have no result.
        unchecked: cells of the baseline that were not requested.
    """

    name: str
    paired: bool
    unpaired_reason: str
    findings: tuple[Finding, ...]
    failures: Mapping[str, str]
    seeds: tuple[int, ...]
    seconds: Mapping[str, float]
    unchecked: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells, in order."""
        return tuple(dict.fromkeys([*(finding.cell for finding in self.findings), *self.failures]))

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings that fail the check."""
        return tuple(finding for finding in self.findings if finding.drift.failed)

    @property
    def passed(self) -> bool:
        """True if no finding and no run failed."""
        return not self.failed and not self.failures


def must_fit(baseline: Baseline, settings_of_cells: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Refuse cells that the baseline lacks, or has with other settings.

    Args:
        baseline: the baseline.
        settings_of_cells: cell -> the settings of its runs.
        path: file of the baseline, for messages.
    Raises: UsageError: naming the first cell that does not fit.
    """
    for name, settings in settings_of_cells.items():
        if name not in baseline.cells:
            have = ", ".join(list(baseline.cells)[:4])
            raise UsageError(
                f"{path} has no cell {name!r} (it has {have}, ...): choose among those with --tasks and --methods, or "
                "write a new baseline with --update"
            )
        baseline_settings = baseline.cells[name].settings
        different = sorted(
            key for key in {*settings, *baseline_settings} if settings.get(key) != baseline_settings.get(key)
        )
        if different:
            changes = "; ".join(
                f"{key} {baseline_settings.get(key, 'default')} -> {settings.get(key, 'default')}" for key in different
            )
            raise UsageError(
                f"{name} has other settings than in {path}: {changes}. Give the baseline's, or write a new one with "
                "--update"
            )


def compare(baseline: Baseline, measured: GridResults) -> Comparison:
    """Compare every figure of every cell with the baseline.

    Raises: UsageError: if the comparison must be unpaired and the baseline has too few seeds to estimate its spread.
    """
    reason = _unpaired(baseline, measured)
    if reason:
        few = [name for name in measured.cells if len(baseline.cells[name].seeds) < SPREAD_SEEDS]
        if few:
            raise UsageError(
                f"runs cannot be compared seed by seed ({reason}), and the baseline has fewer than {SPREAD_SEEDS} "
                f"seeds of {few[0]}, too few to estimate their spread: write a new one with --update"
            )
    figures = [figure for name, cell in measured.cells.items() for figure in _figures(name, baseline.cells[name], cell)]
    alarm = ALARM / max(1, len(figures))
    judge = partial(_judged, baseline=baseline, measured=measured, alarm=None if not reason else alarm)
    seeds = tuple(dict.fromkeys(seed for cell in measured.cells.values() for seed in cell.seeds))
    return Comparison(
        measured.name,
        not reason,
        reason,
        tuple(Finding(cell, quantity, part, judge(cell, quantity, part)) for cell, quantity, part in figures),
        measured.failures,
        seeds,
        measured.seconds,
        tuple(name for name in baseline.cells if name not in measured.cells and name not in measured.failures),
        (*measured.notes, *_changed_inputs(baseline, measured)),
    )


def _unpaired(baseline: Baseline, measured: GridResults) -> str:
    """Return the reason why runs of one seed need not be equal, or ""."""
    if len(measured.machines) > 1:
        return "the runs were made on several machines"
    machine = measured.machines[0] if measured.machines else baseline.machine
    differences = [
        f"{name} {baseline.machine.get(name)} -> {machine[name]}"
        for name in machine
        if machine[name] != baseline.machine.get(name)
    ]
    if differences:
        return "another machine or version than the baseline's: " + "; ".join(differences)
    missing = {
        seed for name, cell in measured.cells.items() for seed in cell.seeds if seed not in baseline.cells[name].seeds
    }
    return f"the baseline has no seed {', '.join(map(str, sorted(missing)))}" if missing else ""


def _changed_inputs(baseline: Baseline, measured: GridResults) -> Iterator[str]:
    """Yield a note for equal settings under another key: the data, the weights or a version number changed."""
    changed = [
        name
        for name, cell in measured.cells.items()
        if _by_seed(cell).items() - _by_seed(baseline.cells[name]).items()
        and set(cell.seeds) <= set(baseline.cells[name].seeds)
    ]
    if changed:
        other_cells = f" and {len(changed) - 1} more cells" if len(changed) > 1 else ""
        yield f"data, weights or a version number changed since the baseline was written ({changed[0]}{other_cells})"


def _by_seed(cell: Cell) -> dict[int, str]:
    return dict(zip(cell.seeds, cell.keys, strict=True))


def _figures(name: str, baseline_cell: Cell, measured_cell: Cell) -> Iterator[tuple[str, str, bool]]:
    """Yield cell, quantity, and whether it is a loss part, of each figure that at least one of the cells has."""
    for quantity in dict.fromkeys([*baseline_cell.scores, *measured_cell.scores]):
        yield name, quantity, False
    for quantity in dict.fromkeys([*baseline_cell.parts, *measured_cell.parts]):
        yield name, quantity, True


def _judged(
    cell: str, quantity: str, part: bool, *, baseline: Baseline, measured: GridResults, alarm: float | None
) -> Drift:
    """Return the drift of a figure; ``alarm`` is None in a paired comparison, else the probability of a false alarm."""
    baseline_cell, measured_cell = baseline.cells[cell], measured.cells[cell]
    tables = (baseline_cell.parts, measured_cell.parts) if part else (baseline_cell.scores, measured_cell.scores)
    if quantity not in tables[0] or quantity not in tables[1]:
        return _one_sided(*(table.get(quantity) for table in tables))
    baseline_values, values = tables[0][quantity], tables[1][quantity]
    common_seeds = [seed for seed in measured_cell.seeds if seed in baseline_cell.seeds]
    exact = alarm is not None and quantity.partition("@")[0] in EXACT and len(common_seeds) == len(measured_cell.seeds)
    if alarm is None or exact:
        baseline_values = tuple(baseline_values[baseline_cell.seeds.index(seed)] for seed in measured_cell.seeds)
        if part:
            return drift.paired_part(baseline_values, values, TOLERANCE)
        return drift.paired_score(
            baseline_values,
            values,
            spread=_spread(baseline, quantity),
            tolerance=EQUAL,
            greater_is_better=_up(quantity),
        )
    if part:
        return drift.unpaired_part(baseline_values, values, alarm=alarm, floor=FLOOR)
    return drift.unpaired_score(
        baseline_values, values, alarm=alarm, spread=_spread(baseline, quantity), greater_is_better=_up(quantity)
    )


def _one_sided(before: Sequence[float] | None, after: Sequence[float] | None) -> Drift:
    """Return the verdict on a quantity that one side lacks: "gone", which is a failure, or "new", which is none."""
    b, x = (math.nan if side is None else math.fsum(side) / len(side) for side in (before, after))
    return Drift(b, x, math.nan, math.nan, math.nan, "new" if before is None else "gone")


def _spread(baseline: Baseline, score: str) -> float:
    """Return the spread over seeds, pooled over the rows that have this score."""
    return drift.pooled_spread([cell.scores[score] for cell in baseline.cells.values() if score in cell.scores])


def _up(score: str) -> bool:
    return METRICS[score.rpartition(".")[2]].greater_is_better
