"""The composition root: one spec becomes model, data, method and training, and ends as one run folder."""

from __future__ import annotations

import errno
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from analysis.integrity import key_of, seal_of
from analysis.records import SEAL, ResultsError, read_seal
from benchmarks import spec
from benchmarks.definition import Definition
from benchmarks.errors import DataError, UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.files import files_in, sync, write_durably, write_json
from benchmarks.store.leases import Lease, LeaseLostError
from benchmarks.store.store import WEIGHTS, Store
from benchmarks.tasks import TASKS, Regression, Task
from benchmarks.tasks.own import enter
from benchmarks.training import fit, instruments, models, parents
from benchmarks.training.compaction import compact
from benchmarks.training.environment import environment, peak_memory
from benchmarks.training.job import Identities, Job, Outcome, plugin_sources
from benchmarks.training.parents import NotReproducedError
from benchmarks.training.prepared import Prepared, prepare
from benchmarks.training.recorder import Recorder, Report
from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded
from smart_repro.methods import METHODS, Method, build
from smart_repro.models import load, load_multitask
from smart_repro.train import Interrupted, MissingSignalError, NonFiniteLossError, TrainConfig, train

SCHEMA = 1
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk, of a user's share of it, or of a file


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
    """Do one run unless it is done. An error is recorded in the store and returned, not raised.

    Args:
        job: the run.
        store: where it is recorded.
        report: receives progress as dictionaries (``{"step": .., "total": ..}``).
        should_stop: called after every update; True ends the run with a checkpoint.
        checkpoint_seconds: least time between two checkpoints.
        checkpoint_steps: updates between two checkpoints; 0: by time alone.
    """
    enter(job.spec.definitions)
    try:
        lease = None if store.is_done(job.key, weights=job.keep_weights) else _take(job, store)
    except OSError as error:
        return Outcome(job.key, "failed", _message(error))
    if not isinstance(lease, Lease):
        return lease or Outcome(job.key, "skipped", "already done")
    started = time.perf_counter()
    try:
        attempt = store.attempt(lease)
        checkpoint = Checkpoint(attempt / "checkpoint.pt", checkpoint_steps, checkpoint_seconds, lease.check)
        result = _result(job, store, attempt, checkpoint, report, should_stop)
        if store.is_done(job.key):  # the run was finished before, but another run needs its weights
            parents.must_reproduce(attempt, store.folder(job.key))
        store.publish(lease, attempt)
    except Interrupted as stopped:
        lease.release()
        return Outcome(job.key, "interrupted", str(stopped))
    except Exception as error:
        return _failed(job, store, lease, error)
    except BaseException:  # Ctrl-C in a notebook: the process lives on, so its lease would look alive
        lease.release()
        raise
    seconds = time.perf_counter() - started
    return Outcome(job.key, "done", scores=result["scores"], seconds=seconds, timing=result["timing"])


def _take(job: Job, store: Store) -> Lease | Outcome:
    """Return the lease on a run, or the outcome if another process holds it or has finished it."""
    lease = store.take(job.key, weights=job.keep_weights)
    if lease is None:
        done = store.is_done(job.key, weights=job.keep_weights)
        return Outcome(job.key, *(("skipped", "already done") if done else ("busy", "another process works on it")))
    failure = store.failure(job.key)
    if failure is not None and not job.retry:  # another process has failed on it after the planning
        lease.release()
        return Outcome(job.key, "failed", failure["message"])
    return lease


def _failed(job: Job, store: Store, lease: Lease, error: Exception) -> Outcome:
    """Record a failure, unless another process has taken the run over: then this process's error does not count."""
    if isinstance(error, LeaseLostError) or not lease.is_held:
        lease.release()
        return Outcome(job.key, "busy", f"{job.key} was taken over by another process")
    message = _message(error)
    try:
        store.fail(lease, _failure_kind(error), message, task=job.spec.title, traceback=traceback.format_exc())
    except OSError as full:
        lease.release()
        message = f"{message} (the failure could not be recorded: {full.strerror})"
    return Outcome(job.key, "failed", message)


def _message(error: Exception) -> str:
    """Return an error as one line; for a full disk with the remedy."""
    if isinstance(error, OSError) and error.errno in FULL:
        place = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{place}: make room, then give the command again"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _failure_kind(error: Exception) -> str:
    """Classify an error: only a "crash" is tried again by the next ``run``, every other kind would fail again."""
    kinds = {
        NonFiniteLossError: "non-finite",
        MissingSignalError: "no-signal",
        NotReproducedError: "not-reproduced",
        UsageError: "data",
        ValueError: "refused",
    }
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "crash")


def _result(
    job: Job, store: Store, attempt: Path, checkpoint: Checkpoint, report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Train and record, unless an earlier attempt of the same run was recorded completely but not published."""
    if not _is_recorded(attempt, job.key):
        for name in (SEAL, "result.json"):
            (attempt / name).unlink(missing_ok=True)
        train_and_record(job, store, attempt, checkpoint, report, should_stop)
    result: dict[str, Any] = json.loads((attempt / "result.json").read_text())
    return result


def _is_recorded(attempt: Path, key: str) -> bool:
    """Return whether the attempt was sealed and none of its files was lost or changed since."""
    try:
        return bool(read_seal(attempt / SEAL) == seal_of(attempt, key))
    except ResultsError:
        return False


def train_and_record(
    job: Job, store: Store, folder: Path, checkpoint: Checkpoint, report: Report, should_stop: Callable[[], bool]
) -> None:
    """Train, predict and write the files of a run into its folder."""
    run, began = job.spec, time.perf_counter()
    torch.set_num_threads(run.threads)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()  # else the peak of an earlier run of this process counts
    data = prepare(run, job.source)
    write_json(folder / "spec.json", _describe(job, data))
    write_json(folder / "environment.json", environment(run))
    recorder = Recorder(folder, data, report, run)
    if run.combine == "vote":
        prepared = time.perf_counter()
        recorder.combined(*parents.vote(job, data, store))
    else:
        model = load_model(job, store)
        prepared = time.perf_counter()
        if run.combine is None:
            method = _method(run, data)
            compaction = compact(run, data, model)
            checkpoint.belongs_to = compaction.digest if compaction else ""
            model = train(
                model,
                method,
                data.train,
                train_config(run),
                observer=recorder,
                checkpoint=checkpoint,
                should_stop=should_stop,
            )
            if compaction and job.keep_weights:
                compaction.restore(model)
            if run.measure:
                instruments.write_measurements(method, model, folder / "measures.json")
            elif run.smoothness_radii:
                instruments.write_smoothness(model, _probe(run, data), run.smoothness_radii, folder / "measures.json")
        else:
            recorder.combined(*parents.averaged(job, data, store, model))
        if job.keep_weights:
            parents.save_weights(model, folder / WEIGHTS, job.key)
    recorder.finish()
    result = {
        "schema": SCHEMA,
        "key": job.key,
        "scores": recorder.scores,
        **({"sides": recorder.sides} if recorder.sides else {}),
        "seconds": time.perf_counter() - began,
        "evaluation_seconds": recorder.evaluation_seconds,
        "steps": recorder.step,
        "source": job.source.kind if not TASKS[run.task].generated else "generated",
        "timing": _timing(recorder, began, prepared),
    }
    write_durably(folder / "result.json", json.dumps(result, indent=1) + "\n")
    sync(*files_in(folder))  # before the seal, whose presence means that all other files are complete
    write_durably(folder / SEAL, json.dumps(seal_of(folder, job.key), indent=1) + "\n")


def _method(run: RunSpec, data: Prepared) -> Method:
    """Build the spec's method, wrapped by the label noise and the measurements that the spec asks for."""
    method = build(run.method, **dict(run.options))
    if run.late_noise:
        method = instruments.late_noise(method, run.late_noise, run.seeds()["seed_noise"])
    if run.measure:
        method = instruments.measured(method, _probe(run, data))
    return method


def _probe(run: RunSpec, data: Prepared) -> Encoded:
    """Return the examples that R_s is measured on: dev, or test where the task has no dev.

    Raises: UsageError: the run predicts neither.
    """
    split = TASKS[run.task].evaluated_on
    for evaluated in data.evaluated:
        if evaluated.task.name == run.task and evaluated.split == split:
            return evaluated.encoded
    raise UsageError(f"R_s is measured on {split}: leave {split} among the splits to predict")


def load_model(job: Job, store: Store) -> torch.nn.Module:
    """Return the spec's model, with its parent's weights if it starts from another run."""
    run, model = job.spec, new_model(job.spec)
    if isinstance(run.init_from, RunSpec):
        parents.start_from(model, run, run.init_from, store.weights(job.parents[0]))
    return model


def new_model(run: RunSpec) -> torch.nn.Module:
    """Return the spec's model before any training; for several tasks one with a head for each."""
    folder, outputs = models.resolve(run.model).folder, {task: TASKS[task].head.num_outputs for task in run.tasks}
    options: dict[str, Any] = {
        "head": run.head,
        "layers": run.layers,
        "dropout": run.dropout,
        "head_dropout": run.head_dropout,
        "random_weights": run.random_weights,
        "seed": run.seeds()["seed_init"],
    }
    orders = fit.class_orders(run)
    if run.with_tasks:
        rates = dict(run.head_dropouts)
        model: torch.nn.Module = load_multitask(folder, outputs, head_dropouts=rates, class_orders=orders, **options)
    else:
        model = load(folder, num_labels=outputs[run.task], class_order=orders.get(run.task), **options)
    _set_padding(model, run.model)
    return model


def _set_padding(model: torch.nn.Module, name: str) -> None:
    """Set the padding token of a model whose config has none (GPT-2's head looks for the last token before it)."""
    for config in {id(c): c for module in model.modules() if (c := getattr(module, "config", None))}.values():
        if getattr(config, "pad_token_id", 0) is None:
            config.pad_token_id = models.tokenizer(name).pad_token_id


def _timing(recorder: Recorder, began: float, prepared: float) -> dict[str, float]:
    """Return the costs of this attempt for later estimates: seconds, updates, predictions and peak memory in bytes."""
    return {
        "preparation": prepared - began,
        "training": time.perf_counter() - prepared - recorder.evaluation_seconds,
        "evaluation": recorder.evaluation_seconds,
        "predictions": recorder.predictions,
        "updates": recorder.updates,
        "memory": peak_memory(),
    }


def train_config(run: RunSpec) -> TrainConfig:
    """Return the settings of the training loop that a spec holds."""
    settings: dict[str, Any] = {f.name: getattr(run, f.name) for f in fields(TrainConfig)}
    return TrainConfig(**{**settings, **{name: seed for name, seed in run.seeds().items() if name in settings}})


# --- the files written next to predictions and history ---


def _describe(job: Job, data: Prepared) -> dict[str, Any]:
    run, files = job.spec, models.resolve(job.spec.model)
    orders = fit.order_text(fit.class_orders(run))
    notes = fit.run_notes(run)
    method = METHODS[run.method]
    config = build(run.method, **dict(run.options)).config
    dependencies, sources = Identities(job.source).of(run), plugin_sources(run)
    identity = spec.run_identity(run, dependencies)
    if key_of(identity) != job.key:
        raise DataError("the data, the model or the code changed since this run was planned: give the command again")
    return {
        "schema": SCHEMA,
        "key": job.key,
        "identity": identity,
        "numerics": dependencies.numerics,
        "spec": {**run.to_json(), "method_config": asdict(config)},
        "fingerprints": {
            "data": dict(dependencies.data),
            "weights": dependencies.weights,
            "parents": list(job.parents),
            **({"class_orders": orders} if orders else {}),
            **({"plugins": sources} if sources else {}),
        },
        "task": _facts(TASKS[run.task]),
        **({"with_tasks": {name: _facts(TASKS[name]) for name in run.with_tasks}} if run.with_tasks else {}),
        "data": {
            "sources": data.sources,
            "notes": data.notes,
            "rows": {"train": len(data.train), **{evaluated.name: len(evaluated.rows) for evaluated in data.evaluated}},
        },
        "model": {
            "name": files.name,
            "contaminated": files.contaminated,
            "revision": files.revision,
            **({"notes": notes} if notes else {}),
        },
        "method": {"paper": method.paper, "version": method.version, "cost": method.cost(config)},
    }


def _facts(task: Task) -> dict[str, Any]:
    """Return the facts about a task that a report needs."""
    return {
        "title": task.title,
        "kind": "regression" if isinstance(task.head, Regression) else "classification",
        "labels": None if isinstance(task.head, Regression) else list(task.head.labels),
        "metrics": list(task.metrics),
        "generated": task.generated,
        "ceiling": dict(task.ceiling),
        "version": task.version,
        **({} if task.own is None else {"own": _own_facts(task.own)}),
    }


def _own_facts(definition: Definition) -> dict[str, Any]:
    """Return the facts about an own-data task that a report states before its first number."""
    return {
        "rows": dict(definition.rows),
        "classes": len(definition.labels) or None,
        "group": definition.group,
        "verdict_split": definition.verdict_split,
        "named_class": definition.labels[1] if "f1_named" in definition.metrics else None,
    }
