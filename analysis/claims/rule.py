"""The decision rule that was fixed before the runs (docs/statistics.md): from intervals to a verdict.

For a claimed difference, in this order:

- **supported**: the interval lies beyond 0 in the claimed direction ("smaller than claimed" if its far end stays below
  the paper's size);
- **contradicted**: it lies beyond 0 in the other direction;
- **no relevant effect**: the 90 % interval lies inside the bound;
- **below the claimed size** (only for sizes between 0 and 1 point, which have no bound): the one-sided 95 % end lies
  below the size;
- **inconclusive**: none of these.

"No worse" is supported where the interval does not reach the margin on the worse side, and contradicted where it lies
wholly beyond it. "The same" is supported where the 90 % interval lies inside the margin, and contradicted where the
interval lies wholly outside.

There is **no verdict** where a run's answers are nearly constant, or where the verdict would change without the seed
pairs that hold a constant run, because the scores of constant runs are conventions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.claims.claim import (
    BELOW_SIZE,
    CONTRADICTED,
    INCONCLUSIVE,
    LEVEL,
    NO_EFFECT,
    NO_VERDICT,
    POINTS,
    SMALLER,
    SUPPORTED,
    Outcome,
    Verdict,
    opposite_sides,
)
from analysis.crossed import Components, combine
from analysis.descriptive import equivalence, holm
from analysis.interval import Interval
from analysis.schema import Claim

SMALLEST_BOUND = 0.5  # points of accuracy: the largest irrelevant effect where the paper gives no size
CORRELATION_BOUND = 1.0  # points of F1 and correlations: the same
METRICS_WITH_WIDER_BOUND = ("f1", "f1_named", "macro_f1", "matthews", "pearson", "spearman")
StatusAndSuffix = tuple[str, str]


@dataclass(frozen=True)
class Measure:
    """Reference values that intervals are compared with, in the unit of the intervals.

    Attributes:
        sign: 1 where greater is claimed, -1 where less is.
        size: the claimed size, or None.
        bound: the largest irrelevant effect. None: no effect is irrelevant, so "no relevant effect" is never reached.
        unit: unit of the intervals.
    """

    sign: float
    size: float | None
    bound: float | None
    unit: str = POINTS

    @property
    def has_small_size(self) -> bool:
        """True if the claimed size is below a point: no number of items could exclude half of it."""
        return self.unit == POINTS and self.size is not None and 0 < self.size < 1


def bound_of(claim: Claim, metrics: Sequence[str] = (), unit: str = POINTS) -> float | None:
    """Return the largest irrelevant effect of a claim.

    This is the stated bound (of sameness: the margin), else half the claimed size if that is a point or more. Without a
    size it is 0.5 points, or 1.0 where all metrics are F1 or correlations. It is None for sizes below a point and,
    unless the claim states a bound, for nats and ratios.
    """
    stated = claim.margin if claim.within else claim.bound
    if stated is not None:
        return stated
    if unit != POINTS:
        return None
    if claim.size and not claim.within:
        return claim.size / 2 if claim.size >= 1 else None
    return (
        CORRELATION_BOUND
        if metrics and all(metric in METRICS_WITH_WIDER_BOUND for metric in metrics)
        else SMALLEST_BOUND
    )


def margin_of(claim: Claim, metrics: Sequence[str] = ()) -> float:
    """Return the margin of a claim that rows hardly differ: the stated one, else the bound without a size."""
    if claim.margin is not None:
        return claim.margin
    return bound_of(replace(claim, size=None), metrics) or SMALLEST_BOUND


def judge(
    claim: Claim,
    parts: Mapping[str, Components],
    mean: Components | None = None,
    *,
    metrics: Mapping[str, str] | None = None,
    unit: str = POINTS,
) -> Verdict:
    """Return the verdict on a claim from the variance components of each part.

    A claim of the project itself is decided on each part separately, with Holm's correction over the parts.

    Args:
        claim: the claim.
        parts: components of a - b of each part (task), in ``unit``.
        mean: components of the mean over parts that share items; None: the parts are independent.
        metrics: metric of each part, for the bound.
        unit: unit of the components.
    """
    per_task = {task: combine([part], level=LEVEL) for task, part in parts.items()}
    metrics = metrics or {}
    if claim.is_project_claim:
        return _per_task(claim, per_task, metrics, unit)
    interval = combine([mean] if mean is not None else list(parts.values()), level=LEVEL)
    return decide_by(
        claim, interval, per_task, Measure(claim.sign, claim.size, bound_of(claim, [*metrics.values()], unit), unit)
    )


def decide_by(claim: Claim, mean: Interval, per_task: Mapping[str, Interval], measure: Measure) -> Verdict:
    """Return the verdict from the intervals that the claim's quantifier refers to, or no verdict with a reason."""
    deciding = [mean] if claim.quantifier == "average" else list(per_task.values())
    parts = list(per_task.values())
    status, suffix = _outcome(claim, mean, parts, measure)
    if reason := _reason_against(deciding, lambda keep: _outcome(claim, keep(mean), [keep(p) for p in parts], measure)):
        return replace(verdict(claim, mean, per_task, NO_VERDICT), reason=reason)
    p = p_value(claim, mean, parts, measure, status)
    return replace(verdict(claim, mean, per_task, status, suffix), p=p, unit=measure.unit)


def _outcome(claim: Claim, mean: Interval, parts: Sequence[Interval], measure: Measure) -> StatusAndSuffix:
    if claim.within:
        return _no_worse(mean, measure, is_two_sided=claim.direction == "the same"), ""
    return settle(claim.quantifier, mean, parts, measure)


def settle(quantifier: str, mean: Interval, parts: Sequence[Interval], measure: Measure) -> StatusAndSuffix:
    """Return status and suffix by the rule of the claim's quantifier."""
    return RULES[quantifier](mean, parts, measure)


def verdict(claim: Claim, mean: Interval, per_task: Mapping[str, Interval], status: str, suffix: str = "") -> Verdict:
    """Return a verdict with its numbers."""
    narrow = mean.at(0.90)
    return Verdict(
        claim, status, suffix, mean, per_task, equivalence=(narrow.low, narrow.high), p=mean.p, n_seeds=mean.n_seeds
    )


def _per_task(claim: Claim, per_task: Mapping[str, Interval], metrics: Mapping[str, str], unit: str) -> Verdict:
    """Return the verdict of a claim that is decided per task, with Holm's correction over the tasks."""
    single_task_claim = replace(claim, quantifier="average")
    verdicts: dict[str, Verdict] = {}
    for task, interval in per_task.items():
        bound = bound_of(claim, [metrics[task]] if task in metrics else [], unit)
        verdicts[task] = decide_by(
            single_task_claim, interval, {task: interval}, Measure(claim.sign, claim.size, bound, unit)
        )
    counted = {task: task_verdict for task, task_verdict in verdicts.items() if task_verdict.status != NO_VERDICT}
    adjusted: Iterable[float] = holm([task_verdict.p for task_verdict in counted.values()]) if counted else ()
    outcomes = {
        task: Outcome(after_holm(task_verdict.status, float(p)), task_verdict.p, float(p))
        for (task, task_verdict), p in zip(counted.items(), adjusted, strict=True)
    }
    status, suffix = _summary(outcomes)
    reason = "; ".join(
        f"{task}: {task_verdict.reason}" for task, task_verdict in verdicts.items() if task_verdict.status == NO_VERDICT
    )
    first = next(iter(verdicts.values()))
    if len(verdicts) == 1:
        return replace(first, claim=claim, outcomes=outcomes)
    p = min((outcome.adjusted for outcome in outcomes.values()), default=math.nan)
    n_seeds = first.n_seeds
    return Verdict(claim, status, suffix, None, per_task, outcomes, None, reason, p, n_seeds, unit)


def after_holm(status: str, adjusted: float) -> str:
    """Return the status of one of several comparisons after Holm's correction over them."""
    return INCONCLUSIVE if status in (SUPPORTED, CONTRADICTED) and adjusted > 1 - LEVEL else status


def _summary(outcomes: Mapping[str, Outcome]) -> StatusAndSuffix:
    """Summarise tasks: supported (contradicted) if a task is and none is the opposite; else the common status."""
    if not outcomes:
        return NO_VERDICT, ""
    statuses = [outcome.status for outcome in outcomes.values()]
    if sides := opposite_sides(outcomes, {}):
        return INCONCLUSIVE, sides
    for status in (SUPPORTED, CONTRADICTED):
        if status in statuses:
            return status, ""
    return (statuses[0] if len(set(statuses)) == 1 else INCONCLUSIVE), ""


def _reason_against(
    intervals: Sequence[Interval], outcome: Callable[[Callable[[Interval], Interval]], StatusAndSuffix]
) -> str:
    """Return the reason why no verdict is allowed, or "".

    Reasons are nearly constant answers, and a verdict that depends on constant runs.
    """
    if reason := next((interval.withheld for interval in intervals if interval.withheld), ""):
        return reason
    if all(interval.without_constant is None for interval in intervals):
        return ""
    status_with, _ = outcome(lambda interval: interval)
    status_without, _ = outcome(lambda interval: interval.without_constant or interval)
    if status_with == status_without:
        return ""
    pairs = max(len(interval.constant_seeds) for interval in intervals)
    return (
        f"near-constant: in {pairs} of {intervals[0].n_seeds} seed pairs a run gives one answer to all items; "
        f"with them it would be {status_with}, without them {status_without}"
    )


def _no_worse(mean: Interval, measure: Measure, is_two_sided: bool) -> str:
    """Return the status of "no worse by more than the margin" (non-inferiority), or, two-sided, of "the same"."""
    margin = SMALLEST_BOUND if measure.bound is None else measure.bound
    if is_two_sided:
        return flat([mean], margin)
    low, high = (end + margin for end in _towards(mean, measure.sign))
    if low > 0:
        return SUPPORTED
    return CONTRADICTED if high < 0 else INCONCLUSIVE


def flat(parts: Sequence[Interval], bound: float) -> str:
    """Return the status of "all differences are too small to matter".

    Supported: every 90 % interval lies inside the bound (intersection-union). Contradicted: a 95 % interval lies wholly
    outside it (Holm over all).
    """
    if all(equivalence(part, bound).holds for part in parts):
        return SUPPORTED
    p_values = [_p_beyond(part, bound) for part in parts]
    return CONTRADICTED if min(holm(p_values)) <= 1 - LEVEL else INCONCLUSIVE


def inside(interval: Interval, low: float, high: float) -> str:
    """Return the status of "a quantity lies between two values".

    Supported: its interval lies wholly inside. Contradicted: it lies wholly outside.
    """
    if low <= interval.low and interval.high <= high:
        return SUPPORTED
    return CONTRADICTED if interval.high < low or interval.low > high else INCONCLUSIVE


def flat_p(parts: Sequence[Interval], margin: float, status: str) -> float:
    """Return the p of the test behind :func:`flat`: two one-sided tests of each part, or of the farthest part."""
    if status == CONTRADICTED:
        return float(min(holm([_p_beyond(part, margin) for part in parts])))
    return max(equivalence(part, margin).p for part in parts)


def inside_p(interval: Interval, low: float, high: float) -> float:
    """Return the two-sided p of the nearer end of a range; it is small if the interval is clearly inside or outside."""
    return max(p_of_shift(interval, low), p_of_shift(interval, high))


def p_of_shift(interval: Interval, value: float) -> float:
    """Return the two-sided p of "the quantity is ``value``"."""
    return _p_of_zero(interval.estimate - value, interval)


def p_value(claim: Claim, mean: Interval, parts: Sequence[Interval], measure: Measure, status: str) -> float:
    """Return the two-sided p of the test behind a verdict: small where the claim is supported or contradicted.

    It is corrected over the claim's parts where the quantifier requires a correction.
    """
    margin = measure.bound or SMALLEST_BOUND
    if claim.within and claim.direction == "the same":
        return _p_beyond(mean, margin) if status == CONTRADICTED else equivalence(mean, margin).p
    if claim.within:
        return _p_of_zero(mean.estimate + measure.sign * margin, mean)
    if claim.quantifier == "average":
        return mean.p
    directed = [part.p if part.estimate * measure.sign > 0 else 1.0 for part in parts]
    if claim.quantifier == "every":
        return float(min(holm([part.p for part in parts]))) if status == CONTRADICTED else max(directed)
    return max(part.p for part in parts) if status == CONTRADICTED else float(min(holm(directed)))


def _p_beyond(interval: Interval, bound: float) -> float:
    """Return the two-sided p of "the difference is within the bound"; 1 where the estimate is within it."""
    excess = abs(interval.estimate) - bound
    return _p_of_zero(excess, interval) if excess > 0 else 1.0


def _p_of_zero(distance: float, interval: Interval) -> float:
    """Return the two-sided p of "the distance is 0", with the interval's standard error."""
    from scipy.special import stdtr

    if interval.se > 0:
        return 2 * float(stdtr(interval.df, -abs(distance) / interval.se))
    return float(distance == 0)


def _average(mean: Interval, parts: Sequence[Interval], measure: Measure) -> StatusAndSuffix:
    low, high = _towards(mean, measure.sign)
    if low > 0:
        return SUPPORTED, _suffix(high, measure)
    if high < 0:
        return CONTRADICTED, ""
    return _undecided([mean], measure, any), ""


def _every(mean: Interval, parts: Sequence[Interval], measure: Measure) -> StatusAndSuffix:
    """Decide "on every task".

    Supported: each part is, at its own 5 % level (intersection-union, no correction). Contradicted: a part lies in the
    other direction after Holm's correction, because any of the parts may contradict.
    """
    ends = [_towards(part, measure.sign) for part in parts]
    if all(low > 0 for low, _ in ends):
        return SUPPORTED, _suffix(min(high for _, high in ends), measure)
    if any(p <= 1 - LEVEL and high < 0 for p, (_, high) in zip(holm([t.p for t in parts]), ends, strict=True)):
        return CONTRADICTED, ""
    return _undecided(parts, measure, any), ""


def _any(mean: Interval, parts: Sequence[Interval], measure: Measure) -> StatusAndSuffix:
    """Decide "on at least one task".

    Supported: a part is, after Holm's correction. Contradicted: every part lies in the other direction.
    """
    ends = [_towards(part, measure.sign) for part in parts]
    adjusted = holm([part.p for part in parts])
    far_ends = [high for p, (low, high) in zip(adjusted, ends, strict=True) if p <= 1 - LEVEL and low > 0]
    if far_ends:
        return SUPPORTED, _suffix(max(far_ends), measure)
    if all(high < 0 for _, high in ends):
        return CONTRADICTED, ""
    return _undecided(parts, measure, all), ""


RULES: dict[str, Callable[[Interval, Sequence[Interval], Measure], StatusAndSuffix]] = {
    "average": _average,
    "every": _every,
    "any": _any,
}


def _suffix(far_end: float, measure: Measure) -> str:
    return SMALLER if measure.size is not None and far_end < measure.size else ""


def _undecided(parts: Sequence[Interval], measure: Measure, quantify: Callable[[Sequence[bool]], bool]) -> str:
    """Return the status of intervals that neither support nor contradict a claim.

    Args:
        parts: the intervals.
        measure: size and bound of the claim.
        quantify: ``any`` where a single part below the claimed size refutes it (Bonferroni over the parts), ``all``
            where every part must be below it.
    """
    bound = measure.bound
    if bound is not None and all(equivalence(part, bound).holds for part in parts):
        return NO_EFFECT
    if measure.has_small_size:
        share = (1 - LEVEL) / (len(parts) if quantify is any else 1)
        if quantify([_is_below_size(part, measure, 1 - 2 * share) for part in parts]):
            return BELOW_SIZE
    return INCONCLUSIVE


def _is_below_size(part: Interval, measure: Measure, level: float) -> bool:
    """Return True if the interval holds 0 and its one-sided end lies below the claimed size."""
    low, high = _towards(part, measure.sign)
    return low <= 0 <= high and _towards(part.at(level), measure.sign)[1] < (measure.size or 0.0)


def _towards(interval: Interval, sign: float) -> tuple[float, float]:
    """Return both ends of an interval, with the claimed direction as the positive one."""
    return (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)
