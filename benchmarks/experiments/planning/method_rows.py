"""Rows and settings that several experiments share, so that the same run has the same key in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.experiments.planning.base import DemoVariant, MethodRow, Start
from benchmarks.spec import MethodChoice, method

BERT, BERT_LARGE, ROBERTA = "bert-base-uncased", "bert-large-uncased", "roberta-large"
READINGS = ("shared", "independent")

# SMART, section 4.1, gives grids for learning rate, batch size and lambda_s, and at most 6 epochs; the paper chose per
# task, on the reported set. Here all rows have the same values out of the grids, so that only the method differs.
SMART_SETTINGS: Mapping[str, Any] = {
    "model": BERT,
    "batch_size": 32,
    "learning_rate": 3e-5,
    "epochs": 3,
    "max_length": 512,
    "head_dropout": 0.1,
}
SMART_TASK_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "mnli": {"head_dropout": 0.3},
    "cola": {"head_dropout": 0.05},
}
# SMART's Table 1 in the profile demo; chosen on seeds that the demo does not use. The paper's teacher holds a run of a
# few hundred updates near its untrained start, and some runs of SMART then never learn (docs/generated-world.md).
STEADY_DEMO = DemoVariant(
    settings={"batch_size": 8, "learning_rate": 5e-4, "schedule": "constant", "epochs": 10, "max_steps": None},
    options={"smart": {"teacher": "ema-scaled"}},
    note="The runs have a few hundred updates, so the memory of SMART's teacher is scaled to their length "
    "(teacher=ema-scaled): with the paper's 0.999 the untrained start would keep a large share of the teacher.",
)
# SDA, section 4.2. The paper gives the number of epochs only for IMDb (Figures 5 and 6: six).
SDA_SETTINGS: Mapping[str, Any] = {
    "model": BERT,
    "head": "cls",
    "batch_size": 16,
    "accumulation": 4,
    "learning_rate": 2e-5,
    "head_learning_rate": 1e-3,
    "epochs": 3,
    "max_length": 512,
}
SDA_TASK_SETTINGS: Mapping[str, Mapping[str, Any]] = {"imdb": {"epochs": 6}}

# SMART, Table 4: the multi-task run sees these; every table that has MT-DNN starts from the same runs.
MULTITASK = ("mnli", "rte", "qnli", "sst2", "mrpc")

FIVE, EIGHT, FORTY = tuple(range(5)), tuple(range(8)), tuple(range(40))

PER_TASK_TUNING = (
    "The paper chooses learning rate, batch size and lambda_s per task on the set it reports and does not print the "
    "choice; here all rows share one setting. `--tune` gives every row the same number of trials."
)
NO_SPREAD = "The paper prints single numbers: no seeds, no number of runs, no spread."


def vanilla(title: str, published: str = "", *, id: str = "vanilla", **settings: Any) -> MethodRow:
    """Return the row of plain fine-tuning."""
    return MethodRow(id, title, method("vanilla"), settings, published)


def smart(
    title: str, published: str = "", *, prefix: str = "smart", name: str = "smart", **settings: Any
) -> tuple[MethodRow, MethodRow]:
    """Return the rows of a method with R_s in both readings: shared dropout masks (the equation), independent ones."""
    return tuple(  # type: ignore[return-value]
        MethodRow(
            f"{prefix}[{reading}]",
            f"{title} [{reading} masks]",
            method(name, dropout=reading),
            settings,
            published,
        )
        for reading in READINGS
    )


def mt_dnn(row: MethodRow, **settings: Any) -> MethodRow:
    """Return the row with runs that start from MT-DNN, a plain multi-task run.

    Args:
        row: the row.
        **settings: settings of both stages, such as a larger model.
    """
    return _from_multitask(row, method("vanilla"), settings)


def mt_dnn_smart(row: MethodRow, **settings: Any) -> MethodRow:
    """Return the row with runs that start from a multi-task run trained by the row's method."""
    return _from_multitask(row, row.method, settings)


def _from_multitask(row: MethodRow, trained_with: MethodChoice, settings: Mapping[str, Any]) -> MethodRow:
    rates = {task: SMART_TASK_SETTINGS[task]["head_dropout"] for task in MULTITASK if task in SMART_TASK_SETTINGS}
    start = Start(trained_with, MULTITASK, {"head_dropouts": tuple(rates.items()), **settings})
    return replace(row, start=start, settings={**row.settings, **settings})


def at(row: MethodRow, curve: str, x: float, choice: MethodChoice, mark: str = "") -> MethodRow:
    """Return the row as the point ``x`` of a curve."""
    return replace(row, id=f"{curve}@{x:g}", title=f"{row.title}, {x:g}", method=choice, curve=curve, x=x, at=mark)
