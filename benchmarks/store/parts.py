"""Writing of parts: one file with whole runs, complete and verified before it appears, never rewritten afterwards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.integrity import DAMAGED, inspect
from analysis.parts import join, part_name, read_part
from analysis.parts.packed import write_folders
from analysis.parts.part import METADATA, SCHEMA
from analysis.records import SEAL, ResultsError, digest_of, read_seal
from benchmarks.store.files import partial_path, sync

_LEVEL = 9  # of zstd: 19 saves 4 % more and takes ten times as long


def write_part(folder: Path, runs: Sequence[Path]) -> Path:
    """Write a part of these sealed run folders into ``folder``; return its path.

    The part is unpacked and every run of it verified before it gets its name.

    Raises:
        ResultsError: a run is damaged or cannot be packed without a loss.
    """
    contents = {run.name: contents_digest(run) for run in runs}
    metadata = {METADATA: json.dumps({"schema": SCHEMA, "runs": contents}).encode()}
    table = join(runs).replace_schema_metadata(metadata)
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    folder.mkdir(parents=True, exist_ok=True)
    staging = partial_path(folder / "part")
    staging.mkdir()
    try:
        pq.write_table(
            table,
            staging / "part.parquet",
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=[name for name in table.column_names if name not in floats],
            use_byte_stream_split=floats,
        )
        partial = staging / part_name((staging / "part.parquet").read_bytes())
        os.rename(staging / "part.parquet", partial)
        _verify(partial, staging / "unpacked")
        sync(partial)
        os.replace(partial, folder / partial.name)
        sync(folder)
        return folder / partial.name
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def contents_digest(run: Path) -> str:
    """Return a digest of a sealed run's contents, which does not depend on the form that its files are written in."""
    return digest_of({name: file["content"] for name, file in read_seal(run / SEAL)["files"].items()})


def _verify(path: Path, target: Path) -> None:
    part = read_part(path)
    write_folders(part, target)
    for key, digest in part.runs.items():
        finding = inspect(target / key)
        if finding.state == DAMAGED or contents_digest(target / key) != digest:
            raise ResultsError(f"run {key} cannot be packed without a loss: {finding.reason or 'its seal differs'}")
