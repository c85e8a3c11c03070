"""Run folders as one table and back: a row per stored prediction, and one per text file.

The columns ``run`` and ``file`` say where a row belongs. ``text`` holds the whole content of a JSON file or a history;
the other columns are those of the prediction files, null in the rows of files that lack them. Where files have the same
column with different types, the name of the second one ends in its type: ``label:double``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.records import NEEDED, OBJECTS, PLAIN_NAME, SEAL, ResultsError, read_bytes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

RUN, FILE, TEXT = "run", "file", "text"
TEXT_FILES = tuple(dict.fromkeys([*NEEDED, *OBJECTS, SEAL]))
_TABLE_FILE = re.compile(r"predictions/[^/]+\.parquet")


def join(folders: Iterable[Path]) -> pa.Table:
    """Return the table of these run folders; :func:`split` gives the same texts and tables again.

    Raises:
        ResultsError: a file cannot be read, or the files' columns have no common order.
    """
    import pyarrow as pa

    files = [(name, folder.name, folder / name) for folder in folders for name in _files(folder)]
    tables = [_columns(path) if name not in TEXT_FILES else _text_table(path) for name, _, path in sorted(files)]
    names = _unique_names(tables)
    order = _common_order(names)
    placed = [
        _with_place(table.rename_columns(columns).select(sorted(columns, key=order.index)), key, name)
        for table, columns, (name, key, _) in zip(tables, names, sorted(files), strict=True)
    ]
    for (*_, path), columns in zip(sorted(files), names, strict=True):
        if sorted(columns, key=order.index) != columns:
            raise ResultsError(f"{path} has its columns in another order than other runs: {', '.join(columns)}")
    return pa.concat_tables(placed, promote_options="default").select([RUN, FILE, *order])


def split(table: pa.Table) -> Iterator[tuple[str, str, str | pa.Table]]:
    """Yield key, file name and content (text, or table of predictions) of each file in a table of :func:`join`.

    Raises:
        ValueError: a row is of no file that a run can have.
    """
    columns = [name for name in table.column_names if name not in (RUN, FILE, TEXT)]
    for start, stop in _blocks(table):
        rows = table.slice(start, stop - start)
        key, file = rows[RUN][0].as_py(), rows[FILE][0].as_py()
        if not PLAIN_NAME.fullmatch(str(key)) or not (file in TEXT_FILES or _TABLE_FILE.fullmatch(str(file))):
            raise ValueError(f"{key}/{file} is no file of a run")
        if file in TEXT_FILES:
            text = rows[TEXT][0].as_py()
            if len(rows) != 1 or text is None:
                raise ValueError(f"{key}/{file} has {len(rows)} rows, or no text")
            yield key, file, text
        else:
            present = [name for name in columns if not rows[name].null_count]
            yield key, file, rows.select(present).rename_columns([name.partition(":")[0] for name in present])


def _files(folder: Path) -> list[str]:
    plain = [name for name in TEXT_FILES if (folder / name).is_file()]
    return [*plain, *(f"predictions/{path.name}" for path in sorted((folder / "predictions").glob("*.parquet")))]


def _columns(path: Path) -> pa.Table:
    """Return a file of predictions with the types that it is stored with."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(read_bytes(path))).read().replace_schema_metadata(None)
    reserved = {RUN, FILE, TEXT}.intersection(table.column_names)
    if reserved or any(":" in name for name in table.column_names):
        raise ResultsError(f"{path} has a column {', '.join(reserved) or 'with a colon'}: such a run cannot be packed")
    return table


def _text_table(path: Path) -> pa.Table:
    import pyarrow as pa

    return pa.table({TEXT: pa.array([read_bytes(path).decode("utf-8")], pa.string())})


def _with_place(table: pa.Table, key: str, name: str) -> pa.Table:
    import pyarrow as pa

    for column, value in ((FILE, name), (RUN, key)):
        table = table.add_column(0, column, pa.repeat(pa.scalar(value), len(table)))
    return table


def _unique_names(tables: Iterable[pa.Table]) -> list[list[str]]:
    """Return the column names of each table in the joint one, where a name has one type."""
    types = dict[str, "pa.DataType"]()
    names = []
    for table in tables:
        columns = []
        for field in table.schema:
            is_same = types.setdefault(field.name, field.type) == field.type
            columns.append(field.name if is_same else f"{field.name}:{field.type}")
            types.setdefault(columns[-1], field.type)
        names.append(columns)
    return names


def _common_order(names: Iterable[Sequence[str]]) -> list[str]:
    """Return all columns in an order that each file's own agrees with: a new one follows its predecessor."""
    order: list[str] = []
    for columns in names:
        for place, column in enumerate(columns):
            if column not in order:
                order.insert(order.index(columns[place - 1]) + 1 if place else 0, column)
    return order


def _blocks(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Yield the first row of each file, and the one after its last."""
    import numpy as np

    codes = [_codes(table, column) for column in (RUN, FILE)]
    changes = np.flatnonzero((np.diff(codes[0]) != 0) | (np.diff(codes[1]) != 0)) + 1
    bounds = [0, *changes.tolist(), len(table)]
    return pairwise(bounds) if len(table) else iter(())


def _codes(table: pa.Table, column: str) -> np.ndarray:
    indices: np.ndarray = table[column].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return indices
