"""Kinds of tests of a statement: one dataclass per kind, with exactly the fields that its judge reads.

The judges are in :mod:`analysis.claims`. ``kind`` is the name that a manifest stores and ``list claims`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from analysis.schema.constants import BUCKETS, LOSS_PARTS, SELECTIONS


@dataclass(frozen=True)
class Contrast:
    """Ids of two rows: the statement is about ``a``, which is compared with ``b``."""

    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference in a metric of row a against row b, over tasks or columns.

    Attributes:
        columns: ids of the columns; None: the first column of each task with the statement's metric.
        against_parents: True if row b is the mean of the runs that each run of row a combines.
    """

    kind: ClassVar[str] = "difference"
    columns: tuple[str, ...] | None = None
    against_parents: bool = False


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """The difference a - b against the same difference on other tasks, in other columns, or of other rows.

    Attributes:
        columns: ids of the columns of the first difference; None: as for :class:`Difference`.
        against_tasks: tasks of the second difference. Of this field and the next two exactly one is set; it is empty
            where a profile has none of them.
        against_columns: ids of the columns of the second difference.
        against_contrast: rows of the second difference.
        relative_error: True to express each difference as a percentage reduction of the error.
    """

    kind: ClassVar[str] = "interaction"
    columns: tuple[str, ...] | None = None
    against_tasks: tuple[str, ...] | None = None
    against_columns: tuple[str, ...] | None = None
    against_contrast: Contrast | None = None
    relative_error: bool = False

    def __post_init__(self) -> None:
        alternatives = (self.against_tasks, self.against_columns, self.against_contrast)
        if sum(alternative is not None for alternative in alternatives) != 1:
            raise ValueError("an interaction needs exactly one of against_tasks, against_columns and against_contrast")


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Difference on items selected by the agreement of their annotators.

    Attributes:
        buckets: agreement of the items, out of :data:`BUCKETS`.
        against_buckets: the difference is compared with that on these buckets; (): with 0.
        each: True to test every bucket of every task separately instead of all items together.
    """

    kind: ClassVar[str] = "agreement"
    buckets: tuple[str, ...]
    against_buckets: tuple[str, ...] = ()
    each: bool = False

    def __post_init__(self) -> None:
        unknown_buckets = [bucket for bucket in (*self.buckets, *self.against_buckets) if bucket not in BUCKETS]
        if unknown_buckets or not self.buckets:
            raise ValueError(f"buckets must be some of {', '.join(BUCKETS)}; got {unknown_buckets or 'none'}")
        if self.each and self.against_buckets:
            raise ValueError("separate tests of each bucket have no reference: drop against_buckets")


@dataclass(frozen=True, kw_only=True)
class Variance:
    """Ratio of the spread over seeds of row a to that of row b; a ratio above 1 means the claimed direction.

    Attributes:
        columns: id of the column; None: the task's first column.
        statistic: "sd", or "range": the expected range of ``runs`` runs, as a paper's box plot shows it.
        runs: number of runs a range spans; 0 for "sd".
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
    """Ratio of seconds per update, or memory, of row a to row b: below (above) ``size``, or within a margin of it."""

    kind: ClassVar[str] = "cost"
    quantity: str

    def __post_init__(self) -> None:
        if self.quantity not in ("seconds", "memory"):
            raise ValueError(f"quantity must be 'seconds' or 'memory', not {self.quantity!r}")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All pairs of these rows differ by less than the margin: the setting hardly matters.

    Attributes:
        rows: ids of the rows; (): the rows of ``curve``, or a and b.
        curve: name of the curve whose points are compared.
        between: lowest and highest ``x`` of the points of ``curve`` that are compared.
    """

    kind: ClassVar[str] = "sweep"
    rows: tuple[str, ...] = ()
    curve: str = ""
    between: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if bool(self.curve) != (self.between is not None) or (self.curve and self.rows):
            raise ValueError("a sweep needs either rows, or a curve with the two ends in between")


@dataclass(frozen=True, kw_only=True)
class BestPoint:
    """No row is the best on all tasks: the best of these rows differs between tasks."""

    kind: ClassVar[str] = "best-point"
    rows: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.rows)) < 2:
            raise ValueError(f"a best point needs two rows or more, got {', '.join(self.rows) or 'none'}")


@dataclass(frozen=True, kw_only=True)
class AtEpoch:
    """Difference after ``epoch``; with ``against_last``, minus the difference after the last epoch."""

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
    """Gain from choosing the epoch by ``best`` instead of by ``reference``.

    The claim is that both rows gain, and that they gain different amounts.
    """

    kind: ClassVar[str] = "selection"
    best: str
    reference: str

    def __post_init__(self) -> None:
        unknown_names = [name for name in (self.best, self.reference) if name not in SELECTIONS]
        if unknown_names:
            raise ValueError(f"no selection named {unknown_names[0]!r}; there are {', '.join(SELECTIONS)}")


@dataclass(frozen=True, kw_only=True)
class LossBetween:
    """A loss part of row a, averaged over the last updates of training, lies between two values.

    Attributes:
        part: name of the loss part, out of :data:`LOSS_PARTS`.
        low: lower end of the claimed range.
        high: upper end of the claimed range.
        after: share of the updates that is skipped at the start.
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
            raise ValueError(
                f"low must be below high, and after in [0, 1); got {self.low:g}, {self.high:g}, {self.after:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Ratio of a quantity of the trained model, a over b: "r_s" at ``radius``, "distance" or "step_divergence"."""

    kind: ClassVar[str] = "measured"
    quantity: str
    columns: tuple[str, ...] | None = None
    radius: float | None = None

    def __post_init__(self) -> None:
        if self.quantity not in ("r_s", "distance", "step_divergence"):
            raise ValueError(f"quantity must be r_s, distance or step_divergence, not {self.quantity!r}")
        if (self.quantity == "r_s") != (self.radius is not None):
            raise ValueError("radius must be given for the quantity r_s, and for no other")


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
    """Return the test with its column ids replaced by ``names[id]``; columns without a new id are dropped."""
    changes: dict[str, Any] = {}
    for field in ("columns", "against_columns"):
        ids = getattr(test, field, None)
        if ids is not None:
            changes[field] = tuple(names[id] for id in ids if id in names)
    return replace(test, **changes)
