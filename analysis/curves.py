"""Curves over a run: what was logged or scored, summarised over seeds. Frames in, frames out; drawing is in
``figures``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.load import Column, Manifest, epoch_scores, history, is_done
from analysis.scores import METRICS

if TYPE_CHECKING:
    import pandas as pd

LOSS_PARTS = ("task", "smoothness", "bregman", "distillation", "adversarial", "consistency")
POINTS = 60  # a drawn curve has at most so many: each is the mean of the updates it stands for


def loss_parts(
    results: str | Path, manifest: Manifest, column: Column, parts: Sequence[str] = LOSS_PARTS
) -> pd.DataFrame:
    """Logged parts of the column's runs: ``row part step mean low high n``, over the finished seeds of each row.

    Neighbouring updates are averaged within each run first, to at most :data:`POINTS` points; ``step`` is the last
    of them. Parts that no run logged are left out; the others come in the order of ``parts``.
    """
    import pandas as pd

    binned = [
        _binned(history(results, key), parts).assign(row=row.id)
        for row in manifest.rows
        for key in manifest.keys(row.id, column)
        if is_done(results, key)
    ]
    if not binned:
        return pd.DataFrame(columns=["row", "part", "step", "mean", "low", "high", "n"])
    values = pd.concat(binned).dropna(subset="value").groupby(["part", "row", "step"], sort=False)["value"]
    summary = values.agg(mean="mean", low="min", high="max", n="size").reset_index()
    return summary.sort_values("part", key=lambda c: c.map(list(parts).index), kind="stable", ignore_index=True)


def _binned(steps: pd.DataFrame, parts: Sequence[str]) -> pd.DataFrame:
    width = -(-len(steps) // POINTS) or 1
    mean = steps.groupby((steps["step"] - 1) // width)[[part for part in parts if part in steps]].mean()
    return mean.assign(step=(mean.index + 1) * width).melt("step", var_name="part", value_name="value")


def epochs(results: str | Path, manifest: Manifest, column: Column) -> pd.DataFrame:
    """The column's score after each epoch: ``row epoch mean low high n``, over the seeds that are finished."""
    import pandas as pd

    known = METRICS.get(column.metric)
    frames = []
    for row in manifest.rows:
        for key in manifest.keys(row.id, column):
            if is_done(results, key):
                scores = epoch_scores(results, key)
                wanted = scores[
                    (scores["task"] == column.task)
                    & (scores["split"] == column.split)
                    & (scores["metric"] == column.metric)
                ]
                frames.append(wanted.assign(row=row.id, value=wanted["score"] * (known.scale if known else 100.0)))
    if not frames:
        return pd.DataFrame(columns=["row", "epoch", "mean", "low", "high", "n"])
    summary = (
        pd.concat(frames)
        .groupby(["row", "epoch"], sort=False)["value"]
        .agg(mean="mean", low="min", high="max", n="size")
    )
    return summary.reset_index()


def sweep(frame: pd.DataFrame, x: str, by: str = "method") -> pd.DataFrame:
    """A score against a setting: ``row``, ``x``, ``mean low high n``, mean and range over seeds, in percent.

    Args:
        frame: rows of :func:`analysis.load` with one task, split and metric.
        x: the setting's column: ``config.lambda_s``, ``config.epsilon``, ``max_train_samples``...
        by: what tells the curves apart.
    Raises: ValueError: if the frame mixes tasks, splits or metrics, or has no such column.
    """
    mixed = [name for name in ("task", "split", "metric") if frame[name].nunique() > 1]
    if mixed or x not in frame or by not in frame:
        raise ValueError(
            f"a sweep needs one {mixed[0]}" if mixed else f"the frame has no column {x if x not in frame else by}"
        )
    known = METRICS.get(str(frame["metric"].iloc[0]))
    scored = frame.dropna(subset=[x]).assign(value=frame["score"] * (known.scale if known else 100.0), row=frame[by])
    summary = scored.groupby(["row", x], sort=True)["value"].agg(mean="mean", low="min", high="max", n="size")
    return summary.reset_index()


def expected_best(scores: Sequence[float], greater_is_better: bool = True) -> pd.DataFrame:
    """What the best of N tries is expected to be: ``n expected``, N from 1 to the number of scores.

    Tries are drawn from ``scores`` with replacement (Dodge et al., 2019): the best of N is the i-th smallest score with
    chance (i/m)^N - ((i-1)/m)^N. A method that was tuned longer looks better by this much alone.
    """
    import numpy as np
    import pandas as pd

    ordered = np.sort(np.asarray(scores, dtype=float))
    if not greater_is_better:
        ordered = ordered[::-1]
    share = np.arange(len(ordered) + 1) / len(ordered)
    tries = np.arange(1, len(ordered) + 1)
    return pd.DataFrame({"n": tries, "expected": [float(np.diff(share**n) @ ordered) for n in tries]})
