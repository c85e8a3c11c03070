"""The results folder. A run folder appears whole, by one rename: its presence is the only meaning of "done"."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import leases
from benchmarks.errors import UsageError
from benchmarks.leases import Lease


@dataclass(frozen=True)
class RunState:
    """Where one run stands: ``state`` is done, running, failed or todo; ``detail`` says why or who."""

    key: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Store:
    """Run folders under ``root/runs``, work in flight under ``root/inflight``, manifests under ``root/experiments``."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def inflight(self) -> Path:
        return self.root / "inflight"

    def manifests(self, name: str) -> Path:
        return self.root / "experiments" / name

    def prepare(self) -> None:
        """Create the folders, and fail now rather than after hours of training if they cannot be written.

        Raises: UsageError: with the reason.
        """
        try:
            for folder in (self.runs, self.inflight):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.inflight / f".probe-{uuid.uuid4().hex}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"the results folder {self.root} cannot be written: {reason}. Choose another with --results"
            ) from error

    def is_done(self, key: str) -> bool:
        return (self.runs / key).is_dir()

    def done_keys(self) -> set[str]:
        """All finished runs, by one look at the folder."""
        try:
            return {entry.name for entry in os.scandir(self.runs) if entry.is_dir()}
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def states(self, keys: list[str]) -> dict[str, RunState]:
        """Where each run stands."""
        done = self.done_keys()
        working = set(os.listdir(self.inflight)) if self.inflight.is_dir() else set()
        return {key: self._state(key, done, working) for key in keys}

    def _state(self, key: str, done: set[str], working: set[str]) -> RunState:
        if key in done:
            return RunState(key, "done")
        if key not in working:
            return RunState(key, "todo")
        owner = leases.holder(self.inflight / key)
        if owner is not None:
            return RunState(key, "running", f"process {owner['pid']} on {owner['host']}")
        failure = self.failure(key)
        if failure is not None:
            return RunState(key, "failed", f"{failure['kind']}: {failure['message']}")
        return RunState(key, "todo", "interrupted, will be resumed")

    def failure(self, key: str) -> dict[str, Any] | None:
        """Why the run failed the last time, or None."""
        try:
            content: dict[str, Any] = json.loads((self.inflight / key / "failure.json").read_text())
        except FileNotFoundError:
            return None
        return content

    def take(self, key: str) -> Lease | None:
        """The right to work on a run, or None if it is done or somebody else works on it."""
        lease = leases.acquire(self.inflight / key)
        if lease is not None and self.is_done(key):
            self.clear(lease)
            return None
        return lease

    def attempt(self, lease: Lease) -> Path:
        """The work folder of this attempt, with what the last attempt had saved."""
        mine = lease.folder / f"attempt-{lease.number}"
        earlier = _attempts(lease.folder)
        shutil.rmtree(mine, ignore_errors=True)
        if earlier:
            partial = lease.folder / f".copy-{uuid.uuid4().hex}"
            shutil.copytree(earlier[-1], partial)
            os.rename(partial, mine)
            for folder in earlier:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            mine.mkdir()
        (lease.folder / "failure.json").unlink(missing_ok=True)
        return mine

    def publish(self, lease: Lease, attempt: Path) -> None:
        """Make a finished attempt the run's folder, and drop the work folder. The first finisher wins.

        Raises: LeaseLostError: if somebody else took the run over.
        """
        lease.check()
        self.runs.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(attempt, self.runs / lease.folder.name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        self.clear(lease)

    def fail(self, lease: Lease, kind: str, message: str, **details: Any) -> None:
        """Record why the run failed; its history and checkpoint stay."""
        write_json(lease.folder / "failure.json", {"kind": kind, "message": message, **details})
        lease.release()

    def clear(self, lease: Lease) -> None:
        """Drop the work folder of a run that is done."""
        lease.release()
        shutil.rmtree(lease.folder, ignore_errors=True)

    def write_manifest(self, manifest: dict[str, Any]) -> Path:
        """Keep an experiment's manifest under its grid's name; the newest one is what ``report`` reads."""
        path = self.manifests(manifest["name"]) / f"{manifest['grid']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, manifest)
        return path


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole: readers see the old file or the new one."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    partial.write_text(json.dumps(content, indent=1, sort_keys=False) + "\n")
    os.replace(partial, path)


def _attempts(folder: Path) -> list[Path]:
    found = [entry for entry in folder.iterdir() if re.fullmatch(r"attempt-\d+", entry.name)]
    return sorted(found, key=lambda entry: int(entry.name.split("-")[1]))
