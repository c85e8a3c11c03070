"""The results folder. A run folder appears by one rename, and its presence alone means that the run is done."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.integrity import DAMAGED, UNVERIFIED, Finding, inspect, seal_of, seal_problems, verify
from analysis.parts import PackedRuns, packed_runs, run_folder
from analysis.records import (
    NEEDED,
    OBJECTS,
    PLAIN_NAME,
    SEAL,
    DamagedError,
    ResultsError,
    read_failure,
    read_json,
    results_option,
    with_digest,
)
from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store import leases
from benchmarks.store.files import files_in, partial_path, sweep_partials, sync, write_json
from benchmarks.store.leases import Lease

# contents of a run folder; everything else in an attempt is temporary and deleted before the folder is published
RUN_FILES = tuple(dict.fromkeys([*NEEDED, *OBJECTS, "predictions", SEAL]))
WEIGHTS = "weights.safetensors"  # beside them in an attempt whose run is a parent; kept in a folder of their own


@dataclass(frozen=True)
class RunState:
    """State of a run: ``state`` is done, running, failed or todo; ``detail`` gives the reason or the process."""

    key: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Store:
    """A results folder.

    Finished runs are in ``root/runs`` and, published ones, in parts (:mod:`analysis.parts`); work in progress is in
    ``root/inflight``, the weights of parents in ``root/weights``, manifests in ``root/experiments``. One store observes
    the heartbeats of leases on other machines: to detect a dead one, use the same store for at least
    :data:`benchmarks.store.leases.PATIENCE` seconds.
    """

    root: Path
    heartbeats: leases.Heartbeats = field(default_factory=leases.Heartbeats, compare=False, repr=False)

    @property
    def runs(self) -> Path:
        """Folder of the finished runs."""
        return self.root / "runs"

    @cached_property
    def packed(self) -> PackedRuns:
        """Runs that are in parts, as they were at the first use of this store."""
        return packed_runs(self.root)

    def folder(self, key: str) -> Path:
        """Return the folder to read a run from; a part is unpacked at first need, outside the results folder."""
        return run_folder(self.root, key, self.packed)

    def must_have_runs(self) -> None:
        """Raise UsageError if nothing was ever run or published here."""
        if not (self.runs.is_dir() or self.packed.parts or self.packed.faults):
            raise UsageError(
                f"there are no runs in {self.root}: `smart-repro run` makes some, or give another --results"
            )

    @property
    def inflight(self) -> Path:
        """Folder of the work in progress."""
        return self.root / "inflight"

    def weights(self, key: str) -> Path:
        """Return the file for the trained weights of a run; it exists if another run needs them."""
        return self.root / "weights" / f"{key}.safetensors"

    def manifests(self, name: str) -> Path:
        """Return the folder of an experiment's manifests. Raises UsageError: the name is not plain."""
        if not PLAIN_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of an experiment: letters, digits and . _ + @ - [ ], at most 100, are"
            )
        return self.root / "experiments" / name

    def prepare(self, disk: float = 0.0) -> None:
        """Create the folders and check, before hours of training, that they can take the results.

        Args:
            disk: size of the results in bytes.

        Raises:
            UsageError: the folder cannot be written, is on several disks, or the disk has too little space.
        """
        try:
            for folder in (self.runs, self.inflight):
                folder.mkdir(parents=True, exist_ok=True)
            self._probe_moves()
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

    def _probe_moves(self) -> None:
        """Write a file and move it as a finished run is moved.

        Raises: OSError: the folder cannot be written. UsageError: a finished run could not be moved to its place.
        """
        probe = partial_path(self.inflight / "probe")
        try:
            probe.write_bytes(b"x" * 4096)
            for folder in filter(Path.is_dir, (self.runs, self.root / "weights")):
                try:
                    os.rename(probe, folder / probe.name)
                    os.rename(folder / probe.name, probe)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    raise UsageError(
                        f"{folder} is on another disk than {self.inflight}, from where finished runs are moved: let "
                        "--results, or a link to the whole results folder, name a folder on one disk"
                    ) from error
        finally:
            probe.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete the work folders of finished runs that killed processes left."""
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
            elif (
                entry.name in done
                and leases.holder(Path(entry.path), self.heartbeats) is None
                and not self.failure(entry.name)
                and self._is_intact(entry.name)  # else the work is all that there is of the run
            ):
                self._drop(Path(entry.path))

    # --- states of runs ---

    def is_done(self, key: str, *, weights: bool = False) -> bool:
        """Return True if the run is finished; with ``weights``, only if its weights are present too."""
        is_stored = (self.runs / key).is_dir() or key in self.packed.parts
        return is_stored and (not weights or self.weights(key).is_file())

    def done_keys(self) -> set[str]:
        """Return the keys of all finished runs, by one read of the folder."""
        try:
            names = {entry.name for entry in os.scandir(self.runs) if entry.is_dir()}
        except (FileNotFoundError, NotADirectoryError):
            names = set()
        return {name for name in names if not name.startswith(".")}.union(self.packed.parts)

    def states(self, keys: Collection[str], parents: Collection[str] = ()) -> dict[str, RunState]:
        """Return the state of each run; a run in ``parents`` is done only if its weights are present."""
        done = self.done_keys()
        without_weights = {key for key in done.intersection(parents) if not self.weights(key).is_file()}
        working = set(os.listdir(self.inflight)) if self.inflight.is_dir() else set()
        return {
            key: self._state(key, done - without_weights if without_weights else done, working, key in without_weights)
            for key in keys
        }

    def _state(self, key: str, done: set[str], working: set[str], lacks_weights: bool) -> RunState:
        if key in done:
            return RunState(key, "done")
        todo = RunState(
            key, "todo", "done without its weights, will be trained again for them" if lacks_weights else ""
        )
        if key not in working:
            return todo
        owner = leases.holder(self.inflight / key, self.heartbeats)
        if owner is not None:
            return RunState(key, "running", f"process {owner['pid']} on {owner['host']}")
        failure = self.failure(key)
        if failure is not None:
            return RunState(key, "failed", f"{failure['kind']}: {failure['message']}")
        return todo if lacks_weights else RunState(key, "todo", "interrupted, will be resumed")

    def failure(self, key: str) -> dict[str, Any] | None:
        """Return the record of the run's last failure, or None."""
        try:
            return read_failure(self.inflight / key / "failure.json")
        except (FileNotFoundError, ResultsError):  # without a readable record the run is tried again
            return None

    def verify(self, key: str) -> str:
        """Compare a finished run with its seal and key; "verified", or "unverified" where it has no seal.

        Raises: ResultsError: it is damaged, with the file and the remedy. UsageError: there is no such run here.
        """
        if not self.is_done(key):
            raise self.absent(key)
        return verify(self.folder(key))

    def verify_for_copy(self, key: str) -> str:
        """Verify a run that is copied elsewhere; one without a seal must be fit for it, as for :meth:`seal`.

        Raises: as :meth:`verify`.
        """
        state, folder = self.verify(key), self.folder(key)
        problems = seal_problems(folder) if state == UNVERIFIED else []
        if problems:
            raise DamagedError(folder / "result.json", f"has no seal and cannot get one ({problems[0]})")
        return state

    def _is_intact(self, key: str) -> bool:
        try:
            self.verify(key)
        except (ResultsError, UsageError):
            return False
        return True

    def absent(self, key: str) -> UsageError:
        """Return the error that there is no such run; a damaged part is named, since it may hold the run."""
        return UsageError(
            f"no finished run {key} in {self.root}: `smart-repro runs list{results_option(self.root)}` shows them"
            f"{self.packed.hint()}"
        )

    def seal(self, key: str) -> Finding:
        """Seal a finished run that has no seal; a reason not to seal it is returned as damage."""
        folder = self.folder(key)
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
        """Return the spec of a finished run.

        Raises:
            UsageError: there is no such run.
        """
        path = self.folder(key) / "spec.json"
        if not path.is_file():
            raise self.absent(key)
        return spec_of(read_json(path), path)

    # --- work on a run ---

    def take(self, key: str, *, weights: bool = False) -> Lease | None:
        """Return the lease on a run, or None if the run is done or another process works on it."""
        lease = leases.acquire(self.inflight / key, self.heartbeats)
        if lease is not None and self.is_done(key, weights=weights):
            self.clear(lease)
            return None
        return lease

    def attempt(self, lease: Lease) -> Path:
        """Return the work folder of this attempt, with the saved state of the last attempt.

        The state is copied: a former owner that was only suspended must not write into the files of this attempt.
        """
        own_folder = lease.folder / f"attempt-{lease.number}"
        earlier_attempts = _attempts(lease.folder)
        for leftover in (own_folder, *lease.folder.glob(".copy-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        if earlier_attempts:
            partial = lease.folder / f".copy-{uuid.uuid4().hex}"
            try:
                _copy(earlier_attempts[-1], partial)
                sync(*files_in(partial))  # because the original is deleted next
                os.rename(partial, own_folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            for folder in earlier_attempts:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            own_folder.mkdir()
        (lease.folder / "failure.json").unlink(missing_ok=True)
        return own_folder

    def publish(self, lease: Lease, attempt: Path) -> None:
        """Make a finished attempt the run's folder, and delete the work folder. The first finisher wins.

        Raises:
            LeaseLostError: another process has taken the run over.
        """
        lease.check()
        key = lease.folder.name
        if (attempt / WEIGHTS).exists():
            self.weights(key).parent.mkdir(parents=True, exist_ok=True)
            sync(attempt / WEIGHTS)
            os.replace(attempt / WEIGHTS, self.weights(key))
        _tidy(attempt)
        write_json(attempt / SEAL, seal_of(attempt, key))
        sync(*files_in(attempt))  # after a power cut, a published folder must not hold empty files
        self.runs.mkdir(parents=True, exist_ok=True)
        if key not in self.packed.parts:
            try:
                os.rename(attempt, self.runs / key)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        self.clear(lease)

    def fail(self, lease: Lease, kind: str, message: str, **details: Any) -> None:
        """Record the failure of a run; its history and checkpoint are kept."""
        content = with_digest({"kind": kind, "message": message, **details})
        write_json(lease.folder / "failure.json", content)
        lease.release()

    def clear(self, lease: Lease) -> None:
        """Delete the work folder of a finished run."""
        lease.release()
        self._drop(lease.folder)

    def _drop(self, folder: Path) -> None:
        """Delete a folder after a rename, so that no process can mistake half a work folder for an interrupted run."""
        self.inflight.mkdir(parents=True, exist_ok=True)  # a published folder has none
        discarded = self.inflight / f".gone-{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, discarded)
        for _ in range(3):  # a process that still had the folder open may add a file while it is emptied
            shutil.rmtree(discarded, ignore_errors=True)
            if not discarded.exists():
                break

    # --- keeping and removing ---

    def write_manifest(self, manifest: Manifest) -> Path:
        """Write an experiment's manifest under the name of its grid; ``report`` reads the newest one."""
        path = self.manifests(manifest.name) / f"{manifest.grid}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, with_digest(manifest.to_json()))
        return path

    def remove(self, key: str) -> None:
        """Delete a run: its results, its weights and its work folder.

        Interrupted work beside a damaged run is kept, so that the run can be resumed. A folder of a run that is in a
        part too is deleted alone.

        Raises:
            UsageError: a process works on it, or it is only in a part, which is sealed.
        """
        folder, is_packed = self.runs / key, key in self.packed.parts
        if is_packed and not folder.exists():
            raise UsageError(
                f"run {key} is sealed in {self.packed.parts[key].path}, which is never rewritten: delete that file, "
                "with all its runs, or keep the run"
            )
        owner = leases.holder(self.inflight / key, self.heartbeats)
        if owner is not None:
            raise UsageError(
                f"run {key} is being worked on by process {owner['pid']} on {owner['host']}: stop it first"
            )
        has_only_work = folder.exists() and not self._is_intact(key)
        self._drop(folder)
        if is_packed:
            return
        if not has_only_work:
            self._drop(self.inflight / key)
        self.weights(key).unlink(missing_ok=True)


def spec_of(stored: dict[str, Any], path: Path) -> RunSpec:
    """Return the spec of a run from the content of its ``spec.json``.

    Raises:
        UsageError: this version cannot read it.
    """
    try:
        return RunSpec.from_json({name: value for name, value in stored["spec"].items() if name != "method_config"})
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} holds no run that this version knows ({error}): update smart-repro, or remove the run"
        ) from error


def _attempts(folder: Path) -> list[Path]:
    folders = [entry for entry in folder.iterdir() if re.fullmatch(r"attempt-\d+", entry.name)]
    return sorted(folders, key=lambda entry: int(entry.name.split("-")[1]))


def _copy(source: Path, target: Path) -> None:
    """Copy a work folder, the checkpoint first.

    All other files are then at least as new as the checkpoint that relies on them.
    """
    target.mkdir()
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name != "checkpoint.pt"):
        if entry.is_dir():
            shutil.copytree(entry, target / entry.name, ignore=shutil.ignore_patterns(".*"))  # hidden: incomplete
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
