"""Influence functions, in closed form, of the metrics that are not means over items.

The influence of an item is the Gateaux derivative of the score towards a distribution with all its mass on that item
(Hampel, 1974). To first order, the variance of the mean influence over items is the variance of the score under
resampling of items, so one two-way layout serves every metric.

Each function takes ``labels`` ``(..., items)`` and ``runs`` ``(..., items)``, whose shapes broadcast, and returns the
score plus the influence of each item, shaped like ``runs``: values whose mean over items is the score. Where a score is
undefined and counts as 0 by convention, all values are 0. The result does not depend on the order of items.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
FEW_CLASSES = 10  # integer labels within a range of this width are used as class numbers without a look-up


def f1_influence(labels: Array, runs: Array) -> Array:
    """Return ``(2 P Y - f (P + Y)) / (mean P + mean Y) + f`` with the score f.

    P is 1 where the run answers class 1, Y is 1 where the label is class 1.
    """

    def of_pairs(shares: Array) -> Array:
        total = shares[..., 1].sum(-1) + shares[..., 1, :].sum(-1)
        score = np.divide(2 * shares[..., 1, 1], total, out=np.zeros_like(total), where=total > 0)[..., None, None]
        change = np.array([[0.0, 0.0], [0.0, 2.0]]) - score * np.array([[0.0, 1.0], [1.0, 2.0]])
        scale = total[..., None, None]
        influence: np.ndarray = score + np.divide(change, scale, out=np.zeros_like(change), where=scale > 0)
        return influence

    return _of_pairs((labels == 1).astype(np.int8), (runs == 1).astype(np.int8), 2, of_pairs)


def matthews_influence(labels: Array, runs: Array) -> Array:
    """Return ``r + zx zy - r / 2 (zx^2 + zy^2)`` with the score r; zx, zy: standardised labels and predictions.

    For more than two classes these are vectors of class indicators: Gorodkin's R_K is their correlation, with
    covariances summed over classes.
    """

    def of_pairs(shares: Array) -> Array:
        true, answered = shares.sum(-1), shares.sum(-2)  # (..., classes): share of each class in labels and in answers
        pairs = ((true, answered), (true, true), (answered, answered))
        product, true_squares, answered_squares = ((x * y).sum(-1) for x, y in pairs)
        covariance = np.trace(shares, axis1=-2, axis2=-1) - product
        is_undefined = (true.max(-1) == 1) | (answered.max(-1) == 1)
        vx, vy = (np.where(is_undefined, 1.0, 1 - squares) for squares in (true_squares, answered_squares))
        xy = np.eye(shares.shape[-1]) - answered[..., :, None] - true[..., None, :] + product[..., None, None]
        xx, yy = (
            (1 - 2 * true + true_squares[..., None])[..., :, None],
            (1 - 2 * answered + answered_squares[..., None])[..., None, :],
        )
        return _correlation_influence(xy, xx, yy, *(x[..., None, None] for x in (covariance, vx, vy, is_undefined)))

    return _of_pairs(*_class_numbers(labels, runs), of_pairs)


def macro_f1_influence(labels: Array, runs: Array) -> Array:
    """Return the mean over classes of :func:`f1_influence` of each class.

    The classes are those of the labels and the run.
    """

    def of_pairs(shares: Array) -> Array:
        total = shares.sum(-1) + shares.sum(-2)  # (..., classes)
        is_class = total > 0
        correct_share = np.diagonal(shares, axis1=-2, axis2=-1)
        f1 = np.divide(2 * correct_share, total, out=np.zeros_like(total), where=is_class)
        per_answer = np.divide(f1, total, out=np.zeros_like(total), where=is_class)
        per_hit = np.divide(2.0, total, out=np.zeros_like(total), where=is_class)
        n_classes = is_class.sum(-1)[..., None, None]
        change = per_hit[..., None] * np.eye(shares.shape[-1]) - per_answer[..., :, None] - per_answer[..., None, :]
        influence: np.ndarray = (f1.sum(-1)[..., None, None] + change) / n_classes
        return influence

    return _of_pairs(*_class_numbers(labels, runs), of_pairs)


def balanced_accuracy_influence(labels: Array, runs: Array) -> Array:
    """Return the mean over the labels' classes of ``recall + Y (P - recall) / mean Y``.

    Y is 1 where the label is that class, P is 1 where the run answers it.
    """

    def of_pairs(shares: Array) -> Array:
        true = shares.sum(-1)
        is_class = true > 0
        recall = np.divide(np.diagonal(shares, axis1=-2, axis2=-1), true, out=np.zeros_like(true), where=is_class)
        scale = np.divide(1.0, true, out=np.zeros_like(true), where=is_class)[..., None]
        change = scale * (np.eye(shares.shape[-1]) - recall[..., None])
        influence: np.ndarray = (recall.sum(-1)[..., None, None] + change) / is_class.sum(-1)[..., None, None]
        return influence

    return _of_pairs(*_class_numbers(labels, runs), of_pairs)


def rmse_influence(labels: Array, runs: Array) -> Array:
    """Return ``r + (e^2 - r^2) / (2 r)`` with the score r; e: the error of an item."""
    squares = (np.asarray(runs, dtype=np.float64) - labels) ** 2
    score = np.sqrt(_mean(squares))
    change: np.ndarray = np.divide(squares - score**2, 2 * score, out=np.zeros_like(squares), where=score > 0)
    return np.asarray(score + change)


def pearson_influence(labels: Array, runs: Array) -> Array:
    """Return ``r + zx zy - r / 2 (zx^2 + zy^2)``; r: score; zx, zy: standardised labels and predictions."""
    x, y = _centred(labels), _centred(runs)
    is_undefined = is_constant(labels) | is_constant(runs)
    vx, vy = (np.where(is_undefined, 1.0, _mean(z * z)) for z in (x, y))
    xy = x * y
    return _correlation_influence(xy, x * x, y * y, _mean(xy), vx, vy, is_undefined)


def spearman_influence(labels: Array, runs: Array) -> Array:
    """Return the score plus influence for the correlation of mid-ranks.

    With F and G the mid-distributions minus 1/2, ``rho = C / sqrt(V_x V_y)`` where C = mean F G. An item changes C by
    its own F G and by the ranks of all items above it; V_x and V_y likewise.
    """
    x, y = _Ranks(labels), _Ranks(runs)
    c = _mean(x.rank * y.rank)
    change = x.rank * y.rank + x.mean_above(y.rank) + y.mean_above(x.rank) - 3 * c
    (vx, change_x), (vy, change_y) = (_rank_variance(ranks) for ranks in (x, y))
    is_undefined = is_constant(labels) | is_constant(runs)
    vx, vy = np.where(is_undefined, 1.0, vx), np.where(is_undefined, 1.0, vy)
    return np.where(is_undefined, 0.0, (c + change - c / 2 * (change_x / vx + change_y / vy)) / np.sqrt(vx * vy))


def is_constant(values: Array) -> Array:
    """Return ``(..., 1)`` booleans: True where all items have the same value."""
    return np.asarray(values.max(-1, keepdims=True) == values.min(-1, keepdims=True))


def _rank_variance(ranks: _Ranks) -> tuple[Array, Array]:
    variance = _mean(ranks.rank**2)
    return variance, ranks.rank**2 + 2 * ranks.mean_above(ranks.rank) - 3 * variance


class _Ranks:
    """Mid-ranks of ``(..., items)`` values; tied values share their mean rank.

    Attributes:
        rank: ``(..., items)`` mid-ranks divided by the number of items, less 1/2: between -1/2 and 1/2, mean 0.
    """

    def __init__(self, values: Array) -> None:
        n = values.shape[-1]
        self._order = np.argsort(values, axis=-1)
        self._flat_order = _flat(self._order, values.shape, n)
        ordered, positions = self._by_rank(values), np.arange(n)
        is_new = ordered[..., 1:] != ordered[..., :-1]
        self._has_ties = not is_new.all()
        self._first, self._after = positions, positions + 1  # bounds of the group of ties of each ordered value
        if self._has_ties:
            edge = np.ones_like(ordered[..., :1], dtype=bool)
            first = np.where(np.concatenate([edge, is_new], axis=-1), positions, 0)
            last = np.where(np.concatenate([is_new, edge], axis=-1), positions, n - 1)
            self._first = np.maximum.accumulate(first, axis=-1)
            self._after = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1] + 1
        self.rank = self._by_item(np.broadcast_to((self._first + self._after) / (2 * n) - 0.5, ordered.shape))

    def mean_above(self, values: Array) -> Array:
        """Return, for each item, the sum of ``values`` over the items above it, divided by the number of items.

        Tied items count half.
        """
        n = self._order.shape[-1]
        ordered = self._by_rank(values)
        sums = np.zeros((*ordered.shape[:-1], n + 1))  # of all values from a position to the end
        sums[..., :n] = np.cumsum(ordered[..., ::-1], axis=-1)[..., ::-1]
        halves = _at(sums, self._first) + _at(sums, self._after) if self._has_ties else sums[..., :-1] + sums[..., 1:]
        return self._by_item(halves / (2 * n))

    def _by_rank(self, values: Array) -> Array:
        """Return ``values``, given in item order, in the order of the ranks."""
        values = np.broadcast_to(values, np.broadcast_shapes(values.shape, self._order.shape))
        return np.ascontiguousarray(values).reshape(-1).take(self._positions(values.shape))

    def _by_item(self, ordered: Array) -> Array:
        """Return values, given in the order of the ranks, in item order."""
        by_item = np.empty(ordered.shape)
        by_item.reshape(-1)[self._positions(ordered.shape)] = ordered
        return by_item

    def _positions(self, shape: tuple[int, ...]) -> Array:
        return self._flat_order if shape == self._order.shape else _flat(self._order, shape, shape[-1])


def _at(values: Array, positions: Array) -> Array:
    """Return ``values`` at ``positions`` along the last axis: ``np.take_along_axis`` in a third of its time."""
    shape = np.broadcast_shapes(values.shape[:-1], positions.shape[:-1])
    values = np.broadcast_to(values, (*shape, values.shape[-1]))
    flat = _flat(positions, (*shape, positions.shape[-1]), values.shape[-1])
    return np.ascontiguousarray(values).reshape(-1).take(flat)


def _flat(positions: Array, shape: tuple[int, ...], width: int) -> Array:
    """Return positions in rows of ``width`` as positions in the flat array."""
    rows = np.arange(int(np.prod(shape[:-1]))).reshape(*shape[:-1], 1)
    return np.asarray(np.broadcast_to(positions, shape) + width * rows)


def _correlation_influence(
    xy: Array, xx: Array, yy: Array, covariance: Array, vx: Array, vy: Array, is_undefined: Array
) -> Array:
    """Return score plus influence for the score ``covariance / sqrt(vx vy)``.

    Args:
        xy: products of centred labels and predictions.
        xx: squares of centred labels.
        yy: squares of centred predictions.
        covariance: mean of ``xy``.
        vx: mean of ``xx``.
        vy: mean of ``yy``.
        is_undefined: True where the score counts as 0 by convention.
    """
    spread = np.sqrt(vx * vy)
    score = covariance / spread
    return np.where(is_undefined, 0.0, score + xy / spread - score / 2 * (xx / vx + yy / vy))


def _class_numbers(labels: Array, runs: Array) -> tuple[Array, Array, int]:
    """Return labels and runs as class numbers from 0, and the number of classes."""
    if labels.dtype.kind == runs.dtype.kind == "i":
        lowest = int(min(labels.min(), runs.min()))
        highest = int(max(labels.max(), runs.max()))
        if highest - lowest < FEW_CLASSES:
            return labels - lowest, runs - lowest, highest - lowest + 1  # unused class numbers do not change the result
    classes = np.union1d(labels, runs)
    return np.searchsorted(classes, labels), np.searchsorted(classes, runs), len(classes)


def _of_pairs(labels: Array, runs: Array, n_classes: int, of_pairs: Callable[[Array], Array]) -> Array:
    """Return values that depend on an item only through its label and answer.

    Args:
        labels: class numbers from 0.
        runs: class numbers from 0.
        n_classes: number of classes.
        of_pairs: function from the share of each pair (label, answer) ``(..., classes, classes)`` to the value of each
            pair.
    """
    kind = np.int8 if n_classes**2 < 128 else np.int64
    pairs = n_classes * labels.astype(kind) + runs.astype(kind)
    shares = _shares(pairs, n_classes**2)
    table = of_pairs(shares.reshape(*shares.shape[:-1], n_classes, n_classes))
    return _at(table.reshape(*table.shape[:-2], n_classes**2), pairs)


def _shares(pairs: Array, n_pairs: int) -> Array:
    """Return ``(..., n_pairs)``: the share of the items of ``(..., items)`` that each number has."""
    if n_pairs <= FEW_CLASSES**2:
        return np.stack([(pairs == pair).mean(-1) for pair in range(n_pairs)], axis=-1)
    flat = pairs.reshape(-1, pairs.shape[-1])
    counts = np.stack([np.bincount(row, minlength=n_pairs) for row in flat])
    shares: np.ndarray = (counts / pairs.shape[-1]).reshape(*pairs.shape[:-1], n_pairs)
    return shares


def _centred(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    centred: np.ndarray = values - _mean(values)
    return centred


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(-1, keepdims=True))
