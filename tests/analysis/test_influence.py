"""Influence functions: against numerical Gateaux derivatives, the formulas written out, and their conventions."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.scores import METRICS

INFLUENCED = [name for name, metric in METRICS.items() if metric.influence is not None]


def example(name, rng, items=40, runs=2):
    """Labels and runs: three classes where a metric takes them, numbers with ties for regressions."""
    if METRICS[name].is_regression:
        labels = np.round(rng.uniform(0, 5, items), 1)
        return labels, np.round(labels + rng.normal(size=(runs, items)))
    classes = 2 if name in ("f1", "f1_named") else 3
    labels = rng.integers(0, classes, items)
    return labels, np.where(rng.random((runs, items)) < 0.6, labels, (labels + 1) % classes)


def test_every_metric_has_item_scores_or_an_influence_function():
    assert set(INFLUENCED) == {
        "f1",
        "f1_named",
        "macro_f1",
        "balanced_accuracy",
        "matthews",
        "pearson",
        "spearman",
        "rmse",
    }
    assert all((metric.influence is None) == metric.decomposes for metric in METRICS.values())


@pytest.mark.parametrize("name", INFLUENCED)
def test_the_values_are_the_score_plus_its_derivative_by_each_items_weight(name, rng):
    """Numerical Gateaux derivatives: central differences of the weighted score."""
    labels, runs = example(name, rng)
    metric, step = METRICS[name], 1e-6
    up, down = (np.ones((40, 40)) + sign * step * np.eye(40) for sign in (1, -1))
    for run, values in zip(runs, metric.influence(labels, runs), strict=True):
        slope = (metric.function(labels, run, up) - metric.function(labels, run, down)) / (2 * step)
        score = float(metric.function(labels, run, np.ones(40)))
        assert values.mean() == pytest.approx(score, abs=1e-14)
        assert (values - score) / 40 == pytest.approx(slope, abs=1e-8)


def test_f1_and_matthews_by_their_formulas(rng):
    labels, runs = example("f1", rng)
    y, p = labels.astype(float), runs.astype(float)
    f = 2 * (p * y).mean(1, keepdims=True) / (p.mean(1, keepdims=True) + y.mean())
    expected = (2 * p * y - f * (p + y)) / (p.mean(1, keepdims=True) + y.mean()) + f
    assert METRICS["f1"].influence(labels, runs) == pytest.approx(expected, abs=1e-14)
    zy, zx = (y - y.mean()) / y.std(), (p - p.mean(1, keepdims=True)) / p.std(1, keepdims=True)
    r = (zx * zy).mean(1, keepdims=True)
    expected = r + zx * zy - r / 2 * (zx**2 + zy**2)
    for name in ("matthews", "pearson"):  # of two classes they are the same
        assert METRICS[name].influence(labels, runs) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
@pytest.mark.parametrize("answer", [1, 0.1])
def test_a_constant_run_or_constant_labels_have_no_influence_at_all(name, answer, rng):
    labels, runs = example(name, rng)
    constant = np.full_like(runs, answer, dtype=type(answer))
    mixed = np.stack([runs[0].astype(float), constant[0]])
    assert not METRICS[name].influence(labels, constant).any()
    assert not METRICS[name].influence(constant[0], runs).any()
    values = METRICS[name].influence(labels, mixed)
    assert values[0].any()
    assert not values[1].any()


def test_f1_of_constant_answers_is_defined_where_they_are_positive(rng):
    labels, runs = example("f1", rng)
    assert not METRICS["f1"].influence(labels, np.zeros_like(runs)).any()
    assert not METRICS["f1"].influence(np.zeros_like(labels), np.zeros_like(runs)).any()
    positive = METRICS["f1"].influence(labels, np.ones_like(runs))
    assert positive.mean() == pytest.approx(2 * labels.mean() / (1 + labels.mean()))
    assert positive.std() > 0


@pytest.mark.parametrize("name", INFLUENCED)
def test_many_studies_at_once_equal_one_at_a_time(name, rng):
    """Labels of shape ``(studies, 1, items)``, runs of shape ``(studies, seeds, items)``, with ties and without."""
    for noise in (0.0, 1e-3):
        made = [example(name, rng) for _ in range(3)]
        if METRICS[name].is_regression:
            made = [(y + noise * rng.normal(size=40), x + noise * rng.normal(size=(2, 40))) for y, x in made]
        labels, runs = (np.stack(each) for each in zip(*made, strict=True))
        together = METRICS[name].influence(labels[:, None], runs)
        for (one_labels, one_runs), values in zip(made, together, strict=True):
            for run, of_run in zip(one_runs, values, strict=True):
                alone = METRICS[name].influence(one_labels, run[None])[0]
                assert of_run == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("name", ["macro_f1", "balanced_accuracy"])
def test_averages_over_classes_by_the_formula_of_each_class(name, rng):
    """Twelve classes, which are more than are counted one by one; the runs never give the last label's class."""
    labels = np.concatenate([np.arange(12), rng.integers(0, 12, 300)])
    runs = np.where(rng.random((2, 312)) < 0.6, labels, rng.integers(0, 12, (2, 312)))
    runs[runs == 11] = 0
    expected = []
    for run in runs:
        of_classes = []
        for label in range(12):
            y, p = (labels == label).astype(float), (run == label).astype(float)
            f1 = 2 * (p * y).mean() / (p.mean() + y.mean())
            recall = (p * y).sum() / y.sum()
            of_classes.append(
                f1 + (2 * p * y - f1 * (p + y)) / (p.mean() + y.mean())
                if name == "macro_f1"
                else recall + y * (p - recall) / y.mean()
            )
        expected.append(np.mean(of_classes, axis=0))
    assert METRICS[name].influence(labels, runs) == pytest.approx(np.array(expected), abs=1e-12)


def test_class_names_do_not_matter_to_matthews(rng):
    labels, runs = example("matthews", rng)
    expected = METRICS["matthews"].influence(labels, runs)
    for names in (np.array([-1, 4, 1000]), np.array([0.5, 0.25, 7.0])):
        assert METRICS["matthews"].influence(names[labels], names[runs]) == pytest.approx(expected, abs=1e-13)
