"""Metrics that own data can be scored by: against scikit-learn, and their influence functions against weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, root_mean_squared_error

from analysis.scores import METRICS, score

CLASSES = 4
ORACLES = {
    "macro_f1": lambda y, p: f1_score(y, p, average="macro"),
    "balanced_accuracy": balanced_accuracy_score,
    "f1_named": lambda y, p: f1_score(y == 1, p == 1),
    "rmse": root_mean_squared_error,
}


def _answers(name: str, seed: int, n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if METRICS[name].is_regression:
        labels = rng.normal(3, 1, n)
        return labels, labels + rng.normal(0, 0.5, n)
    labels = rng.integers(0, CLASSES, n)
    return labels, np.where(rng.random(n) < 0.6, labels, rng.integers(0, CLASSES, n))


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_scikit_learns(name, seed):
    labels, answers = _answers(name, seed)
    assert score(name, labels, answers) == pytest.approx(ORACLES[name](labels, answers))


@pytest.mark.parametrize("name", ORACLES)
def test_a_weight_of_two_is_the_item_twice(name):
    labels, answers = _answers(name, 0)
    weights = np.random.default_rng(1).integers(0, 3, len(labels))
    twice = np.repeat(np.arange(len(labels)), weights)
    assert score(name, labels, answers, weights) == pytest.approx(ORACLES[name](labels[twice], answers[twice]))


@pytest.mark.parametrize("name", ORACLES)
def test_influence_is_the_derivative_of_the_score_towards_one_item(name):
    labels, answers = _answers(name, 2)
    metric, n, step = METRICS[name], len(labels), 1e-6
    influence = metric.influence(labels, answers[None])[0]
    whole = score(name, labels, answers)
    assert influence.mean() == pytest.approx(whole)
    for item in range(0, n, 17):
        weights = np.full(n, (1 - step) / n)
        weights[item] += step
        derivative = (float(metric.function(labels, answers, weights)) - whole) / step
        assert influence[item] - whole == pytest.approx(derivative, abs=1e-4)


def test_an_exact_regression_has_error_0_and_no_influence():
    labels = np.arange(10.0)
    assert score("rmse", labels, labels) == 0
    assert METRICS["rmse"].influence(labels, labels[None]).tolist() == [[0.0] * 10]


def test_a_class_that_is_only_predicted_counts_as_one_of_f1_0():
    labels, answers = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert score("macro_f1", labels, answers) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_units_are_points_nats_or_the_labels_own():
    assert [METRICS[name].unit for name in ("macro_f1", "cross_entropy", "rmse")] == ["points", "nats", "label units"]
