"""``compare``: a user's own grid of methods and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from analysis.schema.constants import OVER
from benchmarks.experiments.planning.base import Experiment, MethodRow, TaskColumn, essential
from benchmarks.spec import GridPoint, MethodChoice
from benchmarks.tasks import TASKS
from smart_repro.methods import METHODS


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
    rows = []
    for point in _distinct(methods):
        essential(point.choice)  # a wrong option should be an error now, not in every run
        label = _label(point.choice)
        curve = "" if point.curve is None else f"{_label(point.curve)}{OVER}{point.axis}"
        rows.append(MethodRow(label, label, point.choice, curve=curve, x=point.x))
    columns = tuple(
        TaskColumn(task, metric, TASKS[task].evaluated_on)
        for task in dict.fromkeys(tasks)
        for metric in TASKS[task].metrics
    )
    return Experiment(
        name=name,
        title="Comparison: " + ", ".join(row.title for row in rows) + " on " + ", ".join(dict.fromkeys(tasks)),
        rows=tuple(rows),
        columns=columns,
        seeds=seeds,
        baseline=rows[0].id,
        settings=settings,
        task_settings={task: {"definitions": (own,)} for task in tasks if (own := TASKS[task].own) is not None},
        layout="sweep" if any(row.curve for row in rows) else "methods-by-tasks",
    )


def _distinct(methods: Iterable[MethodChoice | GridPoint]) -> list[GridPoint]:
    """Each method once, in the order of the first time; a point of a curve rather than the same method by itself."""
    points: dict[MethodChoice, GridPoint] = {}
    for each in methods:
        point = each if isinstance(each, GridPoint) else GridPoint(each)
        if point.choice not in points or point.curve is not None:
            points[point.choice] = point
    return list(points.values())


def _label(choice: MethodChoice) -> str:
    """As typed, with the dropout reading always shown where the method has one: a verdict names its reading."""
    defaults = {option.name: option.default for option in fields(METHODS[choice.name].Config)}
    if "lambda_s" in defaults and defaults.get("dropout") and "dropout" not in dict(choice.options):
        return MethodChoice(choice.name, (*choice.options, ("dropout", defaults["dropout"]))).label
    return choice.label
