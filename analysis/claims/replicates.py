"""The same contrast at several sets of seeds, and at a changed setting: descriptions, and what "survives" means.

A verdict comes from the seeds that were planned. Replications stand beside it, and all sets together as a description:
pooled within one version of the numerics only, with a factor for the set where machines differ, and apart where the
sets differ by more than chance. Whether a finding survives a change of setting is a contrast of contrasts with its own
interval; the number of significant replications says nothing about it.
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

HETEROGENEOUS = 0.05  # p of equal sets below which they are shown apart
CHANGES, STAYS, OPEN = "changes", "stays", "open"


@dataclass(frozen=True)
class SeedSet:
    """One contrast of two arms at one set of seeds.

    Attributes:
        machines: kinds of device of its runs, with the version of torch.
        numerics: versions of the numerics of its runs.
    """

    name: str
    arms: tuple[Arm, Arm]
    machines: frozenset[str]
    numerics: frozenset[int]

    @property
    def seeds(self) -> list[int]:
        """The seeds that both arms have."""
        a, b = (arm.scored.seeds for arm in self.arms)
        return [seed for seed in a if seed in b]

    @property
    def components(self) -> Components:
        """Of the contrast, on the scale papers print."""
        return contrasts.measure(self.arms, self.seeds)

    @property
    def interval(self) -> Interval:
        """The deciding interval at these seeds alone."""
        return combine([self.components], level=LEVEL)


@dataclass(frozen=True)
class Pooled:
    """Several sets of seeds together: a description.

    Attributes:
        interval: of the mean over all seeds; of new seeds and new items.
        p_equal: of "all sets have the same difference"; nan for one set.
        has_set_factor: whether the seeds' variance is that within sets, because machines differ.
        n_sets: how many sets.
    """

    interval: Interval
    p_equal: float
    has_set_factor: bool
    n_sets: int

    @property
    def is_heterogeneous(self) -> bool:
        """Whether the sets differ by more than chance, so that they are to be shown apart."""
        return self.p_equal < HETEROGENEOUS


@dataclass(frozen=True)
class Change:
    """How a difference changes with a setting: the changed difference minus the original one, with its interval."""

    interval: Interval
    outcome: str


def seed_set(results: Results, manifest: Manifest, a: str, b: str, column: Column, name: str) -> SeedSet:
    """Return the contrast of two rows in one column. Raises ResultsError: a row was not run."""
    first, second = contrasts.difference(results, manifest, a, b, column)
    runs = [results.run(key) for arm in (first, second) for key in arm.scored.keys]
    return SeedSet(
        name,
        (first, second),
        frozenset(f"{run.environment.get('device')}, torch {run.environment.get('torch')}" for run in runs),
        frozenset(int(run.spec.get("numerics", 1)) for run in runs),
    )


def pool(sets: Sequence[SeedSet]) -> Pooled:
    """Return all sets together.

    Raises: ResultsError: no set, a seed in two sets, runs of several numerics versions, or different items.
    """
    if not sets:
        raise ResultsError("no set of seeds to pool")
    versions = frozenset[int]().union(*(each.numerics for each in sets))
    if len(versions) > 1:
        raise ResultsError(f"runs of the numerics versions {sorted(versions)} are not pooled")
    seeds = [seed for each in sets for seed in each.seeds]
    if len(set(seeds)) < len(seeds):
        raise ResultsError("a seed is in two of the sets: it would count twice")
    arms = [
        replace(pair[0], scored=_stacked([(arm.scored, each.seeds) for arm, each in zip(pair, sets, strict=True)]))
        for pair in zip(*(each.arms for each in sets), strict=True)
    ]
    whole = contrasts.measure(arms, seeds)
    groups = np.split(whole.differences, np.cumsum([len(each.seeds) for each in sets])[:-1])
    has_factor = len(sets) > 1 and len({each.machines for each in sets}) > 1
    interval = _with_set_factor(whole, groups) if has_factor else combine([whole], level=LEVEL)
    return Pooled(interval, _p_equal(groups), has_factor, len(sets))


def change(original: SeedSet, changed: SeedSet, bound: float) -> Change:
    """Return the contrast of contrasts of one finding in two settings, at the seeds that both have.

    It **changes** where the interval leaves 0 out, **stays** where the 90 % interval lies inside the bound, and is else
    **open**.

    Raises: ResultsError: fewer than two common seeds, or different items.
    """
    seeds = [seed for seed in original.seeds if seed in changed.seeds]
    if len(seeds) < 2:
        raise ResultsError(f"{original.name} and {changed.name} share {len(seeds)} seeds: nothing is paired")
    column = original.arms[0].column
    arms = [
        replace(arm, column=column) for arm in [*changed.arms, *contrasts.weighted(original.arms, -1.0)]
    ]  # a column of its own setting is scored by the same metric on the same items
    interval = combine([contrasts.measure(arms, seeds)], level=LEVEL)
    if interval.low > 0 or interval.high < 0:
        return Change(interval, CHANGES)
    return Change(interval, STAYS if equivalence(interval, bound).holds else OPEN)


def _stacked(parts: Sequence[tuple[Scored, Sequence[int]]]) -> Scored:
    """The runs of several cells as one, at the given seeds of each."""
    first = parts[0][0]
    places = [[scored.seeds.index(seed) for seed in seeds] for scored, seeds in parts]
    chosen: Mapping[str, list[np.ndarray]] = {
        name: [getattr(scored, name)[at] for (scored, _), at in zip(parts, places, strict=True)]
        for name in ("outputs", "scores", "collapsed")
    }
    for scored, _ in parts[1:]:
        if not (np.array_equal(scored.ids, first.ids) and np.array_equal(scored.labels, first.labels)):
            raise ResultsError("the sets were scored on different items")
    return Scored(
        tuple(scored.keys[i] for (scored, _), at in zip(parts, places, strict=True) for i in at),
        tuple(seed for _, seeds in parts for seed in seeds),
        first.ids,
        first.labels,
        np.concatenate(chosen["outputs"]),
        np.concatenate(chosen["scores"]),
        np.concatenate(chosen["collapsed"]),
    )


def _with_set_factor(whole: Components, groups: Sequence[np.ndarray]) -> Interval:
    """The interval of the mean over seeds with the seeds' variance taken within sets: S - k degrees of freedom."""
    n_seeds, n_sets = len(whole.differences), len(groups)
    if n_seeds <= n_sets:
        raise ResultsError("a factor for the set needs a set with two seeds or more")
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (n_seeds - n_sets)
    df_seeds = n_seeds - n_sets + 1  # whose S - 1 are the degrees of freedom within sets
    variance, df = variance_and_df(within / n_seeds, whole.items, whole.both, df_seeds, whole.n_items - 1)
    method = f"{whole.method}, {n_sets} sets of seeds as a factor"
    estimate = float(whole.differences.mean())
    return t_interval(estimate, float(variance), float(df), n_seeds, whole.n_items, method, LEVEL)


def _p_equal(groups: Sequence[np.ndarray]) -> float:
    """One-way analysis of variance of the seeds' differences over sets; nan where it is not defined."""
    from scipy.stats import f_oneway

    if len(groups) < 2 or min(map(len, groups)) < 2:
        return float("nan")
    return float(f_oneway(*groups).pvalue)
