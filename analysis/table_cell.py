"""A cell of an experiment's table, defined once: computed by the comparison, stored by the cache, printed by tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import nan
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """A row of the table in one column; the fields are the columns of the frame that ``compare`` returns.

    Scores, differences and intervals are on the scale papers print: percent; nats for cross-entropy and divergences.

    Attributes:
        mean, sd: mean and standard deviation (ddof 1; nan for one run) of ``scores``, one per finished run.
        difference, low, high, p, correlation: against the baseline row, at the ``n_pairs`` seeds both have; nan for the
            baseline itself.
        collapsed: number of runs that give (almost) one answer to all items; ``collapsed_runs`` marks them.
        missing: number of planned runs that are not finished, with the ``reason``.
        against: the reference of the difference: the baseline row, or the mean of the runs that a row combines.
        visible: smallest true difference that these runs detect with 80 % power.
        seeds_needed: number of seeds that would detect the published difference; nan: not computed, inf: no number
            would.
        identical: share of equal answers.
        near_constant: reason why nearly constant answers allow no interval; "" where they do.
        published, published_difference, published_source: the paper's number, and its difference to the paper's
            baseline.
        floor: reason why the column's task is at the floor; "" where it is not.
        undecided: reason why the difference decides nothing; "" where it may: too few seeds, inert, a task at the
            floor, or nearly constant answers.
    """

    row: str
    row_title: str
    column: str
    column_title: str
    task: str
    metric: str
    split: str
    n_seeds: int = 0
    n_items: int = 0
    mean: float = nan
    sd: float = nan
    scores: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    difference: float = nan
    low: float = nan
    high: float = nan
    p: float = nan
    n_pairs: int = 0
    correlation: float = nan
    ceiling: float = nan
    collapsed: int = 0
    collapsed_runs: tuple[bool, ...] = ()
    missing: int = 0
    reason: str = ""
    level: float = 0.95
    against: str = ""
    visible: float = nan
    seeds_needed: float = nan
    identical: float = nan
    near_constant: str = ""
    floor: str = ""
    undecided: str = ""
    published: float = nan
    published_difference: float = nan
    published_source: str = ""

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the fields, in order."""
        return [field.name for field in fields(cls)]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TableCell:
        """Build a cell from a JSON object; lists become tuples.

        Raises:
            TypeError: a field is unknown, or one without a default is missing.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {name: getattr(self, name) for name in self.names()}
