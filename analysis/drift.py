"""Has a figure moved since a baseline was taken? What the regression gate decides by.

Where a run is bit-identical to the baseline's run of the same seed (same machine, same versions), any difference is a
change of what is computed: *paired*. Elsewhere rounding differs, training amplifies it, and the run of a seed is no
nearer to its baseline than another seed's would be: *unpaired*, and the baseline's spread over seeds decides.

The items a score is computed on are the same before and now, and the question is about them alone, so seeds are the
only random factor here. (A claim about methods speaks of new items too: :mod:`analysis.crossed`.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FAILED = ("worse", "shifted", "gone")


@dataclass(frozen=True)
class Drift:
    """How a figure stands to its baseline.

    Attributes:
        before, now: means over seeds (geometric where the figure is compared by its logarithm).
        difference: ``now - before``; of a paired loss part that of the seed that moved most.
        low, high: interval of the difference; the figure has moved if 0 lies outside.
        verdict: same; within noise; better or worse (a score); shifted (a part, either way); new or gone where only one
            side has it.
    """

    before: float
    now: float
    difference: float
    low: float
    high: float
    verdict: str

    @property
    def failed(self) -> bool:
        return self.verdict in FAILED


def paired_part(before: Sequence[float], now: Sequence[float], tolerance: float) -> Drift:
    """A loss part at equal seeds: each seed must agree within ``tolerance``, relative to its baseline."""
    b, x = np.asarray(before, float), np.asarray(now, float)
    difference = x - b
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(difference == 0, 0.0, np.abs(difference / b))
    worst = int(relative.argmax())
    verdict = "same" if relative[worst] <= tolerance else "shifted"
    return _drift(b.mean(), x.mean(), difference[worst], tolerance * abs(b[worst]), verdict)


def paired_score(
    before: Sequence[float],
    now: Sequence[float],
    *,
    spread: float,
    tolerance: float,
    greater_is_better: bool = True,
    level: float = 0.95,
) -> Drift:
    """A score at equal seeds: Student's interval of the mean difference over seeds.

    There is no correction for the number of scores: code that computes the same gives equal scores.

    Args:
        tolerance: up to which a seed's scores are equal: a correlation's last digits hang on the order of its sums.
        spread: standard deviation over seeds in the baseline; stands in where one seed gives no spread of its own, or
            seeds moved by exactly the same.
    """
    b, x = np.asarray(before, float), np.asarray(now, float)
    d = x - b
    if (np.abs(d) <= tolerance).all():
        return _drift(b.mean(), x.mean(), 0.0, 0.0, "same")
    if len(d) > 1:
        half = _quantile(0.5 + level / 2, len(d) - 1) * float(d.std(ddof=1)) / math.sqrt(len(d))
    else:
        half = _quantile(0.5 + level / 2, math.inf) * math.sqrt(2) * spread
    return _scored(b.mean(), x.mean(), half, greater_is_better)


def unpaired_part(before: Sequence[float], now: Sequence[float], *, alarm: float, floor: float) -> Drift:
    """A loss part at any seeds: does the mean of the new runs belong to the baseline's distribution over seeds?

    Parts that are positive throughout the baseline are compared by their logarithm, since their spread is in factors.

    Args:
        alarm: two-sided probability of an alarm where nothing changed.
        floor: smallest relative difference that counts, for parts that hardly differ between seeds.
    """
    b, x = np.asarray(before, float), np.asarray(now, float)
    logarithmic = bool((b > 0).all())
    if logarithmic and (x <= 0).any():
        return _drift(b.mean(), x.mean(), x.mean() - b.mean(), 0.0, "shifted")
    if not logarithmic:
        half = max(_margin(b, len(x), alarm / 2), floor * abs(b.mean()))
        verdict = "within noise" if abs(x.mean() - b.mean()) <= half else "shifted"
        return _drift(b.mean(), x.mean(), x.mean() - b.mean(), half, verdict)
    half = max(_margin(np.log(b), len(x), alarm / 2), floor)
    middle, new = float(np.exp(np.log(b).mean())), float(np.exp(np.log(x).mean()))
    verdict = "within noise" if abs(math.log(new / middle)) <= half else "shifted"
    low, high = new - middle * math.exp(half), new - middle * math.exp(-half)
    return Drift(middle, new, new - middle, low, high, verdict)


def unpaired_score(
    before: Sequence[float], now: Sequence[float], *, alarm: float, spread: float, greater_is_better: bool = True
) -> Drift:
    """A score at any seeds: is the mean of the new runs below what the spread over seeds explains?

    The larger spread of both sides counts. A run now and then does not learn at all: among the new ones alone it would
    look like a fall, and it shows as their spread. Faulty code makes all of them fall.

    Args:
        alarm: one-sided probability of an alarm where nothing changed.
        spread: the least standard deviation to reckon with: a row may have agreed on all seeds by luck.
    """
    b, x = np.asarray(before, float), np.asarray(now, float)
    own = float(x.std(ddof=1)) if len(x) > 1 else 0.0
    half = _margin(b, len(x), alarm, least=max(spread, own))
    return _scored(b.mean(), x.mean(), half, greater_is_better)


def pooled_spread(groups: Sequence[Sequence[float]]) -> float:
    """Root mean variance over seeds of several rows; 0 where no row has two seeds."""
    variances = [float(np.var(group, ddof=1)) for group in groups if len(group) > 1]
    return math.sqrt(float(np.mean(variances))) if variances else 0.0


def _margin(before: np.ndarray, n_now: int, tail: float, least: float = 0.0) -> float:
    """Half the prediction interval for the mean of ``n_now`` new seeds.

    For loss parts the spread is the baseline's alone: a fault that also scatters the new runs must not hide itself.
    """
    n = len(before)
    spread = max(float(before.std(ddof=1)), least)
    return _quantile(1 - tail, n - 1) * spread * math.sqrt(1 / n + 1 / n_now)


def _scored(before: float, now: float, half: float, greater_is_better: bool) -> Drift:
    difference = now - before
    gain = difference if greater_is_better else -difference
    verdict = "better" if gain > half else "worse" if gain < -half else "within noise"
    return _drift(before, now, difference, half, verdict)


def _drift(before: float, now: float, difference: float, half: float, verdict: str) -> Drift:
    before, now, difference, half = float(before), float(now), float(difference), float(half)
    return Drift(before, now, difference, difference - half, difference + half, verdict)


def _quantile(probability: float, df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if math.isinf(df) else stdtrit(df, probability))
