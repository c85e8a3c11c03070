"""From an experiment to finished runs: what there is to do, doing it, and what came of it."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

from benchmarks import estimate
from benchmarks.errors import UsageError
from benchmarks.estimate import Forecast, Timings
from benchmarks.executors import Executor, Finished, Progress, Settings
from benchmarks.experiments.base import Experiment
from benchmarks.run import Identities, Job, Outcome, make_job, places, train_config
from benchmarks.spec import RunSpec
from benchmarks.store import RunState, Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.texts import keep_texts
from smart_repro.methods import COMBINERS, build
from smart_repro.train import plan as training_plan

_PATIENCE = 0.5  # seconds between two looks at runs that other processes work on


@dataclass(frozen=True)
class Plan:
    """An experiment's runs and where each stands.

    Attributes:
        jobs: run key -> job; runs that several cells share are there once, and parents that no cell shows too.
        cells: (row, task, seed) -> run key.
        titles: run key -> a line that tells it from its neighbours.
        states: run key -> where it stands.
        updates, evaluations, rows: run key -> optimiser updates, evaluations, and examples predicted at each.
    """

    experiment: Experiment
    jobs: Mapping[str, Job]
    cells: Mapping[tuple[str, str, int], str]
    titles: Mapping[str, str]
    states: Mapping[str, RunState]
    updates: Mapping[str, int]
    evaluations: Mapping[str, int]
    rows: Mapping[str, int]

    def counts(self) -> Counter[str]:
        """Runs per state."""
        return Counter(state.state for state in self.states.values())

    def to_do(self, retry_failed: bool = False) -> list[Job]:
        """The jobs ``run`` would start, in order."""
        chosen = []
        for key, job in self.jobs.items():
            state = self.states[key].state
            if state == "failed" and self._retried(key, retry_failed):
                chosen.append(replace(job, again=True))
            elif state in ("todo", "running"):
                chosen.append(job)
        return chosen

    def cost(self, key: str) -> float:
        """Of a run in forward passes over one batch; a plain update is 3."""
        return self.updates[key] * estimate.cost(self.jobs[key].spec)

    def _retried(self, key: str, retry_failed: bool) -> bool:
        """A crash may have had its reason outside the run; what failed by itself would fail again."""
        return retry_failed or self.states[key].detail.startswith("crash")


def make_plan(experiment: Experiment, source: Source, store: Store) -> Plan:
    """Expand the experiment. Reads the data (for their fingerprints), so missing or broken data show before training.

    Raises: UsageError, DataError.
    """
    known = Identities(source)
    jobs: dict[str, Job] = {}
    cells: dict[tuple[str, str, int], str] = {}
    titles: dict[str, str] = {}
    for row, task, seed, spec in experiment.specs():
        job = make_job(_resolved(spec, store, known), source, known)
        jobs.setdefault(job.key, job)
        cells[row, task, seed] = job.key
        titles.setdefault(job.key, f"{task} {row} seed {seed}")
    jobs, weights = _with_parents(jobs, source, store, known)
    sizes = _Sizes(known)
    return Plan(
        experiment,
        jobs,
        cells,
        {key: titles.get(key) or f"{job.spec.title} (parent)" for key, job in jobs.items()},
        store.states(list(jobs), weights),
        {key: sizes.updates(job.spec) for key, job in jobs.items()},
        {key: sizes.evaluations(job.spec) for key, job in jobs.items()},
        {key: sizes.rows(job.spec) for key, job in jobs.items()},
    )


def _with_parents(
    jobs: dict[str, Job], source: Source, store: Store, known: Identities
) -> tuple[dict[str, Job], set[str]]:
    """The jobs with those their unfinished runs need, parents first, and the keys of runs whose weights are needed."""
    done, weights = store.done_keys(), set[str]()
    found = dict(jobs)
    open_ = [job for key, job in jobs.items() if job.parents and key not in done]
    while open_:
        child = open_.pop()
        for spec, key in zip(child.spec.needed, child.parents, strict=True):
            if _needs_weights(child.spec) and key not in weights:
                weights.add(key)
                if key in found and found[key].parents:
                    open_.append(found[key])
            if key not in found:
                found = {key: make_job(spec, source, known), **found}
            if found[key].parents and not store.is_done(key, weights=key in weights):
                open_.append(found[key])
    return {key: replace(job, keep_weights=True) if key in weights else job for key, job in found.items()}, weights


def _needs_weights(child: RunSpec) -> bool:
    return child.init_from is not None or (child.combine is not None and COMBINERS[child.combine].needs == "weights")


def _resolved(spec: RunSpec, store: Store, known: Identities) -> RunSpec:
    """The spec with its parent as a spec too, where it was given by the key of a finished run."""
    if not isinstance(spec.init_from, str):
        return spec
    parent = store.spec(spec.init_from)
    if known.key(parent) != spec.init_from:
        raise UsageError(
            f"init_from={spec.init_from}: that run was made from other data, weights or code than are here now"
        )
    return replace(spec, init_from=parent)


@dataclass
class _Sizes:
    """How much there is to do in a run; equal for runs that differ in their seed only, hence remembered."""

    known: Identities
    _replays: dict[Any, int] = field(default_factory=dict)
    _plans: dict[Any, tuple[int, int, int]] = field(default_factory=dict)

    def updates(self, run: RunSpec) -> int:
        return self._of(run)[0]

    def evaluations(self, run: RunSpec) -> int:
        return self._of(run)[1]

    def rows(self, run: RunSpec) -> int:
        return self._of(run)[2]

    def _of(self, run: RunSpec) -> tuple[int, int, int]:
        on = (run.tasks, run.predict, run.holdout, run.max_train_samples, run.per_class, run.batch_size, run.epochs,
              run.max_steps, run.evaluate_every, run.method, run.options, run.combine)  # fmt: skip
        if on not in self._plans:
            self._plans[on] = self._counted(run)
        return self._plans[on]

    def _counted(self, run: RunSpec) -> tuple[int, int, int]:
        examples = {task: self._examples(run, task) for task in run.tasks}
        aside = {task: round(run.holdout * count) for task, count in examples.items()}
        sizes = {(task, "holdout"): count for task, count in aside.items()}
        sizes |= {(task, "train"): 0 for task in run.tasks}  # the training set's own is predicted once only
        rows = sum(sizes[place] if place in sizes else self.known.rows(*place) for place in places(run))
        if run.combine:
            return 0, 1, rows
        trained = [examples[task] - aside[task] for task in run.tasks]
        steps = training_plan(trained, train_config(run), build(run.method, **dict(run.options)).replays)
        return steps.total, math.ceil(steps.total / steps.per_epoch / run.evaluate_every), rows

    def _examples(self, run: RunSpec, task: str) -> int:
        whole = self.known.rows(task, "train")
        if run.per_class is not None:
            return min(whole, run.per_class * TASKS[task].head.num_outputs)
        return min(whole, run.max_train_samples or whole)


class Display(Protocol):
    """Shows how a grid gets on."""

    def start(self, plan: Plan, jobs: list[Job]) -> None: ...
    def progress(self, event: Progress) -> None: ...
    def finished(self, event: Finished) -> None: ...
    def waiting(self, jobs: Sequence[Job]) -> None: ...
    def stopping(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Summary:
    """What became of the runs.

    Attributes:
        expected: the seconds that were forecast, where they could be.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    expected: float | None = None
    interrupted: bool = False

    def of(self, state: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes.values() if outcome.state == state]

    @cached_property
    def error(self) -> float | None:
        """By how much the time taken exceeds the forecast, as a share of it; None unless all was done as forecast."""
        as_planned = not self.interrupted and len(self.of("done")) == len(self.outcomes) > 0
        return self.seconds / self.expected - 1 if self.expected and as_planned else None


def run(plan: Plan, store: Store, executor: Executor, display: Display, *, retry_failed: bool = False,
        plugins: tuple[str, ...] = (), checkpoint: Mapping[str, float] | None = None,
        commands: Mapping[str, str] | None = None, track: str = "") -> Summary:  # fmt: skip
    """Do what is left to do, and wait for runs that other processes work on, or take them over when those die.

    Ctrl-C once lets each run finish its update (or evaluation) and checkpoint; twice ends at once.

    Raises: UsageError: if the results folder cannot be written.
    """
    jobs = plan.to_do(retry_failed)
    expected = forecast(plan, store, executor, jobs)
    store.prepare(expected.disk)
    store.sweep()
    store.write_manifest(plan.experiment.manifest(plan.cells, commands or {}))
    if plan.jobs:
        keep_texts(store.root, plan.experiment, next(iter(plan.jobs.values())).source)
    began, summary = time.monotonic(), Summary(expected=expected.seconds)
    settings = Settings(store.root.resolve(), plugins, dict(checkpoint or {}), track=track)
    display.start(plan, jobs)
    try:
        with interruptible() as stopped:
            desk, busy = _Desk(store, display, summary), list[Job]()
            while jobs or busy:
                busy += desk.take_in(executor.execute(jobs, settings, partial(desk.asked_to_stop, stopped)))
                jobs, busy = desk.wait(busy, stopped)
            summary.interrupted = stopped.is_set()
    finally:
        display.stop()
    summary.seconds = time.monotonic() - began
    return summary


@dataclass
class _Desk:
    """Takes in what happens to the runs of a grid, and waits for those that other processes work on."""

    store: Store
    display: Display
    summary: Summary
    _told: bool = False

    def take_in(self, events: Iterator[Progress | Finished]) -> list[Job]:
        """Show and remember what happens; the jobs that somebody else works on are returned."""
        busy = []
        for event in events:
            if isinstance(event, Progress):
                self.display.progress(event)
            elif event.outcome.state == "busy":
                busy.append(event.job)
            else:
                self._finished(event)
        return busy

    def asked_to_stop(self, stopped: threading.Event) -> bool:
        """Whether Ctrl-C was pressed: answered at once, since the runs may need a while to come to a place to stop."""
        if stopped.is_set() and not self._told:
            self._told = True
            self.display.stopping()
        return stopped.is_set()

    def wait(self, busy: list[Job], stopped: threading.Event) -> tuple[list[Job], list[Job]]:
        """Until somebody lets go of one of these jobs: those that can be taken up, and those that are still held."""
        if busy and not stopped.is_set():
            self.display.waiting(busy)
        while busy and not stopped.is_set():
            keys = {key for job in busy for key in (job.key, *job.parents)}
            held = {key for key, state in self.store.states(keys).items() if state.state == "running"}
            for job in [job for job in busy if self.store.is_done(job.key, weights=job.keep_weights)]:
                self._finished(Finished(job, Outcome(job.key, "skipped", "done by another process")))
                busy.remove(job)
            free = [job for job in busy if not held.intersection((job.key, *job.parents))]
            if free:
                return free, [job for job in busy if job not in free]
            stopped.wait(_PATIENCE)
        return [], []

    def _finished(self, event: Finished) -> None:
        self.summary.outcomes[event.job.key] = event.outcome
        estimate.record(self.store, event.job, event.outcome)
        self.display.finished(event)


def forecast(plan: Plan, store: Store, executor: Executor, jobs: Sequence[Job] | None = None) -> Forecast:
    """What the runs to do will take with this executor."""
    jobs = plan.to_do() if jobs is None else jobs
    return estimate.forecast(plan, jobs, Timings.read(store), executor.parallel(jobs))


def memory(plan: Plan, store: Store) -> float:
    """Bytes that the largest run to do needs, as far as is known."""
    return estimate.forecast(plan, plan.to_do(), Timings.read(store), 1).memory


def calibrate(plan: Plan, store: Store, executor: Executor, plugins: tuple[str, ...] = ()) -> int:
    """Time a few updates of each kind of run to do that this machine has not seen yet; returns how many kinds.

    As many workers time a kind at once as will be at work later, since they slow each other down.

    Raises: RuntimeError: if a kind cannot be timed, with the reason.
    """
    store.prepare()
    jobs = plan.to_do()
    chosen = estimate.representatives(jobs, Timings.read(store))
    crowd = executor.parallel(jobs)
    settings = Settings(store.root.resolve(), plugins, action="time")
    copies = [replace(job, key=f"{job.key}-{number}", parents=()) for job in chosen for number in range(crowd)]
    for event in executor.execute(copies, settings, lambda: False):
        if isinstance(event, Finished):
            if event.outcome.state != "timed":
                raise RuntimeError(f"{event.job.spec.title} cannot be timed: {event.outcome.message}")
            estimate.record(store, event.job, event.outcome)
    return len(chosen)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C (or SIGTERM, a batch system's) into a request; the second interrupts as usual."""
    stopped = threading.Event()

    def ask(_number: int, _frame: Any) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
