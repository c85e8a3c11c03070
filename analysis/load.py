"""All scores of a results folder as one tidy frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.parts import is_part
from analysis.results import Results, Run, warn_of_damage

if TYPE_CHECKING:
    import pandas as pd


def load(results: str | Path | Results, experiment: str | None = None) -> pd.DataFrame:
    """Return every score of every finished run: one row per run, task, split and metric.

    Damaged runs are left out, with a :class:`analysis.results.DamagedRunsWarning` that names them. Verified runs are
    remembered in the folder ``cache``, so that only the first call is slow.

    Args:
        results: the results folder, or what :meth:`Results.open` made of it.
        experiment: name of an experiment: the runs of its table alone, with the id of the table's row in the column
            ``row``; a run that stands in two rows comes twice. None: all runs.

    Columns: ``key method seed model task split metric score`` (a fraction), ``train_task`` (the task it was trained
    on), ``results`` (this folder), ``generated seconds steps source``, every other field of the spec under its own
    name, and the method's settings as ``config.<name>``. The rows, filtered as you like, are the input of
    :mod:`analysis.frames`.

    Raises:
        ResultsError: ``results`` has no folder ``runs``, there is no such experiment, or a file cannot be read.
    """
    import pandas as pd

    opened = Results.open(results)
    records = [
        {**record, **row, "results": str(opened.root)}
        for key, row in _selected(opened, experiment)
        for record in _records(opened.run(key))
    ]
    first = ["key", "row", "method", "seed", "model", "train_task", "task", "split", "metric", "score", "results"]
    frame = pd.DataFrame.from_records(records)
    if frame.empty:
        return pd.DataFrame(columns=[name for name in first if name != "row" or experiment is not None])
    return frame[[c for c in first if c in frame] + [c for c in frame if c not in first]]


def _selected(results: Results, experiment: str | None) -> list[tuple[str, dict[str, str]]]:
    """Return the key of each intact finished run, with its row where an experiment is named; warn of damaged ones."""
    runs: list[tuple[str, dict[str, str]]] = [(key, {}) for key in results.run_keys()]
    if experiment is not None:
        rows = results.manifest(experiment).cells
        runs = [(key, {"row": row}) for row, cells in rows.items() for key in dict.fromkeys(chain(*cells.values()))]
    keys = {key for key, _ in runs}
    damage = results.leave_out_damaged(keys)
    if experiment is None:
        damage = {**results.packed.faults, **damage}
    else:
        damage = {name: message for name, message in damage.items() if name in keys or is_part(name)}
    warn_of_damage(damage, stacklevel=3)
    return [(key, row) for key, row in runs if results.is_done(key)]


def _records(run: Run) -> Iterator[dict[str, Any]]:
    spec = {k: v for k, v in run.spec.items() if k not in ("task", "method_config") and not isinstance(v, dict | list)}
    config = {f"config.{k}": v for k, v in (run.spec.get("method_config") or {}).items()}
    fields = {
        **spec,
        **config,
        "train_task": run.spec.get("task"),
        "generated": bool(run.task.get("generated", False)),
        **{k: run.result.get(k) for k in ("seconds", "steps", "source")},
        "key": run.key,
    }
    for task, splits in run.result.get("scores", {}).items():
        for split, metrics in splits.items():
            for metric, value in metrics.items():
                yield {**fields, "task": task, "split": split, "metric": metric, "score": value}
