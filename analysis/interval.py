"""An estimated difference with its interval, and the argument checks that every comparison of two arms needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.scores import METRICS, Metric

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """Estimated difference ``a - b`` with its two-sided interval.

    Attributes:
        estimate: difference of the seed means, a fraction.
        low: lower end of the interval at ``level``.
        high: upper end.
        p: two-sided p of "no difference"; nan where the method has no test.
        n_seeds: number of seeds.
        n_items: number of items; 0 for an interval over seeds only.
        method: the sampling model, in words.
        level: level of the interval.
        se: standard error; nan where the method has none.
        df: degrees of freedom; nan where the method has none.
        withheld: reason why no verdict is allowed, equivalence included ("near-constant: ..."); "" where one is.
        constant_seeds: positions (from 0) of the seed pairs in which a run gives the same answer to all items.
        without_constant: the interval without those seed pairs; a verdict counts only if it is the same there. None
            where there are no such pairs, or where fewer than two pairs remain.
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
        """Return the same estimate with an interval at another level.

        Raises:
            ValueError: the method has no standard error.
        """
        if math.isnan(self.se):
            raise ValueError(f"{self.method} has no standard error to widen")
        interval = t_interval(self.estimate, self.se**2, self.df, self.n_seeds, self.n_items, self.method, level)
        return replace(
            interval,
            withheld=self.withheld,
            constant_seeds=self.constant_seeds,
            without_constant=self.without_constant.at(level) if self.without_constant else None,
        )


def checked_pair(
    a: ArrayLike, b: ArrayLike, metric: str | None, labels: ArrayLike | None
) -> tuple[Array, Array, Metric | None]:
    """Return both arms as arrays, with the metric.

    Raises:
        ValueError: shapes, values or arguments are inconsistent.
    """
    x, y = np.asarray(a), np.asarray(b)
    if metric is not None and metric not in METRICS:
        raise ValueError(f"no metric named {metric!r}; there are: {', '.join(METRICS)}")
    scoring = METRICS[metric] if metric is not None else None
    n_dims = 3 if scoring is not None and scoring.uses == "logits" else 2
    if x.shape != y.shape or x.ndim != n_dims:
        raise ValueError(
            f"a and b must both be (seeds, items{', classes' * (n_dims == 3)}); got {x.shape} and {y.shape}"
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
    if scoring is None:
        x, y = x.astype(np.float64), y.astype(np.float64)
    return x, y, scoring


def t_interval(
    estimate: float, variance: float, df: float, n_seeds: int, n_items: int, method: str, level: float
) -> Interval:
    """Return Student's t interval around ``estimate``; a variance of 0 gives a point with p = 1 or 0."""
    from scipy.special import stdtr, stdtrit  # Student's t alone: a tenth of scipy.stats's import time

    se = math.sqrt(variance)
    half = float(stdtrit(df, 0.5 + level / 2)) * se
    p = 2 * float(stdtr(df, -abs(estimate) / se)) if se > 0 else float(estimate == 0)
    return Interval(estimate, estimate - half, estimate + half, p, n_seeds, n_items, method, level, se, df)
