"""Sets of seeds pooled, and a finding at a changed setting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.cells import Scored
from analysis.claims.replicates import SeedSet, change, pool
from analysis.contrasts import Arm
from analysis.crossed import crossed_interval
from analysis.records import ResultsError
from analysis.schema import Column

COLUMN = Column("c", "t", "accuracy")
N = 400


def seed_set(name, gains, seeds, *, machine="cpu", numerics=1, noise=0) -> SeedSet:
    """Make a set whose run s of arm a answers ``gains[s]`` items more correctly than arm b's."""
    labels = np.ones(N, dtype=int)
    rng = np.random.default_rng(noise)
    right = [rng.permutation(N) for _ in seeds]

    def arm(weight, counts):
        runs = np.zeros((len(seeds), N), dtype=int)
        for run, order, count in zip(runs, right, counts, strict=True):
            run[order[: 200 + count]] = 1
        flags = np.zeros(len(seeds), dtype=bool)
        keys = tuple(f"{name}{seed}" for seed in seeds)
        scored = Scored(keys, tuple(seeds), np.arange(N), labels, runs, runs.mean(1), flags)
        return Arm(weight, scored, COLUMN)

    arms = (arm(1.0, gains), arm(-1.0, [0] * len(seeds)))
    return SeedSet(name, arms, frozenset([machine]), frozenset([numerics]))


FIRST, SECOND = [8, 12, 20, 4], [16, 12, 8, 12]


def test_sets_of_one_machine_are_pooled_as_if_they_were_one():
    a, b = seed_set("a", FIRST, range(4)), seed_set("b", SECOND, range(10, 14), noise=1)
    pooled = pool([a, b])
    outputs = [np.concatenate([s.arms[i].scored.outputs for s in (a, b)]) for i in (0, 1)]
    whole = crossed_interval(*outputs)
    assert (pooled.interval.estimate, pooled.interval.low) == pytest.approx((100 * whole.estimate, 100 * whole.low))
    assert (pooled.has_set_factor, pooled.n_sets, pooled.interval.n_seeds) == (False, 2, 8)
    assert pooled.p_equal == pytest.approx(stats.f_oneway(FIRST, SECOND).pvalue)


def test_sets_of_different_machines_carry_a_factor():
    """Machines apart: the sets' means do not count as spread over seeds, at the price of a degree of freedom."""
    a, b = seed_set("a", FIRST, range(4)), seed_set("b", [60, 64, 72, 56], range(10, 14), machine="cuda", noise=1)
    pooled = pool([a, b])
    assert pooled.has_set_factor
    whole = replace_variance(a, b)
    assert pooled.interval.se == pytest.approx(whole)
    assert pooled.is_heterogeneous
    assert pooled.interval.se < pool([a, replace(b, machines=a.machines)]).interval.se


def replace_variance(a: SeedSet, b: SeedSet) -> float:
    """V = seeds within sets + items - interaction, floored, from the items' differences by hand."""
    d = 100 * np.concatenate([s.arms[0].scored.outputs - s.arms[1].scored.outputs for s in (a, b)]).astype(float)
    n_seeds = len(d)
    within = sum(((g - g.mean()) ** 2).sum() for g in np.split(d.mean(1), 2)) / (n_seeds - 2) / n_seeds
    items = d.mean(0).var(ddof=1) / N
    residual = d - d.mean(1)[:, None] - d.mean(0) + d.mean()
    interaction = (residual**2).sum() / ((n_seeds - 1) * (N - 1)) / (n_seeds * N)
    return float(np.sqrt(max(within + items - interaction, within, items)))


def test_what_cannot_be_pooled_is_refused():
    a = seed_set("a", FIRST, range(4))
    with pytest.raises(ResultsError, match=r"numerics versions \[1, 2\] are not pooled"):
        pool([a, seed_set("b", SECOND, range(10, 14), numerics=2)])
    with pytest.raises(ResultsError, match="a seed is in two of the sets"):
        pool([a, seed_set("b", SECOND, range(3, 7))])
    with pytest.raises(ResultsError, match="no set"):
        pool([])
    b = seed_set("b", SECOND, range(10, 14))
    other = tuple(replace(arm, scored=replace(arm.scored, ids=arm.scored.ids + 1)) for arm in b.arms)
    with pytest.raises(ResultsError, match="different items"):
        pool([a, replace(b, arms=other)])


@pytest.mark.parametrize(
    ("changed", "bound", "outcome"),
    [
        ([88, 92, 100, 84], 0.5, "changes"),
        (FIRST, 0.5, "stays"),
        ([20, 2, 26, 8], 0.5, "open"),
        ([9, 13, 21, 4], 3.0, "stays"),
    ],
)
def test_a_finding_survives_by_the_contrast_of_contrasts(changed, bound, outcome):
    original, other = seed_set("a", FIRST, range(4)), seed_set("b", changed, range(4))
    got = change(original, other, bound)
    assert got.outcome == outcome
    assert got.interval.estimate == pytest.approx(100 * (np.mean(changed) - np.mean(FIRST)) / N)


def test_two_common_seeds_are_a_pairing():
    got = change(seed_set("a", FIRST, range(4)), seed_set("b", SECOND, range(2, 6)), 0.5)
    assert got.interval.estimate == pytest.approx(100 * (np.mean(SECOND[:2]) - np.mean(FIRST[2:])) / N)
    assert got.interval.n_seeds == 2


def test_a_set_of_one_seed_has_no_variance_to_compare():
    pooled = pool([seed_set("a", FIRST, range(4)), seed_set("b", [16], [10], noise=1)])
    assert np.isnan(pooled.p_equal)
    assert pooled.interval.n_seeds == 5


def test_settings_without_common_seeds_are_not_paired():
    with pytest.raises(ResultsError, match="share 0 seeds"):
        change(seed_set("a", FIRST, range(4)), seed_set("b", SECOND, range(10, 14)), 0.5)
