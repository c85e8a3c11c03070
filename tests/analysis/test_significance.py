"""The deciding interval: against its formula written out, against statsmodels, and by its symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from analysis.significance import Interval, combine, components, crossed_interval, macro_interval

SCORES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(2, 30)),
    elements=st.floats(-5, 5, allow_nan=False, width=32),
)


def layout_by_hand(d: np.ndarray) -> tuple[float, float, float]:
    """Low, high and degrees of freedom straight from the sums of squares."""
    seeds, items = d.shape
    grand = d.mean()
    ms_seed = items * ((d.mean(1) - grand) ** 2).sum() / (seeds - 1)
    ms_item = seeds * ((d.mean(0) - grand) ** 2).sum() / (items - 1)
    ms_rest = ((d - d.mean(1)[:, None] - d.mean(0) + grand) ** 2).sum() / ((seeds - 1) * (items - 1))
    v = max(ms_seed + ms_item - ms_rest, ms_seed, ms_item)
    df = v**2 / (ms_seed**2 / (seeds - 1) + ms_item**2 / (items - 1) + ms_rest**2 / ((seeds - 1) * (items - 1)))
    df = max(df, seeds - 1)
    half = stats.t.ppf(0.975, df) * math.sqrt(v / (seeds * items))
    return grand - half, grand + half, df


@pytest.mark.parametrize("shape", [(2, 5), (5, 277), (10, 50)])
def test_means_of_items_follow_the_two_way_layout(shape, rng):
    a = rng.normal(size=shape) + rng.normal(size=(shape[0], 1)) + rng.normal(size=(1, shape[1]))
    b = rng.normal(size=shape)
    got = crossed_interval(a, b)
    low, high, df = layout_by_hand(a - b)
    assert (got.estimate, got.low, got.high, got.df) == pytest.approx((a.mean() - b.mean(), low, high, df))


def test_mean_squares_are_those_of_statsmodels(rng):
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    d = rng.normal(size=(4, 12)) + rng.normal(size=(4, 1)) + rng.normal(size=12)
    long = pd.DataFrame([{"d": d[s, i], "seed": s, "item": i} for s in range(4) for i in range(12)])
    table = anova_lm(ols("d ~ C(seed) + C(item)", long).fit())
    parts = components(d, np.zeros_like(d))
    assert parts.items * 48 == pytest.approx(table.loc["C(item)", "mean_sq"])
    assert parts.both * 48 == pytest.approx(table.loc["Residual", "mean_sq"])
    assert parts.differences.var(ddof=1) * 12 == pytest.approx(table.loc["C(seed)", "mean_sq"])


def test_a_hand_computed_case():
    # differences 1 and 3 for two seeds, the same on both items: only seeds vary, so t with one degree of freedom
    a = np.array([[1.0, 1.0], [3.0, 3.0]])
    got = crossed_interval(a, np.zeros((2, 2)))
    assert got.estimate == 2.0
    assert got.df == 1.0
    assert got.high - got.estimate == pytest.approx(12.706204736 * 1.0)  # t(1) at 97.5 %, standard error sqrt(2/2)


def test_one_seed_is_a_one_sample_t_test_on_items(rng):
    a, b = rng.normal(size=(1, 80)), rng.normal(size=(1, 80))
    got = crossed_interval(a, b)
    reference = stats.ttest_rel(a[0], b[0])
    assert got.p == pytest.approx(reference.pvalue)
    assert (got.low, got.high) == pytest.approx(tuple(reference.confidence_interval()))
    assert "one seed" in got.method


def test_without_item_variation_it_is_the_paired_t_test_on_seeds(rng):
    a, b = np.repeat(rng.normal(size=(6, 1)), 9, 1), np.repeat(rng.normal(size=(6, 1)), 9, 1)
    reference = stats.ttest_rel(a[:, 0], b[:, 0])
    assert crossed_interval(a, b).p == pytest.approx(reference.pvalue)


def test_equal_arms_differ_by_nothing():
    a = np.arange(12.0).reshape(3, 4)
    got = crossed_interval(a, a)
    assert (got.estimate, got.low, got.high, got.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_bootstrap_path_agrees_with_the_layout_where_both_apply(rng):
    """Accuracy declared not to decompose: the same variances, up to the noise of 1,000 resamples."""
    from dataclasses import replace

    from analysis.crossed import by_bootstrap
    from analysis.scores import METRICS

    labels = rng.integers(0, 2, 1500)
    hard = rng.random(1500)
    draw = lambda skill: np.where(rng.random((5, 1500)) < skill - 0.3 * hard, labels, 1 - labels)  # noqa: E731
    a, b = draw(0.95), draw(0.9)
    exact = components(a, b, metric="accuracy", labels=labels)
    opaque = replace(METRICS["accuracy"], per_item=None)
    booted = by_bootstrap([(1.0, a), (-1.0, b)], labels, opaque, np.random.default_rng(0))
    assert booted.differences == pytest.approx(exact.differences)
    assert booted.items == pytest.approx(exact.items, rel=0.12)
    assert booted.both == pytest.approx((exact.items + 4 * exact.both) / 5, rel=0.1)  # mean within-seed variance / S
    assert combine([booted]).se == pytest.approx(combine([exact]).se, rel=0.1)


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_the_item_variance_of_other_metrics_is_scipys_bootstrap(metric, rng):
    from analysis.scores import score

    labels = rng.integers(0, 2, 120)
    a, b = (np.where(rng.random((1, 120)) < s, labels, 1 - labels) for s in (0.85, 0.75))
    difference = lambda i: score(metric, labels[i], a[0][i]) - score(metric, labels[i], b[0][i])  # noqa: E731
    reference = stats.bootstrap(
        (np.arange(120),), difference, n_resamples=2000, vectorized=False, rng=1, method="percentile"
    )
    got = crossed_interval(a, b, metric=metric, labels=labels)
    assert got.estimate == pytest.approx(difference(np.arange(120)))
    assert got.se == pytest.approx(reference.standard_error, rel=0.1)


def made_up(metric, rng, seeds=3, items=200):
    """Labels and two arms; three classes for Matthews, real numbers with ties for correlations."""
    if metric in ("pearson", "spearman"):
        labels = np.round(rng.uniform(0, 5, items), 1)
        return labels, *(np.round(labels + s * rng.normal(size=(seeds, items)), 1) for s in (1.0, 1.2))
    classes = 3 if metric == "matthews" else 2
    labels = rng.integers(0, classes, items)
    return labels, *(np.where(rng.random((seeds, items)) < s, labels, (labels + 1) % classes) for s in (0.8, 0.7))


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson"])
@pytest.mark.parametrize("draws", [None, 3])
def test_sums_in_one_product_are_the_metric_resample_by_resample(metric, draws, rng):
    """The same draws, scored one weighting after the other in double precision."""
    from dataclasses import replace

    from analysis.crossed import by_bootstrap
    from analysis.scores import METRICS

    labels, a, b = made_up(metric, rng)
    generator = lambda: None if draws is None else np.random.default_rng(draws)  # noqa: E731
    arms, known = [(1.0, a), (-0.5, b), (-0.5, a[::-1])], METRICS[metric]
    fast, slow = (by_bootstrap(arms, labels, m, generator()) for m in (known, replace(known, sums=None)))
    assert fast.differences == pytest.approx(slow.differences, abs=1e-12)
    assert (fast.items, fast.both) == pytest.approx((slow.items, slow.both), rel=1e-5)


def test_a_resample_that_lost_the_only_varying_item_counts_as_zero(rng):
    """One prediction differs: without it a resample's correlation is of a constant, not of rounding errors."""
    labels, a = rng.normal(size=20), np.zeros((1, 20))
    a[0, 3] = 1.0
    from dataclasses import replace

    from analysis.crossed import by_bootstrap
    from analysis.scores import METRICS

    fast, slow = (
        by_bootstrap([(1.0, a)], labels, m) for m in (METRICS["pearson"], replace(METRICS["pearson"], sums=None))
    )
    assert fast.items == pytest.approx(slow.items, rel=1e-5)


def test_draws_are_kept_and_cannot_be_changed(rng):
    from analysis.crossed import _kept_changes

    labels, a, b = made_up("f1", rng)
    once = crossed_interval(a, b, metric="f1", labels=labels)
    with pytest.raises(ValueError, match="read-only"):
        _kept_changes(200)[0, 0] = 9
    _kept_changes.cache_clear()
    assert crossed_interval(a, b, metric="f1", labels=labels) == once


def test_spearmans_linear_part_is_its_derivative_by_each_items_weight(rng):
    """Central differences of the weighted score; ties on both sides."""
    from analysis.scores import METRICS

    labels, a, _ = made_up("spearman", rng, seeds=2, items=40)
    known, step = METRICS["spearman"], 1e-5
    linear = known.linear(labels, a)
    up, down = (np.ones((40, 40)) + sign * step * np.eye(40) for sign in (1, -1))
    for run, values in zip(a, linear, strict=True):
        slope = (known.function(labels, run, up) - known.function(labels, run, down)) / (2 * step)
        score = float(known.function(labels, run, np.ones(40)))
        assert values.mean() == pytest.approx(score)
        assert (values - score) / 40 == pytest.approx(slope, abs=1e-7)
    assert not known.linear(labels, np.ones((1, 40))).any()


def test_predictions_with_a_metric_equal_item_scores(rng):
    labels, a, b = rng.integers(0, 3, 50), rng.integers(0, 3, (4, 50)), rng.integers(0, 3, (4, 50))
    assert crossed_interval(a, b, metric="accuracy", labels=labels) == crossed_interval(a == labels, b == labels)


def test_the_same_input_gives_the_same_interval(rng):
    labels, a, b = rng.integers(0, 2, 90), rng.integers(0, 2, (3, 90)), rng.integers(0, 2, (3, 90))
    first = crossed_interval(a, b, metric="f1", labels=labels, rng=np.random.default_rng(7))
    assert first == crossed_interval(a, b, metric="f1", labels=labels, rng=np.random.default_rng(7))
    assert crossed_interval(a, b, metric="f1", labels=labels) == crossed_interval(a, b, metric="f1", labels=labels)


def test_another_level_from_the_same_interval(rng):
    a, b = rng.normal(size=(5, 40)), rng.normal(size=(5, 40))
    assert crossed_interval(a, b).at(0.9) == crossed_interval(a, b, level=0.9)


def test_the_mean_of_two_tasks_by_hand(rng):
    """Seeds' differences averaged over tasks; items of the tasks independent."""
    one, two = rng.normal(size=(5, 30)), rng.normal(size=(5, 70)) + 0.5
    parts = [components(d, np.zeros_like(d)) for d in (one, two)]
    got = macro_interval(parts)
    assert got.estimate == pytest.approx((one.mean() + two.mean()) / 2)
    seeds = ((one.mean(1) + two.mean(1)) / 2).var(ddof=1) / 5
    items, both = (sum(getattr(p, what) for p in parts) / 4 for what in ("items", "both"))
    assert got.se**2 == pytest.approx(max(seeds + items - both, seeds, items))
    assert got.n_items == 100


@given(SCORES)
@settings(max_examples=80, deadline=None)
def test_swapping_the_arms_flips_the_sign(a):
    b = np.roll(a, 1, axis=1) * 0.7
    one, other = crossed_interval(a, b), crossed_interval(b, a)
    assert (other.estimate, other.low, other.high, other.p) == pytest.approx(
        (-one.estimate, -one.high, -one.low, one.p)
    )


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_estimate_lies_inside_and_order_does_not_matter(a, random):
    b = np.zeros_like(a)
    got = crossed_interval(a, b)
    assert got.low <= got.estimate <= got.high
    items, seeds = list(range(a.shape[1])), list(range(a.shape[0]))
    random.shuffle(items)
    random.shuffle(seeds)
    again = crossed_interval(a[seeds][:, items], b)
    assert (again.low, again.high) == pytest.approx((got.low, got.high), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), {}, "a and b must both be"),
        (np.zeros(3), np.zeros(3), {}, "a and b must both be"),
        (np.zeros((2, 1)), np.zeros((2, 1)), {}, "two items"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), {}, "finite"),
        (np.zeros((2, 3)), np.zeros((2, 3)), {"metric": "f1"}, "together"),
        (np.zeros((2, 3)), np.zeros((2, 3)), {"metric": "f2", "labels": [0, 1, 0]}, "no metric named 'f2'"),
        (np.zeros((2, 3)), np.zeros((2, 3)), {"metric": "f1", "labels": [0, 1]}, "2 labels for 3 items"),
    ],
)
def test_bad_input_is_refused(a, b, options, message):
    with pytest.raises(ValueError, match=message):
        crossed_interval(a, b, **options)


def test_intervals_are_frozen():
    with pytest.raises(AttributeError):
        Interval(0, 0, 0, 1, 1, 1, "x").estimate = 1  # type: ignore[misc]
