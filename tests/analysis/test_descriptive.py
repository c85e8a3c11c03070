"""The tests that stand beside: against scipy and statsmodels, closed forms, and what they may not do."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from analysis.significance import (
    crossed_interval,
    effect_size,
    equivalence,
    hierarchical_bootstrap,
    holm,
    mcnemar,
    permutation_test,
    probability_of_superiority,
    sign_flip,
    variance_ratio_test,
    wilcoxon,
)


def arms(rng, seeds=5, items=400, gain=0.05):
    labels, hard = rng.integers(0, 2, items), rng.random(items)
    draw = lambda skill: np.where(rng.random((seeds, items)) < skill - 0.3 * hard, labels, 1 - labels)  # noqa: E731
    return draw(0.9 + gain), draw(0.9), labels


def test_the_bootstraps_spread_is_that_of_drawing_seeds_and_items(rng):
    a, b, labels = arms(rng)
    got = hierarchical_bootstrap(a, b, metric="accuracy", labels=labels, rng=rng, resamples=4000)
    d = (a == labels).astype(float) - (b == labels)
    slow = [d[rng.integers(0, 5, 5)][:, rng.integers(0, 400, 400)].mean() for _ in range(4000)]
    assert got.estimate == pytest.approx(d.mean())
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.003)


def test_the_bootstrap_takes_metrics_that_are_no_means(rng):
    def f1(y, p):
        return 2 * (y & p).sum() / (y.sum() + p.sum())

    a, b, labels = arms(rng, seeds=3, items=120)
    got = hierarchical_bootstrap(a, b, metric="f1", labels=labels, rng=rng, resamples=1500)
    slow = []
    for _ in range(1500):
        s, i = rng.integers(0, 3, 3), rng.integers(0, 120, 120)
        slow.append(np.mean([f1(labels[i], a[k][i]) - f1(labels[i], b[k][i]) for k in s]))
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.012)


def test_the_bootstrap_of_one_seed_is_scipys(rng):
    d = rng.normal(0.1, 1, size=(1, 200))
    got = hierarchical_bootstrap(d, np.zeros((1, 200)), rng=rng, resamples=5000)
    reference = stats.bootstrap((d[0],), np.mean, n_resamples=5000, method="percentile", rng=1).confidence_interval
    assert (got.low, got.high) == pytest.approx(tuple(reference), abs=0.012)


def test_the_bootstrap_is_reproducible_and_contains_its_estimate(rng):
    a, b, labels = arms(rng, seeds=2, items=30)

    def draw():
        once = np.random.default_rng(3)
        return hierarchical_bootstrap(a, b, metric="matthews", labels=labels, rng=once, resamples=200)

    assert draw() == draw()
    assert draw().low <= draw().estimate <= draw().high


def test_permutation_of_few_items_is_exact_up_to_its_draws(rng):
    d = np.array([[0.5, 1.0, -0.2, 0.8, 0.3, 0.1]])
    exact = np.mean([abs(np.dot(s, d[0])) >= d.sum() - 1e-12 for s in product((1, -1), repeat=6)])
    got = permutation_test(d, np.zeros((1, 6)), rng=rng, resamples=20_000)
    assert got.p == pytest.approx(exact, abs=0.01)
    assert math.isnan(got.low)


def test_permutation_with_a_metric_agrees_with_item_scores(rng):
    a, b, labels = arms(rng, seeds=2, items=60, gain=0.1)
    by_score = permutation_test(a, b, metric="accuracy", labels=labels, rng=rng, resamples=3000)
    reference = stats.permutation_test(
        (np.mean(a == labels, 0), np.mean(b == labels, 0)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=3000,
        rng=1,
    )
    assert by_score.p == pytest.approx(reference.pvalue, abs=0.03)
    assert permutation_test(a, a, metric="f1", labels=labels, rng=rng, resamples=50).p == 1.0


def test_sign_flip_is_scipys_exact_permutation_test(rng):
    a, b = rng.normal(0.5, 1, 8), rng.normal(size=8)
    reference = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(a, b).p == pytest.approx(reference.pvalue)


def test_five_seeds_cannot_be_significant_and_say_so():
    a, b = np.arange(1.0, 6.0), np.zeros(5)
    for got in (sign_flip(a, b), wilcoxon(a, b)):
        assert got.p == pytest.approx(0.0625)
        assert "cannot go below 0.0625" in got.method


def test_wilcoxon_is_scipys_and_survives_equal_arms(rng):
    a, b = rng.normal(size=9), rng.normal(size=9)
    assert wilcoxon(a, b).p == stats.wilcoxon(a, b).pvalue
    assert wilcoxon(a, a).p == 1.0


def test_mcnemar_is_a_binomial_test_of_the_items_only_one_gets_right(rng):
    a, b, labels = arms(rng, seeds=3, items=80, gain=0.1)
    for s, got in enumerate(mcnemar(a, b, labels)):
        right_a, right_b = a[s] == labels, b[s] == labels
        only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        assert got.p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
        assert got.estimate == pytest.approx(right_a.mean() - right_b.mean())
    assert [got.p for got in mcnemar(a, a, labels)] == [1.0, 1.0, 1.0]


def test_holm_by_hand():
    """Smallest p times 3, the next times 2, the last as it is; never below one before it, never above 1."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9, 0.4]) == pytest.approx([1.0, 1.0, 1.0])
    assert holm([0.2]).tolist() == [0.2]


@pytest.mark.parametrize("size", [2, 7])
def test_holm_rejects_as_the_step_down_procedure_does(size, rng):
    for _ in range(20):
        p, level = np.round(rng.random(size) / 5, 2), rng.random() / 2  # rounded: ties must come out alike
        rejected, order = np.zeros(size, dtype=bool), np.argsort(p)
        for step, place in enumerate(order):
            if p[place] > level / (size - step):
                break
            rejected[place] = True
        assert (holm(p) <= level).tolist() == rejected.tolist()


def test_equivalence_is_two_one_sided_t_tests(rng):
    a, b = rng.normal(0.02, 0.3, size=(1, 300)), np.zeros((1, 300))
    got = equivalence(crossed_interval(a, b), 0.08)
    reference = max(
        stats.ttest_1samp(a[0], -0.08, alternative="greater").pvalue,
        stats.ttest_1samp(a[0], 0.08, alternative="less").pvalue,
    )
    assert got.p == pytest.approx(reference)
    assert got.holds == (reference < 0.05)
    assert not equivalence(crossed_interval(a, b), abs(a.mean()) / 2).holds
    with pytest.raises(ValueError, match="above 0"):
        equivalence(crossed_interval(a, b), 0.0)


def test_a_variance_ratio_is_found_with_forty_seeds_and_not_without_one(rng):
    wide, narrow = 3 * rng.normal(size=40), rng.normal(size=40)
    found = variance_ratio_test(wide, narrow, rng=rng, resamples=2000)
    assert found.p < 0.01
    assert found.estimate == pytest.approx(wide.std(ddof=1) / narrow.std(ddof=1))
    assert found.low < found.estimate < found.high
    assert variance_ratio_test(narrow + 5, narrow[::-1], rng=rng, resamples=500).p > 0.9


def test_effect_sizes_by_hand():
    # a: mean 3, b: mean 1, both with variance 1; differences 2, 1, 3
    got = effect_size([2.0, 3.0, 4.0], [0.0, 2.0, 1.0])
    assert got.cohen_d == pytest.approx(2.0)
    assert got.hedges_g == pytest.approx(2.0 * (1 - 3 / 15))
    assert got.paired_d == pytest.approx(2.0)
    assert got.superiority == pytest.approx(8.5 / 9)


def test_superiority_is_mann_whitneys_u(rng):
    a, b = rng.integers(0, 5, 7), rng.integers(0, 5, 9)
    assert probability_of_superiority(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / 63)
    assert probability_of_superiority(a, b) + probability_of_superiority(b, a) == pytest.approx(1.0)
