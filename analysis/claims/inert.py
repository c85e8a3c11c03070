"""Detect inert contrasts: the two arms give the same answers, so there is nothing to decide or to count."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.contrasts import Arm, identical_share

IDENTICAL = 0.999  # share of identical answers from which a contrast is inert


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
