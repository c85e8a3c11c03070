"""``compare``: a user's own grid of methods and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from benchmarks.experiments.planning.base import Experiment, MethodRow, TaskColumn, essential
from benchmarks.spec import MethodChoice
from benchmarks.tasks import TASKS
from smart_repro.methods import METHODS


def compare(
    *,
    tasks: tuple[str, ...],
    methods: tuple[MethodChoice, ...],
    seeds: tuple[int, ...],
    settings: Mapping[str, Any],
    name: str = "compare",
) -> Experiment:
    """Every method on every task under every seed; the first method is the baseline.

    Raises: UnknownNameError, UsageError: for names or options that do not exist.
    """
    rows = []
    for choice in dict.fromkeys(methods):
        essential(choice)  # a wrong option should be an error now, not in every run
        label = _label(choice)
        rows.append(MethodRow(label, label, choice))
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
    )


def _label(choice: MethodChoice) -> str:
    """As typed, with the dropout reading always shown where the method has one: a verdict names its reading."""
    defaults = {option.name: option.default for option in fields(METHODS[choice.name].Config)}
    if "lambda_s" in defaults and defaults.get("dropout") and "dropout" not in dict(choice.options):
        return MethodChoice(choice.name, (*choice.options, ("dropout", defaults["dropout"]))).label
    return choice.label
