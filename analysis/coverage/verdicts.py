"""Verdicts of the deciding interval on many studies at once; arrays have the shape ``(studies, seeds, items)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.crossed import is_constant, is_near_constant, item_covariance, split, variance_and_df
from analysis.scores import METRICS

Array = np.ndarray
LEVEL = 0.95


@dataclass(frozen=True)
class StudyComponents:
    """Components of the deciding interval of many studies.

    Attributes:
        differences: ``(studies, seeds)`` differences of scores.
        covariance: ``(studies, seeds, seeds)`` covariance of the differences under resampling of items.
        is_constant: ``(studies, seeds)`` True where a seed pair holds a constant run.
        is_near_constant: ``(studies,)`` True where a run is nearly constant.
        n_items: number of items of each study.
    """

    differences: Array
    covariance: Array
    is_constant: Array
    is_near_constant: Array
    n_items: int


def measure(a: Array, b: Array, labels: Array, metric: str) -> StudyComponents:
    """Return the components of every study's interval, as :func:`analysis.crossed.components` does for one study."""
    scoring, labels = METRICS[metric], labels[:, None]
    if scoring.influence is None:
        values = ((a == labels).view(np.int8) - (b == labels).view(np.int8)).astype(np.float32)
        constant = np.zeros(a.shape[:2], dtype=bool)
        is_near = constant[:, 0]
    else:
        values = scoring.influence(labels, a) - scoring.influence(labels, b)
        constant = is_constant(a) | is_constant(b)
        is_near = np.any([is_near_constant(labels[:, 0], arm, scoring).any(-1) for arm in (a, b)], axis=0)
    return StudyComponents(values.mean(-1), item_covariance(values), constant, is_near, a.shape[-1])


def p_values(differences: Array, covariance: Array, n_items: int) -> Array:
    """Return ``(studies,)`` p values of the deciding intervals."""
    from scipy.special import stdtr

    n_seeds = differences.shape[-1]
    seeds, estimate = differences.var(-1, ddof=1) / n_seeds, np.abs(differences.mean(-1))
    variance, df = variance_and_df(seeds, *split(covariance), n_seeds, n_items - 1)
    t = np.divide(estimate, np.sqrt(variance), out=np.where(estimate > 0, np.inf, 0.0), where=variance > 0)
    return np.asarray(2 * stdtr(df, -t))


def decide(studies: StudyComponents) -> tuple[Array, Array]:
    """Return ``(studies,)`` signs of the significant differences (0 for none), and True where a verdict is withheld.

    It is withheld where a run is near-constant, and where leaving out the seed pairs with a constant run changes the
    verdict or leaves fewer than two pairs.
    """
    verdicts = _verdicts(studies.differences, studies.covariance, studies.n_items)
    withheld = studies.is_near_constant.copy()
    patterns, group = np.unique(studies.is_constant, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        members, varying = np.flatnonzero(group.ravel() == number), np.flatnonzero(~pattern)
        if len(varying) < 2:
            withheld[members] = True
        elif pattern.any():
            covariance = studies.covariance[np.ix_(members, varying, varying)]
            reduced = _verdicts(studies.differences[np.ix_(members, varying)], covariance, studies.n_items)
            withheld[members] |= reduced != verdicts[members]
    return verdicts, withheld


def _verdicts(differences: Array, covariance: Array, n_items: int) -> Array:
    is_found = p_values(differences, covariance, n_items) <= 1 - LEVEL + 1e-12
    return np.where(is_found, np.sign(differences.mean(-1)), 0.0)
