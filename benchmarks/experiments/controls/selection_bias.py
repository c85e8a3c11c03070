"""Control study: how much of a score comes from choosing the epoch on the set that is reported."""

from __future__ import annotations

from analysis.schema import Claim, Selection, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment
from benchmarks.experiments.smart.table1 import COLUMNS, ROWS


@EXPERIMENTS.register("selection-bias")
def selection_bias() -> Experiment:
    """Effect of choosing the epoch on the reported set: last, best on dev, best on holdout, of the same runs.

    Runs: 216 paper, 216 small, 135 demo.
    """
    return Experiment(
        name="selection-bias",
        title="Selection bias: last epoch, best on dev, best on the holdout",
        rows=ROWS,
        columns=COLUMNS,
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        claims=(
            Claim(
                id="control-best-dev-flatters",
                sentence="Choosing the epoch on dev flatters plain fine-tuning and SMART with shared masks, by "
                "different amounts.",
                table="control study",
                contrast=against("smart[shared]", "vanilla"),
                tasks=("cola", "rte", "mrpc"),
                reading="shared",
                min_seeds=8,
                partial=True,
                test=Selection(best="best-dev", reference="best-holdout"),
            ),
        ),
        layout="selection",
        each_epoch=True,
        notes=(
            "The choice is made from stored predictions: these runs predict dev after each epoch. Done before "
            "smart-table1, they are its runs too; those of smart-table1 predict dev after the last epoch only.",
        ),
    )
