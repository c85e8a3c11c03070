"""Meaning of a label column: classes or numbers, inferred from all rows and reported."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from benchmarks.errors import DataError, UsageError
from benchmarks.tasks.own.numerals import LARGEST, as_number, remedy
from benchmarks.tasks.own.rows import Rows

MANY_NUMBERS = 20  # different numbers beyond which a numeric label is no set of classes
MOST_CLASSES = 1000
FEWEST_PER_CLASS = 2  # rows a class on average; with fewer the column names rows, not classes
SHOWN = 5


def classes_of(parts: Mapping[str, Rows], label: str, named: str | None) -> tuple[str, ...]:
    """Return the classes in their order: numbers by size, words by spelling, and second the one named for F1.

    Raises: DataError, UsageError: mixed types, one class, too many, or a class that train does not have.
    """
    train = parts["train"]
    counts = Counter(train.labels)
    _check_kinds(train, label)
    if len(counts) == 1:
        only = next(iter(counts))
        raise DataError(
            f"{train.place}: every row has the label {only!r} in {label!r}: at least two classes are needed"
        )
    if len(counts) > MOST_CLASSES or len(counts) * FEWEST_PER_CLASS > len(train):
        raise DataError(
            f"{train.place}: {label!r} has {len(counts):,} different values in {len(train):,} rows: is it an id or a "
            f"text? a label has at most {MOST_CLASSES:,} classes and {FEWEST_PER_CLASS} rows of each on average; give "
            "another --label"
        )
    classes = sorted(counts, key=lambda word: (as_number(word) if _is_number(word) else 0.0, word))
    for rows in parts.values():
        unlisted = [
            (number, word) for number, word in zip(rows.numbers, rows.labels, strict=True) if word not in counts
        ]
        if unlisted:
            number, word = unlisted[0]
            raise DataError(
                f"{rows.place}, row {number}: the label {word[:60]!r} does not occur in {train.place}, which has "
                f"{_some(classes)}; mend the label, or move rows of that class to it"
            )
    return _with_named(classes, named, train, label)


def _with_named(classes: list[str], named: str | None, train: Rows, label: str) -> tuple[str, ...]:
    if named is None:
        return tuple(classes)
    if named not in classes:
        raise UsageError(f"--metric f1:{named}: {label!r} has no class of that name in {train.place}: {_some(classes)}")
    remaining = [name for name in classes if name != named]
    return (remaining[0], named, *remaining[1:])


def numbers_of(parts: Mapping[str, Rows], label: str) -> tuple[float, float]:
    """Return the smallest and largest number of the label column.

    Raises: DataError: naming a row whose label is no number, or a split where all are the same.
    """
    for rows in parts.values():
        for number, word in zip(rows.numbers, rows.labels, strict=True):
            if math.isnan(as_number(word)):
                raise DataError(
                    f"{rows.place}, row {number}: {word[:60]!r} in {label!r} is no finite number; {remedy(word)}"
                )
            if abs(as_number(word)) > LARGEST:
                raise DataError(
                    f"{rows.place}, row {number}: {word[:60]!r} in {label!r} is too large to be predicted: rescale the "
                    "numbers to about 1"
                )
    values = {split: [as_number(word) for word in rows.labels] for split, rows in parts.items()}
    for split, numbers in values.items():
        if min(numbers) == max(numbers):
            raise DataError(
                f"{parts[split].place}: every row has the number {min(numbers):g} in {label!r}: there is nothing to "
                "predict"
            )
    return min(map(min, values.values())), max(map(max, values.values()))


def _check_kinds(train: Rows, label: str) -> None:
    """Refuse numbers among words, and numbers that are no classes."""
    counts = Counter(train.labels)
    numeric = [word for word in counts if _is_number(word)]
    if numeric and len(numeric) < len(counts):
        words = [word for word in counts if not _is_number(word)]
        row = train.numbers[train.labels.index(words[0])]
        are_amounts = len(numeric) > MANY_NUMBERS or any(as_number(word) % 1 for word in numeric)
        advice = "mend the words and add --regression" if are_amounts else "give every class one spelling"
        raise DataError(
            f"{train.place}: {label!r} mixes numbers ({_some(numeric)}) and words ({words[0][:60]!r} in row {row}); "
            f"{advice}"
        )
    if len(numeric) > MANY_NUMBERS or any(as_number(word) % 1 for word in numeric):
        raise UsageError(
            f"{train.place}: {label!r} has {len(numeric):,} different numbers ({_some(numeric)}): add --regression to "
            "predict the number; for classes write them as words"
        )
    values = Counter(as_number(word) for word in numeric)
    if twice := [word for word in numeric if values[as_number(word)] > 1]:
        raise DataError(
            f"{train.place}: {label!r} writes one number in two ways ({_some(twice)}): give it one spelling"
        )


def _is_number(word: str) -> bool:
    return not math.isnan(as_number(word))


def _some(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN:,} others" if len(words) > SHOWN else ""
    return ", ".join(repr(word[:40]) for word in words[:SHOWN]) + more
