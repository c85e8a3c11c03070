"""Curves over training or over a setting: logged quantities and scores, summarised over seeds.

The functions return frames, which :mod:`analysis.figures` draws. In all of them ``low`` and ``high`` are the smallest
and the largest value over seeds, and ``n`` is the number of seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.results import Log, Results
from analysis.schema import CURVE_POINTS, LOSS_PARTS, Column, Manifest
from analysis.scores import displayed

if TYPE_CHECKING:
    import pandas as pd

LOGGED = (*LOSS_PARTS, "max_abs_delta", "start_share")  # quantities of a log that have curves


def read_logs(results: Results, manifest: Manifest) -> dict[str, Log]:
    """Read the log of every finished run of an experiment, by key."""
    return {key: _read_log(results, key) for key in manifest.all_keys() if results.is_done(key)}


def _read_log(results: Results, key: str) -> Log:
    return replace(results.log(key), stored_divergence=results.run(key).published.get("diverged"))


def logged(logs: Mapping[str, Log], manifest: Manifest, column: Column, parts: Sequence[str] = LOGGED) -> pd.DataFrame:
    """Return logged quantities of the column's runs over the finished seeds: ``row part step mean low high n``.

    Within each run, neighbouring updates are first averaged into at most :data:`CURVE_POINTS` bins; ``step`` is the end
    of the bin, see :func:`binned`. Quantities that no run logged are left out.

    Args:
        logs: run key -> log, of :func:`read_logs`.
        manifest: the experiment's table.
        column: the column whose runs are read.
        parts: names of the logged quantities, in the order of the result.
    """
    import pandas as pd

    records = []
    for part in parts:
        for row in manifest.rows:
            runs = [binned(logs[key], part) for key in manifest.keys(row.id, column) if key in logs]
            records += [{"row": row.id, "part": part, **point} for point in _over_seeds([run for run in runs if run])]
    return pd.DataFrame.from_records(records, columns=["row", "part", "step", "mean", "low", "high", "n"])


def epochs(logs: Mapping[str, Log], manifest: Manifest, column: Column) -> pd.DataFrame:
    """Return the column's score after each epoch, over the finished seeds: ``row epoch mean low high n``.

    Scores are on the scale of the tables (mostly percent).
    """
    import pandas as pd

    scale, records = displayed(column.metric).scale, []
    for row in manifest.rows:
        runs = [_epoch_scores(logs[key], column, scale) for key in manifest.keys(row.id, column) if key in logs]
        records += [{"row": row.id, **point} for point in _over_seeds([run for run in runs if run], "epoch")]
    return pd.DataFrame.from_records(records, columns=["row", "epoch", "mean", "low", "high", "n"])


def diverged(logs: Mapping[str, Log], manifest: Manifest) -> pd.DataFrame:
    """Return the cells with diverged runs and their number: ``row column diverged n_runs``.

    :attr:`analysis.results.Log.has_diverged` says which have.
    """
    import pandas as pd

    records = []
    for row in manifest.rows:
        for column in manifest.distinct():
            runs = [logs[key].has_diverged for key in manifest.keys(row.id, column) if key in logs]
            if any(runs):
                records.append({"row": row.id, "column": column.id, "diverged": sum(runs), "n_runs": len(runs)})
    return pd.DataFrame.from_records(records, columns=["row", "column", "diverged", "n_runs"])


def binned(log: Log, part: str) -> dict[int, float]:
    """Return a logged quantity of one run: end of each bin (a number of updates) -> mean over the bin.

    All bins have the same width, so the last one may end after the last update. The result is empty where the run did
    not log the quantity.
    """
    width = -(-len(log.steps) // CURVE_POINTS) or 1
    sums: dict[int, list[float]] = {}
    for step in log.steps:
        if step.get(part) is not None:
            sums.setdefault(((step["step"] - 1) // width + 1) * width, []).append(float(step[part]))
    return {end: sum(values) / len(values) for end, values in sums.items()}


def _epoch_scores(log: Log, column: Column, scale: float) -> dict[int, float]:
    """Return epoch -> score times ``scale``; where a run logged only the accuracy, its error rate is computed."""
    scores: dict[int, float] = {}
    for line in log.epochs:
        if (line["task"], line["split"]) == (column.task, column.split):
            if line["metric"] == column.metric:
                scores[line["epoch"]] = scale * line["score"]
            elif (column.metric, line["metric"]) == ("error_rate", "accuracy"):
                scores.setdefault(line["epoch"], scale * (1 - line["score"]))
    return scores


def _over_seeds(runs: Sequence[Mapping[int, float]], x: str = "step") -> Iterator[dict[str, float]]:
    """Yield ``mean low high n`` over the runs (position -> value) at each position, which is stored under ``x``."""
    for position in sorted({position for run in runs for position in run}):
        values = [run[position] for run in runs if position in run]
        yield {
            x: position,
            "mean": sum(values) / len(values),
            "low": min(values),
            "high": max(values),
            "n": len(values),
        }


def sweep(frame: pd.DataFrame, x: str, by: str = "method") -> pd.DataFrame:
    """Return a score as a function of a setting, over seeds: ``row``, ``x``, ``mean low high n``.

    Scores are on the scale of the tables (mostly percent).

    Args:
        frame: rows of :func:`analysis.load` with one task, split and metric.
        x: column of the setting, such as ``config.lambda_s``, ``config.epsilon`` or ``max_train_samples``.
        by: column with the name of the curve that a run belongs to.

    Raises:
        ValueError: the frame mixes tasks, splits or metrics, or lacks a column.
    """
    mixed = [name for name in ("task", "split", "metric") if frame[name].nunique() > 1]
    if mixed or x not in frame or by not in frame:
        raise ValueError(
            f"a sweep needs one {mixed[0]}, the frame has several: select one with query()"
            if mixed
            else f"the frame has no column {x if x not in frame else by}"
        )
    scale = displayed(str(frame["metric"].iloc[0])).scale
    displayed_scores = frame.dropna(subset=[x]).assign(value=frame["score"] * scale, row=frame[by])
    summary = displayed_scores.groupby(["row", x], sort=True)["value"].agg(mean="mean", low="min", high="max", n="size")
    return summary.reset_index()


def expected_best(scores: Sequence[float], greater_is_better: bool = True) -> pd.DataFrame:
    """Return the expected best score of N trials, ``n expected``, with N from 1 to the number m of scores.

    Trials are drawn from ``scores`` with replacement (Dodge et al., 2019): the best of N is the i-th worst score with
    probability (i/m)^N - ((i-1)/m)^N. The curve rises with N, so two methods must be compared at the same number of
    trials.

    Args:
        scores: ``(m,)`` scores of the trials of one method, m >= 1.
        greater_is_better: False for losses and error rates; the curve then falls.
    """
    import numpy as np
    import pandas as pd

    worst_first = np.sort(np.asarray(scores, dtype=float))
    if not greater_is_better:
        worst_first = worst_first[::-1]
    quantiles = np.arange(len(worst_first) + 1) / len(worst_first)  # i/m
    n_trials = np.arange(1, len(worst_first) + 1)
    return pd.DataFrame({"n": n_trials, "expected": [float(np.diff(quantiles**n) @ worst_first) for n in n_trials]})
