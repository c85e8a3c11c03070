"""A larger study that would decide what neither more seeds nor more items alone can."""

from __future__ import annotations

from analysis.crossed import Components
from analysis.power import noise_of, power

TARGET = 0.8  # chance of seeing the difference
MOST_TIMES = 64  # the largest multiple that is offered


def larger_study(part: Components, size: float, n_seeds: int) -> tuple[int, int] | None:
    """Return seeds and items that show a difference together: the smallest common multiple of both that does.

    Args:
        part: what varies in the study that was run.
        size: the true difference, in its unit.
        n_seeds: how many seeds it has, or a verdict needs.
    Returns: seeds and items (groups, where they come in groups), or None where no multiple up to 64 does.
    """
    noise = noise_of(part)
    for times in range(2, MOST_TIMES + 1):
        if power(size, times * n_seeds, times * part.n_items, noise) >= TARGET:
            return times * n_seeds, times * part.n_items
    return None
