"""Control study: how the gain depends on the number of training examples, with the number of updates held fixed.

At three epochs 100 examples are 21 updates: such a curve mixes little data with little training. So each size is
trained for as many updates as three epochs of the largest, 564 of 16 examples; three epochs of each size are a second
curve. The holdout lies outside the n examples, and smaller sets inside larger ones.

Runs: 105 paper, 105 small, 75 demo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, TaskColumn
from benchmarks.experiments.planning.columns import headline_column
from benchmarks.experiments.sda import settings as sda
from benchmarks.experiments.studies import balls
from benchmarks.tasks import TASKS

SIZES, BATCH, EPOCHS, HOLDOUT = (100, 300, 1000, 3000), 16, 3, 250
DEMO_SIZES, DEMO_BATCH, DEMO_EPOCHS, DEMO_HOLDOUT = (40, 80, 320), 32, 18, 60
BY_EPOCHS = ", fixed epochs"  # end of the variants of the second curve
_ROWS = (
    method_rows.vanilla("plain fine-tuning"),
    balls.ACTING_ROW,
    sda.sda("all"),
)


def columns(task: str) -> tuple[TaskColumn, ...]:
    """Return the columns of both curves, at the sizes that leave a holdout of the task's training set."""
    available = TASKS[task].sizes.get("train", 0)
    if TASKS[task].generated:
        return _columns(task, DEMO_SIZES, DEMO_BATCH, DEMO_EPOCHS, DEMO_HOLDOUT)
    return _columns(task, [size for size in SIZES if size + HOLDOUT <= available], BATCH, EPOCHS, HOLDOUT)


def _columns(task: str, sizes: Sequence[int], batch: int, epochs: int, holdout: int) -> tuple[TaskColumn, ...]:
    updates = epochs * math.ceil(max(sizes) / batch)
    size_columns = []
    for mark in ("", BY_EPOCHS):
        for size in sizes:
            of_size = {"max_train_samples": size, "holdout": 0.0, "holdout_rows": holdout, "batch_size": batch}
            times = math.ceil(updates / math.ceil(size / batch))  # epochs that hold as many updates
            is_same = size == max(sizes)  # three epochs of the largest size are these updates: the curves share the run
            length = {"epochs": epochs} if mark or is_same else {"epochs": times, "max_steps": updates}
            settings = {**of_size, "max_steps": None, "evaluate_every": max(length["epochs"] // 3, 1), **length}
            size_columns.append(headline_column(task, f"{size:,}{mark}", settings))
    return tuple(size_columns)


@EXPERIMENTS.register("size-curve")
def size_curve() -> Experiment:
    """Plain fine-tuning, R_s and SDA on 100 to 3,000 examples at equal updates, and at equal epochs. Control study."""
    return Experiment(
        name="size-curve",
        title="Training examples at equal updates",
        rows=_ROWS,
        columns=columns("sst2"),
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        layout="fractions",
        columns_for=columns,
        adapt={"demo": _demo},
    )


def _demo(experiment: Experiment) -> Experiment:
    """Use the sizes of the generated training sets, which have 400 examples."""
    tasks = dict.fromkeys(column.task for column in experiment.columns)
    sizes = (column for task in tasks for column in _columns(task, DEMO_SIZES, DEMO_BATCH, DEMO_EPOCHS, DEMO_HOLDOUT))
    return replace(experiment, columns=tuple(sizes))
