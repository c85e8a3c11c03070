"""Items in groups: the interval draws groups anew. Against the items' own interval, a bootstrap, and known nulls."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.crossed import FEWEST_GROUPS, components, crossed_interval, group_values

STUDIES = 1500


def test_groups_of_one_item_are_items():
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 60)), rng.random((4, 60))
    plain, grouped = crossed_interval(a, b), crossed_interval(a, b, groups=np.arange(60))
    assert (grouped.low, grouped.high, grouped.p) == pytest.approx((plain.low, plain.high, plain.p), rel=1e-9)


def test_copies_of_an_item_in_its_group_add_nothing():
    rng = np.random.default_rng(1)
    a, b = rng.random((4, 40)), rng.random((4, 40))
    plain = crossed_interval(a, b)
    copied = crossed_interval(np.repeat(a, 5, axis=1), np.repeat(b, 5, axis=1), groups=np.repeat(np.arange(40), 5))
    assert (copied.low, copied.high, copied.n_items) == (pytest.approx(plain.low), pytest.approx(plain.high), 40)


def test_the_order_and_names_of_groups_do_not_matter():
    rng = np.random.default_rng(2)
    a, b, groups = rng.random((3, 90)), rng.random((3, 90)), rng.integers(0, 25, 90)
    order = rng.permutation(90)
    names = np.array([f"author {g}" for g in groups], dtype=object)
    first = crossed_interval(a, b, groups=groups)
    other = crossed_interval(a[:, order], b[:, order], groups=names[order])
    assert (first.low, first.high) == pytest.approx((other.low, other.high))


def test_the_variance_over_unequal_groups_is_the_bootstraps():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), rng.integers(1, 12, 60))
    values = rng.normal(size=60)[groups] + rng.normal(size=len(groups))
    linear = group_values(values[None], groups)[0]
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    drawn = rng.integers(0, 60, (4000, 60))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    assert np.sqrt(linear.var(ddof=1) / 60) == pytest.approx(means.std(ddof=1), rel=0.08)


def test_under_20_groups_nothing_is_decided():
    rng = np.random.default_rng(4)
    a, b, groups = rng.random((5, 190)), rng.random((5, 190)), np.arange(190) % (FEWEST_GROUPS - 1)
    assert crossed_interval(a, b, groups=groups).withheld == "too few groups: 19 of 20"
    assert crossed_interval(a, b, groups=np.arange(190) % FEWEST_GROUPS).withheld == ""


def test_a_metric_by_influence_functions_takes_groups_too():
    rng = np.random.default_rng(5)
    labels, groups = rng.integers(0, 2, 300), np.arange(300) % 30
    a = np.where(rng.random((4, 300)) < 0.8, labels, 1 - labels)
    b = np.where(rng.random((4, 300)) < 0.7, labels, 1 - labels)
    part = components(a, b, metric="matthews", labels=labels, groups=groups)
    assert (part.n_items, part.withheld) == (30, "")
    assert "seeds and groups of items" in part.method


def test_one_group_or_a_missing_one_is_refused():
    a = np.zeros((2, 6))
    for groups in (np.zeros(6), np.arange(5)):
        with pytest.raises(ValueError, match="at least two groups are needed, and one per item"):
            crossed_interval(a, a, groups=groups)


@pytest.mark.parametrize(("n_groups", "size"), [(FEWEST_GROUPS, 30), (60, 5)])
def test_at_most_6_percent_of_null_studies_differ_and_items_alone_would_err_far_more(n_groups, size):
    rng = np.random.default_rng(n_groups)
    wrong = {"groups": 0, "items": 0}
    for _ in range(STUDIES):
        sizes = rng.integers(1, 2 * size, n_groups)
        groups = np.repeat(np.arange(n_groups), sizes)
        of_group = rng.normal(0, 0.3, n_groups)[groups]
        d = of_group + rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 0.5, (5, len(groups)))
        for name, given in (("groups", groups), ("items", None)):
            interval = crossed_interval(d, np.zeros_like(d), groups=given)
            wrong[name] += not interval.low <= 0 <= interval.high
    error = 2 * np.sqrt(0.05 * 0.95 / STUDIES)
    assert wrong["groups"] / STUDIES - error <= 0.06
    assert wrong["items"] / STUDIES > 0.08
