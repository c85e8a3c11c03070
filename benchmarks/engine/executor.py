"""The interface of executors: an executor takes jobs and yields events as they happen."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.store import leases
from benchmarks.store.store import Store
from benchmarks.training.job import Job, Outcome

RETRIES = 2  # further attempts at a run whose worker dies, before it counts as a crash


@dataclass(frozen=True)
class Progress:
    """A job whose training has reached ``step`` of ``total``."""

    job: Job
    step: int
    total: int


@dataclass(frozen=True)
class Finished:
    """A job that has ended, with any outcome."""

    job: Job
    outcome: Outcome


@dataclass(frozen=True)
class Settings:
    """The settings of workers that are equal for all jobs.

    Attributes:
        results: the results folder.
        plugins: modules to import first.
        checkpoint: arguments of :func:`benchmarks.training.execute.execute` that decide its checkpoints.
        action: "execute" a job, or "time" a few of its updates.
        track: the name of a tracker that follows each run, or "".
    """

    results: Path
    plugins: tuple[str, ...] = ()
    checkpoint: dict[str, float] = field(default_factory=dict)
    action: str = "execute"
    track: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON-ready dictionary."""
        return {
            "results": str(self.results),
            "plugins": list(self.plugins),
            "checkpoint": self.checkpoint,
            "action": self.action,
            "track": self.track,
        }


class Executor(Protocol):
    """A way to do jobs; a failed run is an outcome, not an error."""

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        """Do the jobs and yield their events; after ``should_stop`` the present ones end with a checkpoint."""

    def parallel(self, jobs: Sequence[Job]) -> int:
        """Return the number of these jobs that it would do at a time."""


class Schedule:
    """The order of jobs: as given, but parents before their children."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        keys = {job.key for job in jobs}
        self._parents = {job.key: keys.intersection(job.parents) for job in jobs}
        self._children: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            for parent in self._parents[job.key]:
                self._children[parent].append(job)
        self._ended: set[str] = set()  # children of parents that were not done
        self._ready = deque(job for job in jobs if not self._parents[job.key])

    @property
    def waiting(self) -> bool:
        """True if a job can be started now."""
        return bool(self._ready)

    def next(self) -> Job | None:
        """Return a job that can be started now; None if there is none (some may become ready later)."""
        return self._ready.popleft() if self._ready else None

    def put_back(self, job: Job) -> None:
        """Put a job back to the front."""
        self._ready.appendleft(job)

    def finish(self, job: Job, outcome: Outcome) -> Iterator[Finished]:
        """Yield the end of the job; its children become ready, or end too if the job was not done."""
        yield Finished(job, outcome)
        for child in self._children.pop(job.key, ()):
            if child.key in self._ended:
                continue  # with another parent
            if outcome.state in ("done", "skipped"):
                self._parents[child.key].discard(job.key)
                if not self._parents[child.key]:
                    self._ready.append(child)
            else:
                self._ended.add(child.key)
                reason = f"its parent ({job.spec.title}) is not done: {outcome.message}"
                yield from self.finish(child, Outcome(child.key, outcome.state, reason))

    def drop(self) -> None:
        """Start nothing more."""
        self._ready.clear()
        self._children.clear()


def record_crash(store: Store, job: Job, message: str) -> None:
    """Record a run whose workers die, unless another process has taken it over."""
    lease = store.take(job.key, weights=job.keep_weights)
    if lease is not None:
        store.fail(lease, "crash", message, task=job.spec.title)


def patiently(perform: Callable[[], Outcome], should_stop: Callable[[], bool]) -> Outcome:
    """Try again while the run looks as if another node had it: after a node's death that is our own last attempt."""
    until = time.monotonic() + leases.PATIENCE + 2 * leases.HEARTBEAT
    while True:
        outcome = perform()
        if outcome.state != "busy" or should_stop() or time.monotonic() > until:
            return outcome
        time.sleep(1.0)
