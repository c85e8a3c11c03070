"""The suite's metrics: :func:`score_all` for a task, and every metric as an ``evaluate.Metric`` without network.

The mathematics is in :mod:`analysis.scores`, so that the analysis recomputes every stored score to the last digit.
``evaluate`` takes most of a second to import: it is imported with the first score, which a worker computes.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import scores
from analysis.scores import METRICS
from benchmarks.errors import UsageError
from benchmarks.tasks.base import Task

if TYPE_CHECKING:
    import evaluate


def score_all(task: Task, labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Compute the task's metrics, in its order, as fractions; empty where the labels are hidden.

    Args:
        task: the task.
        labels: ``(items,)`` true labels.
        predictions: ``(items,)`` class indices, or numbers for a regression.
    """
    if not len(labels) or (np.isnan(labels) if labels.dtype.kind == "f" else labels < 0).all():
        return {}
    computed = _combined(task.metrics).compute(predictions=predictions, references=labels)
    return {name: float(computed[name]) for name in task.metrics}


@cache
def _combined(names: tuple[str, ...]) -> evaluate.CombinedEvaluations:
    """Return these metrics as one module, which keeps what it is given in memory."""
    metrics = [load(name, keep_in_memory=True) for name in names]
    return importlib.import_module("evaluate").combine(metrics)


@cache
def metric_class(name: str) -> type[evaluate.Metric]:
    """Return the subclass of ``evaluate.Metric`` for one of :data:`analysis.scores.METRICS`.

    Its ``compute(predictions=, references=, sample_weight=)`` gives ``{name: score}``. Metrics on logits take lists of
    logits as predictions, and class indices or vote counts as references.

    Raises: UsageError: unknown name. ImportError: ``evaluate`` is not installed.
    """
    if name not in METRICS:
        raise UsageError(f"no metric named {name!r}; there are: {', '.join(METRICS)}")
    try:
        import datasets
        import evaluate
    except ImportError as error:
        raise ImportError(f"metrics as evaluate.Metric need {error.name}: pip install 'smart-repro[suite]'") from error

    metric = METRICS[name]
    number, row = datasets.Value("float64"), datasets.Sequence(datasets.Value("float64"))
    truth = "labels or votes" if metric.uses == "logits" else "labels"
    formats = [(row, number), (row, row)] if metric.uses == "logits" else [(number, number)]

    def info(self: evaluate.Metric) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=f"{metric.title} ({'higher' if metric.greater_is_better else 'lower'} is better).",
            citation="",
            inputs_description=f"predictions: {metric.uses}; references: {truth}.",
            features=[
                datasets.Features(predictions=predictions, references=references) for predictions, references in formats
            ],
        )

    def compute(
        self: evaluate.Metric, predictions: Any, references: Any, sample_weight: Any = None
    ) -> dict[str, float]:
        values, truth = (np.asarray(list(column), dtype=np.float64) for column in (predictions, references))
        return {name: scores.score(name, truth, values, sample_weight)}

    def build_data_dir(self: evaluate.Metric) -> str:
        """Return the folder for batches; none is made where they stay in memory."""
        return "" if self.keep_in_memory else str(evaluate.Metric._build_data_dir(self))

    # The class is named after the metric: `evaluate` derives its own name and cache folder from it.
    title = "".join(part.capitalize() for part in name.split("_"))
    body = {
        "_info": info,
        "_compute": compute,
        "_build_data_dir": build_data_dir,
        "__module__": __name__,
        "__doc__": f"{metric.title} as an evaluate.Metric.",
    }
    return type(title, (evaluate.Metric,), body)


def load(name: str, **options: Any) -> evaluate.Metric:
    """Return a new metric by name, as ``evaluate.load`` does, but without network."""
    return metric_class(name)(**options)
