"""Manifests of an experiment in a shared folder: one table replaces another only where no result is lost."""

from __future__ import annotations

from collections.abc import Collection

from analysis.results import load_manifest
from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.store.store import Store


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
    """Return the rows, columns and seeds that only the old table has; if none, the cells with more runs in it."""
    row_ids, column_ids = ({part.id for part in parts} for parts in (new.rows, new.columns))
    rows = [f"row {row.id}" for row in old.rows if row.id not in row_ids]
    columns = [f"column {column.id}" for column in old.columns if column.id not in column_ids]
    seeds = [f"seed {seed}" for seed in old.seeds if seed not in new.seeds]
    cells = [
        f"more runs of {row.id} in {column.id}"
        for row in old.rows
        for column in old.columns
        if sum(key in finished for key in new.keys(row.id, column)) < len(old.keys(row.id, column))
    ]
    return [*rows, *columns, *seeds] or cells


def replace_tables(target: Store, manifest: Manifest) -> None:
    """Write a manifest, then delete the experiment's earlier ones, so that there is one at every moment."""
    earlier = set(target.manifests(manifest.name).glob("*.json"))  # one that another process writes now is kept
    written = target.write_manifest(manifest)
    for path in earlier - {written}:
        path.unlink(missing_ok=True)
