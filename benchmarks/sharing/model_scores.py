"""The scores of an exported run, with intervals over the seeds of its cell that the results folder has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.crossed import combine, crossed_interval, of_metric
from analysis.results import Results, Run, warn_of_damage
from analysis.scores import METRICS, per_item
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store

if TYPE_CHECKING:
    from analysis.interval import Interval

_SEEDS = ("seed", "seed_init", "seed_order", "seed_dropout", "seed_noise", "seed_subsample")


@dataclass(frozen=True)
class Score:
    """One metric of the exported run, with the seeds of its cell that the results folder has.

    Attributes:
        value: score of this run.
        interval: interval of the mean over the seeds, for new seeds and new items; for one seed of new items alone, as
            ``interval.method`` states.
        scale: factor of the displayed values.
    """

    task: str
    split: str
    metric: str
    value: float
    interval: Interval
    scale: float


def scores(store: Store, run: Run, spec: RunSpec) -> list[Score]:
    """Return every score that the run stored, from its predictions at the last epoch, with an interval."""
    results = Results(store.root)
    siblings = _siblings(store, results, run, spec)
    return [
        _score(results, siblings, run.key, task, split, metric)
        for task, splits in run.result["scores"].items()
        for split, metrics in splits.items()
        for metric in metrics
    ]


def _siblings(store: Store, results: Results, run: Run, spec: RunSpec) -> list[str]:
    """Return this run and the finished ones that differ from it in the seed alone, on the same data and weights.

    Damaged runs are left out, with a warning, since each may be of this cell.
    """
    keys, candidates = [run.key], sorted(store.done_keys() - {run.key})
    warn_of_damage(results.leave_out_damaged(candidates))
    for key in filter(results.is_done, candidates):
        candidate = results.run(key)
        same_data = all(candidate.fingerprints[name] == run.fingerprints[name] for name in ("data", "weights"))
        if same_data and _without_seed(store.spec(key)) == _without_seed(spec):
            keys.append(key)
    return keys


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    """Return the settings that all seeds of a cell share; parents differ in their seeds too."""
    content = {name: value for name, value in spec.canonical().items() if name not in _SEEDS}
    return {**content, "needed": [_without_seed(parent) for parent in spec.needed]}


def _score(results: Results, keys: list[str], key: str, task: str, split: str, metric: str) -> Score:
    frames = [results.predictions(sibling, task, split) for sibling in keys]
    own_frame = frames[keys.index(key)]
    same_rows = [frame for frame in frames if np.array_equal(frame["id"], own_frame["id"])]  # a holdout is one seed's
    labels = own_frame["label"].to_numpy()
    predictions = np.stack([frame["prediction"].to_numpy() for frame in same_rows])
    value = METRICS[metric].function(labels, own_frame["prediction"].to_numpy(), np.ones(len(labels)))
    groups = own_frame["group"].to_numpy() if "group" in own_frame else None
    return Score(task, split, metric, float(value), level(metric, labels, predictions, groups), METRICS[metric].scale)


def level(metric: str, labels: np.ndarray, predictions: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the deciding interval of a score, computed as that of its difference from 0.

    Args:
        metric: name of the metric.
        labels: ``(items,)``.
        predictions: ``(seeds, items)``.
        groups: ``(items,)`` names of groups of dependent items, or None.
    """
    if METRICS[metric].decomposes:
        items = np.stack([per_item(metric, labels, row) for row in predictions])
        return crossed_interval(items, np.zeros_like(items), groups=groups)
    return combine([of_metric([(1.0, predictions)], labels, METRICS[metric], groups)])
