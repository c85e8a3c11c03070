"""SMART, Table 7: SNLI and SciTail in full, base and large models.

Runs: 60 paper, 30 small, 18 demo.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.experiments import arms
from benchmarks.experiments.base import EXPERIMENTS, Column, Experiment, Row
from benchmarks.experiments.claims import Claim, against
from benchmarks.experiments.published import Omission, place
from benchmarks.spec import method

TABLE = "smart_table7_snli_scitail"
_COLUMNS = tuple(
    Column(task, "accuracy", split, published=name)
    for task, name in (("snli", "SNLI"), ("scitail", "SciTail"))
    for split in ("dev", "test")
)
_LARGE: dict[str, Any] = {"model": arms.BERT_LARGE, "learning_rate": 2e-5}
_MULTITASK = (
    Row("mt-dnn", "MT-DNN, base", method("vanilla"), published="MT-DNN_BASE"),
    *arms.smart("MT-DNN-SMART_v0, base", "MT-DNN-SMART_BASEv0", prefix="mt-dnn-smart-v0"),
    *arms.smart("MT-DNN-SMART, base", "MT-DNN-SMART_BASE", prefix="mt-dnn-smart"),
    Row("mt-dnn-large", "MT-DNN, large", method("vanilla"), published="MT-DNN_LARGE"),
    *(
        replace(row, id=row.id.replace("smart", "mt-dnn-smart-large-v0"))
        for row in arms.smart("MT-DNN-SMART_v0, large", "MT-DNN-SMART_LARGEv0")
    ),
)
_ROWS = (
    arms.vanilla("BERT, base", "BERT_BASE"),
    *arms.smart("SMART, base", "SMART_BERT-BASE"),
    arms.vanilla("BERT, large", "BERT_LARGE", id="vanilla-large", **_LARGE),
    *arms.smart("SMART, large", "SMART_BERT-LARGE", prefix="smart-large", **_LARGE),
    *_MULTITASK,
)


@EXPERIMENTS.register("smart-table7")
def smart_table7() -> Experiment:
    """SMART Table 7: full SNLI and SciTail, base and large models."""
    return Experiment(
        name="smart-table7",
        title="SMART, Table 7: SNLI and SciTail",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=arms.FIVE,
        baseline="vanilla",
        settings=arms.SMART_SETTINGS,
        published=place(_ROWS, _COLUMNS, TABLE),
        tables=(TABLE,),
        missing={f"{row.id}|*": "multi-task training (MT-DNN) is not implemented yet" for row in _MULTITASK},
        omitted=(
            Omission("*+SRL*", "*", "adds semantic role labels: another paper's system, quoted"),
            Omission("GPT*", "*", "another paper's system, quoted"),
        ),
        claims=tuple(
            Claim(
                id=f"smart-{task}-{split}-{reading}",
                sentence=f"SMART improves BERT-base on the whole of {name}.",
                table="SMART, Table 7",
                contrast=against(f"smart[{reading}]", "vanilla"),
                tasks=(task,),
                size=size,
                reading=reading,
                about={"columns": [f"{task}.accuracy.{split}"]},
            )
            for reading in arms.READINGS
            for task, name, split, size in (("snli", "SNLI", "test", 0.3), ("scitail", "SciTail", "test", 1.2))
        ),
        notes=(
            "MT-DNN_BASE on SNLI dev is 91.4 here and 91.5 in Table 5.",
            "There is no SMART_BERT-LARGE row for SNLI in the paper; it is run here for both sets.",
            arms.NO_SPREAD,
        ),
    )
