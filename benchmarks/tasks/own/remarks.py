"""Remarks for a reader of results on own data: columns and types as read, splits, classes, rows left out."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isnan

import numpy as np

from analysis.crossed import FEWEST_GROUPS
from benchmarks.definition import DEV_SHARE, Definition
from benchmarks.tasks.base import Split
from benchmarks.tasks.own.numerals import as_number
from benchmarks.tasks.own.rows import Rows
from benchmarks.tasks.sources import WARNING

SHOWN = 8  # classes that a remark counts
BLANKS = ("nan", "na", "n/a", "#n/a", "none", "null", "nil", "?", "-")  # often written where a value is missing
UNEVEN = 0.8  # share of one class beyond which accuracy hides the others
SPREADS = (0.2, 5.0)  # standard deviations of numbers between which training with the usual rates works


def remarks(definition: Definition, parts: Mapping[str, Rows], splits: Mapping[str, Split]) -> tuple[str, ...]:
    """Return the remarks, one sentence or two each."""
    return (
        _columns(definition),
        _division(definition),
        *_left_out(definition, parts),
        *_labels(definition, splits),
        *_repeats(definition, splits),
        *_groups(definition, splits),
    )


def _columns(definition: Definition) -> str:
    texts = " and ".join(repr(name) for name in definition.text)
    if definition.is_regression:
        kind = f"numbers from {definition.low:g} to {definition.high:g}"
    else:
        names = ", ".join(repr(name) for name in definition.labels[:SHOWN])
        more = f" and {len(definition.labels) - SHOWN} others" if len(definition.labels) > SHOWN else ""
        kind = f"{len(definition.labels)} classes ({names}{more})"
    return f"{definition.name}: text from {texts}; label from {definition.label!r}, read as {kind}."


def _division(definition: Definition) -> str:
    sizes = ", ".join(f"{split} {count:,}" for split, count in definition.rows)
    if definition.cut_dev:
        kept = f", groups of {definition.group!r} never divided" if definition.group else ""
        rule = f"{100 * DEV_SHARE:.0f} % were cut as dev, once for all seeds (split seed {definition.split_seed}{kept})"
    else:
        rule = "splits as given"
    verdict = f"The verdict is on {definition.verdict_split}; no choice is made on it."
    return f"{definition.name}: {sizes} rows; {rule}. {verdict}"


def _left_out(definition: Definition, parts: Mapping[str, Rows]) -> Iterator[str]:
    for split, rows in parts.items():
        if rows.left_out:
            counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(rows.left_out.items()))
            yield f"{definition.name}: rows of {split} left out: {counts}."


def _labels(definition: Definition, splits: Mapping[str, Split]) -> Iterator[str]:
    verdict = splits[definition.verdict_split]
    if definition.is_regression:
        spread = float(splits["train"].labels.std())
        if not SPREADS[0] <= spread <= SPREADS[1]:
            yield (
                f"{WARNING}{definition.name}: the numbers have a standard deviation of {spread:.3g}; rescale them to "
                "about 1, or the usual learning rates fit badly"
            )
        return
    for split in dict.fromkeys(("train", definition.verdict_split)):
        counts = np.bincount(splits[split].labels, minlength=len(definition.labels))
        order = np.argsort(-counts, kind="stable")
        listed = ", ".join(f"{definition.labels[i]!r} {counts[i]:,}" for i in order[:SHOWN])
        more = f" and {len(order) - SHOWN} smaller classes" if len(order) > SHOWN else ""
        yield f"{definition.name}: labels of {split}: {listed}{more}."
    counts = np.bincount(verdict.labels, minlength=len(definition.labels))
    share = counts.max() / len(verdict)
    if share > UNEVEN:
        yield (
            f"{WARNING}{definition.name}: always answering {definition.labels[int(counts.argmax())]!r} is right on "
            f"{100 * share:.0f} % of {definition.verdict_split}; read macro-F1 or balanced accuracy beside accuracy"
        )
    absent = [name for name, count in zip(definition.labels, counts, strict=True) if not count]
    if absent:
        names = ", ".join(repr(name) for name in absent[:SHOWN])
        words = "1 class never occurs" if len(absent) == 1 else f"{len(absent)} classes never occur"
        yield f"{definition.name}: {words} in {definition.verdict_split}: {names}."
    yield from _spellings(definition)


def _spellings(definition: Definition) -> Iterator[str]:
    """Yield which classes may be one class in two spellings, or no class at all."""
    spellings: dict[str, list[str]] = {}
    for name in definition.labels:
        visible = "".join(character for character in unicodedata.normalize("NFKC", name) if character.isprintable())
        spellings.setdefault(" ".join(visible.casefold().split()), []).append(name)
    for names in [names for names in spellings.values() if len(names) > 1][:SHOWN]:
        yield (
            f"{WARNING}{definition.name}: {' and '.join(map(ascii, names))} are different classes here, which their "
            "spelling alone tells apart; if they are one, give it one spelling"
        )
    blank = [name for name in definition.labels if name.casefold() in BLANKS]
    if blank:
        yield (
            f"{WARNING}{definition.name}: {', '.join(map(repr, blank))} is a class like every other; where it stands "
            "for a missing label, empty it and add --bad-rows drop"
        )


def _repeats(definition: Definition, splits: Mapping[str, Split]) -> Iterator[str]:
    texts = {split: list(zip(*rows.texts, strict=True)) for split, rows in splits.items()}
    train = set(texts["train"])
    for split, rows in texts.items():
        if split != "train" and (repeated := sum(row in train for row in rows)):
            yield (
                f"{WARNING}{definition.name}: {repeated:,} of {len(rows):,} texts of {split} stand in train too; a "
                "method can know them by heart: remove them from one of the two"
            )


def _groups(definition: Definition, splits: Mapping[str, Split]) -> Iterator[str]:
    if definition.group is None:
        return
    counts = {split: len(set(rows.extra["group"])) for split, rows in splits.items()}
    sizes_of_groups = Counter(group for rows in splits.values() for group in rows.extra["group"])
    if blank := sorted(name for name in sizes_of_groups if name.strip().casefold() in BLANKS):
        count = sum(sizes_of_groups[name] for name in blank)
        yield (
            f"{WARNING}{definition.name}: {', '.join(map(repr, blank))} in {definition.group!r} is a group like every "
            f"other, of {count:,} rows; where it stands for a missing group, give each row one of its own, or empty it "
            "and add --bad-rows drop"
        )
    numbers = {name: value for name in sizes_of_groups if not isnan(value := as_number(name.strip()))}
    values = Counter(numbers.values())
    if twice := sorted(name for name, value in numbers.items() if values[value] > 1):
        yield (
            f"{WARNING}{definition.name}: groups of {definition.group!r} that are one number in two spellings count as "
            f"two: {', '.join(map(repr, twice[:SHOWN]))}; write each in one way"
        )
    sizes = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    yield f"{definition.name}: groups of {definition.group!r}: {sizes}. Intervals speak of new groups."
    if counts[definition.verdict_split] < FEWEST_GROUPS:
        yield (
            f"{WARNING}{definition.name}: {definition.verdict_split} has {counts[definition.verdict_split]} groups of "
            f"{definition.group!r}; with fewer than {FEWEST_GROUPS} nothing is decided"
        )
