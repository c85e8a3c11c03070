"""Runs of one cell of an experiment's table, aligned item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.crossed import is_collapsed
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, Metric

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "not run"


@dataclass(frozen=True)
class Scored:
    """Runs of one cell, aligned: the same items in the same order for every seed.

    Attributes:
        keys: run keys of the finished runs, in seed order.
        seeds: their seeds.
        ids: ``(items,)`` identifiers of the items.
        labels: ``(items,)``.
        outputs: ``(seeds, items)`` predictions, or ``(seeds, items, classes)`` logits where the metric uses them.
        scores: ``(seeds,)``.
        collapsed: ``(seeds,)`` True where a run gives (almost) one answer to all items.
        numerics: version of the arithmetic that all runs were made with.
        groups: ``(items,)`` group of each item, of items that were drawn together (of one document, of one user); None:
            each item was drawn by itself. With groups, intervals are for new groups.
        is_own: True if the task is on a user's own data, for which no paper has a score of the baseline.
    """

    keys: tuple[str, ...]
    seeds: tuple[int, ...]
    ids: np.ndarray
    labels: np.ndarray
    outputs: np.ndarray
    scores: np.ndarray
    collapsed: np.ndarray
    numerics: int = 1
    groups: np.ndarray | None = None
    is_own: bool = False


def read_cell(results: Results, manifest: Manifest, row: str, column: Column, epoch: int | str = "last") -> Scored:
    """Read the finished runs of one cell, aligned item by item.

    Raises:
        ResultsError: no run is finished, runs disagree on items or labels, or labels are hidden.
    """
    done = [(seed, key) for seed, key in seeded(results, manifest, row, column) if results.is_done(key)]
    if not done:
        raise ResultsError(NOT_RUN)
    return read_runs(results, done, column, epoch)


def parents_of(results: Results, scored: Scored, column: Column) -> list[Scored]:
    """Read the runs that each combined run is made of: the first parents of all seeds, then their second parents...

    Raises:
        ResultsError: the runs name no parents, or the run folder of a parent is missing.
    """
    parents_by_seed = {
        seed: results.run(key).fingerprints.get("parents") or []
        for seed, key in zip(scored.seeds, scored.keys, strict=True)
    }
    counts = {len(parents) for parents in parents_by_seed.values()}
    if counts == {0} or len(counts) != 1:
        raise ResultsError("its runs do not name their parent runs")
    missing = [key for parents in parents_by_seed.values() for key in parents if not results.is_done(key)]
    if missing:
        raise ResultsError(f"its parent run {missing[0]} is missing from the results")
    return [
        read_runs(results, [(seed, parents[i]) for seed, parents in parents_by_seed.items()], column)
        for i in range(counts.pop())
    ]


def read_runs(results: Results, done: Sequence[tuple[int, str]], column: Column, epoch: int | str = "last") -> Scored:
    """Read finished runs and score them in one column, aligned item by item.

    Args:
        results: the results folder.
        done: seed and key of each finished run.
        column: the column that names task, split and metric.
        epoch: epoch of the predictions, or "last".

    Raises:
        ResultsError: an unknown metric, runs of different numerics, runs that disagree on items or labels, hidden
            labels, or predictions that are not finite.
    """
    metric = METRICS.get(column.metric)
    if metric is None:
        raise ResultsError(f"no metric named {column.metric!r}; there are: {', '.join(METRICS)}")
    numerics = results.same_numerics(key for _, key in done)
    own_facts = results.run(done[0][1]).task.get("own")
    group = ["group"] if own_facts and own_facts.get("group") else []
    reads_logits = metric.uses == "logits" or epoch == "last"  # a published run may have no logits of earlier epochs
    names = None if reads_logits else ["id", "label", "prediction", *group]
    frames = [results.predictions(key, column.task, column.split, epoch, names) for _, key in done]
    first = frames[0]
    if group and "group" not in first:
        raise ResultsError(f"run {done[0][1][:12]} stores no groups of {column.task}.{column.split}: run it again")
    for (_, key), frame in zip(done[1:], frames[1:], strict=True):
        if not (np.array_equal(frame["id"], first["id"]) and np.array_equal(frame["label"], first["label"])):
            raise ResultsError(
                f"runs {done[0][1]} and {key} were scored on different items of {column.task}.{column.split}: "
                "they do not belong in one cell; plan the experiment again"
            )
    labels = first["label"].to_numpy()
    if (labels.dtype.kind in "iu" and (labels < 0).any()) or not np.isfinite(labels).all():
        raise ResultsError(f"the labels of {column.task}.{column.split} are hidden")
    predictions = np.stack([f["prediction"].to_numpy() for f in frames])
    outputs = np.stack([logits(f) for f in frames]) if metric.uses == "logits" else predictions
    for (_, key), run, frame in zip(done, predictions, frames, strict=True):
        must_be_finite(key, run, f"{column.task}.{column.split}")
        if reads_logits:
            must_be_finite(key, logits(frame), f"{column.task}.{column.split}")
    return Scored(
        keys=tuple(key for _, key in done),
        seeds=tuple(seed for seed, _ in done),
        ids=first["id"].to_numpy(),
        labels=labels,
        outputs=outputs,
        scores=np.array([quiet_score(metric, labels, x) for x in outputs]),
        collapsed=is_collapsed(labels, predictions, metric),
        numerics=numerics,
        is_own=bool(own_facts),
        groups=first["group"].to_numpy() if group else None,
    )


def must_be_finite(key: str, outputs: np.ndarray, place: str) -> None:
    """Refuse a run whose predictions or logits are not all finite: the weights of a run that diverged are often NaN.

    The largest of NaN logits is the first, so that its predictions alone look like answers.

    Raises:
        ResultsError: naming the run and ``place``, its ``task.split``.
    """
    if not np.isfinite(outputs).all():
        raise ResultsError(f"run {key[:12]} predicted numbers that are not finite on {place}")


def logits(frame: pd.DataFrame) -> np.ndarray:
    """Return ``(items, outputs)`` logits of a predictions frame, in class order."""
    names = sorted((str(c) for c in frame if str(c).startswith("logit_")), key=lambda c: int(c.removeprefix("logit_")))
    logits: np.ndarray = frame[names].to_numpy(dtype=np.float64)
    return logits


def seeded(results: Results, manifest: Manifest, row: str, column: Column) -> list[tuple[int, str]]:
    """Return seed and key of each run of a cell.

    Where the grid has fewer runs than seeds, the seeds are read from the finished runs.
    """
    keys = manifest.keys(row, column)
    if len(keys) == len(manifest.seeds):
        return list(zip(manifest.seeds, keys, strict=True))
    return [(int(results.run(key).spec["seed"]), key) for key in keys if results.is_done(key)]


def quiet_score(metric: Metric, labels: np.ndarray, outputs: np.ndarray) -> float:
    """Return a run's score without warnings: the report counts and shows collapsed runs itself."""
    return float(metric.function(labels, outputs, np.ones(len(labels))))
