"""The texts of the scored items, kept once per split for the report's examples and slices.

They are stored in ``results/texts/<task>.<split>.parquet`` (``id text_0 [text_1]``), with the split's fingerprint in
the file's metadata. They are the user's own data and stay on this machine: ``runs pack`` does not include them. The
folder may be deleted; the next ``run`` writes it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records import read_texts
from benchmarks.store.files import replacing
from benchmarks.training.prepared import DRAWN, split_of

if TYPE_CHECKING:
    from benchmarks.experiments.planning.base import Experiment
    from benchmarks.tasks import Split
    from benchmarks.tasks.sources import Source

FINGERPRINT = b"fingerprint"


def keep_texts(results: Path, experiment: Experiment, source: Source) -> list[Path]:
    """Write the texts of all scored splits that are not stored yet; return the new files.

    Splits with hidden labels are left out, since their wrong answers are unknown; so are the rows that each run draws
    from the training set for itself.
    """
    written = []
    for task, split in dict.fromkeys((column.task, column.split) for column in experiment.columns):
        if split in DRAWN:
            continue
        read = split_of(task, split, source)
        path = results / "texts" / f"{task}.{split}.parquet"
        if not read.hidden and kept(path) != read.fingerprint:
            write(read, path)
            written.append(path)
    return written


def kept(path: Path) -> str:
    """Return the fingerprint of the split whose texts are stored; empty if there are none or they cannot be read."""
    return read_texts(path)[1]


def write(split: Split, path: Path) -> None:
    """Write one split's texts by one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"id": split.ids, **{f"text_{i}": texts for i, texts in enumerate(split.texts)}}
    table = pa.table(columns).replace_schema_metadata({FINGERPRINT: split.fingerprint.encode()})
    with replacing(path) as partial:
        pq.write_table(table, partial)
