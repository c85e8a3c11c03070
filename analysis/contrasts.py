"""Linear contrasts of cells: a difference, a difference of differences, a method against the mean of its parents.

A contrast is a list of :class:`Arm`: finished runs with a weight. Arms that are scored on the same items stay paired
item by item; items of different splits are independent; seeds are shared by all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.cells import Scored, parents_of, read_cell
from analysis.crossed import Components, layout, of_metric, summed
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, per_item


@dataclass(frozen=True)
class Arm:
    """The runs of one cell with their weight in a contrast; ``column`` names the metric they are scored by."""

    weight: float
    scored: Scored
    column: Column


def difference(
    results: Results, manifest: Manifest, a: str, b: str, column: Column, epoch: int | str = "last"
) -> list[Arm]:
    """Row ``a`` minus row ``b``. Raises ResultsError naming the row that cannot be read, with the planner's reason."""
    return [
        Arm(weight, reading(results, manifest, row, column, epoch), column) for weight, row in ((1.0, a), (-1.0, b))
    ]


def against_parents(results: Results, manifest: Manifest, row: str, column: Column) -> list[Arm]:
    """A row of combined runs minus the mean of the runs each of them combines.

    Raises: ResultsError: a run that combines none, or the parents are not here.
    """
    own = reading(results, manifest, row, column)
    parents = parents_of(results, own, column)
    return [Arm(1.0, own, column), *(Arm(-1.0 / len(parents), each, column) for each in parents)]


def reading(results: Results, manifest: Manifest, row: str, column: Column, epoch: int | str = "last") -> Scored:
    """One cell. Raises ResultsError: "row on task: why it is not here"."""
    try:
        return read_cell(results, manifest, row, column, epoch)
    except ResultsError as error:
        raise ResultsError(f"{row} on {column.task}: {manifest.reason(row, column) or error}") from error


def weighted(arms: Sequence[Arm], weight: float) -> list[Arm]:
    """The same contrast, multiplied."""
    return [replace(arm, weight=weight * arm.weight) for arm in arms]


def mean_of(contrasts: Sequence[Sequence[Arm]], weight: float = 1.0) -> list[Arm]:
    """The mean of several contrasts, multiplied."""
    return [arm for arms in contrasts for arm in weighted(arms, weight / len(contrasts))]


def shared_seeds(manifest: Manifest, arms: Sequence[Arm]) -> list[int]:
    """The seeds that every arm has, in the manifest's order."""
    return [seed for seed in manifest.seeds if all(seed in arm.scored.seeds for arm in arms)]


def measure(arms: Sequence[Arm], seeds: Sequence[int], items: np.ndarray | None = None) -> Components:
    """The components of a contrast at these seeds, on the scale papers print (points, or nats).

    Args:
        items: boolean, per item: only those count (of a contrast on one split alone).
    Raises: ResultsError: arms on one split that differ in items or metric, metrics of different scales, or arms of
        different numerics.
    """
    _same_numerics(arms)
    if len({METRICS[arm.column.metric].scale for arm in arms}) > 1:
        raise ResultsError("scores in points and in nats cannot be contrasted")
    groups: dict[tuple[str, str], list[Arm]] = {}
    for arm in arms:
        groups.setdefault((arm.column.task, arm.column.split), []).append(arm)
    return joined([_on_shared_items(group, seeds, items) for group in groups.values()])


def joined(parts: Sequence[Components]) -> Components:
    """The sum of contrasts on different items at the same seeds."""
    if len(parts) == 1:
        return parts[0]
    return summed(parts, f"contrast over {len(parts)} sets of items, {parts[0].method}")


def relative_errors(pairs: Sequence[tuple[float, Sequence[Arm]]], seeds: Sequence[int]) -> Components:
    """A weighted sum of how many percent the first arm's error of each pair is below the second's.

    ``100 (1 - error_a / error_b)``, the ratio of two means, linearised around them (delta method), so that each item
    has a value of its own, and pairs on the same items are added item by item.

    Raises: ResultsError: a metric that is no error or accuracy, different items or numerics, or an arm without any
        error.
    """
    _same_numerics([arm for _, arms in pairs for arm in arms])
    places: dict[tuple[str, str], list[tuple[float, Sequence[Arm]]]] = {}
    for weight, arms in pairs:
        places.setdefault((arms[0].column.task, arms[0].column.split), []).append((weight, arms))
    parts = []
    for here in places.values():
        for _, arms in here:
            _same_items([here[0][1][0], *arms])
        values = np.sum([weight * _relative_error(arms, seeds) for weight, arms in here], axis=0)
        parts.append(layout(values, here[0][1][0].scored.groups))
    return joined(parts)


def _relative_error(arms: Sequence[Arm], seeds: Sequence[int]) -> np.ndarray:
    """``(seeds, items)`` values whose mean is the relative error of the two arms."""
    metrics = {arm.column.metric for arm in arms}
    if not metrics <= {"accuracy", "error_rate"}:
        raise ResultsError(f"a relative error needs accuracy or error rate, not {', '.join(sorted(metrics))}")
    wrong = [(_at(arm.scored, seeds) != arm.scored.labels).astype(np.float64) for arm in arms]
    ours, theirs = wrong[0].mean(), wrong[1].mean()
    if theirs == 0:
        raise ResultsError(f"{arms[1].column.task}: no error to reduce")
    return np.asarray(100 * (1 - ours / theirs - (wrong[0] - ours / theirs * wrong[1]) / theirs))


def _on_shared_items(arms: Sequence[Arm], seeds: Sequence[int], items: np.ndarray | None) -> Components:
    _same_items(arms)
    metric, labels = METRICS[arms[0].column.metric], arms[0].scored.labels
    keep = slice(None) if items is None else items
    groups = None if arms[0].scored.groups is None else arms[0].scored.groups[keep]
    outputs = [(arm.weight, _at(arm.scored, seeds)[:, keep]) for arm in arms]
    labels = labels[keep]
    if metric.decomposes:
        d = sum(weight * np.stack([per_item(metric.name, labels, run) for run in runs]) for weight, runs in outputs)
        return layout(np.asarray(d), groups).times(metric.scale)
    return of_metric(outputs, labels, metric, groups).times(metric.scale)


def _same_numerics(arms: Sequence[Arm]) -> None:
    found = sorted({arm.scored.numerics for arm in arms})
    if len(found) > 1:
        raise ResultsError(
            f"runs with numerics {' and '.join(map(str, found))} are not compared or pooled: run the older again"
        )


def _same_items(arms: Sequence[Arm]) -> None:
    first = arms[0]
    for arm in arms[1:]:
        if not (
            np.array_equal(arm.scored.ids, first.scored.ids) and np.array_equal(arm.scored.labels, first.scored.labels)
        ):
            raise ResultsError(f"{arm.column.task}: the two methods were scored on different items")
        if arm.column.metric != first.column.metric:
            raise ResultsError(f"{arm.column.task}: two metrics of the same items cannot be contrasted")


def _at(scored: Scored, seeds: Sequence[int]) -> np.ndarray:
    return scored.outputs[[scored.seeds.index(seed) for seed in seeds]]
