"""From an experiment to finished runs: what there is to do, doing it, and what came of it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

from benchmarks.engine import forecast as estimate
from benchmarks.engine.executor import Executor, Finished, Progress, Settings
from benchmarks.engine.forecast import Forecast, Timings
from benchmarks.engine.plan import Plan
from benchmarks.engine.texts import keep_texts
from benchmarks.store.store import Store
from benchmarks.training.job import Job, Outcome

_PATIENCE = 0.5  # seconds between two looks at runs that other processes work on


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


def run(
    plan: Plan,
    store: Store,
    executor: Executor,
    display: Display,
    *,
    retry_failed: bool = False,
    plugins: tuple[str, ...] = (),
    checkpoint: Mapping[str, float] | None = None,
    commands: Mapping[str, str] | None = None,
    track: str = "",
) -> Summary:
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
        with suppress(OSError):  # it is a memory, which a full disk must not turn into a failure
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
