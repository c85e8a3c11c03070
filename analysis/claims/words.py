"""A verdict with its numbers in one sentence."""

from __future__ import annotations

import math

from analysis.claims.claim import INCONCLUSIVE, NATS, POINTS, TIMES, VALUE, Verdict
from analysis.interval import Interval
from analysis.tables import number

DIGITS = {POINTS: 1, NATS: 3, TIMES: 2, VALUE: 3}


def in_words(verdict: Verdict) -> str:
    """The verdict with its numbers in one sentence, without the claim's own words."""
    claim = verdict.claim
    if verdict.interval is None:
        return f"{verdict.words}: {verdict.reason}."
    if verdict.what:
        shown = [(verdict.what, verdict.interval)]
    else:
        shown = [(f"on {task}", interval) for task, interval in verdict.per_task.items()]
        if claim.quantifier == "average" and len(shown) > 1:
            shown = [(f"on average over {len(shown)} tasks", verdict.interval)]
    found = "; ".join(measured(where, interval, verdict.unit) for where, interval in shown)
    items = f" × {verdict.interval.n_items:,} items" if verdict.interval.n_items else ""
    beside = f" {verdict.beside}" if verdict.beside else ""
    return f"{verdict.words}: {found}{_papers(verdict)}; {verdict.n_seeds} seeds{items}.{beside}"


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


def measured(where: str, interval: Interval, unit: str) -> str:
    """An estimate with its interval: ``+1.2 points on rte (95 % interval 0.1 to 2.3)``."""
    digits = DIGITS[unit]
    ends = f"{interval.level:.0%} interval {number(interval.low, digits)} to {number(interval.high, digits)}"
    ends = ends.replace("%", " %")
    if unit == TIMES:
        return f"{number(interval.estimate, digits)} times {where} ({ends})"
    if unit == VALUE:
        return f"{where}: {number(interval.estimate, digits)} ({ends})"
    return f"{number(interval.estimate, digits, signed=True)} {unit} {where} ({ends})"


def _papers(verdict: Verdict) -> str:
    size = verdict.claim.size
    if not size:
        return ""
    if verdict.unit == TIMES:
        return f", the paper's is {number(size, DIGITS[TIMES])}"
    return f", the paper's is {number(verdict.claim.sign * size, 1, signed=True)}"
