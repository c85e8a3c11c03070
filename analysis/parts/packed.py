"""Runs of a results folder that are in parts: which there are, and their folders.

On first need a part is unpacked into the cache, ``<cache>/parts-1/<digest>/<key>/``, and read there from then on; the
results folder is never written to. Without a cache it is unpacked into a temporary folder of this process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.parts.cache import cache_folder
from analysis.parts.part import Part, damaged_part, read_part
from analysis.parts.table import split
from analysis.records import UNPACKED, DamagedError, ResultsError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class PackedRuns:
    """The runs in a results folder's parts.

    Attributes:
        parts: key -> the part that holds the run.
        faults: file name of a part -> message about it, for parts that are damaged or contradict another one.
    """

    parts: Mapping[str, Part]
    faults: Mapping[str, str]

    def folder(self, key: str) -> Path:
        """Return the unpacked folder of a run. Raises ResultsError: the part cannot be unpacked."""
        return unpacked(self.parts[key]) / key

    def must_be_intact(self) -> None:
        """Raise ResultsError if a part is damaged, since its runs would count as not done."""
        for message in self.faults.values():
            raise ResultsError(message)

    def hint(self) -> str:
        """Return what to add to the message that a run is not there: a damaged part may hold it."""
        return "".join(f"; {message}" for message in self.faults.values())


def packed_runs(root: Path) -> PackedRuns:
    """Return the runs in the parts of a results folder; runs that two parts hold with different results are left out.

    Of two copies with the same results, the one with more logits is used.
    """
    parts, faults, ambiguous_runs = dict[str, Part](), dict[str, str](), set[str]()
    different_runs: dict[tuple[Path, Path], list[str]] = {}
    for path in sorted((root / "experiments").glob("*/part-*.parquet")):
        try:
            part = read_part(path)
        except ResultsError as error:
            faults[path.name] = str(error)
            continue
        for key in part.runs:
            first = parts.setdefault(key, part)
            try:
                fuller = _fuller(first, part, key)
            except ResultsError as error:  # of one of the parts, or of its unpacked copy
                faults[path.name] = str(error)
                ambiguous_runs.add(key)
                continue
            if fuller is None:
                different_runs.setdefault((first.path, path), []).append(key)
            parts[key] = fuller or first
    for (first_path, path), keys in different_runs.items():
        message = f"{first_path} and {path} hold different runs {', '.join(keys)}: delete the wrong one"
        faults[path.name] = "; ".join(filter(None, (faults.get(path.name), message)))
        ambiguous_runs.update(keys)
    return PackedRuns({key: part for key, part in parts.items() if key not in ambiguous_runs}, faults)


def _fuller(first: Part, second: Part, key: str) -> Part | None:
    """Return the part with the fuller copy of a run, else the first; None if their results of the run differ.

    Raises:
        ResultsError: a part cannot be unpacked.
    """
    if first.runs[key] == second.runs[key]:
        return first
    from analysis.parts.copies import fuller_copy

    folders = {unpacked(part) / key: part for part in (first, second)}
    copy = fuller_copy(*folders)
    return None if copy is None else folders[copy]


def run_folder(root: Path, key: str, packed: PackedRuns | None = None) -> Path:
    """Return the folder of a run: its own in ``runs``, else where its part is unpacked, else where it would be.

    Raises:
        ResultsError: the run's part cannot be unpacked.
    """
    folder = root / "runs" / key
    if folder.is_dir():
        return folder
    packed = packed_runs(root) if packed is None else packed
    return packed.folder(key) if key in packed.parts else folder


def unpacked(part: Part) -> Path:
    """Return the folder that holds a part's run folders; it is made at the first call and appears by one rename.

    Raises:
        DamagedError: the part was changed since it was opened.
        ResultsError: the folder cannot be written.
    """
    base = cache_folder()
    try:
        return _unpacked_below(base / UNPACKED if base is not None else _temporary_folder(), part)
    except OSError as error:
        if base is None:
            raise ResultsError(f"{part.path} cannot be unpacked: {error.strerror or error}") from error
    return _unpacked_below(_temporary_folder(), part)  # a cache that cannot be written


def _unpacked_below(base: Path, part: Part) -> Path:
    target = base / part.digest
    if target.is_dir():
        return target
    base.mkdir(parents=True, exist_ok=True)
    partial = base / f".{part.digest}.{uuid.uuid4().hex}"
    try:
        write_folders(part, partial)
        try:
            os.rename(partial, target)
        except OSError:
            if not target.is_dir():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def write_folders(part: Part, target: Path) -> None:
    """Write the run folders of a part below ``target``.

    Raises:
        DamagedError: the part is damaged. OSError: a file cannot be written.
    """
    import pyarrow as pa

    try:
        files = list(split(part.table()))
    except DamagedError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise damaged_part(part.path, f"cannot be unpacked ({str(error).splitlines()[0]})") from error
    if {key for key, *_ in files} != set(part.runs):
        raise damaged_part(part.path, "does not hold the runs that it lists")
    with ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(lambda file: _write(target / file[0] / file[1], file[2]), files))


def _write(path: Path, content: str | pa.Table) -> None:
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_bytes(content.encode())
    else:
        pq.write_table(content, path)


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="smart-repro-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / UNPACKED
