"""From what a user says and what the files hold to a task's definition, with remarks for the reader of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.definition import DEV_SHARE, Definition
from benchmarks.errors import DataError, UsageError
from benchmarks.tasks.base import Split
from benchmarks.tasks.own.choices import Choices
from benchmarks.tasks.own.labels import classes_of, numbers_of
from benchmarks.tasks.own.remarks import remarks
from benchmarks.tasks.own.rows import Rows, read_rows
from benchmarks.tasks.own.splits import divided

FEWEST = {"train": 20, "dev": 10, "test": 10}  # rows; with fewer nothing can be learnt or decided
FEWEST_TO_CUT = 50  # rows that a dev split is cut from


@dataclass(frozen=True)
class OwnTask:
    """A task on own data as found: its definition, where each split lies, and what a reader must know of it."""

    definition: Definition
    locations: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    hub: bool = False

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.definition.name

    @property
    def files(self) -> dict[tuple[str, str], Path]:
        """(task, split) -> where it lies, as :class:`benchmarks.tasks.sources.Source` has it."""
        return {(self.name, split): Path(place) for split, place in self.locations}


def define(choices: Choices) -> OwnTask:
    """Read the data and define the task.

    Raises: UsageError, DataError: naming the file and row, what is wrong and the remedy.
    """
    parts = read_rows(choices, choices.locations)
    metrics, named = choices.metric_names()
    _check_size(parts)
    labels: tuple[str, ...] = () if choices.regression else classes_of(parts, choices.label, named)
    low, high = numbers_of(parts, choices.label) if choices.regression else (None, None)
    _check_texts(parts["train"], choices.text)
    cut_dev = set(parts) == {"train"}
    if choices.split_seed and not cut_dev:
        names = " and ".join(split for split in parts if split != "train")
        raise UsageError(f"--split-seed {choices.split_seed}: nothing is cut where the data have {names}; leave it out")
    draft = Definition(
        name=choices.task_name,
        text=choices.text,
        label=choices.label,
        labels=labels,
        low=low,
        high=high,
        metrics=metrics,
        group=choices.group,
        bad_rows=choices.bad_rows,
        cut_dev=cut_dev,
        split_seed=choices.split_seed,
        rows=(),
        fingerprints=tuple((split, rows.fingerprint) for split, rows in parts.items()),
    )
    splits = divided(draft, parts)
    rows = tuple((split, len(splits[split])) for split in ("train", "dev", "test") if split in splits)
    definition = replace(draft, rows=rows)
    _check_verdict_groups(definition, splits)
    return OwnTask(definition, choices.locations, remarks(definition, parts, splits), choices.hub)


def _check_verdict_groups(definition: Definition, splits: Mapping[str, Split]) -> None:
    """Refuse a verdict on one group, which has no spread at all. Raises DataError."""
    split = definition.verdict_split
    if definition.group and len(set(splits[split].extra["group"])) < 2:
        raise DataError(
            f"{splits[split].sources[0]}: all rows of {split} are of one group of {definition.group!r}: nothing can be "
            f"said of new groups; give more groups (--{split}), or leave --group out"
        )


def _check_texts(train: Rows, names: tuple[str, ...]) -> None:
    """Refuse rows that all have the same texts: no method can tell them apart. Raises DataError."""
    if all(len(set(column)) == 1 for column in train.texts):
        listed = " and ".join(map(repr, names))
        raise DataError(f"{train.place}: every row has the same text in {listed}: is it the right column?")


def _check_size(parts: Mapping[str, Rows]) -> None:
    """Refuse splits with too few rows. Raises DataError."""
    for split, rows in parts.items():
        required = FEWEST_TO_CUT if set(parts) == {"train"} else FEWEST[split]
        if len(rows) < required:
            purpose = f" ({100 * DEV_SHARE:.0f} % of them become dev)" if set(parts) == {"train"} else ""
            raise DataError(
                f"{rows.place}: only {len(rows)} usable row{'s' * (len(rows) > 1)}; the {split} split needs at least "
                f"{required}{purpose}: add rows"
            )
