"""The list of a report's runs: on the page, where a script filters it, and as ``runs.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.report.facts import FactTable
from analysis.results import Run
from analysis.schema import Manifest
from analysis.scores import displayed
from analysis.tables import digits_of, number, records

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = (
    "key",
    "task",
    "method",
    "seed",
    "score",
    "metric",
    "settings",
    "updates",
    "seconds",
    "commit",
    "device",
)
NUMBERS = ("seed", "score", "updates", "seconds")  # headings of the columns that hold numbers


@dataclass(frozen=True)
class ListedRun:
    """A run of the list; the fields are the columns of ``runs.csv``.

    Attributes:
        key: the whole key.
        task: the task it was trained on.
        method: registered name of its method.
        settings: the options that were set, as ``name=value``.
        seed: its seed.
        updates: number of updates.
        seconds: computing time.
        commit: commit of the code, shortened; "" for an installed package.
        device: kind of device.
        row: ids of the rows that it belongs to.
        title: titles of these rows: they have the reading of the method.
        metric: metric of the first column that has the run.
        score: the score there, on the scale of tables; nan without one.
    """

    key: str
    task: str
    method: str
    settings: str
    seed: int | None
    updates: int | None
    seconds: float
    commit: str
    device: str
    row: str
    title: str
    metric: str
    score: float

    def shown(self) -> tuple[str, ...]:
        """Return the line of the page's table, in the order of :data:`HEADINGS`."""
        score = number(self.score, digits_of(self.metric)) if self.metric else ""
        metric = displayed(self.metric).title if self.metric else ""
        counts = ("" if count is None else str(count) for count in (self.updates, self.seconds))
        label, seed = self.title or self.method, "" if self.seed is None else str(self.seed)
        return (self.key, self.task, label, seed, score, metric, self.settings, *counts, self.commit, self.device)


def listed_runs(manifest: Manifest, cells: pd.DataFrame, runs: Sequence[Run]) -> list[ListedRun]:
    """Return the runs of an experiment with their rows and scores."""
    rows, scores = _rows_by_key(manifest), _scores_by_key(cells)
    return [_listed(run, manifest, rows.get(run.key, []), scores.get(run.key, ("", math.nan))) for run in runs]


def run_data(listed: Sequence[ListedRun]) -> dict[str, Any]:
    """Return the headings and lines of the page's list, without columns that are empty in every line."""
    table = FactTable("runs", "Runs", HEADINGS, tuple(run.shown() for run in listed)).without_empty()
    return {"headings": table.headings, "lines": table.lines}


def write_runs(listed: Sequence[ListedRun], path: Path) -> None:
    """Write the list of runs as CSV, with full keys and scores at full precision."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(ListedRun))
        writer.writerows(["" if value != value else value for value in astuple(run)] for run in listed)


def _listed(run: Run, manifest: Manifest, rows: Sequence[str], score: tuple[str, float]) -> ListedRun:
    options = run.spec.get("options", run.spec.get("method_config")) or {}
    return ListedRun(
        run.key,
        str(run.spec.get("task")),
        str(run.spec.get("method")),
        ", ".join(f"{name}={value}" for name, value in options.items()),
        run.spec.get("seed"),
        run.result.get("steps"),
        round(float(run.result.get("seconds") or 0.0), 1),
        str(run.environment.get("commit", run.environment.get("git", "")))[:9],
        str(run.environment.get("device", "")),
        "; ".join(rows),
        "; ".join(manifest.row(row).title for row in rows),
        *score,
    )


def _rows_by_key(manifest: Manifest) -> dict[str, list[str]]:
    """Return the ids of the rows that each run belongs to, by key."""
    rows: dict[str, list[str]] = {}
    for row in manifest.rows:
        for key in dict.fromkeys(key for keys in manifest.cells.get(row.id, {}).values() for key in keys):
            rows.setdefault(key, []).append(row.id)
    return rows


def _scores_by_key(cells: pd.DataFrame) -> dict[str, tuple[str, float]]:
    """Return metric and score of each run in the first column that has it, by key."""
    scores: dict[str, tuple[str, float]] = {}
    for cell in records(cells):
        for key, score in zip(cell.keys, cell.scores, strict=True):
            scores.setdefault(key, (cell.metric, float(score)))
    return scores
