"""Scores, predictions and cost of a finished tuning grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.integrity.verified import damaged
from analysis.records import ResultsError, read_json, read_table
from analysis.results import load_manifest
from benchmarks.store.store import Store
from benchmarks.training.cost import cost

if TYPE_CHECKING:
    from benchmarks.experiments.planning.base import Experiment, TaskColumn


@dataclass(frozen=True)
class TrialResults:
    """The finished runs of a tuning grid.

    Attributes:
        grid: the experiment whose rows are the trials.
        store: the results folder with the runs.
        cells: row -> task (or column id) -> run keys.
    """

    grid: Experiment
    store: Store
    cells: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def read(cls, grid: Experiment, results: Path) -> TrialResults | None:
        """Return the results of the newest manifest that holds the grid; None unless all of its runs are done.

        Raises: ResultsError: a run, or a manifest, is damaged.
        """
        folder, store = results / "experiments" / grid.name, Store(results)
        rows, columns = {row.id for row in grid.rows}, {column.id for column in grid.columns}
        for path in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True):
            manifest = load_manifest(path)
            has_rows = {row.id for row in manifest.rows} >= rows
            if not has_rows or not {column.id for column in manifest.columns} >= columns:
                continue
            trial_results = cls(grid, store, manifest.cells)
            keys = [key for row in rows for column in grid.columns for key in trial_results.keys(row, column)]
            if keys and all(map(store.is_done, keys)):
                for finding in damaged(results, keys).values():
                    raise ResultsError(finding.message)
                return trial_results
        return None

    def keys(self, row: str, column: TaskColumn) -> tuple[str, ...]:
        """Return the runs of a trial."""
        return self.cells[row][column.id if column.variant else column.task]

    def mean(self, row: str, column: TaskColumn) -> float:
        """Return a trial's mean score over its seeds, turned so that greater is better."""
        from analysis.scores import METRICS

        sign = 1.0 if METRICS[column.metric].greater_is_better else -1.0
        return sign * float(np.mean([self._score(key, column) for key in self.keys(row, column)]))

    def predictions(self, row: str, column: TaskColumn) -> str:
        """Return a digest of all of a trial's predictions: equal for trials that predict the same."""
        digest = sha256()
        for key in self.keys(row, column):
            digest.update(np.ascontiguousarray(self._table(key, column)["prediction"].to_numpy()).tobytes())
        return digest.hexdigest()

    def forward_passes(self, row: str) -> float:
        """Return what training a trial took on all tasks and seeds, in forward passes over a batch."""
        specs = {(place, seed): spec for id, place, seed, spec in self.grid.specs() if id == row}
        steps = {key: self._result(key)["steps"] for keys in self.cells[row].values() for key in keys}
        return float(sum(steps.values())) * cost(next(iter(specs.values())))

    def _score(self, key: str, column: TaskColumn) -> float:
        from analysis.scores import score

        scores = self._result(key)["scores"][column.task][column.split]
        if column.metric in scores:
            return float(scores[column.metric])
        table = self._table(key, column)
        return score(column.metric, table["label"].to_numpy(), table["prediction"].to_numpy())

    def _result(self, key: str) -> dict[str, Any]:
        return read_json(self.store.folder(key) / "result.json")

    def _table(self, key: str, column: TaskColumn) -> Any:
        path = self.store.folder(key) / "predictions" / f"{column.task}.{column.split}.parquet"
        table = read_table(path, ["epoch", "label", "prediction"]).to_pandas()
        return table[table["epoch"] == table["epoch"].max()]
