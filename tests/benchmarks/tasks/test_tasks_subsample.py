"""Subsets: exact sizes, nested, seeded, the same for ever; holdouts: stratified and disjoint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import UsageError
from benchmarks.tasks.base import Split
from benchmarks.tasks.subsample import (
    fraction_size,
    holdout,
    mislabelled,
    order,
    subsample,
    subsample_per_class,
)


def split_of(labels) -> Split:
    n = len(labels)
    return Split([str(i) for i in range(n)], ([f"text {i}" for i in range(n)],), np.array(labels))


ORDER_OF_SEED_0 = [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]


@pytest.mark.parametrize(("n", "sizes"), [(549_367, [549, 5_493, 54_936, 549_367]), (23_596, [23, 235, 2_359, 23_596])])
def test_the_published_sizes(n, sizes):
    assert [fraction_size(n, fraction) for fraction in (0.001, 0.01, 0.1, 1.0)] == sizes


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_fractions_that_cannot_be(fraction):
    with pytest.raises(UsageError, match="a fraction of"):
        fraction_size(100, fraction)


@given(n=st.integers(1, 500), small=st.integers(1, 500), large=st.integers(1, 500), seed=st.integers(0, 10_000))
def test_subsets_are_nested_sorted_and_of_exact_size(n, small, large, seed):
    split = split_of([0] * n)
    small, large = sorted((small, large))
    inner, outer = subsample(split, small, seed), subsample(split, large, seed)
    assert len(inner) == min(small, n)
    assert set(inner) <= set(outer)
    assert (np.diff(inner) > 0).all()


def test_five_draws_differ_and_each_is_nested():
    split = split_of([0, 1] * 5_000)
    draws = [
        [set(subsample(split, fraction_size(len(split), f), seed)) for f in (0.001, 0.01, 0.1, 1)] for seed in range(5)
    ]
    assert all(a < b < c < d for a, b, c, d in draws)
    assert len({frozenset(draw[1]) for draw in draws}) == 5


def test_the_order_is_fixed_for_ever():
    assert order(10, 0).tolist() == ORDER_OF_SEED_0
    assert order(10, 0, purpose=1).tolist() != ORDER_OF_SEED_0


def test_every_row_is_drawn_equally_often():
    split = split_of([0] * 20)
    drawn = np.bincount(np.concatenate([subsample(split, 5, seed) for seed in range(2_000)]), minlength=20)
    assert abs(drawn - 500).max() < 5 * np.sqrt(2_000 * 0.25 * 0.75)  # five standard deviations


def test_rows_per_class():
    split = split_of([0] * 50 + [1] * 10 + [2] * 40)
    rows = subsample_per_class(split, 10, seed=3)
    assert np.bincount(split.labels[rows]).tolist() == [10, 10, 10]
    assert set(subsample_per_class(split, 5, seed=3)) < set(rows)
    with pytest.raises(UsageError, match="11 rows per class were asked for, but class 1 has 10"):
        subsample_per_class(split, 11, seed=3)
    with pytest.raises(UsageError, match="no classes"):
        subsample_per_class(split_of([0.5, 1.5]), 1, seed=3)


def test_a_training_set_of_nothing():
    with pytest.raises(UsageError, match="give at least 1"):
        subsample(split_of([0]), 0, seed=0)


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=300),
    fraction=st.floats(0.0, 0.9),
    seed=st.integers(0, 1_000),
)
def test_a_holdout_is_disjoint_exact_and_stratified(labels, fraction, seed):
    split = split_of(labels)
    rows = np.arange(len(labels))
    if round(fraction * len(labels)) >= len(labels):
        return
    kept, aside = holdout(split, rows, fraction, seed)
    assert len(aside) == round(fraction * len(labels))
    assert sorted([*kept, *aside]) == rows.tolist()
    share = len(aside) / len(labels)
    for label in set(labels):
        assert abs((split.labels[aside] == label).sum() - share * labels.count(label)) <= 1


def test_a_holdout_of_scores_spans_their_range():
    scores = np.random.default_rng(0).uniform(0, 5, 1_000)
    _, aside = holdout(split_of(scores), np.arange(1_000), 0.1, seed=0)
    tenths = np.digitize(scores[aside], np.quantile(scores, np.linspace(0.1, 0.9, 9)))
    assert np.bincount(tenths).tolist() == [10] * 10


def test_small_training_sets_lie_mostly_inside_large_ones_after_the_holdout():
    split = split_of([0, 1] * 2_000)
    small, _ = holdout(split, subsample(split, 200, 7), 0.1, 7)
    large, _ = holdout(split, subsample(split, 2_000, 7), 0.1, 7)
    assert len(set(small) & set(large)) >= 0.9 * len(small)


@given(
    n=st.integers(2, 300),
    classes=st.integers(2, 5),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 10_000),
)
def test_wrong_labels_are_exactly_as_many_never_the_right_ones_and_nested(n, classes, shares, seed):
    split = split_of(np.arange(n) % classes)
    rows = subsample(split, max(1, n // 2), seed)
    small, large = (mislabelled(split, rows, share, seed) for share in sorted(shares))
    wrong = [set(np.flatnonzero(noisy.labels != split.labels[rows])) for noisy in (small, large)]
    if n >= classes:
        assert [len(each) for each in wrong] == [round(share * len(rows)) for share in sorted(shares)]
    assert wrong[0] <= wrong[1]
    assert all(small.labels[i] == large.labels[i] for i in wrong[0])
    assert set(large.labels) <= set(split.labels)
    assert small.ids == split.take(rows).ids
    assert (split.labels == np.arange(n) % classes).all()  # the original keeps its labels


def test_wrong_labels_are_spread_over_all_other_classes():
    split = split_of(np.zeros(3000, dtype=int).tolist() + [1] * 3000 + [2] * 3000)
    noisy = mislabelled(split, np.arange(9000), 1.0, 0).labels
    counts = np.array([[((split.labels == a) & (noisy == b)).sum() for b in range(3)] for a in range(3)])
    assert np.diag(counts).sum() == 0
    assert counts[~np.eye(3, dtype=bool)].min() > 1350  # of 1,500 expected, 27 standard deviation


def test_targets_have_no_wrong_class():
    with pytest.raises(UsageError, match="this task has no classes"):
        mislabelled(split_of([0.5, 1.5]), np.arange(2), 0.5, 0)
