"""Compare the same contrast between sets of seeds, and before and after a changed setting.

A verdict comes from the planned seeds. Replications are reported next to it, and all sets together as a description:
pooled only within one version of the numerics, with a factor for the set where machines differ, and separately where
the sets differ by more than chance. Whether a finding survives a change of setting is a contrast of contrasts with its
own interval; the number of significant replications does not answer that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis import contrasts
from analysis.cells import Scored
from analysis.claims.claim import LEVEL
from analysis.contrasts import Arm
from analysis.crossed import Components, combine, variance_and_df
from analysis.descriptive import equivalence
from analysis.interval import Interval, t_interval
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest

HETEROGENEOUS = 0.05  # p of "all sets are equal" below which they are reported separately
CHANGES, STAYS, OPEN = "changes", "stays", "open"


@dataclass(frozen=True)
class SeedSet:
    """Contrast of two arms at one set of seeds.

    Attributes:
        name: name of the set.
        arms: the two arms.
        machines: kinds of device of its runs, with the version of torch.
        numerics: versions of the numerics of its runs.
    """

    name: str
    arms: tuple[Arm, Arm]
    machines: frozenset[str]
    numerics: frozenset[int]

    @property
    def seeds(self) -> list[int]:
        """Seeds that both arms have."""
        a, b = (arm.scored.seeds for arm in self.arms)
        return [seed for seed in a if seed in b]

    @property
    def components(self) -> Components:
        """Variance components of the contrast, on the scale papers print."""
        return contrasts.measure(self.arms, self.seeds)

    @property
    def interval(self) -> Interval:
        """Deciding interval at these seeds only."""
        return combine([self.components], level=LEVEL)


@dataclass(frozen=True)
class Pooled:
    """Several sets of seeds together, as a description.

    Attributes:
        interval: interval of the mean over all seeds, for new seeds and new items.
        p_equal: p of "all sets have the same difference"; nan for one set.
        has_set_factor: True if the variance over seeds is that within sets, because machines differ.
        n_sets: number of sets.
    """

    interval: Interval
    p_equal: float
    has_set_factor: bool
    n_sets: int

    @property
    def is_heterogeneous(self) -> bool:
        """True if the sets differ by more than chance, so that they must be reported separately."""
        return self.p_equal < HETEROGENEOUS


@dataclass(frozen=True)
class Change:
    """Change of a difference with a setting: the changed difference minus the original one, with its interval.

    Attributes:
        interval: interval of the change.
        outcome: "changes", "stays" or "open".
    """

    interval: Interval
    outcome: str


def seed_set(results: Results, manifest: Manifest, a: str, b: str, column: Column, name: str) -> SeedSet:
    """Return the contrast of two rows in one column.

    Raises:
        ResultsError: a row was not run.
    """
    first, second = contrasts.difference(results, manifest, a, b, column)
    runs = [results.run(key) for arm in (first, second) for key in arm.scored.keys]
    return SeedSet(
        name,
        (first, second),
        frozenset(f"{run.environment.get('device')}, torch {run.environment.get('torch')}" for run in runs),
        frozenset(int(run.spec.get("numerics", 1)) for run in runs),
    )


def pool(sets: Sequence[SeedSet]) -> Pooled:
    """Return all sets of seeds together.

    Raises:
        ResultsError: there is no set, a seed is in two sets, numerics versions differ, or items differ.
    """
    if not sets:
        raise ResultsError("no set of seeds to pool")
    versions = frozenset[int]().union(*(seed_set.numerics for seed_set in sets))
    if len(versions) > 1:
        raise ResultsError(f"runs of the numerics versions {sorted(versions)} are not pooled")
    seeds = [seed for seed_set in sets for seed in seed_set.seeds]
    if len(set(seeds)) < len(seeds):
        raise ResultsError("a seed is in two of the sets: it would count twice")
    arms = [
        replace(
            pair[0], scored=_stacked([(arm.scored, seed_set.seeds) for arm, seed_set in zip(pair, sets, strict=True)])
        )
        for pair in zip(*(seed_set.arms for seed_set in sets), strict=True)
    ]
    components = contrasts.measure(arms, seeds)
    groups = np.split(components.differences, np.cumsum([len(seed_set.seeds) for seed_set in sets])[:-1])
    has_factor = len(sets) > 1 and len({seed_set.machines for seed_set in sets}) > 1
    interval = _with_set_factor(components, groups) if has_factor else combine([components], level=LEVEL)
    return Pooled(interval, _p_equal(groups), has_factor, len(sets))


def change(original: SeedSet, changed: SeedSet, bound: float) -> Change:
    """Return the contrast of contrasts of one finding in two settings, at the seeds that both have.

    It **changes** if the interval excludes 0, **stays** if the 90 % interval lies inside the bound, and is **open**
    otherwise.

    Raises:
        ResultsError: there are fewer than two common seeds, or items differ.
    """
    seeds = [seed for seed in original.seeds if seed in changed.seeds]
    if len(seeds) < 2:
        raise ResultsError(f"{original.name} and {changed.name} share {len(seeds)} seeds; a pairing needs at least two")
    column = original.arms[0].column
    # The changed setting may have its own column; it is scored by the same metric on the same items.
    arms = [replace(arm, column=column) for arm in [*changed.arms, *contrasts.weighted(original.arms, -1.0)]]
    interval = combine([contrasts.measure(arms, seeds)], level=LEVEL)
    if interval.low > 0 or interval.high < 0:
        return Change(interval, CHANGES)
    return Change(interval, STAYS if equivalence(interval, bound).holds else OPEN)


def _stacked(parts: Sequence[tuple[Scored, Sequence[int]]]) -> Scored:
    """Return the runs of several cells as one cell, at the given seeds of each."""
    first = parts[0][0]
    positions = [[scored.seeds.index(seed) for seed in seeds] for scored, seeds in parts]
    stacks: Mapping[str, list[np.ndarray]] = {
        name: [getattr(scored, name)[rows] for (scored, _), rows in zip(parts, positions, strict=True)]
        for name in ("outputs", "scores", "collapsed")
    }
    for scored, _ in parts[1:]:
        if not (np.array_equal(scored.ids, first.ids) and np.array_equal(scored.labels, first.labels)):
            raise ResultsError("the sets were scored on different items")
    return Scored(
        tuple(scored.keys[i] for (scored, _), rows in zip(parts, positions, strict=True) for i in rows),
        tuple(seed for _, seeds in parts for seed in seeds),
        first.ids,
        first.labels,
        np.concatenate(stacks["outputs"]),
        np.concatenate(stacks["scores"]),
        np.concatenate(stacks["collapsed"]),
    )


def _with_set_factor(components: Components, groups: Sequence[np.ndarray]) -> Interval:
    """Return the interval of the mean over seeds, with the variance over seeds taken within sets.

    With S seeds in k sets that variance has S - k degrees of freedom.
    """
    n_seeds, n_sets = len(components.differences), len(groups)
    if n_seeds <= n_sets:
        raise ResultsError("a factor for the set needs a set with two seeds or more")
    seed_variance = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (n_seeds - n_sets)
    df_seeds = n_seeds - n_sets + 1  # variance_and_df subtracts 1, which gives the S - k degrees of freedom within sets
    variance, df = variance_and_df(
        seed_variance / n_seeds, components.items, components.interaction, df_seeds, components.n_items - 1
    )
    method = f"{components.method}, {n_sets} sets of seeds as a factor"
    estimate = float(components.differences.mean())
    return t_interval(estimate, float(variance), float(df), n_seeds, components.n_items, method, LEVEL)


def _p_equal(groups: Sequence[np.ndarray]) -> float:
    """Return the p of a one-way analysis of variance of the seeds' differences over sets; nan where undefined."""
    from scipy.stats import f_oneway

    if len(groups) < 2 or min(map(len, groups)) < 2:
        return float("nan")
    return float(f_oneway(*groups).pvalue)
