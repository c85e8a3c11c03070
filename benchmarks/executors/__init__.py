"""Ways of doing many runs: an executor takes jobs and yields events as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.run import Job, Outcome


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
    """What workers need to know beside their jobs."""

    results: Path
    plugins: tuple[str, ...] = ()
    checkpoint: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"results": str(self.results), "plugins": list(self.plugins), "checkpoint": self.checkpoint}


class Executor(Protocol):
    """Does jobs; a failed run is an outcome, not an end."""

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]: ...
