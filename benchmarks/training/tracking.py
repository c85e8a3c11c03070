"""``--track tensorboard``: what a run writes into its history, also as event files, while it trains.

A tracker follows ``history.jsonl``, so it shows the very numbers that the analysis reads, and what it writes is no part
of the run: it lies in ``results/tensorboard/<run>/`` and can be deleted at any time.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.records import short_name
from benchmarks.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.store.store import Store
    from benchmarks.training.job import Job

Report = Callable[[dict[str, Any]], None]
TRACKERS = ("tensorboard",)
_NO_SCALARS = ("step", "epoch", "tokens")


def check(name: str) -> None:
    """Raises UsageError, before any training, for a tracker that does not exist or is not installed; "" is none."""
    if name and name not in TRACKERS:
        raise UsageError(f"--track {name}: there is {', '.join(TRACKERS)}")
    if name and importlib.util.find_spec("tensorboard") is None:
        raise UsageError("--track tensorboard needs the package tensorboard: pip install 'smart-repro[tensorboard]'")


@contextmanager
def tracked(name: str, store: Store, job: Job, report: Report) -> Iterator[Report]:
    """Follow the run between its reports, and once more when it has ended; ``name`` "" follows nothing."""
    if not name:
        yield report
        return
    follower = Follower(store, job)

    def followed(event: dict[str, Any]) -> None:
        follower.read()
        report(event)

    try:
        yield followed
    finally:
        follower.finish()


class Follower:
    """Turns the lines of a run's history into scalars as they come.

    An attempt writes the run anew from its first line, which it kept: an interrupted run leaves no gap and no
    step twice.
    """

    def __init__(self, store: Store, job: Job) -> None:
        self.store, self.job = store, job
        self.folder = store.root / "tensorboard" / folder_name(job)
        self._read = 0  # bytes of the history
        self._writer: Any = None

    def read(self) -> None:
        """Write what came since the last call."""
        history = self._history()
        if history is None:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            shutil.rmtree(self.folder, ignore_errors=True)
            self._writer = SummaryWriter(str(self.folder))
        with history.open() as stream:
            stream.seek(self._read)
            for line in stream.readlines():
                self._add(json.loads(line))
            self._read = stream.tell()

    def finish(self) -> None:
        """The same for the end of a run that was followed, or that had nothing to report on the way (a vote)."""
        if self._writer is not None or (self.store.is_done(self.job.key) and not self.folder.exists()):
            self.read()
        if self._writer is not None:
            self._writer.close()

    def _history(self) -> Path | None:
        work = self.store.inflight / self.job.key
        attempts = sorted(work.glob("attempt-*"), key=lambda path: int(path.name.split("-")[1]))
        places = [*reversed(attempts), self.store.runs / self.job.key]
        return next((path for place in places if (path := place / "history.jsonl").is_file()), None)

    def _add(self, row: dict[str, Any]) -> None:
        step = row["step"]
        for name, value in _scalars(row):
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


def folder_name(job: Job) -> str:
    """What TensorBoard lists: the task, the method with its options, the seed, and enough of the key to tell apart."""
    title = re.sub(r"[^\w.+=\[\]-]+", "_", job.spec.title)
    return f"{short_name(title)}.{job.key[:8]}"


def _scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if row.get("event") == "epoch":
        for task, splits in row["scores"].items():
            for split, metrics in splits.items():
                yield from ((f"{split}/{task} {metric}", value) for metric, value in metrics.items())
    elif "event" not in row:
        yield from ((f"train/{name}", value) for name, value in row.items() if name not in _NO_SCALARS)
