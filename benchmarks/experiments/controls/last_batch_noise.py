"""Control study: what labels shuffled at the end do to plain fine-tuning and to averages of students."""

from __future__ import annotations

from dataclasses import replace

from analysis.schema import Claim, Interaction, against
from benchmarks.experiments.controls import small_sets
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, TaskColumn
from benchmarks.experiments.sda import settings as sda
from benchmarks.spec import method


def _noisy(row: MethodRow) -> MethodRow:
    return replace(
        row,
        id=f"{row.id}+noise",
        title=f"{row.title}, last 5 % of labels shuffled",
        settings={**row.settings, "late_noise": 0.05},
    )


_CLEAN = (small_sets.VANILLA, MethodRow("se", "SE", method("self-ensemble")), sda.sda(1), sda.sda("all"))
_ROWS = tuple(variant for row in _CLEAN for variant in (row, _noisy(row)))


@EXPERIMENTS.register("last-batch-noise")
def last_batch_noise() -> Experiment:
    """Labels of the last 5 % of the updates shuffled: do averages of students forgive it?

    Runs: 128 paper, 128 small, 80 demo.
    """
    return Experiment(
        name="last-batch-noise",
        title="Noise in the last updates",
        rows=_ROWS,
        columns=(TaskColumn("rte", "accuracy"), TaskColumn("mrpc", "f1")),
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        printed_head=False,
        claims=tuple(
            Claim(
                id=f"sda-forgives-last-batches-{row}",
                sentence=f"The last batches influence {words} less than plain fine-tuning.",
                table="SDA, section 1 (why an average of past students teaches)",
                contrast=against(f"{row}+noise", row),
                tasks=("rte", "mrpc"),
                min_seeds=8,
                test=Interaction(against_contrast=against("vanilla+noise", "vanilla")),
            )
            for row, words in (
                ("se", "the self-ensemble"),
                ("sda[K=all]", "SDA (K = T-1)"),
                ("sda[K=1]", "SDA (K = 1)"),
            )
        ),
    )
