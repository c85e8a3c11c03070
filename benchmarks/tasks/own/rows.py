"""From strings to rows with a text and a label: what is missing is counted, or refused with the rows' numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from math import isnan
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.tasks.own.choices import Choices
from benchmarks.tasks.own.files import ALIASES, Table, read_location
from benchmarks.tasks.own.numerals import as_number
from benchmarks.tasks.readers.text import is_encodable

FIRST = 5  # rows that a message names
LONGEST = 1_000_000  # characters of a text; a longer one is a mistake, and takes seconds to cut into word pieces


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
    drops_words = choices.regression and choices.bad_rows == "drop"
    reading_options = (choices.text, choices.label, choices.group, choices.bad_rows, choices.hub, drops_words)
    return dict(_read_rows(tuple(locations), states, *reading_options))


def _state(path: Path) -> tuple[object, ...]:
    """Return what changes when a file, or one that a folder of splits holds, is written anew."""
    files = sorted([*path.glob("*"), *path.glob("*/*")]) if path.is_dir() else [path]
    states = []
    for file in files:
        try:
            state = file.stat()
        except OSError:  # a link to nowhere, or a file that is none: not read either
            continue
        if file.is_file():
            states.append((str(file), state.st_size, state.st_mtime_ns))
    return tuple(states)


@lru_cache(maxsize=4)
def _read_rows(
    locations: tuple[tuple[str, str], ...],
    states: object,
    text: tuple[str, ...],
    label: str,
    group: str | None,
    bad_rows: str,
    hub: bool,
    drops_words: bool,
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
    for split in ("dev", "test"):
        if split in tables:
            _check_labelled(tables[split], label, split)
    usable = partial(_usable, text=text, label=label, group=group, bad_rows=bad_rows, drops_words=drops_words)
    return {split: usable(tables[split]) for split in ALIASES if split in tables}


def _check_labelled(table: Table, label: str, split: str) -> None:
    """Refuse a split to evaluate on that has no labels at all. Raises DataError."""
    if all(value is None or value.strip() in ("", "-1") for value in table.columns[label]):
        raise DataError(f"{table.place}: no row has a label; a verdict needs labels: leave the {split} split out")


def _usable(
    table: Table, *, text: tuple[str, ...], label: str, group: str | None, bad_rows: str, drops_words: bool
) -> Rows:
    """Return the rows with every text, a label and a group. Raises DataError, unless bad rows are to be dropped."""
    labels = [None if value is None else value.strip() for value in table.columns[label]]
    required = [*((name, table.columns[name]) for name in text), (label, labels)]
    required += [(group, table.columns[group])] if group else []
    reasons: dict[int, str] = {}
    for name, column in required:
        for row, value in enumerate(column):
            if problem := _problem(value):
                reasons.setdefault(row, f"{problem} {name!r}")
            elif drops_words and name == label and isnan(as_number(value or "")):
                reasons.setdefault(row, f"with no finite number in {name!r}")
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


def _problem(value: str | None) -> str:
    """Return why a row with this value cannot be used, up to the column's name; "" if it can."""
    if value is None or not value.strip():
        return "without"
    if len(value) > LONGEST:
        return f"with more than {LONGEST:,} characters in"
    if not (value.isascii() or is_encodable(value)):
        return "with half of a surrogate pair in"
    return ""
