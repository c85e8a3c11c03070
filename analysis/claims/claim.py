"""Verdict on a claim: statuses, units and the dataclass that carries all its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.schema import Claim

SUPPORTED, CONTRADICTED, NO_EFFECT = "supported", "contradicted", "no relevant effect"
BELOW_SIZE, INCONCLUSIVE, NOT_RUN = "below the claimed size", "inconclusive", "not run"
NOT_HERE = "cannot be decided here"  # in words, of a claim that is not run because the experiment lacks what it needs
# Runs that cannot decide: near-constant answers or a task at the floor; two arms with identical answers.
NO_VERDICT, INERT = "no verdict", "inert"
IN_PART = "in part"  # a paper's claim, decided without those of its tasks that are at the floor
EXPLORATORY = "exploratory"  # not a primary contrast: Holm's p is reported but does not decide
SMALLER = "smaller than claimed"
LEVEL = 0.95
FEWEST_SEEDS = 5  # required by a claim, unless it states another minimum (docs/statistics.md)
POINTS, NATS, TIMES, VALUE = "points", "nats", "times", "value"  # units of a verdict's interval


class OutOfReachError(ResultsError):
    """A claim that no run of the experiment can decide: it lacks a task of the claim, or has another model."""


@dataclass(frozen=True)
class Outcome:
    """Verdict on a single task of a claim that is decided per task.

    Attributes:
        status: a verdict's status.
        p: two-sided p of the test behind ``status``.
        adjusted: p after Holm's correction over the claim's tasks; it decides.
    """

    status: str
    p: float
    adjusted: float


@dataclass(frozen=True)
class Verdict:
    """Verdict on a claim. Intervals are of a - b, unadjusted, for either claimed direction.

    Attributes:
        claim: the claim.
        status: supported, contradicted, no relevant effect, below the claimed size, inconclusive, not run, no verdict
            or inert.
        suffix: "smaller than claimed" or "".
        interval: interval of the mean over tasks, in ``unit``; None where nothing was run, and for a claim of the
            project itself on several tasks, which are never pooled.
        per_task: interval of each task (or part) that was run.
        outcomes: verdict of each task, for a claim that is decided per task.
        equivalence: 90 % interval of the mean over tasks, which decides "no relevant effect".
        reason: why it was not run, or why there is no verdict.
        p: p of the test behind the verdict, before any correction; nan where there is none.
        n_seeds: number of seeds that both arms have.
        unit: points, nats, times (a ratio) or value (a single quantity).
        estimand: what ``interval`` estimates, in words; "" for the mean over tasks.
        excluded: tasks that decide nothing, with the reason: at the floor, or inert.
        in_part: True for a paper's claim that is decided on some of its tasks; this is no verdict on the claim.
        shares: share of each task in the variance of an average.
        collapsed: runs that give (almost) one answer to all items: ``2 of 8 runs of SMART on cola``.
        holm: p after Holm's correction over ``family``; nan where it was not computed.
        family: the claims of the correction: "12 primary contrasts", "31 claims of SMART".
        is_primary: True for a primary contrast; all others are exploratory.
        remark: a sentence that must be read with the numbers, or "".
        data: the data and profile of the runs.
        tasks: the tasks that decided, where these are not all tasks of the claim.
        parts: verdict of each part, for a claim with several; the numbers are in the parts.
        left_out: tasks of the claim whose runs are not complete, each with what it lacks.
        bounds: the largest effect that counts as irrelevant on each task, in ``unit``; empty where there is none.
        is_out_of_reach: True for a claim that is not run and that no further run of this experiment can decide: it
            lacks a task of the claim, or has another model.
    """

    claim: Claim
    status: str
    suffix: str = ""
    interval: Interval | None = None
    per_task: Mapping[str, Interval] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    equivalence: tuple[float, float] | None = None
    reason: str = ""
    p: float = math.nan
    n_seeds: int = 0
    unit: str = POINTS
    estimand: str = ""
    excluded: Mapping[str, str] = field(default_factory=dict)
    in_part: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)
    collapsed: Sequence[str] = ()
    holm: float = math.nan
    family: str = ""
    is_primary: bool = False
    remark: str = ""
    data: str = ""
    tasks: Sequence[str] = ()
    parts: tuple[Verdict, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)
    is_out_of_reach: bool = False

    @property
    def words(self) -> str:
        """The verdict in words: ``supported (smaller than claimed)``, ``supported, on cola alone of cola, rte``."""
        return self._words(self.status, self._remarks({}), self._on_part({}))

    def words_with(self, titles: Mapping[str, str]) -> str:
        """Return the verdict in words for people: with titles of tasks, and "cannot be decided here" where it is so.

        Args:
            titles: title of each task that the experiment has, by its id.
        """
        status = NOT_HERE if self.is_out_of_reach else self.status
        return self._words(status, self._remarks(titles), self._on_part(titles))

    def short_words(self, titles: Mapping[str, str]) -> str:
        """Return the verdict with every qualifier in few words: ``supported (exploratory; 1 of 4 tasks)``."""
        n_tasks = len(self._deciding_tasks)
        part = f"{n_tasks} of {len(self.claim.tasks)} tasks" if n_tasks else ""
        bracket = "; ".join(filter(None, [*self._remarks(titles), part]))
        return self.category + self._on_tasks + (f" ({bracket})" if bracket else "")

    @property
    def category(self) -> str:
        """The verdict's category for people: :attr:`counted_as`, or "cannot be decided here"."""
        return NOT_HERE if self.is_out_of_reach else self.counted_as

    @property
    def label(self) -> str:
        """The category that summaries count: it says where a claim was decided without a correction."""
        return f"{self.category} ({EXPLORATORY})" if self.is_exploratory else self.category

    @property
    def counted_as(self) -> str:
        """The verdict's category in a summary: its status, or "in part" if it does not cover the whole claim."""
        return IN_PART if self.in_part else self.status

    @property
    def is_exploratory(self) -> bool:
        """True if the claim's own interval decided, without a correction: it is not a primary contrast."""
        return bool(self.family) and not self.is_primary and self.status in (SUPPORTED, CONTRADICTED)

    @property
    def _on_tasks(self) -> str:
        """`` on 1 of 2 tasks`` where the claim is decided per task, on several tasks; else ""."""
        if len(self.outcomes) < 2 or self.status not in (SUPPORTED, CONTRADICTED, NO_EFFECT, BELOW_SIZE):
            return ""
        count = sum(outcome.status == self.status for outcome in self.outcomes.values())
        return f" on {count} of {len(self.outcomes)} tasks"

    @property
    def _deciding_tasks(self) -> list[str]:
        """The tasks that decide where these are not all tasks of the claim; else []."""
        if self.status in (NO_VERDICT, INERT) or not (self.tasks or self.excluded):
            return []
        return [task for task in self.tasks or self.per_task if task not in self.excluded]

    def _words(self, status: str, remarks: Sequence[str], on_part: str) -> str:
        bracket = f" ({', '.join(remarks)})" if remarks else ""
        return ("in part: " if self.in_part else "") + status + self._on_tasks + bracket + on_part

    def _remarks(self, titles: Mapping[str, str]) -> list[str]:
        suffix = opposite_sides(self.outcomes, titles) if self.status == INCONCLUSIVE else ""
        return list(filter(None, (suffix or self.suffix, EXPLORATORY if self.is_exploratory else "")))

    def _on_part(self, titles: Mapping[str, str]) -> str:
        """``, on sst2 alone of cola, rte, sst2`` where the claim is decided on some of its tasks; else "".

        With titles, but not of all its tasks: ``, on SST-2 alone of its 3 tasks``.
        """
        tasks = [titles.get(task, task) for task in self._deciding_tasks]
        if not tasks:
            return ""
        names = f"{tasks[0]} alone" if len(tasks) == 1 else " and ".join(tasks)
        every = self.claim.tasks
        are_named = not titles or all(task in titles for task in every)
        whole = ", ".join(titles.get(task, task) for task in every) if are_named else f"its {len(every)} tasks"
        return f", on {names} of {whole}"


def opposite_sides(outcomes: Mapping[str, Outcome], titles: Mapping[str, str]) -> str:
    """Return which tasks support and which contradict: ``supported on A, contradicted on B``; "" without both."""
    tasks = {
        status: [titles.get(task, task) for task, outcome in outcomes.items() if outcome.status == status]
        for status in (SUPPORTED, CONTRADICTED)
    }
    return (
        ", ".join(f"{status} on {', '.join(names)}" for status, names in tasks.items()) if all(tasks.values()) else ""
    )
