"""The scores of an exported run, with intervals over the seeds of its cell that the results folder has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.crossed import combine, crossed_interval, of_metric
from analysis.results import Results, Run
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
        value: of this run.
        interval: of the mean over the seeds, for new seeds and new items; for one seed of new items alone, which
            ``interval.method`` says.
        scale: what the values are multiplied by to be shown.
    """

    task: str
    split: str
    metric: str
    value: float
    interval: Interval
    scale: float


def scores(store: Store, run: Run, spec: RunSpec) -> list[Score]:
    """Every score the run stored, from its predictions at the last epoch, with an interval."""
    results = Results(store.root)
    siblings = _siblings(store, results, run, spec)
    return [
        _score(results, siblings, run.key, task, split, metric)
        for task, splits in run.result["scores"].items()
        for split, metrics in splits.items()
        for metric in metrics
    ]


def _siblings(store: Store, results: Results, run: Run, spec: RunSpec) -> list[str]:
    """This run and the finished ones that differ from it in their seed alone, on the same data and weights."""
    found = [run.key]
    for key in sorted(store.done_keys() - {run.key}):
        other = results.run(key)
        same_data = all(other.fingerprints[name] == run.fingerprints[name] for name in ("data", "weights"))
        if same_data and _without_seed(store.spec(key)) == _without_seed(spec):
            found.append(key)
    return found


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    """What two seeds of one cell have in common; parents differ in their seeds too."""
    content = {name: value for name, value in spec.canonical().items() if name not in _SEEDS}
    return {**content, "needed": [_without_seed(parent) for parent in spec.needed]}


def _score(results: Results, keys: list[str], own: str, task: str, split: str, metric: str) -> Score:
    frames = {key: results.predictions(key, task, split) for key in keys}
    mine = frames[own]
    alike = [frame for frame in frames.values() if np.array_equal(frame["id"], mine["id"])]  # a holdout is a seed's own
    labels = mine["label"].to_numpy()
    found = np.stack([frame["prediction"].to_numpy() for frame in alike])
    value = METRICS[metric].function(labels, mine["prediction"].to_numpy(), np.ones(len(labels)))
    groups = mine["group"].to_numpy() if "group" in mine else None
    return Score(task, split, metric, float(value), level(metric, labels, found, groups), METRICS[metric].scale)


def level(metric: str, labels: np.ndarray, found: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """The deciding interval of a score itself, as that of its difference from 0.

    Args:
        labels: ``(items,)``.
        found: ``(seeds, items)`` predictions.
        groups: ``(items,)`` of items that belong together, or None.
    """
    if METRICS[metric].decomposes:
        items = np.stack([per_item(metric, labels, each) for each in found])
        return crossed_interval(items, np.zeros_like(items), groups=groups)
    return combine([of_metric([(1.0, found)], labels, METRICS[metric], groups)])
