"""Claims as data: each sentence of a paper that can be true or false, in a form that runs can decide.

What decides is in :mod:`analysis.claims`; here stands only what is claimed. All claims of one paper are its family,
fixed here before any run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

KINDS = {
    "difference": "a metric of row a against row b, over tasks",
    "interaction": "the difference a - b on `tasks` against the same difference on `against`",
    "agreement": "a difference on items by how far annotators agree: `buckets` against `against_buckets`, or against 0",
    "variance": "the spread over seeds of row b divided by that of row a: `size` is the paper's ratio",
    "cost": "seconds or memory of row a against row b: `size` is the paper's ratio",
    "sweep": "a metric along a curve: the points `curve` between `between` differ by less than `bound`, or the best "
    "point differs between tasks",
    "history": "a quantity logged while training, row a against row b",
}
QUANTIFIERS = ("average", "every", "any")
DIRECTIONS = ("greater", "less", "no less", "no greater", "the same")
READINGS = ("shared", "independent", "as-released", "")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes:
        id: stable name, ``paper-subject``.
        sentence: as the paper means it, in one sentence.
        table: where the paper shows it.
        contrast: rows ``a`` (of which it is claimed) and ``b``.
        tasks: tasks of the experiment it is about.
        metric: the columns' metric; "" for each task's own.
        direction: a is "greater", "less", "no less", "no greater" (by more than the bound) or "the same" (within it).
        size: the paper's own difference, in points of the metric (or a ratio, by ``kind``); None where none is printed.
        quantifier: "average" (one mean over tasks), "every" or "any".
        bound: differences within it do not matter; None: the larger of 0.5 points and half the size.
        reading: which reading of the method: shared / independent masks, as-released, or "" where there is one only.
        min_seeds: fewest seeds for a verdict.
        kind: what is compared, a name of :data:`KINDS`.
        about: what the kind needs beyond rows and tasks.
        partial: whether it may be decided on those of its tasks that were run, named in the verdict: an average that
            the project itself asks about. A paper's claim stays undecided until all its tasks are there.
    """

    id: str
    sentence: str
    table: str
    contrast: Mapping[str, str]
    tasks: tuple[str, ...]
    metric: str = ""
    direction: str = "greater"
    size: float | None = None
    quantifier: str = "average"
    bound: float | None = None
    reading: str = ""
    min_seeds: int = 5
    kind: str = "difference"
    about: Mapping[str, Any] | None = None
    partial: bool = False

    def __post_init__(self) -> None:
        wrong = [
            name
            for name, fine in {
                "contrast": set(self.contrast) == {"a", "b"},
                "direction": self.direction in DIRECTIONS,
                "quantifier": self.quantifier in QUANTIFIERS,
                "reading": self.reading in READINGS,
                "kind": self.kind in KINDS,
                "size": self.size is None or self.size >= 0,
                "tasks": bool(self.tasks),
                "partial": not self.partial or (self.quantifier == "average" and "columns" not in (self.about or {})),
            }.items()
            if not fine
        ]
        if wrong:
            raise ValueError(f"claim {self.id!r}: {', '.join(wrong)} cannot be {[getattr(self, w) for w in wrong]}")

    @property
    def plain(self) -> bool:
        """Whether it is a difference of two rows and nothing else: the rule for those would misjudge any other."""
        return self.kind == "difference" and not self.about

    def to_json(self) -> dict[str, Any]:
        """As the manifest keeps it."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**found, "contrast": dict(self.contrast), "tasks": list(self.tasks), "about": dict(self.about or {})}


def against(a: str, b: str) -> dict[str, str]:
    """The contrast of row a with row b."""
    return {"a": a, "b": b}
