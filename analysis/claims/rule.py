"""The rule that was fixed before the runs (docs/statistics.md): from intervals to a verdict.

In this order: **supported** (the interval lies beyond 0 in the claimed direction; "smaller than claimed" where its far
end stays below the paper's size), **contradicted** (beyond 0 the other way), **no relevant effect** (the 90 % interval
lies inside the bound), else **inconclusive**. That one row is no worse than another is supported where the interval
does not reach the bound on the worse side, and contradicted where it lies wholly beyond it; that both are the same is
supported where the 90 % interval lies inside the bound, and contradicted where the interval lies wholly outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.claims.claim import (
    CONTRADICTED,
    INCONCLUSIVE,
    LEVEL,
    NO_EFFECT,
    SMALLER,
    SUPPORTED,
    Claim,
    Verdict,
)
from analysis.crossed import Components, combine
from analysis.descriptive import equivalence, holm
from analysis.interval import Interval

Outcome = tuple[str, str]


@dataclass(frozen=True)
class Measure:
    """What is held against the intervals, in their unit.

    Attributes:
        sign: 1 where greater is claimed, -1 where less is.
        size: what the paper claims, or None.
        bound: what does not matter; None: nothing is too small to matter, so "no relevant effect" is never found.
    """

    sign: float
    size: float | None
    bound: float | None


def judge(claim: Claim, parts: Mapping[str, Components], mean: Components | None = None) -> Verdict:
    """The verdict from each part's components (a - b, in points).

    Args:
        mean: of the mean over parts, where these share items; else they are taken as independent.
    """
    per_task = {task: combine([part], level=LEVEL) for task, part in parts.items()}
    whole = combine([mean] if mean is not None else list(parts.values()), level=LEVEL)
    measure = Measure(claim.sign, claim.size, claim.relevant)
    if claim.within:
        return verdict(claim, whole, per_task, _no_worse(whole, measure, both=claim.direction == "the same"))
    return verdict(claim, whole, per_task, *settle(claim.quantifier, whole, list(per_task.values()), measure))


def settle(quantifier: str, mean: Interval, parts: Sequence[Interval], measure: Measure) -> Outcome:
    """Status and suffix by the claim's quantifier."""
    return RULES[quantifier](mean, parts, measure)


def verdict(claim: Claim, mean: Interval, per_task: Mapping[str, Interval], status: str, suffix: str = "") -> Verdict:
    """A verdict with its numbers."""
    narrow = mean.at(0.90)
    return Verdict(claim, status, suffix, mean, per_task, (narrow.low, narrow.high), n_seeds=mean.n_seeds)


def _no_worse(mean: Interval, measure: Measure, both: bool) -> str:
    """Whether a difference is not on the wrong side by more than the bound (non-inferiority); ``both``: on neither."""
    if both:
        return flat([mean], measure.bound or 0.0)
    low, high = (end + (measure.bound or 0.0) for end in _towards(mean, measure.sign))
    if low > 0:
        return SUPPORTED
    return CONTRADICTED if high < 0 else INCONCLUSIVE


def flat(parts: Sequence[Interval], bound: float) -> str:
    """Whether all differences are too small to matter: supported where every 90 % interval lies inside the bound
    (intersection-union), contradicted where one 95 % interval lies wholly outside it (Holm over all)."""
    if all(equivalence(part, bound).holds for part in parts):
        return SUPPORTED
    beyond = [_beyond(part, bound) for part in parts]
    return CONTRADICTED if min(holm(beyond)) <= 1 - LEVEL else INCONCLUSIVE


def inside(interval: Interval, low: float, high: float) -> str:
    """Whether a quantity lies between two values: supported where its interval does, contradicted where it lies
    wholly outside."""
    if low <= interval.low and interval.high <= high:
        return SUPPORTED
    return CONTRADICTED if interval.high < low or interval.low > high else INCONCLUSIVE


def _beyond(interval: Interval, bound: float) -> float:
    """Two-sided p of "the difference is as large as the bound or smaller"; 1 where the estimate is."""
    from scipy.special import stdtr

    past = abs(interval.estimate) - bound
    if past <= 0:
        return 1.0
    return 2 * float(stdtr(interval.df, -past / interval.se)) if interval.se > 0 else 0.0


def _average(mean: Interval, parts: Sequence[Interval], measure: Measure) -> Outcome:
    low, high = _towards(mean, measure.sign)
    if low > 0:
        return SUPPORTED, _suffix(high, measure)
    if high < 0:
        return CONTRADICTED, ""
    return _within([mean], measure), ""


def _every(mean: Interval, parts: Sequence[Interval], measure: Measure) -> Outcome:
    """Supported: each part at its own 5 % (intersection-union, no correction). One part the other way contradicts;
    as any of them may, these are corrected (Holm)."""
    ends = [_towards(part, measure.sign) for part in parts]
    if all(low > 0 for low, _ in ends):
        return SUPPORTED, _suffix(min(high for _, high in ends), measure)
    if any(p <= 1 - LEVEL and high < 0 for p, (_, high) in zip(holm([t.p for t in parts]), ends, strict=True)):
        return CONTRADICTED, ""
    return _within(parts, measure), ""


def _any(mean: Interval, parts: Sequence[Interval], measure: Measure) -> Outcome:
    """Supported: at least one part after Holm's correction. Contradicted only if every part lies the other way."""
    ends = [_towards(part, measure.sign) for part in parts]
    adjusted = holm([part.p for part in parts])
    found = [high for p, (low, high) in zip(adjusted, ends, strict=True) if p <= 1 - LEVEL and low > 0]
    if found:
        return SUPPORTED, _suffix(max(found), measure)
    if all(high < 0 for _, high in ends):
        return CONTRADICTED, ""
    return _within(parts, measure), ""


RULES: dict[str, Callable[[Interval, Sequence[Interval], Measure], Outcome]] = {
    "average": _average,
    "every": _every,
    "any": _any,
}


def _suffix(far_end: float, measure: Measure) -> str:
    return SMALLER if measure.size is not None and far_end < measure.size else ""


def _within(parts: Sequence[Interval], measure: Measure) -> str:
    bound = measure.bound
    return NO_EFFECT if bound is not None and all(equivalence(part, bound).holds for part in parts) else INCONCLUSIVE


def _towards(interval: Interval, sign: float) -> tuple[float, float]:
    """Both ends with the claimed direction as the positive one."""
    return (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)
