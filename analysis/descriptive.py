"""Tests that are reported next to the deciding interval; each answers a narrower question and decides nothing.

==========================  =======================================================================================
hierarchical_bootstrap      resampled seeds and items, percentiles: asymmetric, but too narrow with few seeds
permutation_test            for these runs: would swapping the arms' answers item by item give such a difference?
sign_flip, wilcoxon         for these items: new seeds only; with S seeds p cannot be below 2 / 2^S mcnemar
for one pair of runs: do they differ on new items? One p per seed, never on pooled seeds variance_ratio_test         do
the arms vary differently over seeds? equivalence                 is the difference too small to matter?
==========================  =======================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from analysis.interval import Interval, checked_pair
from analysis.scores import Metric, per_item

Array = np.ndarray
EXACT_SEEDS = 14  # up to this number of seeds all 2^S sign patterns are enumerated
CHUNK = 200_000  # weights in memory at once: 1.6 MB fits into the processor's cache


@dataclass(frozen=True)
class Equivalence:
    """Result of an equivalence test.

    Attributes:
        holds: True if the interval from ``low`` to ``high`` lies inside the bound, so that the difference is too small
            to matter.
        p: the larger p of the two one-sided tests.
        low: lower end of the interval.
        high: upper end.
        bound: the bound, in the estimate's unit.
    """

    holds: bool
    p: float
    low: float
    high: float
    bound: float


@dataclass(frozen=True)
class EffectSize:
    """Differences of seed scores in units of their spread.

    Attributes:
        cohen_d: difference of means over the pooled standard deviation (ddof 1).
        hedges_g: the same, corrected for the bias in small samples.
        paired_d: mean of the seeds' differences over the standard deviation of these differences.
        superiority: probability that a random run of A beats a random run of B; ties count half.
    """

    cohen_d: float
    hedges_g: float
    paired_d: float
    superiority: float


def hierarchical_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """Return the percentile interval of a crossed bootstrap: seeds and items are resampled independently."""
    x, y, labels_, scoring = _scores_or_predictions(a, b, metric, labels)
    n_seeds, n_items = x.shape
    estimates = np.empty(resamples)
    position = 0
    for scores, seeds in _resampled(x, y, labels_, scoring, rng, resamples):
        estimates[position : position + len(scores)] = (scores * seeds).sum(1) / n_seeds
        position += len(scores)
    low, high = np.quantile(estimates, [(1 - level) / 2, (1 + level) / 2])
    below = (estimates <= 0).sum() if (estimate := _difference(x, y, labels_, scoring)) > 0 else (estimates >= 0).sum()
    p = min(1.0, 2 * (float(below) + 1) / (resamples + 1))
    low, high = min(float(low), estimate), max(float(high), estimate)
    return Interval(
        estimate, low, high, p, n_seeds, n_items, "crossed bootstrap of seeds and items, percentiles", level
    )


def permutation_test(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator,
    resamples: int = 10_000,
) -> Interval:
    """Test whether these runs differ beyond the choice of items, by swapping the arms' answers item by item.

    All seeds of an item are swapped together. ``low`` and ``high`` are nan, because the test gives no interval.
    """
    x, y, labels_, scoring = _scores_or_predictions(a, b, metric, labels)
    observed, exceedances = abs(_difference(x, y, labels_, scoring)), 0
    if scoring is None:
        d = (x - y).mean(0)
        for swaps in _chunks(resamples, len(d)):
            signs = rng.integers(0, 2, size=(swaps, len(d)), dtype=np.int8) * 2.0 - 1.0
            exceedances += int((np.abs(signs @ d) / len(d) >= observed - 1e-12).sum())
    else:
        for _ in range(resamples):
            swap = rng.random(x.shape[1]) < 0.5
            swapped = _difference(np.where(swap, y, x), np.where(swap, x, y), labels_, scoring)
            exceedances += abs(swapped) >= observed - 1e-12
    p = (exceedances + 1) / (resamples + 1)
    method = "permutation of the arms item by item, runs as they are"
    n_seeds, n_items = x.shape
    return Interval(_difference(x, y, labels_, scoring), math.nan, math.nan, p, n_seeds, n_items, method)


def sign_flip(
    a: ArrayLike, b: ArrayLike, *, rng: np.random.Generator | None = None, resamples: int = 10_000
) -> Interval:
    """Test seed scores ``(seeds,)`` by flipping the sign of each seed's difference, with items as they are.

    The test is exact up to 14 seeds.
    """
    d = _paired_scores(a, b)
    if len(d) <= EXACT_SEEDS:
        signs = np.array(list(product((1.0, -1.0), repeat=len(d))))
        p = float((np.abs(signs @ d) >= abs(d.sum()) - 1e-12).mean())
    else:
        signs = (rng or np.random.default_rng(0)).integers(0, 2, size=(resamples, len(d))) * 2.0 - 1.0
        p = (int((np.abs(signs @ d) >= abs(d.sum()) - 1e-12).sum()) + 1) / (resamples + 1)
    method = f"sign flips of seeds, items as they are (p cannot go below {2 / 2 ** len(d):.3g})"
    return Interval(float(d.mean()), math.nan, math.nan, p, len(d), 0, method)


def wilcoxon(a: ArrayLike, b: ArrayLike) -> Interval:
    """Run Wilcoxon's signed-rank test of seed scores ``(seeds,)``, exact without ties, with items as they are."""
    from scipy import stats

    d = _paired_scores(a, b)
    p = 1.0 if not d.any() else float(stats.wilcoxon(d, zero_method="pratt" if (d == 0).any() else "wilcox").pvalue)
    method = f"Wilcoxon signed ranks of seeds, items as they are (p cannot go below {2 / 2 ** len(d):.3g})"
    return Interval(float(d.mean()), math.nan, math.nan, p, len(d), 0, method)


def mcnemar(a: ArrayLike, b: ArrayLike, labels: ArrayLike) -> tuple[Interval, ...]:
    """Run the exact McNemar test of each seed's pair of runs, from predictions ``(seeds, items)``.

    The result has one test per seed: all seeds share the same items, so pooling seeds would count each item several
    times.
    """
    from statsmodels.stats import contingency_tables  # takes a second to import

    x, y, _ = checked_pair(a, b, "accuracy", labels)
    n_items, tests = x.shape[1], []
    for right_a, right_b in zip(x == np.asarray(labels), y == np.asarray(labels), strict=True):
        only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        p = float(contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)
        estimate = (only_a - only_b) / n_items
        tests.append(Interval(estimate, math.nan, math.nan, p, 1, n_items, "exact McNemar test of one pair of runs"))
    return tuple(tests)


def holm(p_values: ArrayLike) -> Array:
    """Adjust p values by Holm's step-down method, in the order given.

    The tests compare it with statsmodels. Its ``multipletests`` is not used because it collects garbage in every call:
    half a second in a process that holds an experiment's predictions, and a report makes hundreds of calls.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def equivalence(interval: Interval, bound: float, level: float = 0.90) -> Equivalence:
    """Run two one-sided tests at (1 - level) / 2: does the interval at ``level`` lie inside +-``bound``?

    ``bound`` is in the estimate's unit.

    Raises:
        ValueError: the bound is not above 0, or the interval has no standard error.
    """
    from scipy.special import stdtr

    if not bound > 0:
        raise ValueError(f"an equivalence bound must be above 0; got {bound}")
    narrow = interval.at(level)
    nearest = bound - abs(interval.estimate)
    p = float(stdtr(interval.df, -nearest / interval.se)) if interval.se > 0 else float(nearest < 0)
    return Equivalence(-bound < narrow.low and narrow.high < bound, p, narrow.low, narrow.high, bound)


def variance_ratio_test(
    a: ArrayLike,
    b: ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
    level: float = 0.95,
    runs: int = 0,
) -> Interval:
    """Return the ratio of the seed scores' standard deviations, a over b: permutation p, bootstrap percentiles.

    Scores are centred on their arm's mean before they are permuted between arms, so that a difference of means does not
    count. With 10 seeds per arm, a true ratio of 1.6 is detected in two or three of ten studies.

    Args:
        a: ``(seeds,)``, at least three.
        b: ``(seeds,)``, at least three; the numbers of seeds may differ.
        rng: source of the permutations and resamples.
        resamples: number of permutations, and of bootstrap resamples.
        level: level of the interval.
        runs: 0, or the number of runs that a range spans: then the ratio is that of expected ranges of so many runs.

    Raises:
        ValueError: an arm has fewer than three scores, equal scores only, or fewer than ``runs`` scores.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if min(len(x), len(y)) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        raise ValueError("a ratio of spreads needs at least three scores per arm that are not all equal")
    if runs > min(len(x), len(y)):
        raise ValueError(f"a range of {runs} runs needs as many scores per arm; there are {min(len(x), len(y))}")
    centred = np.concatenate([x - x.mean(), y - y.mean()])
    observed = float(_log_ratio(x[None], y[None], runs)[0])
    permuted = rng.permuted(np.tile(centred, (resamples, 1)), axis=1)
    ratios = _log_ratio(permuted[:, : len(x)], permuted[:, len(x) :], runs)
    p = (int((np.abs(ratios) >= abs(observed) - 1e-12).sum()) + 1) / (resamples + 1)
    draws = [values[rng.integers(0, len(values), size=(resamples, len(values)))] for values in (x, y)]
    low, high = np.exp(np.nanquantile(_log_ratio(draws[0], draws[1], runs), [(1 - level) / 2, (1 + level) / 2]))
    estimate = math.exp(observed)
    low, high = min(float(low), estimate), max(float(high), estimate)
    name = f"ratio of ranges of {runs} runs" if runs else "ratio of standard deviations over seeds"
    return Interval(estimate, low, high, p, min(len(x), len(y)), 0, name, level)


def probability_of_superiority(a: ArrayLike, b: ArrayLike) -> float:
    """Return the probability that a random run of A scores higher than a random run of B; ties count half.

    This is Mann-Whitney's U / nm.
    """
    x, y = np.asarray(a, dtype=np.float64)[:, None], np.asarray(b, dtype=np.float64)[None, :]
    return float(((x > y) + 0.5 * (x == y)).mean())


def effect_size(a: ArrayLike, b: ArrayLike) -> EffectSize:
    """Return effect sizes of seed scores ``(seeds,)`` at equal seeds; nan where nothing varies.

    Raises:
        ValueError: there are fewer than two seeds.
    """
    d = _paired_scores(a, b)
    if len(d) < 2:
        raise ValueError("an effect size needs at least two seeds")
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    pooled, spread_of_differences = math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2), float(d.std(ddof=1))
    cohen = float(d.mean()) / pooled if pooled > 0 else math.nan
    freedom = 2 * len(d) - 2
    return EffectSize(
        cohen_d=cohen,
        hedges_g=cohen * (1 - 3 / (4 * freedom - 1)),
        paired_d=float(d.mean()) / spread_of_differences if spread_of_differences > 0 else math.nan,
        superiority=probability_of_superiority(x, y),
    )


def _scores_or_predictions(
    a: ArrayLike, b: ArrayLike, metric: str | None, labels: ArrayLike | None
) -> tuple[Array, Array, Array, Metric | None]:
    """Return item scores (metric None) if the metric is a mean over items, else predictions and metric."""
    x, y, scoring = checked_pair(a, b, metric, labels)
    labels_ = np.zeros(x.shape[1]) if labels is None else np.asarray(labels)
    if scoring is not None and scoring.decomposes:
        x, y = (np.stack([per_item(scoring.name, labels_, s) for s in side]) for side in (x, y))
        return x, y, np.zeros(x.shape[1]), None
    return x, y, labels_, scoring


def _difference(x: Array, y: Array, labels: Array, metric: Metric | None) -> float:
    if metric is None:
        return float((x - y).mean())
    ones = np.ones(x.shape[1])
    return float(
        np.mean(
            [metric.function(labels, u, ones) - metric.function(labels, v, ones) for u, v in zip(x, y, strict=True)]
        )
    )


def _resampled(
    x: Array, y: Array, labels: Array, metric: Metric | None, rng: np.random.Generator, resamples: int
) -> Iterator[tuple[Array, Array]]:
    """Yield chunks of ``(resamples, seeds)`` differences under resampled items, with the count of each seed's draws."""
    n_seeds, n_items = x.shape
    if metric is None:
        labels, x, y, counts = _distinct_items(labels, x - y, np.zeros((0, n_items)))
    else:
        labels, x, y, counts = _distinct_items(labels, x, y)
    for weights in _item_counts(counts, resamples, rng):
        seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=len(weights))
        if metric is None:
            yield weights @ x.T / n_items, seeds
        else:
            pairs = zip(x, y, strict=True)
            yield (
                np.stack(
                    [metric.function(labels, u, weights) - metric.function(labels, v, weights) for u, v in pairs], -1
                ),
                seeds,
            )


def _distinct_items(labels: Array, *arms: Array) -> tuple[Array, ...]:
    """Merge items that are alike in label and all predictions; return ``labels, *arms, counts``.

    Such items are interchangeable under resampling; with few classes and seeds, hundreds of distinct items replace
    thousands. Where merging saves little (continuous predictions) all items are returned, each with count 1.
    """
    _, first, counts = np.unique(np.concatenate([labels[None], *arms]), axis=1, return_index=True, return_counts=True)
    if len(first) > len(labels) / 4:
        return labels, *arms, np.ones(len(labels), dtype=np.int64)
    return labels[first], *(arm[:, first] for arm in arms), counts


def _item_counts(counts: Array, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield chunks ``(resamples, items)`` of the number of times each item occurs in a resample."""
    n, distinct = int(counts.sum()), len(counts)
    rows = max(1, CHUNK // distinct)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        if distinct < n:
            yield rng.multinomial(n, counts / n, size=size).astype(np.float64)
        else:  # drawing n indices costs a tenth of n binomial counts
            indices = rng.integers(0, n, size=(size, n)) + n * np.arange(size)[:, None]
            yield np.bincount(indices.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _paired_scores(a: ArrayLike, b: ArrayLike) -> Array:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 1:
        raise ValueError(f"seed scores must be two arrays of the same length; got {x.shape} and {y.shape}")
    return x - y


def _log_ratio(x: Array, y: Array, runs: int = 0) -> Array:
    """Return log ratios of the spread of each row: standard deviations, or expected ranges of ``runs`` runs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if runs:
            return np.asarray(np.log(expected_range(x, runs) / expected_range(y, runs)))
        return np.asarray(np.log(x.std(axis=1, ddof=1) / y.std(axis=1, ddof=1)))


def expected_range(values: ArrayLike, runs: int) -> Array:
    """Return the mean range (largest minus smallest) over all subsets of ``runs`` of the values ``(..., n)``.

    A paper's box plot of 10 runs shows the range of 10 runs; the range of 40 runs would be larger even without a
    change.

    Raises:
        ValueError: ``runs`` is not between 2 and n.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    n = ordered.shape[-1]
    if not 2 <= runs <= n:
        raise ValueError(f"a range spans 2 to {n} runs, not {runs}")
    largest = np.array([math.comb(i, runs - 1) / math.comb(n, runs) for i in range(n)])  # chance to be the maximum
    return np.asarray(ordered @ (largest - largest[::-1]))


def _chunks(total: int, width: int) -> Iterator[int]:
    rows = max(1, CHUNK // width)
    while total > 0:
        yield min(rows, total)
        total -= rows
