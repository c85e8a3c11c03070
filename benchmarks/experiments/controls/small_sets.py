"""Common parts of control studies: four small data sets, eight seeds, SMART's settings, the form of their claims."""

from __future__ import annotations

from typing import Any

from analysis.schema import Claim, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import Experiment, TaskColumn

COLUMNS = (
    TaskColumn("cola", "matthews"),
    TaskColumn("rte", "accuracy"),
    TaskColumn("mrpc", "f1"),
    TaskColumn("sst2", "accuracy"),
)
TASKS = tuple(column.task for column in COLUMNS)
VANILLA = method_rows.vanilla("plain fine-tuning")


def study(**fields: Any) -> Experiment:
    """Return an experiment on the small sets: eight seeds, every row under SMART's settings.

    Args:
        fields: the experiment's other fields.
    """
    return Experiment(
        columns=COLUMNS,
        seeds=method_rows.EIGHT,
        baseline=VANILLA.id,
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        printed_head=False,  # the runs of these studies were made without
        **fields,
    )


def claim(name: str, sentence: str, a: str, b: str, *, direction: str = "greater", reading: str = "") -> Claim:
    """Return a claim about row ``a`` against row ``b`` on all the small sets; "no less" allows for half a point."""
    return Claim(
        id=f"control-{name}",
        sentence=sentence,
        table="control study",
        contrast=against(a, b),
        tasks=TASKS,
        direction=direction,
        margin=0.5 if direction == "no less" else None,
        reading=reading,
        min_seeds=8,
        partial=True,
    )
