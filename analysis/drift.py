"""Decide whether a score or loss has moved since a baseline; the regression gate uses these rules.

*Paired*: on the same machine with the same versions, a run is bit-identical to the baseline's run of the same seed, so
any difference comes from a change of the computation. *Unpaired*: elsewhere rounding differs and training amplifies it,
so that a run is no closer to the baseline's run of its seed than to those of other seeds. Then the baseline's spread
over seeds decides.

Both sides are scored on the same items and the question is about these items, so seeds are the only random factor. (A
claim about methods also covers new items: :mod:`analysis.crossed`.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FAILED = ("worse", "shifted", "gone")


@dataclass(frozen=True)
class Drift:
    """Change of a score or loss against its baseline.

    Attributes:
        before: mean over seeds of the baseline (geometric where logarithms are compared).
        now: the same of the new runs.
        difference: ``now - before``; for a paired loss part, that of the seed that moved most.
        low: lower end of the interval of the difference; the value has moved if 0 lies outside the interval.
        high: upper end.
        verdict: same; within noise; better or worse (a score); shifted (a loss part, in either direction); new or gone
            where only one side has the value, or a score is not finite.
    """

    before: float
    now: float
    difference: float
    low: float
    high: float
    verdict: str

    @property
    def failed(self) -> bool:
        """True if the change must stop a release: worse, shifted or gone."""
        return self.verdict in FAILED


def paired_part(before: Sequence[float], after: Sequence[float], tolerance: float) -> Drift:
    """Compare a loss part at equal seeds: each seed must agree within ``tolerance``, relative to its baseline."""
    b, x = np.asarray(before, float), np.asarray(after, float)
    difference = x - b
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(difference == 0, 0.0, np.abs(difference / b))
    worst = int(relative.argmax())
    verdict = "same" if relative[worst] <= tolerance else "shifted"
    return _drift(b.mean(), x.mean(), difference[worst], tolerance * abs(b[worst]), verdict)


def paired_score(
    before: Sequence[float],
    after: Sequence[float],
    *,
    spread: float,
    tolerance: float,
    greater_is_better: bool = True,
    level: float = 0.95,
) -> Drift:
    """Compare a score at equal seeds by Student's interval of the mean difference over seeds.

    There is no correction for the number of scores, because unchanged code gives equal scores.

    Args:
        before: the baseline's score of each seed.
        after: the new score of each seed, in the same order.
        spread: standard deviation over seeds in the baseline; used where there is one seed only.
        tolerance: largest difference of a seed's equal scores; the last digits of a correlation depend on the order of
            summation.
        greater_is_better: False for errors and divergences.
        level: level of the interval.
    """
    b, x = np.asarray(before, float), np.asarray(after, float)
    d = x - b
    if (np.abs(d) <= tolerance).all():
        return _drift(b.mean(), x.mean(), 0.0, 0.0, "same")
    if len(d) > 1:
        half = _quantile(0.5 + level / 2, len(d) - 1) * float(d.std(ddof=1)) / math.sqrt(len(d))
    else:
        half = _quantile(0.5 + level / 2, math.inf) * math.sqrt(2) * spread
    return _score_drift(b.mean(), x.mean(), half, greater_is_better)


def unpaired_part(before: Sequence[float], after: Sequence[float], *, alarm: float, floor: float) -> Drift:
    """Compare a loss part at any seeds with the baseline's distribution over seeds.

    Parts that are positive in the whole baseline are compared by their logarithm, because they vary by factors.

    Args:
        before: the baseline's value of each seed.
        after: the new value of each seed.
        alarm: two-sided probability of a false alarm.
        floor: smallest relative difference that counts, for parts that hardly differ between seeds.
    """
    b, x = np.asarray(before, float), np.asarray(after, float)
    logarithmic = bool((b > 0).all())
    if logarithmic and (x <= 0).any():
        return _drift(b.mean(), x.mean(), x.mean() - b.mean(), 0.0, "shifted")
    if not logarithmic:
        half = max(_margin(b, len(x), alarm / 2), floor * abs(b.mean()))
        verdict = "within noise" if abs(x.mean() - b.mean()) <= half else "shifted"
        return _drift(b.mean(), x.mean(), x.mean() - b.mean(), half, verdict)
    half = max(_margin(np.log(b), len(x), alarm / 2), floor)
    baseline_mean, new_mean = float(np.exp(np.log(b).mean())), float(np.exp(np.log(x).mean()))
    verdict = "within noise" if abs(math.log(new_mean / baseline_mean)) <= half else "shifted"
    low, high = new_mean - baseline_mean * math.exp(half), new_mean - baseline_mean * math.exp(-half)
    return Drift(baseline_mean, new_mean, new_mean - baseline_mean, low, high, verdict)


def unpaired_score(
    before: Sequence[float], after: Sequence[float], *, alarm: float, spread: float, greater_is_better: bool = True
) -> Drift:
    """Compare the mean score of new runs, at any seeds, with the baseline's spread over seeds.

    The larger spread of both sides counts. Occasionally a run does not learn; if only one of the new runs fails, this
    widens their spread instead of giving a false alarm. A fault in the code lowers all runs.

    Args:
        before: the baseline's score of each seed.
        after: the new score of each seed.
        alarm: one-sided probability of a false alarm.
        spread: smallest standard deviation to assume, because a row's seeds may agree by chance.
        greater_is_better: False for errors and divergences.
    """
    b, x = np.asarray(before, float), np.asarray(after, float)
    new_spread = float(x.std(ddof=1)) if len(x) > 1 else 0.0
    half = _margin(b, len(x), alarm, smallest_spread=max(spread, new_spread))
    return _score_drift(b.mean(), x.mean(), half, greater_is_better)


def pooled_spread(groups: Sequence[Sequence[float]]) -> float:
    """Return the root mean variance over seeds of several rows; 0 where no row has two seeds."""
    variances = [float(np.var(group, ddof=1)) for group in groups if len(group) > 1]
    return math.sqrt(float(np.mean(variances))) if variances else 0.0


def _margin(before: np.ndarray, n_after: int, tail: float, smallest_spread: float = 0.0) -> float:
    """Return half the width of the prediction interval for the mean of ``n_after`` new seeds.

    For loss parts the spread is that of the baseline only: a fault that also scatters the new runs must not hide
    itself.
    """
    n = len(before)
    spread = max(float(before.std(ddof=1)), smallest_spread)
    return _quantile(1 - tail, n - 1) * spread * math.sqrt(1 / n + 1 / n_after)


def _score_drift(before: float, after: float, half: float, greater_is_better: bool) -> Drift:
    """Return the drift of a score whose change is noise while it is smaller than ``half``."""
    difference = after - before
    gain = difference if greater_is_better else -difference
    verdict = "better" if gain > half else "worse" if gain < -half else "within noise"
    if not math.isfinite(difference):  # NaN lies within no interval, and outside none
        verdict = "gone"
    return _drift(before, after, difference, half, verdict)


def _drift(before: float, after: float, difference: float, half: float, verdict: str) -> Drift:
    before, after, difference, half = float(before), float(after), float(difference), float(half)
    return Drift(before, after, difference, difference - half, difference + half, verdict)


def _quantile(probability: float, df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if math.isinf(df) else stdtrit(df, probability))
