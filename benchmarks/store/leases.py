"""Leases: which process works on a run, for processes of one machine and of machines that share a folder.

``lease-N.json`` is created exclusively, and the highest N owns the run. On the same host a lease is dead if its process
is gone; on another host or in another container, if its heartbeat did not change for ``PATIENCE`` seconds of the local
clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from analysis.records import ResultsError, read_lease, with_digest
from benchmarks.store import processes
from benchmarks.store.files import partial_path, replacing

PATIENCE = 120.0  # seconds without a heartbeat after which a lease of another host is dead
HEARTBEAT = 15.0  # seconds between two heartbeats
_TRIES = 20  # attempts to take a run whose folder vanishes meanwhile, because its owner has just published it


class LeaseLostError(RuntimeError):
    """Another process owns the run now: this process must not write any more."""


@dataclass
class Heartbeats:
    """Heartbeats of leases on other machines, as one process observed them: file -> counter, and time of its change."""

    _changes: dict[Path, tuple[int, float]] = field(default_factory=dict)

    def have_stopped(self, path: Path, counter: int) -> bool:
        """Observe a lease; return True if its counter did not change for ``PATIENCE`` seconds of the local clock."""
        last_counter, since = self._changes.get(path, (None, 0.0))
        if last_counter != counter:
            self._changes[path] = (counter, time.monotonic())
            return False
        return time.monotonic() - since >= PATIENCE


@dataclass
class Lease:
    """Exclusive right to work on one run, from :func:`acquire` until :meth:`release`."""

    folder: Path
    number: int
    identity: dict[str, Any]
    _stop: threading.Event = field(default_factory=threading.Event)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def path(self) -> Path:
        """The lease file."""
        return self.folder / f"lease-{self.number}.json"

    @property
    def is_held(self) -> bool:
        """True if this is still the highest lease; the token distinguishes it from a later one of the same number."""
        try:
            return _highest(self.folder) == self.number and read_lease(self.path).get("token") == self.identity["token"]
        except (FileNotFoundError, ResultsError):  # a damaged lease is not held
            return False

    def check(self) -> None:
        """Check that the lease is still held; called before any final write.

        Raises:
            LeaseLostError: another process has taken the run over.
        """
        if not self.is_held:
            raise LeaseLostError(f"{self.folder.name} was taken over by another process")

    def start_heartbeat(self) -> None:
        """Start a thread that increments the counter in the lease file, for observers on other machines."""
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Release the run; the work folder is kept for the process that resumes it.

        The lease file is kept too: reusing its number would let a suspended former owner believe it still holds the
        lease.
        """
        self._stop.set()
        with contextlib.suppress(OSError):  # on a full disk it ends with this process instead
            self._rewrite({"released": True})

    def _beat(self) -> None:
        counter = 0
        while not self._stop.wait(HEARTBEAT):
            counter += 1
            try:
                self._rewrite({"heartbeat": counter})
            except OSError:
                continue  # a full disk must not stop training; if the lease is taken over meanwhile, that is safe

    def _rewrite(self, change: dict[str, Any]) -> None:
        """Change the lease file, unless another lease has replaced it or the folder is gone."""
        with self._writing, contextlib.suppress(FileNotFoundError, ResultsError):
            content = read_lease(self.path)
            if content.get("token") == self.identity["token"] and not content.get("released"):
                _write_whole(self.path, {**content, **change})


def acquire(folder: Path, heartbeats: Heartbeats) -> Lease | None:
    """Return a lease on the run with this work folder, or None if a living process holds one (or was faster)."""
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # the folder may be deleted again before it is read
                folder.mkdir()
            return _acquire(folder, heartbeats)
    return None


def _acquire(folder: Path, heartbeats: Heartbeats) -> Lease | None:
    number = _highest(folder)
    if number and alive(folder / f"lease-{number}.json", heartbeats):
        return None
    lease = Lease(folder, number + 1, {**this_process(), "token": uuid.uuid4().hex, "heartbeat": 0})
    if not _create_exclusively(lease.path, lease.identity):
        return None
    lease.start_heartbeat()
    return lease


def alive(path: Path, heartbeats: Heartbeats) -> bool:
    """Return True if the holder of the lease is still running, or if this process cannot decide it yet."""
    try:
        holder = read_lease(path)
    except (OSError, ResultsError):
        return False
    if holder.get("released"):
        return False
    own_process = this_process()
    if holder["host"] == own_process["host"] and holder["boot"] != own_process["boot"]:
        return False  # this machine has been restarted since
    if all(holder.get(name) == own_process[name] for name in ("host", "boot", "processes")):
        return _process_runs(holder["pid"], holder["started"], holder.get("ticks"))
    return not heartbeats.have_stopped(path, holder["heartbeat"])


def holder(folder: Path, heartbeats: Heartbeats) -> dict[str, Any] | None:
    """Return the content of the lease of the process that works on a run now, or None."""
    try:
        path = folder / f"lease-{_highest(folder)}.json"
        return read_lease(path) if alive(path, heartbeats) else None
    except (OSError, ResultsError):
        return None


def _highest(folder: Path) -> int:
    numbers = [int(match[1]) for entry in os.listdir(folder) if (match := re.fullmatch(r"lease-(\d+)\.json", entry))]
    return max(numbers, default=0)


def this_process() -> dict[str, Any]:
    """Return what identifies this process among those of all machines."""
    return {
        "host": platform.node(),
        "boot": processes.boot_id(),
        "processes": processes.process_table(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "ticks": processes.start_ticks(os.getpid()),
    }


def _process_runs(pid: int, started: float, ticks: int | None) -> bool:
    """Return True if the process still runs, and its id does not belong to a later process.

    Args:
        pid: process id.
        started: start in seconds since 1970, by the clock of that time; used where ``ticks`` is None.
        ticks: start of the process by :func:`benchmarks.store.processes.start_ticks`; None if it was not recorded.
    """
    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - started) < 1 if ticks is None else processes.start_ticks(pid) == ticks
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False


def _create_exclusively(path: Path, content: dict[str, Any]) -> bool:
    """Create ``path`` with its content in one step (a hard link is atomic on NFS too); False if it exists."""
    partial = partial_path(path)
    try:
        partial.write_text(json.dumps(with_digest(content)))
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink(missing_ok=True)
    return True


def _write_whole(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(with_digest(content)))
