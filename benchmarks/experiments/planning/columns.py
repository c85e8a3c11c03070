"""The columns of a task in experiments that can be run on any classification task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from analysis.scores import METRICS
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import Experiment, TaskColumn
from benchmarks.tasks import TASKS, Classification


def any_task(task: str) -> tuple[TaskColumn, ...]:
    """Return the column of a task's first metric on the split that papers report.

    Raises: UnknownNameError: no such task.
    """
    return (headline_column(task),)


def headline_column(task: str, variant: str = "", settings: Mapping[str, Any] | None = None) -> TaskColumn:
    """Return the column of a task's first metric on the split that papers report, for runs with these settings."""
    return TaskColumn(task, TASKS[task].metrics[0], TASKS[task].evaluated_on, settings=settings or {}, variant=variant)


def on_tasks(experiment: Experiment, tasks: tuple[str, ...]) -> Experiment:
    """Return the experiment on these tasks; it keeps its own columns of tasks that it has.

    Claims whose sentences name no task are applied to these tasks, provided that greater scores are better in all
    columns or in none. Otherwise a claim is kept if all of its tasks are.

    Raises: UsageError: a task that has no classes, or no training data.
    """
    assert experiment.columns_for is not None
    if set(tasks) <= set(experiment.tasks):
        return experiment
    columns: list[TaskColumn] = []
    for task in tasks:
        if not isinstance(TASKS[task].head, Classification) or TASKS[task].train_with:
            reason = "evaluates runs of another task" if TASKS[task].train_with else "has no classes"
            raise UsageError(f"--tasks {task}: {experiment.name} takes any classification task, but {task} {reason}")
        declared = tuple(column for column in experiment.columns if column.task == task)
        columns += declared or experiment.columns_for(task)
    upwards = {METRICS[column.metric].greater_is_better for column in (*experiment.columns, *columns)}
    if experiment.has_portable_claims and len(upwards) == 1:
        claims = tuple(replace(claim, tasks=tasks) for claim in experiment.claims)
    else:
        claims = tuple(claim for claim in experiment.claims if set(claim.tasks) <= set(tasks))
    return replace(experiment, columns=tuple(columns), claims=claims)
