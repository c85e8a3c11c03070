"""What a paper says, in a form that runs can decide, and what the runs say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from analysis.interval import Interval
from analysis.records import ResultsError

SUPPORTED, CONTRADICTED, NO_EFFECT = "supported", "contradicted", "no relevant effect"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
SMALLER = "smaller than claimed"
LEVEL = 0.95
SMALLEST_BOUND = 0.5  # points: no difference below it matters, whatever a paper claims
QUANTIFIERS = ("average", "every", "any")
DIRECTIONS = ("greater", "less", "no less", "no greater", "the same")
POINTS, NATS, TIMES, VALUE = "points", "nats", "times", "value"  # units of a verdict's interval


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says, in a form that runs can decide.

    Attributes:
        id: short name, unique among all claims.
        sentence: the claim as the paper means it, in words.
        table: where the paper makes it.
        contrast: ``{"a": row, "b": row}``: a is claimed to differ from b.
        tasks: the tasks it speaks about.
        metric: in which metric; "" means each task's first.
        direction: how a's metric compares with b's: "greater", "less", "no less", "no greater" (by more than the
            bound) or "the same" (within it).
        size: the paper's difference in points (or a ratio, by ``kind``), on average or per task; None where it gives
            none.
        quantifier: "average" (the mean over tasks), "every" (each task by itself) or "any" (at least one).
        bound: what does not matter; None: the larger of 0.5 points and half the size.
        reading: which reading of the method it speaks about.
        min_seeds: fewest seeds both arms need.
        kind: how it is decided, a name of :data:`analysis.claims.KINDS`.
        about: what the kind needs beyond rows and tasks.
        partial: whether it may be decided on those of its tasks for which both rows have every seed.
    """

    id: str
    sentence: str
    contrast: Mapping[str, str]
    tasks: Sequence[str]
    table: str = ""
    metric: str = ""
    direction: str = "greater"
    size: float | None = None
    quantifier: str = "average"
    bound: float | None = None
    reading: str = ""
    min_seeds: int = 5
    kind: str = "difference"
    about: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False

    def __post_init__(self) -> None:
        allowed = {"direction": DIRECTIONS, "quantifier": QUANTIFIERS}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"claim {self.id!r}: {name} must be one of {', '.join(values)}; got {getattr(self, name)!r}"
                )
        if not self.tasks or set(self.contrast) != {"a", "b"}:
            raise ValueError(f"claim {self.id!r} needs tasks and a contrast with the rows 'a' and 'b'")
        if self.partial and (self.quantifier != "average" or "columns" in self.about):
            raise ValueError(f"claim {self.id!r}: only an average over tasks can be decided on some of them")
        if self.within and (self.kind != "difference" or self.quantifier != "average"):
            raise ValueError(f"claim {self.id!r}: {self.direction!r} is for an average difference of two rows alone")
        if self.size is not None and self.size < 0:
            raise ValueError(f"claim {self.id!r}: size is how much, direction says which way; got {self.size}")

    @property
    def a(self) -> str:
        """The row of which something is claimed."""
        return self.contrast["a"]

    @property
    def b(self) -> str:
        """The row it is compared with."""
        return self.contrast["b"]

    @property
    def sign(self) -> float:
        """-1 where a is claimed to be less, or no greater; else 1."""
        return -1.0 if self.direction in ("less", "no greater") else 1.0

    @property
    def within(self) -> bool:
        """Whether it is claimed that a difference, in one direction or in both, is too small to matter."""
        return self.direction in ("no less", "no greater", "the same")

    @property
    def relevant(self) -> float:
        """The bound in points."""
        return self.bound if self.bound is not None else max(SMALLEST_BOUND, (self.size or 0.0) / 2)


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


def read_claim(raw: Mapping[str, Any]) -> Claim:
    """A claim from a manifest; fields this version does not know are ignored. Raises ResultsError."""
    known = {f.name for f in fields(Claim)}
    try:
        return Claim(**{k: v for k, v in raw.items() if k in known and v is not None})
    except (TypeError, ValueError) as error:
        raise ResultsError(f"the manifest's claim {raw.get('id', '?')!r} cannot be read: {error}") from error
