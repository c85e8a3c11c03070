"""What the runs say about a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.interval import Interval
from analysis.schema import Claim

SUPPORTED, CONTRADICTED, NO_EFFECT = "supported", "contradicted", "no relevant effect"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
SMALLER = "smaller than claimed"
LEVEL = 0.95
POINTS, NATS, TIMES, VALUE = "points", "nats", "times", "value"  # units of a verdict's interval


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a claim. Intervals are a - b, unadjusted, whatever the claimed direction.

    Attributes:
        status: supported, contradicted, no relevant effect, inconclusive or not run.
        suffix: "smaller than claimed" or "".
        interval: of the mean over tasks, in ``unit``; None where nothing was run.
        per_task: one interval per task (or part) that was run.
        equivalence: the 90 % interval that "no relevant effect" looks at, of the mean over tasks.
        reason: why it was not run.
        n_seeds: seeds both arms have.
        unit: points, nats, times (a ratio) or value (a quantity by itself).
        what: what ``interval`` measures, in words; "" for the mean over tasks.
        beside: a sentence on what must be read beside it, or "".
        data: which data and profile it rests on.
        tasks: those of the claim's tasks it rests on, where these are not all.
    """

    claim: Claim
    status: str
    suffix: str = ""
    interval: Interval | None = None
    per_task: Mapping[str, Interval] = field(default_factory=dict)
    equivalence: tuple[float, float] | None = None
    reason: str = ""
    n_seeds: int = 0
    unit: str = POINTS
    what: str = ""
    beside: str = ""
    data: str = ""
    tasks: Sequence[str] = ()

    @property
    def words(self) -> str:
        """``supported (smaller than claimed)``, and ``, on cola alone of cola, rte`` where it rests on a part."""
        return self.status + (f" ({self.suffix})" if self.suffix else "") + self._on_part

    @property
    def _on_part(self) -> str:
        if not self.tasks:
            return ""
        here = f"{self.tasks[0]} alone" if len(self.tasks) == 1 else " and ".join(self.tasks)
        return f", on {here} of {', '.join(self.claim.tasks)}"
