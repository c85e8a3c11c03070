"""What decides a claim: the components of its contrast on each task, the level of its tests, and the open tasks.

A plan and a report count seeds with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis import contrasts
from analysis.claims.claim import BELOW_SIZE, CONTRADICTED, LEVEL, NO_EFFECT, SUPPORTED, Verdict
from analysis.claims.multiplicity import family_of
from analysis.crossed import Components
from analysis.descriptive import holm
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Claim, Column, Difference, Manifest


@dataclass(frozen=True)
class Correction:
    """The tests that Holm corrects a claim's p for: over the family of a primary contrast, and over the claim's tasks.

    Attributes:
        n_tests: their number; 1 without a correction.
        over: what the correction is over, in words; "" without one.
    """

    n_tests: int = 1
    over: str = ""

    @property
    def level(self) -> float:
        """The level that is certain to decide: that of the first step of Holm's correction, alpha / n_tests."""
        return 1 - (1 - LEVEL) / self.n_tests

    @property
    def words(self) -> str:
        """The level in words: ``at the level 0.05/12 of Holm's correction over 12 primary contrasts``; "" without."""
        alpha = f"{1 - LEVEL:.2g}"
        return f"at the level {alpha}/{self.n_tests} of Holm's correction over {self.over}" if self.over else ""


def correction_of(claim: Claim, n_tasks: int) -> Correction:
    """Return the correction that a claim must survive when it is decided on so many tasks."""
    n_tests, over = 1, list[str]()
    family = family_of(claim.id)
    if family is not None and family.is_primary:
        n_tests *= len(family.claims)
        over.append(family.name)
    if is_per_task(claim) and n_tasks > 1:
        n_tests *= n_tasks
        over.append(f"{n_tasks} tasks")
    return Correction(n_tests, " and ".join(over))


def is_per_task(claim: Claim) -> bool:
    """Return True if the tasks of a claim are tested one by one instead of their mean."""
    return claim.is_project_claim or claim.quantifier != "average"


def deciding_intervals(verdict: Verdict) -> dict[str, Interval]:
    """Return the interval of each task that decides, for a difference whose tasks are tested one by one; else {}."""
    if verdict.parts or not is_per_task(verdict.claim) or not isinstance(verdict.claim.test, Difference):
        return {}
    intervals = {task: value for task, value in verdict.per_task.items() if task not in verdict.excluded}
    return intervals if len(intervals) > 1 else {}


def adjusted_p(verdict: Verdict) -> dict[str, float]:
    """Return each task's p after Holm's correction over the tasks of :func:`deciding_intervals`."""
    if len(verdict.outcomes) > 1:
        return {task: outcome.adjusted for task, outcome in verdict.outcomes.items()}
    intervals = deciding_intervals(verdict)
    adjusted = holm([value.p for value in intervals.values()]) if intervals else ()
    return {task: float(p) for task, p in zip(intervals, adjusted, strict=True)}


def deciding_task(verdict: Verdict) -> str:
    """Return the task that decides a claim on each or any task, or keeps it open; "" for other claims.

    "On every task": the task that supports it least. "On any task": the one that supports it most. Of a claim with a
    verdict for each task: the most certain one with the claim's verdict.
    """
    intervals = deciding_intervals(verdict)
    if not intervals:
        return ""
    if verdict.claim.is_project_claim:
        outcomes = {task: outcome for task, outcome in verdict.outcomes.items() if task in intervals}
        alike = [task for task, outcome in outcomes.items() if outcome.status == verdict.status] or [*outcomes]
        return min(alike, key=lambda task: (outcomes[task].adjusted, outcomes[task].p), default="")
    support = {task: _support(value, verdict.claim.sign) for task, value in intervals.items()}
    return (max if verdict.claim.quantifier == "any" else min)(support, key=lambda task: support[task])


def open_tasks(verdict: Verdict) -> tuple[str, ...]:
    """Return the tasks of a claim on each or any task that further seeds may decide; all of them before a verdict."""
    claim, intervals = verdict.claim, deciding_intervals(verdict)
    if claim.is_project_claim:
        decided = (NO_EFFECT, BELOW_SIZE)
        return tuple(task for task, outcome in verdict.outcomes.items() if outcome.status not in decided)
    if claim.quantifier == "every":
        return tuple(task for task, value in intervals.items() if not _supports(value, claim.sign))
    return tuple(intervals)


def has_opposite_tasks(verdict: Verdict) -> bool:
    """Return True if one task supports and another contradicts a claim with a verdict for each task."""
    statuses = {outcome.status for outcome in verdict.outcomes.values()}
    return {SUPPORTED, CONTRADICTED} <= statuses


def hardest_or_easiest(claim: Claim, needs: Mapping[str, float]) -> str:
    """Return the task that decides by what each needs: the largest need for "every", else the smallest.

    A need is a number of seeds or a detectable difference.
    """
    return (max if claim.quantifier == "every" else min)(needs, key=lambda task: needs[task])


def _support(value: Interval, sign: float) -> float:
    """Return how certainly a task lies on a side of 0: minus the logarithm of its p, negative on the wrong side."""
    certainty = -math.log(value.p) if value.p > 0 else math.inf
    return certainty if sign * value.estimate > 0 else -certainty


def _supports(value: Interval, sign: float) -> bool:
    return value.low > 0 if sign > 0 else value.high < 0


def deciding_parts(results: Results, manifest: Manifest, verdict: Verdict) -> tuple[dict[str, Components], int]:
    """Return task -> components of the claim's contrast, without excluded tasks, and the fewest seeds of both rows.

    Raises:
        ResultsError: a task has no runs of both rows.
    """
    claim = verdict.claim
    parts, seed_counts = dict[str, Components](), list[int]()
    for task in verdict.tasks or claim.tasks:
        if task in verdict.excluded:
            continue
        column = column_of(manifest, task, claim.metric)
        if column is None:
            raise ResultsError(f"{task} is not in this experiment")
        arms = contrasts.difference(results, manifest, claim.a, claim.b, column)
        seeds = contrasts.shared_seeds(manifest, arms)
        if not seeds:
            raise ResultsError(f"{task} has no seed of both rows")
        parts[task] = contrasts.measure(arms, seeds)
        seed_counts.append(len(seeds))
    if not parts:
        raise ResultsError("no task decides this claim")
    return parts, min(seed_counts)


def column_of(manifest: Manifest, task: str, metric: str = "") -> Column | None:
    """Return the first column of a task, or that of the metric; None where the experiment has none."""
    return next((c for c in manifest.columns if c.task == task and metric in ("", c.metric)), None)
