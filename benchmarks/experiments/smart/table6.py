"""SMART, Table 6: adversarial NLI, trained on MNLI + SNLI + ANLI + FEVER or on ANLI alone.

Runs: 40 paper, 30 small.
"""

from __future__ import annotations

from analysis.schema import Claim, Difference, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, TaskColumn
from benchmarks.experiments.planning.published import place

TABLE = "smart_table6_anli"
_SETS = {"mixture": ("nli-mixture", "train on MNLI+SNLI+ANLI+FEVER"), "ANLI only": ("anli", "train on ANLI only")}
_ROUNDS = {"anli-r1": "R1", "anli-r2": "R2", "anli-r3": "R3", "anli": "All"}
_COLUMNS = tuple(
    TaskColumn(task, "accuracy", split, published=f"{printed}: {name}", trained_on=trained, variant=variant)
    for variant, (trained, printed) in _SETS.items()
    for split in ("dev", "test")
    for task, name in _ROUNDS.items()
)
_ROWS = (
    method_rows.vanilla("RoBERTa-large", "RoBERTa_LARGE (Nie et al., 2019)"),
    method_rows.vanilla("BERT-large", "BERT_LARGE (Nie et al., 2019)", id="vanilla-bert", model=method_rows.BERT_LARGE),
    method_rows.vanilla("XLNet-large", "XLNet_LARGE (Nie et al., 2019)", id="vanilla-xlnet", model="xlnet-large-cased"),
    *method_rows.smart("SMART, RoBERTa-large", "SMART_RoBERTa-LARGE"),
)
_MIXTURE_ONLY = "the paper trains this model on the mixture alone"


@EXPERIMENTS.register("smart-table6")
def smart_table6() -> Experiment:
    """SMART Table 6: ANLI by rounds, from the mixture of four sets and from ANLI alone."""
    anli_columns = [column for column in _COLUMNS if column.trained == "anli"]
    return Experiment(
        name="smart-table6",
        title="SMART, Table 6: adversarial NLI, large models",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings={**method_rows.SMART_SETTINGS, "model": method_rows.ROBERTA, "learning_rate": 1e-5},
        published=place(_ROWS, _COLUMNS, TABLE),
        tables=(TABLE,),
        missing={f"{row}|{c.id}": _MIXTURE_ONLY for row in ("vanilla-bert", "vanilla-xlnet") for c in anli_columns},
        claims=tuple(
            Claim(
                id=f"smart-anli-{name}-{reading}",
                sentence=f"SMART improves RoBERTa-large on ANLI, trained on {words}.",
                table="SMART, Table 6",
                contrast=against(f"smart[{reading}]", "vanilla"),
                tasks=("anli",),
                size=size,
                reading=reading,
                test=Difference(columns=(f"anli.accuracy@{variant}",)),
                model=method_rows.ROBERTA,
            )
            for reading in method_rows.READINGS
            for name, words, size, variant in (
                ("mixture", "MNLI, SNLI, ANLI and FEVER", 3.4, "mixture"),
                ("alone", "ANLI alone", 5.2, "ANLI only"),
            )
        ),
        notes=(
            "The baselines printed under Test are compared in the text with SMART's dev scores: 57.1 - 53.7 = 3.4 is "
            "called the gain on dev. The gain of 7.4 claimed on test would need a baseline of 49.7, which is not "
            "printed.",
            "ANLI's own page lists RoBERTa-large at 72.4 / 49.8 / 44.4 on the three rounds; the first two equal "
            "SMART's "
            "printed test scores exactly.",
            method_rows.NO_SPREAD,
        ),
        not_in={"demo": "no generated task stands in for the three rounds of ANLI; use --profile small or paper"},
    )
