"""Every metric against scikit-learn, scipy or a hand-computed value; weights against repeated items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as sk

from analysis import scores

CLASSES = [scores.accuracy, scores.error_rate, scores.f1, scores.matthews]
REAL = [scores.pearson, scores.spearman]


@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (scores.accuracy, sk.accuracy_score),
        (scores.error_rate, lambda y, p: 1 - sk.accuracy_score(y, p)),
        (scores.f1, sk.f1_score),
        (scores.matthews, sk.matthews_corrcoef),
    ],
)
def test_binary_metrics_equal_scikit_learn(ours, reference, rng):
    y, p = rng.integers(0, 2, 500), rng.integers(0, 2, 500)
    assert ours(y, p) == pytest.approx(reference(y, p), abs=1e-12)


def test_matthews_of_four_classes_equals_scikit_learn(rng):
    y = rng.integers(0, 4, 500)
    p = np.where(rng.random(500) < 0.5, y, rng.integers(0, 4, 500))
    assert scores.matthews(y, p) == pytest.approx(sk.matthews_corrcoef(y, p), abs=1e-12)


@pytest.mark.parametrize(("ours", "reference"), [(scores.pearson, stats.pearsonr), (scores.spearman, stats.spearmanr)])
def test_correlations_equal_scipy_also_with_ties_and_a_large_offset(ours, reference, rng):
    y = np.round(rng.uniform(0, 5, 400), 1)
    p = y + rng.normal(size=400)
    assert ours(y, p) == pytest.approx(reference(y, p).statistic, abs=1e-10)
    assert ours(y, np.round(p) + 1e6) == pytest.approx(reference(y, np.round(p)).statistic, abs=1e-9)


def test_cross_entropy_and_divergences_equal_their_references(rng):
    logits, votes = rng.normal(size=(50, 3)) * 3, rng.multinomial(5, [0.5, 0.3, 0.2], size=50)
    model, people = np.exp(logits) / np.exp(logits).sum(1, keepdims=True), votes / 5
    labels = votes.argmax(1)
    assert scores.cross_entropy(labels, logits) == pytest.approx(
        sk.log_loss(labels, model, labels=[0, 1, 2]), abs=1e-12
    )
    assert scores.kl(votes, logits) == pytest.approx(stats.entropy(people, model, axis=1).mean(), abs=1e-12)
    assert scores.jsd(votes, logits) == pytest.approx((jensenshannon(people, model, axis=1) ** 2).mean(), abs=1e-12)
    assert scores.cross_entropy(votes, logits) == pytest.approx(
        scores.kl(votes, logits) + stats.entropy(people, axis=1).mean(), abs=1e-12
    )
    assert scores.soft_accuracy(votes, logits) == pytest.approx(people[np.arange(50), logits.argmax(1)].mean())


def test_f1_by_hand():
    # 2 hits, 1 false alarm, 1 miss: 2*2 / (2*2 + 1 + 1)
    assert scores.f1([1, 1, 1, 0, 0], [1, 1, 0, 1, 0]) == pytest.approx(4 / 6)


@pytest.mark.parametrize("metric", CLASSES + REAL)
def test_a_weight_of_two_is_an_item_twice(metric, rng):
    n = 60
    y, p = (
        (rng.integers(0, 2, n), rng.integers(0, 2, n))
        if metric in CLASSES
        else (rng.integers(0, 6, n), rng.normal(size=n))
    )
    weights = rng.integers(0, 4, n)
    assert metric(y, p, weights) == pytest.approx(metric(np.repeat(y, weights), np.repeat(p, weights)), abs=1e-10)


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson", "spearman", "accuracy"])
def test_many_weightings_at_once_equal_one_at_a_time(name, rng):
    y, p, weights = rng.integers(0, 2, 40), rng.integers(0, 2, 40), rng.integers(0, 3, (7, 40)).astype(float)
    together = scores.METRICS[name].function(y, p, weights)
    assert together == pytest.approx([scores.score(name, y, p, w) for w in weights], abs=1e-12)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_constant_predictions_count_as_zero_and_say_so(name):
    with pytest.warns(scores.Degenerate, match="constant"):
        assert scores.score(name, [0, 1, 1, 0], [1, 1, 1, 1]) == 0.0


def test_logits_far_apart_do_not_overflow():
    found = scores.log_softmax(np.array([[1000.0, 0.0], [-1000.0, 0.0]]))
    assert found.tolist() == [[0.0, -1000.0], [-1000.0, 0.0]]


def test_a_perfect_correlation_is_exactly_1(rng):
    """Rounding may not carry it beyond."""
    found = [scores.pearson(x, 3 * x + 1) for x in (rng.normal(size=n) for n in range(3, 400))]
    assert max(found) == 1.0
    assert min(found) == pytest.approx(1.0, abs=1e-12)


def test_nats_are_printed_as_they_are_and_fractions_in_percent():
    for metric in scores.METRICS.values():
        assert metric.scale == (100.0 if metric.unit == "points" else 1.0), metric.name


def test_f1_without_a_positive_counts_as_zero_and_says_so():
    with pytest.warns(scores.Degenerate):
        assert scores.f1([0, 0], [0, 0]) == 0.0


def test_a_true_zero_does_not_warn(recwarn):
    assert scores.matthews([0, 0, 1, 1], [0, 1, 0, 1]) == 0.0
    assert scores.accuracy([0, 0], [1, 1]) == 0.0
    assert not [w for w in recwarn if issubclass(w.category, scores.Degenerate)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores.score("acuracy", [1], [1]), "no metric named 'acuracy'; there are: accuracy"),
        (lambda: scores.accuracy([1, 0], [1]), "as many as labels"),
        (lambda: scores.accuracy([], []), "at least one"),
        (lambda: scores.pearson([1.0, 2.0], [np.nan, 1.0]), "1 predictions are not finite"),
        (lambda: scores.f1([0, 2], [0, 1]), "f1 is binary"),
        (lambda: scores.accuracy([0, 1], [0, 1], [0, 0]), "weights"),
        (lambda: scores.kl([[0, 0], [1, 1]], [[0.0, 1.0], [1.0, 0.0]]), "at least one vote"),
        (lambda: scores.per_item("f1", [1, 0], [1, 0]), "not a mean over items"),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        call()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=60), st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_does_not_matter_and_scores_are_in_range(pairs, random):
    y, p = np.array(pairs).T
    shuffled = list(range(len(y)))
    random.shuffle(shuffled)
    for name, low in (("accuracy", 0), ("matthews", -1), ("pearson", -1), ("spearman", -1)):
        value = float(scores.METRICS[name].function(y, p, np.ones(len(y))))
        assert low - 1e-9 <= value <= 1 + 1e-9
        assert value == pytest.approx(
            float(scores.METRICS[name].function(y[shuffled], p[shuffled], np.ones(len(y)))), abs=1e-9
        )
