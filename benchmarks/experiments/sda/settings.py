"""SDA (Xu et al. 2020): Tables 2 to 4 and Figures 3 to 6. One file, because they share their runs.

The text classification sets have no development split: the paper chose lambda and K on the test error it reports.
The split behind its SNLI and MNLI figures is not stated; here both are scored on dev.
"""

from __future__ import annotations

from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import MethodRow, TaskColumn
from benchmarks.spec import method

UNSTATED = "unstated (test or dev)"
CLASSIFICATION = (
    TaskColumn("imdb", "error_rate", "test", published="IMDb"),
    TaskColumn("ag-news", "error_rate", "test", published="AG's News"),
    TaskColumn("dbpedia", "error_rate", "test", published="DBPedia"),
    TaskColumn("yelp-polarity", "error_rate", "test", published="Yelp P."),
    TaskColumn("yelp-full", "error_rate", "test", published="Yelp F."),
)
INFERENCE = (
    TaskColumn("snli", "accuracy", published="SNLI", published_split=UNSTATED),
    TaskColumn("mnli", "accuracy", published="MNLI-m", published_split=UNSTATED),
    TaskColumn("mnli-mm", "accuracy", published="MNLI-mm", published_split=UNSTATED),
)
IMDB, AG_NEWS, SNLI = CLASSIFICATION[0], CLASSIFICATION[1], INFERENCE[0]
VANILLA = method_rows.vanilla("BERT", "BERT_BASE")

SPLIT_NOTE = (
    "The paper does not say on which split SNLI and MNLI are scored; they stand beside dev here. It chose lambda "
    "and K on "
    "the test error of the text classification sets, which have no dev split."
)
EPOCHS_NOTE = "The number of epochs is printed for IMDb alone (six); three are assumed elsewhere."
HEAD_NOTE = "Equation 1 puts the softmax layer on the final state of [CLS]; BERT's pooler is left out (head = cls)."
NOTES = (SPLIT_NOTE, EPOCHS_NOTE, HEAD_NOTE, method_rows.NO_SPREAD)


def sda(k: int | str, published: str = "", **options: object) -> MethodRow:
    """SDA with teacher size K; ``"all"`` is the paper's T-1."""
    return MethodRow(
        f"sda[K={k}]", f"SDA (K = {'T-1' if k == 'all' else k})", method("sda", K=k, **options), published=published
    )


def sdv(k: int, published: str = "", **options: object) -> MethodRow:
    """SDV with teacher size K."""
    return MethodRow(f"sdv[K={k}]", f"SDV (K = {k})", method("sdv", K=k, **options), published=published)
