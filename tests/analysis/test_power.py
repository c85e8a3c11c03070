"""Power against simulation, its own inverses, and the figures of the statistics rules."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.crossed import components, crossed_interval
from analysis.power import (
    Noise,
    in_words,
    measured,
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
    found = [measured(components(d, np.zeros_like(d))) for d in (simulate(rng, noise, 8, 300, 0.0) for _ in range(200))]
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


def test_no_number_of_seeds_replaces_items():
    assert seeds_needed(0.001, 277) is None
    assert standard_error(1000, 277, typical(277))[0] == pytest.approx(typical(277).item / 277**0.5, rel=0.1)


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
