"""The results folder. A run folder appears whole, by one rename: its presence is the only meaning of "done"."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.integrity import DAMAGED, UNVERIFIED, Finding, inspect, seal_of, seal_problems, verify
from analysis.records import (
    NEEDED,
    OBJECTS,
    PLAIN_NAME,
    SEAL,
    ResultsError,
    read_failure,
    read_json,
    with_digest,
)
from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store import leases
from benchmarks.store.files import files_in, partial_path, sweep_partials, sync, write_json
from benchmarks.store.leases import Lease

# what a run folder may hold; everything else in an attempt is scaffolding and goes before the folder is published
RUN_FILES = tuple(dict.fromkeys([*NEEDED, *OBJECTS, "predictions", SEAL]))
WEIGHTS = "weights.safetensors"  # beside them in an attempt whose run is a parent; kept in a folder of their own


@dataclass(frozen=True)
class RunState:
    """Where one run stands: ``state`` is done, running, failed or todo; ``detail`` says why or who."""

    key: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Store:
    """A results folder.

    Finished runs lie under ``root/runs``, work in flight under ``root/inflight``, the weights of parents under
    ``root/weights``, manifests under ``root/experiments``.
    """

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def inflight(self) -> Path:
        return self.root / "inflight"

    def weights(self, key: str) -> Path:
        """Where the trained weights of a run lie, if a child needs them."""
        return self.root / "weights" / f"{key}.safetensors"

    def manifests(self, name: str) -> Path:
        """Where the manifests of an experiment lie. Raises UsageError: the name is not plain, so no folder of ours."""
        if not PLAIN_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of an experiment: letters, digits and . _ + @ - [ ], at most 100, are"
            )
        return self.root / "experiments" / name

    def prepare(self, disk: float = 0.0) -> None:
        """Create the folders, and fail now rather than after hours of training if they cannot take the results.

        Args:
            disk: bytes the results will need.
        Raises: UsageError: with the reason.
        """
        try:
            for folder in (self.runs, self.inflight):
                folder.mkdir(parents=True, exist_ok=True)
            probe = partial_path(self.inflight / "probe")
            try:
                probe.write_bytes(b"x" * 4096)
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"the results folder {self.root} cannot be written: {reason}. Choose another with --results"
            ) from error
        free = shutil.disk_usage(self.root).free
        if free < disk:
            raise UsageError(
                f"the results need about {disk / 2**20:,.0f} MiB, and the disk of {self.root} has {free / 2**20:,.0f} "
                "MiB left: free some, or choose another folder with --results"
            )

    def sweep(self) -> None:
        """Drop what killed processes left of work that is finished, and files that they left half-written."""
        done = self.done_keys()
        experiments = self.root / "experiments"
        for folder in (self.root, self.runs, self.inflight, self.root / "weights", self.root / "texts"):
            sweep_partials(folder)
        for folder in experiments.iterdir() if experiments.is_dir() else ():
            sweep_partials(folder)
        for entry in list(os.scandir(self.inflight)):
            sweep_partials(Path(entry.path))
            if entry.name.startswith(".gone-"):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name in done and leases.holder(Path(entry.path)) is None and not self.failure(entry.name):
                self._drop(Path(entry.path))

    # --- what there is ---

    def is_done(self, key: str, *, weights: bool = False) -> bool:
        """Whether the run is finished; ``weights``: and its weights are there."""
        return (self.runs / key).is_dir() and (not weights or self.weights(key).is_file())

    def done_keys(self) -> set[str]:
        """All finished runs, by one look at the folder."""
        try:
            found = {entry.name for entry in os.scandir(self.runs) if entry.is_dir()}
        except (FileNotFoundError, NotADirectoryError):
            return set()
        return {name for name in found if not name.startswith(".")}

    def states(self, keys: Collection[str], parents: Collection[str] = ()) -> dict[str, RunState]:
        """Where each run stands; of ``parents`` the weights must be there too."""
        done = self.done_keys()
        needed = {key for key in done.intersection(parents) if not self.weights(key).is_file()}
        working = set(os.listdir(self.inflight)) if self.inflight.is_dir() else set()
        return {key: self._state(key, done - needed if needed else done, working, key in needed) for key in keys}

    def _state(self, key: str, done: set[str], working: set[str], again: bool) -> RunState:
        if key in done:
            return RunState(key, "done")
        todo = RunState(key, "todo", "done without its weights, will be trained again for them" if again else "")
        if key not in working:
            return todo
        owner = leases.holder(self.inflight / key)
        if owner is not None:
            return RunState(key, "running", f"process {owner['pid']} on {owner['host']}")
        failure = self.failure(key)
        if failure is not None:
            return RunState(key, "failed", f"{failure['kind']}: {failure['message']}")
        return todo if again else RunState(key, "todo", "interrupted, will be resumed")

    def failure(self, key: str) -> dict[str, Any] | None:
        """Why the run failed the last time, or None."""
        try:
            return read_failure(self.inflight / key / "failure.json")
        except (FileNotFoundError, ResultsError):  # a damaged one tells nothing, and the run is tried again
            return None

    def verify(self, key: str) -> str:
        """Compare a finished run with its seal and key; "verified", or "unverified" where it has no seal.

        Raises: ResultsError: it is damaged, with the file and the remedy. UsageError: there is no such run here.
        """
        if not self.is_done(key):
            raise UsageError(f"no finished run {key} in {self.root}: `smart-repro runs list` shows them")
        return verify(self.runs / key)

    def seal(self, key: str) -> Finding:
        """Give a finished run that has no seal one. What keeps it from being sealed is returned as damage."""
        folder = self.runs / key
        finding = inspect(folder)
        if finding.state == UNVERIFIED:
            problems = seal_problems(folder)
            if problems:
                return Finding(key, DAMAGED, "result.json", problems[0], f"run {key} is not sealed: {problems[0]}")
            write_json(folder / SEAL, seal_of(folder))
            sync(folder / SEAL, folder)
            return inspect(folder)
        return finding

    def spec(self, key: str) -> RunSpec:
        """What a finished run was.

        Raises: UsageError: if there is no such run here.
        """
        path = self.runs / key / "spec.json"
        if not path.is_file():
            raise UsageError(f"no finished run {key} in {self.root}: `smart-repro runs list` shows them")
        return spec_of(read_json(path), path)

    # --- doing a run ---

    def take(self, key: str, *, weights: bool = False) -> Lease | None:
        """The right to work on a run, or None if it is done or somebody else works on it."""
        lease = leases.acquire(self.inflight / key)
        if lease is not None and self.is_done(key, weights=weights):
            self.clear(lease)
            return None
        return lease

    def attempt(self, lease: Lease) -> Path:
        """The work folder of this attempt, with what the last attempt had saved.

        It is a copy: an owner that was only asleep must not write into the files we go on with.
        """
        mine = lease.folder / f"attempt-{lease.number}"
        earlier = _attempts(lease.folder)
        for leftover in (mine, *lease.folder.glob(".copy-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        if earlier:
            partial = lease.folder / f".copy-{uuid.uuid4().hex}"
            try:
                _copy(earlier[-1], partial)
                sync(*files_in(partial))  # the original goes next
                os.rename(partial, mine)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
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
        key = lease.folder.name
        if (attempt / WEIGHTS).exists():
            self.weights(key).parent.mkdir(parents=True, exist_ok=True)
            sync(attempt / WEIGHTS)
            os.replace(attempt / WEIGHTS, self.weights(key))
        _tidy(attempt)
        write_json(attempt / SEAL, seal_of(attempt, key))
        sync(*files_in(attempt))  # after a power cut, a folder that is there must not hold empty files
        self.runs.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(attempt, self.runs / key)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        self.clear(lease)

    def fail(self, lease: Lease, kind: str, message: str, **details: Any) -> None:
        """Record why the run failed; its history and checkpoint stay."""
        content = with_digest({"kind": kind, "message": message, **details})
        write_json(lease.folder / "failure.json", content)
        lease.release()

    def clear(self, lease: Lease) -> None:
        """Drop the work folder of a run that is done."""
        lease.release()
        self._drop(lease.folder)

    def _drop(self, folder: Path) -> None:
        """Out of sight in one step: nobody may find half a work folder and take it for an interrupted run."""
        gone = self.inflight / f".gone-{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)

    # --- keeping and removing ---

    def write_manifest(self, manifest: Manifest) -> Path:
        """Keep an experiment's manifest under its grid's name; the newest one is what ``report`` reads."""
        path = self.manifests(manifest.name) / f"{manifest.grid}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, with_digest(manifest.to_json()))
        return path

    def remove(self, key: str) -> None:
        """Forget a run: its results, its weights and its work.

        Raises: UsageError: if somebody works on it.
        """
        owner = leases.holder(self.inflight / key)
        if owner is not None:
            raise UsageError(
                f"run {key} is being worked on by process {owner['pid']} on {owner['host']}: stop it first"
            )
        self._drop(self.runs / key)
        self._drop(self.inflight / key)
        self.weights(key).unlink(missing_ok=True)


def spec_of(stored: dict[str, Any], path: Path) -> RunSpec:
    """What a run was, from the content of its ``spec.json``. Raises UsageError: no run can be so."""
    try:
        return RunSpec.from_json({name: value for name, value in stored["spec"].items() if name != "method_config"})
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} holds no run that this version knows ({error}): update smart-repro, or remove the run"
        ) from error


def _attempts(folder: Path) -> list[Path]:
    found = [entry for entry in folder.iterdir() if re.fullmatch(r"attempt-\d+", entry.name)]
    return sorted(found, key=lambda entry: int(entry.name.split("-")[1]))


def _copy(earlier: Path, target: Path) -> None:
    """The checkpoint first: whatever else is written is on disk before the checkpoint that counts on it."""
    target.mkdir()
    for entry in sorted(earlier.iterdir(), key=lambda entry: entry.name != "checkpoint.pt"):
        if entry.is_dir():
            shutil.copytree(entry, target / entry.name, ignore=shutil.ignore_patterns(".*"))  # half-written
        elif not entry.name.startswith(".") and entry.suffix != ".partial":
            shutil.copy2(entry, target / entry.name)


def _tidy(attempt: Path) -> None:
    for entry in attempt.iterdir():
        if entry.name in RUN_FILES:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
