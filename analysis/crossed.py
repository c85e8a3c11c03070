"""The interval that decides: seeds and items are crossed random factors (every seed of both arms is scored on the
same items)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from analysis.interval import Interval, checked_pair, t_interval
from analysis.scores import Metric, per_item

Array = np.ndarray
ITEM_RESAMPLES = 1_000  # of the item bootstrap behind a standard error: known to 2 % (1 / sqrt(2 * 1000))
LAYOUT = "two-way layout of seeds and items"
LINEAR = "two-way layout of seeds and items, the metric linearised"
KEPT_ITEMS = 12_000  # up to so many items the draws of a size are kept: 48 MB at most, and of four sizes
CHUNK = 200_000  # weights held at once, in numbers: 1.6 MB stays in the cache


@dataclass(frozen=True)
class Components:
    """What the variance of a difference of seed means consists of.

    Attributes:
        differences: ``(seeds,)`` difference of each seed.
        items: variance of the mean over seeds when items are drawn anew and seeds stay.
        both: the part that seeds' and items' variances both contain (the interaction): counted twice in their sum.
        n_items: how many items.
        method: how it was measured.
    """

    differences: Array
    items: float
    both: float
    n_items: int
    method: str


def crossed_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
) -> Interval:
    """The interval that decides: new seeds and new items at once.

    Means of items: the two-way layout, ``V = (MS_seed + MS_item - MS_residual) / (S n)``. Other metrics: variance over
    seeds plus bootstrap variance over items minus what both contain (Spearman: the layout of its linear part). Either
    is floored at the larger of the two one-way variances; Student's t with Satterthwaite's degrees of freedom, at least
    S - 1. One seed: items alone, and ``method`` says so.

    Args:
        a, b: ``(seeds, items)`` item scores (``metric`` None), predictions (``metric`` and ``labels`` given), or
            ``(seeds, items, classes)`` logits for a metric that uses them.
        rng: of the item bootstrap; None: fixed draws, the same for all contrasts on as many items, so that the same
            input gives the same interval (and a hundred take seconds).
    Raises: ValueError: shapes that differ, fewer than two items, values that are not finite, an unknown metric.
    """
    return combine([components(a, b, metric=metric, labels=labels, rng=rng)], level=level)


def macro_interval(parts: Sequence[Components], *, level: float = 0.95) -> Interval:
    """The mean of the differences of several tasks, all at the same seeds: what a claim "on average" is decided by.

    Items of different tasks are independent; nothing is assumed about seeds: their variance is taken from the mean
    over tasks of each seed's difference, so whatever one seed shares between tasks is in it.
    """
    return combine(parts, level=level)


def components(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> Components:
    """The parts of the variance behind :func:`crossed_interval`; same arguments."""
    x, y, chosen = checked_pair(a, b, metric, labels)
    if chosen is None or chosen.decomposes:
        if chosen is not None:
            x, y = (np.stack([per_item(chosen.name, labels, s) for s in side]) for side in (x, y))  # type: ignore[arg-type]
        return layout(x - y)
    return of_metric([(1.0, x), (-1.0, y)], np.asarray(labels), chosen, rng)


def combine(parts: Sequence[Components], *, level: float = 0.95) -> Interval:
    """The interval of the mean over ``parts`` (one part: that part itself)."""
    seeds = {len(part.differences) for part in parts}
    if len(seeds) != 1:
        raise ValueError(f"all tasks need the same seeds; there are {sorted(seeds)} seeds")
    n_seeds, n_items = seeds.pop(), sum(part.n_items for part in parts)
    per_seed = np.mean([part.differences for part in parts], axis=0)
    items = sum(part.items for part in parts) / len(parts) ** 2
    both = sum(part.both for part in parts) / len(parts) ** 2
    estimate, item_df = float(per_seed.mean()), n_items - len(parts)
    method = parts[0].method if len(parts) == 1 else f"mean of {len(parts)} tasks, {parts[0].method}"
    if n_seeds == 1:
        return t_interval(estimate, items, item_df, 1, n_items, "items only (one seed)", level)
    seeds_alone = float(per_seed.var(ddof=1)) / n_seeds
    variance = max(seeds_alone + items - both, seeds_alone, items)
    spread = seeds_alone**2 / (n_seeds - 1) + items**2 / item_df + both**2 / ((n_seeds - 1) * item_df)
    df = max(variance**2 / spread, n_seeds - 1.0) if spread > 0 else n_seeds - 1.0
    return t_interval(estimate, variance, df, n_seeds, n_items, method, level)


def layout(d: Array) -> Components:
    """Two-way layout of differences ``(S, n)`` without replication: mean squares give all three parts in closed
    form."""
    n_seeds, n_items = d.shape
    of_seeds, of_items = d.mean(1), d.mean(0)
    items = float(of_items.var(ddof=1)) / n_items
    both = 0.0
    if n_seeds > 1:
        residual = d - of_seeds[:, None] - of_items[None, :] + d.mean()
        both = float((residual**2).sum()) / ((n_seeds - 1) * (n_items - 1)) / (n_seeds * n_items)
    return Components(of_seeds, items, both, n_items, LAYOUT)


def of_metric(
    arms: Sequence[tuple[float, Array]], labels: Array, metric: Metric, rng: np.random.Generator | None = None
) -> Components:
    """The same parts for a metric that is no mean of items: by bootstrap, or linearised where that would take minutes.

    Args:
        arms: weight and ``(seeds, items)`` predictions of each arm of a linear contrast: 1 and -1 for a difference.
    """
    if metric.linear is None:
        return by_bootstrap(arms, labels, metric, rng)
    values = sum(weight * metric.linear(labels, runs) for weight, runs in arms)
    return replace(layout(np.asarray(values)), method=LINEAR)


def by_bootstrap(
    arms: Sequence[tuple[float, Array]], labels: Array, metric: Metric, rng: np.random.Generator | None = None
) -> Components:
    """The same parts for a metric that is no mean of items: items are drawn anew, seeds stay.

    What seeds' and items' variances both contain is the residual's part alone, as in the layout. The mean item variance
    within a seed exceeds the items' variance of the mean over seeds by (S - 1) / S of the residual's; what both contain
    is an S-th of that: their difference, over S - 1.

    Args:
        arms: see :func:`of_metric`.
        rng: None: fixed draws for this number of items.
    """
    weights = [weight for weight, _ in arms]
    outputs = [x for _, x in arms]
    n_seeds, n_items = outputs[0].shape
    changes: Iterable[Array]
    if rng is None and n_items <= KEPT_ITEMS:
        counts, changes = np.ones(n_items, dtype=np.int64), [_kept_changes(n_items)]
    else:
        labels, *outputs, counts = distinct_items(labels, *outputs)
        drawn = item_counts(counts, ITEM_RESAMPLES, rng or np.random.default_rng(0))
        changes = (each - counts for each in drawn)
    contrast = _contrast(weights, outputs, labels, metric, counts)
    resampled = np.concatenate([contrast(each) for each in changes])
    whole = contrast(np.zeros((1, len(counts))))[0]
    items, within = float(resampled.mean(1).var(ddof=1)), float(resampled.var(0, ddof=1).mean())
    both = (within - items) / (n_seeds - 1) if n_seeds > 1 else 0.0
    return Components(whole, items, both, n_items, "seeds and bootstrapped items")


def _contrast(
    weights: Sequence[float], outputs: Sequence[Array], labels: Array, metric: Metric, counts: Array
) -> Callable[[Array], Array]:
    """From changes ``(resamples, items)`` of the items' ``counts`` to the ``(resamples, seeds)`` contrast of scores."""
    if metric.sums is None:
        return lambda changes: _contrasts(weights, outputs, labels, metric, changes + counts.astype(np.float64))
    score, (of_labels, of_runs) = metric.sums.score, metric.sums.columns(labels, np.concatenate(outputs))
    (runs, m, n_items), k, total = of_runs.shape, len(of_labels), np.asarray(float(counts.sum()))
    columns = np.concatenate([of_labels, of_runs.reshape(runs * m, n_items)])
    whole = columns @ counts  # in float64: single precision is for what resampling changes
    narrow = columns.astype(np.float32).T

    def contrast(changes: Array) -> Array:
        sums = whole + changes.astype(np.float32, copy=False) @ narrow
        scores = score(total, sums[:, None, :k], sums[:, k:].reshape(len(sums), runs, m))
        return np.einsum("a,ras->rs", weights, scores.reshape(len(sums), len(weights), -1))

    return contrast


@lru_cache(maxsize=4)
def _kept_changes(n_items: int) -> Array:
    """``(ITEM_RESAMPLES, n_items)`` how often each item is drawn, less 1: one fixed draw per number of items."""
    drawn = item_counts(np.ones(n_items, dtype=np.int64), ITEM_RESAMPLES, np.random.default_rng(0))
    changes = np.concatenate([chunk.astype(np.float32) for chunk in drawn]) - np.float32(1)
    changes.setflags(write=False)
    return changes


def _contrasts(
    weights: Sequence[float], outputs: Sequence[Array], labels: Array, metric: Metric, items: Array
) -> Array:
    """``(resamples, seeds)`` weighted sums of the arms' metric under item weights ``(resamples, items)``."""
    return np.stack(
        [
            sum(w * metric.function(labels, x, items) for w, x in zip(weights, of_seed, strict=True))
            for of_seed in zip(*outputs, strict=True)
        ],
        axis=-1,
    )


def distinct_items(labels: Array, *arms: Array) -> tuple[Array, ...]:
    """Items that are alike in label and all predictions, merged: ``labels, *arms, counts``.

    They are interchangeable under resampling; with few classes and seeds, hundreds stand for thousands. Where
    merging saves little (continuous predictions) all items come back, each with count 1.
    """
    _, first, counts = np.unique(np.concatenate([labels[None], *arms]), axis=1, return_index=True, return_counts=True)
    if len(first) > len(labels) / 4:
        return labels, *arms, np.ones(len(labels), dtype=np.int64)
    return labels[first], *(arm[:, first] for arm in arms), counts


def item_counts(counts: Array, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Chunks ``(some resamples, items)`` of how often each item turns up when all are drawn anew with replacement."""
    n, distinct = int(counts.sum()), len(counts)
    rows = max(1, CHUNK // distinct)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        if distinct < n:
            yield rng.multinomial(n, counts / n, size=size).astype(np.float64)
        else:  # drawing n indices costs a tenth of n binomial counts
            drawn = rng.integers(0, n, size=(size, n)) + n * np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
