"""From strings to rows with a text and a label: what is missing is counted, or refused with the rows' numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.tasks.own.choices import Choices
from benchmarks.tasks.own.files import ALIASES, Table, read_location
from benchmarks.tasks.readers.text import is_encodable

FIRST = 5  # rows that a message names


@dataclass(frozen=True)
class Rows:
    """The usable rows of one split as the user gave it.

    Attributes:
        place: its name in messages.
        numbers: of the rows, from 1, as the user's file has them.
        texts: one list per text column.
        labels: as written, without blanks around them.
        groups: per row, or empty.
        left_out: rows that are not here, counted by reason.
    """

    place: str
    numbers: list[int]
    texts: tuple[list[str], ...]
    labels: list[str]
    groups: list[str]
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def fingerprint(self) -> str:
        """sha256 of the rows in their order, whatever format they were read from."""
        digest = sha256()
        for column in (*self.texts, self.labels, self.groups):
            digest.update(b"%d\x1e" % len(column))
            for value in column:
                encoded = value.encode()
                digest.update(b"%d\x1f" % len(encoded) + encoded)
        return digest.hexdigest()


def read_rows(choices: Choices, locations: Sequence[tuple[str, str]]) -> dict[str, Rows]:
    """Return the rows of every split that the locations hold; what was read before and has not changed is kept.

    Raises: DataError, MissingData.
    """
    states = tuple(_state(Path(place).expanduser()) for _, place in locations)
    reading_options = (choices.text, choices.label, choices.group, choices.bad_rows, choices.hub)
    return dict(_read_rows(tuple(locations), states, *reading_options))


def _state(path: Path) -> tuple[object, ...]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file())


@lru_cache(maxsize=4)
def _read_rows(
    locations: tuple[tuple[str, str], ...],
    states: object,
    text: tuple[str, ...],
    label: str,
    group: str | None,
    bad_rows: str,
    hub: bool,
) -> dict[str, Rows]:
    column_names = tuple(dict.fromkeys([*text, label, *([group] if group else [])]))
    tables: dict[str, Table] = {}
    for split, place in locations:
        tables_at_place = read_location(place, column_names, hub)
        if split == "train":
            tables |= tables_at_place
        elif len(tables_at_place) > 1:
            names = ", ".join(tables_at_place)
            raise DataError(f"{place} holds several splits ({names}): give it as --data, or a file as --{split}")
        else:
            tables[split] = next(iter(tables_at_place.values()))
    return {split: _usable(tables[split], text, label, group, bad_rows, split) for split in ALIASES if split in tables}


def _usable(table: Table, text: tuple[str, ...], label: str, group: str | None, bad_rows: str, split: str) -> Rows:
    """Return the rows with every text, a label and a group. Raises DataError, unless bad rows are to be dropped."""
    labels = [None if value is None else value.strip() for value in table.columns[label]]
    if split == "test" and all(value in (None, "", "-1") for value in labels):
        raise DataError(f"{table.place}: no row has a label; a verdict needs labels: leave the test split out")
    required = [*((name, table.columns[name]) for name in text), (label, labels)]
    required += [(group, table.columns[group])] if group else []
    reasons: dict[int, str] = {}
    for name, column in required:
        for row, value in enumerate(column):
            if value is None or not value.strip():
                reasons.setdefault(row, f"without {name!r}")
            elif not (value.isascii() or is_encodable(value)):
                reasons.setdefault(row, f"with half of a surrogate pair in {name!r}")
    counts = Counter(reasons.values())
    if reasons and bad_rows == "error":
        first = ", ".join(f"{row + 1} ({reason})" for row, reason in sorted(reasons.items())[:FIRST])
        raise DataError(
            f"{table.place}: {len(reasons):,} of {len(table):,} rows cannot be used: row {first}"
            f"{' ...' if len(reasons) > FIRST else ''}; mend them, or leave them out with --bad-rows drop"
        )
    kept = [row for row in range(len(table)) if row not in reasons]
    if not kept:
        raise DataError(f"{table.place}: no row can be used: {', '.join(counts)}; are these the right columns?")

    def kept_values(values: Sequence[str | None]) -> list[str]:
        return [value for row in kept if (value := values[row]) is not None]

    return Rows(
        table.place,
        [row + 1 for row in kept],
        tuple(kept_values(table.columns[name]) for name in text),
        kept_values(labels),
        kept_values(table.columns[group]) if group else [],
        dict(counts),
    )
