"""Data that the page's script draws and filters, as one JSON object: curves and examples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import curves, errors
from analysis.figures.palette import Look, looks, variables
from analysis.report.mistakes import Mistakes
from analysis.results import Log
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd

SINGLE_RUNS = 400  # up to this number of runs the page holds every run's curve; beyond it, means and ranges only
EXAMPLES = 400  # items per task: those whose answers differ most
LONGEST_TEXT = 600  # characters of a text on the page


def page_data(
    manifest: Manifest,
    logs: Mapping[str, Log],
    logged: Mapping[str, pd.DataFrame],
    examples: dict[str, Any],
) -> dict[str, Any]:
    """Return everything the script needs; all of it is also in the result folders.

    Args:
        manifest: the experiment.
        logs: log of each run, by key.
        logged: :func:`analysis.curves.logged`, by id of the columns that differ in their runs.
        examples: examples of each task (:func:`examples_of`).
    """
    all_looks = looks(row.id for row in manifest.rows).values()
    return {
        "rows": [row_data(row.id, row.title, look) for row, look in zip(manifest.rows, all_looks, strict=True)],
        "baseline": manifest.baseline_row,
        "curves": curve_data(manifest, logs, logged),
        "examples": examples,
    }


def row_data(row: str, title: str, look: Look) -> dict[str, str]:
    """Return a method with its colour and dash, which are those of the drawn figures."""
    dash = "" if look.dash == "-" else " ".join(f"{length:g}" for length in look.dash[1])
    name = variables()[look.colour]
    return {"id": row, "title": title, "colour": f"var(--{name})", "dash": dash or "none"}


def to_script(data: dict[str, Any]) -> str:
    """Return JSON that cannot end the HTML element it is in; NaN becomes null."""
    text = json.dumps(_plain(data), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def curve_data(manifest: Manifest, logs: Mapping[str, Log], logged: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return column -> part -> row -> ``{"x", "mean", "low", "high", "seeds"}``; ``seeds`` if there are few runs."""
    by_column: dict[str, Any] = {}
    for column in manifest.distinct():
        for (part, row), curve in logged[column.id].groupby(["part", "row"], sort=False):
            entry: dict[str, Any] = {name: _short(curve[name]) for name in ("step", "mean", "low", "high")}
            if len(logs) <= SINGLE_RUNS:
                keys = [key for key in manifest.keys(str(row), column) if key in logs]
                entry["seeds"] = [_short(curves.binned(logs[key], str(part)).values()) for key in keys]
            by_column.setdefault(column.title or column.task, {}).setdefault(str(part), {})[str(row)] = entry
    return by_column


def examples_of(arms: Mapping[str, errors.Outputs], mistakes: Mistakes) -> dict[str, Any]:
    """Return the items of one task whose answers differ most between methods, then between seeds.

    Each item has the number of seeds that are right, per method.
    """
    first, masks = next(iter(arms.values())), mistakes.masks
    right = np.stack([outputs.right.sum(0) for outputs in arms.values()])
    share = right / np.array([[len(outputs.seeds)] for outputs in arms.values()])
    ranked = np.lexsort((-share.std(0), -np.ptp(share, axis=0)))[:EXAMPLES]
    ranked = ranked[(share[:, ranked] < 1).any(0)]
    texts = mistakes.texts
    columns = [c for c in texts if str(c).startswith("text_")] if texts is not None else []
    buckets = errors.agreement(first.votes) if first.votes is not None else None
    items = []
    for i in ranked:
        item_texts = [str(texts[c].iloc[i])[:LONGEST_TEXT] for c in columns] if texts is not None else []
        slice_numbers = [n for n, mask in enumerate(masks.values()) if mask[i]]
        bucket = buckets[i] if buckets is not None else ""
        items.append([str(first.ids[i]), int(first.labels[i]), right[:, i].tolist(), bucket, item_texts, slice_numbers])
    return {
        "rows": list(arms),
        "seeds": [len(outputs.seeds) for outputs in arms.values()],
        "items": items,
        "of": len(first.ids),
        "slices": list(masks),
        "labels": list(mistakes.names),
    }


def _short(values: Any) -> list[float]:
    """Return values with four digits: more than a screen shows, and a third of the bytes."""
    return [float(f"{float(v):.4g}") for v in values]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
