"""The count of runs that never learn: its bound against scipy's, the learnt share at its ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.speed.learning import LARGEST_RATE, Arm, learnt_share, upper_bound
from benchmarks.tasks import TASKS


@pytest.mark.parametrize(("failures", "runs"), [(0, 9), (0, 300), (3, 100), (7, 7)])
def test_the_bound_is_the_exact_one_sided_limit(failures: int, runs: int) -> None:
    exact = binomtest(failures, runs, alternative="less").proportion_ci(0.95, method="exact").high
    assert upper_bound(failures, runs) == pytest.approx(exact)


def test_none_of_299_is_the_fewest_runs_that_show_one_percent() -> None:
    assert upper_bound(0, 299) <= LARGEST_RATE < upper_bound(0, 298)
    assert upper_bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert "0.99 %" in Arm("vanilla", 300, ()).row()


def test_the_learnt_share_is_0_for_a_constant_answer_and_1_at_the_ceiling() -> None:
    labels = np.array([0, 0, 0, 1])
    rte, cola = TASKS["demo-rte"], TASKS["demo-cola"]
    assert learnt_share(rte, 0.75, labels) == 0
    assert learnt_share(rte, rte.ceiling["accuracy"], labels) == pytest.approx(1)
    assert learnt_share(cola, 0.0, labels) == 0
    assert learnt_share(cola, cola.ceiling["matthews"] / 2, labels) == pytest.approx(0.5)
