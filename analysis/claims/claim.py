"""What the runs say about a claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.interval import Interval
from analysis.schema import Claim

SUPPORTED, CONTRADICTED, NO_EFFECT = "supported", "contradicted", "no relevant effect"
BELOW_SIZE, INCONCLUSIVE, NOT_RUN = "below the claimed size", "inconclusive", "not run"
NO_VERDICT, INERT = (
    "no verdict",
    "inert",
)  # runs that cannot decide: near-constant answers, a task at the floor, no effect
IN_PART = "in part"  # of a paper's claim, where some of its tasks are at the floor
EXPLORATORY = "exploratory"  # not one of the primary contrasts: Holm's p stands beside the verdict
SMALLER = "smaller than claimed"
LEVEL = 0.95
FEWEST_SEEDS = 5  # that a claim may rest on, unless it asks for more (docs/statistics.md)
POINTS, NATS, TIMES, VALUE = "points", "nats", "times", "value"  # units of a verdict's interval


@dataclass(frozen=True)
class Outcome:
    """The verdict on one task of a claim that is decided per task.

    Attributes:
        p: of the test behind ``status``; two-sided.
        adjusted: the same after Holm's correction over the claim's tasks, which decides.
    """

    status: str
    p: float
    adjusted: float


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a claim. Intervals are a - b, unadjusted, whatever the claimed direction.

    Attributes:
        status: supported, contradicted, no relevant effect, below the claimed size, inconclusive, not run, no verdict
            or inert.
        suffix: "smaller than claimed" or "".
        interval: of the mean over tasks, in ``unit``; None where nothing was run, and for a claim of the project itself
            on several tasks, which are never pooled.
        per_task: one interval per task (or part) that was run.
        outcomes: verdict per task, of a claim that is decided per task.
        equivalence: the 90 % interval that "no relevant effect" looks at, of the mean over tasks.
        reason: why it was not run, or why there is no verdict.
        p: of the test behind the verdict, before any correction; nan where there is none.
        n_seeds: seeds both arms have.
        unit: points, nats, times (a ratio) or value (a quantity by itself).
        what: what ``interval`` measures, in words; "" for the mean over tasks.
        excluded: tasks that decide nothing, each with why: at the floor, or inert.
        in_part: whether it is a paper's claim decided on some of its tasks: this is no verdict on the claim.
        shares: share of each task in the variance of an average.
        collapsed: runs that give (almost) one answer to all items: ``2 of 8 runs of SMART on cola``.
        holm: p after Holm's correction over ``family``; nan where that was not computed.
        family: what was corrected over: "12 primary contrasts", "31 claims of SMART".
        is_primary: whether it is one of the primary contrasts; all others are exploratory.
        beside: a sentence on what must be read beside it, or "".
        data: which data and profile it rests on.
        tasks: those of the claim's tasks it rests on, where these are not all.
        parts: verdict of each part, of a claim with several; their numbers are with them.
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
    what: str = ""
    excluded: Mapping[str, str] = field(default_factory=dict)
    in_part: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)
    collapsed: Sequence[str] = ()
    holm: float = math.nan
    family: str = ""
    is_primary: bool = False
    beside: str = ""
    data: str = ""
    tasks: Sequence[str] = ()
    parts: tuple[Verdict, ...] = ()

    @property
    def words(self) -> str:
        """``supported (smaller than claimed)``, and ``, on cola alone of cola, rte`` where it rests on a part."""
        remarks = [remark for remark in (self.suffix, EXPLORATORY if self._is_exploratory else "") if remark]
        bracket = f" ({', '.join(remarks)})" if remarks else ""
        return ("in part: " if self.in_part else "") + self.status + self._on_tasks + bracket + self._on_part

    @property
    def counted_as(self) -> str:
        """What it counts as in a summary: its status; "in part" where it is no verdict on the whole claim."""
        return IN_PART if self.in_part else self.status

    @property
    def _is_exploratory(self) -> bool:
        return bool(self.family) and not self.is_primary and self.status in (SUPPORTED, CONTRADICTED)

    @property
    def _on_tasks(self) -> str:
        """`` on 1 of 2 tasks`` where the claim is decided per task, on several."""
        if len(self.outcomes) < 2 or self.status not in (SUPPORTED, CONTRADICTED, NO_EFFECT, BELOW_SIZE):
            return ""
        count = sum(outcome.status == self.status for outcome in self.outcomes.values())
        return f" on {count} of {len(self.outcomes)} tasks"

    @property
    def _on_part(self) -> str:
        """``, on sst2 alone of cola, rte, sst2`` where the claim is decided on some of its tasks."""
        if self.status in (NO_VERDICT, INERT) or not (self.tasks or self.excluded):
            return ""
        tasks = [task for task in self.tasks or self.per_task if task not in self.excluded]
        names = f"{tasks[0]} alone" if len(tasks) == 1 else " and ".join(tasks)
        return f", on {names} of {', '.join(self.claim.tasks)}"
