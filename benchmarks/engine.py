"""From an experiment to finished runs: what there is to do, doing it, and what came of it."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.executors import Executor, Finished, Progress, Settings
from benchmarks.experiments.base import Experiment
from benchmarks.run import Job, Outcome, make_job, split_of, train_config
from benchmarks.store import RunState, Store
from benchmarks.tasks.sources import Source
from smart_repro.methods import METHODS, build
from smart_repro.train import plan as training_plan


@dataclass(frozen=True)
class Plan:
    """An experiment's runs and where each stands.

    Attributes:
        jobs: run key -> job; runs that several cells share are there once.
        cells: (row, task, seed) -> run key.
        titles: run key -> a line that tells it from its neighbours.
        states: run key -> where it stands.
    """

    experiment: Experiment
    jobs: Mapping[str, Job]
    cells: Mapping[tuple[str, str, int], str]
    titles: Mapping[str, str]
    states: Mapping[str, RunState]
    updates: Mapping[str, int]

    def counts(self) -> Counter[str]:
        """Runs per state."""
        return Counter(state.state for state in self.states.values())

    def to_do(self, retry_failed: bool = False) -> list[Job]:
        """The jobs ``run`` would start, in order."""
        return [
            job
            for key, job in self.jobs.items()
            if self.states[key].state in ("todo", "running") or self._retried(key, retry_failed)
        ]

    def cost(self, key: str) -> float:
        """Of a run in forward passes over one batch; a plain update is 3."""
        spec = self.jobs[key].spec
        return self.updates[key] * METHODS[spec.method].cost(build(spec.method, **dict(spec.options)).config)

    def _retried(self, key: str, retry_failed: bool) -> bool:
        state = self.states[key]
        return state.state == "failed" and (retry_failed or state.detail.startswith("crash"))


def make_plan(experiment: Experiment, source: Source, store: Store) -> Plan:
    """Expand the experiment. Reads the data (for their fingerprints), so missing or broken data show before training.

    Raises: UsageError, DataError.
    """
    jobs: dict[str, Job] = {}
    cells: dict[tuple[str, str, int], str] = {}
    titles: dict[str, str] = {}
    updates: dict[str, int] = {}
    for row, task, seed, spec in experiment.specs():
        job = make_job(spec, source)
        jobs.setdefault(job.key, job)
        cells[row, task, seed] = job.key
        titles.setdefault(job.key, f"{task} {row} seed {seed}")
        updates[job.key] = updates_of(job)
    return Plan(experiment, jobs, cells, titles, store.states(list(jobs)), updates)


def updates_of(job: Job) -> int:
    """Optimiser updates of a run."""
    spec = job.spec
    examples = len(split_of(spec.task, "train", job.source))
    examples = min(examples, spec.max_train_samples or examples)
    examples -= round(spec.holdout * examples)
    return training_plan(examples, train_config(spec), build(spec.method, **dict(spec.options)).replays).total


class Display(Protocol):
    """Shows how a grid gets on."""

    def start(self, plan: Plan, jobs: list[Job]) -> None: ...
    def progress(self, event: Progress) -> None: ...
    def finished(self, event: Finished) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Summary:
    """What became of the runs."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False

    def of(self, state: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes.values() if outcome.state == state]


def run(plan: Plan, store: Store, executor: Executor, display: Display, *, retry_failed: bool = False,
        plugins: tuple[str, ...] = (), checkpoint: Mapping[str, float] | None = None,
        commands: Mapping[str, str] | None = None) -> Summary:  # fmt: skip
    """Do what is left to do. Ctrl-C once lets each run finish its update and checkpoint; twice ends at once.

    Raises: UsageError: if the results folder cannot be written.
    """
    store.prepare()
    store.write_manifest(plan.experiment.manifest(plan.cells, commands or {}))
    jobs = plan.to_do(retry_failed)
    began, summary = time.monotonic(), Summary()
    settings = Settings(store.root.resolve(), plugins, dict(checkpoint or {}))
    display.start(plan, jobs)
    try:
        with interruptible() as stopped:
            for event in executor.execute(jobs, settings, stopped.is_set):
                if isinstance(event, Progress):
                    display.progress(event)
                else:
                    summary.outcomes[event.job.key] = event.outcome
                    display.finished(event)
            summary.interrupted = stopped.is_set()
    finally:
        display.stop()
    summary.seconds = time.monotonic() - began
    return summary


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into a request; the second one interrupts as usual."""
    stopped = threading.Event()

    def ask(_number: int, _frame: Any) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before: Callable[..., Any] | int | None = signal.signal(signal.SIGINT, ask)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
