"""On studies without any true difference ``judge`` finds one in at most 6 % of them, with and without groups.

A rate fails where it exceeds 6 % by more than two Monte Carlo errors. More studies: run with --slow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

import analysis
from analysis.predictions.decision import decide
from analysis.predictions.study import make_study
from analysis.predictions.systems import Labels, of_array

FEWEST, MOST = 150, 1_500  # studies of a scenario, without and with --slow


def null_study(
    rng: np.random.Generator, *, systems: int, seeds: tuple[int, ...], sizes: Sequence[int], spread: float
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Draw answers of systems of equal expected accuracy: seeds, groups and items favour either by chance.

    Args:
        rng: the random generator.
        systems: number of systems.
        seeds: seeds of each system.
        sizes: items of each group.
        spread: standard deviation over groups of a system's gain on a group, in logits.
    """
    n, n_groups = sum(sizes), len(sizes)
    groups = np.repeat(np.arange(n_groups), sizes)
    labels = np.arange(n) % 2
    shared = 1.2 + 1.0 * rng.normal(size=n)
    runs = []
    for n_seeds in (seeds * systems)[:systems]:
        own = 0.4 * rng.normal(size=n) + spread * rng.normal(size=n_groups)[groups]
        logits = shared + own + 0.1 * rng.normal(size=(n_seeds, 1)) + 0.3 * rng.normal(size=(n_seeds, n))
        right = rng.random((n_seeds, n)) < 1 / (1 + np.exp(-logits))
        runs.append(np.where(right, labels, 1 - labels))
    return runs, labels, groups


SCENARIOS = {
    "items": {"systems": 2, "seeds": (5,), "sizes": [1] * 200, "spread": 0.0},
    "three systems": {"systems": 3, "seeds": (5,), "sizes": [1] * 200, "spread": 0.0},
    "other seeds": {"systems": 2, "seeds": (5, 8), "sizes": [1] * 200, "spread": 0.0},
    "groups": {"systems": 2, "seeds": (5,), "sizes": [10] * 20, "spread": 0.6},
    "uneven groups": {"systems": 2, "seeds": (5,), "sizes": [60, 30, *[4] * 20], "spread": 0.6},
    "groups, other seeds": {"systems": 2, "seeds": (5, 8), "sizes": [10] * 20, "spread": 0.6},
}


def findings(scenario: dict, studies: int, metric: str, uses_groups: bool = True) -> float:
    """Return the share of studies with at least one system better or worse."""
    rng = np.random.default_rng(0)
    count = 0
    for _ in range(studies):
        runs, labels, groups = null_study(rng, **scenario)
        own = groups.astype(str).astype(object) if uses_groups and max(scenario["sizes"]) > 1 else None
        apart = Labels(labels.astype(str).astype(object), groups=own)
        systems = [of_array(str(place), run, apart, None) for place, run in enumerate(runs)]
        judgement = decide(make_study(systems, metric=metric), systems[-1].name)
        count += any(each.verdict in ("better", "worse") for each in judgement.comparisons)
    return count / studies


@pytest.mark.parametrize("name", SCENARIOS)
def test_at_most_6_percent(name, request):
    studies = MOST if request.config.getoption("--slow") else FEWEST
    for metric in ("accuracy", "matthews") if studies == MOST else ("accuracy",):
        rate = findings(SCENARIOS[name], studies, metric)
        error = math.sqrt(0.06 * 0.94 / studies)
        assert rate <= 0.06 + 2 * error, f"{metric}: {100 * rate:.1f} %"


def test_without_their_groups_items_of_groups_mislead():
    """The scenario with groups needs them: else it would test nothing."""
    assert findings(SCENARIOS["groups"], FEWEST, "accuracy", uses_groups=False) > 0.12


def test_a_true_difference_is_found(rng):
    runs, labels, groups = null_study(rng, systems=2, seeds=(5,), sizes=[10] * 40, spread=0.2)
    better = np.where(rng.random(runs[0].shape) < 0.4, labels, runs[0])
    judgement = analysis.judge(better, runs[1], labels=labels, groups=groups)
    assert judgement.comparisons[0].verdict == "better"
