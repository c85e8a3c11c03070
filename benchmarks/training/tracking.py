"""``--track tensorboard``: the history of a run as event files while it trains.

A tracker follows ``history.jsonl``, so it shows the same numbers that the analysis reads. Its files are no part of the
run: they are in ``results/tensorboard/<run>/`` and can be deleted at any time.
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
    """Refuse a tracker that does not exist or is not installed, before any training; "" is none."""
    if name and name not in TRACKERS:
        raise UsageError(f"--track {name}: no such tracker; give {', '.join(TRACKERS)}")
    if name and importlib.util.find_spec("tensorboard") is None:
        raise UsageError("--track tensorboard needs the package tensorboard: pip install 'smart-repro[tensorboard]'")


@contextmanager
def tracked(name: str, store: Store, job: Job, report: Report) -> Iterator[Report]:
    """Follow the run between its reports and once more at its end; ``name`` "" follows nothing."""
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
    """Writer of scalars from the lines of a run's history as they are added.

    Every new attempt reads the history, which the run keeps, from its first line: an interruption leaves no gap, and
    no step appears twice.
    """

    def __init__(self, store: Store, job: Job) -> None:
        self.store, self.job = store, job
        self.folder = store.root / "tensorboard" / folder_name(job)
        self._read = 0  # bytes of the history
        self._writer: Any = None

    def read(self) -> None:
        """Write the scalars of the lines added since the last call."""
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
        """Read the rest of a run that has ended, also where no report came before (a vote), and close the writer."""
        if self._writer is not None or (self.store.is_done(self.job.key) and not self.folder.exists()):
            self.read()
        if self._writer is not None:
            self._writer.close()

    def _history(self) -> Path | None:
        work_folder = self.store.inflight / self.job.key
        attempts = sorted(work_folder.glob("attempt-*"), key=lambda path: int(path.name.split("-")[1]))
        places = [*reversed(attempts), self.store.runs / self.job.key]
        return next((path for place in places if (path := place / "history.jsonl").is_file()), None)

    def _add(self, row: dict[str, Any]) -> None:
        step = row["step"]
        for name, value in _scalars(row):
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


def folder_name(job: Job) -> str:
    """Return the name shown by TensorBoard: task, method with options, seed, and the first part of the key."""
    title = re.sub(r"[^\w.+=\[\]-]+", "_", job.spec.title)
    return f"{short_name(title)}.{job.key[:8]}"


def _scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if row.get("event") == "epoch":
        for task, splits in row["scores"].items():
            for split, metrics in splits.items():
                yield from ((f"{split}/{task} {metric}", value) for metric, value in metrics.items())
    elif "event" not in row:
        yield from ((f"train/{name}", value) for name, value in row.items() if name not in _NO_SCALARS)
