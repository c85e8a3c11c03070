"""What the page's script draws and filters, as one JSON object: curves, runs, examples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import curves, errors
from analysis.report.mistakes import Mistakes
from analysis.results import Log, Run
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd

SINGLE_RUNS = 400  # up to so many runs the page holds every run's curve; beyond, means and ranges alone
EXAMPLES = 400  # of a task: the items whose answers differ most
LONGEST_TEXT = 600  # characters of a shown text


def page_data(
    manifest: Manifest,
    runs: Sequence[Run],
    logs: Mapping[str, Log],
    logged: Mapping[str, pd.DataFrame],
    examples: dict[str, Any],
) -> dict[str, Any]:
    """Everything the script needs; nothing in it that is not already in the result folders.

    Args:
        logged: by column id, of the columns that differ in their runs: :func:`analysis.curves.logged`.
    """
    return {
        "rows": [{"id": row.id, "title": row.title} for row in manifest.rows],
        "baseline": manifest.baseline_row,
        "curves": curve_data(manifest, logs, logged),
        "runs": [run_line(run) for run in runs],
        "examples": examples,
    }


def to_script(data: dict[str, Any]) -> str:
    """JSON that cannot end the element it stands in; NaN as null."""
    text = json.dumps(_plain(data), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def curve_data(manifest: Manifest, logs: Mapping[str, Log], logged: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """column -> part -> row -> ``{"x", "mean", "low", "high", "seeds"}``; ``seeds`` only in small experiments."""
    found: dict[str, Any] = {}
    for column in manifest.distinct():
        for (part, row), curve in logged[column.id].groupby(["part", "row"], sort=False):
            entry: dict[str, Any] = {name: _short(curve[name]) for name in ("step", "mean", "low", "high")}
            if len(logs) <= SINGLE_RUNS:
                keys = [key for key in manifest.keys(str(row), column) if key in logs]
                entry["seeds"] = [_short(curves.binned(logs[key], str(part)).values()) for key in keys]
            found.setdefault(column.title or column.task, {}).setdefault(str(part), {})[str(row)] = entry
    return found


def run_line(run: Run) -> list[Any]:
    """``key task method settings seed updates seconds commit device``, as the runs table shows them."""
    spec = run.spec
    changed = spec.get("options", spec.get("method_config")) or {}
    settings = ", ".join(f"{name}={value}" for name, value in changed.items())
    where = str(run.environment.get("device", ""))
    commit = str(run.environment.get("commit", run.environment.get("git", "")))[:9]
    seconds = round(float(run.result.get("seconds") or 0.0), 1)
    return [
        run.key,
        spec.get("task"),
        spec.get("method"),
        settings,
        spec.get("seed"),
        run.result.get("steps"),
        seconds,
        commit,
        where,
    ]


def examples_of(arms: Mapping[str, errors.Outputs], mistakes: Mistakes) -> dict[str, Any]:
    """The items of one task whose answers differ most between methods, then between seeds; who is right how often."""
    first, masks = next(iter(arms.values())), mistakes.masks
    right = np.stack([outputs.right.sum(0) for outputs in arms.values()])
    share = right / np.array([[len(outputs.seeds)] for outputs in arms.values()])
    chosen = np.lexsort((-share.std(0), -np.ptp(share, axis=0)))[:EXAMPLES]
    chosen = chosen[(share[:, chosen] < 1).any(0)]
    told = mistakes.texts
    columns = [c for c in told if str(c).startswith("text_")] if told is not None else []
    buckets = errors.agreement(first.votes) if first.votes is not None else None
    items = []
    for i in chosen:
        shown = [str(told[c].iloc[i])[:LONGEST_TEXT] for c in columns] if told is not None else []
        within = [n for n, mask in enumerate(masks.values()) if mask[i]]
        bucket = buckets[i] if buckets is not None else ""
        items.append([str(first.ids[i]), int(first.labels[i]), right[:, i].tolist(), bucket, shown, within])
    return {
        "rows": list(arms),
        "seeds": [len(outputs.seeds) for outputs in arms.values()],
        "items": items,
        "of": len(first.ids),
        "slices": list(masks),
        "labels": list(mistakes.names),
    }


def _short(values: Any) -> list[float]:
    """Four digits are more than a screen shows, and a third of the bytes."""
    return [float(f"{float(v):.4g}") for v in values]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
