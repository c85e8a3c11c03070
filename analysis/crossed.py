"""The interval that decides: seeds and items are crossed random factors (every seed of both arms is scored on the
same items). Nothing in it is drawn at random: the same predictions give the same interval, in any order of the items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.interval import Interval, checked_pair, t_interval
from analysis.scores import Metric, per_item

Array = np.ndarray
LAYOUT = "two-way layout of seeds and items"
LINEAR = "two-way layout of seeds and items, the metric by its influence function"
FEWEST_GROUPS = 20  # groups of items below which the variance between them is not known well enough to decide
FEWEST_MINORITY = 5  # answers, and labels, that must differ from the most frequent one for influence functions to hold
SMALLEST_SPREAD = 0.05  # sd of a regression's answers over the labels' sd below which it is called near-constant


@dataclass(frozen=True)
class Components:
    """What the variance of a difference of seed means consists of.

    Attributes:
        differences: ``(seeds,)`` difference of each seed.
        items: variance of the mean over seeds when items are drawn anew and seeds stay.
        both: variance of the interaction of seeds and items; it is part of the variance over seeds and of ``items``,
            so that their sum counts it twice.
        n_items: how many items.
        method: how it was measured.
        covariance: ``(seeds, seeds)`` of the seeds' differences when items are drawn anew; ``items`` and ``both``
            follow from it. None: equal variances and equal covariances, as ``items`` and ``both`` give them.
        constant_seeds: positions (from 0) of the seed pairs in which a run gives one answer to all items. Their scores
            are conventions, so a verdict counts only where it stays without them: see :attr:`without_constant`.
        near_constant: why the influence functions cannot be trusted here, "" where they can.
        few_groups: why items in groups decide nothing, "" where they may: there are fewer than 20 groups.
    """

    differences: Array
    items: float
    both: float
    n_items: int
    method: str
    covariance: Array | None = None
    constant_seeds: tuple[int, ...] = ()
    near_constant: str = ""
    few_groups: str = ""

    @property
    def withheld(self) -> str:
        """Why no verdict may be drawn from these runs, whatever the interval says; "" where one may."""
        if self.few_groups:
            return self.few_groups
        if self.near_constant:
            return self.near_constant
        if self.constant_seeds and not self._is_decidable_without_constant:
            return (
                f"near-constant: in {len(self.constant_seeds)} of {len(self.differences)} seed pairs a run gives one "
                "answer to all items, which leaves fewer than two pairs"
            )
        return ""

    @property
    def without_constant(self) -> Components | None:
        """The components without the seed pairs that hold a constant run; None where there are no such pairs, or fewer
        than two others."""
        if not self.constant_seeds or not self._is_decidable_without_constant:
            return None
        kept = np.setdiff1d(np.arange(len(self.differences)), self.constant_seeds)
        covariance = self._full_covariance()[np.ix_(kept, kept)]
        items, both = split(covariance)
        return replace(
            self,
            differences=self.differences[kept],
            items=float(items),
            both=float(both),
            covariance=covariance,
            constant_seeds=(),
        )

    def times(self, weight: float) -> Components:
        """The same contrast, multiplied."""
        return replace(
            self,
            differences=self.differences * weight,
            items=self.items * weight**2,
            both=self.both * weight**2,
            covariance=None if self.covariance is None else self.covariance * weight**2,
        )

    @property
    def _is_decidable_without_constant(self) -> bool:
        return len(self.differences) - len(self.constant_seeds) >= 2

    def _full_covariance(self) -> Array:
        if self.covariance is not None:
            return self.covariance
        n_seeds = len(self.differences)
        return np.full((n_seeds, n_seeds), self.items - self.both) + n_seeds * self.both * np.eye(n_seeds)


def crossed_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return the interval that decides: new seeds and new items at once.

    The two-way layout ``V = (MS_seed + MS_item - MS_residual) / (S n)`` of the item scores; for metrics that are no
    mean of items, of their influence functions. The estimate is the mean over seeds of the exact differences of scores.
    V is floored at the larger of the two one-way variances; Student's t with Satterthwaite's degrees of freedom (of V
    before it is floored, at least 0), at least S - 1. One seed: items alone, and ``method`` says so.

    Args:
        a, b: ``(seeds, items)`` item scores (``metric`` None), predictions (``metric`` and ``labels`` given), or
            ``(seeds, items, classes)`` logits for a metric that uses them.
        rng: ignored: nothing is drawn. Accepted for callers written when items were resampled.
        groups: ``(items,)`` the group of each item (a patient, an author): then groups, not items, are drawn anew.
    Raises: ValueError: shapes that differ, fewer than two items or groups, values that are not finite, an unknown
        metric.
    """
    return combine([components(a, b, metric=metric, labels=labels, rng=rng, groups=groups)], level=level)


def macro_interval(parts: Sequence[Components], *, level: float = 0.95) -> Interval:
    """Return the interval of the mean of several tasks' differences at the same seeds: it decides a claim "on average".

    Items of different tasks are independent; nothing is assumed about seeds: their variance is taken from the mean
    over tasks of each seed's difference, so whatever one seed shares between tasks is in it.
    """
    return combine(parts, level=level)


def components(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    groups: ArrayLike | None = None,
) -> Components:
    """Return the parts of the variance behind :func:`crossed_interval`; same arguments."""
    del rng
    x, y, chosen = checked_pair(a, b, metric, labels)
    if chosen is None or chosen.decomposes:
        if chosen is not None:
            x, y = (np.stack([per_item(chosen.name, labels, s) for s in side]) for side in (x, y))  # type: ignore[arg-type]
        return layout(x - y, groups)
    return of_metric([(1.0, x), (-1.0, y)], np.asarray(labels), chosen, groups)


def combine(parts: Sequence[Components], *, level: float = 0.95) -> Interval:
    """Return the interval of the mean over ``parts`` (one part: that part itself).

    A seed pair that holds a constant run in one part is left out of all parts in ``without_constant``.
    """
    whole = parts[0]
    if len(parts) > 1:
        whole = summed(parts, f"mean of {len(parts)} tasks, {parts[0].method}").times(1 / len(parts))
    item_df = whole.n_items - len(parts)
    reduced = whole.without_constant
    return replace(
        _interval(whole, item_df, level),
        withheld=whole.withheld,
        constant_seeds=whole.constant_seeds,
        without_constant=_interval(reduced, item_df, level) if reduced is not None else None,
    )


def summed(parts: Sequence[Components], method: str) -> Components:
    """Return the sum of contrasts on different items at the same seeds. Raises ValueError: numbers of seeds differ."""
    seeds = {len(part.differences) for part in parts}
    if len(seeds) != 1:
        raise ValueError(f"all tasks need the same seeds; there are {sorted(seeds)} seeds")
    return Components(
        np.sum([part.differences for part in parts], axis=0),
        sum(part.items for part in parts),
        sum(part.both for part in parts),
        sum(part.n_items for part in parts),
        method,
        np.sum([part._full_covariance() for part in parts], axis=0),
        tuple(sorted({position for part in parts for position in part.constant_seeds})),
        "; ".join(dict.fromkeys(part.near_constant for part in parts if part.near_constant)),
        "; ".join(dict.fromkeys(part.few_groups for part in parts if part.few_groups)),
    )


def layout(d: Array, groups: ArrayLike | None = None) -> Components:
    """Return the two-way layout of differences ``(S, n)`` without replication; of seeds and groups where ``groups``
    ``(n,)`` says which items belong together."""
    return _of_items(d.mean(1), d, LAYOUT, groups)


def of_metric(
    arms: Sequence[tuple[float, Array]], labels: Array, metric: Metric, groups: ArrayLike | None = None
) -> Components:
    """Return the same for a metric that is no mean of items: the exact differences of its scores, with the variance
    over items of its influence function.

    Args:
        arms: weight and ``(seeds, items)`` predictions of each arm of a linear contrast: 1 and -1 for a difference.
        groups: ``(items,)`` the group of each item, or None: every item is one.
    Raises: ValueError: a metric without an influence function.
    """
    if metric.influence is None:
        raise ValueError(f"{metric.name} has no influence function")
    ones = np.ones(len(labels))
    differences = sum(weight * np.array([metric.function(labels, x, ones) for x in runs]) for weight, runs in arms)
    influence = sum(weight * metric.influence(labels, runs) for weight, runs in arms)
    measured = _of_items(np.asarray(differences), np.asarray(influence), LINEAR, groups)
    runs = np.stack([predictions for _, predictions in arms])
    return replace(
        measured,
        constant_seeds=tuple(np.flatnonzero(is_constant(runs).any(0)).tolist()),
        near_constant=_near_constant(labels, runs, metric),
    )


def variance_and_df(
    seeds: ArrayLike, items: ArrayLike, both: ArrayLike, n_seeds: int, item_df: int
) -> tuple[Array, Array]:
    """Return the variance of a mean difference and its degrees of freedom.

    The variance is ``seeds + items - both``, floored at the larger of the first two. The degrees of freedom are
    Satterthwaite's, at least S - 1; their numerator is the sum before that floor, at least 0: a variance that only the
    floor made large is known no better for it.

    Args:
        seeds, items: one-way variances of the mean, ``both``: of the interaction, each a number or an array.
        item_df: degrees of freedom of ``items``.
    """
    seeds, items, both = (np.asarray(x, dtype=np.float64) for x in (seeds, items, both))
    total = np.maximum(seeds + items - both, 0.0)
    spread = seeds**2 / (n_seeds - 1) + items**2 / item_df + both**2 / ((n_seeds - 1) * item_df)
    df = np.divide(total**2, spread, out=np.zeros(spread.shape), where=spread > 0)
    return np.maximum(total, np.maximum(seeds, items)), np.maximum(df, n_seeds - 1.0)


def item_covariance(values: Array) -> Array:
    """Return the ``(..., S, S)`` covariance of the seeds' means when the items of ``values`` ``(..., S, n)`` are drawn
    anew."""
    n_items = values.shape[-1]
    centred = values - values.mean(-1, keepdims=True)
    return np.asarray(centred @ np.swapaxes(centred, -1, -2) / ((n_items - 1) * n_items))


def split(covariance: Array) -> tuple[Array, Array]:
    """Return the variance over items of the mean over seeds, ``MS_item / (S n)``, and that of the interaction,
    ``MS_residual / (S n)``, from the ``(..., S, S)`` covariance; the latter is 0 for one seed."""
    n_seeds = covariance.shape[-1]
    total = covariance.sum((-2, -1))
    between = np.trace(covariance, axis1=-2, axis2=-1) - total / n_seeds
    return total / n_seeds**2, np.maximum(between, 0.0) / (max(n_seeds - 1, 1) * n_seeds)


def is_constant(runs: Array) -> Array:
    """Return ``(..., seeds)``: whether a run of ``(..., seeds, items)`` gives one answer to all items."""
    return np.asarray(runs.max(-1) == runs.min(-1))


def has_few_minority_answers(answers: Array) -> Array:
    """Return ``(...)``: whether fewer than 5 of ``(..., items)`` answers differ from the most frequent one."""
    n_items = answers.shape[-1]
    if n_items <= FEWEST_MINORITY:
        return np.ones(answers.shape[:-1], dtype=bool)
    # an answer from which fewer than 5 items differ is among any 5 items
    candidates = (answers[..., item, None] for item in range(FEWEST_MINORITY))
    most = np.max([(answers == candidate).sum(-1) for candidate in candidates], axis=0)
    return np.asarray(n_items - most < FEWEST_MINORITY)


def is_near_constant(labels: Array, runs: Array, metric: Metric) -> Array:
    """Return ``(..., seeds)``: whether the influence function of a run of ``(..., seeds, items)`` cannot be trusted.

    The run gives fewer than 5 answers beside its most frequent one, or the labels ``(..., items)`` are as uniform; in a
    regression, also if the standard deviation of its answers is below 5 % of the labels'. Constant runs are not among
    them.
    """
    is_near = has_few_minority_answers(runs) | has_few_minority_answers(labels)[..., None]
    if metric.is_regression:
        is_near |= runs.std(-1) < SMALLEST_SPREAD * labels.std(-1)[..., None]
    return is_near & ~is_constant(runs)


def _near_constant(labels: Array, runs: Array, metric: Metric) -> str:
    """Return why no verdict may be drawn from ``(arms, seeds, items)`` runs, or ""."""
    if has_few_minority_answers(labels):
        return f"near-constant: fewer than {FEWEST_MINORITY} labels differ from the most frequent one"
    pairs = int(is_near_constant(labels, runs, metric).any(0).sum())
    rule = f"fewer than {FEWEST_MINORITY} answers beside its most frequent one"
    if metric.is_regression:
        rule += f", or answers with less than {100 * SMALLEST_SPREAD:g} % of the labels' standard deviation"
    return f"near-constant: in {pairs} of {runs.shape[1]} seed pairs a run has {rule}" if pairs else ""


def group_values(values: Array, groups: ArrayLike) -> Array:
    """Return ``(..., G)`` values of groups whose mean is that of the ``(..., n)`` item values, and whose variance over
    groups is that of this mean when whole groups are drawn anew (the ratio estimator's linearisation: a group counts by
    its size).

    Raises: ValueError: fewer than two groups, or not one per item.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    n_items = values.shape[-1]
    if place.shape != (n_items,) or len(names) < 2:
        raise ValueError(f"{len(names)} groups of {place.size} items for {n_items} items: at least two, one per item")
    member = np.zeros((n_items, len(names)))
    member[np.arange(n_items), place] = 1.0
    mean = values.mean(-1, keepdims=True)
    return np.asarray(mean + (values - mean) @ member * (len(names) / n_items))


def _of_items(differences: Array, values: Array, method: str, groups: ArrayLike | None) -> Components:
    few_groups = ""
    if groups is not None:
        values, method = group_values(values, groups), method.replace("seeds and items", "seeds and groups")
        if values.shape[-1] < FEWEST_GROUPS:
            few_groups = f"too few groups: {values.shape[-1]} of {FEWEST_GROUPS}"
    covariance = item_covariance(values)
    items, both = split(covariance)
    return Components(
        differences, float(items), float(both), values.shape[1], method, covariance, few_groups=few_groups
    )


def _interval(whole: Components, item_df: int, level: float) -> Interval:
    estimate, n_seeds, n_items = float(whole.differences.mean()), len(whole.differences), whole.n_items
    if n_seeds == 1:
        return t_interval(estimate, whole.items, item_df, 1, n_items, "items only (one seed)", level)
    seeds = float(whole.differences.var(ddof=1)) / n_seeds
    variance, df = variance_and_df(seeds, whole.items, whole.both, n_seeds, item_df)
    return t_interval(estimate, float(variance), float(df), n_seeds, n_items, whole.method, level)
