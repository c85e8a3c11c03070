"""Parquet files named as on the hub, ``<split>-00000-of-00001.parquet``, with labels as numbers."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import DataError
from benchmarks.tasks.base import Hub, Record
from benchmarks.tasks.readers.files import entries
from benchmarks.tasks.readers.text import printable, refuse_stand_in
from benchmarks.tasks.readers.zhang_csv import unescape

PIECE = re.compile(r"-(\d{5})-of-(\d{5})(-[0-9a-f]{8,})?\.parquet$")


@dataclass(frozen=True)
class Parquet:
    """A local copy of a hub data set; pieces of a split are consecutive."""

    hub: Hub
    text: tuple[str, ...]
    overlapping: bool = False
    identifying: bool = False
    distinctive: bool = False

    def expects(self, split: str) -> str | None:
        """Return the name of the split's first piece; None if there is no such split."""
        return f"{self.hub.splits[split]}-00000-of-00001.parquet" if split in self.hub.splits else None

    def reads(self, path: Path) -> bool:
        """Return whether the file has the suffix ``.parquet``."""
        return path.suffix.lower() == ".parquet"

    def find(self, folder: Path, split: str) -> list[Path]:
        """Return all pieces of a split, in order. Raises DataError if some of them are missing."""
        if split not in self.hub.splits:
            return []
        name = self.hub.splits[split]
        form = re.escape(name) + r"(-\d{5}-of-\d{5}(-[0-9a-f]{8,})?)?\.parquet"  # older uploads end in a hash
        files = [path for path in entries(folder) if re.fullmatch(form, path.name)]
        if not files and (folder / name).is_dir():  # as the hub's own conversion names them
            files = [path for path in entries(folder / name) if re.fullmatch(r"\d{4}\.parquet", path.name)]
        pieces = [match for path in files if (match := PIECE.search(path.name))]
        if pieces and len(pieces) != int(pieces[0][2]):
            total = int(pieces[0][2])
            raise DataError(f"{folder}: {len(pieces)} of the {total} pieces {name}-*.parquet are here; fetch the rest")
        return files

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield one record a row."""
        import pyarrow.parquet

        columns = [*hub_columns(self.hub, self.text), self.hub.label, *filter(None, (self.hub.id, self.hub.votes))]
        refuse_stand_in(path, "a Parquet file")
        try:
            file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
            present = file.schema_arrow.names
            missing = [name for name in dict.fromkeys(columns) if name not in present]
            missing = [name for name in missing if name not in (self.hub.votes, self.hub.id)]
            if missing:
                raise DataError(
                    f"{path}: no column {', '.join(map(repr, missing))}; expected {', '.join(columns)}, found "
                    f"{printable(', '.join(present))}; is this another data set's file?"
                )
            names = label_names(file.schema_arrow.metadata, self.hub)
            number = 0
            for batch in file.iter_batches(columns=[name for name in columns if name in present]):
                for row in batch.to_pylist():
                    number += 1
                    yield hub_record(row, number, self.hub, self.text, names, path)
        except DataError:
            raise
        except Exception as error:  # damaged files make pyarrow raise nearly anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{path}: not a readable Parquet file ({printable(reason)}); fetch it again") from None


def hub_columns(hub: Hub, text: Sequence[str]) -> list[str]:
    """Return the names of the hub's columns that hold the texts."""
    return [part for name in text for part in hub.columns.get(name, name).split("+")]


def label_names(metadata: Mapping[bytes, bytes] | None, hub: Hub) -> tuple[str, ...]:
    """Return the names of the numbers in the label column: those in the file itself, else those of the hub's card."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(features[hub.label]["names"])
    except (KeyError, TypeError, ValueError):
        return hub.labels


def hub_record(
    row: Mapping[str, Any], number: int, hub: Hub, text: Sequence[str], names: Sequence[str], origin: Path | str
) -> Record:
    """Return one row of a hub table as a record. A label of -1 means that it is not published."""
    columns = [hub.columns.get(name, name).split("+") for name in text]
    texts = tuple([" ".join([_string(row, part, number, origin) for part in parts]) for parts in columns])
    if hub.breaks:
        texts = tuple([unescape(text) for text in texts])
    name = row.get(hub.id) if hub.id else None
    votes = row.get(hub.votes) if hub.votes else None
    if votes is not None and not (isinstance(votes, list) and all(isinstance(vote, str | None) for vote in votes)):
        raise DataError(f"{origin}, row {number}: the annotator labels are {votes!r:.60}, expected a list of texts")
    return Record(
        line=number,
        id=None if name is None else str(name),
        texts=texts,
        label=hub_label(row[hub.label], names, f"{origin}, row {number}"),
        votes=tuple(vote for vote in votes or () if vote),
    )


def hub_label(value: Any, names: Sequence[str], place: str) -> Any:
    """Return the label of a cell: a class by name, a number to predict, or None if it is hidden (-1, missing).

    Whole numbers may have become floats (pandas does that to a column with gaps) or, of two classes, booleans.
    """
    if isinstance(value, float) and (math.isnan(value) or value == -1):
        return None
    if value == "-":
        return None
    if not names or not isinstance(value, int | float):
        return None if type(value) is int and value == -1 else value
    if (isinstance(value, bool) and len(names) != 2) or value != value // 1 or not -1 <= value < len(names):
        raise DataError(f"{place}: label {value}, but there are {len(names)} ({printable(', '.join(names))})")
    return None if value == -1 else names[int(value)]


def _string(row: Mapping[str, Any], column: str, number: int, origin: Path | str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise DataError(
            f"{origin}, row {number}: column {column!r} holds {value!r:.60}, expected a text; fetch it again"
        )
    return value
