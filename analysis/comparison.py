"""One experiment as a frame of estimates: a row per cell of its table, everything recomputed from stored
predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.load import Column, Manifest, ResultsError, Row, is_done, predictions, read_run
from analysis.scores import METRICS, Metric
from analysis.significance import Interval, crossed_interval

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "not run"
# of the frame, for an experiment without any column
FIELDS = [
    "row", "row_title", "column", "column_title", "task", "metric", "split", "n_seeds", "n_items", "mean", "sd",
    "scores", "seeds", "keys", "difference", "low", "high", "p", "n_pairs", "correlation", "published",
    "published_difference", "published_source", "ceiling", "collapsed", "collapsed_runs", "missing", "reason", "level",
]  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """The runs of one cell, lined up: the same items in the same order for every seed.

    Attributes:
        keys, seeds: of the finished runs, in seed order.
        ids, labels: ``(items,)``.
        outputs: ``(seeds, items)`` predictions, or ``(seeds, items, classes)`` logits where the metric uses them.
        scores: ``(seeds,)``.
        collapsed: ``(seeds,)`` True where every prediction of a run is the same.
    """

    keys: tuple[str, ...]
    seeds: tuple[int, ...]
    ids: np.ndarray
    labels: np.ndarray
    outputs: np.ndarray
    scores: np.ndarray
    collapsed: np.ndarray


def compare(results: str | Path, manifest: Manifest, level: float = 0.95) -> pd.DataFrame:
    """Every cell of the experiment's table.

    Scores, differences and intervals are on the scale papers print (percent; nats for cross-entropy and divergences).
    Columns: ``row row_title column column_title task metric split n_seeds n_items mean sd scores seeds keys``
        (``sd`` with
    ddof 1, nan for one seed), ``difference low high p correlation`` against the baseline row at the seeds both have
    (nan for the baseline itself), ``n_pairs``, ``published published_difference published_source ceiling collapsed
    missing reason``.
    """
    import pandas as pd

    cells = []
    for column in manifest.columns:
        baseline, baseline_reason = (None, "")
        if manifest.baseline_row is not None:
            baseline, baseline_reason = _try_read(results, manifest, manifest.baseline_row, column)
        for row in manifest.rows:
            if row.id == manifest.baseline_row:
                scored, reason, against = baseline, baseline_reason, None
            else:
                scored, reason = _try_read(results, manifest, row.id, column)
                against = baseline
            cells.append(_cell(manifest, row, column, scored, reason, against, level))
    return pd.DataFrame.from_records(cells, columns=None if cells else FIELDS)


def read_cell(results: str | Path, manifest: Manifest, row: str, column: Column, epoch: int | str = "last") -> Scored:
    """The finished runs of one cell, lined up item by item.

    Raises: ResultsError: none is finished, runs disagree on items or labels, or labels are hidden.
    """
    done = [(seed, key) for seed, key in seeded(results, manifest, row, column) if is_done(results, key)]
    if not done:
        raise ResultsError(NOT_RUN)
    return read_runs(results, done, column, epoch)


def parents_of(results: str | Path, scored: Scored, column: Column) -> list[Scored]:
    """The runs that each combined run was made of: the first parents of all seeds, their second parents...

    Raises: ResultsError: runs that combine none, or a parent whose run folder is not here.
    """
    of = {
        seed: read_run(results, key).fingerprints.get("parents") or []
        for seed, key in zip(scored.seeds, scored.keys, strict=True)
    }
    counts = {len(parents) for parents in of.values()}
    if counts == {0} or len(counts) != 1:
        raise ResultsError("its runs do not name the runs they combine")
    gone = [key for parents in of.values() for key in parents if not is_done(results, key)]
    if gone:
        raise ResultsError(f"the run {gone[0]} that it combines is not here")
    return [
        read_runs(results, [(seed, parents[i]) for seed, parents in of.items()], column) for i in range(counts.pop())
    ]


def read_runs(
    results: str | Path, done: Sequence[tuple[int, str]], column: Column, epoch: int | str = "last"
) -> Scored:
    """Finished runs (seed, key) scored in one column, lined up item by item.

    Raises: ResultsError: an unknown metric, runs that disagree on items or labels, or hidden labels.
    """
    metric = METRICS.get(column.metric)
    if metric is None:
        raise ResultsError(f"no metric named {column.metric!r}; there are: {', '.join(METRICS)}")
    wanted = None if metric.uses == "logits" else ["id", "label", "prediction"]
    frames = [predictions(results, key, column.task, column.split, epoch, wanted) for _, key in done]
    first = frames[0]
    for (_, key), frame in zip(done[1:], frames[1:], strict=True):
        if not (np.array_equal(frame["id"], first["id"]) and np.array_equal(frame["label"], first["label"])):
            raise ResultsError(
                f"runs {done[0][1]} and {key} were scored on different items of {column.task}.{column.split}: "
                "they do not belong in one cell; plan the experiment again"
            )
    labels = first["label"].to_numpy()
    if (labels.dtype.kind in "iu" and (labels < 0).any()) or not np.isfinite(labels).all():
        raise ResultsError(f"the labels of {column.task}.{column.split} are hidden")
    chosen = np.stack([f["prediction"].to_numpy() for f in frames])
    outputs = np.stack([logits(f) for f in frames]) if metric.uses == "logits" else chosen
    return Scored(
        keys=tuple(key for _, key in done),
        seeds=tuple(seed for seed, _ in done),
        ids=first["id"].to_numpy(),
        labels=labels,
        outputs=outputs,
        scores=np.array([quiet_score(metric, labels, x) for x in outputs]),
        collapsed=np.array([len(labels) > 1 and np.ptp(x) == 0 for x in chosen]),
    )


def logits(frame: pd.DataFrame) -> np.ndarray:
    """``(items, outputs)`` of a predictions frame, in class order."""
    names = sorted((str(c) for c in frame if str(c).startswith("logit_")), key=lambda c: int(c.removeprefix("logit_")))
    return frame[names].to_numpy(dtype=np.float64)


def contrast(a: Scored, b: Scored, metric: str, level: float = 0.95) -> tuple[Interval, np.ndarray, np.ndarray]:
    """The deciding interval of ``a - b`` at the seeds both have, with both arms' scores at those seeds.

    Raises: ResultsError: no common seed, or different items.
    """
    common = [s for s in a.seeds if s in b.seeds]
    if not common:
        raise ResultsError("no seed was run by both")
    if not (np.array_equal(a.ids, b.ids) and np.array_equal(a.labels, b.labels)):
        raise ResultsError("the two were scored on different items")
    x, y = _at(a, common), _at(b, common)
    interval = crossed_interval(a.outputs[x], b.outputs[y], metric=metric, labels=a.labels, level=level)
    return interval, a.scores[x], b.scores[y]


def _cell(
    manifest: Manifest,
    row: Row,
    column: Column,
    scored: Scored | None,
    reason: str,
    baseline: Scored | None,
    level: float,
) -> dict[str, Any]:
    metric = METRICS.get(column.metric)
    scale = metric.scale if metric else 100.0
    planned = len(manifest.keys(row.id, column))
    cell: dict[str, Any] = {
        "row": row.id,
        "row_title": row.title,
        "column": column.id,
        "column_title": column.title or column.task,
        "task": column.task,
        "metric": column.metric,
        "split": column.split,
        "n_seeds": 0,
        "n_items": 0,
        "mean": np.nan,
        "sd": np.nan,
        "scores": (),
        "seeds": (),
        "keys": (),
        "difference": np.nan,
        "low": np.nan,
        "high": np.nan,
        "p": np.nan,
        "n_pairs": 0,
        "correlation": np.nan,
        "ceiling": np.nan if column.ceiling is None else column.ceiling * scale,
        "collapsed": 0,
        "collapsed_runs": (),
        "missing": planned,
        "reason": reason,
        "level": level,
        **_published(manifest, row.id, column.id),
    }
    if scored is None:
        return cell
    values = scored.scores * scale
    cell |= {
        "n_seeds": len(values),
        "n_items": len(scored.labels),
        "mean": values.mean(),
        "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
        "scores": tuple(values.tolist()),
        "seeds": scored.seeds,
        "keys": scored.keys,
        "collapsed": int(scored.collapsed.sum()),
        "collapsed_runs": tuple(scored.collapsed.tolist()),
        "missing": planned - len(values),
    }
    if baseline is not None:
        try:
            interval, ours, theirs = contrast(scored, baseline, column.metric, level)
        except ResultsError as error:
            return cell | {"reason": str(error)}
        cell |= {
            "difference": interval.estimate * scale,
            "low": interval.low * scale,
            "high": interval.high * scale,
            "p": interval.p,
            "n_pairs": interval.n_seeds,
            "correlation": _correlation(ours, theirs),
        }
    return cell


def _published(manifest: Manifest, row: str, column: str) -> dict[str, Any]:
    printed = {(p.row, p.column): p for p in manifest.published}
    here, base = printed.get((row, column)), printed.get((manifest.baseline_row or "", column))
    return {
        "published": here.value if here else np.nan,
        "published_difference": here.value - base.value if here and base and here is not base else np.nan,
        "published_source": here.source if here else "",
    }


def seeded(results: str | Path, manifest: Manifest, row: str, column: Column) -> list[tuple[int, str]]:
    """Seed and key of each of the cell's runs; where the grid has holes, the finished runs say their seed
    themselves."""
    keys = manifest.keys(row, column)
    if len(keys) == len(manifest.seeds):
        return list(zip(manifest.seeds, keys, strict=True))
    return [(int(read_run(results, key).spec["seed"]), key) for key in keys if is_done(results, key)]


def _try_read(results: str | Path, manifest: Manifest, row: str, column: Column) -> tuple[Scored | None, str]:
    """The cell, or None and the reason it is missing: the planner's own reason where it gave one."""
    known = manifest.reason(row, column)
    try:
        return read_cell(results, manifest, row, column), known
    except ResultsError as error:
        return None, known or str(error)


def quiet_score(metric: Metric, labels: np.ndarray, outputs: np.ndarray) -> float:
    """Collapsed runs are counted and shown by the report, so the score's own warning would be noise."""
    return float(metric.function(labels, outputs, np.ones(len(labels))))


def _at(scored: Scored, seeds: Sequence[int]) -> list[int]:
    return [scored.seeds.index(seed) for seed in seeds]


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Over seeds: what pairing bought. nan below three seeds or where one side does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
