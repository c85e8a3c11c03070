"""SMART, Table 1, upper half: GLUE development sets, BERT-base, plain against SMART in both readings of R_s.

The lower half (RoBERTa-large and the adversarial baselines) is the experiment smart-table1-large.

Runs: 135 paper, 135 small, 135 demo.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.schema import Claim, Interaction, Omission, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, TaskColumn
from benchmarks.experiments.planning.published import place

TABLE = "smart_table1_glue_dev"
COLUMNS = (
    TaskColumn("mnli", "accuracy", published="MNLI-m"),
    TaskColumn("mnli-mm", "accuracy", published="MNLI-mm"),
    TaskColumn("qqp", "accuracy", published="QQP"),
    TaskColumn("qqp", "f1", published="QQP"),
    TaskColumn("rte", "accuracy", published="RTE"),
    TaskColumn("qnli", "accuracy", published="QNLI"),
    TaskColumn("mrpc", "accuracy", published="MRPC"),
    TaskColumn("mrpc", "f1", published="MRPC"),
    TaskColumn("cola", "matthews", published="CoLA", published_metric="matthews_corr"),
    TaskColumn("sst2", "accuracy", published="SST"),
    TaskColumn("stsb", "pearson", published="STS-B"),
    TaskColumn("stsb", "spearman", published="STS-B"),
    TaskColumn("wnli", "accuracy"),
)
EIGHT = ("mnli", "qqp", "rte", "qnli", "mrpc", "cola", "sst2", "stsb")
ROWS = (
    method_rows.vanilla("BERT", "BERT_ReImp (BERT_BASE)"),
    *method_rows.smart("SMART", "SMART_BERT (BERT_BASE)"),
)
CLAIMS = tuple(
    claim
    for reading in method_rows.READINGS
    for claim in (
        Claim(
            id=f"smart-beats-bert-on-glue-{reading}",
            sentence="SMART improves BERT-base on average over the eight GLUE development sets.",
            table="SMART, Table 1",
            contrast=against(f"smart[{reading}]", "vanilla"),
            tasks=EIGHT,
            size=2.36,  # mean over tasks of the printed gains in each task's first metric
            reading=reading,
        ),
        Claim(
            id=f"smart-beats-bert-everywhere-{reading}",
            sentence="SMART outperforms BERT-base on every one of the eight GLUE tasks.",
            table="SMART, Table 1",
            contrast=against(f"smart[{reading}]", "vanilla"),
            tasks=EIGHT,
            quantifier="every",
            size=0.1,
            reading=reading,
        ),
        Claim(
            id=f"smart-small-sets-{reading}",
            sentence="The gain is largest where training data are few: more on RTE, MRPC and CoLA than on MNLI, QQP, "
            "QNLI and SST.",
            table="SMART, Table 1",
            contrast=against(f"smart[{reading}]", "vanilla"),
            tasks=("rte", "mrpc", "cola"),
            size=4.63,
            reading=reading,
            test=Interaction(against_tasks=("mnli", "qqp", "qnli", "sst2")),
        ),
        Claim(
            id=f"smart-mnli-{reading}",
            sentence="SMART improves BERT-base on MNLI by 1.1 points on the matched half.",
            table="SMART, Table 1",
            contrast=against(f"smart[{reading}]", "vanilla"),
            tasks=("mnli",),
            size=1.1,
            reading=reading,
        ),
        Claim(
            id=f"smart-mnli-mm-{reading}",
            sentence="SMART improves BERT-base on MNLI by 1.6 points on the mismatched half: texts of other genres.",
            table="SMART, Table 1",
            contrast=against(f"smart[{reading}]", "vanilla"),
            tasks=("mnli-mm",),
            size=1.6,
            reading=reading,
        ),
    )
)


def _demo(experiment: Experiment) -> Experiment:
    """Return the experiment with claims on all its tasks; the generated training sets are of one size."""
    claims = (claim for claim in experiment.claims if claim.kind != "interaction")
    widened = (replace(claim, tasks=experiment.tasks) if claim.tasks == EIGHT else claim for claim in claims)
    return replace(experiment, claims=tuple(widened))


@EXPERIMENTS.register("smart-table1")
def smart_table1() -> Experiment:
    """SMART Table 1: GLUE dev scores of BERT-base with and without SMART."""
    return Experiment(
        name="smart-table1",
        title="SMART, Table 1: GLUE development sets, BERT-base",
        rows=ROWS,
        columns=COLUMNS,
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        demo=method_rows.STEADY_DEMO,
        published=place(ROWS, COLUMNS, TABLE),
        tables=(TABLE,),
        omitted=(
            Omission("BERT_BASE (Devlin et al., 2019)", "*", "quoted from another paper; the re-implementation is run"),
            *(
                Omission(f"{name}*", "*", "RoBERTa-large: smart-table1-large")
                for name in ("RoBERTa_LARGE", "PGD", "FreeAT", "FreeLB", "SMART_RoBERTa")
            ),
        ),
        claims=CLAIMS,
        notes=(
            method_rows.PER_TASK_TUNING,
            method_rows.NO_SPREAD,
            "WNLI is not in the paper's table (its text counts eight GLUE tasks); it is run here for completeness.",
        ),
        adapt={"demo": _demo},
    )
