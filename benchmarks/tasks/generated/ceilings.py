"""Best reachable scores on dev, in closed form: those of a model that knows each item's true label and type."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.tasks.generated.annotators import ANNOTATORS, Panel, majority_chances

Confusion = Callable[[float, float, float, float], float]  # metric(tp, fp, fn, tn) of shares that sum to 1


def matthews(tp: float, fp: float, fn: float, tn: float) -> float:
    """Return the Matthews correlation; 0 where a row or a column of the table is empty."""
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / product**0.5 if product else 0.0


def f1(tp: float, fp: float, fn: float, tn: float) -> float:
    """Return F1 of the positive class."""
    return 2 * tp / (2 * tp + fp + fn)


def binary_ceiling(metric: Confusion, panel: Panel, prior: Sequence[float]) -> float:
    """Return the best score of all rules that call an item positive when its chance of gold label 1 is high enough.

    Items with one true label and type are alike, so there are ``2 * types`` chances and one rule between each two.
    """
    mass = np.outer(prior, panel.weights).ravel()
    chance = np.array([majority_chances(panel.votes(label, tau))[1] for label in (0, 1) for tau in panel.types])
    order = np.argsort(-chance)
    mass, chance = mass[order], chance[order]
    tp, fp = np.cumsum(mass * chance), np.cumsum(mass * (1 - chance))
    return max(float(metric(t, f, tp[-1] - t, fp[-1] - f)) for t, f in zip(tp, fp, strict=True))


def pearson_ceiling(mass: np.ndarray, q: np.ndarray) -> float:
    """Return the correlation of an item's expected score with the mean of its annotators' scores.

    ``sqrt(Var(mu) / (Var(mu) + E[sigma^2] / 5))``, with mu and sigma^2 the mean and variance of one annotator's score.

    Args:
        mass: ``(cells,)`` shares of the kinds of items; sums to 1.
        q: ``(cells, scores)`` distribution of one annotator's score, from 0 upwards.
    """
    scores = np.arange(q.shape[1])
    mean = q @ scores
    noise = (q @ scores**2 - mean**2) / ANNOTATORS
    signal = mass @ mean**2 - (mass @ mean) ** 2
    return float(np.sqrt(signal / (signal + mass @ noise)))


def spearman_ceiling(mass: np.ndarray, q: np.ndarray) -> float:
    """Return the rank correlation of an item's expected score with the sum of its annotators' scores.

    Ties share their mean rank, so the rank of a value is ``P(less) + P(equal) / 2``.
    """
    sums = np.stack([_sum_of(row, ANNOTATORS) for row in q])
    mean, cell = np.unique((q @ np.arange(q.shape[1])).round(12), return_inverse=True)
    joint = np.zeros((len(mean), sums.shape[1]))
    np.add.at(joint, cell, mass[:, None] * sums)
    rows, columns = joint.sum(1), joint.sum(0)
    a, b = rows.cumsum() - rows / 2, columns.cumsum() - columns / 2
    a, b = a - rows @ a, b - columns @ b
    return float(a @ joint @ b / np.sqrt((rows @ a**2) * (columns @ b**2)))


def _sum_of(q: np.ndarray, n: int) -> np.ndarray:
    """Return the distribution of the sum of n draws from q over 0, 1, 2, ..."""
    total = np.ones(1)
    for _ in range(n):
        total = np.convolve(total, q)
    return total
