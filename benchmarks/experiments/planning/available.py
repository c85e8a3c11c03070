"""What of a published table can be filled from the data that are here: the rest is left out, with the reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from benchmarks.errors import MissingData
from benchmarks.experiments.planning.base import Experiment, Start, TaskColumn
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import WARNING, Source
from benchmarks.training.prepared import split_of


def available(experiment: Experiment, source: Source, asked: Collection[str] = ()) -> Experiment:
    """Return the experiment without the columns whose data are not there; broken data stay an error.

    Args:
        asked: tasks that must keep a column.
    Raises: MissingData: if nothing is left, of the experiment or of a task that must be there.
    """
    if source.kind != "local" or not experiment.columns:
        return experiment
    reasons = {column.id: reason for column in experiment.columns if (reason := _missing(column, source))}
    if len(reasons) == len(experiment.columns):
        raise MissingData(f"{experiment.name}: none of its data are there. {next(iter(reasons.values()))}")
    for task in asked:
        columns = [column.id for column in experiment.columns if column.task == task]
        if columns and all(name in reasons for name in columns):
            raise MissingData(reasons[columns[0]])
    return replace(
        experiment,
        columns=tuple(column for column in experiment.columns if column.id not in reasons),
        missing={**experiment.missing, **{f"*|{name}": reason for name, reason in reasons.items()}},
    )


def startable(experiment: Experiment, source: Source) -> Experiment:
    """The experiment without runs in rows that start from a multi-task run whose data are not there."""
    if source.kind != "local":
        return experiment
    reasons = {f"{row.id}|*": reason for row in experiment.rows if row.start and (reason := _lacks(row.start, source))}
    return replace(experiment, missing={**experiment.missing, **reasons})


def _lacks(start: Start, source: Source) -> str:
    """Why a multi-task run cannot be had, or ""."""
    reason = _absent({(task, split) for task in start.tasks for split in ("train", "dev")}, source)
    return f"its multi-task run needs {', '.join(start.tasks)}: {reason}" if reason else ""


def _missing(column: TaskColumn, source: Source) -> str:
    """Why the column cannot be filled, or ""."""
    wanted = {(column.trained, "train"), (column.task, column.split)}
    if "dev" in TASKS[column.trained].splits:
        wanted.add((column.trained, "dev"))  # every run predicts it
    return _absent(wanted, source)


def _absent(wanted: set[tuple[str, str]], source: Source) -> str:
    """Why one of these splits cannot be read, or ""."""
    for task, split in sorted(wanted):
        try:
            split_of(task, split, source)
        except MissingData as error:
            return str(error)
    return ""


def data_warnings(experiment: Experiment, source: Source) -> tuple[str, ...]:
    """What the plan says of the data: a split of one class only, or with hardly any items to measure on."""
    if source.kind != "local":
        return ()
    places = {(column.trained, "train") for column in experiment.columns}
    places |= {(column.task, column.split) for column in experiment.columns}
    notes = [note for place in sorted(places) for note in split_of(*place, source).notes]
    return tuple(dict.fromkeys(note for note in notes if note.startswith(WARNING)))
