"""SMART, Table 4: with multi-task learning. MT-DNN shares the encoder over MNLI, RTE, QNLI, SST and MRPC.

MT-DNN-SMART_v0 is SMART fine-tuning that starts from a plain multi-task run; MT-DNN-SMART uses SMART in the multi-task
run as well. Seed s starts from multi-task run s.

Runs: 215 paper, 215 small, 215 demo. Of them 15, 15 and 15 are multi-task.
"""

from __future__ import annotations

from analysis.schema import Claim, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, TaskColumn
from benchmarks.experiments.planning.published import place
from benchmarks.experiments.smart.table3 import TASKS

TABLE = "smart_table4_multitask"
_COLUMNS = (
    TaskColumn("mnli", "accuracy", published="MNLI"),
    TaskColumn("rte", "accuracy", published="RTE"),
    TaskColumn("qnli", "accuracy", published="QNLI"),
    TaskColumn("sst2", "accuracy", published="SST"),
    TaskColumn("mrpc", "f1", published="MRPC"),
)
_ROWS = (
    method_rows.vanilla("BERT", "BERT"),
    method_rows.mt_dnn(method_rows.vanilla("MT-DNN", "MT-DNN", id="mt-dnn")),
    *method_rows.smart("SMART", "SMART"),
    *map(method_rows.mt_dnn, method_rows.smart("MT-DNN-SMART_v0", "MT-DNN-SMART_v0", prefix="mt-dnn-smart-v0")),
    *map(method_rows.mt_dnn_smart, method_rows.smart("MT-DNN-SMART", "MT-DNN-SMART", prefix="mt-dnn-smart")),
)


@EXPERIMENTS.register("smart-table4")
def smart_table4() -> Experiment:
    """SMART Table 4: SMART with multi-task learning (MT-DNN)."""
    return Experiment(
        name="smart-table4",
        title="SMART, Table 4: multi-task learning, BERT-base",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        published=place(_ROWS, _COLUMNS, TABLE),
        tables=(TABLE,),
        claims=tuple(
            claim
            for reading in method_rows.READINGS
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
            method_rows.PER_TASK_TUNING,
            method_rows.NO_SPREAD,
        ),
    )
