"""The recording of history and predictions during training, so that an interrupted run keeps them."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
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
from smart_repro.train import NonFiniteLossError, Observer, Plan

Report = Callable[[dict[str, Any]], None]


class IncompleteRecordError(RuntimeError):
    """A run that trained to its end, but whose history or predictions are incomplete on the disk."""


class Recorder(Observer):
    """Observer that writes history and predictions during training, so that an interrupted run keeps them."""

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
        self._unsynced: list[Path] = []  # predictions that a power cut could still lose
        self._digests = _Digests()
        shutil.rmtree(self.final, ignore_errors=True)  # of an attempt that was recorded, and damaged since
        for path in (self.parts, self.final):
            path.mkdir(exist_ok=True)
        if not (folder / "checkpoint.pt").exists():
            self._forget_after(0)

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        """Append the rows of the latest updates to the history and report the progress."""
        self.step = int(rows[-1]["step"]) if rows else self.step
        self.updates += len(rows)
        self._append(rows)
        self.report({"step": self.step, "total": total})

    def started(self, plan: Plan) -> None:
        """Store the plan of the training that begins."""
        self.plan = plan

    def gap(self, step: int) -> str | None:
        """Return the first missing part of the record up to update ``step``, as a message; None if it is complete."""
        rows = self._rows()
        updates = [row["step"] for row in rows if "event" not in row and row["step"] <= step]
        if updates != list(range(1, step + 1)):
            return f"the history holds {len(updates)} of the {step} updates before the checkpoint"
        logged = {row["epoch"] for row in rows if row.get("event") == "epoch"}
        for epoch, due in self._expected(step).items():
            if epoch not in logged:
                return f"the history lacks epoch {epoch}, which ended before the checkpoint"
            for evaluated in due:
                if not _holds(self._part(evaluated, epoch), len(evaluated.rows)):
                    return f"the predictions {self._part(evaluated, epoch).name} are missing or damaged"
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the digests of the history and of the predictions, as they were written."""
        return {"history": self._digests.history(), "epochs": dict(self._digests.epochs)}

    def damage(self, state: Mapping[str, Any]) -> str | None:
        """Return the first part of the record that differs from its digest, as a message; None if there is none.

        The history may have more lines than it had when the digest was taken.
        """
        lines = self.history.read_bytes().splitlines() if self.history.exists() else []
        history = state.get("history")
        if history and _Digests(lines[: history["lines"]]).history() != history:
            return "the history before the checkpoint is not what was written"
        for name, digest in state.get("epochs", {}).items():
            if _digest_of(self.parts / name) != digest:
                return f"the predictions {name} are not what was written"
        return None

    def restarted(self, reason: str) -> None:
        """Drop the record of an attempt that cannot be continued, and note the reason in the history."""
        self._forget_after(0)
        self._append([{"event": "restart", "step": 0, "reason": reason}])
        self.make_durable()

    def make_durable(self) -> None:
        """Make history and predictions durable on the disk, before a checkpoint that relies on them."""
        sync(*(path for path in (self.history, *self._unsynced) if path.exists()), self.parts, self.parts.parent)
        self._unsynced.clear()

    def resumed(self, step: int) -> None:
        """Drop records after the checkpoint's update ``step`` and note the resumption."""
        self._forget_after(step)
        self._append([{"event": "resume", "step": step}])
        self.step = step

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        """Predict and score the splits due at the end of an epoch."""
        due = self._due(epoch, last)
        if not due:
            return
        began = time.perf_counter()
        evaluation: dict[str, Any] = {}
        for evaluated in due:
            evaluation.setdefault(evaluated.task.name, {})[evaluated.split] = self._evaluate(evaluated, epoch, model)
        self.scores = evaluation
        self._append([{"event": "epoch", "epoch": epoch, "step": step, "scores": evaluation}])
        self.predictions += sum(len(evaluated.rows) for evaluated in due)
        self.evaluation_seconds += time.perf_counter() - began

    def combined(self, epoch: int, logits: Mapping[str, np.ndarray]) -> None:
        """Record the predictions of a run that trains nothing, split -> logits, under its parents' last epoch."""
        self.combined_epoch = epoch
        for evaluated in self.data.evaluated:
            self.scores.setdefault(evaluated.task.name, {})[evaluated.split] = self._keep(
                evaluated, epoch, logits[evaluated.name]
            )
        self._append([{"event": "epoch", "epoch": epoch, "step": 0, "scores": self.scores}])

    def finish(self) -> None:
        """Join the epochs' predictions into one file per split, durable on the disk when this returns.

        Raises: IncompleteRecordError: an update, an epoch or a split is missing.
        """
        gap = self.gap(self.plan.total if self.plan else 0) or self.damage(self.state_dict())
        if gap is not None:
            raise IncompleteRecordError(f"{gap}: give the command again to record it anew")
        expected = self._expected(self.plan.total if self.plan else 0)
        epochs = {epoch: {evaluated.name for evaluated in due} for epoch, due in expected.items()}
        for evaluated in self.data.evaluated:
            tables = [
                pq.read_table(self._part(evaluated, epoch)) for epoch, due in epochs.items() if evaluated.name in due
            ]
            with replacing(self.final / f"{evaluated.name}.parquet") as partial:
                pq.write_table(pa.concat_tables(tables), partial)
        self.make_durable()
        sync(*self.final.iterdir(), self.final)

    def _due(self, epoch: int, last: bool) -> list[Evaluated]:
        """Return the splits predicted at the end of an epoch."""
        if epoch % self.run.evaluate_every and not last:
            return []
        return [evaluated for evaluated in self.data.evaluated if last or self.run.predicts_each(evaluated.split)]

    def _expected(self, step: int) -> dict[int, list[Evaluated]]:
        """Return the epochs that must have been recorded by update ``step``, with the splits predicted there."""
        if self.plan is None:
            return {} if self.combined_epoch is None else {self.combined_epoch: list(self.data.evaluated)}
        ends = {update: epoch for update in range(1, step + 1) if (epoch := self.plan.reports(update))}
        expected = {epoch: self._due(epoch, update == self.plan.total) for update, epoch in ends.items()}
        return {epoch: due for epoch, due in expected.items() if due}

    def _evaluate(self, evaluated: Evaluated, epoch: int, model: nn.Module) -> dict[str, float]:
        sides = SideAccuracies(evaluated.rows.labels)
        logits = predict(
            for_task(model, evaluated.head), evaluated.encoded, precision=self.run.precision, observe=sides.observe
        )
        if self.run.head in HNN_HEADS and not evaluated.rows.hidden:
            self.sides[evaluated.name] = sides.shares
        return self._keep(evaluated, epoch, logits)

    def _keep(self, evaluated: Evaluated, epoch: int, logits: np.ndarray) -> dict[str, float]:
        """Write the predictions of one epoch and return their scores. Raises NonFiniteLossError: a logit is not."""
        if not np.isfinite(logits).all():
            raise NonFiniteLossError(
                f"the logits of {evaluated.name} are not finite after epoch {epoch}: training diverged, or a gradient "
                "of the method was NaN: lower the learning rate, or mend the method"
            )
        logits, regression = evaluated.own_classes(logits), isinstance(evaluated.task.head, Regression)
        predictions = logits[:, 0].astype(np.float64) if regression else logits.argmax(1)
        path = self._part(evaluated, epoch)
        with replacing(path) as partial:
            pq.write_table(_prediction_table(evaluated.rows, epoch, predictions, logits), partial)
        self._unsynced.append(path)
        self._digests.epochs[path.name] = _digest_of(path)
        if evaluated.rows.hidden:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scores.Degenerate)  # constant predictions are shown by the analysis
            return score_all(evaluated.task, evaluated.rows.labels, predictions)

    def _append(self, rows: list[dict[str, Any]]) -> None:
        lines = [json.dumps(_rounded(row)) for row in rows]
        with self.history.open("a") as stream:
            stream.writelines(f"{line}\n" for line in lines)
        self._digests.add(line.encode() for line in lines)

    def _part(self, evaluated: Evaluated, epoch: int) -> Path:
        return self.parts / f"{evaluated.name}.{epoch}.parquet"

    def _rows(self) -> list[dict[str, Any]]:
        """Return the complete lines of the history."""
        lines = self.history.read_bytes().splitlines() if self.history.exists() else []
        return [row for row in map(_row, lines) if row is not None]

    def _forget_after(self, step: int) -> None:
        """Drop records beyond the checkpoint of an earlier attempt: they will be recorded again, identically.

        Notes of restarts stay.
        """
        self._digests = _Digests()
        if not self.history.exists():
            return
        remaining_rows = [row for row in self._rows() if row.get("event") == "restart" or 0 < row["step"] <= step]
        lines = [json.dumps(row) for row in remaining_rows]
        write_durably(self.history, "".join(f"{line}\n" for line in lines))
        self._digests.add(line.encode() for line in lines)
        epochs = {row["epoch"] for row in remaining_rows if row.get("event") == "epoch"}
        for path in self.parts.iterdir():
            if _epoch_of(path) in epochs:
                self._digests.epochs[path.name] = _digest_of(path)
            else:
                path.unlink()


class _Digests:
    """Digests of a record as it was written, which damage on the disk does not change.

    Attributes:
        epochs: name of a file of predictions -> sha256 of its bytes.
    """

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self.epochs: dict[str, str] = {}
        self._count, self._digest = 0, sha256()
        self.add(lines)

    def add(self, lines: Iterable[bytes]) -> None:
        """Add lines of the history; the line ends do not count, because a cut of the last one is no loss."""
        for line in lines:
            self._count += 1
            self._digest.update(line + b"\n")

    def history(self) -> dict[str, Any]:
        """Return number and sha256 of the history's lines."""
        return {"lines": self._count, "sha256": self._digest.hexdigest()}


def _digest_of(path: Path) -> str:
    """Return the sha256 of a file; "" if it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


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
    """Parse a line of the history; None if it is cut short or damaged."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    is_whole = isinstance(row, dict) and isinstance(row.get("step"), int)
    return row if is_whole and (row.get("event") != "epoch" or isinstance(row.get("epoch"), int)) else None


def _holds(path: Path, rows: int) -> bool:
    """Return whether a predictions file is complete and has ``rows`` rows."""
    try:
        return bool(pq.read_table(path).num_rows == rows)
    except (OSError, pa.ArrowException):
        return False
