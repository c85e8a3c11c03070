"""SMART, Table 1: GLUE development sets, BERT-base, plain fine-tuning against SMART in both readings of R_s.

The rows on RoBERTa-large and the other baselines are in ``benchmarks/papers/smart_table1_glue_dev.csv``; they are not
runs of this experiment. The paper tunes learning rate, batch size and lambda_s per task on the set it reports; here
one setting serves all rows, so that the rows differ in their method alone.
"""

from __future__ import annotations

from benchmarks.experiments.base import EXPERIMENTS, Column, Experiment, Number, Row
from benchmarks.papers import published
from benchmarks.spec import method

_COLUMNS = (
    Column("mnli", "accuracy", published="MNLI-m"),
    Column("mnli-mm", "accuracy", published="MNLI-mm"),
    Column("qqp", "accuracy", published="QQP"),
    Column("qqp", "f1", published="QQP"),
    Column("rte", "accuracy", published="RTE"),
    Column("qnli", "accuracy", published="QNLI"),
    Column("mrpc", "accuracy", published="MRPC"),
    Column("mrpc", "f1", published="MRPC"),
    Column("cola", "matthews", published="CoLA", published_metric="matthews_corr"),
    Column("sst2", "accuracy", published="SST"),
    Column("stsb", "pearson", published="STS-B"),
    Column("stsb", "spearman", published="STS-B"),
)
_SMART = "SMART_BERT (BERT_BASE)"
_ROWS = (
    Row("vanilla", "BERT", method("vanilla"), published="BERT_ReImp (BERT_BASE)"),
    Row("smart[shared]", "SMART [shared masks]", method("smart", dropout="shared"), published=_SMART),
    Row("smart[independent]", "SMART [independent masks]", method("smart", dropout="independent"), published=_SMART),
)


@EXPERIMENTS.register("smart-table1")
def smart_table1() -> Experiment:
    """SMART Table 1: GLUE dev scores of BERT-base with and without SMART."""
    return Experiment(
        name="smart-table1",
        title="SMART, Table 1: GLUE development sets, BERT-base",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=(0, 1, 2, 3, 4),
        baseline="vanilla",
        settings={"model": "bert-base-uncased", "batch_size": 32, "learning_rate": 3e-5, "epochs": 3},
        published=place(_ROWS, _COLUMNS, "smart_table1_glue_dev"),
    )


def place(rows: tuple[Row, ...], columns: tuple[Column, ...], table: str) -> tuple[Number, ...]:
    """The published numbers of a table, at the rows and columns that name them."""
    numbers = {(n.row, n.column, n.metric, n.split): n for n in published(table)}
    placed = []
    for row in rows:
        for column in columns:
            metric = column.published_metric or column.metric
            number = numbers.get((row.published, column.published, metric, column.split))
            if number is not None:
                source = f"{number.where}, {number.row}"
                placed.append(Number(row.id, column.id, column.metric, column.split, number.value, source))
    return tuple(placed)
