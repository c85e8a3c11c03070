"""``compare``: a user's own grid of methods and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from analysis.schema.constants import OVER
from benchmarks.experiments.planning.base import Experiment, MethodRow, TaskColumn, essential
from benchmarks.spec import GridPoint, MethodChoice
from benchmarks.tasks import TASKS
from smart_repro.declarations import methods as declared_methods


def compare(
    *,
    tasks: tuple[str, ...],
    methods: tuple[MethodChoice | GridPoint, ...],
    seeds: tuple[int, ...],
    settings: Mapping[str, Any],
    name: str = "compare",
) -> Experiment:
    """Every method on every task under every seed; the first method is the baseline.

    Points of a curve (an option with several values) are drawn as one.

    Raises: UnknownNameError, UsageError: for names or options that do not exist.
    """
    columns = tuple(
        TaskColumn(task, metric, TASKS[task].evaluated_on)
        for task in dict.fromkeys(tasks)
        for metric in TASKS[task].metrics
    )
    rows = tuple(method_row(point) for point in _distinct(methods))
    return grid_of(name=name, rows=rows, columns=columns, seeds=seeds, settings=settings)


def grid_of(
    *,
    name: str,
    rows: tuple[MethodRow, ...],
    columns: tuple[TaskColumn, ...],
    seeds: tuple[int, ...],
    settings: Mapping[str, Any],
    title: str = "",
) -> Experiment:
    """Return a grid whose first row is the baseline; tasks on own data bring their definitions into its runs."""
    tasks = tuple(dict.fromkeys(column.task for column in columns))
    return Experiment(
        name=name,
        title=title or "Comparison: " + ", ".join(row.title for row in rows) + " on " + ", ".join(tasks),
        rows=rows,
        columns=columns,
        seeds=seeds,
        baseline=rows[0].id,
        settings=settings,
        task_settings={
            task: {"definitions": (definition,)} for task in tasks if (definition := TASKS[task].own) is not None
        },
        layout="sweep" if any(row.curve for row in rows) else "methods-by-tasks",
    )


def method_row(point: GridPoint) -> MethodRow:
    """Return the row of a method, with the typed text as its name.

    The options are checked here, so that a wrong one is reported before any run.

    Raises: UnknownNameError, UsageError: there is no such method or option.
    """
    essential(point.choice)
    label = _label(point.choice)
    curve = "" if point.curve is None else f"{_label(point.curve)}{OVER}{point.axis}"
    return MethodRow(label, label, point.choice, curve=curve, x=point.x)


def _distinct(methods: Iterable[MethodChoice | GridPoint]) -> list[GridPoint]:
    """Return each method once, in order of first occurrence; points of a curve replace equal single methods."""
    points: dict[MethodChoice, GridPoint] = {}
    for entry in methods:
        point = entry if isinstance(entry, GridPoint) else GridPoint(entry)
        if point.choice not in points or point.curve is not None:
            points[point.choice] = point
    return list(points.values())


def _label(choice: MethodChoice) -> str:
    """Return the typed text, completed by the dropout reading if the method has one: verdicts name the reading."""
    defaults = {option.name: option.default for option in fields(declared_methods()[choice.name].Config)}
    if "lambda_s" in defaults and defaults.get("dropout") and "dropout" not in dict(choice.options):
        return MethodChoice(choice.name, (*choice.options, ("dropout", defaults["dropout"]))).label
    return choice.label
