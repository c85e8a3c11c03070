"""Curves over training: logged values or scores, summarised over seeds. Frames in, frames out.

The module ``figures`` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.results import Log, Results
from analysis.schema import CURVE_POINTS, LOSS_PARTS, Column, Manifest
from analysis.scores import displayed

if TYPE_CHECKING:
    import pandas as pd

LOGGED = (*LOSS_PARTS, "max_abs_delta", "start_share")


def read_logs(results: Results, manifest: Manifest) -> dict[str, Log]:
    """Read the log of every finished run of an experiment, by key."""
    return {key: results.log(key) for key in manifest.all_keys() if results.is_done(key)}


def logged(logs: Mapping[str, Log], manifest: Manifest, column: Column, parts: Sequence[str] = LOGGED) -> pd.DataFrame:
    """Return logged parts of the column's runs over the finished seeds of each row: ``row part step mean low high n``.

    Neighbouring updates are first averaged within each run, to at most :data:`CURVE_POINTS` points; ``step`` is the
    last of them. Parts that no run logged are left out; the others come in the order of ``parts``.
    """
    import pandas as pd

    records = []
    for part in parts:
        for row in manifest.rows:
            runs = [binned(logs[key], part) for key in manifest.keys(row.id, column) if key in logs]
            records += [{"row": row.id, "part": part, **point} for point in _over_seeds([run for run in runs if run])]
    return pd.DataFrame.from_records(records, columns=["row", "part", "step", "mean", "low", "high", "n"])


def epochs(logs: Mapping[str, Log], manifest: Manifest, column: Column) -> pd.DataFrame:
    """Return the column's score after each epoch, over the finished seeds: ``row epoch mean low high n``."""
    import pandas as pd

    scale, records = displayed(column.metric).scale, []
    for row in manifest.rows:
        runs = [_scored(logs[key], column, scale) for key in manifest.keys(row.id, column) if key in logs]
        records += [{"row": row.id, **point} for point in _over_seeds([run for run in runs if run], "epoch")]
    return pd.DataFrame.from_records(records, columns=["row", "epoch", "mean", "low", "high", "n"])


def diverged(logs: Mapping[str, Log], manifest: Manifest) -> pd.DataFrame:
    """Return the cells with runs whose training loss of the task ends above its start: ``row column diverged n_runs``.

    Start and end are the means over the first and the last tenth of the updates (at least one update).
    """
    import pandas as pd

    records = []
    for row in manifest.rows:
        for column in manifest.distinct():
            runs = [_has_diverged(logs[key]) for key in manifest.keys(row.id, column) if key in logs]
            if any(runs):
                records.append({"row": row.id, "column": column.id, "diverged": sum(runs), "n_runs": len(runs)})
    return pd.DataFrame.from_records(records, columns=["row", "column", "diverged", "n_runs"])


def _has_diverged(log: Log) -> bool:
    losses = [float(step["task"]) for step in log.steps if step.get("task") is not None]
    tenth = max(1, len(losses) // 10)
    return len(losses) > 1 and not sum(losses[-tenth:]) <= sum(losses[:tenth])  # NaN counts as diverged


def binned(log: Log, part: str) -> dict[int, float]:
    """Return one logged part of one run: last update of each bin -> mean of the bin.

    Empty where the run did not log the part.
    """
    width = -(-len(log.steps) // CURVE_POINTS) or 1
    sums: dict[int, list[float]] = {}
    for step in log.steps:
        if step.get(part) is not None:
            sums.setdefault(((step["step"] - 1) // width + 1) * width, []).append(float(step[part]))
    return {end: sum(values) / len(values) for end, values in sums.items()}


def _scored(log: Log, column: Column, scale: float) -> dict[int, float]:
    """Return epoch -> score; the error rate is computed from accuracy where a run logged only that."""
    scores: dict[int, float] = {}
    for line in log.epochs:
        if (line["task"], line["split"]) == (column.task, column.split):
            if line["metric"] == column.metric:
                scores[line["epoch"]] = scale * line["score"]
            elif (column.metric, line["metric"]) == ("error_rate", "accuracy"):
                scores.setdefault(line["epoch"], scale * (1 - line["score"]))
    return scores


def _over_seeds(runs: Sequence[Mapping[int, float]], x: str = "step") -> Iterator[dict[str, float]]:
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
    """Return a score over a setting, mean and range over seeds, in percent: ``row``, ``x``, ``mean low high n``.

    Args:
        frame: rows of :func:`analysis.load` with one task, split and metric.
        x: the setting's column: ``config.lambda_s``, ``config.epsilon``, ``max_train_samples``...
        by: the column that distinguishes the curves.

    Raises:
        ValueError: the frame mixes tasks, splits or metrics, or lacks a column.
    """
    mixed = [name for name in ("task", "split", "metric") if frame[name].nunique() > 1]
    if mixed or x not in frame or by not in frame:
        raise ValueError(
            f"a sweep needs one {mixed[0]}" if mixed else f"the frame has no column {x if x not in frame else by}"
        )
    scale = displayed(str(frame["metric"].iloc[0])).scale
    scored = frame.dropna(subset=[x]).assign(value=frame["score"] * scale, row=frame[by])
    summary = scored.groupby(["row", x], sort=True)["value"].agg(mean="mean", low="min", high="max", n="size")
    return summary.reset_index()


def expected_best(scores: Sequence[float], greater_is_better: bool = True) -> pd.DataFrame:
    """Return the expected best of N trials, ``n expected``, with N from 1 to the number of scores.

    Trials are drawn from ``scores`` with replacement (Dodge et al., 2019): the best of N is the i-th smallest score
    with probability (i/m)^N - ((i-1)/m)^N. A method that was tuned longer looks better by this amount without being
    better.
    """
    import numpy as np
    import pandas as pd

    ordered = np.sort(np.asarray(scores, dtype=float))
    if not greater_is_better:
        ordered = ordered[::-1]
    share = np.arange(len(ordered) + 1) / len(ordered)
    n_trials = np.arange(1, len(ordered) + 1)
    return pd.DataFrame({"n": n_trials, "expected": [float(np.diff(share**n) @ ordered) for n in n_trials]})
