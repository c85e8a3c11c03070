"""The metrics as ``evaluate.Metric``: against scikit-learn and scipy, in batches, combined, on degenerate input."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from analysis.scores import METRICS, Degenerate, score
from benchmarks.errors import UsageError
from benchmarks.tasks import TASKS, metrics

evaluate = pytest.importorskip("evaluate")
sklearn_metrics = pytest.importorskip("sklearn.metrics")

RNG = np.random.default_rng(0)
LABELS, PREDICTIONS = RNG.integers(0, 2, 200), RNG.integers(0, 2, 200)
THREE_LABELS, THREE_PREDICTIONS = RNG.integers(0, 3, 200), RNG.integers(0, 4, 200)  # one class is no label
SCORES, TARGETS = RNG.normal(size=200), np.round(RNG.uniform(0, 5, 200), 1)
LOGITS, VOTES = RNG.normal(size=(200, 3)).astype(np.float32), RNG.multinomial(5, (0.5, 0.3, 0.2), 200)
GOLD = VOTES.argmax(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path)


def softmax(logits):
    return np.exp(logits - np.log(np.exp(logits.astype(float)).sum(-1, keepdims=True)))


CASES = {
    "accuracy": (PREDICTIONS, LABELS, sklearn_metrics.accuracy_score(LABELS, PREDICTIONS)),
    "error_rate": (PREDICTIONS, LABELS, 1 - sklearn_metrics.accuracy_score(LABELS, PREDICTIONS)),
    "f1": (PREDICTIONS, LABELS, sklearn_metrics.f1_score(LABELS, PREDICTIONS)),
    "f1_named": (
        THREE_PREDICTIONS,
        THREE_LABELS,
        sklearn_metrics.f1_score(THREE_LABELS == 1, THREE_PREDICTIONS == 1),
    ),
    "macro_f1": (
        THREE_PREDICTIONS,
        THREE_LABELS,
        sklearn_metrics.f1_score(THREE_LABELS, THREE_PREDICTIONS, average="macro"),
    ),
    "balanced_accuracy": (
        THREE_PREDICTIONS,
        THREE_LABELS,
        sklearn_metrics.balanced_accuracy_score(THREE_LABELS, THREE_PREDICTIONS),
    ),
    "matthews": (PREDICTIONS, LABELS, sklearn_metrics.matthews_corrcoef(LABELS, PREDICTIONS)),
    "pearson": (SCORES, TARGETS, stats.pearsonr(TARGETS, SCORES).statistic),
    "spearman": (SCORES, TARGETS, stats.spearmanr(TARGETS, SCORES).statistic),
    "rmse": (SCORES, TARGETS, np.sqrt(sklearn_metrics.mean_squared_error(TARGETS, SCORES))),
    "item_score": (SCORES, TARGETS, SCORES.mean()),
    "cross_entropy": (LOGITS, GOLD, sklearn_metrics.log_loss(GOLD, softmax(LOGITS), labels=[0, 1, 2])),
    "kl": (LOGITS, VOTES, stats.entropy(VOTES, softmax(LOGITS), axis=1).mean()),
    "jsd": (LOGITS, VOTES, np.square(distance.jensenshannon(VOTES, softmax(LOGITS), axis=1)).mean()),
    "soft_accuracy": (LOGITS, VOTES, (VOTES / 5)[np.arange(200), LOGITS.argmax(1)].mean()),
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_agrees_with_an_independent_implementation(name):
    predictions, references, expected = CASES[name]
    assert metrics.load(name).compute(predictions=predictions, references=references)[name] == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("name", METRICS)
def test_batches_give_what_the_whole_gives(name):
    predictions, references, _ = CASES[name]
    metric = metrics.load(name)
    for start in range(0, 200, 64):
        metric.add_batch(predictions=predictions[start : start + 64], references=references[start : start + 64])
    assert metric.compute() == metrics.load(name).compute(predictions=predictions, references=references)


def test_weights_are_how_often_an_item_counts():
    weights = RNG.integers(0, 3, 200)
    repeated = metrics.load("f1").compute(predictions=PREDICTIONS.repeat(weights), references=LABELS.repeat(weights))
    weighted = metrics.load("f1").compute(predictions=PREDICTIONS, references=LABELS, sample_weight=weights)
    assert weighted["f1"] == pytest.approx(repeated["f1"])


def test_metrics_combine():
    both = evaluate.combine([metrics.load("accuracy"), metrics.load("f1")])
    assert both.compute(predictions=[0, 1, 1, 1], references=[0, 1, 0, 1]) == {"accuracy": 0.75, "f1": 0.8}


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman", "f1"])
def test_a_score_that_is_not_defined_is_zero_with_a_warning(name):
    with pytest.warns(Degenerate):
        assert metrics.load(name).compute(predictions=[0, 0, 0], references=[0, 0, 0]) == {name: 0.0}


def test_all_metrics_of_a_task_in_its_order():
    found = metrics.score_all(TASKS["mrpc"], LABELS, PREDICTIONS)
    assert list(found) == ["accuracy", "f1"]
    assert found["f1"] == pytest.approx(CASES["f1"][2])
    assert list(metrics.score_all(TASKS["stsb"], TARGETS, SCORES)) == ["pearson", "spearman"]


@pytest.mark.parametrize("task", ["rte", "mrpc", "cola", "mnli", "stsb", "ag-news"])
@pytest.mark.filterwarnings("ignore::analysis.scores.Degenerate")
def test_what_a_run_stores_is_what_the_analysis_computes_to_the_last_digit(task):
    for n in (1, 2, 7, 60, 277):
        if task == "stsb":
            labels, predictions = RNG.uniform(0, 5, n), RNG.normal(2, 1, n).astype(np.float32).astype(np.float64)
        else:
            classes = TASKS[task].head.num_outputs
            labels, predictions = RNG.integers(0, classes, n), RNG.integers(0, classes, n)
        stored = metrics.score_all(TASKS[task], labels, predictions)
        assert stored == {name: score(name, labels, predictions) for name in TASKS[task].metrics}


def test_scoring_writes_nothing_outside_memory(tmp_path):
    metrics.score_all(TASKS["mrpc"], LABELS, PREDICTIONS)
    assert list(tmp_path.iterdir()) == []


def test_only_workers_import_evaluate():
    """Planning, running and reporting are the driver's: they start half a second sooner without it."""
    modules = "benchmarks.cli.app, benchmarks.cli.actions, benchmarks.engine.local, benchmarks.experiments, analysis"
    check = f"import sys, {modules}; sys.exit('evaluate' in sys.modules or 'datasets' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_hidden_labels_have_no_score():
    assert metrics.score_all(TASKS["rte"], np.full(3, -1), np.zeros(3, int)) == {}
    assert metrics.score_all(TASKS["stsb"], np.full(3, np.nan), np.zeros(3)) == {}


def test_an_unknown_metric():
    with pytest.raises(UsageError, match="no metric named 'acuracy'; there are: accuracy"):
        metrics.load("acuracy")
