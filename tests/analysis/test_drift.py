"""What the regression gate decides by, against closed forms and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.drift import paired_part, paired_score, pooled_spread, unpaired_part, unpaired_score


def test_a_paired_part_may_differ_by_the_tolerance_and_no_more() -> None:
    assert paired_part([1.0, 2.0], [1.0, 2.0], 1e-5).verdict == "same"
    assert paired_part([1.0, 2.0], [1.0, 2.0 + 1.9e-5], 1e-5).verdict == "same"
    found = paired_part([1.0, 2.0], [1.0, 2.0 - 2.1e-5], 1e-5)
    assert (found.verdict, found.failed) == ("shifted", True)
    assert found.difference == pytest.approx(-2.1e-5)  # of the seed that moved most
    assert found.high < 0
    assert paired_part([0.0], [1e-30], 1e-5).verdict == "shifted"
    assert paired_part([0.0], [0.0], 1e-5).verdict == "same"


def test_a_paired_score_has_students_interval_over_seeds() -> None:
    before, now = [0.5, 0.6, 0.7], [0.4, 0.52, 0.57]
    found = paired_score(before, now, spread=1.0, tolerance=1e-9)
    low, high = stats.ttest_rel(now, before).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.verdict == "worse"
    assert paired_score(now, before, spread=1.0, tolerance=1e-9).verdict == "better"
    assert paired_score(before, now, spread=1.0, tolerance=1e-9, greater_is_better=False).verdict == "better"
    assert paired_score(before, [0.4, 0.7, 0.7], spread=1.0, tolerance=1e-9).verdict == "within noise"
    assert paired_score(before, before, spread=1.0, tolerance=1e-9).verdict == "same"
    rounded = [score - 2e-15 for score in before]
    assert paired_score(before, rounded, spread=1.0, tolerance=1e-9).verdict == "same"  # not "worse" by its rounding
    assert paired_score(before, rounded, spread=1.0, tolerance=0.0).verdict == "worse"


def test_a_score_that_is_not_finite_is_gone() -> None:
    before, now = [0.5, 0.6, 0.7], [0.5, math.nan, 0.7]
    for found in (
        paired_score(before, now, spread=1.0, tolerance=1e-9),
        paired_score(before[:1], [math.nan], spread=1.0, tolerance=1e-9),
        unpaired_score(before, now, alarm=0.01, spread=0.0, greater_is_better=False),
        unpaired_score(now, before, alarm=0.01, spread=0.0),
    ):
        assert (found.verdict, found.failed) == ("gone", True)


def test_one_seed_takes_the_baselines_spread() -> None:
    found = paired_score([0.5], [0.4], spread=0.01, tolerance=1e-9)
    assert found.verdict == "worse"
    assert found.high - found.difference == pytest.approx(1.959964 * math.sqrt(2) * 0.01)
    assert paired_score([0.5], [0.4], spread=0.1, tolerance=1e-9).verdict == "within noise"


def test_an_unpaired_score_has_the_prediction_interval_of_new_seeds() -> None:
    before, now = np.array([0.5, 0.52, 0.48, 0.51, 0.49]), [0.40, 0.41]
    found = unpaired_score(before, now, alarm=0.01, spread=0.0)
    half = stats.t.ppf(0.99, 4) * before.std(ddof=1) * math.sqrt(1 / 5 + 1 / 2)
    assert found.high - found.difference == pytest.approx(half)
    assert found.verdict == "worse"
    assert unpaired_score(before, [0.6, 0.6], alarm=0.01, spread=0.0).verdict == "better"
    assert unpaired_score([0.9] * 5, now, alarm=0.01, spread=0.5).verdict == "within noise"  # agreed by luck
    assert unpaired_score(before, [0.5, 0.1], alarm=0.01, spread=0.0).verdict == "within noise"  # one did not learn
    assert unpaired_score(before, [0.1, 0.1], alarm=0.01, spread=0.0).verdict == "worse"  # none did


def test_an_unpaired_part_is_compared_in_factors() -> None:
    before = [1e-9, 2e-9, 4e-9]
    assert unpaired_part(before, [2e-9], alarm=0.01, floor=0.0).verdict == "within noise"
    assert unpaired_part(before, [1e-2], alarm=0.01, floor=0.0).verdict == "shifted"
    assert unpaired_part(before, [-2e-9], alarm=0.5, floor=0.0).verdict == "shifted"  # a sign is no matter of noise
    assert unpaired_part([1.0, 1.0, 1.0], [1.0009], alarm=0.01, floor=1e-3).verdict == "within noise"
    assert unpaired_part([1.0, 1.0, 1.0], [1.0011], alarm=0.01, floor=1e-3).verdict == "shifted"
    assert unpaired_part([-1.0, 0.0, 1.0], [0.5], alarm=0.01, floor=0.0).verdict == "within noise"
    assert unpaired_part([-1.0, 0.0, 1.0], [50.0], alarm=0.01, floor=0.0).verdict == "shifted"


def test_unpaired_alarms_are_as_rare_as_asked_for() -> None:
    """2,000 simulated baselines of 10 seeds against 3 new ones, at alarm rates large enough to count."""
    rng = np.random.default_rng(0)
    draws = [(rng.normal(0.8, 0.02, 10), rng.normal(0.8, 0.02, 3)) for _ in range(2000)]
    worse = sum(unpaired_score(b, x, alarm=0.05, spread=0.0).failed for b, x in draws) / 2000
    moved = sum(unpaired_part(np.exp(b), np.exp(x), alarm=0.05, floor=0.0).failed for b, x in draws) / 2000
    assert (
        0.01 < worse < 0.065
    )  # rarer: the larger of two spreads counts; 0.015 is three standard errors of a proportion
    assert moved == pytest.approx(0.05, abs=0.015)


def test_the_pooled_spread_is_the_root_mean_variance() -> None:
    assert pooled_spread([[0.0, 2.0], [0.0, 4.0], [1.0]]) == pytest.approx(math.sqrt((2 + 8) / 2))
    assert pooled_spread([[1.0]]) == 0.0
