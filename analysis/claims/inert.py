"""Detect inert contrasts: the two arms give the same answers, so there is nothing to decide or to count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.cells import Scored
from analysis.contrasts import Arm
from analysis.scores import METRICS

IDENTICAL = 0.999  # share of identical answers from which a contrast is inert
SAME_NUMBER = 1e-3  # of the labels' standard deviation: regression answers that differ by less count as identical


def identical_share(a: Scored, b: Scored, metric: str) -> float:
    """Return the share of answers that two arms have in common, over the items of the seeds that both have.

    Raises:
        ValueError: the arms have no common seed.
    """
    common = [seed for seed in a.seeds if seed in b.seeds]
    if not common:
        raise ValueError("no seed was run by both arms")
    x, y = (_answers(side, common, metric) for side in (a, b))
    if METRICS[metric].is_regression:
        return float((np.abs(x - y) <= SAME_NUMBER * a.labels.std()).mean())
    return float((x == y).mean())


def is_inert(arms: Sequence[Arm]) -> bool:
    """Return True if a difference of two arms is inert; a contrast of more than two arms never is."""
    if len(arms) != 2:
        return False
    a, b = arms
    return identical_share(a.scored, b.scored, a.column.metric) >= IDENTICAL


def words(arms: Sequence[Arm]) -> str:
    """Return the reason why a contrast is inert: ``inert: 100.00 % of 8,344 answers are identical``."""
    a, b = arms
    share = identical_share(a.scored, b.scored, a.column.metric)
    common = [seed for seed in a.scored.seeds if seed in b.scored.seeds]
    return f"inert: {100 * share:.2f} % of {len(common) * len(a.scored.labels):,} answers are identical"


def _answers(scored: Scored, seeds: Sequence[int], metric: str) -> np.ndarray:
    outputs = scored.outputs[[scored.seeds.index(seed) for seed in seeds]]
    return np.asarray(outputs.argmax(-1) if METRICS[metric].uses == "logits" else outputs)
