"""Parts of a training set: nested, seeded and of exact size, so that a curve over sizes compares like with like."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from benchmarks.errors import UsageError
from benchmarks.tasks.base import Split


def order(n: int, seed: int) -> np.ndarray:
    """The order in which ``seed`` draws rows: the first k of it are the subset of size k, so subsets are nested.

    Made from the raw words of PCG64, which numpy keeps the same for ever, unlike ``Generator.permutation``.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")


def draw(split: Split, n: int, seed: int) -> Split:
    """``n`` rows of a split (all, if it has no more), in their old order.

    Raises: UsageError: if n is less than one.
    """
    if n < 1:
        raise UsageError(f"a training set of {n} examples was asked for; give at least 1")
    if n >= len(split):
        return split
    return _part(split, order(len(split), seed)[:n], f"{n:,} of {len(split):,} rows drawn with seed {seed}")


def fraction_size(n: int, fraction: float) -> int:
    """Rows in a part of a set, rounded down as the published sizes are: 1 % of 549,367 is 5,493.

    >>> [fraction_size(549_367, f) for f in (0.001, 0.01, 0.1, 1)]
    [549, 5493, 54936, 549367]
    """
    if not 0 < fraction <= 1:
        raise UsageError(
            f"a fraction of {fraction} of the training set was asked for; give a number above 0 and up to 1"
        )
    return int(n * Fraction(str(fraction)))  # decimal, not binary: 0.1 of 100,010 is 10,001


def draw_fraction(split: Split, fraction: float, seed: int) -> Split:
    """A fraction of a split (SMART Table 5: 0.001, 0.01, 0.1 and 1). Raises UsageError if that is not a single row."""
    return draw(split, fraction_size(len(split), fraction), seed)


def draw_per_class(split: Split, n: int, seed: int) -> Split:
    """``n`` rows of each class (SDA Figure 4: 500), in their old order.

    Raises: UsageError: if a class has fewer, or the targets are no classes.
    """
    if split.labels.dtype.kind == "f" or split.hidden:
        raise UsageError("rows per class were asked for, but this task has no classes (or its labels are hidden)")
    drawn = order(len(split), seed)
    classes, sizes = np.unique(split.labels, return_counts=True)
    if sizes.min() < n:
        raise UsageError(
            f"{n:,} rows per class were asked for, but class {classes[sizes.argmin()]} has only {sizes.min():,}"
        )
    rows = np.concatenate([drawn[split.labels[drawn] == label][:n] for label in classes])
    return _part(split, rows, f"{n:,} rows of each class drawn with seed {seed}")


def holdout(split: Split, fraction: float = 0.1, seed: int = 0) -> tuple[Split, Split]:
    """Set part of the training set aside, class by class: ``(train, holdout)``.

    Of every class (for a regression: of every tenth of the sorted rows) the same fraction is taken; the
    total is exactly ``round(fraction * n)``, the odd rows going to the strata that lose most by rounding.

    Raises: UsageError: if either part would be empty.
    """
    size = round(fraction * len(split))
    if not 0 < size < len(split):
        raise UsageError(
            f"a holdout of {fraction:g} of {len(split):,} rows leaves one part empty; use more training rows"
        )
    stratum = _strata(split)
    drawn = order(len(split), seed)
    totals = np.bincount(stratum)
    exact = totals * (size / len(split))
    quota = np.floor(exact).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: size - quota.sum()]] += 1
    aside = np.concatenate([drawn[stratum[drawn] == number][:take] for number, take in enumerate(quota)])
    rest = np.setdiff1d(np.arange(len(split)), aside)
    return (
        _part(split, rest, f"{size:,} rows set aside as holdout with seed {seed}"),
        _part(split, aside, f"holdout: {size:,} of {len(split):,} training rows, drawn with seed {seed}"),
    )


def _strata(split: Split) -> np.ndarray:
    """The class of each row; for targets, the tenth of the sorted rows it falls into."""
    if split.labels.dtype.kind != "f":
        return np.unique(split.labels, return_inverse=True)[1]
    rank = np.empty(len(split), dtype=int)
    rank[np.argsort(split.labels, kind="stable")] = np.arange(len(split))
    return rank * 10 // len(split)


def _part(split: Split, rows: np.ndarray, note: str) -> Split:
    return replace(split.take(np.sort(rows)), notes=(*split.notes, note))
