"""Judges of claims that logs decide: spread over seeds, time, memory, and quantities measured in training.

Ratios are compared as logarithms, one per seed, so that half and twice are equally far from 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis import curves
from analysis.cells import seeded
from analysis.claims import rule
from analysis.claims.claim import (
    CONTRADICTED,
    INCONCLUSIVE,
    LEVEL,
    NO_EFFECT,
    SMALLER,
    SUPPORTED,
    TIMES,
    VALUE,
    Verdict,
)
from analysis.claims.kinds import Case
from analysis.claims.quantity import COSTS, MEASURED
from analysis.contrasts import read_row
from analysis.descriptive import variance_ratio_test
from analysis.interval import Interval, t_interval
from analysis.records import ResultsError
from analysis.results import Run
from analysis.schema import Claim, Column, Cost, LossBetween, Measured, Variance

TINY = 1e-12  # smallest ratio, so that size - margin = 0 has a logarithm
RADIUS_TOLERANCE = 1e-9  # relative difference below which two radii are equal


def variance(case: Case, test: Variance) -> Verdict:
    """Decide a ratio of spreads over seeds by a permutation test.

    The ratio is the spread of the row that is claimed to vary more over that of the other row. Ratios below the square
    root of the paper's ratio are irrelevant.

    Raises:
        ResultsError: the permutation test is not defined, as with fewer than three scores per arm.
    """
    claim = case.claim
    (column,) = case.columns(test.columns)
    small, large = (claim.a, claim.b) if claim.sign < 0 else (claim.b, claim.a)
    scores = {row: read_row(case.results, case.manifest, row, column).scores for row in (small, large)}
    case.enough(min(map(len, scores.values())))
    try:
        wide, narrow = (
            variance_ratio_test(scores[large], scores[small], rng=np.random.default_rng(0), level=level, runs=test.runs)
            for level in (LEVEL, 0.90)
        )
    except ValueError as error:
        raise ResultsError(str(error)) from error
    bound = math.sqrt(claim.size) if claim.size else 1.0
    if wide.p <= 1 - LEVEL:
        status = SUPPORTED if wide.estimate > 1 else CONTRADICTED
    else:
        status = NO_EFFECT if 1 / bound < narrow.low and narrow.high < bound else INCONCLUSIVE
    suffix = SMALLER if status == SUPPORTED and claim.size and wide.high < claim.size else ""
    spread = f"expected range of {test.runs} runs" if test.statistic == "range" else "spread"
    estimand = f"the {spread} of {small} is that of {large} (permutation p = {wide.p:.3g})"
    ends = (narrow.low, narrow.high)
    return Verdict(
        claim,
        status,
        suffix,
        wide,
        {column.task: wide},
        equivalence=ends,
        p=wide.p,
        n_seeds=wide.n_seeds,
        unit=TIMES,
        estimand=estimand,
    )


def cost(case: Case, test: Cost) -> Verdict:
    """Decide a ratio of seconds per update, or of memory, of row a to row b.

    With a margin the claim is "about ``size`` times"; without one, less (or more) than ``size`` times.
    """
    claim, quantity = case.claim, test.quantity
    seeds = _common_seeds(case, case.columns())
    per_task = {column.task: _cost_ratios(case, column, quantity, seeds) for column in case.columns()}
    mean, size = over_seeds(np.mean(list(per_task.values()), axis=0)), claim.size or 1.0
    if claim.margin is not None:
        low, high = (math.log(max(size + side * claim.margin, TINY)) for side in (-1, 1))
        status, p = rule.inside(mean, low, high), rule.inside_p(mean, low, high)
    else:
        shifted = replace(
            mean,
            estimate=mean.estimate - math.log(size),
            low=mean.low - math.log(size),
            high=mean.high - math.log(size),
        )
        status, _ = rule.settle("average", shifted, [shifted], rule.Measure(claim.sign, None, None))
        p = rule.p_of_shift(mean, math.log(size))
    parts = {task: times(over_seeds(values)) for task, values in per_task.items()}
    return _ratio(claim, status, mean, parts, p, f"the {COSTS[quantity]} of {claim.b}")


def _ratio(claim: Claim, status: str, mean: Interval, parts: dict[str, Interval], p: float, estimand: str) -> Verdict:
    """Return a verdict on a ratio, from the interval of its logarithm."""
    narrow = times(mean.at(0.90))
    ends = (narrow.low, narrow.high)
    return Verdict(
        claim,
        status,
        "",
        times(mean),
        parts,
        equivalence=ends,
        p=p,
        n_seeds=mean.n_seeds,
        unit=TIMES,
        estimand=estimand,
    )


def model_quantity(case: Case, test: Measured) -> Verdict:
    """Decide a ratio of a quantity in ``measures.json`` of row a to row b.

    Quantities are R_s at a radius, the distance from the pre-trained weights, and the divergence between updates.
    """
    claim, quantity, radius = case.claim, test.quantity, test.radius
    seeds = _common_seeds(case, case.columns(test.columns))
    per_task = {}
    for column in case.columns(test.columns):
        a, b = (_measures(case, row, column, quantity, radius, seeds) for row in (claim.a, claim.b))
        per_task[column.task] = np.log(a) - np.log(b)
    mean = over_seeds(np.mean(list(per_task.values()), axis=0))
    status, _ = rule.settle("average", mean, [mean], rule.Measure(claim.sign, None, None))
    parts = {task: times(over_seeds(values)) for task, values in per_task.items()}
    return _ratio(claim, status, mean, parts, mean.p, f"the {MEASURED[quantity]} of {claim.b}")


def loss_between(case: Case, test: LossBetween) -> Verdict:
    """Decide whether a loss part of row a, averaged over the last updates, lies between two values.

    Raises:
        ResultsError: a run did not log the part.
    """
    claim = case.claim
    (column,) = case.columns()
    means = []
    for _, key in _done(case, claim.a, column):
        values = list(curves.binned(case.results.log(key), test.part).values())
        if not values:
            raise ResultsError(f"{claim.a} on {column.task}: {test.part} was not logged")
        means.append(float(np.mean(values[int(test.after * len(values)) :])))
    case.enough(len(means))
    interval = over_seeds(np.array(means))
    share = f"{test.after:.0%}".replace("%", " %")
    estimand = f"{test.part} after {share} of the updates, claimed between {test.low:g} and {test.high:g}"
    status = rule.inside(interval, test.low, test.high)
    p = rule.inside_p(interval, test.low, test.high)
    return replace(rule.verdict(claim, interval, {column.task: interval}, status), unit=VALUE, estimand=estimand, p=p)


def over_seeds(values: np.ndarray) -> Interval:
    """Return Student's interval of a mean over seeds ``(seeds,)``: for new seeds on the same items.

    Raises:
        ResultsError: there are fewer than two seeds.
    """
    n = len(values)
    if n < 2:
        raise ResultsError(f"an interval over seeds needs at least two seeds, has {n}")
    return t_interval(float(values.mean()), float(values.var(ddof=1)) / n, n - 1.0, n, 0, "seeds alone", LEVEL)


def times(interval: Interval) -> Interval:
    """Return the interval of a ratio from that of its logarithm."""
    return replace(
        interval,
        estimate=math.exp(interval.estimate),
        low=math.exp(interval.low),
        high=math.exp(interval.high),
        se=math.nan,
    )


def _done(case: Case, row: str, column: Column) -> list[tuple[int, str]]:
    """Return seed and key of each finished run of a cell; raise ResultsError if there is none."""
    runs = [(s, k) for s, k in seeded(case.results, case.manifest, row, column) if case.results.is_done(k)]
    if not runs:
        raise ResultsError(f"{row} on {column.task}: {case.manifest.reason(row, column) or 'not run'}")
    return runs


def _common_seeds(case: Case, columns: Sequence[Column]) -> list[int]:
    """Return the seeds finished in both rows on every task, because each seed gives a mean over tasks."""
    runs_by_cell = [dict(_done(case, row, column)) for row in (case.claim.a, case.claim.b) for column in columns]
    common_seeds = [seed for seed in case.manifest.seeds if all(seed in keys for keys in runs_by_cell)]
    case.enough(len(common_seeds))
    return common_seeds


def _cost_ratios(case: Case, column: Column, quantity: str, seeds: Sequence[int]) -> np.ndarray:
    """Return ``(seeds,)`` logarithms of the ratio of row a's cost to row b's.

    Raises:
        ResultsError: the runs were made on different machines.
    """
    rows = [dict(_done(case, row, column)) for row in (case.claim.a, case.claim.b)]
    a, b = ([case.results.run(keys[seed]) for seed in seeds] for keys in rows)
    machines = {_machine(run) for run in a + b}
    if len(machines) > 1:
        raise ResultsError(f"its runs were made on different machines ({'; '.join(sorted(machines))})")
    log_a, log_b = (np.log([READERS[quantity](run) for run in runs]) for runs in (a, b))
    return np.asarray(log_a - log_b)


def _machine(run: Run) -> str:
    environment = run.environment
    return f"{environment.get('device_name') or environment.get('device')}, {environment.get('threads')} threads"


def _seconds(run: Run) -> float:
    timing = run.result.get("timing") or {}
    if not timing.get("updates"):
        raise ResultsError(f"run {run.key[:12]} did not record how long its updates took")
    return float(timing["training"]) / float(timing["updates"])


def _memory(run: Run) -> float:
    if run.environment.get("device") != "cuda":
        raise ResultsError(
            "on a CPU the peak memory is that of the worker process, with its libraries and its earlier runs; memory "
            "is decided from runs on a GPU"
        )
    return float(run.result["timing"]["memory"])


READERS = {"seconds": _seconds, "memory": _memory}


def _measures(
    case: Case, row: str, column: Column, quantity: str, radius: float | None, seeds: Sequence[int]
) -> list[float]:
    keys, values = dict(_done(case, row, column)), []
    for seed in seeds:
        value = _quantity(case.results.measures(keys[seed]), quantity, radius)
        if value is None or not value > 0:
            raise ResultsError(f"{row} on {column.task}: run {keys[seed][:12]} measured no {quantity}")
        values.append(value)
    return values


def _quantity(content: Mapping[str, Any], quantity: str, radius: float | None) -> float | None:
    if quantity == "r_s":
        rows = content.get("smoothness") or ()
        return next(
            (r["r_s"] for r in rows if radius is None or math.isclose(r["radius"], radius, rel_tol=RADIUS_TOLERANCE)),
            None,
        )
    moments: Sequence[dict[str, float]] = content.get("moments") or ()
    values = [moment[quantity] for moment in moments if quantity in moment]
    if not values:
        return None
    return values[-1] if quantity == "distance" else float(np.mean(values))
