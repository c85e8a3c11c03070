"""Influence functions of the metrics that are no mean over items, in closed form.

The influence of an item is the Gateaux derivative of the score towards a distribution that puts all its mass on that
item (Hampel, 1974). The variance of the mean influence over items is the variance of the score when items are drawn
anew, to first order, so one two-way layout serves every metric.

Each function takes ``labels`` ``(..., items)`` and ``runs`` ``(..., items)``, whose shapes broadcast, and returns the
score plus the influence of each item, shaped like ``runs``: values whose mean over items is the score. Where a score is
not defined and counts as 0 by convention, all values are 0. The order of the items changes nothing.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def f1_influence(labels: Array, runs: Array) -> Array:
    """Return ``(2 P Y - f (P + Y)) / (mean P + mean Y) + f`` with the score f; P: the run says class 1, Y: the label
    does."""
    predicted, true = (np.asarray(x == 1, dtype=np.float64) for x in (runs, labels))
    positives = predicted + true
    hits, total = _mean(2 * predicted * true), _mean(positives)
    score = np.divide(hits, total, out=np.zeros_like(total), where=total > 0)
    change = 2 * predicted * true - score * positives
    return score + np.divide(change, total, out=np.zeros_like(change), where=total > 0)


def matthews_influence(labels: Array, runs: Array) -> Array:
    """Return ``r + zx zy - r / 2 (zx^2 + zy^2)`` with the score r; zx, zy: standardised labels and predictions.

    For more than two classes these are vectors of class indicators: Gorodkin's R_K is their correlation, with
    covariances summed over classes.
    """
    classes = np.union1d(labels, runs)
    if len(classes) == 1:
        return np.zeros(np.broadcast_shapes(labels.shape, runs.shape))
    chosen = classes if len(classes) > 2 else classes[1:]  # two classes: one indicator holds all
    indicators = [(_centred(labels == label), _centred(runs == label)) for label in chosen]
    products = [sum(x * y for x, y in indicators), sum(x * x for x, _ in indicators), sum(y * y for _, y in indicators)]
    return _correlation_influence(*products, is_constant=is_constant(labels) | is_constant(runs))


def pearson_influence(labels: Array, runs: Array) -> Array:
    """Return ``r + zx zy - r / 2 (zx^2 + zy^2)`` with the score r; zx, zy: standardised labels and predictions."""
    x, y = _centred(labels), _centred(runs)
    return _correlation_influence(x * y, x * x, y * y, is_constant=is_constant(labels) | is_constant(runs))


def spearman_influence(labels: Array, runs: Array) -> Array:
    """Return the values for the correlation of mid-ranks.

    With F and G the mid-distributions less 1/2, ``rho = C / sqrt(V_x V_y)`` where C = mean F G. An item moves C by its
    own F G, and by the ranks of all items above it; V_x and V_y likewise.
    """
    x, y = _Ranks(labels), _Ranks(runs)
    c = _mean(x.rank * y.rank)
    change = x.rank * y.rank + x.mean_above(y.rank) + y.mean_above(x.rank) - 3 * c
    (vx, change_x), (vy, change_y) = (_rank_variance(ranks) for ranks in (x, y))
    is_undefined = is_constant(labels) | is_constant(runs)
    vx, vy = np.where(is_undefined, 1.0, vx), np.where(is_undefined, 1.0, vy)
    return np.where(is_undefined, 0.0, (c + change - c / 2 * (change_x / vx + change_y / vy)) / np.sqrt(vx * vy))


def is_constant(values: Array) -> Array:
    """Return ``(..., 1)``: whether all items have the same value."""
    return np.asarray(values.max(-1, keepdims=True) == values.min(-1, keepdims=True))


def _rank_variance(ranks: _Ranks) -> tuple[Array, Array]:
    variance = _mean(ranks.rank**2)
    return variance, ranks.rank**2 + 2 * ranks.mean_above(ranks.rank) - 3 * variance


class _Ranks:
    """Mid-ranks of ``(..., items)`` values: ties share their mean rank.

    Attributes:
        rank: ``(..., items)`` mid-ranks divided by the number of items, less 1/2: between -1/2 and 1/2, mean 0.
    """

    def __init__(self, values: Array) -> None:
        values = np.asarray(values)
        n = values.shape[-1]
        self._order = np.argsort(values, axis=-1)
        ordered = np.take_along_axis(values, self._order, axis=-1)
        starts = np.concatenate([np.ones_like(ordered[..., :1], bool), ordered[..., 1:] != ordered[..., :-1]], axis=-1)
        ends = np.concatenate([starts[..., 1:], np.ones_like(starts[..., :1])], axis=-1)
        places = np.arange(n)
        self._first = np.maximum.accumulate(np.where(starts, places, 0), axis=-1)
        last = np.where(ends, places, n - 1)[..., ::-1]
        self._after = np.minimum.accumulate(last, axis=-1)[..., ::-1] + 1
        self.rank = self._by_item((self._first + self._after) / (2 * n) - 0.5)

    def mean_above(self, values: Array) -> Array:
        """Return, for each item, the sum of ``values`` over the items above it, ties half, divided by their number."""
        n = self._order.shape[-1]
        ordered = np.take_along_axis(*np.broadcast_arrays(values, self._order), axis=-1)
        sums = np.zeros((*ordered.shape[:-1], n + 1))
        sums[..., :n] = np.cumsum(ordered[..., ::-1], axis=-1)[..., ::-1]
        first, after = (np.broadcast_to(place, ordered.shape) for place in (self._first, self._after))
        halves = np.take_along_axis(sums, first, axis=-1) + np.take_along_axis(sums, after, axis=-1)
        return self._by_item(halves / (2 * n))

    def _by_item(self, ordered: Array) -> Array:
        by_item = np.empty_like(ordered)
        np.put_along_axis(by_item, np.broadcast_to(self._order, ordered.shape), ordered, axis=-1)
        return by_item


def _correlation_influence(xy: Array, xx: Array, yy: Array, is_constant: Array) -> Array:
    """Return the values for the score ``mean xy / sqrt(mean xx mean yy)`` from the products of centred labels and
    predictions."""
    vx, vy = (np.where(is_constant, 1.0, _mean(products)) for products in (xx, yy))
    spread = np.sqrt(vx * vy)
    score = _mean(xy) / spread
    return np.where(is_constant, 0.0, score + xy / spread - score / 2 * (xx / vx + yy / vy))


def _centred(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    return values - _mean(values)


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(-1, keepdims=True))
