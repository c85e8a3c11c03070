"""The composition root: one spec becomes model, data, method and training, and ends as one run folder."""

from __future__ import annotations

import json
import platform
import subprocess
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

import smart_repro
from analysis import scores
from benchmarks import models, spec
from benchmarks.errors import DataError, UsageError
from benchmarks.leases import LeaseLostError
from benchmarks.spec import Identity, RunSpec
from benchmarks.store import Store, write_json
from benchmarks.tasks import TASKS, Regression, Split, Task
from benchmarks.tasks.sources import Source, load_split
from benchmarks.tasks.subsample import holdout, subsample
from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded, encode
from smart_repro.evaluation import predict
from smart_repro.methods import METHODS, build
from smart_repro.models import load
from smart_repro.train import Interrupted, MissingSignalError, NonFiniteLossError, Observer, TrainConfig, train

SCHEMA = 1
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """A run to be done: what, under which key, and where its data are (which does not enter the key)."""

    key: str
    spec: RunSpec
    source: Source

    def to_json(self) -> dict[str, Any]:
        files = {f"{task}:{split}": str(path) for (task, split), path in self.source.data_files.items()}
        source = {"kind": self.source.kind, "data_dir": str(self.source.data_dir or ""), "data_files": files}
        return {"key": self.key, "spec": self.spec.to_json(), "source": source}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        source = data["source"]
        files = {tuple(name.split(":", 1)): Path(path) for name, path in source["data_files"].items()}
        folder = Path(source["data_dir"]) if source["data_dir"] else None
        return cls(data["key"], RunSpec.from_json(data["spec"]), Source(source["kind"], folder, files))


@dataclass(frozen=True)
class Outcome:
    """How a job ended: done, skipped (somebody else has or had it), failed or interrupted."""

    key: str
    state: str
    message: str = ""
    scores: Mapping[str, Any] | None = None
    seconds: float = 0.0


def identity(run: RunSpec, source: Source) -> Identity:
    """What the run depends on beside its spec. Reads the data and hashes the weights, once per process."""
    read = {(run.task, "train"), *(place for place in places(run) if place[1] != "holdout")}
    return Identity(
        data={f"{task}.{split}": split_of(task, split, source).fingerprint for task, split in sorted(read)},
        weights=models.resolve(run.model).weights,
        task_version=TASKS[run.task].version,
        method_version=METHODS[run.method].version,
    )


def make_job(run: RunSpec, source: Source) -> Job:
    """The job for a spec. Raises UsageError or DataError if the model or the data are not there."""
    return Job(spec.run_key(run, identity(run, source)), run, source)


def places(run: RunSpec) -> list[tuple[str, str]]:
    """Task and split of everything the run predicts; ``"mnli-mm:dev"`` is another task's split."""
    named = [entry.rpartition(":") for entry in run.predict]
    return [(task or run.task, split) for task, _, split in named]


def split_of(task: str, split: str, source: Source) -> Split:
    """A split, read once per process."""
    return _cached_split(task, split, source.kind, source.data_dir, tuple(sorted(source.data_files.items())))


@lru_cache(maxsize=16)
def _cached_split(task: str, split: str, kind: str, folder: Path | None, files: Any) -> Split:
    loaded = load_split(TASKS[task], split, Source(kind, folder, dict(files)))
    if len(loaded) == 0:
        raise DataError(f"{task}: the {split} split is empty ({', '.join(loaded.sources) or 'generated'})")
    return loaded


# --- one run ---


def execute(
    job: Job,
    store: Store,
    *,
    report: Report = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = 60.0,
    checkpoint_steps: int = 0,
) -> Outcome:
    """Do one run, or find that it is done. What goes wrong is recorded in the store and returned, not raised.

    Args:
        report: receives progress as dictionaries (``{"step": .., "total": ..}``).
        should_stop: asked after every update; True ends the run with a checkpoint.
    """
    if store.is_done(job.key):
        return Outcome(job.key, "skipped", "already done")
    lease = store.take(job.key)
    if lease is None:
        return Outcome(job.key, "skipped", "someone else works on it")
    started = time.perf_counter()
    try:
        attempt = store.attempt(lease)
        checkpoint = Checkpoint(attempt / "checkpoint.pt", checkpoint_steps, checkpoint_seconds, lease.check)
        found = _train_and_record(job, attempt, checkpoint, report, should_stop)
        checkpoint.path.unlink(missing_ok=True)
        store.publish(lease, attempt)
    except Interrupted as stopped:
        lease.release()
        return Outcome(job.key, "interrupted", str(stopped))
    except LeaseLostError as lost:
        return Outcome(job.key, "skipped", str(lost))
    except Exception as error:
        kind = _failure_kind(error)
        message = f"{type(error).__name__}: {error}"
        store.fail(lease, kind, message, task=job.spec.title, traceback=traceback.format_exc())
        return Outcome(job.key, "failed", message)
    return Outcome(job.key, "done", scores=found, seconds=time.perf_counter() - started)


def _failure_kind(error: Exception) -> str:
    """Crashes are tried again by the next ``run``; what would fail in the same way is not."""
    kinds = {
        NonFiniteLossError: "non-finite",
        MissingSignalError: "no-signal",
        UsageError: "data",
        ValueError: "refused",
    }
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "crash")


def _train_and_record(job: Job, folder: Path, checkpoint: Checkpoint, report: Report,
                      should_stop: Callable[[], bool]) -> dict[str, Any]:  # fmt: skip
    run, began = job.spec, time.perf_counter()
    torch.set_num_threads(run.threads)
    data = prepare(run, job.source)
    seeds = run.seeds()
    files = models.resolve(run.model)
    model = load(
        files.folder,
        num_labels=TASKS[run.task].head.num_outputs,
        head=run.head,
        layers=run.layers,
        dropout=run.dropout,
        head_dropout=run.head_dropout,
        random_weights=run.random_weights,
        seed=seeds["seed_init"],
    )
    write_json(folder / "spec.json", _describe(job, data))
    write_json(folder / "environment.json", environment(run))
    recorder = Recorder(folder, data, report, run.precision)
    config = train_config(run)
    method = build(run.method, **dict(run.options))
    train(model, method, data.train, config, observer=recorder, checkpoint=checkpoint, should_stop=should_stop)
    recorder.finish()
    result = {
        "schema": SCHEMA,
        "key": job.key,
        "scores": recorder.scores,
        "seconds": time.perf_counter() - began,
        "evaluation_seconds": recorder.evaluation_seconds,
        "steps": recorder.step,
        "source": job.source.kind if not TASKS[run.task].generated else "generated",
    }
    write_json(folder / "result.json", result)
    return recorder.scores


def train_config(run: RunSpec) -> TrainConfig:
    """What the training loop takes from a spec."""
    settings: dict[str, Any] = {f.name: getattr(run, f.name) for f in fields(TrainConfig)}
    return TrainConfig(**{**settings, **{name: seed for name, seed in run.seeds().items() if name in settings}})


# --- data ---


@dataclass(frozen=True)
class Evaluated:
    """A split the run predicts."""

    task: Task
    split: str
    rows: Split
    encoded: Encoded

    @property
    def name(self) -> str:
        return f"{self.task.name}.{self.split}"


@dataclass(frozen=True)
class Prepared:
    """What a run reads: the training set after subsampling and holdout, and every split it predicts."""

    train: Encoded
    evaluated: list[Evaluated]
    sources: list[str]
    notes: list[str]


def prepare(run: RunSpec, source: Source) -> Prepared:
    """Read, subsample, keep a holdout aside, tokenise. Example numbers are rows of the whole training set."""
    seed = run.seeds()["seed_subsample"]
    whole = split_of(run.task, "train", source)
    rows = np.arange(len(whole)) if run.max_train_samples is None else subsample(whole, run.max_train_samples, seed)
    kept, aside = holdout(whole, rows, run.holdout, seed)
    numbers = {(run.task, "train"): kept, (run.task, "holdout"): aside}
    own = {place: whole.take(chosen) for place, chosen in numbers.items()}
    tokenizer = models.tokenizer(run.model)

    def encoded(place: tuple[str, str], split: Split) -> Encoded:
        return encode(tokenizer, split.texts, split.labels, run.max_length, numbers.get(place))

    found = {place: own[place] if place in own else split_of(*place, source) for place in places(run)}
    evaluated = [
        Evaluated(TASKS[task], split, read, encoded((task, split), read))
        for (task, split), read in found.items()
        if len(read)
    ]
    read_from = [whole, *found.values()]
    return Prepared(
        encoded((run.task, "train"), own[run.task, "train"]),
        evaluated,
        sources=sorted({path for split in read_from for path in split.sources}),
        notes=sorted({note for split in read_from for note in split.notes}),
    )


def _describe(job: Job, data: Prepared) -> dict[str, Any]:
    run, task, files = job.spec, TASKS[job.spec.task], models.resolve(job.spec.model)
    method = METHODS[run.method]
    found = identity(run, job.source)
    return {
        "schema": SCHEMA,
        "key": job.key,
        "spec": {**run.to_json(), "method_config": asdict(build(run.method, **dict(run.options)).config)},
        "fingerprints": {"data": dict(found.data), "weights": found.weights},
        "task": {
            "title": task.title,
            "kind": "regression" if isinstance(task.head, Regression) else "classification",
            "labels": None if isinstance(task.head, Regression) else list(task.head.labels),
            "metrics": list(task.metrics),
            "generated": task.generated,
            "ceiling": dict(task.ceiling),
            "version": task.version,
        },
        "data": {
            "sources": data.sources,
            "notes": data.notes,
            "rows": {"train": len(data.train), **{each.name: len(each.rows) for each in data.evaluated}},
        },
        "model": {"name": files.name, "contaminated": files.contaminated, "revision": files.revision},
        "method": {"paper": method.paper, "version": method.version,
                   "cost": method.cost(build(run.method, **dict(run.options)).config)},
    }  # fmt: skip


def environment(run: RunSpec) -> dict[str, Any]:
    """Versions, code and device a run was made with."""
    import accelerate
    import transformers

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        "smart_repro": smart_repro.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "numpy": np.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "device_name": device,
        "threads": run.threads,
    }


@lru_cache
def _commit() -> str:
    """The commit of this checkout, marked if files differ from it; empty for an installed package."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if not (here.parent / ".git").exists():
        return ""
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip()


# --- what is written while training ---


class Recorder(Observer):
    """Writes history and predictions as training goes, so that an interrupted run keeps them."""

    def __init__(self, folder: Path, data: Prepared, report: Report, precision: str) -> None:
        self.history = folder / "history.jsonl"
        self.parts = folder / "epochs"
        self.final = folder / "predictions"
        self.data, self.report, self.precision = data, report, precision
        self.scores: dict[str, Any] = {}
        self.step = 0
        self.evaluation_seconds = 0.0
        for path in (self.parts, self.final):
            path.mkdir(exist_ok=True)
        if not (folder / "checkpoint.pt").exists():
            self._forget_after(0)

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.step = int(rows[-1]["step"]) if rows else self.step
        self._append(rows)
        self.report({"step": self.step, "total": total})

    def resumed(self, step: int) -> None:
        self._forget_after(step)
        self._append([{"event": "resume", "step": step}])
        self.step = step

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        began = time.perf_counter()
        found: dict[str, Any] = {}
        for each in self.data.evaluated:
            if each.split != "train" or last:  # the training set's own score is wanted once
                found.setdefault(each.task.name, {})[each.split] = self._evaluate(each, epoch, model)
        self.scores = found
        self._append([{"event": "epoch", "epoch": epoch, "step": step, "scores": found}])
        self.evaluation_seconds += time.perf_counter() - began

    def finish(self) -> None:
        """Join the epochs' predictions into one file per split."""
        for each in self.data.evaluated:
            files = sorted(self.parts.glob(f"{each.name}.*.parquet"), key=_epoch_of)
            pq.write_table(
                pa.concat_tables([pq.read_table(path) for path in files]), self.final / f"{each.name}.parquet"
            )
        for path in self.parts.iterdir():
            path.unlink()
        self.parts.rmdir()

    def _evaluate(self, each: Evaluated, epoch: int, model: nn.Module) -> dict[str, float]:
        logits = predict(model, each.encoded, precision=self.precision)
        regression = isinstance(each.task.head, Regression)
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
