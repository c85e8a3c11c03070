"""The note of an experiment that has both R-Drop and R_s: their weights are not on the same scale."""

from __future__ import annotations

from analysis.strengths import unequal_strengths
from benchmarks.experiments.planning.base import Experiment
from smart_repro.declarations import configure, methods


def strengths(experiment: Experiment) -> tuple[str, ...]:
    """Return a sentence on the strengths of R-Drop and R_s in the experiment's rows; () without both."""
    choices = [choice for row in experiment.rows for choice in (row.method, *row.per_task.values())]
    configs = [(choice.name, configure(methods()[choice.name], dict(choice.options))) for choice in choices]
    note = unequal_strengths(
        (config.alpha for name, config in configs if name == "r-drop"),
        (config.lambda_s for _, config in configs if getattr(config, "lambda_s", 0)),
    )
    return (note,) if note else ()
