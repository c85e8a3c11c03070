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
    """A single testable statement about two rows.

    Attributes:
        contrast: the row the statement is about (``a``) and the row it is compared with (``b``).
        tasks: tasks of the experiment that the statement covers.
        clause: the words of the sentence that this statement tests, where a claim has several parts.
        metric: metric of the columns; "" for the default metric of each task.
        direction: a is "greater", "less", "no less", "no greater" (by more than the margin) or "the same" (within the
            margin) as b.
        size: the difference that the paper prints, in the statement's unit (points of the metric, or a ratio, by
            ``test``); None where the paper prints none.
        quantifier: "average" (one mean over tasks), "every" or "any".
        bound: for differences: an effect within the bound counts as "no relevant effect"; None: derived from ``size``.
        margin: for sameness, flatness, "no worse", "within" and "about": the largest deviation that still counts.
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
            raise ValueError("a claim needs at least one task; tasks is empty")
        for name in ("size", "bound", "margin"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} is a magnitude and must be 0 or more (direction gives the sign); got {value}")
        if self.within and (not isinstance(self.test, Difference) or self.quantifier != "average"):
            raise ValueError(f"direction {self.direction!r} is allowed for an average difference of two rows only")
        if self.needs_margin and self.margin is None:
            raise ValueError("a claim of sameness, flatness, 'no worse' or 'within' needs a margin")

    @property
    def kind(self) -> str:
        """Name of the kind of test."""
        return self.test.kind

    @property
    def a(self) -> str:
        """Id of the row the statement is about."""
        return self.contrast.a

    @property
    def b(self) -> str:
        """Id of the row it is compared with."""
        return self.contrast.b

    @property
    def sign(self) -> float:
        """-1 if a is claimed to be less than, or no greater than, b; else 1."""
        return -1.0 if self.direction in ("less", "no greater") else 1.0

    @property
    def within(self) -> bool:
        """True if the claim is that a difference, in one direction or in both, is too small to matter."""
        return self.direction in WITHIN

    @property
    def needs_margin(self) -> bool:
        """True if the statement cannot be decided without a margin."""
        return self.within or isinstance(self.test, Sweep | NearConstant)


@dataclass(frozen=True, kw_only=True)
class Claim(Statement):
    """A sentence of a paper with its test; with ``parts``, further statements that must hold as well.

    Attributes:
        id: stable name, unique among all claims: ``paper-subject``.
        sentence: the claim in one sentence, as the paper means it.
        table: the table, figure or section of the paper that shows it.
        reading: interpretation of the method: "shared" or "independent" masks, "as-released", or "" where there is only
            one.
        min_seeds: fewest seeds for a verdict.
        partial: True if the claim may be decided on those of its tasks that were run (the verdict names them). This is
            for averages that the project itself asks about; a paper's claim stays undecided until all its tasks were
            run.
        parts: statements beyond the claim's first one; each has a ``clause``.
        model: the model that the sentence is about, where runs of another one cannot decide it; "" for any.
        untested: the part of the sentence that the data cannot test, with the reason; "" where the tests cover all of
            it.
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
                raise ValueError("partial: only an average over tasks can be decided on a subset of them")
            if self.parts and not all(part.clause for part in self.statements):
                raise ValueError("a claim with several parts needs a clause for each of them")
        except ValueError as error:
            raise ValueError(f"claim {self.id!r}: {error}") from error

    @property
    def is_project_claim(self) -> bool:
        """True if the project itself asks: such a claim is decided per task and has no pooled number."""
        return self.partial

    @property
    def plain(self) -> bool:
        """True if the claim is a difference of two rows in the first column of each task, without further parts."""
        return self.test == PLAIN and not self.parts

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The claim's first statement, followed by its parts; all of them must hold."""
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
        """Read a claim of a manifest.

        Raises:
            SchemaError: an unknown or missing key, or a value of a wrong type.
        """
        return codec.from_json(cls, content, place)


def claim_of(first: Statement, *parts: Statement, id: str, sentence: str, table: str, **more: Any) -> Claim:
    """Return a claim with several parts from its statements; ``more`` holds further fields of :class:`Claim`."""
    statement = {field.name: getattr(first, field.name) for field in fields(Statement)}
    return Claim(**statement, id=id, sentence=sentence, table=table, parts=parts, **more)


def against(a: str, b: str) -> Contrast:
    """Return the contrast of row a with row b."""
    return Contrast(a, b)
