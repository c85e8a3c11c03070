"""Forecast of the runs' times and memory, from finished runs of this machine or a few timed updates.

``results/timings.jsonl`` has one line per finished or timed run. It is no result and may be deleted.
"""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.records import read_timings
from benchmarks.experiments.planning.cost import million_parameters, tokens_of
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.training import models
from benchmarks.training.cost import cost

if TYPE_CHECKING:
    from benchmarks.engine.plan import Plan
    from benchmarks.training.job import Job, Outcome

STARTUP = 6.0  # seconds a worker takes to load its libraries
_RECENT = 20  # runs of one kind that are averaged
_SPEED_FIELDS = (
    "task",
    "model",
    "head",
    "layers",
    "max_length",
    "max_train_samples",
    "batch_size",
    "accumulation",
    "precision",
    "threads",
    "holdout",
    "predict",
    "predict_each",
)
_LIBRARIES = 0.7 * 2**30  # bytes a worker takes before it has a model
_STATES = 5  # copies of the weights: themselves, gradients, Adam's two moments, perhaps a teacher
# Copies of the weights in checkpoints: themselves, Adam's two moments, perhaps a teacher; the old checkpoint is kept
# until the new one is complete
_CHECKPOINTS = 2 * 4
_ACTIVATIONS = 80  # bytes kept per token, hidden unit and layer for the backward pass
# Seconds of one CPU core, measured with MiniLM in float32 on texts of 12 to 256 tokens: constant and slope per token of
# a forward pass over 16 texts while training, and of predicting one text. Other models: by their parameters.
_FORWARD, _PREDICTED = (0.045, 0.0047), (0.0029, 0.00024)
_MEASURED_BATCH, _MEASURED_MODEL = 16, "minilm"
_ROW, _LINE, _RUN = 12.0, 260.0, 6000.0  # bytes on disk per predicted example, per update's history, per run


@dataclass(frozen=True)
class Timing:
    """The costs of runs of one kind: seconds for preparation, an update and a predicted example; bytes of memory."""

    preparation: float
    update: float
    prediction: float
    memory: float

    def seconds(self, updates: int, predictions: int) -> float:
        """Return the seconds of a whole run."""
        return self.preparation + updates * self.update + predictions * self.prediction


@dataclass(frozen=True)
class Forecast:
    """The expected costs of the runs to do.

    Attributes:
        seconds: time until all runs are done; None if some of them have no timing.
        training_hours, prediction_hours: hours of one core for all runs; for ``untimed`` ones by :func:`core_seconds`.
        untimed: methods and tasks without a timing on this machine.
        disk: bytes in the results folder, with the checkpoints of the runs at work.
        memory: bytes per worker.
        workers: runs at a time.
    """

    seconds: float | None
    untimed: tuple[str, ...]
    disk: float
    memory: float
    workers: int
    training_hours: float = 0.0
    prediction_hours: float = 0.0


@dataclass
class Timings:
    """The measured costs of runs on this machine: kind of run -> method -> lines of ``timings.jsonl``."""

    lines: dict[str, dict[str, list[dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @classmethod
    def read(cls, store: Store) -> Timings:
        """Read all lines of this machine; a line that was cut off by a kill, or has other fields, is ignored."""
        timings, machine = cls(), _machine()
        path = store.root / "timings.jsonl"
        for line in read_timings(path):
            if line["machine"] == machine:
                timings.lines[line["kind"]][line["method"]].append(line)
        return timings

    def of(self, run: RunSpec) -> Timing | None:
        """Return a run's timing: from finished runs of its kind, from timed updates, or scaled from another method."""
        by_method = self.lines.get(_kind(run), {})
        lines = by_method.get(run.choice.label)
        if lines:
            return _mean(lines)
        if not by_method:
            return None
        reference_lines = max(by_method.values(), key=len)
        reference, ratio = _mean(reference_lines), cost(run) / reference_lines[-1]["cost"]
        return Timing(reference.preparation, reference.update * ratio, reference.prediction, reference.memory)


def forecast(plan: Plan, jobs: Iterable[Job], timings: Timings, workers: int) -> Forecast:
    """Return the expected costs of these jobs of a plan with so many workers."""
    total, longest, disk, memory, checkpoint = 0.0, 0.0, 0.0, 0.0, 0.0
    hours = np.zeros(2)  # of training, of predictions
    untimed: dict[str, None] = {}
    cached: dict[tuple[str, str], Timing | None] = {}
    for job in jobs:
        updates, predictions = plan.updates[job.key], plan.predictions[job.key]
        kind = (_kind(job.spec), job.spec.choice.label)
        if kind not in cached:
            cached[kind] = timings.of(job.spec)
        timing = cached[kind]
        disk += predictions * _ROW + updates * _LINE + _RUN + _weights_on_disk(job)
        checkpoint = max(checkpoint, 0.0 if job.spec.combine else _CHECKPOINTS * _size(job.spec.model)[0])
        memory = max(memory, timing.memory if timing else expected_memory(job.spec))
        if timing is None:
            untimed[f"{job.spec.choice.label} on {'+'.join(job.spec.tasks)}"] = None
            hours += np.array(core_seconds(plan, job)) / 3600
            continue
        seconds, predicting = timing.seconds(updates, predictions), predictions * timing.prediction
        hours += np.array([seconds - predicting, predicting]) / 3600
        total, longest = total + seconds, max(longest, seconds)
    workers = max(1, workers)
    disk += workers * checkpoint
    seconds = STARTUP + max(total / workers, longest) if total else 0.0
    return Forecast(None if untimed else seconds, tuple(untimed), disk, memory, workers, *map(float, hours))


def core_seconds(plan: Plan, job: Job) -> tuple[float, float]:
    """Return the seconds of one CPU core for a run's training and for its predictions, by rule of thumb."""
    run = job.spec
    tokens = min(run.max_length, float(np.mean([tokens_of(TASKS[task]) for task in run.tasks])))
    size = million_parameters(run.model, run.layers) / million_parameters(_MEASURED_MODEL)
    forward, predicted = (size * (constant + slope * tokens) for constant, slope in (_FORWARD, _PREDICTED))
    batches = run.batch_size / _MEASURED_BATCH
    return plan.forward_passes(job.key) * batches * forward, plan.predictions[job.key] * predicted


def record(store: Store, job: Job, outcome: Outcome) -> None:
    """Append the costs of a finished or timed run to ``timings.jsonl``."""
    costs = outcome.timing
    if not costs or not costs["updates"] or not costs["predictions"]:
        return
    timing = Timing(
        preparation=costs["preparation"],
        update=costs["training"] / costs["updates"],
        prediction=costs["evaluation"] / costs["predictions"],
        memory=costs["memory"],
    )
    line = {
        "machine": _machine(),
        "kind": _kind(job.spec),
        "method": job.spec.choice.label,
        "cost": cost(job.spec),
        "done": outcome.state == "done",
        **asdict(timing),
    }
    descriptor = os.open(store.root / "timings.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())  # one write: lines of two processes do not mix
    finally:
        os.close(descriptor)


def representatives(jobs: Iterable[Job], timings: Timings) -> list[Job]:
    """Return one job of each kind and method without a timing on this machine."""
    first_jobs: dict[tuple[str, str], Job] = {}
    for job in jobs:
        kind, method = _kind(job.spec), job.spec.choice.label
        if not job.spec.combine and method not in timings.lines.get(kind, {}):
            first_jobs.setdefault((kind, method), job)
    return list(first_jobs.values())


def expected_memory(run: RunSpec) -> float:
    """Return the bytes a worker will need, estimated from the size of the model."""
    size, hidden, layers = _size(run.model)
    micro = -(-run.batch_size // run.accumulation)
    return _LIBRARIES + _STATES * size + _ACTIVATIONS * micro * run.max_length * hidden * (run.layers or layers)


# --- small helpers ---


def _kind(run: RunSpec) -> str:
    """Return the fields that decide the speed of a run, except the method, as one string."""
    return json.dumps([run.combine, *(getattr(run, name) for name in _SPEED_FIELDS), *run.with_tasks])


def _mean(lines: list[dict[str, Any]]) -> Timing:
    """Return the mean of the newest finished runs; of timed updates only while no run is finished."""
    newest = ([line for line in lines if line["done"]] or lines)[-_RECENT:]
    return Timing(*(float(np.mean([line[f.name] for line in newest])) for f in fields(Timing)))


@lru_cache
def _machine() -> str:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return f"{platform.node()} {platform.machine()} {gpu}".strip()


@lru_cache
def _size(model: str) -> tuple[float, int, int]:
    """Return the bytes of the weights, the width and the number of layers."""
    folder = models.resolve(model).folder
    config = json.loads((folder / "config.json").read_text())
    size = float(sum(path.stat().st_size for path in folder.glob("*.safetensors")))
    return size, int(config.get("hidden_size", config.get("dim", 0))), int(config.get("num_hidden_layers", 0))


def _weights_on_disk(job: Job) -> float:
    return _size(job.spec.model)[0] if job.keep_weights else 0.0
