"""SMART, Table 5: domain adaptation. SNLI and SciTail learned from 0.1, 1, 10 and 100 % of their training sets.

Each seed draws its own examples; the smaller sets lie inside the larger ones, and nothing is set aside, so that sizes
are exactly the published ones. The multi-task rows put a new head on the encoder of a run over the tasks of Table 4.

Runs: 255 paper, 165 small, 195 demo. Of them 15, 15 and 15 are multi-task.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.schema import Claim, Difference, Interaction, Omission, against, with_columns
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, TaskColumn
from benchmarks.experiments.planning.published import place
from benchmarks.tasks import TASKS
from benchmarks.tasks.subsample import fraction_size

TABLE = "smart_table5_domain_adaptation"
FRACTIONS = {"0.1 %": 0.001, "1 %": 0.01, "10 %": 0.1, "100 %": 1.0}
_PRINTED = {"snli": "SNLI", "scitail": "SciTail"}
_SMALL_LIMIT, _DEMO_SIZES = 5_500, {"0.1 %": 16, "1 %": 48, "10 %": 144}


def _column(task: str, variant: str, examples: int) -> TaskColumn:
    return TaskColumn(
        task,
        "accuracy",
        published=f"{_PRINTED[task]} {variant.replace(' ', '')}",
        settings={"max_train_samples": examples, "holdout": 0.0},
        variant=variant,
    )


_COLUMNS = tuple(
    _column(task, variant, fraction_size(TASKS[task].sizes["train"], fraction))
    for task in _PRINTED
    for variant, fraction in FRACTIONS.items()
)
_ROWS = (
    method_rows.vanilla("BERT", "BERT"),
    method_rows.mt_dnn(method_rows.vanilla("MT-DNN", "MT-DNN", id="mt-dnn")),
    *map(method_rows.mt_dnn_smart, method_rows.smart("MT-DNN-SMART", "MT-DNN-SMART", prefix="mt-dnn-smart")),
    *method_rows.smart("SMART (not in the paper)"),
)


def _small(experiment: Experiment) -> Experiment:
    """As many examples as the sets that are usually at hand have; larger fractions are left out, not cut."""
    reason = f"profile small leaves out fractions of more than {_SMALL_LIMIT:,} examples: a smaller set is another cell"
    large = [c for c in experiment.columns if c.settings["max_train_samples"] > _SMALL_LIMIT]
    return replace(
        experiment,
        columns=tuple(column for column in experiment.columns if column not in large),
        missing={**experiment.missing, **{f"*|{column.id}": reason for column in large}},
    )


def _demo(experiment: Experiment) -> Experiment:
    """Return the experiment on numbers of examples that the generated sets have; the largest stands for all of them."""
    small = [column for column in experiment.columns if column.variant in _DEMO_SIZES]
    columns = tuple(
        replace(
            column,
            settings={**column.settings, "max_train_samples": _DEMO_SIZES[column.variant]},
            variant=str(_DEMO_SIZES[column.variant]),
        )
        for column in small
    )
    names = {old.id: new.id for old, new in zip(small, columns, strict=True)}
    full_set_names = {f"{task}.accuracy@100 %": names[f"{task}.accuracy@10 %"] for task in _PRINTED}
    claims = (
        replace(
            claim, test=with_columns(claim.test, {**names, **(full_set_names if claim.kind == "interaction" else {})})
        )
        for claim in experiment.claims
    )
    return replace(experiment, columns=columns, claims=tuple(claims))


@EXPERIMENTS.register("smart-table5")
def smart_table5() -> Experiment:
    """SMART Table 5: domain adaptation to SNLI and SciTail from 0.1 to 100 % of the training data."""
    return Experiment(
        name="smart-table5",
        title="SMART, Table 5: domain adaptation, BERT-base",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings=method_rows.SMART_SETTINGS,
        published=place(_ROWS, _COLUMNS, TABLE),
        tables=(TABLE,),
        omitted=(Omission("#Training Data", "*", "the number of training examples, which is the setting itself"),),
        claims=tuple(
            claim
            for reading in method_rows.READINGS
            for claim in (
                Claim(
                    id=f"smart-adapts-{reading}",
                    sentence="MT-DNN-SMART outperforms MT-DNN at every fraction of SNLI and SciTail.",
                    table="SMART, Table 5",
                    contrast=against(f"mt-dnn-smart[{reading}]", "mt-dnn"),
                    tasks=("snli", "scitail"),
                    size=0.1,
                    quantifier="every",
                    reading=reading,
                    test=Difference(columns=tuple(column.id for column in _COLUMNS)),
                ),
                Claim(
                    id=f"smart-adapts-with-little-data-{reading}",
                    sentence="The gain over BERT is larger with 0.1 % of the target domain's examples than with all "
                    "of them.",
                    table="SMART, Table 5",
                    contrast=against(f"mt-dnn-smart[{reading}]", "vanilla"),
                    tasks=("snli", "scitail"),
                    size=29.45,
                    reading=reading,
                    test=Interaction(
                        columns=tuple(column.id for column in _COLUMNS if column.variant == "0.1 %"),
                        against_columns=tuple(column.id for column in _COLUMNS if column.variant == "100 %"),
                    ),
                ),
            )
        ),
        layout="fractions",
        notes=(
            "The protocol follows the MT-DNN paper, which drew five samples and averaged; SMART does not restate it.",
            "MT-DNN on SNLI is 91.5 here and 91.4 in Table 7; on SciTail 95.8 here, 95.7 in the MT-DNN paper.",
            "The SMART rows without multi-task learning are not in the paper: they tell its share from MT-DNN's.",
            "MT-DNN's multi-task run has not seen the target's examples: in the demo, where demo-mnli stands for SNLI "
            "and demo-rte for SciTail, it leaves those two out.",
            method_rows.NO_SPREAD,
        ),
        adapt={"small": _small, "demo": _demo},
    )
