"""Definition of a task on a user's own data: part of a run's settings, from which any process builds the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

DEV_SHARE = 0.2  # of the rows, cut off as dev where the user names neither --dev nor --test


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A task on own data, without any path: the location of the data is given again whenever they are read.

    Attributes:
        name: of the task.
        text: names of the text columns, one or two.
        label: name of the label column.
        labels: the classes in their order; empty: a number is predicted.
        low, high: the smallest and largest number of the label column, where a number is predicted.
        metrics: names in :data:`analysis.scores.METRICS`; the first decides.
        group: the column whose values name groups that no split divides; None: every row stands for itself.
        bad_rows: "error" or "drop": what happens to rows without a text or a label.
        cut_dev: whether dev was cut from the rows, :data:`DEV_SHARE` of them.
        split_seed: of that cut; it is the same for every seed of a run.
        rows: split -> how many rows it has.
        fingerprints: split as the user gave it -> sha256 of its rows.
        version: raised whenever the same files would give other examples.
    """

    name: str
    text: tuple[str, ...]
    label: str
    labels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    metrics: tuple[str, ...]
    group: str | None = None
    bad_rows: str = "error"
    cut_dev: bool = False
    split_seed: int = 0
    rows: tuple[tuple[str, int], ...]
    fingerprints: tuple[tuple[str, str], ...]
    version: int = 1

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the data."""
        return tuple(split for split, _ in self.rows)

    @property
    def is_regression(self) -> bool:
        """True if a number is predicted."""
        return not self.labels

    @property
    def verdict_split(self) -> str:
        """The split that the verdict is on: test where the user gave one, else dev."""
        return "test" if "test" in self.splits else "dev"

    @property
    def place_options(self) -> str:
        """The options that say where the data lie: ``--data FILE``, and those of further splits that the user gave."""
        given = dict(self.fingerprints)
        return " ".join(["--data FILE", *(f"--{split} FILE" for split in ("dev", "test") if split in given)])

    def to_json(self) -> dict[str, Any]:
        """Return all fields, JSON-ready; :meth:`from_json` reads them back."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {**values, "rows": dict(self.rows), "fingerprints": dict(self.fingerprints)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Definition:
        """Read a definition. Raises TypeError for an unknown or missing field."""
        names = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) and name in names else value
            for name, value in content.items()
        }
        pairs: dict[str, Any] = {name: tuple(dict(content[name]).items()) for name in ("rows", "fingerprints")}
        return cls(**{**values, **pairs})
