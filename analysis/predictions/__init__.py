"""Is one system better than another? Predictions of any program, judged by the rules that decide claims here.

``judge("a.csv", "b.csv")`` compares systems item by item over their seeds: see docs/own-predictions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.predictions.judgement import Judgement
from analysis.predictions.outcome import Comparison
from analysis.records import ResultsError

__all__ = ["Comparison", "Judgement", "judge"]


def judge(
    *systems: Any,
    baseline: Any = None,
    metric: str | None = None,
    positive: str | None = None,
    labels: Any = None,
    groups: Any = None,
    classes: Sequence[str] | None = None,
    filter_name: str | None = None,
    bound: float | None = None,
    reference: float | None = None,
) -> Judgement:
    """Compare systems with a baseline on the same items: interval, verdict, p and Holm's p of each difference.

    Equal seeds of two systems are pairs; with other seeds the two are samples of their own; one seed leaves the items
    alone. Where items come in groups, groups are drawn, not items.

    Args:
        *systems: files or folders (CSV, TSV, JSON lines, Parquet, ``.npy``, lm-evaluation-harness's samples), frames
            with the same columns, arrays ``(seeds, items)`` of predictions or ``(seeds, items, classes)`` of logits, or
            one mapping of names to those.
        baseline: the system, by its name or as it was given, that the others are compared with; default: the last.
        metric: accuracy, macro_f1, balanced_accuracy, matthews, f1, pearson, spearman, rmse; default: accuracy of
            classes, Pearson of numbers. Of lm-evaluation-harness's files: one of their metrics; default: the first.
        positive: the class whose F1 is compared.
        labels: a file or array, where predictions have none.
        groups: ``(items,)`` to which document or user each item belongs, beside an array of labels; in files and
            frames the column ``group``.
        classes: names in the order of class numbers and logits.
        filter_name: of lm-evaluation-harness's files with several filters.
        bound: a difference that does not matter, in the printed unit; default: 0.5 points, of F1 and correlations 1.
        reference: the score (as printed) of a system that has learnt the task: where the baseline has not learnt a
            third of what lies between a constant answer and it, there is no verdict.
    Raises: ResultsError: names file or field, what is wrong and the remedy.
    """
    from analysis.predictions import decision, sources
    from analysis.predictions.study import make_study

    if len(systems) == 1 and isinstance(systems[0], Mapping):
        sources_by_name = {str(name): source for name, source in systems[0].items()}
    else:
        sources_by_name = sources.named(systems)
    sources_by_name, baseline_name = sources.with_baseline(sources_by_name, baseline)
    if len(sources_by_name) < 2:
        raise ResultsError("a comparison needs two systems: give two files, or a file and a baseline")
    if bound is not None and not bound > 0:
        raise ResultsError(f"the bound is a difference above 0, got {bound}")
    options = sources.Options(metric=metric, labels=labels, groups=groups, classes=classes, filter_name=filter_name)
    read, metric = sources.read_all(sources_by_name, options)
    study = make_study(read, metric=metric, classes=classes, positive=positive)
    return decision.decide(study, baseline_name, bound=bound, reference=reference)
