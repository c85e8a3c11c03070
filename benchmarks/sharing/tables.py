"""Manifests of an experiment in a shared folder: a table replaces or joins others only where no result is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.results import Results, load_manifest
from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.store.files import replacing
from benchmarks.store.store import Store

_CLOCK_NS = 2 * 10**9  # coarsest step of the times that a file system stores


def keep_complete_tables(target: Store, manifest: Manifest, finished: Collection[str]) -> None:
    """Refuse a manifest if a complete table of the folder has results that it lacks.

    Args:
        target: the folder that is published into.
        manifest: the table that replaces those of the folder.
        finished: keys of the runs that the folder will have.

    Raises:
        UsageError: a table would lose results; the message names both.
        ResultsError: a manifest of the folder cannot be read.
    """
    for path in sorted(target.manifests(manifest.name).glob("*.json")):
        old = load_manifest(path)
        lost = _further_results(old, manifest, finished) if all(map(target.is_done, old.all_keys())) else []
        if lost:
            raise UsageError(
                f"{path} is a complete table with {', '.join(lost)}, which the new table lacks: publish from a results "
                f"folder where `smart-repro run {manifest.name}` was given all of it, or delete that file"
            )


def _further_results(old: Manifest, new: Manifest, finished: Collection[str]) -> list[str]:
    """Return the rows, columns and seeds that only the old table has; if none, cells with more finished runs in it."""
    row_ids, column_ids = ({part.id for part in parts} for parts in (new.rows, new.columns))
    rows = [f"row {row.id}" for row in old.rows if row.id not in row_ids]
    columns = [f"column {column.id}" for column in old.columns if column.id not in column_ids]
    seeds = [f"seed {seed}" for seed in old.seeds if seed not in new.seeds]
    cells = [
        f"more runs of {row.id} in {column.id}"
        for row in old.rows
        for column in old.columns
        if _count(finished, new.keys(row.id, column)) < _count(finished, old.keys(row.id, column))
    ]
    return [*rows, *columns, *seeds] or cells


def _count(finished: Collection[str], keys: Iterable[str]) -> int:
    return sum(key in finished for key in keys)


def replace_tables(target: Store, manifest: Manifest) -> None:
    """Write a manifest, then delete the experiment's earlier ones, so that there is one at every moment."""
    earlier = set(target.manifests(manifest.name).glob("*.json"))  # one that another process writes now is kept
    written = target.write_manifest(manifest)
    for path in earlier - {written}:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Newest:
    """The newest table of an experiment in a folder, which is the one that is read, and its time in ns since 1970."""

    table: Manifest
    time: int


def newest_tables(store: Store, names: Iterable[str]) -> dict[str, Newest]:
    """Return the newest table of each of these experiments that the folder has. Raises ResultsError: it is damaged."""
    results = Results(store.root)
    return {
        name: Newest(load_manifest(grids[-1]), grids[-1].stat().st_mtime_ns)
        for name in names
        if (grids := results.grids_of(name))
    }


def merge_tables(store: Store, files: Iterable[Path], newest: Mapping[str, Newest]) -> tuple[int, dict[str, list[str]]]:
    """Copy manifests into a folder that lacks them, with their times.

    A newer table that lacks results of the one that is read so far is made older than that, which stays the newest.

    Returns:
        the number of new manifests; and experiment -> what a newer table lacks.
    """
    new = [file for file in files if not (store.manifests(file.parent.name) / file.name).exists()]
    finished, lacking = store.done_keys(), dict[str, list[str]]()
    for file in new:
        name, time = file.parent.name, file.stat().st_mtime_ns
        current = newest.get(name)
        if current is not None and time >= current.time:
            lost = _further_results(current.table, load_manifest(file), finished)
            if lost:
                lacking[name], time = lost, current.time - _CLOCK_NS
        target = store.manifests(name) / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as partial:
            shutil.copyfile(file, partial)
            os.utime(partial, ns=(time, time))
    return len(new), lacking
