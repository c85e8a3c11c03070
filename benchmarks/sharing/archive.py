"""Transfer of finished runs between results folders: a tar archive that contains run files alone.

An archive is not trusted: only files that a run folder may contain are read, links and paths out of the folder are
refused, sizes are limited, weights are not included, and an existing run is not changed. The last file of an archive,
``contents.json``, has the sha256 of every other one; the archive is read to its end, where gzip's own checksum is; and
each run is verified. Nothing is merged unless all of this agrees.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from analysis.integrity import DAMAGED, inspect
from analysis.parts.copies import have_same_results
from analysis.records import NEEDED, ResultsError, problem, read_object, with_digest, without_digest
from analysis.results import Results, load_manifest
from benchmarks.errors import UsageError
from benchmarks.sharing.tables import merge_tables, newest_tables
from benchmarks.store.files import partial_path, replacing
from benchmarks.store.store import RUN_FILES, Store

_KEY = "[0-9a-f]{32}"
_NAME = r"[A-Za-z0-9][A-Za-z0-9+@\[\]_.-]*"
_PLAIN = "|".join(re.escape(name) for name in RUN_FILES if name.endswith((".json", ".jsonl")))
_RUN_FILE = re.compile(rf"runs/({_KEY})/({_PLAIN}|predictions/{_NAME}\.parquet)")
_MANIFEST = re.compile(rf"experiments/({_NAME})/({_NAME})\.json")
_CONTENTS = "contents.json"
_BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, OverflowError, MemoryError)
_DIFFERING = "differing"
_BLOCK = 1 << 20  # bytes read at once
MOST_BYTES = 20 * 2**30  # of one archive, unpacked
MOST_BYTES_A_FILE = 2 * 2**30


@dataclass(frozen=True)
class Merged:
    """The outcome of unpacking.

    Attributes:
        new: keys of the runs that were added.
        kept: keys of the runs that existed already.
        manifests: number of tables that were added.
        differing: those of the kept runs whose results are not the archive's.
        damaged: those of the kept runs that are damaged.
        lacking: experiment -> what the archive's newer table lacks; the one that was here stays the newest.
    """

    new: tuple[str, ...]
    kept: tuple[str, ...]
    manifests: int
    differing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    lacking: Mapping[str, list[str]] = field(default_factory=dict)


def pack(store: Store, path: Path, keys: Iterable[str], names: Iterable[str] = ()) -> int:
    """Write these finished runs, and the manifests of these experiments, into a ``.tar.gz``; return the number of runs.

    Raises: UsageError: if there is nothing to pack, or the file exists. ResultsError: a run or manifest is damaged.
    """
    run_keys = sorted(keys)
    if not run_keys:
        raise UsageError(f"there is no finished run to pack in {store.root}")
    if path.exists():
        raise UsageError(f"{path} exists: give another name, or remove it")
    for key in run_keys:
        store.verify_for_copy(key)
    try:
        packed = _packed(store, run_keys, names)
        with replacing(path) as partial, tarfile.open(partial, "w:gz", compresslevel=6) as tar:
            digests = {name: _add(tar, name, file.read_bytes(), _time(name, file)) for name, file in packed}
            _add(tar, _CONTENTS, json.dumps(with_digest({"files": digests})).encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    return len(run_keys)


def unpack(store: Store, path: Path, *, most_bytes: int = MOST_BYTES) -> Merged:
    """Merge an archive's runs into a results folder; nothing is changed unless the whole archive is valid.

    Raises: UsageError: naming the entry that is not what an archive may hold.
    """
    is_new = not store.root.exists()
    store.prepare()
    staging = partial_path(store.inflight / "unpack")
    staging.mkdir()
    try:
        _compare(path, _extract(path, staging, most_bytes), staging)
        runs = sorted(staging.glob("runs/*"))
        for folder in runs:
            _check(folder, path)
        tables = sorted(staging.glob("experiments/*/*.json"))
        for file in tables:
            load_manifest(file)
        newest = newest_tables(store, {file.parent.name for file in tables})
        conflicts = {folder.name: _conflict(store, folder) for folder in runs if store.is_done(folder.name)}
        packed = store.packed.parts
        merged = {
            folder.name: folder.name not in packed and _merge(folder, store.runs / folder.name) for folder in runs
        }
        added, lacking = merge_tables(store, tables, newest)
        new = tuple(key for key, is_new in merged.items() if is_new)
        kept = tuple(key for key in merged if key not in new)
        differing, damaged = (
            tuple(key for key, conflict in conflicts.items() if conflict == kind) for kind in (_DIFFERING, DAMAGED)
        )
        return Merged(new, kept, added, differing, damaged, lacking)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in (store.inflight, store.runs, store.root) if is_new else ():
            with suppress(OSError):  # not empty: another process works here
                folder.rmdir()
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _packed(store: Store, keys: Iterable[str], names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield each file with its name in the archive."""
    for key in keys:
        folder = store.folder(key)
        for file in sorted(folder.rglob("*")):
            name = f"runs/{key}/{file.relative_to(folder).as_posix()}"
            if file.is_file() and _RUN_FILE.fullmatch(name):
                yield name, file
    for name in sorted(set(names)):
        for file in sorted(store.manifests(name).glob("*.json")):
            load_manifest(file)
            yield f"experiments/{name}/{file.name}", file


def _time(name: str, file: Path) -> float:
    """Return the time that is packed: of a table, since the newest one of an experiment is used; of other files 0."""
    return file.stat().st_mtime if _MANIFEST.fullmatch(name) else 0


def _add(tar: tarfile.TarFile, name: str, content: bytes, time: float = 0) -> str:
    """Add the content and this time, without owner and modes of this machine; return the content's sha256."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), time
    tar.addfile(entry, io.BytesIO(content))
    return hashlib.sha256(content).hexdigest()


def _is_allowed(entry: tarfile.TarInfo) -> bool:
    named = _RUN_FILE.fullmatch(entry.name) or _MANIFEST.fullmatch(entry.name) or entry.name == _CONTENTS
    return entry.isreg() and bool(named)


def _extract(path: Path, staging: Path, most_bytes: int) -> dict[str, str]:
    """Write the archive's files, reading it to the end; return name -> sha256."""
    left, digests = most_bytes, dict[str, str]()
    try:
        with tarfile.open(path, "r:*") as tar:
            for entry in tar:
                if not _is_allowed(entry):
                    raise UsageError(
                        f"{path}: {entry.name!r} is no file of a run: this archive is not from `runs pack`"
                    )
                if entry.name in digests:
                    raise UsageError(f"{path}: {entry.name} is in it twice")
                left -= entry.size
                if left < 0 or entry.size > MOST_BYTES_A_FILE:
                    raise UsageError(
                        f"{path}: it unpacks to more than {most_bytes / 2**30:.3g} GiB, nothing was merged"
                    )
                source = tar.extractfile(entry)
                assert source is not None
                target = staging / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                digests[entry.name] = _copied(source, target)
                os.utime(target, (entry.mtime, entry.mtime))
            while tar.fileobj.read(_BLOCK):  # a checksum follows the last file
                continue
    except _BROKEN as error:
        raise UsageError(f"{path} is not a complete tar archive: {error}") from error
    return digests


def _copied(source: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as stream:
        while block := source.read(_BLOCK):
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def _compare(path: Path, digests: dict[str, str], staging: Path) -> None:
    """Compare the extracted files with the list of packed ones; archives of earlier versions have no list."""
    file = staging / _CONTENTS
    if digests.pop(_CONTENTS, None) is None:
        return
    try:
        contents = without_digest(file, read_object(file))
    except ResultsError as error:
        raise UsageError(f"{path}: the list of its contents is damaged: {error}") from error
    if problem(contents, {"files": {str: str}}) or contents["files"] != digests:
        raise UsageError(f"{path}: its files are not those that were packed; fetch the archive again")


def _check(folder: Path, path: Path) -> None:
    """Check that a run folder is complete and holds the run that it is named after."""
    missing = set(NEEDED) - {entry.name for entry in folder.iterdir()}
    if missing or not list(folder.glob("predictions/*.parquet")):
        raise UsageError(f"{path}: run {folder.name} lacks {', '.join(sorted(missing)) or 'predictions'}")
    finding = inspect(folder)
    if finding.reason:
        place = f"runs/{folder.name}/{finding.file}"
        raise UsageError(f"{path}: {place} {finding.reason}: pack an undamaged copy, or leave the run out")


def _merge(folder: Path, target: Path) -> bool:
    """Move a run folder into place; return whether it was new. An existing run is never overwritten."""
    if target.exists():
        return False
    try:
        os.rename(folder, target)
    except OSError:
        if target.exists():  # another process has finished it meanwhile
            return False
        raise
    return True


def _conflict(store: Store, folder: Path) -> str:
    """Return what is wrong with the run that is here: damaged, of other results than the archive's, or ""."""
    own_folder = store.folder(folder.name)
    if inspect(own_folder).state == DAMAGED:
        return DAMAGED
    return "" if have_same_results(own_folder, folder) else _DIFFERING


def experiments_of(store: Store, keys: Iterable[str]) -> list[str]:
    """Return the experiments whose tables contain these runs."""
    packed, results = set(keys), Results(store.root)
    return [
        name
        for name in results.experiments()
        if any(not packed.isdisjoint(load_manifest(grid).all_keys()) for grid in results.grids(name))
    ]
