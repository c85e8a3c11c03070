"""What was found for one claim, in a sentence about the two rows that it compares, and as a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis import schema
from analysis.claims import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Verdict
from analysis.claims.deciding import (
    adjusted_p,
    deciding_intervals,
    deciding_task,
    has_opposite_tasks,
    open_tasks,
)
from analysis.claims.words import DIGITS, in_groups, interval_text
from analysis.interval import Interval
from analysis.report import answer
from analysis.report.remedy import count
from analysis.schema import Manifest
from analysis.tables import number, percent, probability

MOST_LISTED = 4  # tasks whose numbers the sentence lists; with more, the figure shows them


def titles_of(manifest: Manifest) -> dict[str, str]:
    """Return the title of each task and of each row, by its id."""
    return {c.task: c.title or c.task for c in manifest.columns} | {row.id: row.title for row in manifest.rows}


def found(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """Return what was found, in one sentence about the two rows that the claim compares.

    Args:
        verdict: the verdict.
        titles: :func:`titles_of` its experiment.
    """
    if verdict.parts:
        return " ".join(f"{part.claim.clause}: {found(part, titles)}" for part in verdict.parts)
    if not verdict.per_task:
        lead = "cannot be decided here" if verdict.is_out_of_reach else "not decided"
        return answer.sentence_of(f"{lead}: {verdict.reason}")
    a, b = (titles.get(row, row) for row in (verdict.claim.a, verdict.claim.b))
    if verdict.estimand and verdict.interval is not None:
        text = f"{a} against {b}: {interval_text(verdict.estimand, verdict.interval, verdict.unit)}"
    elif verdict.interval is not None and len(verdict.per_task) > 1 and verdict.claim.quantifier == "average":
        deciding = [task for task in verdict.per_task if task not in verdict.excluded] or list(verdict.per_task)
        names = [titles.get(task, task) for task in deciding]
        place = f"on average over {len(names)} tasks" if len(names) > 1 else f"on {names[0]}"
        text = f"{a} is {_relation(verdict.interval, verdict.unit)} {b} {place} ({_sure(verdict, verdict.interval)})"
    elif len(verdict.per_task) == 1:
        ((task, only),) = verdict.per_task.items()
        text = f"{a} is {_relation(only, verdict.unit)} {b} on {titles.get(task, task)} ({_sure(verdict, only)})"
    else:
        text = f"{a} against {b}: {_per_task(verdict, titles)} ({count(verdict.n_seeds, 'seed')} a task)"
    left_out = [
        f"{titles.get(task, task)} is not counted ({why})"
        for task, why in verdict.excluded.items()
        if why != verdict.reason
    ]
    if verdict.left_out:
        left_out.append(f"left out: {in_groups({titles.get(t, t): lack for t, lack in verdict.left_out.items()})}")
    reasons = filter(None, (_why(verdict, titles), _after_correction(verdict), verdict.reason))
    return answer.sentence_of(text, *reasons, *left_out)


def effect_of(verdict: Verdict, titles: Mapping[str, str] | None = None) -> str:
    """Return the difference of a claim's two rows with its interval; "" where the claim has no single difference.

    Of a claim on each or any task it is the difference on the task that decides it or keeps it open, with Holm's p.
    """
    if task := deciding_task(verdict):
        return f"{(titles or {}).get(task, task)}: {_on_one_task(verdict, task)}"
    deciding = [value for task, value in verdict.per_task.items() if task not in verdict.excluded]
    described = deciding or list(verdict.per_task.values())
    values = described if verdict.interval is None else [verdict.interval]
    if verdict.parts or len(values) != 1 or not isinstance(verdict.claim.test, schema.Difference):
        return ""
    return _difference(values[0], verdict.unit)


def _difference(value: Interval, unit: str) -> str:
    return f"{number(value.estimate, DIGITS.get(unit, 1), signed=True)} {unit} ({_ends(value, unit)})"


def _on_one_task(verdict: Verdict, task: str) -> str:
    """Return the difference on one of a claim's tasks, with its p after Holm's correction over them."""
    adjusted = adjusted_p(verdict)
    p = f"Holm's p {_equals(adjusted[task])} over {len(adjusted)} tasks"
    return f"{_difference(verdict.per_task[task], verdict.unit)}, {p}"


def _why(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """Return why a claim on each or any task has its verdict: the task that decides it; "" for other claims."""
    task, claim = deciding_task(verdict), verdict.claim
    if not task or has_opposite_tasks(verdict):
        return ""
    name, numbers = titles.get(task, task), _on_one_task(verdict, task)
    if verdict.status == CONTRADICTED:
        return f"the claim is contradicted by {name} after Holm's correction: {numbers}"
    if verdict.status == SUPPORTED:
        which = "least" if claim.quantifier == "every" else "most"
        return f"the {which} certain task that supports the claim is {name}: {numbers}"
    if verdict.status == INCONCLUSIVE and claim.quantifier == "every":
        ones = open_tasks(verdict)
        lead = f"{len(ones)} of {count(len(deciding_intervals(verdict)), 'task')} {'does' if len(ones) == 1 else 'do'}"
        return f"{lead} not support the claim at the 5 % level, least {name}: {numbers}"
    return f"the most certain task is {name}: {numbers}" if verdict.status == INCONCLUSIVE else ""


def _after_correction(verdict: Verdict) -> str:
    """Return the p of a primary contrast after the correction that decides it; "" for other claims."""
    if not verdict.is_primary or math.isnan(verdict.holm):
        return ""
    return f"after Holm's correction over the {verdict.family} p {_equals(verdict.holm)}"


def _relation(value: Interval, unit: str) -> str:
    digits = DIGITS.get(unit, 1)
    size = number(abs(value.estimate), digits)
    if float(size) == 0:
        return "level with"
    return f"{size} {unit} {'above' if value.estimate > 0 else 'below'}"


def _equals(p: float) -> str:
    """Return a p with its relation: ``= 0.013`` or ``< 0.001``."""
    return f"{'' if p < 0.001 else '= '}{probability(p)}"


def _ends(value: Interval, unit: str) -> str:
    digits = DIGITS.get(unit, 1)
    return f"{percent(value.level)} interval {number(value.low, digits)} to {number(value.high, digits)}"


def _sure(verdict: Verdict, value: Interval) -> str:
    p = "" if math.isnan(verdict.p) else f"p {_equals(verdict.p)}"
    items = f" × {value.n_items:,} items" if value.n_items else ""
    return "; ".join(filter(None, [_ends(value, verdict.unit), p, f"{count(verdict.n_seeds, 'seed')}{items}"]))


def _per_task(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """Return the effect on each task, or on how many tasks it is above and below 0 where there are many."""
    digits, unit = DIGITS.get(verdict.unit, 1), verdict.unit
    if len(verdict.per_task) <= MOST_LISTED:
        return "; ".join(
            f"{number(value.estimate, digits, signed=True)} {unit} on {titles.get(task, task)} ({_ends(value, unit)})"
            for task, value in verdict.per_task.items()
        )
    above = sum(value.low > 0 for value in verdict.per_task.values())
    below = sum(value.high < 0 for value in verdict.per_task.values())
    return f"the interval lies above 0 on {above} and below 0 on {below} of {len(verdict.per_task)} tasks"
