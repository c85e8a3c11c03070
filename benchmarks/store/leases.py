"""Who works on a run: safe between processes, and between machines that share a folder.

``lease-N.json`` is created exclusively, and the highest N owns the run. A lease is dead when, on this host, its process
is gone; on another host or in another container, when its heartbeat did not move for ``PATIENCE`` seconds of our clock.
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

PATIENCE = 120.0  # seconds without a heartbeat after which a lease of another host counts as dead
HEARTBEAT = 15.0  # seconds between two heartbeats
_TRIES = 20  # of taking a run whose folder vanishes meanwhile, because its owner has just published it

_sightings: dict[Path, tuple[int, float]] = {}  # of foreign leases: the counter last seen, and when it changed


class LeaseLostError(RuntimeError):
    """Someone else owns the run now: this process must not write any more."""


@dataclass
class Lease:
    """The right to work on one run, held from :func:`acquire` until :meth:`release`."""

    folder: Path
    number: int
    identity: dict[str, Any]
    _stop: threading.Event = field(default_factory=threading.Event)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def path(self) -> Path:
        return self.folder / f"lease-{self.number}.json"

    @property
    def held(self) -> bool:
        """Whether this is still the highest lease. The token tells it from one of the same number made later."""
        try:
            return _highest(self.folder) == self.number and read_lease(self.path).get("token") == self.identity["token"]
        except (FileNotFoundError, ResultsError):  # a damaged lease is nobody's
            return False

    def check(self) -> None:
        """Raise LeaseLostError unless the lease is still held: called before anything is written for good."""
        if not self.held:
            raise LeaseLostError(f"{self.folder.name} was taken over by another process")

    def start_heartbeat(self) -> None:
        """Count up in the lease file from a thread of its own, for watchers on other machines."""
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Give the run back; the work folder stays for whoever resumes it.

        The file stays too: were its number free again, an owner that slept through a takeover would think it leads.
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
                continue  # a full disk must not stop training; a silent lease may be taken over, which is safe

    def _rewrite(self, change: dict[str, Any]) -> None:
        """Change the lease file, unless another lease of the same number has taken its place or the folder is gone."""
        with self._writing, contextlib.suppress(FileNotFoundError, ResultsError):
            content = read_lease(self.path)
            if content.get("token") == self.identity["token"] and not content.get("released"):
                _write_whole(self.path, {**content, **change})


def acquire(folder: Path) -> Lease | None:
    """Take the run whose work folder this is, or None if somebody alive has it (or was faster)."""
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # and it may be gone again when it is looked into
                folder.mkdir()
            return _acquire(folder)
    return None


def _acquire(folder: Path) -> Lease | None:
    number = _highest(folder)
    if number and alive(folder / f"lease-{number}.json"):
        return None
    lease = Lease(folder, number + 1, {**_me(), "token": uuid.uuid4().hex, "heartbeat": 0})
    if not _create_exclusively(lease.path, lease.identity):
        return None
    lease.start_heartbeat()
    return lease


def alive(path: Path) -> bool:
    """Whether the holder of the lease still works, as far as can be told from here."""
    try:
        holder = read_lease(path)
    except (OSError, ResultsError):
        return False
    if holder.get("released"):
        return False
    me = _me()
    if holder["host"] == me["host"] and holder["boot"] != me["boot"]:
        return False  # this machine was started anew since
    if all(holder.get(name) == me[name] for name in ("host", "boot", "processes")):
        return _process_runs(holder["pid"], holder["started"], holder.get("ticks"))
    counter, since = _sightings.get(path, (None, 0.0))
    if counter != holder["heartbeat"]:
        _sightings[path] = (holder["heartbeat"], time.monotonic())
        return True
    return time.monotonic() - since < PATIENCE


def holder(folder: Path) -> dict[str, Any] | None:
    """Who works on a run right now: the content of its lease, or None."""
    try:
        path = folder / f"lease-{_highest(folder)}.json"
        return read_lease(path) if alive(path) else None
    except (OSError, ResultsError):
        return None


def _highest(folder: Path) -> int:
    numbers = [int(match[1]) for entry in os.listdir(folder) if (match := re.fullmatch(r"lease-(\d+)\.json", entry))]
    return max(numbers, default=0)


def _me() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "boot": processes.boot_id(),
        "processes": processes.process_table(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "ticks": processes.start_ticks(os.getpid()),
    }


def _process_runs(pid: int, started: float, ticks: int | None) -> bool:
    """Whether the process that started then still runs, and not another one of its number.

    Args:
        started: seconds since 1970 by the clock of that time; counts where ``ticks`` is None.
        ticks: its :func:`benchmarks.store.processes.start_ticks`.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 1 if ticks is None else processes.start_ticks(pid) == ticks
        return same and process.status() != psutil.STATUS_ZOMBIE
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
