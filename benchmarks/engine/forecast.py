"""How long runs take and what they need, from runs that were done on this machine or a few updates that were timed.

``results/timings.jsonl`` has one line per finished or timed run. It is a memory, not a result: it may be deleted.
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
_ON_SPEED = (
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
# Copies of the weights in checkpoints: themselves, Adam's two moments, perhaps a teacher; the old one stays until the
# new one is whole
_CHECKPOINTS = 2 * 4
_ACTIVATIONS = 80  # bytes kept per token, hidden unit and layer for the backward pass
# Seconds of one CPU core, measured with MiniLM in float32 on texts of 12 to 256 tokens: constant and slope per token of
# a forward pass over 16 texts while training, and of predicting one text. Other models: by their parameters.
_FORWARD, _PREDICTED = (0.045, 0.0047), (0.0029, 0.00024)
_MEASURED_BATCH, _MEASURED_MODEL = 16, "minilm"
_ROW, _LINE, _RUN = 12.0, 260.0, 6000.0  # bytes on disk per predicted example, per update's history, per run


@dataclass(frozen=True)
class Timing:
    """What runs of one kind take: seconds for preparation, an update and a predicted example; bytes of memory."""

    preparation: float
    update: float
    prediction: float
    memory: float

    def seconds(self, updates: int, predictions: int) -> float:
        """Of a whole run."""
        return self.preparation + updates * self.update + predictions * self.prediction


@dataclass(frozen=True)
class Forecast:
    """What the runs to do will take.

    Attributes:
        seconds: until all are done; None if nothing is known about some of them.
        training_hours, prediction_hours: of one core, all runs together; of runs whose kind was not timed here by
            :func:`core_seconds`, which the field ``unknown`` shows.
        unknown: methods and tasks nothing is known about.
        disk: bytes in the results folder, with the checkpoints of the runs at work.
        memory: bytes per worker.
        workers: runs at a time.
    """

    seconds: float | None
    unknown: tuple[str, ...]
    disk: float
    memory: float
    workers: int
    training_hours: float = 0.0
    prediction_hours: float = 0.0


@dataclass
class Timings:
    """What is known about the speed of runs on this machine: kind of run -> method -> what was seen."""

    _known: dict[str, dict[str, list[dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @classmethod
    def read(cls, store: Store) -> Timings:
        """All lines of this machine; one that was cut off by a kill, or has other fields, is passed over."""
        found, here = cls(), _machine()
        path = store.root / "timings.jsonl"
        for line in read_timings(path):
            if line["machine"] == here:
                found._known[line["kind"]][line["method"]].append(line)
        return found

    def of(self, run: RunSpec) -> Timing | None:
        """By finished runs of this kind, else by timed updates, else by another method's and the ratio of costs."""
        seen = self._known.get(_kind(run), {})
        own = seen.get(run.choice.label)
        if own:
            return _mean(own)
        if not seen:
            return None
        other = max(seen.values(), key=len)
        like, ratio = _mean(other), cost(run) / other[-1]["cost"]
        return Timing(like.preparation, like.update * ratio, like.prediction, like.memory)


def forecast(plan: Plan, jobs: Iterable[Job], timings: Timings, workers: int) -> Forecast:
    """Return what these jobs of a plan will take with so many workers."""
    total, longest, disk, memory, checkpoint = 0.0, 0.0, 0.0, 0.0, 0.0
    hours = np.zeros(2)  # of training, of predictions
    unknown: dict[str, None] = {}
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
            unknown[f"{job.spec.choice.label} on {'+'.join(job.spec.tasks)}"] = None
            hours += np.array(core_seconds(plan, job)) / 3600
            continue
        seconds, predicting = timing.seconds(updates, predictions), predictions * timing.prediction
        hours += np.array([seconds - predicting, predicting]) / 3600
        total, longest = total + seconds, max(longest, seconds)
    workers = max(1, workers)
    disk += workers * checkpoint
    seconds = STARTUP + max(total / workers, longest) if total else 0.0
    return Forecast(None if unknown else seconds, tuple(unknown), disk, memory, workers, *map(float, hours))


def core_seconds(plan: Plan, job: Job) -> tuple[float, float]:
    """Return the seconds of one CPU core that a run's training and its predictions take, by rule of thumb."""
    run = job.spec
    tokens = min(run.max_length, float(np.mean([tokens_of(TASKS[task]) for task in run.tasks])))
    size = million_parameters(run.model) / million_parameters(_MEASURED_MODEL)
    forward, predicted = (size * (constant + slope * tokens) for constant, slope in (_FORWARD, _PREDICTED))
    batches = run.batch_size / _MEASURED_BATCH
    return plan.forward_passes(job.key) * batches * forward, plan.predictions[job.key] * predicted


def record(store: Store, job: Job, outcome: Outcome) -> None:
    """Remember what a run took, or what timing a few of its updates gave."""
    found = outcome.timing
    if not found or not found["updates"] or not found["predictions"]:
        return
    timing = Timing(
        preparation=found["preparation"],
        update=found["training"] / found["updates"],
        prediction=found["evaluation"] / found["predictions"],
        memory=found["memory"],
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
    """One job of each kind and method that was not seen on this machine."""
    chosen: dict[tuple[str, str], Job] = {}
    for job in jobs:
        kind, method = _kind(job.spec), job.spec.choice.label
        if not job.spec.combine and method not in timings._known.get(kind, {}):
            chosen.setdefault((kind, method), job)
    return list(chosen.values())


def expected_memory(run: RunSpec) -> float:
    """Bytes a worker will need, by the size of the model: a guess until one was seen."""
    size, hidden, layers = _size(run.model)
    micro = -(-run.batch_size // run.accumulation)
    return _LIBRARIES + _STATES * size + _ACTIVATIONS * micro * run.max_length * hidden * (run.layers or layers)


# --- timing ---


# --- small helpers ---


def _kind(run: RunSpec) -> str:
    """What runs of about equal speed have in common, beside the method."""
    return json.dumps([run.combine, *(getattr(run, name) for name in _ON_SPEED), *run.with_tasks])


def _mean(lines: list[dict[str, Any]]) -> Timing:
    """Of the newest finished runs; of timed updates only as long as no run is finished."""
    chosen = ([line for line in lines if line["done"]] or lines)[-_RECENT:]
    return Timing(*(float(np.mean([line[f.name] for line in chosen])) for f in fields(Timing)))


@lru_cache
def _machine() -> str:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return f"{platform.node()} {platform.machine()} {gpu}".strip()


@lru_cache
def _size(model: str) -> tuple[float, int, int]:
    """Bytes of the weights, width and layers."""
    folder = models.resolve(model).folder
    config = json.loads((folder / "config.json").read_text())
    size = float(sum(path.stat().st_size for path in folder.glob("*.safetensors")))
    return size, int(config.get("hidden_size", config.get("dim", 0))), int(config.get("num_hidden_layers", 0))


def _weights_on_disk(job: Job) -> float:
    return _size(job.spec.model)[0] if job.keep_weights else 0.0
