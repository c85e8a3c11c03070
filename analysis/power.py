"""What a grid can see: the smallest difference it would find, and the seeds a claimed difference needs.

``Var(difference) = seed^2 / S + item^2 / n + interaction^2 / (S n)``, all standard deviations of *differences*
between two arms. The defaults are assumptions (:func:`typical`), to be replaced by :func:`measured` as soon as there
are runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.crossed import LAYOUT, Components
from analysis.interval import Interval

MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the difference between two arms, as fractions.

    Attributes:
        seed: of a seed's true difference around the mean difference.
        item: of an item's true difference (how differently the arms treat items).
        interaction: of one seed's answer on one item around both.
    """

    seed: float
    item: float
    interaction: float


def typical(n_items: int) -> Noise:
    """What to assume before any run: small evaluation sets come with small training sets and so with noisier seeds.

    Seeds that differ by 2.4 points at 277 items (RTE), 0.9 at 1,043 (CoLA), 0.2 at 9,824 (SNLI), and arms that answer
    differently on one item in nine, give the smallest visible differences of docs/statistics.md.
    """
    return Noise(seed=0.024 * (277 / n_items) ** 0.7, item=0.14, interaction=0.30)


def measured(parts: Components) -> Noise:
    """The variance components of a comparison that was run (negative estimates count as 0).

    Raises: ValueError: fewer than two seeds, or a metric that is no mean of items.
    """
    n_seeds, n_items = len(parts.differences), parts.n_items
    if n_seeds < 2 or parts.method != LAYOUT:
        raise ValueError("variance components need at least two seeds, and a metric that is a mean of items")
    interaction = parts.both * n_seeds * n_items
    item = parts.items * n_items - interaction / n_seeds
    seed = float(parts.differences.var(ddof=1)) - interaction / n_items
    return Noise(*(math.sqrt(max(v, 0.0)) for v in (seed, item, interaction)))


def standard_error(n_seeds: int, n_items: int, noise: Noise) -> tuple[float, float]:
    """Standard error of a difference and its expected degrees of freedom (Satterthwaite, at least S - 1)."""
    if n_seeds < 2 or n_items < 2:
        raise ValueError(f"at least two seeds and two items; got {n_seeds} and {n_items}")
    both = noise.interaction**2 / (n_seeds * n_items)
    seeds, items = noise.seed**2 / n_seeds + both, noise.item**2 / n_items + both
    variance = seeds + items - both
    spread = seeds**2 / (n_seeds - 1) + items**2 / (n_items - 1) + both**2 / ((n_seeds - 1) * (n_items - 1))
    return math.sqrt(variance), max(variance**2 / spread, n_seeds - 1.0) if spread > 0 else n_seeds - 1.0


def power(difference: float, n_seeds: int, n_items: int, noise: Noise | None = None, level: float = 0.95) -> float:
    """Chance that the interval leaves 0 out on the right side when the true difference is ``difference`` (a
    fraction)."""
    from scipy.special import nctdtr, stdtrit  # the noncentral t alone: a third of scipy.stats's import time

    error, df = standard_error(n_seeds, n_items, noise or typical(n_items))
    if error == 0:
        return float(difference != 0)
    return float(1.0 - nctdtr(df, abs(difference) / error, stdtrit(df, 0.5 + level / 2)))


def smallest_difference(
    n_seeds: int, n_items: int, noise: Noise | None = None, wanted: float = 0.8, level: float = 0.95
) -> float:
    """The true difference (a fraction) that is found with chance ``wanted``."""
    from scipy import optimize

    error, _ = standard_error(n_seeds, n_items, noise or typical(n_items))
    if error == 0:
        return 0.0
    short = lambda d: power(d, n_seeds, n_items, noise, level) - wanted  # noqa: E731
    return float(optimize.brentq(short, 0.0, 40 * error, xtol=1e-7))


def visible(interval: Interval, wanted: float = 0.8) -> float:
    """The smallest true difference that a comparison with this standard error finds with chance ``wanted``.

    By Student's t (power is nearly that of the normal shift), in the interval's unit; nan without a standard error.
    """
    from scipy.special import stdtrit

    if math.isnan(interval.se):
        return math.nan
    return float((stdtrit(interval.df, 0.5 + interval.level / 2) + stdtrit(interval.df, wanted)) * interval.se)


def seeds_needed(
    difference: float, n_items: int, noise: Noise | None = None, wanted: float = 0.8, level: float = 0.95
) -> int | None:
    """Fewest seeds that find ``difference`` with chance ``wanted``; None where no number does: the items are too
    few."""
    enough = lambda seeds: power(difference, seeds, n_items, noise, level) >= wanted  # noqa: E731
    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def in_words(claimed: float | None, n_seeds: int, n_items: Sequence[int], noise: Sequence[Noise] | None = None) -> str:
    """One line for a plan or a table: what this grid can see, and what the claim (in points) would need.

    Args:
        claimed: the paper's difference in points, or None.
        n_items: items of each task the claim averages over (one: a single task).
        noise: per task; None: :func:`typical`.
    """
    noises = list(noise or map(typical, n_items))
    seen = 100 * _smallest_mean(n_seeds, list(n_items), noises)
    basis = f"{n_seeds} seeds × {sum(n_items):,} items"
    if claimed is None:
        return f"{basis} show differences from about {seen:.1f} points (80 % power)"
    enough = "enough for" if seen <= abs(claimed) else "too few for"
    return (
        f"{basis} show differences from about {seen:.1f} points (80 % power): {enough} the claimed {abs(claimed):.2g}"
    )


def _smallest_mean(n_seeds: int, n_items: list[int], noises: list[Noise]) -> float:
    """Of a mean over tasks: the tasks' parts add up like those of one task with that much noise on one item."""
    k = len(n_items)
    joint = Noise(
        seed=math.sqrt(sum(x.seed**2 for x in noises)) / k,
        item=math.sqrt(sum(x.item**2 / n for x, n in zip(noises, n_items, strict=True)) * sum(n_items)) / k,
        interaction=math.sqrt(sum(x.interaction**2 / n for x, n in zip(noises, n_items, strict=True)) * sum(n_items))
        / k,
    )
    return smallest_difference(n_seeds, sum(n_items), joint)
