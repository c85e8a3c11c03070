"""Subsets of a training set: nested, seeded and of exact size, so that a curve over sizes differs in size alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from benchmarks.errors import UsageError
from benchmarks.tasks.base import Split


def order(n: int, seed: int, purpose: int = 0) -> np.ndarray:
    """Return the order in which ``seed`` draws rows; its first k rows are the subset of size k, so subsets are nested.

    It is made from the raw words of PCG64, which numpy guarantees, unlike ``Generator.permutation``.

    Args:
        n: number of rows.
        seed: the seed.
        purpose: another number gives an independent order for the same seed.
    """
    return np.argsort(np.random.PCG64([seed, purpose]).random_raw(n), kind="stable")


def subsample(split: Split, n: int, seed: int) -> np.ndarray:
    """Return the rows of a subset of exactly ``n`` (of all rows, if there are no more), in ascending order.

    The subset of a smaller n at the same seed is part of that of a larger one. Twins stay together, so a subset may
    have one row less than ``n``.

    Raises: UsageError: if n is less than one.
    """
    if n < 1:
        raise UsageError(f"a training set of {n} examples was asked for; give at least 1")
    if split.twins is not None:
        return _whole_groups(split.twins, np.arange(len(split)), n, seed, purpose=0)
    return np.sort(order(len(split), seed)[:n])


def _whole_groups(groups: np.ndarray, rows: np.ndarray, n: int, seed: int, purpose: int) -> np.ndarray:
    """Draw whole groups among ``rows`` while they fit into ``n`` rows; the drawn rows in ascending order."""
    names, number = np.unique(groups, return_inverse=True)
    rank = np.empty(len(names), dtype=int)
    rank[order(len(names), seed, purpose)] = np.arange(len(names))
    sizes = np.bincount(number[rows], minlength=len(names))
    drawn = np.argsort(rank)
    drawn = drawn[sizes[drawn] > 0]
    drawn_groups = drawn[np.cumsum(sizes[drawn]) <= n]
    return np.sort(rows[np.isin(number[rows], drawn_groups)])


def fraction_size(n: int, fraction: float) -> int:
    """Return the rows in a part of a set, rounded down as the published sizes are: 1 % of 549,367 is 5,493.

    >>> [fraction_size(549_367, f) for f in (0.001, 0.01, 0.1, 1)]
    [549, 5493, 54936, 549367]
    """
    if not 0 < fraction <= 1:
        raise UsageError(
            f"a fraction of {fraction} of the training set was asked for; give a number above 0 and up to 1"
        )
    return int(n * Fraction(str(fraction)))  # decimal, not binary: 0.1 of 100,010 is 10,001


def subsample_per_class(split: Split, n: int, seed: int) -> np.ndarray:
    """Return ``n`` rows of each class (SDA Figure 4: 500), ascending, nested as in :func:`subsample`.

    Raises: UsageError: if a class has fewer, or the targets are no classes.
    """
    if split.labels.dtype.kind == "f" or split.hidden:
        raise UsageError("rows per class were asked for, but this task has no classes (or its labels are hidden)")
    classes, sizes = np.unique(split.labels, return_counts=True)
    if not 0 < n <= sizes.min():
        raise UsageError(
            f"{n:,} rows per class were asked for, but class {classes[sizes.argmin()]} has {sizes.min():,}"
        )
    drawn = order(len(split), seed)
    return np.sort(np.concatenate([drawn[split.labels[drawn] == label][:n] for label in classes]))


def holdout(
    split: Split, rows: np.ndarray, fraction: float, seed: int, purpose: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Split training rows into ``(rest, holdout)``, class by class, both in ascending order.

    Of every class (for a regression: of every tenth of the sorted targets) the same fraction is taken; the total is
    exactly ``round(fraction * len(rows))``, the odd rows going to the classes that lose most by rounding. The rows are
    drawn in an order independent of that of :func:`subsample`: else the holdout of a large training set would contain a
    small one. Twins stay together: then pairs are drawn, without regard to classes.

    Where the rows name groups (``extra["group"]``), whole groups are set aside, and sizes are met as nearly as they
    allow.

    Raises: UsageError: if the fraction is not in [0, 1) or leaves no row to train on.
    """
    size = round(fraction * len(rows))
    if not 0 <= fraction < 1 or size >= len(rows):
        raise UsageError(f"a holdout of {fraction:g} of {len(rows):,} rows leaves none to train on; use more rows")
    if split.twins is not None:
        is_aside = np.isin(rows, _whole_groups(split.twins, rows, size, seed, purpose=1))
        return rows[~is_aside], rows[is_aside]
    stratum = _strata(split.labels[rows])
    exact = np.bincount(stratum) * (size / len(rows))
    quota = np.floor(exact).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: size - quota.sum()]] += 1
    rank = np.empty(len(split), dtype=int)
    rank[order(len(split), seed, purpose)] = np.arange(len(split))
    drawn = np.argsort(rank[rows])
    if "group" in split.extra:
        aside = _groups_aside(split.extra["group"][rows], stratum, quota, drawn)
        return rows[~aside], rows[aside]
    drawn_rows = [drawn[stratum[drawn] == number][:take] for number, take in enumerate(quota)]
    aside = np.zeros(len(rows), dtype=bool)
    aside[np.concatenate(drawn_rows)] = True
    return rows[~aside], rows[aside]


def _groups_aside(groups: np.ndarray, stratum: np.ndarray, quota: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return a mask of the rows in the holdout: whole groups, in the order drawn.

    A group is taken if it brings the counts of the classes nearer to their quota. At least one group is trained on.
    """
    names, place = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(quota)), dtype=int)
    np.add.at(counts, (place, stratum), 1)
    lacking, aside = quota.copy(), np.zeros(len(names), dtype=bool)
    for group in dict.fromkeys(place[drawn].tolist()):
        if aside.sum() < len(names) - 1 and np.abs(lacking - counts[group]).sum() < np.abs(lacking).sum():
            lacking = lacking - counts[group]
            aside[group] = True
    return np.asarray(aside[place])


def outside(n: int, rows: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return at most ``limit`` of the ``n`` training rows that are not among ``rows``, in ascending order."""
    candidates = order(n, seed, purpose=2)
    return np.sort(candidates[~np.isin(candidates, rows)][:limit])


def mislabelled(split: Split, rows: np.ndarray, share: float, seed: int) -> Split:
    """Return ``rows`` of a training set, exactly ``round(share * len(rows))`` of them with a wrong label.

    Which rows, and which of the other classes each gets, depends on the seed and the row alone: the wrong labels of a
    smaller share are among those of a larger one.

    Raises: UsageError: if the targets are no classes.
    """
    if split.labels.dtype.kind == "f" or split.hidden:
        raise UsageError("label_noise puts another class in a label's place, but this task has no classes")
    classes = np.unique(split.labels)
    rank = np.empty(len(split), dtype=int)
    rank[order(len(split), seed, purpose=3)] = np.arange(len(split))
    wrong = rows[np.argsort(rank[rows])][: round(share * len(rows))]
    steps = 1 + np.random.PCG64([seed, 4]).random_raw(len(split)) % np.uint64(max(1, len(classes) - 1))
    place = np.searchsorted(classes, split.labels)
    labels = split.labels.copy()
    labels[wrong] = classes[(place[wrong] + steps[wrong].astype(int)) % len(classes)]
    return replace(split.take(rows), labels=labels[rows])


def _strata(labels: np.ndarray) -> np.ndarray:
    """Return the class of each row; for targets, the tenth of the sorted rows it falls into."""
    if labels.dtype.kind != "f":
        return np.unique(labels, return_inverse=True)[1]
    rank = np.empty(len(labels), dtype=int)
    rank[np.argsort(labels, kind="stable")] = np.arange(len(labels))
    return rank * 10 // len(labels)
