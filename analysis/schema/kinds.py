"""How a statement of a claim is tested: one dataclass per kind, whose fields are all that its judge reads.

The judges are in :mod:`analysis.claims`; ``kind`` is the name a manifest stores and ``list claims`` shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from analysis.schema.constants import BUCKETS, LOSS_PARTS, SELECTIONS


@dataclass(frozen=True)
class Contrast:
    """Two rows: it is claimed of ``a``, compared with ``b``."""

    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric of row a against row b, over tasks or columns.

    Attributes:
        columns: ids of the columns; None: the first column of each task with the statement's metric.
        against_parents: row b is the mean of the runs that each run of row a combines.
    """

    kind: ClassVar[str] = "difference"
    columns: tuple[str, ...] | None = None
    against_parents: bool = False


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """The difference a - b against the same difference elsewhere: on tasks, in columns, or of other rows.

    Attributes:
        columns: ids of the columns of the first difference; None: as for :class:`Difference`.
        against_tasks, against_columns, against_contrast: of the second difference; exactly one is set; empty where
            a profile has none of them.
        relative_error: each difference as the percentage by which errors are fewer.
    """

    kind: ClassVar[str] = "interaction"
    columns: tuple[str, ...] | None = None
    against_tasks: tuple[str, ...] | None = None
    against_columns: tuple[str, ...] | None = None
    against_contrast: Contrast | None = None
    relative_error: bool = False

    def __post_init__(self) -> None:
        others = (self.against_tasks, self.against_columns, self.against_contrast)
        if sum(other is not None for other in others) != 1:
            raise ValueError("an interaction is against tasks, columns or a contrast: give exactly one of them")


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A difference on items by how far their annotators agree.

    Attributes:
        buckets: the items' agreement, out of :data:`BUCKETS`.
        against_buckets: the difference is held against that on these; (): against 0.
        each: every bucket of every task by itself instead of all items together.
    """

    kind: ClassVar[str] = "agreement"
    buckets: tuple[str, ...]
    against_buckets: tuple[str, ...] = ()
    each: bool = False

    def __post_init__(self) -> None:
        unknown = [bucket for bucket in (*self.buckets, *self.against_buckets) if bucket not in BUCKETS]
        if unknown or not self.buckets:
            raise ValueError(f"buckets must be some of {', '.join(BUCKETS)}; got {unknown or 'none'}")
        if self.each and self.against_buckets:
            raise ValueError("each bucket by itself has nothing to be held against: drop against_buckets")


@dataclass(frozen=True, kw_only=True)
class Variance:
    """How much less (more) the scores of row a vary over seeds than those of row b: a ratio above 1.

    Attributes:
        columns: id of the column; None: the task's.
        statistic: "sd", or "range": the expected range of ``runs`` runs, which is what a paper's box plot shows.
        runs: how many runs a range spans; 0 for "sd".
    """

    kind: ClassVar[str] = "variance"
    columns: tuple[str, ...] | None = None
    statistic: str = "sd"
    runs: int = 0

    def __post_init__(self) -> None:
        if self.statistic not in ("sd", "range") or (self.statistic == "range") != (self.runs >= 2):
            raise ValueError(f"statistic is 'sd', or 'range' of 2 runs or more; got {self.statistic!r} of {self.runs}")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of an update or memory of row a over row b: below (above) ``size`` times, or within a margin of it."""

    kind: ClassVar[str] = "cost"
    quantity: str

    def __post_init__(self) -> None:
        if self.quantity not in ("seconds", "memory"):
            raise ValueError(f"quantity must be 'seconds' or 'memory', not {self.quantity!r}")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A setting hardly matters: all pairs of these rows differ by less than the margin.

    Attributes:
        rows: ids of the rows; (): rows of ``curve``, or a and b.
        curve: the curve whose points are compared, with their lowest and highest place in ``between``.
    """

    kind: ClassVar[str] = "sweep"
    rows: tuple[str, ...] = ()
    curve: str = ""
    between: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if bool(self.curve) != (self.between is not None) or (self.curve and self.rows):
            raise ValueError("a sweep is over rows, or over a curve between two of its places")


@dataclass(frozen=True, kw_only=True)
class BestPoint:
    """The best of these rows differs between the tasks: no row is the best on all of them."""

    kind: ClassVar[str] = "best-point"
    rows: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.rows)) < 2:
            raise ValueError(f"a best point needs two rows or more, got {', '.join(self.rows) or 'none'}")


@dataclass(frozen=True, kw_only=True)
class AtEpoch:
    """The difference after ``epoch``; ``against_last``: minus the difference after the last epoch."""

    kind: ClassVar[str] = "epoch"
    epoch: int
    against_last: bool = False


@dataclass(frozen=True, kw_only=True)
class NearConstant:
    """Row a comes within the margin of ``value``, a score that was published without runs."""

    kind: ClassVar[str] = "constant"
    value: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What choosing the epoch by ``best`` adds to choosing it by ``reference``, for both rows, and not by the same."""

    kind: ClassVar[str] = "selection"
    best: str
    reference: str

    def __post_init__(self) -> None:
        unknown = [name for name in (self.best, self.reference) if name not in SELECTIONS]
        if unknown:
            raise ValueError(f"no selection named {unknown[0]!r}; there are {', '.join(SELECTIONS)}")


@dataclass(frozen=True, kw_only=True)
class LossBetween:
    """A loss part of row a, its mean over the last updates of training, lies between two values.

    Attributes:
        after: share of the updates before those that count.
    """

    kind: ClassVar[str] = "loss-between"
    part: str
    low: float
    high: float
    after: float = 0.0

    def __post_init__(self) -> None:
        if self.part not in LOSS_PARTS:
            raise ValueError(f"no loss part named {self.part!r}; there are {', '.join(LOSS_PARTS)}")
        if not (self.low < self.high and 0 <= self.after < 1):
            raise ValueError(f"low < high and 0 <= after < 1; got {self.low:g}, {self.high:g}, {self.after:g}")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A quantity of the trained model, row a over row b: "r_s" at ``radius``, "distance" or "step_divergence"."""

    kind: ClassVar[str] = "measured"
    quantity: str
    columns: tuple[str, ...] | None = None
    radius: float | None = None

    def __post_init__(self) -> None:
        if self.quantity not in ("r_s", "distance", "step_divergence"):
            raise ValueError(f"quantity must be r_s, distance or step_divergence, not {self.quantity!r}")
        if (self.quantity == "r_s") != (self.radius is not None):
            raise ValueError("a radius belongs to r_s, and r_s needs one")


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Row a gives another answer than row b, at the same seed, to less than ``share`` of the items."""

    kind: ClassVar[str] = "changed"
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {self.share:g}")


Kind = (
    Difference
    | Interaction
    | Agreement
    | Variance
    | Cost
    | Sweep
    | BestPoint
    | AtEpoch
    | NearConstant
    | Selection
    | LossBetween
    | Measured
    | Changed
)


def with_columns(test: Kind, names: Mapping[str, str]) -> Kind:
    """Return the test with its columns under other ids; columns without a new id are left out."""
    changes: dict[str, Any] = {}
    for field in ("columns", "against_columns"):
        ids = getattr(test, field, None)
        if ids is not None:
            changes[field] = tuple(names[id] for id in ids if id in names)
    return replace(test, **changes)
