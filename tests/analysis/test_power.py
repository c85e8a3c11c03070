"""Power against simulation, its own inverses, and the figures of the statistics rules."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.special import nctdtr, stdtrit

from analysis.crossed import components, crossed_interval
from analysis.power import (
    Noise,
    in_words,
    noise_of,
    noncentral_t_tail,
    of_mean,
    pooled,
    power,
    seeds_needed,
    smallest_difference,
    standard_error,
    typical,
)


def simulate(rng, noise: Noise, seeds: int, items: int, difference: float) -> np.ndarray:
    return (
        difference
        + noise.seed * rng.normal(size=(seeds, 1))
        + noise.item * rng.normal(size=(1, items))
        + noise.interaction * rng.normal(size=(seeds, items))
    )


@pytest.mark.parametrize("noise", [Noise(0.01, 0.16, 0.33), Noise(0.03, 0.1, 0.2), Noise(0.0, 0.3, 0.3)])
def test_power_is_the_share_of_simulated_studies_that_find_it(noise, rng):
    difference = smallest_difference(5, 200, noise)
    found = [
        crossed_interval(d, np.zeros_like(d)).low > 0
        for d in (simulate(rng, noise, 5, 200, difference) for _ in range(600))
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_components_are_found_again(rng):
    noise = Noise(0.05, 0.2, 0.3)
    found = [noise_of(components(d, np.zeros_like(d))) for d in (simulate(rng, noise, 8, 300, 0.0) for _ in range(200))]
    mean = np.sqrt(np.mean([[n.seed**2, n.item**2, n.interaction**2] for n in found], axis=0))
    assert mean == pytest.approx([0.05, 0.2, 0.3], rel=0.06)


def test_the_inverses_fit_together():
    noise = typical(1043)
    difference = smallest_difference(5, 1043, noise)
    assert power(difference, 5, 1043, noise) == pytest.approx(0.8, abs=1e-4)
    assert seeds_needed(difference * 1.01, 1043, noise) == 5
    assert seeds_needed(difference * 0.99, 1043, noise) == 6


def test_more_seeds_and_more_items_see_more():
    assert smallest_difference(10, 277) < smallest_difference(5, 277)
    assert smallest_difference(5, 9824) < smallest_difference(5, 1043) < smallest_difference(5, 277)


def test_the_published_rules_figures():
    """docs/statistics.md: about 5.0 points at n = 277, 2.1 at 1,043, 0.6 to 1.6 at 9,824, five seeds."""
    assert 100 * smallest_difference(5, 277) == pytest.approx(5.0, abs=0.5)
    assert 100 * smallest_difference(5, 1043) == pytest.approx(2.1, abs=0.4)
    assert 0.6 <= 100 * smallest_difference(5, 9824) <= 1.6


def test_the_noise_of_two_seeds_by_hand():
    d = np.array([[0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, -1.0]])
    residual = d - d.mean(1, keepdims=True) - d.mean(0) + d.mean()
    interaction = (residual**2).sum() / 3
    found = noise_of(components(d, np.zeros_like(d)))
    assert found.interaction**2 == pytest.approx(interaction)
    assert found.item**2 == pytest.approx(max(d.mean(0).var(ddof=1) - interaction / 2, 0.0))
    assert found.seed**2 == pytest.approx(max(d.mean(1).var(ddof=1) - interaction / 4, 0.0))
    with pytest.raises(ValueError, match="at least two seeds, got 1"):
        noise_of(components(d[:1], np.zeros_like(d[:1])))


def test_without_noise_two_seeds_are_certain():
    assert seeds_needed(0.001, 100, Noise(seed=0.0, item=0.0, interaction=0.0), target=1.0) == 2


def test_no_number_of_seeds_replaces_items():
    assert seeds_needed(0.001, 277) is None
    assert standard_error(1000, 277, typical(277))[0] == pytest.approx(typical(277).item / 277**0.5, rel=0.1)


def test_the_standard_error_by_hand():
    error, df = standard_error(3, 5, Noise(seed=3.0, item=5.0, interaction=15**0.5))
    # variances of means: interaction 15 / 15 = 1, seeds 9 / 3 + 1 = 4, items 25 / 5 + 1 = 6; together 4 + 6 - 1
    assert error == pytest.approx(3.0)
    assert df == pytest.approx(9**2 / (4**2 / 2 + 6**2 / 4 + 1 / 8))
    assert standard_error(3, 5, Noise(seed=0.0, item=0.0, interaction=0.0)) == (0.0, 2.0)
    assert standard_error(3, 5, Noise(seed=3.0, item=0.0, interaction=0.0))[1] == pytest.approx(2.0)  # seeds alone


SEEDS, ITEMS = st.integers(2, 40), st.integers(20, 60_000)
NOISES = st.builds(Noise, st.floats(0, 0.3), st.floats(1e-3, 0.5), st.floats(1e-3, 0.9))
# Dev sets of GLUE as the suite reads them: every choice of tasks is a grid that can be planned.
TASK_ITEMS = (277, 408, 872, 1_043, 1_500, 5_463, 9_815, 9_832, 40_430)


@given(SEEDS, ITEMS, NOISES)
@settings(max_examples=150, deadline=None)
def test_power_rises_with_difference_and_seeds_and_is_never_nan(seeds, items, noise):
    found = [power(d, seeds, items, noise) for d in (0.0, 1e-4, 0.003, 0.02, 0.1, 0.5, 3.0, 1e6)]
    assert all(0 <= value <= 1 for value in found)  # nan is neither
    assert all(low <= high + 1e-9 for low, high in pairwise(found))
    assert found[-1] > 0.999
    assert power(0.02, seeds + 1, items, noise) >= power(0.02, seeds, items, noise) - 1e-4


@given(SEEDS, ITEMS)
@settings(max_examples=150, deadline=None)
def test_smallest_difference_falls_with_seeds_and_items_and_has_its_power(seeds, items):
    noise, seen = typical(items), smallest_difference(seeds, items)
    assert power(seen, seeds, items, noise) == pytest.approx(0.8, abs=1e-6)
    assert power(-seen, seeds, items, noise) == pytest.approx(0.8, abs=1e-6)
    assert smallest_difference(seeds + 1, items) < seen
    assert smallest_difference(seeds, 2 * items) < seen
    assert standard_error(seeds, items + 1, noise)[0] < standard_error(seeds, items, noise)[0]


@given(SEEDS, st.sets(st.sampled_from(TASK_ITEMS), min_size=1))
@settings(max_examples=75, deadline=None)
def test_every_choice_of_tasks_has_a_smallest_difference(seeds, tasks):
    items = sorted(tasks)
    joint = of_mean(items, [typical(n) for n in items])
    seen = smallest_difference(seeds, sum(items), joint)
    assert math.isfinite(seen)
    assert power(seen, seeds, sum(items), joint) == pytest.approx(0.8, abs=1e-6)
    needed = seeds_needed(seen * (1 + 1e-9), sum(items), joint)
    assert needed is not None
    assert needed <= seeds
    assert in_words(100 * seen * 1.001, seeds, items).split(": ")[1].startswith("enough")


@given(st.floats(1, 5_000), st.floats(0, 30), st.floats(0.8, 0.999))
@example(1.0, 28.0, 0.999)
@settings(max_examples=200, deadline=None)
def test_the_tail_is_scipys_where_scipy_has_one(df, shift, level):
    critical = float(stdtrit(df, 0.5 + level / 2))
    reference = 1 - nctdtr(df, shift, critical)
    if math.isfinite(reference):
        assert noncentral_t_tail(df, shift, critical) == pytest.approx(reference, abs=2e-4)


@pytest.mark.parametrize("level", [0.95, 0.99, 0.999])
@pytest.mark.parametrize("df", [1.0, 1.2, 2.0, 8.0])
def test_the_tail_is_the_integral_over_the_normal(df, level):
    """P(T > c) = E P(chi_df < sqrt(df) (shift + Z) / c), by another rule."""
    critical = float(stdtrit(df, 0.5 + level / 2))
    for shift in (0.0, 0.5, 3.0, 12.0, 28.0, 60.0):

        def inner(z, at=shift):
            return stats.norm.pdf(z) * stats.chi2.cdf(df * ((at + z) / critical) ** 2, df)

        edges = [*(-shift,) * (shift < 9), *(edge for edge in range(-9, 10) if edge > -shift)]
        expected = sum(quad(inner, low, high)[0] for low, high in pairwise(edges))
        assert noncentral_t_tail(df, shift, critical) == pytest.approx(expected, abs=1e-4)


def test_the_tail_far_out_is_that_of_the_variance_estimate():
    """At noncentrality 60 and one degree of freedom: T > c where |chi| < 60 / c, nearly."""
    critical = float(stdtrit(1.0, 0.995))
    expected = stats.norm.cdf(60 / critical) - stats.norm.cdf(-60 / critical)
    assert noncentral_t_tail(1.0, 60.0, critical) == pytest.approx(expected, abs=2e-3)
    assert noncentral_t_tail(8.0, math.inf, 2.3) == 1.0


def test_a_mean_over_tasks_has_the_variance_of_its_parts():
    noises, items, seeds = [Noise(0.02, 0.1, 0.3), Noise(0.05, 0.2, 0.1)], [100, 900], 6
    parts = [standard_error(seeds, n, noise)[0] ** 2 for n, noise in zip(items, noises, strict=True)]
    assert standard_error(seeds, 1_000, of_mean(items, noises))[0] == pytest.approx(math.sqrt(sum(parts)) / 2)
    assert pooled([Noise(3, 0, 1), Noise(4, 0, 1)]) == Noise(math.sqrt(12.5), 0, 1)


def test_matthews_is_assumed_to_vary_twice_as_much_as_accuracy():
    assert smallest_difference(5, 1043, typical(1043, "matthews")) == pytest.approx(2 * smallest_difference(5, 1043))


def test_in_words():
    assert in_words(7.7, 5, [277]).endswith("enough for the claimed 7.7")
    assert in_words(0.1, 5, [872]).endswith("too few for the claimed 0.1")
    assert "show differences from about" in in_words(None, 5, [277, 1043])
    with pytest.raises(ValueError, match="at least two seeds"):
        standard_error(1, 10, typical(10))


def test_the_visible_difference_is_found_four_times_in_five(rng):
    """By simulation: differences as large as ``visible`` says, with the spread it was computed from."""
    from analysis.power import visible

    seeds, items, noise = 6, 400, Noise(seed=0.02, item=0.1, interaction=0.3)
    draw = lambda gain: crossed_interval(  # noqa: E731
        gain
        + noise.seed * rng.normal(size=(seeds, 1))
        + noise.item * rng.normal(size=(1, items))
        + noise.interaction * rng.normal(size=(seeds, items)),
        np.zeros((seeds, items)),
    )
    typical_size = float(np.mean([visible(draw(0.0)) for _ in range(60)]))
    found = np.mean([draw(typical_size).low > 0 for _ in range(400)])
    assert found == pytest.approx(0.8, abs=0.08)
