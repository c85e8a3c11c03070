"""The deciding interval: against its formula written out, against statsmodels, and by its symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from analysis.crossed import of_metric
from analysis.scores import METRICS
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
    total = ms_seed + ms_item - ms_rest
    v = max(total, ms_seed, ms_item)
    spread = ms_seed**2 / (seeds - 1) + ms_item**2 / (items - 1) + ms_rest**2 / ((seeds - 1) * (items - 1))
    df = max(max(total, 0) ** 2 / spread, seeds - 1)
    half = stats.t.ppf(0.975, df) * math.sqrt(v / (seeds * items))
    return grand - half, grand + half, df


@pytest.mark.parametrize("shape", [(2, 5), (5, 277), (10, 50)])
def test_means_of_items_follow_the_two_way_layout(shape, rng):
    a = rng.normal(size=shape) + rng.normal(size=(shape[0], 1)) + rng.normal(size=(1, shape[1]))
    b = rng.normal(size=shape)
    got = crossed_interval(a, b)
    low, high, df = layout_by_hand(a - b)
    assert (got.estimate, got.low, got.high, got.df) == pytest.approx((a.mean() - b.mean(), low, high, df))


def test_a_variance_at_its_floor_is_not_known_better_for_it(rng):
    """Where the interaction exceeds a one-way variance, the floor widens the interval, with no more df."""
    floored = 0
    for _ in range(40):
        d = rng.normal(size=(5, 60))
        got, (low, high, df) = crossed_interval(d, np.zeros_like(d)), layout_by_hand(d)
        parts = components(d, np.zeros_like(d))
        seeds = parts.differences.var(ddof=1) / 5
        total, largest = seeds + parts.items - parts.interaction, max(seeds, parts.items)
        assert (got.low, got.high, got.df) == pytest.approx((low, high, df))
        assert got.se**2 == pytest.approx(max(total, largest))
        if total < largest:
            floored += 1
            spread = seeds**2 / 4 + parts.items**2 / 59 + parts.interaction**2 / (4 * 59)
            assert got.df < max(largest**2 / spread, 4) or got.df == 4
    assert floored > 10


def test_mean_squares_are_those_of_statsmodels(rng):
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    d = rng.normal(size=(4, 12)) + rng.normal(size=(4, 1)) + rng.normal(size=12)
    long = pd.DataFrame([{"d": d[s, i], "seed": s, "item": i} for s in range(4) for i in range(12)])
    table = anova_lm(ols("d ~ C(seed) + C(item)", long).fit())
    parts = components(d, np.zeros_like(d))
    assert parts.items * 48 == pytest.approx(table.loc["C(item)", "mean_sq"])
    assert parts.interaction * 48 == pytest.approx(table.loc["Residual", "mean_sq"])
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


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_the_item_variance_of_other_metrics_is_scipys_bootstrap(metric, rng):
    labels = rng.integers(0, 2, 300)
    a, b = (np.where(rng.random((1, 300)) < s, labels, 1 - labels) for s in (0.85, 0.75))
    score = METRICS[metric].score
    difference = lambda i: score(labels[i], a[0][i]) - score(labels[i], b[0][i])  # noqa: E731
    reference = stats.bootstrap(
        (np.arange(300),), difference, n_resamples=2000, vectorized=False, rng=1, method="percentile"
    )
    got = crossed_interval(a, b, metric=metric, labels=labels)
    assert got.estimate == pytest.approx(difference(np.arange(300)))
    assert got.se == pytest.approx(reference.standard_error, rel=0.1)


def made_up(metric, rng, seeds=3, items=200):
    """Labels and two arms; three classes for Matthews, real numbers with ties for correlations."""
    if metric in ("pearson", "spearman"):
        labels = np.round(rng.uniform(0, 5, items), 1)
        return labels, *(np.round(labels + s * rng.normal(size=(seeds, items)), 1) for s in (1.0, 1.2))
    classes = 3 if metric == "matthews" else 2
    labels = rng.integers(0, classes, items)
    return labels, *(np.where(rng.random((seeds, items)) < s, labels, (labels + 1) % classes) for s in (0.8, 0.7))


def bootstrapped(arms, labels, metric, rng, resamples=3000):
    """Resample items as the oracle: variances ``items`` of the mean over seeds and ``both`` of the interaction.

    The mean variance within a seed exceeds that of the mean over seeds by (S - 1) / S of the residual's.
    """
    n = len(labels)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
    scored = sum(
        weight * np.stack([METRICS[metric].function(labels, run, weights) for run in runs]) for weight, runs in arms
    )
    items, within = scored.mean(0).var(ddof=1), scored.var(1, ddof=1).mean()
    return items, (within - items) / (len(scored) - 1)


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_variances_by_influence_are_those_of_resampled_items(metric, rng):
    labels, a, b = made_up(metric, rng, seeds=4, items=1000)
    arms = [(1.0, a), (-0.5, b), (-0.5, a[::-1])]
    parts = of_metric(arms, labels, METRICS[metric])
    items, both = bootstrapped(arms, labels, metric, rng)
    assert parts.items == pytest.approx(items, rel=0.1)
    assert parts.interaction == pytest.approx(both, rel=0.1)


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_differences_are_those_of_the_scores_themselves(metric, rng):
    labels, a, b = made_up(metric, rng)
    scored = [[METRICS[metric].score(labels, run) for run in arm] for arm in (a, b)]
    parts = components(a, b, metric=metric, labels=labels)
    assert parts.differences.tolist() == np.subtract(*scored).tolist()
    assert crossed_interval(a, b, metric=metric, labels=labels).estimate == np.subtract(*scored).mean()


def reorderable(metric, rng):
    """Two arms and labels in which every metric is at home, cross-entropy by logits."""
    if metric == "cross_entropy":
        return rng.integers(0, 3, 60), rng.normal(size=(4, 60, 3)), rng.normal(size=(4, 60, 3))
    return made_up(metric, rng, seeds=4, items=60)


@pytest.mark.parametrize("metric", ["accuracy", "cross_entropy", "f1", "matthews", "pearson", "spearman"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_reordering_the_items_changes_no_end(metric, seed):
    rng = np.random.default_rng(seed)
    labels, a, b = reorderable(metric, rng)
    if metric != "cross_entropy":
        a[0] = a[0, 0]  # a constant run, too
    order = rng.permutation(len(labels))
    once = components(a, b, metric=metric, labels=labels)
    again = components(a[:, order], b[:, order], metric=metric, labels=labels[order])
    other = components(rng.normal(size=(4, 30)), rng.normal(size=(4, 30)))
    for parts, reordered in (([once], [again]), ([once, other], [again, other])):
        for one, two in ((combine(parts), combine(reordered)), (combine(parts).at(0.9), combine(reordered).at(0.9))):
            assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-9)
            assert (two.withheld, two.constant_seeds) == (one.withheld, one.constant_seeds)
            if one.without_constant is not None:
                ends = (one.without_constant.low, one.without_constant.high)
                assert (two.without_constant.low, two.without_constant.high) == pytest.approx(ends, abs=1e-9)


def test_predictions_with_a_metric_equal_item_scores(rng):
    labels, a, b = rng.integers(0, 3, 50), rng.integers(0, 3, (4, 50)), rng.integers(0, 3, (4, 50))
    assert crossed_interval(a, b, metric="accuracy", labels=labels) == crossed_interval(a == labels, b == labels)


def test_a_generator_is_accepted_and_draws_nothing(rng):
    labels, a, b = rng.integers(0, 2, 90), rng.integers(0, 2, (3, 90)), rng.integers(0, 2, (3, 90))
    generator = np.random.default_rng(7)
    before = generator.bit_generator.state
    got = crossed_interval(a, b, metric="f1", labels=labels, rng=generator)
    assert got == crossed_interval(a, b, metric="f1", labels=labels)
    assert generator.bit_generator.state == before


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
    items, both = (sum(getattr(p, name) for p in parts) / 4 for name in ("items", "interaction"))
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
