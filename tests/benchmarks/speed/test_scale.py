"""Slopes of costs against closed forms, and the table that is made of them."""

from __future__ import annotations

import pytest

from benchmarks.speed.scale import AXES, STUDENT_UPDATES, Cost, row, slope, table

SIZES = [10, 100, 1_000, 10_000]


@pytest.mark.parametrize("power", [1.0, 1.2, 2.0])
@pytest.mark.parametrize("start", [0.0, 5.0])
def test_the_slope_of_a_power_is_its_exponent_whatever_the_start_costs(power: float, start: float) -> None:
    assert slope(SIZES, [start + 0.01 * size**power for size in SIZES]) == pytest.approx(power, rel=0.03)


def test_a_cost_that_does_not_grow_has_no_slope() -> None:
    assert slope(SIZES, [2.0, 2.01, 1.99, 2.05]) == 0.0


def test_a_slope_above_the_limit_is_marked() -> None:
    steep = {size: Cost(size**1.2, 7.0) for size in SIZES}
    assert "1.19 **above 1.05**" in row(AXES["plan"], steep)
    assert "above" not in row(AXES["plan"], {size: Cost(float(size), 7.0) for size in SIZES})
    assert row(AXES["plan"], steep) in table({"plan": steep})


def test_every_teacher_can_be_filled() -> None:
    assert max(AXES["K"].sizes) <= STUDENT_UPDATES
