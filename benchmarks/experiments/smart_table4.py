"""SMART, Table 4: with multi-task learning. MT-DNN shares the encoder over MNLI, RTE, QNLI, SST and MRPC.

MT-DNN-SMART_v0 is SMART fine-tuning that starts from a plain multi-task run; MT-DNN-SMART uses SMART in the multi-task
run as well. Seed s starts from multi-task run s.

Runs: 215 paper, 215 small, 129 demo. Of them 15, 15 and 9 are multi-task.
"""

from __future__ import annotations

from benchmarks.experiments import arms
from benchmarks.experiments.base import EXPERIMENTS, Column, Experiment
from benchmarks.experiments.claims import Claim, against
from benchmarks.experiments.published import place
from benchmarks.experiments.smart_table3 import TASKS

TABLE = "smart_table4_multitask"
_COLUMNS = (
    Column("mnli", "accuracy", published="MNLI"),
    Column("rte", "accuracy", published="RTE"),
    Column("qnli", "accuracy", published="QNLI"),
    Column("sst2", "accuracy", published="SST"),
    Column("mrpc", "f1", published="MRPC"),
)
_ROWS = (
    arms.vanilla("BERT", "BERT"),
    arms.mt_dnn(arms.vanilla("MT-DNN", "MT-DNN", id="mt-dnn")),
    *arms.smart("SMART", "SMART"),
    *map(arms.mt_dnn, arms.smart("MT-DNN-SMART_v0", "MT-DNN-SMART_v0", prefix="mt-dnn-smart-v0")),
    *map(arms.mt_dnn_smart, arms.smart("MT-DNN-SMART", "MT-DNN-SMART", prefix="mt-dnn-smart")),
)


@EXPERIMENTS.register("smart-table4")
def smart_table4() -> Experiment:
    """SMART Table 4: SMART with multi-task learning (MT-DNN)."""
    return Experiment(
        name="smart-table4",
        title="SMART, Table 4: multi-task learning, BERT-base",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=arms.FIVE,
        baseline="vanilla",
        settings=arms.SMART_SETTINGS,
        task_settings=arms.SMART_TASK_SETTINGS,
        published=place(_ROWS, _COLUMNS, TABLE),
        tables=(TABLE,),
        claims=tuple(
            claim
            for reading in arms.READINGS
            for claim in (
                Claim(
                    id=f"smart-on-mt-dnn-{reading}",
                    sentence="SMART fine-tuning improves on plain fine-tuning from the same multi-task checkpoint.",
                    table="SMART, Table 4",
                    contrast=against(f"mt-dnn-smart-v0[{reading}]", "mt-dnn"),
                    tasks=TASKS,
                    size=0.8,
                    reading=reading,
                ),
                Claim(
                    id=f"smart-inside-mt-dnn-{reading}",
                    sentence="SMART in the multi-task run as well improves on SMART in fine-tuning alone.",
                    table="SMART, Table 4",
                    contrast=against(f"mt-dnn-smart[{reading}]", f"mt-dnn-smart-v0[{reading}]"),
                    tasks=TASKS,
                    size=0.28,
                    reading=reading,
                ),
                Claim(
                    id=f"smart-and-multitask-complement-{reading}",
                    sentence="SMART and multi-task learning complement each other: together they beat SMART alone.",
                    table="SMART, Table 4",
                    contrast=against(f"mt-dnn-smart[{reading}]", f"smart[{reading}]"),
                    tasks=TASKS,
                    size=2.28,
                    reading=reading,
                ),
            )
        ),
        notes=(
            "QNLI of SMART is 91.6 here and 91.7 in Tables 1 and 3.",
            "The public MT-DNN was trained on all GLUE tasks but CoLA; MT-DNN-SMART on these five only, so the "
            "paper's rows "
            "differ in their training data as well. Here every multi-task run sees these five.",
            "The length of the multi-task run is not printed: it has the epochs of the fine-tuning.",
            arms.PER_TASK_TUNING,
            arms.NO_SPREAD,
        ),
    )
