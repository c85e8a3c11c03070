"""Entering tasks on own data among all tasks, and reading their splits by their definition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from analysis.schema import SPLITS
from benchmarks.definition import Definition
from benchmarks.errors import DataError, MissingData, UsageError
from benchmarks.tasks.base import Classification, Regression, Split, Task
from benchmarks.tasks.own.choices import Choices
from benchmarks.tasks.own.rows import read_rows
from benchmarks.tasks.own.splits import divided
from benchmarks.tasks.registry import TASKS

MAX_LENGTH = 128


def enter(definitions: Iterable[Definition]) -> None:
    """Make tasks on own data known by their names, in place of earlier ones on own data of the same name.

    Raises: UsageError: a task of the suite has that name.
    """
    for definition in definitions:
        registered = TASKS.get(definition.name)
        if registered is not None and registered.own is None:
            raise UsageError(f"--task-name {definition.name}: the suite has a task of that name; give another")
        if registered is None or registered.own != definition:
            TASKS.replace(definition.name, task_of(definition))


def task_of(definition: Definition) -> Task:
    """Return the task that a definition defines."""
    if definition.is_regression:
        assert definition.low is not None
        assert definition.high is not None
        head: Classification | Regression = Regression(definition.low, definition.high)
    else:
        head = Classification(definition.labels)
    return Task(
        definition.name,
        title=definition.name,
        head=head,
        text=definition.text,
        metrics=definition.metrics,
        sizes=dict(definition.rows),
        max_length=MAX_LENGTH,
        version=definition.version,
        own=definition,
        read=partial(load, definition),
    )


def load(definition: Definition, split: str, files: Mapping[tuple[str, str], Path], hub: bool) -> Split:
    """Return one split of a task on own data.

    Args:
        definition: the definition of the task.
        split: the split.
        files: (task, split) -> place of the rows.
        hub: True if a place that is no path is a data set of the hub.
    Raises: MissingData: it is not said where the data lie. DataError: they are not those of the definition any more.
    """
    places = tuple((part, str(files[definition.name, part])) for part in SPLITS if (definition.name, part) in files)
    if not places:
        raise MissingData(f"{definition.name}: say where its data lie: --data FILE, and --dev or --test as before")
    choices = Choices(
        data=places[0][1],
        text=definition.text,
        label=definition.label,
        group=definition.group,
        bad_rows=definition.bad_rows,
        regression=definition.is_regression,
        hub=hub,
    )
    parts = read_rows(choices, places)
    for part, fingerprint in definition.fingerprints:
        if part not in parts:
            raise MissingData(f"{definition.name}: its {part} split is not at {places[0][1]}: add --{part} FILE")
        if parts[part].fingerprint != fingerprint:
            raise DataError(
                f"{parts[part].place}: not the {part} rows that {definition.name} was defined by; they have changed: "
                "give the rows of that time, or run the comparison anew"
            )
    splits = divided(definition, {part: parts[part] for part, _ in definition.fingerprints})
    if split not in splits:
        raise DataError(f"{definition.name} has no {split} split, it has {', '.join(definition.splits)}")
    return splits[split]
