"""Control study: wrong labels. Are smoothness and past students robust to them?

A tenth, a fifth and two fifths of the training examples get another class, drawn at random with the subset's seed.
The wrong labels of a smaller share are among those of a larger one. Labels of holdout, dev and test are not changed.

Runs: 160 paper, 160 small, 80 demo.
"""

from __future__ import annotations

from analysis.schema import Claim, Interaction, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, TaskColumn
from benchmarks.experiments.planning.columns import headline_column
from benchmarks.experiments.sda import settings as sda
from benchmarks.experiments.studies import balls
from benchmarks.spec import method

SHARES = (0.0, 0.1, 0.2, 0.4)
_ROWS = (
    method_rows.vanilla("plain fine-tuning"),
    MethodRow("r-drop", "R-Drop", method("r-drop")),
    balls.ACTING_ROW,
    sda.sda("all"),
)


def columns(task: str) -> tuple[TaskColumn, ...]:
    """Return a column of the task for each share of wrong labels."""
    return tuple(headline_column(task, f"{100 * share:.0f} % wrong", {"label_noise": share}) for share in SHARES)


def _claim(row: str, words: str) -> Claim:
    clean, *_, worst = (column.id for column in columns("sst2"))
    return Claim(
        id=f"noise-forgiven-{row}",
        sentence=f"With 40 % wrong labels {words} is ahead of plain fine-tuning by more than with right ones.",
        table="study of wrong labels",
        contrast=against(row, "vanilla"),
        tasks=("sst2",),
        bound=1.0,
        test=Interaction(columns=(worst,), against_columns=(clean,)),
    )


@EXPERIMENTS.register("label-noise")
def label_noise() -> Experiment:
    """Wrong labels at 10, 20 and 40 %: plain fine-tuning, R-Drop, R_s and SDA. Control study."""
    return Experiment(
        name="label-noise",
        title="Wrong labels",
        rows=_ROWS,
        columns=columns("sst2"),
        seeds=tuple(range(10)),
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        claims=(
            _claim("r_s@0.01", "R_s with shared masks"),
            _claim("r-drop", "R-Drop"),
            _claim("sda[K=all]", "SDA (K = T-1)"),
        ),
        layout="levels",
        columns_for=columns,
    )
