"""Verdicts in words: one sentence with all numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from analysis.claims.averages import dominant
from analysis.claims.claim import (
    BELOW_SIZE,
    CONTRADICTED,
    EXPLORATORY,
    IN_PART,
    INCONCLUSIVE,
    INERT,
    NATS,
    NO_EFFECT,
    NO_VERDICT,
    NOT_HERE,
    NOT_RUN,
    POINTS,
    SUPPORTED,
    TIMES,
    VALUE,
    Verdict,
)
from analysis.interval import Interval
from analysis.tables import number, percent, probability

ORDER = (SUPPORTED, CONTRADICTED, NO_EFFECT, BELOW_SIZE, IN_PART, INCONCLUSIVE, NO_VERDICT)
COUNT_ORDER = (*ORDER, NOT_RUN, NOT_HERE, INERT)
DIGITS = {POINTS: 1, NATS: 3, TIMES: 2, VALUE: 3}


def in_words(verdict: Verdict, titles: Mapping[str, str] | None = None) -> str:
    """Return the verdict with its numbers in one sentence, without the text of the claim.

    Args:
        verdict: the verdict.
        titles: title of each task, for a sentence as people read it; None: ids, as files and programs have them.
    """
    words = verdict.words if titles is None else verdict.words_with(titles)
    return f"{words}: {numbers_in_words(verdict, titles)}"


def numbers_in_words(verdict: Verdict, titles: Mapping[str, str] | None = None) -> str:
    """Return what follows the words of the verdict in :func:`in_words`: its numbers, or the reason without any."""
    if verdict.parts:
        clauses = " ".join(
            f"({i}) {part.claim.clause}: {in_words(part, titles)}" for i, part in enumerate(verdict.parts, 1)
        )
        reason = f"{verdict.reason}. " if verdict.reason else ""
        return f"{reason}{clauses}"
    if not verdict.per_task:
        return f"{verdict.reason}."
    numbers = "; ".join(_numbers(verdict, titles or {}))
    reason = f"{verdict.reason}. As a description: " if verdict.reason else ""
    intervals = list(verdict.per_task.values())
    n_items = verdict.interval.n_items if verdict.interval else sum(interval.n_items for interval in intervals)
    items = f" × {n_items:,} items" if n_items else ""
    sentences = [f"{reason}{numbers}{_papers(verdict)}; {verdict.n_seeds} seeds{items}."]
    return " ".join([*sentences, *_remarks(verdict, titles or {})])


def counts_in_words(verdicts: Iterable[Verdict]) -> str:
    """Return how many verdicts there are of each kind, in the order of the rule: ``2 supported, 4 no verdict``."""
    counts = Counter((verdict.category, verdict.label) for verdict in verdicts)
    in_order = sorted(counts, key=lambda words: (COUNT_ORDER.index(words[0]), words[1]))
    return ", ".join(f"{counts[words]} {words[1]}" for words in in_order)


def correction_in_words(verdict: Verdict) -> str:
    """Return the claim's role and its p after Holm's correction; "" where there is no correction.

    It reads ``primary: p = 0.12 after Holm over 12 primary contrasts``.
    """
    if math.isnan(verdict.holm):
        return ""
    role = "primary" if verdict.is_primary else EXPLORATORY
    return f"{role}: p {_equals(verdict.holm)} after Holm over {verdict.family}"


def not_decidable(verdict: Verdict) -> str:
    """Return a remark on the width of the interval of an inconclusive verdict; "" for other verdicts."""
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


def in_groups(reasons: Mapping[str, str]) -> str:
    """Return names with their reasons, names of one reason together: ``rte, mrpc (not run); cola (one seed)``."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(group)} ({reason})" for reason, group in names.items())


def interval_text(subject: str, interval: Interval, unit: str, remark: str = "") -> str:
    """Return an estimate with its interval in words: ``+1.2 points on rte (95 % interval 0.1 to 2.3)``.

    Args:
        subject: the measured quantity or task, as it follows the unit: ``on rte``.
        interval: the interval.
        unit: its unit.
        remark: text at the end of the bracket.
    """
    digits = DIGITS[unit]
    ends = f"{percent(interval.level)} interval {number(interval.low, digits)} to {number(interval.high, digits)}"
    ends += remark and f"; {remark}"
    if unit == TIMES:
        return f"{number(interval.estimate, digits)} times {subject} ({ends})"
    if unit == VALUE:
        return f"{subject}: {number(interval.estimate, digits)} ({ends})"
    return f"{number(interval.estimate, digits, signed=True)} {unit} {subject} ({ends})"


def _numbers(verdict: Verdict, titles: Mapping[str, str]) -> list[str]:
    """Return each estimate with its interval and p: of the mean, of each task, or of the verdict's estimand."""
    if verdict.estimand and verdict.interval:
        return [interval_text(verdict.estimand, verdict.interval, verdict.unit, _p(verdict.p))]
    if verdict.claim.quantifier == "average" and len(verdict.per_task) > 1 and verdict.interval:
        deciding = [task for task in verdict.per_task if task not in verdict.excluded] or list(verdict.per_task)
        subject = (
            f"on average over {len(deciding)} tasks"
            if len(deciding) > 1
            else f"on {titles.get(deciding[0], deciding[0])}"
        )
        outside = [_on_task(verdict, task, verdict.per_task[task], titles) for task in verdict.excluded]
        return [interval_text(subject, verdict.interval, verdict.unit, _p(verdict.p)), *outside]
    return [_on_task(verdict, task, interval, titles) for task, interval in verdict.per_task.items()]


def _on_task(verdict: Verdict, task: str, interval: Interval, titles: Mapping[str, str]) -> str:
    place = f"on {titles.get(task, task)}"
    if task in verdict.excluded:
        return f"{interval_text(place, interval, verdict.unit)}: {verdict.excluded[task]}"
    outcome = verdict.outcomes.get(task)
    if outcome is None or len(verdict.outcomes) == 1:
        return interval_text(place, interval, verdict.unit, _p(outcome.p if outcome else interval.p))
    after = f", {probability(outcome.adjusted)} after Holm over {len(verdict.outcomes)} tasks"
    return f"{interval_text(place, interval, verdict.unit, _p(outcome.p) + after)}: {outcome.status}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"p {_equals(p)}"


def _equals(p: float) -> str:
    """Return a p with its relation: ``= 0.013`` or ``< 0.001``."""
    return f"{'' if p < 0.001 else '= '}{probability(p)}"


def _remarks(verdict: Verdict, titles: Mapping[str, str]) -> list[str]:
    """Return the remarks that must be read with the numbers, one sentence each."""
    remarks = []
    if correction := correction_in_words(verdict):
        remarks.append(f"{correction[:1].upper()}{correction[1:]}.")
    if verdict.shares:
        shares = ", ".join(f"{titles.get(task, task)} {percent(share)}" for task, share in verdict.shares.items())
        main_task = dominant(verdict.shares)
        mostly = f"Mostly {titles.get(main_task, main_task)}. " if main_task else ""
        remarks.append(f"{mostly}Shares of the sum of the tasks' variances: {shares}.")
    if verdict.collapsed:
        remarks.append(f"Collapsed, with (almost) one answer to all items: {', '.join(verdict.collapsed)}.")
    return [*remarks, verdict.remark] if verdict.remark else remarks


def _papers(verdict: Verdict) -> str:
    size = verdict.claim.size
    if not size:
        return ""
    if verdict.unit == TIMES:
        return f", the paper's is {number(size, DIGITS[TIMES])}"
    return f", the paper's is {number(verdict.claim.sign * size, 1, signed=True)}"
