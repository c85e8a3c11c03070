"""Ways of doing many runs: an executor takes jobs and yields events as they come."""

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

RETRIES = 2  # how often a run is tried again when its worker dies under it, before that counts as a crash


@dataclass(frozen=True)
class Progress:
    """A job's training got to ``step`` of ``total``."""

    job: Job
    step: int
    total: int


@dataclass(frozen=True)
class Finished:
    """A job ended, one way or another."""

    job: Job
    outcome: Outcome


@dataclass(frozen=True)
class Settings:
    """What workers need to know beside their jobs.

    Attributes:
        action: what they do with a job: "execute" it, or "time" a few of its updates.
        track: the name of a tracker that follows each run, or "".
    """

    results: Path
    plugins: tuple[str, ...] = ()
    checkpoint: dict[str, float] = field(default_factory=dict)
    action: str = "execute"
    track: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "results": str(self.results),
            "plugins": list(self.plugins),
            "checkpoint": self.checkpoint,
            "action": self.action,
            "track": self.track,
        }


class Executor(Protocol):
    """Does jobs; a failed run is an outcome, not an end."""

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]: ...

    def parallel(self, jobs: Sequence[Job]) -> int:
        """How many of these jobs it would do at a time."""


class Schedule:
    """Which job is next: in the order given, but parents before their children."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        given = {job.key for job in jobs}
        self._parents = {job.key: given.intersection(job.parents) for job in jobs}
        self._children: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            for parent in self._parents[job.key]:
                self._children[parent].append(job)
        self._ended: set[str] = set()  # children of parents that were not done
        self._ready = deque(job for job in jobs if not self._parents[job.key])

    @property
    def waiting(self) -> bool:
        """Whether a job can be started now."""
        return bool(self._ready)

    def next(self) -> Job | None:
        """A job that can be started now; None if there is none (some may become ready later)."""
        return self._ready.popleft() if self._ready else None

    def again(self, job: Job) -> None:
        """Put a job back, as the next one."""
        self._ready.appendleft(job)

    def finish(self, job: Job, outcome: Outcome) -> Iterator[Finished]:
        """The job's end; its children become ready, or end with it if it was not done."""
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
                why = f"its parent ({job.spec.title}) is not done: {outcome.message}"
                yield from self.finish(child, Outcome(child.key, outcome.state, why))

    def drop(self) -> None:
        """Start nothing more."""
        self._ready.clear()
        self._children.clear()


def record_crash(store: Store, job: Job, message: str) -> None:
    """Write down that a run takes its workers with it; unless somebody else has taken it up meanwhile."""
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
