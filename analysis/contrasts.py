"""Linear contrasts of cells: a difference, a difference of differences, a method against the mean of its parents.

A contrast is a list of :class:`Arm`: finished runs with a weight. Arms that are scored on the same items are paired
item by item; items of different splits are independent; all arms share their seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.cells import Scored, parents_of, read_cell
from analysis.crossed import (
    Components,
    Sample,
    is_constant,
    is_near_constant,
    layout,
    of_metric,
    summed,
    unpaired_interval,
)
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, Metric, per_item

SAME_NUMBER = 1e-3  # of the labels' standard deviation: answers of a regression this near to each other are identical


@dataclass(frozen=True)
class Arm:
    """Runs of one cell with their weight in a contrast; ``column`` names the metric that scores them."""

    weight: float
    scored: Scored
    column: Column


def difference(
    results: Results, manifest: Manifest, a: str, b: str, column: Column, epoch: int | str = "last"
) -> list[Arm]:
    """Return the contrast of row ``a`` minus row ``b``.

    Raises:
        ResultsError: a row cannot be read; the message gives the planner's reason.
    """
    return [
        Arm(weight, read_row(results, manifest, row, column, epoch), column) for weight, row in ((1.0, a), (-1.0, b))
    ]


def against_parents(results: Results, manifest: Manifest, row: str, column: Column) -> list[Arm]:
    """Return the contrast of a row of combined runs minus the mean of the runs that each of them combines.

    Raises:
        ResultsError: a run combines no others, or its parents are missing from the results.
    """
    combined = read_row(results, manifest, row, column)
    parents = parents_of(results, combined, column)
    return [Arm(1.0, combined, column), *(Arm(-1.0 / len(parents), parent, column) for parent in parents)]


def read_row(results: Results, manifest: Manifest, row: str, column: Column, epoch: int | str = "last") -> Scored:
    """Read the runs of one cell.

    Raises:
        ResultsError: the cell cannot be read: "row on task: reason".
    """
    try:
        return read_cell(results, manifest, row, column, epoch)
    except ResultsError as error:
        raise ResultsError(f"{row} on {column.task}: {manifest.reason(row, column) or error}") from error


def weighted(arms: Sequence[Arm], weight: float) -> list[Arm]:
    """Return the contrast multiplied by ``weight``."""
    return [replace(arm, weight=weight * arm.weight) for arm in arms]


def mean_of(contrasts: Sequence[Sequence[Arm]], weight: float = 1.0) -> list[Arm]:
    """Return the mean of several contrasts, multiplied by ``weight``."""
    return [arm for arms in contrasts for arm in weighted(arms, weight / len(contrasts))]


def shared_seeds(manifest: Manifest, arms: Sequence[Arm]) -> list[int]:
    """Return the seeds that every arm has, in the manifest's order."""
    return [seed for seed in manifest.seeds if all(seed in arm.scored.seeds for arm in arms)]


def measure(arms: Sequence[Arm], seeds: Sequence[int], items: np.ndarray | None = None) -> Components:
    """Return the variance components of a contrast at these seeds, on the scale papers print (points, or nats).

    Args:
        arms: runs with their weights.
        seeds: seeds that every arm has.
        items: ``(items,)`` boolean mask of the items that count (for a contrast on a single split).

    Raises:
        ResultsError: arms on one split differ in items or metric, metrics differ in scale, or arms differ in numerics.
    """
    _same_numerics(arms)
    if len({METRICS[arm.column.metric].scale for arm in arms}) > 1:
        raise ResultsError("scores in points and in nats cannot be contrasted")
    groups: dict[tuple[str, str], list[Arm]] = {}
    for arm in arms:
        groups.setdefault((arm.column.task, arm.column.split), []).append(arm)
    return joined([_on_shared_items(group, seeds, items) for group in groups.values()])


def joined(parts: Sequence[Components]) -> Components:
    """Return the sum of contrasts on different items at the same seeds."""
    if len(parts) == 1:
        return parts[0]
    return summed(parts, f"contrast over {len(parts)} sets of items, {parts[0].method}")


def relative_errors(pairs: Sequence[tuple[float, Sequence[Arm]]], seeds: Sequence[int]) -> Components:
    """Return a weighted sum of relative error reductions, in percent: one for each pair of arms.

    The reduction is ``100 (1 - error_a / error_b)``. This ratio of two means is linearised around them (delta method),
    which gives each item a value; pairs on the same items are added item by item.

    Raises:
        ResultsError: the metric is neither error rate nor accuracy, items or numerics differ, or an arm has no errors.
    """
    _same_numerics([arm for _, arms in pairs for arm in arms])
    pairs_by_split: dict[tuple[str, str], list[tuple[float, Sequence[Arm]]]] = {}
    for weight, arms in pairs:
        pairs_by_split.setdefault((arms[0].column.task, arms[0].column.split), []).append((weight, arms))
    parts = []
    for group in pairs_by_split.values():
        for _, arms in group:
            _same_items([group[0][1][0], *arms])
        values = np.sum([weight * _relative_error(arms, seeds) for weight, arms in group], axis=0)
        parts.append(layout(values, group[0][1][0].scored.groups))
    return joined(parts)


def _relative_error(arms: Sequence[Arm], seeds: Sequence[int]) -> np.ndarray:
    """Return ``(seeds, items)`` values whose mean is the relative error reduction of the two arms."""
    metrics = {arm.column.metric for arm in arms}
    if not metrics <= {"accuracy", "error_rate"}:
        raise ResultsError(f"a relative error needs accuracy or error rate, not {', '.join(sorted(metrics))}")
    mistakes = [(_at(arm.scored, seeds) != arm.scored.labels).astype(np.float64) for arm in arms]
    error_a, error_b = mistakes[0].mean(), mistakes[1].mean()
    if error_b == 0:
        raise ResultsError(f"{arms[1].column.task}: no error to reduce")
    return np.asarray(100 * (1 - error_a / error_b - (mistakes[0] - error_a / error_b * mistakes[1]) / error_b))


def _on_shared_items(arms: Sequence[Arm], seeds: Sequence[int], items: np.ndarray | None) -> Components:
    _same_items(arms)
    first = arms[0].scored
    metric = METRICS[arms[0].column.metric]
    keep = slice(None) if items is None else items
    outputs = [(arm.weight, _at(arm.scored, seeds)[:, keep]) for arm in arms]
    labels = first.labels[keep]
    groups = None if first.groups is None else first.groups[keep]
    if metric.decomposes:
        d = sum(weight * _item_scores(metric, labels, runs) for weight, runs in outputs)
        return layout(np.asarray(d), groups).times(metric.scale)
    return of_metric(outputs, labels, metric, groups).times(metric.scale)


def unpaired(a: Arm, b: Arm, level: float = 0.95) -> Interval:
    """Return the interval of ``a - b`` over all runs of two arms that have other seeds, on the scale papers print.

    There is no verdict where a run's answers are constant or nearly so and the metric is no mean over items.

    Raises: ResultsError: different items or numerics.
    """
    _same_numerics([a, b])
    _same_items([a, b])
    metric = METRICS[a.column.metric]
    interval = unpaired_interval(*(_sample(arm.scored, metric) for arm in (a, b)), groups=a.scored.groups, level=level)
    if metric.decomposes:
        return interval
    flags = [
        is_constant(arm.scored.outputs) | is_near_constant(arm.scored.labels, arm.scored.outputs, metric)
        for arm in (a, b)
    ]
    count, total = int(sum(flag.sum() for flag in flags)), sum(map(len, flags))
    remark = f"near-constant: {count} of {total} runs give (almost) one answer to all items"
    return replace(interval, withheld=remark if count else "")


def _sample(scored: Scored, metric: Metric) -> Sample:
    if metric.decomposes:
        values = _item_scores(metric, scored.labels, scored.outputs)
    else:
        assert metric.influence is not None
        values = metric.influence(scored.labels, scored.outputs)
    return Sample(metric.scale * scored.scores, metric.scale * values)


def _item_scores(metric: Metric, labels: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """``(seeds, items)`` scores whose means over items are the runs' scores."""
    return np.stack([per_item(metric.name, labels, run) for run in runs])


def _same_numerics(arms: Sequence[Arm]) -> None:
    versions = sorted({arm.scored.numerics for arm in arms})
    if len(versions) > 1:
        raise ResultsError(
            f"runs with numerics {' and '.join(map(str, versions))} are not compared or pooled: run the older again"
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


def identical_share(a: Scored, b: Scored, metric: str) -> float:
    """Return the share of answers that two arms have in common, over the items of the seeds that both have.

    Raises: ValueError: no common seed.
    """
    return float(identical_shares(a, b, metric).mean())


def identical_shares(a: Scored, b: Scored, metric: str) -> np.ndarray:
    """Return ``(seeds,)``: the share of answers that two arms have in common at each seed that both have.

    Raises: ValueError: no common seed.
    """
    _, differs = _differing(a, b, metric)
    return np.asarray((~differs).mean(-1))


def changed_answers(cell: Scored, baseline: Scored, metric: str) -> Scored:
    """Return which answers differ from the baseline's at the same seed, as a cell whose accuracy is their share.

    Two such cells make a contrast of shares: does one arm change more of the baseline's answers than another?

    Raises: ValueError: no common seed.
    """
    common, differs = _differing(cell, baseline, metric)
    return replace(
        cell,
        keys=tuple(cell.keys[cell.seeds.index(seed)] for seed in common),
        seeds=tuple(common),
        labels=np.ones(len(cell.labels), dtype=np.int64),
        outputs=differs.astype(np.int64),
        scores=differs.mean(-1),
        collapsed=np.zeros(len(common), dtype=bool),
    )


def _differing(a: Scored, b: Scored, metric: str) -> tuple[list[int], np.ndarray]:
    """Return the seeds that both arms have, and ``(seeds, items)``: True where their answers differ."""
    common = [seed for seed in a.seeds if seed in b.seeds]
    if not common:
        raise ValueError("no seed was run by both arms")
    x, y = (_answers(side, common, metric) for side in (a, b))
    if METRICS[metric].is_regression:
        return common, ~np.asarray(np.abs(x - y) <= SAME_NUMBER * a.labels.std())
    return common, np.asarray(x != y)


def _answers(scored: Scored, seeds: Sequence[int], metric: str) -> np.ndarray:
    outputs = scored.outputs[[scored.seeds.index(seed) for seed in seeds]]
    return np.asarray(outputs.argmax(-1) if METRICS[metric].uses == "logits" else outputs)
