"""A verdict with its numbers in one sentence."""

from __future__ import annotations

import math

from analysis.claims.averages import dominant
from analysis.claims.claim import INCONCLUSIVE, NATS, POINTS, TIMES, VALUE, Verdict
from analysis.interval import Interval
from analysis.tables import number, percent, probability

DIGITS = {POINTS: 1, NATS: 3, TIMES: 2, VALUE: 3}


def in_words(verdict: Verdict) -> str:
    """Return the verdict with its numbers in one sentence, without the claim's own words."""
    if verdict.parts:
        clauses = " ".join(f"({i}) {part.claim.clause}: {in_words(part)}" for i, part in enumerate(verdict.parts, 1))
        reason = f"{verdict.reason}. " if verdict.reason else ""
        return f"{verdict.words}: {reason}{clauses}"
    if not verdict.per_task:
        return f"{verdict.words}: {verdict.reason}."
    numbers = "; ".join(_numbers(verdict))
    reason = f"{verdict.reason}. As a description: " if verdict.reason else ""
    intervals = list(verdict.per_task.values())
    n_items = verdict.interval.n_items if verdict.interval else sum(interval.n_items for interval in intervals)
    items = f" × {n_items:,} items" if n_items else ""
    sentences = [f"{verdict.words}: {reason}{numbers}{_papers(verdict)}; {verdict.n_seeds} seeds{items}."]
    return " ".join([*sentences, *_remarks(verdict)])


def not_decidable(verdict: Verdict) -> str:
    """A remark for inconclusive verdicts: how wide the interval is against what was claimed; "" for the others."""
    interval, size = verdict.interval, verdict.claim.size
    if (
        verdict.status != INCONCLUSIVE
        or interval is None
        or not size
        or verdict.unit != POINTS
        or math.isnan(interval.se)
    ):
        return ""
    half = (interval.high - interval.low) / 2
    return f"The interval is ±{half:.1f} points wide; the claimed difference is {size:.1f}." if half > size else ""


def measured(where: str, interval: Interval, unit: str, remark: str = "") -> str:
    """An estimate with its interval: ``+1.2 points on rte (95 % interval 0.1 to 2.3)``; ``remark`` ends the bracket."""
    digits = DIGITS[unit]
    ends = f"{percent(interval.level)} interval {number(interval.low, digits)} to {number(interval.high, digits)}"
    ends += remark and f"; {remark}"
    if unit == TIMES:
        return f"{number(interval.estimate, digits)} times {where} ({ends})"
    if unit == VALUE:
        return f"{where}: {number(interval.estimate, digits)} ({ends})"
    return f"{number(interval.estimate, digits, signed=True)} {unit} {where} ({ends})"


def _numbers(verdict: Verdict) -> list[str]:
    """Each estimate with its interval and p: of the mean, of each task, or of what the verdict is about."""
    if verdict.what and verdict.interval:
        return [measured(verdict.what, verdict.interval, verdict.unit, _p(verdict.p))]
    if verdict.claim.quantifier == "average" and len(verdict.per_task) > 1 and verdict.interval:
        rest = [task for task in verdict.per_task if task not in verdict.excluded] or list(verdict.per_task)
        where = f"on average over {len(rest)} tasks" if len(rest) > 1 else f"on {rest[0]}"
        outside = [_on_task(verdict, task, verdict.per_task[task]) for task in verdict.excluded]
        return [measured(where, verdict.interval, verdict.unit, _p(verdict.p)), *outside]
    return [_on_task(verdict, task, interval) for task, interval in verdict.per_task.items()]


def _on_task(verdict: Verdict, task: str, interval: Interval) -> str:
    if task in verdict.excluded:
        return f"{measured(f'on {task}', interval, verdict.unit)}: {verdict.excluded[task]}"
    outcome = verdict.outcomes.get(task)
    if outcome is None or len(verdict.outcomes) == 1:
        return measured(f"on {task}", interval, verdict.unit, _p(outcome.p if outcome else interval.p))
    after = f", {probability(outcome.adjusted)} after Holm over {len(verdict.outcomes)} tasks"
    return f"{measured(f'on {task}', interval, verdict.unit, _p(outcome.p) + after)}: {outcome.status}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"p {_equals(p)}"


def _equals(p: float) -> str:
    """``= 0.013`` or ``< 0.001``."""
    return f"{'' if p < 0.001 else '= '}{probability(p)}"


def _remarks(verdict: Verdict) -> list[str]:
    """What must be read beside the numbers, a sentence each."""
    remarks = []
    if not math.isnan(verdict.holm):
        kind = "Primary" if verdict.is_primary else "Exploratory"
        remarks.append(f"{kind}: p {_equals(verdict.holm)} after Holm over {verdict.family}.")
    if verdict.shares:
        shares = ", ".join(f"{task} {percent(share)}" for task, share in verdict.shares.items())
        mostly = dominant(verdict.shares)
        remarks.append(f"{f'Mostly {mostly}. ' if mostly else ''}Shares of the average's variance: {shares}.")
    if verdict.collapsed:
        remarks.append(f"Collapsed, with (almost) one answer to all items: {', '.join(verdict.collapsed)}.")
    return [*remarks, verdict.beside] if verdict.beside else remarks


def _papers(verdict: Verdict) -> str:
    size = verdict.claim.size
    if not size:
        return ""
    if verdict.unit == TIMES:
        return f", the paper's is {number(size, DIGITS[TIMES])}"
    return f", the paper's is {number(verdict.claim.sign * size, 1, signed=True)}"
