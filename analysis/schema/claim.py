"""Claims as data: each sentence of a paper that can be true or false, in a form that runs can decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from analysis.schema import codec
from analysis.schema.constants import DIRECTIONS, QUANTIFIERS, READINGS
from analysis.schema.kinds import Contrast, Difference, Kind, NearConstant, Sweep

PLAIN = Difference()
WITHIN = ("no less", "no greater", "the same")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that can be tested.

    Attributes:
        contrast: rows ``a`` (of which it is claimed) and ``b``.
        tasks: tasks of the experiment it speaks about.
        clause: the words that it tests, where a claim has several parts.
        metric: the columns' metric; "" for each task's own.
        direction: a is "greater", "less", "no less", "no greater" (by more than the margin) or "the same" (within it).
        size: the paper's own difference in the statement's unit (points of the metric, or a ratio, by ``test``); None
            where none is printed.
        quantifier: "average" (one mean over tasks), "every" or "any".
        bound: for differences: "no relevant effect" is an effect within it; None: by the rule, from ``size``.
        margin: for sameness, flatness, "no worse", "within" and "about": how far off still counts.
        test: what is compared, and how.
    """

    contrast: Contrast
    tasks: tuple[str, ...]
    clause: str = ""
    metric: str = ""
    direction: str = "greater"
    size: float | None = None
    quantifier: str = "average"
    bound: float | None = None
    margin: float | None = None
    test: Kind = PLAIN

    def __post_init__(self) -> None:
        for name, allowed in (("direction", DIRECTIONS), ("quantifier", QUANTIFIERS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        if not self.tasks:
            raise ValueError("a claim speaks about tasks; it has none")
        for name in ("size", "bound", "margin"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} is how much, direction says which way; got {value}")
        if self.within and (not isinstance(self.test, Difference) or self.quantifier != "average"):
            raise ValueError(f"direction {self.direction!r} is for an average difference of two rows alone")
        if self.needs_margin and self.margin is None:
            raise ValueError("sameness, flatness, 'no worse' and 'within' state their margin")

    @property
    def kind(self) -> str:
        """The name of the kind of test."""
        return self.test.kind

    @property
    def a(self) -> str:
        """The row of which something is claimed."""
        return self.contrast.a

    @property
    def b(self) -> str:
        """The row it is compared with."""
        return self.contrast.b

    @property
    def sign(self) -> float:
        """-1 where a is claimed to be less, or no greater; else 1."""
        return -1.0 if self.direction in ("less", "no greater") else 1.0

    @property
    def within(self) -> bool:
        """Whether a difference, in one direction or in both, is claimed to be too small to matter."""
        return self.direction in WITHIN

    @property
    def needs_margin(self) -> bool:
        """Whether it cannot be decided without a margin."""
        return self.within or isinstance(self.test, Sweep | NearConstant)


@dataclass(frozen=True, kw_only=True)
class Claim(Statement):
    """A sentence with its test; with ``parts``, further statements that must hold as well.

    Attributes:
        id: stable name, unique among all claims: ``paper-subject``.
        sentence: as the paper means it, in one sentence.
        table: where the paper shows it.
        reading: which reading of the method: shared / independent masks, as-released, or "" where there is one only.
        min_seeds: fewest seeds for a verdict.
        partial: whether it may be decided on those of its tasks that were run, named in the verdict: an average that
            the project itself asks about. A paper's claim stays undecided until all its tasks are there.
        parts: what the sentence says beyond the claim's own statement; each part has a ``clause``.
        model: the model that the sentence speaks of, where runs of another one cannot decide it; "": any.
        untested: which part of the sentence the data cannot test, and why; "" where the tests cover all of it.
    """

    id: str
    sentence: str
    table: str = ""
    reading: str = ""
    min_seeds: int = 5
    partial: bool = False
    parts: tuple[Statement, ...] = ()
    model: str = ""
    untested: str = ""

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
            if self.reading not in READINGS:
                raise ValueError(f"reading must be one of {', '.join(READINGS)}; got {self.reading!r}")
            if self.partial and (
                self.quantifier != "average" or getattr(self.test, "columns", None) is not None or self.parts
            ):
                raise ValueError("partial: only an average over tasks can be decided on some of them")
            if self.parts and not all(part.clause for part in self.statements):
                raise ValueError("every part of a claim with several names the clause it tests")
        except ValueError as error:
            raise ValueError(f"claim {self.id!r}: {error}") from error

    @property
    def own(self) -> bool:
        """Whether the project itself asks: such a claim is decided per task and has no pooled number."""
        return self.partial

    @property
    def plain(self) -> bool:
        """Whether it is a difference of two rows in the first column of each task, and nothing else."""
        return self.test == PLAIN and not self.parts

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All that must hold: its own statement and its parts."""
        return (self, *self.parts)

    def of_part(self, part: Statement) -> Claim:
        """Return the claim with one part as its only statement."""
        statement = {field.name: getattr(part, field.name) for field in fields(Statement)}
        return replace(self, **statement, parts=())

    def to_json(self) -> dict[str, Any]:
        """Return the claim as the manifest stores it."""
        content: dict[str, Any] = codec.to_json(self)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any], place: str = "claim") -> Claim:
        """Read a claim of a manifest. Raises SchemaError."""
        return codec.from_json(cls, content, place)


def claim_of(first: Statement, *others: Statement, id: str, sentence: str, table: str, **more: Any) -> Claim:
    """Return the claim whose parts are these statements; ``more`` are further fields of :class:`Claim`."""
    own = {field.name: getattr(first, field.name) for field in fields(Statement)}
    return Claim(**own, id=id, sentence=sentence, table=table, parts=others, **more)


def against(a: str, b: str) -> Contrast:
    """Return the contrast of row a with row b."""
    return Contrast(a, b)
