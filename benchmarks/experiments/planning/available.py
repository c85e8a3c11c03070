"""The columns of a published table whose data are present; the others are left out, with the reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from benchmarks.errors import MissingData
from benchmarks.experiments.planning.base import Experiment, Start, TaskColumn
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import WARNING, Source
from benchmarks.training.prepared import DRAWN, split_of


def available(experiment: Experiment, source: Source, required: Collection[str] = ()) -> Experiment:
    """Return the experiment without the columns whose data are not there; broken data stay an error.

    Args:
        experiment: the experiment.
        source: the source of the data.
        required: tasks that must keep a column.
    Raises: MissingData: if no column is left, of the experiment or of a required task.
    """
    if source.kind != "local" or not experiment.columns:
        return experiment
    reasons = {column.id: reason for column in experiment.columns if (reason := _missing(column, source))}
    if len(reasons) == len(experiment.columns):
        raise MissingData(f"{experiment.name}: none of its data are there. {next(iter(reasons.values()))}")
    for task in required:
        columns = [column.id for column in experiment.columns if column.task == task]
        if columns and all(name in reasons for name in columns):
            raise MissingData(reasons[columns[0]])
    return replace(
        experiment,
        columns=tuple(column for column in experiment.columns if column.id not in reasons),
        missing={**experiment.missing, **{f"*|{name}": reason for name, reason in reasons.items()}},
    )


def startable(experiment: Experiment, source: Source) -> Experiment:
    """Leave out runs in rows that start from a multi-task run whose data are missing."""
    if source.kind != "local":
        return experiment
    reasons = {f"{row.id}|*": reason for row in experiment.rows if row.start and (reason := _lacks(row.start, source))}
    return replace(experiment, missing={**experiment.missing, **reasons})


def _lacks(start: Start, source: Source) -> str:
    """Return the reason why a multi-task run is impossible, or ""."""
    reason = _absent({(task, split) for task in start.tasks for split in ("train", "dev")}, source)
    return f"its multi-task run needs {', '.join(start.tasks)}: {reason}" if reason else ""


def _missing(column: TaskColumn, source: Source) -> str:
    """Return the reason why the column cannot be filled, or ""."""
    places = {(column.trained, "train"), _place_read(column)}
    if "dev" in TASKS[column.trained].splits:
        places.add((column.trained, "dev"))  # every run predicts dev
    return _absent(places, source)


def _place_read(column: TaskColumn) -> tuple[str, str]:
    """Return the task and split whose file holds the scored rows: for splits drawn from it, the training set."""
    return column.task, "train" if column.split in DRAWN else column.split


def _absent(places: set[tuple[str, str]], source: Source) -> str:
    """Return the reason why one of these splits cannot be read, or ""."""
    for task, split in sorted(places):
        try:
            split_of(task, split, source)
        except MissingData as error:
            return str(error)
    return ""


def data_warnings(experiment: Experiment, source: Source) -> tuple[str, ...]:
    """Return the plan's warnings about the data: a split of one class only, or one with very few items."""
    if source.kind != "local":
        return ()
    places = {(column.trained, "train") for column in experiment.columns}
    places |= {_place_read(column) for column in experiment.columns}
    notes = [note for place in sorted(places) for note in split_of(*place, source).notes]
    return tuple(dict.fromkeys(note for note in notes if note.startswith(WARNING)))
