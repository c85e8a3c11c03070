"""Near-constant and constant runs: no verdict from the former, and none that hangs on the latter."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.crossed import (
    Components,
    Sample,
    combine,
    components,
    crossed_interval,
    effective_groups,
    group_values,
    has_few_minority_answers,
    summed,
    unpaired_interval,
)

METRICS_BY_INFLUENCE = ["f1", "matthews", "pearson", "spearman"]


def two_arms(rng, seeds=5, items=80):
    labels = rng.integers(0, 2, items)
    a, b = (np.where(rng.random((seeds, items)) < skill, labels, 1 - labels) for skill in (0.8, 0.7))
    return labels, a, b


def ends(interval):
    return interval.estimate, interval.low, interval.high, interval.p, interval.df


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_minority_answers_are_those_beside_the_most_frequent(answers):
    minority = len(answers) - Counter(answers).most_common(1)[0][1]
    assert has_few_minority_answers(np.array([answers])).tolist() == [minority < 5]


@pytest.mark.parametrize("metric", METRICS_BY_INFLUENCE)
@pytest.mark.parametrize(("minority", "is_withheld"), [(1, True), (4, True), (5, False)])
def test_a_run_with_fewer_than_five_minority_answers_allows_no_verdict(metric, minority, is_withheld, rng):
    labels, a, b = two_arms(rng)
    a[2] = 1
    a[2, :minority] = 0
    got = crossed_interval(a, b, metric=metric, labels=labels)
    assert got.withheld.startswith("near-constant: in 1 of 5 seed pairs") == is_withheld
    assert got.at(0.9).withheld == got.withheld
    assert got.constant_seeds == ()
    assert got.without_constant is None


@pytest.mark.parametrize("metric", METRICS_BY_INFLUENCE)
@pytest.mark.parametrize(("minority", "is_withheld"), [(0, True), (4, True), (5, False)])
def test_labels_with_fewer_than_five_of_the_rarer_class_allow_no_verdict(metric, minority, is_withheld, rng):
    _, a, b = two_arms(rng)
    labels = np.ones(80, dtype=int)
    labels[:minority] = 0
    got = crossed_interval(a, b, metric=metric, labels=labels)
    assert ("fewer than 5 labels" in got.withheld) == is_withheld


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy", "accuracy"])
@pytest.mark.parametrize("count", [4, 5])
def test_a_mean_over_classes_needs_five_labels_of_each(metric, count, rng):
    _, a, b = two_arms(rng)
    labels = rng.permutation(np.repeat([0, 1, 2], [40, 40 - count, count]))
    reason = f"too few labels of a class: {count} of 5"
    expected = reason if metric != "accuracy" and count < 5 else ""
    assert crossed_interval(a, b, metric=metric, labels=labels).withheld == expected


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
@pytest.mark.parametrize(("spread", "is_withheld"), [(0.04, True), (0.06, False)])
def test_a_regression_that_hardly_varies_is_near_constant(metric, spread, is_withheld, rng):
    labels = rng.normal(size=200)
    a, b = (labels + rng.normal(size=(4, 200)) for _ in range(2))
    b[1] *= spread * labels.std() / b[1].std()
    got = crossed_interval(a, b, metric=metric, labels=labels)
    assert ("5 % of the labels' standard deviation" in got.withheld) == is_withheld


@pytest.mark.parametrize("metric", METRICS_BY_INFLUENCE)
def test_constant_seeds_are_named_and_can_be_left_out(metric, rng):
    """Without them the interval is that of the other seeds alone, computed from the start."""
    labels, a, b = two_arms(rng)
    a[1], b[3] = 0, 1
    got = crossed_interval(a, b, metric=metric, labels=labels)
    assert got.constant_seeds == (1, 3)
    assert got.withheld == ""
    kept = [0, 2, 4]
    alone = crossed_interval(a[kept], b[kept], metric=metric, labels=labels)
    assert ends(got.without_constant) == pytest.approx(ends(alone), abs=1e-12)
    assert ends(got.at(0.9).without_constant) == pytest.approx(ends(alone.at(0.9)), abs=1e-12)
    assert got.without_constant.n_seeds == 3


@pytest.mark.parametrize("metric", ["matthews", "pearson", "spearman"])
def test_a_constant_seed_counts_zero(metric, rng):
    labels, a, b = two_arms(rng)
    full = components(a, b, metric=metric, labels=labels)
    a[1] = 0
    got = components(a, b, metric=metric, labels=labels)
    of_b = components(np.zeros_like(b), b, metric=metric, labels=labels)
    assert got.differences[1] == of_b.differences[1]
    assert np.delete(got.differences, 1).tolist() == np.delete(full.differences, 1).tolist()
    assert got.covariance[1, 1] == pytest.approx(of_b.covariance[1, 1])  # no influence of its own


def test_a_mean_of_tasks_leaves_out_what_is_constant_on_any(rng):
    """Also from a task that is a mean of items, and from a contrast over several sets of items."""
    (labels, a, b), (_, c, d) = two_arms(rng), two_arms(rng, items=50)
    a[1] = 0
    one, two = components(a, b, metric="matthews", labels=labels), components(c, d)
    got = combine([one, two])
    kept = [0, 2, 3, 4]
    parts = [components(a[kept], b[kept], metric="matthews", labels=labels), components(c[kept], d[kept])]
    assert got.constant_seeds == (1,)
    assert ends(got.without_constant) == pytest.approx(ends(combine(parts)))
    contrast = combine([summed([one.times(100), two.times(-100)], "a contrast")])
    expected = combine([summed([parts[0].times(100), parts[1].times(-100)], "a contrast")])
    assert ends(contrast.without_constant) == pytest.approx(ends(expected))


def test_a_task_without_a_verdict_leaves_the_mean_without_one(rng):
    (labels, a, b), (_, c, d) = two_arms(rng), two_arms(rng)
    a[0] = 1
    a[0, 0] = 0
    one, two = components(a, b, metric="f1", labels=labels), components(c, d)
    assert one.withheld
    assert two.withheld == ""
    assert combine([one, two]).withheld == combine([one]).withheld == one.withheld == one.times(2.0).withheld


def test_fewer_than_two_seed_pairs_without_constant_runs_allow_no_verdict(rng):
    labels, a, b = two_arms(rng)
    b[:4] = 1
    got = crossed_interval(a, b, metric="matthews", labels=labels)
    assert got.withheld.startswith("near-constant: in 4 of 5 seed pairs a run gives one answer")
    assert got.without_constant is None
    equal = crossed_interval(b[:2], b[:2], metric="matthews", labels=labels)
    assert (equal.low, equal.high) == (0.0, 0.0)
    assert equal.withheld  # or it would count as proof of equality


def test_means_of_items_need_no_minority(rng):
    labels = rng.integers(0, 2, 60)
    a, b = np.zeros((3, 60), dtype=int), rng.integers(0, 2, (3, 60))
    got = crossed_interval(a, b, metric="accuracy", labels=labels)
    assert (got.withheld, got.constant_seeds, got.without_constant) == ("", (), None)


def test_components_by_hand_have_equal_variances_and_covariances():
    made = Components(np.array([1.0, 2.0, 3.0, 6.0]), 0.5, 0.1, 100, "by hand", constant_seeds=(3,))
    reduced = made.without_constant
    assert reduced.differences.tolist() == [1.0, 2.0, 3.0]
    # a seed's own item variance is 0.8 and the covariance of two seeds 0.4: 0.4 + 4 x 0.1
    assert reduced.items == pytest.approx((3 * 0.8 + 6 * 0.4) / 9)
    assert reduced.interaction == pytest.approx(0.4 / 3)


@pytest.mark.parametrize("sizes", [[3, 5], [1, 1, 4, 2, 7]])
def test_values_of_groups_are_the_jackknifes(rng, sizes):
    """Tukey's pseudo-values: G times the mean minus G - 1 times the mean without the group."""
    groups, n = np.repeat(np.arange(len(sizes)), sizes), sum(sizes)
    values, g = rng.normal(size=(3, n)), len(sizes)
    without = np.stack([values[:, groups != group].mean(1) for group in range(g)], axis=1)
    expected = g * values.mean(1, keepdims=True) - (g - 1) * without
    assert group_values(values, groups) == pytest.approx(expected)
    for wrong in (groups[:-1], np.zeros(n)):
        with pytest.raises(ValueError, match="at least two groups"):
            group_values(values, wrong)


def test_items_of_one_each_are_their_own_groups(rng):
    values = rng.normal(size=(3, 8))
    assert group_values(values, np.arange(8)) == pytest.approx(values)
    assert effective_groups(np.repeat(np.arange(6), 10)) == 6
    assert effective_groups(np.array([0] * 60 + [1] * 20 + [2] * 20)) == 2  # 100^2 / (60^2 + 2 * 20^2) = 2.27


def mean_squares(values):
    """Return the variance of the mean over seeds of ``(seeds, items)``, and the residual's, by hand."""
    n_seeds, n_items = values.shape
    residual = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    ms = (residual**2).sum() / ((n_seeds - 1) * (n_items - 1))
    return values.mean(1).var(ddof=1) / n_seeds, ms / (n_seeds * n_items)


def welch(variances, dfs):
    return sum(variances) ** 2 / sum(v**2 / df for v, df in zip(variances, dfs, strict=True))


def test_an_interval_of_other_seeds_by_hand(rng):
    shared = rng.normal(size=40)
    a, b = (shared + 0.7 * rng.normal(size=(n, 40)) + 0.3 * rng.normal(size=(n, 1)) for n in (3, 5))
    seeds, interactions = zip(*map(mean_squares, (a, b)), strict=True)
    items = (a.mean(0) - b.mean(0)).var(ddof=1) / 40
    seed_df, interaction_df = welch(seeds, [2, 4]), welch(interactions, [2 * 39, 4 * 39])
    total = sum(seeds) + items - sum(interactions)
    df = total**2 / (sum(seeds) ** 2 / seed_df + items**2 / 39 + sum(interactions) ** 2 / interaction_df)
    got = unpaired_interval(Sample(a.mean(1), a), Sample(b.mean(1), b))
    assert got.estimate == pytest.approx(a.mean() - b.mean())
    assert got.se**2 == pytest.approx(max(total, sum(seeds), items))
    assert got.df == pytest.approx(max(df, seed_df))
    assert (got.n_seeds, got.n_items) == (3, 40)


def test_an_arm_of_one_seed_leaves_the_items(rng):
    a, b = rng.normal(size=(1, 40)), rng.normal(size=(4, 40))
    got = unpaired_interval(Sample(a.mean(1), a), Sample(b.mean(1), b))
    assert got.se**2 == pytest.approx((a[0] - b.mean(0)).var(ddof=1) / 40)
    assert (got.df, got.n_seeds) == (39, 1)


def test_arms_without_any_variance_have_the_fewest_degrees_of_freedom():
    a, b = np.full((3, 40), 0.5), np.full((5, 40), 0.25)
    got = unpaired_interval(Sample(a.mean(1), a), Sample(b.mean(1), b))
    assert (got.estimate, got.se, got.df) == (0.25, 0.0, 2.0)
