"""Power of a planned grid: the smallest detectable difference, and the number of seeds for a claimed difference.

``Var(difference) = seed^2 / S + item^2 / n + interaction^2 / (S n)``, all standard deviations of *differences* between
two arms. :func:`noise_of` estimates them from runs; :func:`typical` gives the assumption without runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from analysis.crossed import Components
from analysis.interval import Interval

MOST_SEEDS = 1_000
STEEP = 50.0  # critical value of t beyond which the tail is integrated over the normal: one or two degrees of freedom
FARTHEST = 9.0  # standard deviations to which that is done
# Nodes of the Gauss-Legendre rule over the variance estimate: within 1e-4 of the noncentral t up to power 0.9999.
NODES = 128
INDEPENDENT = "; tasks taken as independent"  # where no runs tell what the tasks share over seeds
# Slope of a metric against accuracy. Matthews is 2 * accuracy - 1 where both classes are equally frequent.
SLOPES = {"matthews": 2.0}


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the difference between two arms, as fractions.

    Attributes:
        seed: of a seed's true difference around the mean difference.
        item: of an item's true difference around the mean difference.
        interaction: of a seed's difference on an item around the sum of the seed's and the item's effect.
    """

    seed: float
    item: float
    interaction: float

    def times(self, factor: float) -> Noise:
        """Return the same noise in another unit."""
        return Noise(factor * self.seed, factor * self.item, factor * self.interaction)


def typical(n_items: int, metric: str = "accuracy") -> Noise:
    """Return the noise to assume before any run; small evaluation sets come with small training sets and noisier seeds.

    Assumed are standard deviations over seeds of 2.4 points at 277 items (RTE), 0.9 at 1,043 (CoLA) and 0.2 at 9,824
    (SNLI), and arms that answer differently on one item in nine. These give the smallest detectable differences of
    docs/statistics.md for accuracy. Matthews counts as :data:`SLOPES` times accuracy, every other metric as accuracy.
    """
    slope = SLOPES.get(metric, 1.0)
    return Noise(seed=slope * 0.024 * (277 / n_items) ** 0.7, item=slope * 0.14, interaction=slope * 0.30)


def noise_of(parts: Components) -> Noise:
    """Return the standard deviations behind a comparison that was run, in its unit; negative estimates become 0.

    Raises:
        ValueError: there are fewer than two seeds.
    """
    n_seeds, n_items = len(parts.differences), parts.n_items
    if n_seeds < 2:
        raise ValueError(f"variance components need at least two seeds, got {n_seeds}")
    interaction = parts.interaction * n_seeds * n_items
    item = parts.items * n_items - interaction / n_seeds
    seed = float(parts.differences.var(ddof=1)) - interaction / n_items
    return Noise(*(math.sqrt(max(v, 0.0)) for v in (seed, item, interaction)))


def pooled(noises: Sequence[Noise]) -> Noise:
    """Return the root mean square of several comparisons' standard deviations.

    Raises:
        ValueError: there is no comparison.
    """
    if not noises:
        raise ValueError("there is no comparison to pool")
    mean = np.mean([[x.seed**2, x.item**2, x.interaction**2] for x in noises], axis=0)
    return Noise(*(float(math.sqrt(v)) for v in mean))


def noise_of_mean(parts: Sequence[Components]) -> tuple[int, Noise]:
    """Return the number of items and the noise of the mean over tasks that were run, as of one task.

    Tasks that have the same seeds covary over them, so the variance over seeds is that of each seed's mean over tasks.
    Items of different tasks are independent.

    Args:
        parts: components of each task's contrast, each on its own items.

    Raises:
        ValueError: there are fewer than two seeds.
    """
    n_items, noises = [part.n_items for part in parts], [noise_of(part) for part in parts]
    if len(noises) == 1:
        return n_items[0], noises[0]
    noise = of_mean(n_items, noises)
    if len({len(part.differences) for part in parts}) == 1:
        by_seed = np.mean([part.differences for part in parts], axis=0)
        variance = float(by_seed.var(ddof=1)) - noise.interaction**2 / sum(n_items)
        noise = replace(noise, seed=math.sqrt(max(variance, 0.0)))
    return sum(n_items), noise


def of_mean(n_items: Sequence[int], noises: Sequence[Noise]) -> Noise:
    """Return the noise of a task with ``sum(n_items)`` items whose difference varies as the mean over tasks does.

    Tasks are taken as independent, over seeds too: without runs nothing is known of what they share.
    """
    k, total = len(n_items), sum(n_items)
    per_item = [
        math.sqrt(total * sum(value**2 / n for value, n in zip(values, n_items, strict=True))) / k
        for values in ([x.item for x in noises], [x.interaction for x in noises])
    ]
    return Noise(math.sqrt(sum(x.seed**2 for x in noises)) / k, *per_item)


def standard_error(n_seeds: int, n_items: int, noise: Noise) -> tuple[float, float]:
    """Return the standard error of a difference and its expected degrees of freedom (Satterthwaite, at least S - 1).

    Raises:
        ValueError: there are fewer than two seeds or two items.
    """
    if n_seeds < 2 or n_items < 2:
        raise ValueError(f"a standard error needs at least two seeds and two items; got {n_seeds} and {n_items}")
    interaction = noise.interaction**2 / (n_seeds * n_items)
    seeds, items = noise.seed**2 / n_seeds + interaction, noise.item**2 / n_items + interaction
    variance = seeds + items - interaction
    spread = seeds**2 / (n_seeds - 1) + items**2 / (n_items - 1) + interaction**2 / ((n_seeds - 1) * (n_items - 1))
    return math.sqrt(variance), max(variance**2 / spread, n_seeds - 1.0) if spread > 0 else n_seeds - 1.0


def power(difference: float, n_seeds: int, n_items: int, noise: Noise | None = None, level: float = 0.95) -> float:
    """Return the chance that the interval excludes 0 on the right side, at a true difference (a fraction, either sign).

    Power rises with the difference and with the number of seeds. More items lower the standard error, but as seeds come
    to dominate, Satterthwaite's degrees of freedom fall towards S - 1, so that with two or three seeds and fixed noise
    more items can lower the power slightly.
    """
    from scipy.special import stdtrit  # imported here: scipy takes a third of a second

    error, df = standard_error(n_seeds, n_items, noise or typical(n_items))
    if error == 0:
        return float(difference != 0)
    return noncentral_t_tail(df, abs(difference) / error, float(stdtrit(df, 0.5 + level / 2)))


def noncentral_t_tail(df: float, shift: float, critical: float) -> float:
    """Return P(T > critical) of the noncentral t at any noncentrality.

    It is the mean of ``Phi(shift - critical * s)`` over the distribution of s, the ratio of the estimated to the true
    standard error. Where the critical value is so large that this is a step in s, it is the mean of ``P(s < (shift + z)
    / critical)`` over the normal z. ``scipy.special.nctdtr`` is NaN in parts of the range of large noncentrality, where
    this function tends to 1.
    """
    from scipy.special import chdtr, ndtr

    if critical > STEEP:
        nodes, weights = _normal()
        return min(float(weights @ chdtr(df, df * (np.maximum(shift + nodes, 0) / critical) ** 2)), 1.0)
    ratios, weights = _error_ratios(df)
    return min(float(weights @ ndtr(shift - critical * ratios)), 1.0)


@lru_cache
def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a quadrature rule over the standard normal distribution."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    places = FARTHEST * nodes
    return places, FARTHEST * weights * np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)


@lru_cache(maxsize=1024)
def _error_ratios(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles of ``sqrt(chi^2_df / df)`` at the nodes of a quadrature rule on [0, 1], and its weights."""
    from scipy.special import chdtri

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return np.sqrt(chdtri(df, (1 - nodes) / 2) / df), weights / 2


def smallest_difference(
    n_seeds: int, n_items: int, noise: Noise | None = None, target: float = 0.8, level: float = 0.95
) -> float:
    """Return the true difference (a fraction) that is detected with probability ``target``."""
    from scipy import optimize

    error, _ = standard_error(n_seeds, n_items, noise or typical(n_items))
    if error == 0:
        return 0.0

    def excess(multiple: float) -> float:
        return power(multiple * error, n_seeds, n_items, noise, level) - target

    if excess(0.0) >= 0:
        return 0.0
    high = 1.0
    while excess(high) < 0:
        high *= 2
    return float(error * optimize.brentq(excess, 0.0, high, xtol=1e-9))


def visible(interval: Interval, target: float = 0.8) -> float:
    """Return the smallest true difference that a comparison with this standard error detects.

    The probability of detection is ``target``, by Student's t (power is nearly that of the shifted normal). The unit is
    the interval's; nan without a standard error.
    """
    from scipy.special import stdtrit

    if math.isnan(interval.se):
        return math.nan
    return float((stdtrit(interval.df, 0.5 + interval.level / 2) + stdtrit(interval.df, target)) * interval.se)


def seeds_needed(
    difference: float, n_items: int, noise: Noise | None = None, target: float = 0.8, level: float = 0.95
) -> int | None:
    """Return the fewest seeds that detect ``difference`` with probability ``target``.

    None where no number of seeds is enough, because there are too few items.
    """

    def enough(seeds: int) -> bool:
        return power(difference, seeds, n_items, noise, level) >= target

    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def in_words(
    claimed: float | None,
    n_seeds: int,
    n_items: Sequence[int],
    noise: Sequence[Noise] | None = None,
    *,
    level: float = 0.95,
) -> str:
    """Return a line for a plan: the smallest difference this grid detects, and whether that is enough for a claim.

    Args:
        claimed: the paper's difference in points, or None.
        n_seeds: number of seeds.
        n_items: number of items of each task that the claim averages over (one entry: a single task).
        noise: noise of each task; None: :func:`typical`.
        level: level of the deciding interval.
    """
    joint = of_mean(n_items, list(noise or map(typical, n_items)))
    detectable = 100 * smallest_difference(n_seeds, sum(n_items), joint, level=level)
    assumption = INDEPENDENT if len(n_items) > 1 else ""
    items = f"{n_seeds} seeds × {sum(n_items):,} items"
    basis = f"{items} show differences from about {detectable:.1f} points (80 % power{assumption})"
    if claimed is None:
        return basis
    return f"{basis}: {'enough' if detectable <= abs(claimed) else 'too few'} for the claimed {abs(claimed):.2g}"
