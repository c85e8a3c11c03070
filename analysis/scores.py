"""Metrics in numpy with item weights, so that a bootstrap is one matrix product instead of a loop over resamples.

Every function takes ``weights`` of shape ``(items,)`` or ``(..., items)`` and returns one score per leading index. An
undefined score (a correlation of constants, F1 without a positive) is 0, as in the GLUE scripts, never NaN; the public
function :func:`score` then gives a :class:`Degenerate` warning.

Scores are fractions (accuracy 0.87) or nats (cross-entropy, divergences); tables multiply by :attr:`Metric.scale`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.influence import (
    balanced_accuracy_influence,
    f1_influence,
    macro_f1_influence,
    matthews_influence,
    pearson_influence,
    rmse_influence,
    spearman_influence,
)

Array = np.ndarray
ROUNDING = 1e-12  # variances of values of order 1 below this are rounding error


class Degenerate(RuntimeWarning):
    """Warning about a score that is 0 because it is not defined on this input."""


@dataclass(frozen=True)
class Metric:
    """A metric: a function that scores predictions, with its properties.

    Attributes:
        name: name in specs, result folders and on the command line.
        title: name in tables.
        function: ``function(labels, predictions, weights)``; ``weights`` ``(..., items)`` gives ``(...)`` scores.
        per_item: ``per_item(labels, predictions) -> (items,)`` whose weighted mean is the score; None where there is
            none.
        influence: ``influence(labels, runs) -> (runs, items)``: the score plus its influence function at each item, in
            closed form (:mod:`analysis.influence`); None where the score is a mean over items.
        is_regression: True if labels and predictions are numbers, not classes.
        uses: "predictions" ``(items,)``, "logits" ``(items, classes)``, or "scores" ``(items,)`` that another program
            gave to answers.
        greater_is_better: False for errors and divergences.
        scale: factor of the score in tables: 100 where papers print percent.
        unit: unit of differences in tables.
    """

    name: str
    title: str
    function: Callable[[Array, Array, Array], Array]
    per_item: Callable[[Array, Array], Array] | None = None
    influence: Callable[[Array, Array], Array] | None = None
    is_regression: bool = False
    uses: str = "predictions"
    greater_is_better: bool = True
    scale: float = 100.0
    unit: str = "points"

    @property
    def decomposes(self) -> bool:
        """True if the score is a mean over items, so that the two-way layout applies."""
        return self.per_item is not None

    def score(self, labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
        """Score predictions by this metric, as :func:`score` does."""
        return score(self.name, labels, predictions, weights)


METRICS: dict[str, Metric] = {}


def score(metric: str, labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Score predictions (or logits, where the metric's ``uses`` says so) by the metric's name.

    Args:
        metric: name of the metric.
        labels: ``(items,)``; for the metrics on logits also ``(items, classes)``: votes, or any distribution over
            classes.
        predictions: ``(items,)`` predictions, or ``(items, classes)`` logits.
        weights: ``(items,)``, not negative: how often each item counts. None: once each.

    Returns:
        A fraction, or nats; 0 with a :class:`Degenerate` warning where the metric is not defined.

    Raises:
        ValueError: the metric is unknown, shapes do not match, there are no items, or values are not finite.
    """
    scoring = _metric(metric)
    y, p = _checked(scoring, labels, predictions)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(y),) or (w < 0).any() or w.sum() == 0:
        raise ValueError(f"{metric}: weights must be {len(y)} numbers >= 0 that are not all 0")
    value = float(scoring.function(y, p, w))
    if value == 0.0 and not scoring.decomposes and _undefined(metric, y, p, w):
        warnings.warn(f"{metric} is not defined on constant values and counts as 0", Degenerate, stacklevel=2)
    return value


def per_item(metric: str, labels: ArrayLike, predictions: ArrayLike) -> Array:
    """Return item scores ``(items,)`` whose mean is the metric.

    Raises:
        ValueError: the metric is not a mean over items.
    """
    scoring = _metric(metric)
    if scoring.per_item is None:
        raise ValueError(f"{metric} is not a mean over items")
    return scoring.per_item(*_checked(scoring, labels, predictions))


def displayed(name: str) -> Metric:
    """Return the metric for titles, units and empty cells.

    A metric that this installation lacks (a plug-in's) has its own name as title, and is displayed in percent. Its
    scores are never computed: :func:`analysis.cells.read_cell` refuses them.
    """
    return METRICS.get(name) or Metric(name, name, _refused)


def _refused(labels: Array, predictions: Array, weights: Array) -> Array:
    raise ValueError("this metric is not installed, so its scores cannot be computed")


def _metric(name: str) -> Metric:
    try:
        return METRICS[name]
    except KeyError:
        raise ValueError(f"no metric named {name!r}; there are: {', '.join(METRICS)}") from None


def _checked(metric: Metric, labels: ArrayLike, predictions: ArrayLike) -> tuple[Array, Array]:
    y, p = np.asarray(labels), np.asarray(predictions)
    n_dims = 2 if metric.uses == "logits" else 1
    if len(y) == 0 or len(y) != len(p) or p.ndim != n_dims:
        raise ValueError(
            f"{metric.name} needs {metric.uses} with {n_dims} dimension(s), as many as labels and at least one; "
            f"got labels {y.shape}, {metric.uses} {p.shape}"
        )
    for name, values in (("labels", y), (metric.uses, p)):
        if values.dtype.kind not in "biuf":
            raise ValueError(f"{metric.name}: {name} must be numbers, got {values.dtype}")
        if not np.isfinite(values).all():
            raise ValueError(f"{metric.name}: {int((~np.isfinite(values)).sum())} {name} are not finite")
    return y, p


def _undefined(metric: str, labels: Array, predictions: Array, weights: Array) -> bool:
    """Return True if a 0 means "not defined": F1 without any positive, or a correlation with a constant."""
    counted = weights > 0
    if metric in ("f1", "f1_named"):
        return not ((labels[counted] == 1).any() or (predictions[counted] == 1).any())
    if metric not in ("matthews", "pearson", "spearman"):
        return False
    return bool(np.ptp(labels[counted]) == 0 or np.ptp(predictions[counted]) == 0)


# ---- metrics that are means over items


def _hit(labels: Array, predictions: Array) -> Array:
    is_right: np.ndarray = (labels == predictions).astype(np.float64)
    return is_right


def _miss(labels: Array, predictions: Array) -> Array:
    is_wrong: np.ndarray = (labels != predictions).astype(np.float64)
    return is_wrong


def _as_scored(labels: Array, scores: Array) -> Array:
    """Scores that another program gave each item: a fraction of an item's whole credit."""
    return np.asarray(scores, dtype=np.float64)


def _mean_of(items: Callable[[Array, Array], Array]) -> Callable[[Array, Array, Array], Array]:
    return lambda labels, predictions, weights: weights @ items(labels, predictions) / weights.sum(-1)


def log_softmax(logits: Array) -> Array:
    """Return ``(items, classes)`` log probabilities in float64."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(-1, keepdims=True)
    log_probabilities: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return log_probabilities


def distribution(labels: Array, classes: int) -> Array:
    """Return ``(items, classes)`` probabilities.

    Class indices become one-hot rows; vote counts are divided by their sum.

    Raises:
        ValueError: the votes have another number of classes, or a row of them is empty.
    """
    if labels.ndim == 1:
        return np.eye(classes)[labels.astype(np.int64)]
    totals = labels.sum(-1, keepdims=True)
    if labels.shape[1] != classes or (totals <= 0).any():
        raise ValueError(f"votes must have {classes} columns, as the logits, and at least one vote in every row")
    shares: np.ndarray = labels / totals
    return shares


def _xlogy(x: Array, y: Array) -> Array:
    """Return ``x * y``, where ``y`` is a logarithm; 0 wherever x is 0."""
    return np.where(x > 0, x * np.where(x > 0, y, 0.0), 0.0)


def _cross_entropy_items(labels: Array, logits: Array) -> Array:
    cross_entropy: np.ndarray = -_xlogy(distribution(labels, logits.shape[1]), log_softmax(logits)).sum(-1)
    return cross_entropy


def entropy(probabilities: Array) -> Array:
    """Return the Shannon entropy of each row, in nats."""
    with np.errstate(divide="ignore"):
        nats: np.ndarray = -_xlogy(probabilities, np.log(probabilities)).sum(-1)
        return nats


def _kl_items(labels: Array, logits: Array) -> Array:
    divergence: np.ndarray = _cross_entropy_items(labels, logits) - entropy(distribution(labels, logits.shape[1]))
    return divergence


def _jsd_items(labels: Array, logits: Array) -> Array:
    p, q = distribution(labels, logits.shape[1]), np.exp(log_softmax(logits))
    divergence: np.ndarray = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return divergence


def _soft_accuracy_items(labels: Array, logits: Array) -> Array:
    """Return the share of each item's annotators who chose the class that the model chose."""
    share: np.ndarray = distribution(labels, logits.shape[1])[np.arange(len(logits)), logits.argmax(-1)]
    return share


# ---- metrics that are not means over items


def _f1(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return F1 of class 1 (MRPC, QQP: the paraphrases)."""
    classes = set(np.unique(labels)) | set(np.unique(predictions))
    if not classes <= {0, 1}:
        raise ValueError(f"f1 is binary, with classes 0 and 1; got {sorted(classes)}")
    truth, answers = labels == 1, predictions == 1
    return _ratio(2 * _total(weights, truth & answers), _total(weights, truth) + _total(weights, answers))


def _f1_named(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return F1 of class 1 against all other classes."""
    return _f1((labels == 1).astype(np.int8), (predictions == 1).astype(np.int8), weights)


def _macro_f1(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return the mean F1 of the classes of labels and predictions."""
    sums = []
    for label in np.union1d(labels, predictions):
        truth, answers = labels == label, predictions == label
        sums.append((2 * _total(weights, truth & answers), _total(weights, truth) + _total(weights, answers)))
    return _mean_ratio(*(np.stack(part) for part in zip(*sums, strict=True)))


def _balanced_accuracy(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return the mean recall of the labels' classes."""
    masks = [labels == label for label in np.unique(labels)]
    hits = np.stack([_total(weights, mask & (predictions == labels)) for mask in masks])
    return _mean_ratio(hits, np.stack([_total(weights, mask) for mask in masks]))


def _rmse(labels: Array, predictions: Array, weights: Array) -> Array:
    squares = (np.asarray(predictions, dtype=np.float64) - labels) ** 2
    return np.asarray(np.sqrt(_dot(weights, squares) / weights.sum(-1)))


def _matthews(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return the Matthews correlation; for more than two classes Gorodkin's R_K."""
    classes, total = np.union1d(labels, predictions), weights.sum(-1)
    of_labels = np.stack([_total(weights, labels == label) for label in classes])
    of_predictions = np.stack([_total(weights, predictions == label) for label in classes])
    covariance = _total(weights, labels == predictions) * total - (of_labels * of_predictions).sum(0)
    spread = (total**2 - (of_labels**2).sum(0)) * (total**2 - (of_predictions**2).sum(0))
    return _ratio(covariance, np.sqrt(np.maximum(spread, 0.0)))


def _pearson(labels: Array, predictions: Array, weights: Array) -> Array:
    return _correlation(_standard(labels), _standard(predictions), weights)


def _spearman(labels: Array, predictions: Array, weights: Array) -> Array:
    x, y = _weighted_ranks(labels, weights), _weighted_ranks(predictions, weights)
    size = weights.sum(-1, keepdims=True)
    return _correlation(x / size - 0.5, y / size - 0.5, weights)


def _total(weights: Array, items: Array) -> Array:
    """Return the weight of the marked items."""
    return np.asarray(weights @ items.astype(np.float64))


def _standard(x: Array) -> Array:
    """Return values shifted and scaled to mean 0 and standard deviation 1.

    Correlations are invariant to this, and the moments in :func:`_correlation` keep their digits.
    """
    if np.ptp(x) == 0:
        return np.zeros(len(x))  # rounding: the mean of equal numbers may differ from that number
    centred = np.asarray(x, dtype=np.float64) - np.mean(x, dtype=np.float64)
    standardised: np.ndarray = centred / centred.std()
    return standardised


def _correlation(x: Array, y: Array, weights: Array) -> Array:
    """Return the weighted Pearson correlation of values of order 1; 0 where one side is constant.

    ``x`` and ``y`` are ``(items,)`` or shaped like the weights.
    """
    total = weights.sum(-1)
    mx, my, mxx, myy, mxy = (_dot(weights, product) / total for product in (x, y, x * x, y * y, x * y))
    vx, vy = mxx - mx**2, myy - my**2
    covariance = np.where(np.minimum(vx, vy) <= ROUNDING, 0.0, mxy - mx * my)
    correlation: np.ndarray = np.clip(_ratio(covariance, np.sqrt(np.maximum(vx * vy, 0.0))), -1.0, 1.0)
    return correlation


def _dot(weights: Array, values: Array) -> Array:
    sums: np.ndarray = weights @ values if values.ndim == 1 else np.einsum("...i,...i->...", weights, values)
    return sums


def _weighted_ranks(x: Array, weights: Array) -> Array:
    """Return mid-ranks of ``x`` when item i is present ``weights[..., i]`` times; ties share their mean rank."""
    values, group = np.unique(x, return_inverse=True)
    order = np.argsort(group, kind="stable")
    mass = np.take(weights, order, axis=-1)
    if len(values) < len(x):
        mass = np.add.reduceat(mass, np.flatnonzero(np.diff(group[order], prepend=-1)), axis=-1)
    ranks = np.cumsum(mass, axis=-1)
    ranks -= mass / 2 - 0.5
    return np.take(ranks, group, axis=-1)


def _ratio(top: Array, bottom: Array) -> Array:
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    ratio: np.ndarray = np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom > 0)
    return ratio


def _mean_ratio(top: Array, bottom: Array) -> Array:
    """Return the mean over the first axis of ``top / bottom``, where ``bottom`` is not 0."""
    return _ratio(_ratio(top, bottom).sum(0), (bottom > 0).sum(0))


def _other_metric(name: str, title: str, *functions: Callable[..., Any], **properties: Any) -> Metric:
    """Register a metric that is not a mean over items, from its function and its influence function."""
    function, influence = functions
    return METRICS.setdefault(name, Metric(name, title, function, influence=influence, **properties))


def _mean_metric(name: str, title: str, items: Callable[[Array, Array], Array], **properties: Any) -> Metric:
    """Register a metric that is a mean over items, from its item scores."""
    return METRICS.setdefault(name, Metric(name, title, _mean_of(items), items, **properties))


accuracy = _mean_metric("accuracy", "accuracy", _hit).score
error_rate = _mean_metric("error_rate", "error rate", _miss, greater_is_better=False).score
f1 = _other_metric("f1", "F1", _f1, f1_influence).score
f1_named = _other_metric("f1_named", "F1 of the named class", _f1_named, f1_influence).score
macro_f1 = _other_metric("macro_f1", "macro-F1", _macro_f1, macro_f1_influence).score
balanced_accuracy = _other_metric(
    "balanced_accuracy", "balanced accuracy", _balanced_accuracy, balanced_accuracy_influence
).score
matthews = _other_metric("matthews", "Matthews corr.", _matthews, matthews_influence).score
pearson = _other_metric("pearson", "Pearson corr.", _pearson, pearson_influence, is_regression=True).score
spearman = _other_metric("spearman", "Spearman corr.", _spearman, spearman_influence, is_regression=True).score
_label_units: dict[str, Any] = {"greater_is_better": False, "scale": 1.0, "unit": "label units"}
rmse = _other_metric("rmse", "RMSE", _rmse, rmse_influence, is_regression=True, **_label_units).score
item_score = _mean_metric("item_score", "mean item score", _as_scored, uses="scores").score
soft_accuracy = _mean_metric("soft_accuracy", "soft accuracy", _soft_accuracy_items, uses="logits").score
_nats: dict[str, Any] = {"uses": "logits", "greater_is_better": False, "scale": 1.0, "unit": "nats"}
cross_entropy = _mean_metric("cross_entropy", "cross-entropy", _cross_entropy_items, **_nats).score
kl = _mean_metric("kl", "KL divergence", _kl_items, **_nats).score
jsd = _mean_metric("jsd", "Jensen-Shannon divergence", _jsd_items, **_nats).score
