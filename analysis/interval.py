"""An estimated difference with its interval, and the checks every comparison of two arms starts with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.scores import METRICS, Metric

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimated difference ``a - b`` with its two-sided interval.

    Attributes:
        estimate: difference of the seed means, a fraction.
        low, high: ends of the interval at ``level``.
        p: two-sided, of "no difference"; nan where the method tests nothing.
        n_seeds, n_items: what it rests on.
        method: which question was answered, in words.
        se, df: standard error and degrees of freedom, where the method has them.
        withheld: why no verdict may be drawn, equivalence included ("near-constant: ..."); "" where one may.
        constant_seeds: positions (from 0) of the seed pairs in which a run gives one answer to all items.
        without_constant: the interval without those seed pairs; a verdict counts only where it is the same there. None
            where there are no such pairs, or fewer than two others.
    """

    estimate: float
    low: float
    high: float
    p: float
    n_seeds: int
    n_items: int
    method: str
    level: float = 0.95
    se: float = math.nan
    df: float = math.nan
    withheld: str = ""
    constant_seeds: tuple[int, ...] = ()
    without_constant: Interval | None = None

    def at(self, level: float) -> Interval:
        """The same estimate at another level. Raises ValueError for methods without a standard error."""
        if math.isnan(self.se):
            raise ValueError(f"{self.method} has no standard error to widen")
        other = t_interval(self.estimate, self.se**2, self.df, self.n_seeds, self.n_items, self.method, level)
        return replace(
            other,
            withheld=self.withheld,
            constant_seeds=self.constant_seeds,
            without_constant=self.without_constant.at(level) if self.without_constant else None,
        )


def checked_pair(
    a: ArrayLike, b: ArrayLike, metric: str | None, labels: ArrayLike | None
) -> tuple[Array, Array, Metric | None]:
    """Both arms as arrays, with the metric. Raises ValueError where shapes, values or arguments do not fit together."""
    x, y = np.asarray(a), np.asarray(b)
    if metric is not None and metric not in METRICS:
        raise ValueError(f"no metric named {metric!r}; there are: {', '.join(METRICS)}")
    chosen = METRICS[metric] if metric is not None else None
    wanted = 3 if chosen is not None and chosen.uses == "logits" else 2
    if x.shape != y.shape or x.ndim != wanted:
        raise ValueError(
            f"a and b must both be (seeds, items{', classes' * (wanted == 3)}); got {x.shape} and {y.shape}"
        )
    if x.shape[0] < 1 or x.shape[1] < 2:
        raise ValueError(f"an interval needs at least one seed and two items; got {x.shape}")
    if (metric is None) != (labels is None):
        raise ValueError("give metric and labels together, or neither")
    if labels is not None and len(np.asarray(labels)) != x.shape[1]:
        raise ValueError(f"{len(np.asarray(labels))} labels for {x.shape[1]} items")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("scores and predictions must be finite")
    if labels is not None and not np.isfinite(np.asarray(labels)).all():
        raise ValueError("labels must be finite")
    if chosen is None:
        x, y = x.astype(np.float64), y.astype(np.float64)
    return x, y, chosen


def t_interval(
    estimate: float, variance: float, df: float, n_seeds: int, n_items: int, method: str, level: float
) -> Interval:
    """Student's t around ``estimate``; a variance of 0 gives a point, and p = 1 or 0."""
    from scipy.special import stdtr, stdtrit  # Student's t alone: a tenth of scipy.stats's import time

    se = math.sqrt(variance)
    half = float(stdtrit(df, 0.5 + level / 2)) * se
    p = 2 * float(stdtr(df, -abs(estimate) / se)) if se > 0 else float(estimate == 0)
    return Interval(estimate, estimate - half, estimate + half, p, n_seeds, n_items, method, level, se, df)
