"""Doing the runs of a plan: start, supervision and outcome."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from benchmarks.engine import forecast as estimate
from benchmarks.engine.executor import Executor, Finished, Progress, Settings
from benchmarks.engine.forecast import Forecast, Timings
from benchmarks.engine.plan import Plan
from benchmarks.engine.texts import keep_texts
from benchmarks.store.store import Store
from benchmarks.training.job import Job, Outcome

_PATIENCE = 0.5  # seconds between two checks of runs that other processes work on


class Display:
    """A display of a grid's progress; this one shows nothing."""

    def start(self, plan: Plan, jobs: list[Job]) -> None:
        """Show the start of a grid with the jobs to do."""

    def progress(self, event: Progress) -> None:
        """Show the progress of a run."""

    def finished(self, event: Finished) -> None:
        """Show the end of a run."""

    def waiting(self, jobs: Sequence[Job]) -> None:
        """Show that only runs of other processes are left."""

    def stopping(self) -> None:
        """Show that the runs are asked to stop."""

    def stop(self) -> None:
        """End the display."""


@dataclass
class Summary:
    """The outcomes of the runs.

    Attributes:
        outcomes: run key -> outcome.
        seconds: time of all runs.
        expected: the forecast of that time, or None.
        interrupted: Ctrl-C was pressed.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    expected: float | None = None
    interrupted: bool = False

    def of(self, state: str) -> list[Outcome]:
        """Return the outcomes with this state."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == state]

    @cached_property
    def error(self) -> float | None:
        """Relative excess of the time over the forecast; None unless all runs were done as forecast."""
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
    """Do the runs that are left, and wait for runs of other processes or take them over when those die.

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
            supervisor, busy = _Supervisor(store, display, summary), list[Job]()
            while jobs or busy:
                busy += supervisor.take_in(executor.execute(jobs, settings, partial(supervisor.asked_to_stop, stopped)))
                jobs, busy = supervisor.wait(busy, stopped)
            summary.interrupted = stopped.is_set()
    finally:
        display.stop()
    summary.seconds = time.monotonic() - began
    return summary


@dataclass
class _Supervisor:
    """The supervisor of a grid: handles the events of its runs, and waits for runs of other processes."""

    store: Store
    display: Display
    summary: Summary
    _stop_shown: bool = False

    def take_in(self, events: Iterator[Progress | Finished]) -> list[Job]:
        """Show and record events; return the jobs that other processes work on."""
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
        """Return whether Ctrl-C was pressed, and show it at once, since the runs may need a while to stop."""
        if stopped.is_set() and not self._stop_shown:
            self._stop_shown = True
            self.display.stopping()
        return stopped.is_set()

    def wait(self, busy: list[Job], stopped: threading.Event) -> tuple[list[Job], list[Job]]:
        """Wait until a lease is released; return (free jobs, held jobs)."""
        if busy and not stopped.is_set():
            self.display.waiting(busy)
        while busy and not stopped.is_set():
            keys = {key for job in busy for key in (job.key, *job.parents)}
            running = {key for key, state in self.store.states(keys).items() if state.state == "running"}
            for job in [job for job in busy if self.store.is_done(job.key, weights=job.keep_weights)]:
                self._finished(Finished(job, Outcome(job.key, "skipped", "done by another process")))
                busy.remove(job)
            free = [job for job in busy if not running.intersection((job.key, *job.parents))]
            if free:
                return free, [job for job in busy if job not in free]
            stopped.wait(_PATIENCE)
        return [], []

    def _finished(self, event: Finished) -> None:
        self.summary.outcomes[event.job.key] = event.outcome
        with suppress(OSError):  # timings are not results: a full disk must not turn them into a failure
            estimate.record(self.store, event.job, event.outcome)
        self.display.finished(event)


def forecast(plan: Plan, store: Store, executor: Executor, jobs: Sequence[Job] | None = None) -> Forecast:
    """Return the expected costs of the runs to do with this executor."""
    jobs = plan.to_do() if jobs is None else jobs
    return estimate.forecast(plan, jobs, Timings.read(store), executor.parallel(jobs))


def memory(plan: Plan, store: Store) -> float:
    """Return the bytes that the largest run to do needs, as far as they are known."""
    return estimate.forecast(plan, plan.to_do(), Timings.read(store), 1).memory


def calibrate(plan: Plan, store: Store, executor: Executor, plugins: tuple[str, ...] = ()) -> int:
    """Time a few updates of each kind of run without a timing on this machine; return the number of kinds.

    A kind is timed by as many workers at once as will do the runs, since they slow each other down.

    Raises: RuntimeError: if a kind cannot be timed, with the reason.
    """
    store.prepare()
    jobs = plan.to_do()
    kinds = estimate.representatives(jobs, Timings.read(store))
    crowd = executor.parallel(jobs)
    settings = Settings(store.root.resolve(), plugins, action="time")
    copies = [replace(job, key=f"{job.key}-{number}", parents=()) for job in kinds for number in range(crowd)]
    for event in executor.execute(copies, settings, lambda: False):
        if isinstance(event, Finished):
            if event.outcome.state != "timed":
                raise RuntimeError(f"{event.job.spec.title} cannot be timed: {event.outcome.message}")
            estimate.record(store, event.job, event.outcome)
    return len(kinds)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or SIGTERM of a batch system) into a request to stop; the second one interrupts."""
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
