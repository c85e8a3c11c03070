"""What is written while a run trains: history and predictions, so that an interrupted run keeps them."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import nn

from analysis import scores
from benchmarks.spec import RunSpec
from benchmarks.store.files import replacing, sync, write_durably
from benchmarks.tasks import Regression, Split
from benchmarks.tasks.metrics import score_all
from benchmarks.training.prepared import Evaluated, Prepared
from benchmarks.training.sides import SideAccuracies
from smart_repro.evaluation import predict
from smart_repro.hnn.options import HNN_HEADS
from smart_repro.models import for_task
from smart_repro.train import Observer, Plan

Report = Callable[[dict[str, Any]], None]


class IncompleteRecordError(RuntimeError):
    """A run was trained to its end, and a part of what it should have recorded is not on the disk."""


class Recorder(Observer):
    """Writes history and predictions as training goes, so that an interrupted run keeps them."""

    def __init__(self, folder: Path, data: Prepared, report: Report, run: RunSpec) -> None:
        self.history = folder / "history.jsonl"
        self.parts = folder / "epochs"
        self.final = folder / "predictions"
        self.data, self.report, self.run = data, report, run
        self.scores: dict[str, Any] = {}
        self.sides: dict[str, dict[str, float]] = {}  # split -> accuracy of each side of HNN at its last evaluation
        self.updates = self.predictions = 0  # of this attempt
        self.step = 0
        self.plan: Plan | None = None  # of a run that trains
        self.combined_epoch: int | None = None  # of a run that trains nothing
        self.evaluation_seconds = 0.0
        self._unsynced: list[Path] = []  # predictions that a power cut may still take
        for path in (self.parts, self.final):
            path.mkdir(exist_ok=True)
        if not (folder / "checkpoint.pt").exists():
            self._forget_after(0)

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.step = int(rows[-1]["step"]) if rows else self.step
        self.updates += len(rows)
        self._append(rows)
        self.report({"step": self.step, "total": total})

    def started(self, plan: Plan) -> None:
        self.plan = plan

    def gap(self, step: int) -> str | None:
        """What is missing of the record until update ``step``: updates, epochs or predictions."""
        rows = self._rows()
        updates = [row["step"] for row in rows if "event" not in row and row["step"] <= step]
        if updates != list(range(1, step + 1)):
            return f"the history holds {len(updates)} of the {step} updates before the checkpoint"
        logged = {row["epoch"] for row in rows if row.get("event") == "epoch"}
        for epoch, due in self._expected(step).items():
            if epoch not in logged:
                return f"the history lacks epoch {epoch}, which ended before the checkpoint"
            for each in due:
                if not _holds(self._part(each, epoch), len(each.rows)):
                    return f"the predictions {self._part(each, epoch).name} are missing or damaged"
        return None

    def restarted(self, reason: str) -> None:
        self._forget_after(0)
        self._append([{"event": "restart", "step": 0, "reason": reason}])
        self.make_durable()

    def make_durable(self) -> None:
        sync(*(path for path in (self.history, *self._unsynced) if path.exists()), self.parts, self.parts.parent)
        self._unsynced.clear()

    def resumed(self, step: int) -> None:
        self._forget_after(step)
        self._append([{"event": "resume", "step": step}])
        self.step = step

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        due = self._due(epoch, last)
        if not due:
            return
        began = time.perf_counter()
        evaluation: dict[str, Any] = {}
        for each in due:
            evaluation.setdefault(each.task.name, {})[each.split] = self._evaluate(each, epoch, model)
        self.scores = evaluation
        self._append([{"event": "epoch", "epoch": epoch, "step": step, "scores": evaluation}])
        self.predictions += sum(len(each.rows) for each in due)
        self.evaluation_seconds += time.perf_counter() - began

    def combined(self, epoch: int, logits: Mapping[str, np.ndarray]) -> None:
        """What a run that trains nothing predicts: split -> logits. It stands at the epoch its parents ended with."""
        self.combined_epoch = epoch
        for each in self.data.evaluated:
            self.scores.setdefault(each.task.name, {})[each.split] = self._keep(each, epoch, logits[each.name])
        self._append([{"event": "epoch", "epoch": epoch, "step": 0, "scores": self.scores}])

    def finish(self) -> None:
        """Join the epochs' predictions into one file per split, all of it on the disk when this returns.

        Raises: IncompleteRecordError: an update, an epoch or a split is missing.
        """
        gap = self.gap(self.plan.total if self.plan else 0)
        if gap is not None:
            raise IncompleteRecordError(f"{gap}: give the command again to record it anew")
        expected = self._expected(self.plan.total if self.plan else 0)
        epochs = {epoch: {each.name for each in due} for epoch, due in expected.items()}
        for each in self.data.evaluated:
            tables = [pq.read_table(self._part(each, epoch)) for epoch, due in epochs.items() if each.name in due]
            with replacing(self.final / f"{each.name}.parquet") as partial:
                pq.write_table(pa.concat_tables(tables), partial)
        self.make_durable()
        sync(*self.final.iterdir(), self.final)

    def _due(self, epoch: int, last: bool) -> list[Evaluated]:
        """The splits predicted at the end of an epoch."""
        if epoch % self.run.evaluate_every and not last:
            return []
        return [each for each in self.data.evaluated if last or self.run.predicts_each(each.split)]

    def _expected(self, step: int) -> dict[int, list[Evaluated]]:
        """Epochs whose end must have been recorded by update ``step``, with the splits predicted there."""
        if self.plan is None:
            return {} if self.combined_epoch is None else {self.combined_epoch: list(self.data.evaluated)}
        ends = {each: epoch for each in range(1, step + 1) if (epoch := self.plan.reports(each))}
        expected = {epoch: self._due(epoch, each == self.plan.total) for each, epoch in ends.items()}
        return {epoch: due for epoch, due in expected.items() if due}

    def _evaluate(self, each: Evaluated, epoch: int, model: nn.Module) -> dict[str, float]:
        sides = SideAccuracies(each.rows.labels)
        logits = predict(for_task(model, each.head), each.encoded, precision=self.run.precision, observe=sides.observe)
        if self.run.head in HNN_HEADS and not each.rows.hidden:
            self.sides[each.name] = sides.shares
        return self._keep(each, epoch, logits)

    def _keep(self, each: Evaluated, epoch: int, logits: np.ndarray) -> dict[str, float]:
        logits, regression = each.own_classes(logits), isinstance(each.task.head, Regression)
        predictions = logits[:, 0].astype(np.float64) if regression else logits.argmax(1)
        path = self._part(each, epoch)
        with replacing(path) as partial:
            pq.write_table(_prediction_table(each.rows, epoch, predictions, logits), partial)
        self._unsynced.append(path)
        if each.rows.hidden:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scores.Degenerate)  # constant predictions are shown by the analysis
            return score_all(each.task, each.rows.labels, predictions)

    def _append(self, rows: list[dict[str, Any]]) -> None:
        with self.history.open("a") as stream:
            stream.writelines(json.dumps(_rounded(row)) + "\n" for row in rows)

    def _part(self, each: Evaluated, epoch: int) -> Path:
        return self.parts / f"{each.name}.{epoch}.parquet"

    def _rows(self) -> list[dict[str, Any]]:
        """The history's lines that are whole."""
        lines = self.history.read_bytes().splitlines() if self.history.exists() else []
        return [row for row in map(_row, lines) if row is not None]

    def _forget_after(self, step: int) -> None:
        """Drop what an earlier attempt recorded beyond its checkpoint: it will be recorded again, identically.

        Notes of starting anew stay.
        """
        if not self.history.exists():
            return
        kept = [row for row in self._rows() if row.get("event") == "restart" or 0 < row["step"] <= step]
        write_durably(self.history, "".join(json.dumps(row) + "\n" for row in kept))
        epochs = {row["epoch"] for row in kept if row.get("event") == "epoch"}
        for path in self.parts.iterdir():
            if _epoch_of(path) not in epochs:
                path.unlink()


def _prediction_table(rows: Split, epoch: int, predictions: np.ndarray, logits: np.ndarray) -> pa.Table:
    columns: dict[str, Any] = {
        "id": rows.ids,
        "epoch": np.full(len(rows), epoch, dtype=np.int32),
        "label": rows.labels,
        "prediction": predictions,
    }
    columns |= {f"logit_{i}": logits[:, i].astype(np.float32) for i in range(logits.shape[1])}
    if "group" in rows.extra:
        columns["group"] = rows.extra["group"].tolist()
    if rows.votes is not None:
        columns |= {f"votes_{i}": rows.votes[:, i].astype(np.int16) for i in range(rows.votes.shape[1])}
    return pa.table(columns)


def _epoch_of(path: Path) -> int:
    return int(path.name.split(".")[-2])


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.7g}") if isinstance(value, float) else value for name, value in row.items()}


def _row(line: bytes) -> dict[str, Any] | None:
    """A line of the history; None if it is cut short or damaged."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(row, dict) and isinstance(row.get("step"), int)
    return row if whole and (row.get("event") != "epoch" or isinstance(row.get("epoch"), int)) else None


def _holds(path: Path, rows: int) -> bool:
    """Whether a file of predictions is there, whole, with so many rows."""
    try:
        return bool(pq.read_table(path).num_rows == rows)
    except (OSError, pa.ArrowException):
        return False
