"""The deciding interval: seeds and items are crossed random factors.

Every seed of both arms is scored on the same items. Nothing is drawn at random: the same predictions give the same
interval, for any order of the items.
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
UNPAIRED = "two samples of seeds on the same items"
ITEMS_ONLY = "items only (one seed)"
FEWEST_GROUPS = 20  # groups of items that an interval needs (docs/statistics.md)
# An influence function is trusted only if this many answers, and this many labels, differ from the most frequent one.
FEWEST_MINORITY = 5
OVER_CLASSES = ("macro_f1", "balanced_accuracy")  # metrics that are a mean over classes, however rare each of them is
RARE_CLASS = "too few labels of a class"
SMALLEST_SPREAD = 0.05  # sd of a regression's answers over the labels' sd below which it is called near-constant


@dataclass(frozen=True)
class Components:
    """Variance components of a difference of seed means.

    Attributes:
        differences: ``(seeds,)`` difference of each seed.
        items: variance of the mean over seeds under resampling of items, with seeds fixed.
        interaction: variance of the seed x item interaction. The variance over seeds and ``items`` both include it, so
            it is subtracted once from their sum.
        n_items: number of items; of items in groups, the effective number of groups (:func:`effective_groups`).
        method: how the components were computed, in words.
        covariance: ``(seeds, seeds)`` covariance of the seeds' differences under resampling of items; ``items`` and
            ``interaction`` follow from it. None: equal variances and equal covariances, derived from ``items`` and
            ``interaction``.
        constant_seeds: positions (from 0) of the seed pairs in which a run gives the same answer to all items. The
            scores of such runs are conventions, so a verdict counts only if it is the same without them (see
            :attr:`without_constant`).
        near_constant: reason why the influence functions cannot be trusted; "" where they can.
        few_groups: reason why items in groups decide nothing (fewer than 20 groups); "" where they may.
    """

    differences: Array
    items: float
    interaction: float
    n_items: int
    method: str
    covariance: Array | None = None
    constant_seeds: tuple[int, ...] = ()
    near_constant: str = ""
    few_groups: str = ""

    @property
    def withheld(self) -> str:
        """Reason why these runs allow no verdict, whatever the interval; "" where one is allowed."""
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
        """The components without the seed pairs that hold a constant run.

        None where there are no such pairs, or where fewer than two pairs remain.
        """
        if not self.constant_seeds or not self._is_decidable_without_constant:
            return None
        varying_seeds = np.setdiff1d(np.arange(len(self.differences)), self.constant_seeds)
        covariance = self._full_covariance()[np.ix_(varying_seeds, varying_seeds)]
        items, interaction = split(covariance)
        return replace(
            self,
            differences=self.differences[varying_seeds],
            items=float(items),
            interaction=float(interaction),
            covariance=covariance,
            constant_seeds=(),
        )

    def times(self, weight: float) -> Components:
        """Return the components of the same contrast multiplied by ``weight``."""
        return replace(
            self,
            differences=self.differences * weight,
            items=self.items * weight**2,
            interaction=self.interaction * weight**2,
            covariance=None if self.covariance is None else self.covariance * weight**2,
        )

    @property
    def _is_decidable_without_constant(self) -> bool:
        return len(self.differences) - len(self.constant_seeds) >= 2

    def _full_covariance(self) -> Array:
        if self.covariance is not None:
            return self.covariance
        n_seeds = len(self.differences)
        return np.full((n_seeds, n_seeds), self.items - self.interaction) + n_seeds * self.interaction * np.eye(n_seeds)


def crossed_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    groups: Array | None = None,
) -> Interval:
    """Return the deciding interval, for new seeds and new items at once.

    The variance is the two-way layout ``V = (MS_seed + MS_item - MS_residual) / (S n)`` of the item scores; for metrics
    that are not means over items, of their influence functions. The estimate is the mean over seeds of the exact
    differences of scores. V is floored at the larger of the two one-way variances. The interval is Student's t with
    Satterthwaite's degrees of freedom (of V before the floor, at least 0), at least S - 1. With one seed it covers
    items only, and ``method`` says so.

    Args:
        a: ``(seeds, items)`` item scores (``metric`` None) or predictions (``metric`` and ``labels`` given), or
            ``(seeds, items, classes)`` logits for a metric that uses them.
        b: the same for the other arm.
        metric: name of the metric, or None for item scores.
        labels: ``(items,)`` labels, with ``metric``.
        rng: ignored, because nothing is drawn. Accepted for callers written when items were resampled.
        level: level of the two-sided interval.
        groups: ``(items,)`` group of each item (a patient, an author): then groups, not items, are drawn anew.

    Raises:
        ValueError: shapes differ, there are fewer than two items or groups, values are not finite, or the metric is
            unknown.
    """
    return combine([components(a, b, metric=metric, labels=labels, rng=rng, groups=groups)], level=level)


def macro_interval(parts: Sequence[Components], *, level: float = 0.95) -> Interval:
    """Return the interval of the mean difference over several tasks at the same seeds; it decides a claim "on average".

    Items of different tasks are independent. Nothing is assumed about seeds: their variance is that of each seed's mean
    over tasks, which includes whatever a seed shares between tasks.
    """
    return combine(parts, level=level)


def components(
    a: ArrayLike,
    b: ArrayLike,
    *,
    metric: str | None = None,
    labels: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    groups: Array | None = None,
) -> Components:
    """Return the variance components behind :func:`crossed_interval`, for the same arguments."""
    del rng
    x, y, scoring = checked_pair(a, b, metric, labels)
    if scoring is None or scoring.decomposes:
        if scoring is not None:
            x, y = (np.stack([per_item(scoring.name, labels, s) for s in side]) for side in (x, y))  # type: ignore[arg-type]
        return layout(x - y, groups)
    return of_metric([(1.0, x), (-1.0, y)], np.asarray(labels), scoring, groups)


def combine(parts: Sequence[Components], *, level: float = 0.95) -> Interval:
    """Return the interval of the mean over ``parts``; of the part itself if there is only one.

    ``without_constant`` leaves out of all parts each seed pair that holds a constant run in any part.
    """
    total = parts[0]
    if len(parts) > 1:
        total = summed(parts, f"mean of {len(parts)} tasks, {parts[0].method}").times(1 / len(parts))
    item_df = total.n_items - len(parts)
    reduced = total.without_constant
    return replace(
        _interval(total, item_df, level),
        withheld=total.withheld,
        constant_seeds=total.constant_seeds,
        without_constant=_interval(reduced, item_df, level) if reduced is not None else None,
    )


def summed(parts: Sequence[Components], method: str) -> Components:
    """Return the sum of contrasts on different items at the same seeds.

    Raises:
        ValueError: the numbers of seeds differ.
    """
    seeds = {len(part.differences) for part in parts}
    if len(seeds) != 1:
        raise ValueError(f"all tasks need the same seeds; there are {sorted(seeds)} seeds")
    return Components(
        np.sum([part.differences for part in parts], axis=0),
        sum(part.items for part in parts),
        sum(part.interaction for part in parts),
        sum(part.n_items for part in parts),
        method,
        np.sum([part._full_covariance() for part in parts], axis=0),
        tuple(sorted({position for part in parts for position in part.constant_seeds})),
        "; ".join(dict.fromkeys(part.near_constant for part in parts if part.near_constant)),
        "; ".join(dict.fromkeys(part.few_groups for part in parts if part.few_groups)),
    )


def layout(d: Array, groups: Array | None = None) -> Components:
    """Return the two-way layout, without replication, of differences ``(seeds, items)``.

    Args:
        d: the differences.
        groups: ``(items,)`` group of each item, of items that were drawn together; see :func:`group_values`.
    """
    return _of_items(d.mean(1), d, LAYOUT, groups)


def of_metric(
    arms: Sequence[tuple[float, Array]], labels: Array, metric: Metric, groups: Array | None = None
) -> Components:
    """Return the variance components of a contrast in a metric that is not a mean over items.

    The differences are exact differences of scores; their variance over items comes from the metric's influence
    function.

    Args:
        arms: weight and ``(seeds, items)`` predictions of each arm of a linear contrast: 1 and -1 for a difference.
        labels: ``(items,)``.
        metric: the metric.
        groups: ``(items,)`` group of each item, of items that were drawn together; see :func:`group_values`.

    Raises:
        ValueError: the metric has no influence function.
    """
    if metric.influence is None:
        raise ValueError(f"{metric.name} has no influence function")
    ones = np.ones(len(labels))
    differences = sum(weight * np.array([metric.function(labels, x, ones) for x in runs]) for weight, runs in arms)
    influence = sum(weight * metric.influence(labels, runs) for weight, runs in arms)
    parts = _of_items(np.asarray(differences), np.asarray(influence), LINEAR, groups)
    runs = np.stack([predictions for _, predictions in arms])
    return replace(
        parts,
        constant_seeds=tuple(np.flatnonzero(is_constant(runs).any(0)).tolist()),
        near_constant=_near_constant(labels, runs, metric),
    )


def group_values(values: Array, groups: Array) -> Array:
    """Return ``(S, groups)`` values that take the place of items where items of a group were drawn together.

    Of ``values`` ``(S, n)`` they are the jackknife's pseudo-values (Tukey, 1958) of the mean over items: the mean, plus
    G - 1 times what it changes when the group is left out, so that large groups count as what they are. The covariance
    of the seeds' means is then the delete-one-group jackknife's; for groups of equal size it is the cluster-robust one.
    Groups of one item each give the values themselves.

    Raises: ValueError: there are fewer than two groups, or not one per item.
    """
    if np.shape(groups) != values.shape[-1:] or len(np.unique(groups)) < 2:
        raise ValueError(
            f"{len(np.unique(groups))} groups of {np.size(groups)} items for {values.shape[-1]} items: at least two "
            "groups are needed, and one per item"
        )
    sizes, sums = _by_group(values - values.mean(-1, keepdims=True), groups)
    shares = sizes / values.shape[-1]
    return np.asarray(values.mean(-1, keepdims=True) + sums / values.shape[-1] * ((len(sizes) - 1) / (1 - shares)))


def effective_groups(groups: Array) -> int:
    """Return the number of equal groups that vary as much as these (Kish).

    This is ``n^2 / sum n_j^2``, rounded down, at least 2.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return max(int(sizes.sum() ** 2 / (sizes**2).sum() + 1e-9), 2)


def few_groups(groups: Array) -> str:
    """Return the reason why these groups are too few for a verdict; "" where they are enough."""
    count = len(np.unique(groups))
    return f"too few groups: {count} of {FEWEST_GROUPS}" if count < FEWEST_GROUPS else ""


def _by_group(values: Array, groups: Array) -> tuple[Array, Array]:
    """Return ``(groups,)`` numbers of items and ``(S, groups)`` sums of ``values`` ``(S, n)``."""
    names, of_item, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return sizes, np.stack([np.bincount(of_item, weights=row, minlength=len(names)) for row in values])


@dataclass(frozen=True)
class Sample:
    """The runs of one arm, for a comparison with runs of other seeds.

    Attributes:
        scores: ``(seeds,)``.
        values: ``(seeds, items)``: item scores, or the metric's influence values.
    """

    scores: Array
    values: Array


def unpaired_interval(a: Sample, b: Sample, *, groups: Array | None = None, level: float = 0.95) -> Interval:
    """Return the interval of ``a - b`` where the arms have other seeds but the same items.

    As :func:`crossed_interval`, with the variance over seeds and the interaction of each arm by itself, added up; the
    degrees of freedom of such a sum are Welch's. An arm with one seed leaves the items alone, and ``method`` says so.
    """
    estimate = float(a.scores.mean() - b.scores.mean())
    x, y = (arm.values if groups is None else group_values(arm.values, groups) for arm in (a, b))
    n_items = x.shape[-1] if groups is None else effective_groups(groups)
    items = float(item_covariance((x.mean(0) - y.mean(0))[None])[0, 0])
    fewest = min(len(x), len(y))
    if fewest == 1:
        return t_interval(estimate, items, n_items - 1, 1, n_items, ITEMS_ONLY, level)
    seeds = [float(arm.scores.var(ddof=1)) / len(arm.scores) for arm in (a, b)]
    interactions = [float(split(item_covariance(values))[1]) for values in (x, y)]
    dfs = [len(x) - 1, len(y) - 1]
    seed_df = _welch(seeds, dfs)
    interaction_df = _welch(interactions, [df * (n_items - 1) for df in dfs])
    variance, df = _satterthwaite(sum(seeds), items, sum(interactions), seed_df, n_items - 1, interaction_df)
    return t_interval(estimate, float(variance), float(df), fewest, n_items, UNPAIRED, level)


def _welch(variances: Sequence[float], dfs: Sequence[int]) -> float:
    """Return the degrees of freedom of a sum of independent variances; the smallest where all are 0."""
    spread = sum(variance**2 / df for variance, df in zip(variances, dfs, strict=True))
    return sum(variances) ** 2 / spread if spread > 0 else float(min(dfs))


def variance_and_df(
    seeds: ArrayLike, items: ArrayLike, interaction: ArrayLike, n_seeds: int, item_df: int
) -> tuple[Array, Array]:
    """Return the variance of a mean difference and its degrees of freedom.

    The variance is ``seeds + items - interaction``, floored at the larger of the first two. The degrees of freedom are
    Satterthwaite's, at least S - 1. Their numerator is the sum before the floor, at least 0: a variance that is large
    only because of the floor is not known more precisely.

    Args:
        seeds: one-way variance of the mean over seeds, a number or an array (as the next two).
        items: one-way variance of the mean over items.
        interaction: variance of the seed x item interaction.
        n_seeds: number of seeds S.
        item_df: degrees of freedom of ``items``.
    """
    return _satterthwaite(seeds, items, interaction, n_seeds - 1, item_df, (n_seeds - 1) * item_df)


def _satterthwaite(
    seeds: ArrayLike, items: ArrayLike, interaction: ArrayLike, seed_df: float, item_df: float, interaction_df: float
) -> tuple[Array, Array]:
    seeds, items, interaction = (np.asarray(x, dtype=np.float64) for x in (seeds, items, interaction))
    total = np.maximum(seeds + items - interaction, 0.0)
    spread = seeds**2 / seed_df + items**2 / item_df + interaction**2 / interaction_df
    df = np.divide(total**2, spread, out=np.zeros(spread.shape), where=spread > 0)
    return np.maximum(total, np.maximum(seeds, items)), np.maximum(df, float(seed_df))


def item_covariance(values: Array) -> Array:
    """Return the ``(..., S, S)`` covariance of the seeds' means under resampling of items.

    ``values`` is ``(..., S, items)``.
    """
    n_items = values.shape[-1]
    centred = values - values.mean(-1, keepdims=True)
    return np.asarray(centred @ np.swapaxes(centred, -1, -2) / ((n_items - 1) * n_items))


def split(covariance: Array) -> tuple[Array, Array]:
    """Split a ``(..., S, S)`` covariance into the variance over items and that of the interaction.

    The first is the variance over items of the mean over seeds, ``MS_item / (S n)``; the second is ``MS_residual / (S
    n)``, which is 0 for one seed.
    """
    n_seeds = covariance.shape[-1]
    total = covariance.sum((-2, -1))
    within_items = np.trace(covariance, axis1=-2, axis2=-1) - total / n_seeds
    return total / n_seeds**2, np.maximum(within_items, 0.0) / (max(n_seeds - 1, 1) * n_seeds)


def is_constant(runs: Array) -> Array:
    """Return ``(..., seeds)`` booleans: True where a run of ``(..., seeds, items)`` gives one answer to all items."""
    return np.asarray(runs.max(-1) == runs.min(-1))


def has_few_minority_answers(answers: Array) -> Array:
    """Return ``(...)``: True where fewer than 5 of ``(..., items)`` answers differ from the most frequent one."""
    n_items = answers.shape[-1]
    if n_items <= FEWEST_MINORITY:
        return np.ones(answers.shape[:-1], dtype=bool)
    # If fewer than 5 items differ from an answer, one of the first 5 items has that answer.
    candidates = (answers[..., item, None] for item in range(FEWEST_MINORITY))
    highest_count = np.max([(answers == candidate).sum(-1) for candidate in candidates], axis=0)
    return np.asarray(n_items - highest_count < FEWEST_MINORITY)


def is_near_constant(labels: Array, runs: Array, metric: Metric) -> Array:
    """Return ``(..., seeds)``: True where the influence function of a run of ``(..., seeds, items)`` cannot be trusted.

    This is so if fewer than 5 answers of the run, or fewer than 5 of the labels ``(..., items)``, differ from the most
    frequent one; in a regression, also if the standard deviation of its answers is below 5 % of the labels'. Constant
    runs are excluded.
    """
    is_near = has_few_minority_answers(runs) | has_few_minority_answers(labels)[..., None]
    if metric.is_regression:
        is_near |= runs.std(-1) < SMALLEST_SPREAD * labels.std(-1)[..., None]
    is_kept: np.ndarray = is_near & ~is_constant(runs)
    return is_kept


def is_collapsed(labels: Array, runs: Array, metric: Metric) -> Array:
    """Return ``(..., seeds)`` booleans: True where a run of ``(..., seeds, items)`` gives (almost) one answer.

    The answers are constant or near-constant (:func:`is_constant`, :func:`is_near_constant`).
    """
    return np.asarray(is_constant(runs) | is_near_constant(labels, runs, metric))


def rare_class(labels: Array, metric: Metric, n_classes: int = 0) -> str:
    """Return the reason why a mean over classes allows no verdict: a class with fewer than 5 labels; "" where it does.

    Args:
        labels: ``(items,)`` class numbers.
        metric: the metric.
        n_classes: number of classes, where some may have no label; 0: those that the labels have.
    """
    if metric.name not in OVER_CLASSES:
        return ""
    counts = np.bincount(labels, minlength=n_classes) if n_classes else np.unique(labels, return_counts=True)[1]
    return f"{RARE_CLASS}: {counts.min()} of {FEWEST_MINORITY}" if counts.min() < FEWEST_MINORITY else ""


def _near_constant(labels: Array, runs: Array, metric: Metric) -> str:
    """Return the reason why ``(arms, seeds, items)`` runs allow no verdict, or ""."""
    if has_few_minority_answers(labels):
        return f"near-constant: fewer than {FEWEST_MINORITY} labels differ from the most frequent one"
    if rare := rare_class(labels, metric):
        return rare
    pairs = int(is_near_constant(labels, runs, metric).any(0).sum())
    rule = f"fewer than {FEWEST_MINORITY} answers beside its most frequent one"
    if metric.is_regression:
        rule += f", or answers with less than {100 * SMALLEST_SPREAD:g} % of the labels' standard deviation"
    return f"near-constant: in {pairs} of {runs.shape[1]} seed pairs a run has {rule}" if pairs else ""


def _of_items(differences: Array, values: Array, method: str, groups: Array | None) -> Components:
    n_items = values.shape[1]
    reason = ""
    if groups is not None:
        values, n_items, reason = group_values(values, groups), effective_groups(groups), few_groups(groups)
        method = method.replace("items", "groups of items", 1)
    covariance = item_covariance(values)
    items, interaction = split(covariance)
    return Components(differences, float(items), float(interaction), n_items, method, covariance, few_groups=reason)


def _interval(parts: Components, item_df: int, level: float) -> Interval:
    estimate, n_seeds, n_items = float(parts.differences.mean()), len(parts.differences), parts.n_items
    if n_seeds == 1:
        return t_interval(estimate, parts.items, item_df, 1, n_items, ITEMS_ONLY, level)
    seeds = float(parts.differences.var(ddof=1)) / n_seeds
    variance, df = variance_and_df(seeds, parts.items, parts.interaction, n_seeds, item_df)
    return t_interval(estimate, float(variance), float(df), n_seeds, n_items, parts.method, level)
