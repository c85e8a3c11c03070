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
from benchmarks.tasks import Regression, Split
from benchmarks.training.prepared import Evaluated, Prepared
from smart_repro.evaluation import predict
from smart_repro.models import for_task
from smart_repro.train import Observer

Report = Callable[[dict[str, Any]], None]


class Recorder(Observer):
    """Writes history and predictions as training goes, so that an interrupted run keeps them."""

    def __init__(self, folder: Path, data: Prepared, report: Report, run: RunSpec) -> None:
        self.history = folder / "history.jsonl"
        self.parts = folder / "epochs"
        self.final = folder / "predictions"
        self.data, self.report, self.run = data, report, run
        self.scores: dict[str, Any] = {}
        self.updates = self.predictions = 0  # of this attempt
        self.step = 0
        self.evaluation_seconds = 0.0
        for path in (self.parts, self.final):
            path.mkdir(exist_ok=True)
        if not (folder / "checkpoint.pt").exists():
            self._forget_after(0)

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.step = int(rows[-1]["step"]) if rows else self.step
        self.updates += len(rows)
        self._append(rows)
        self.report({"step": self.step, "total": total})

    def resumed(self, step: int) -> None:
        self._forget_after(step)
        self._append([{"event": "resume", "step": step}])
        self.step = step

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        if epoch % self.run.evaluate_every and not last:
            return
        due = [each for each in self.data.evaluated if last or self.run.predicts_each(each.split)]
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
        for each in self.data.evaluated:
            self.scores.setdefault(each.task.name, {})[each.split] = self._keep(each, epoch, logits[each.name])
        self._append([{"event": "epoch", "epoch": epoch, "step": 0, "scores": self.scores}])

    def finish(self) -> None:
        """Join the epochs' predictions into one file per split."""
        for each in self.data.evaluated:
            files = sorted(self.parts.glob(f"{each.name}.*.parquet"), key=_epoch_of)
            pq.write_table(
                pa.concat_tables([pq.read_table(path) for path in files]), self.final / f"{each.name}.parquet"
            )

    def _evaluate(self, each: Evaluated, epoch: int, model: nn.Module) -> dict[str, float]:
        return self._keep(each, epoch, predict(for_task(model, each.head), each.encoded, precision=self.run.precision))

    def _keep(self, each: Evaluated, epoch: int, logits: np.ndarray) -> dict[str, float]:
        logits, regression = each.own_classes(logits), isinstance(each.task.head, Regression)
        predictions = logits[:, 0].astype(np.float64) if regression else logits.argmax(1)
        pq.write_table(
            _prediction_table(each.rows, epoch, predictions, logits), self.parts / f"{each.name}.{epoch}.parquet"
        )
        if each.rows.hidden:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scores.Degenerate)  # constant predictions are shown by the analysis
            return {metric: float(scores.score(metric, each.rows.labels, predictions)) for metric in each.task.metrics}

    def _append(self, rows: list[dict[str, Any]]) -> None:
        with self.history.open("a") as stream:
            stream.writelines(json.dumps(_rounded(row)) + "\n" for row in rows)

    def _forget_after(self, step: int) -> None:
        """Drop what an earlier attempt recorded beyond its checkpoint: it will be recorded again, identically."""
        if not self.history.exists():
            return
        lines = [line for line in self.history.read_text().splitlines() if _is_whole(line)]
        kept = [line for line in lines if json.loads(line)["step"] <= step] if step else []
        self.history.write_text("".join(line + "\n" for line in kept))
        epochs = {json.loads(line)["epoch"] for line in kept if json.loads(line).get("event") == "epoch"}
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
    if rows.votes is not None:
        columns |= {f"votes_{i}": rows.votes[:, i].astype(np.int16) for i in range(rows.votes.shape[1])}
    return pa.table(columns)


def _epoch_of(path: Path) -> int:
    return int(path.name.split(".")[-2])


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.7g}") if isinstance(value, float) else value for name, value in row.items()}


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
