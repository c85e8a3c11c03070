"""Rates at which each test finds a difference in studies without one, over a grid of scenarios."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from analysis.coverage.simulation import Scenario, simulate
from analysis.coverage.verdicts import LEVEL, StudyComponents, decide, measure
from analysis.descriptive import hierarchical_bootstrap, mcnemar, permutation_test, sign_flip

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray
DECIDING_TEST = "deciding interval"
ALLOWED_RATE = 0.06  # largest rate of false positives of the deciding interval, in every scenario
STUDIES = 10_000  # per scenario: the standard error of a rate of 5 % is 0.2 points
BATCH = 50_000  # answers simulated at once: half a megabyte, which fits into the processor's cache


@dataclass(frozen=True)
class Rate:
    """Rate at which a test finds a difference.

    Attributes:
        rate: share of the decided studies with a significant difference.
        error: standard error of ``rate``, by Monte Carlo.
        withheld: share of all studies without a verdict.
    """

    rate: float
    error: float
    withheld: float = 0.0


def deciding_rate(scenario: Scenario, studies: int, rng: np.random.Generator) -> Rate:
    """Return the rate at which the deciding interval finds a difference."""
    size = max(1, BATCH // (2 * scenario.seeds * scenario.items))
    sizes = [size] * (studies // size) + [studies % size] * (studies % size > 0)
    batches = [measure(*simulate(scenario, size, rng), scenario.metric) for size in sizes]
    fields = ("differences", "covariance", "is_constant", "is_near_constant")
    arrays = {field: np.concatenate([getattr(batch, field) for batch in batches]) for field in fields}
    verdicts, withheld = decide(StudyComponents(**arrays, n_items=scenario.items))
    return _rate(verdicts[~withheld] != 0, float(withheld.mean()))


def _rate(is_significant: Array, withheld: float = 0.0) -> Rate:
    rate = float(np.mean(is_significant)) if len(is_significant) else float("nan")
    return Rate(
        rate, float(np.sqrt(rate * (1 - rate) / len(is_significant))) if len(is_significant) else float("nan"), withheld
    )


def _bootstrap(a: Array, b: Array, labels: Array, scenario: Scenario, rng: np.random.Generator) -> float:
    return hierarchical_bootstrap(a, b, metric=scenario.metric, labels=labels, rng=rng, resamples=1000).p


def _permutation(a: Array, b: Array, labels: Array, scenario: Scenario, rng: np.random.Generator) -> float:
    return permutation_test(a, b, metric=scenario.metric, labels=labels, rng=rng, resamples=500).p


def _seeds_only(a: Array, b: Array, labels: Array, scenario: Scenario, rng: np.random.Generator) -> float:
    return sign_flip((a == labels).mean(1), (b == labels).mean(1)).p


def _one_pair(a: Array, b: Array, labels: Array, scenario: Scenario, rng: np.random.Generator) -> float:
    return mcnemar(a[:1], b[:1], labels)[0].p


TESTS: dict[str, Callable[..., float]] = {
    "crossed bootstrap": _bootstrap,
    "permutation of items": _permutation,
    "sign flips of seeds": _seeds_only,
    "McNemar, one pair": _one_pair,
}


def rates(
    scenario: Scenario, studies: int, rng: np.random.Generator, tests: Sequence[str] = (DECIDING_TEST,)
) -> dict[str, Rate]:
    """Return the rate at which each test finds a difference at 5 % in simulated studies."""
    if DECIDING_TEST in tests:
        return {DECIDING_TEST: deciding_rate(scenario, studies, rng)}
    is_significant = {name: np.zeros(studies, dtype=bool) for name in tests}
    for number in range(studies):
        (a,), (b,), (labels,) = simulate(scenario, 1, rng)
        for name in tests:
            is_significant[name][number] = TESTS[name](a, b, labels, scenario, rng) <= 1 - LEVEL + 1e-12
    return {name: _rate(results) for name, results in is_significant.items()}


def published_grid() -> Iterator[tuple[Scenario, int, tuple[str, ...]]]:
    """Yield scenario, number of studies and tests of the grid in docs/statistics.md."""
    for seeds, items, points, quirk in product((5, 8, 10), (277, 1_000, 10_000), (0.0, 0.5, 1.0), (0.05, 0.4)):
        yield Scenario(seeds, items, points, quirk), STUDIES, (DECIDING_TEST,)
    for items, points in product((277, 1_000), (0.0, 1.0)):
        yield Scenario(8, items, points), STUDIES, (DECIDING_TEST,)
        yield Scenario(8, items, points), 600, tuple(TESTS)
    for metric in ("matthews", "f1", "pearson", "spearman"):
        for seeds, items, points in product((5, 8), (277, 1_500), (0.0, 1.0)):
            yield Scenario(seeds, items, points, 0.4, metric=metric), STUDIES, (DECIDING_TEST,)
        yield Scenario(5, 10_000, 1.0, 0.4, metric=metric), STUDIES, (DECIDING_TEST,)
    for metric, items, rarity in product(("matthews", "f1"), (71, 277, 408), (0.10, 0.03, 0.01)):
        for seeds, constant, excess in ((5, 0.0, 1.0), (8, 0.0, 1.0), (5, 0.3, 1.0), (5, 0.0, 2.0)):
            rare = Scenario(seeds, items, 1.0, 0.4, metric=metric, positives=rarity, constant=constant, excess=excess)
            yield rare, STUDIES, (DECIDING_TEST,)
    for items, majority in product((71, 277, 408), (0.90, 0.97, 0.99)):
        yield Scenario(5, items, 1.0, 0.4, metric="f1", positives=majority), STUDIES, (DECIDING_TEST,)


def run(cases: Sequence[tuple[Scenario, int, tuple[str, ...]]], seed: int = 0) -> pd.DataFrame:
    """Return a row per scenario and test: the scenario's fields, ``test studies rate error withheld``."""
    import pandas as pd

    records = []
    for number, (scenario, studies, tests) in enumerate(cases):
        rng = np.random.Generator(np.random.SFC64([seed, number]))  # half the time of the default generator
        for test, rate in rates(scenario, studies, rng, tests).items():
            records.append({**asdict(scenario), "test": test, "studies": studies, **asdict(rate)})
    return pd.DataFrame.from_records(records)


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the deciding interval whose rate minus two standard errors exceeds ``ALLOWED_RATE``."""
    deciding = table[table["test"] == DECIDING_TEST]
    return deciding[deciding["rate"] - 2 * deciding["error"] > ALLOWED_RATE]
