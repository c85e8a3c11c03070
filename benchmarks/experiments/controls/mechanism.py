"""Control study: what the methods do to the model itself."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.schema import Claim, Difference, Measured, against
from benchmarks.experiments.controls import small_sets
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, TaskColumn
from benchmarks.experiments.sda import settings as sda
from benchmarks.spec import method

_ROWS = (
    small_sets.VANILLA,
    MethodRow("r-drop", "R-Drop", method("r-drop")),
    *method_rows.smart("R_s", prefix="smoothness", name="smoothness"),
    MethodRow("bregman", "D_Breg", method("bregman")),
    *method_rows.smart("SMART"),
    sda.sda(1),
    sda.sda(5),
    sda.sda("all"),
)
_MEASURED_ON = (TaskColumn("mnli", "accuracy"), TaskColumn("rte", "accuracy"))
_TRANSFERRED_TO = tuple(
    TaskColumn(task, "accuracy", trained_on="mnli", variant="from MNLI") for task in ("snli", "scitail")
)


@EXPERIMENTS.register("mechanism")
def mechanism() -> Experiment:
    """Effects on the model: smoothness on dev, step length, distance from theta_0, transfer from MNLI.

    Runs: 100 paper, 100 small, 100 demo.
    """
    mnli, rte = _MEASURED_ON
    return Experiment(
        name="mechanism",
        title="Mechanism: smoothness, step length, distance, transfer",
        rows=_ROWS,
        columns=(mnli, *_TRANSFERRED_TO, rte),
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings={**method_rows.SMART_SETTINGS, "measure": True},
        task_settings=method_rows.SMART_TASK_SETTINGS,
        claims=(*_per_reading(), _of_bregman()),
        layout="mechanism",
        printed_head=False,
        notes=(
            "R_s on dev is measured in evaluation mode, over radii from 1e-4 to 1e-1 of the embeddings' root "
            "mean square.",
            "Predictions for SciTail join MNLI's neutral and contradiction into neutral.",
        ),
    )


def _per_reading() -> Iterator[Claim]:
    """Yield the claims about SMART and R_s, which each reading of them has."""
    for reading in method_rows.READINGS:
        yield _measured(
            f"smart-is-smoother-{reading}",
            "R_s makes the model change less under small perturbations of the input.",
            f"smoothness[{reading}]",
            Measured(quantity="r_s", columns=_ids(_MEASURED_ON), radius=1e-2),
            reading,
        )
        yield _measured(
            f"smart-stays-near-{reading}",
            "SMART keeps the model closer to its pre-trained weights.",
            f"smart[{reading}]",
            Measured(quantity="distance", columns=_ids(_MEASURED_ON)),
            reading,
        )
        yield Claim(
            id=f"smart-retains-knowledge-{reading}",
            sentence="SMART retains more of what was known outside the "
            "training set: trained on MNLI it transfers better to SNLI and SciTail.",
            table="SMART, section 1",
            contrast=against(f"smart[{reading}]", "vanilla"),
            tasks=tuple(column.task for column in _TRANSFERRED_TO),
            reading=reading,
            test=Difference(columns=_ids(_TRANSFERRED_TO)),
        )


def _of_bregman() -> Claim:
    return _measured(
        "smart-prevents-aggressive-updates",
        "D_Breg keeps successive iterates' predictions close to each other.",
        "bregman",
        Measured(quantity="step_divergence", columns=_ids(_MEASURED_ON)),
    )


def _measured(id: str, sentence: str, row: str, test: Measured, reading: str = "") -> Claim:
    """Return the claim that a quantity, measured on the trained models, is less than with plain fine-tuning."""
    return Claim(
        id=id,
        sentence=sentence,
        table="SMART, sections 1 and 3",
        contrast=against(row, "vanilla"),
        tasks=tuple(column.task for column in _MEASURED_ON),
        direction="less",
        reading=reading,
        test=test,
    )


def _ids(columns: tuple[TaskColumn, ...]) -> tuple[str, ...]:
    return tuple(column.id for column in columns)
