"""Reading own data: every value of the named columns as a string, whatever the format; None where there is none.

``NA`` and ``null`` are words here: what they mean is decided nowhere by a reader.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from analysis.records import ResultsError
from analysis.user_files import delimited, json_rows
from analysis.user_files.delimited import Strings
from analysis.user_files.stray_quotes import LINE_END
from analysis.user_files.text import read_text
from benchmarks.errors import DataError, MissingData
from smart_repro.registry import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

ALIASES = {
    "train": ("train", "training"),
    "dev": ("dev", "validation", "valid", "val", "eval"),
    "test": ("test",),
}
SEPARATORS = (",", ";", "\t", "|")
LISTED = 20  # columns that a message names


@dataclass(frozen=True)
class Table:
    """Chosen columns of one split: ``place`` is its name in messages; rows are numbered from 1."""

    place: str
    columns: Mapping[str, Strings]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_location(place: str, column_names: Sequence[str], hub: bool = False) -> dict[str, Table]:
    """Return the splits at a place: one, called train, of a file; those there are of a folder or a hub data set.

    Raises: MissingData: nothing is there. DataError: naming the file, what is wrong and the remedy.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        return _read_folder(path, column_names)
    if path.is_file():
        return {"train": read_file(path, column_names)}
    if "://" in place:
        raise MissingData(f"{place} is an address: download it, and give the file")
    if hub:
        return _read_hub(place, column_names)
    raise MissingData(f"{place}: there is no such file or folder; for a data set of the hub add --source hub")


def read_file(path: Path, column_names: Sequence[str]) -> Table:
    """Return the named columns of one file, in the format that its name says."""
    name = path.name.lower().removesuffix(".gz")
    reader = next((read for ending, read in READERS.items() if name.endswith(ending)), None)
    if reader is None:
        endings = ", ".join(READERS)
        raise DataError(f"{path}: its name says no format that can be read; give a file that ends in {endings}")
    with _readable(path):
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty: give a file with rows")
        table = reader(path, column_names)
    if not len(table):
        raise DataError(f"{path} has no rows: give a file with rows")
    return table


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the system or pyarrow says of a file into one line."""
    import pyarrow as pa

    try:
        yield
    except ResultsError as error:
        raise DataError(str(error)) from None
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{path} cannot be read as {path.suffix}: {reason}; write it again") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}; is it whole, and yours to read?") from None


# --- texts ---


def read_csv(path: Path, column_names: Sequence[str]) -> Table:
    """Return the columns of a CSV file; of comma, semicolon, tab and bar the first that separates the header counts."""
    text = read_text(path)
    names = {separator: delimited.header(text, separator) for separator in SEPARATORS}
    likeliest_separator = max(SEPARATORS, key=lambda separator: len(names[separator]))
    separator = next((s for s in SEPARATORS if set(column_names) <= set(names[s])), likeliest_separator)
    return _parsed(path, text, column_names, separator)


def read_tsv(path: Path, column_names: Sequence[str]) -> Table:
    """Return the columns of a TSV file.

    Quotes are unwrapped as CSV has it, except where this would join lines that each have all fields: there quotes are
    characters, as official TSV files have them.
    """
    text = read_text(path)
    lines = LINE_END.split(text)
    width = len(delimited.header(text, "\t"))
    table: Table | None
    try:
        table = _parsed(path, text, column_names, "\t")
    except ResultsError:
        table = None
    rows = sum(bool(line) for line in lines) - 1
    is_one_row_a_line = all(line.count("\t") == width - 1 for line in lines if line)
    if is_one_row_a_line and (table is None or len(table) != rows):
        return _parsed(path, text, column_names, "\t", quoting=csv.QUOTE_NONE)
    return table if table is not None else _parsed(path, text, column_names, "\t")


def _parsed(
    path: Path, text: str, column_names: Sequence[str], separator: str, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
) -> Table:
    names = delimited.header(text, separator)
    check_columns(str(path), names, column_names, delimited.of_one_column(names, separator))
    return Table(str(path), delimited.columns(str(path), text, separator, column_names, quoting))


def read_json(path: Path, column_names: Sequence[str]) -> Table:
    """Return the columns of JSON lines, or of one list of objects: keys that an object lacks are missing values."""
    rows = [row for _, row in json_rows.objects(path, read_text(path))]
    check_columns(str(path), list(dict.fromkeys(name for row in rows for name in row)), column_names)
    columns = {
        name: [_value(row.get(name), str(path), name, i) for i, row in enumerate(rows, 1)] for name in column_names
    }
    return Table(str(path), columns)


# --- tables ---


def read_parquet(path: Path, column_names: Sequence[str]) -> Table:
    """Return the columns of a Parquet file."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    check_columns(str(path), schema.names, column_names)
    return _from_arrow(str(path), file.read(columns=list(column_names)), _classes(str(path), schema))


def read_arrow(path: Path, column_names: Sequence[str]) -> Table:
    """Return the columns of an Arrow file, in the file or the stream format."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
        check_columns(str(path), table.column_names, column_names)
        return _from_arrow(str(path), table.select(list(column_names)), _classes(str(path), table.schema))


def _classes(place: str, schema: pa.Schema) -> dict[str, list[str]]:
    """Return the class names that the library datasets wrote beside integer columns.

    Raises: DataError: what it wrote has another form.
    """
    import pyarrow as pa

    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        named = {name: feature["names"] for name, feature in features.items() if "names" in feature}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{place}: the features that datasets wrote into it cannot be read ({error}); write it again"
        ) from None
    integers = {field.name for field in schema if pa.types.is_integer(field.type)}  # a column may be gone, or be text
    return {name: names for name, names in named.items() if name in integers}


def _from_arrow(place: str, table: pa.Table, classes: Mapping[str, Sequence[str]]) -> Table:
    columns: dict[str, Strings] = {}
    for name in table.column_names:
        values, names = table[name].to_pylist(), classes.get(name)
        if names is not None:
            values = [_class_name(value, names, place, name, row) for row, value in enumerate(values, start=1)]
        columns[name] = [_value(value, place, name, row) for row, value in enumerate(values, start=1)]
    return Table(place, columns)


def _class_name(value: int | None, names: Sequence[str], place: str, name: str, row: int) -> str | None:
    """Return the name of a class number; None for a missing one. Raises DataError: there is no such class."""
    if value is None or value < 0:
        return None
    if value >= len(names):
        raise DataError(f"{place}, row {row}: {name!r} is {value}, but there are {len(names)} classes, from 0; mend it")
    return names[value]


# --- folders and the hub ---


def _read_folder(folder: Path, column_names: Sequence[str]) -> dict[str, Table]:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        import datasets

        with _readable(folder):
            try:
                loaded = datasets.load_from_disk(str(folder))
            except (ValueError, TypeError) as error:
                raise DataError(f"{folder}: datasets cannot load it ({error}); save it again") from None
        return _from_datasets(str(folder), loaded, column_names)
    files = {split: path for split in ALIASES if (path := _split_file(folder, split)) is not None}
    if "train" not in files:
        raise MissingData(
            f"{folder} is neither a folder of datasets.save_to_disk nor holds a file train.csv (or .tsv, .jsonl, "
            ".parquet, .arrow); name the file itself"
        )
    return {split: read_file(path, column_names) for split, path in files.items()}


def _split_file(folder: Path, split: str) -> Path | None:
    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and path.name.partition(".")[0].lower() in ALIASES[split]
        and any(path.name.lower().removesuffix(".gz").endswith(ending) for ending in READERS)
    ]
    if len(paths) > 1:
        raise DataError(f"{folder} holds {', '.join(path.name for path in paths)}: name the file itself with --data")
    return paths[0] if paths else None


def _read_hub(place: str, column_names: Sequence[str]) -> dict[str, Table]:
    import datasets

    from benchmarks.tasks.hub import offline_unless_reachable

    repo, _, config = place.partition(":")
    with offline_unless_reachable() as problem:
        try:
            loaded = datasets.load_dataset(repo, config or None)
        except (OSError, ValueError) as error:  # datasets' own errors derive from these
            reason = problem or f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            raise MissingData(f"{place}: cannot load it from the hub: {reason}; or give a file") from None
    return _from_datasets(place, loaded, column_names)


def _from_datasets(place: str, loaded: Any, column_names: Sequence[str]) -> dict[str, Table]:
    """Return the splits of a ``Dataset`` or ``DatasetDict`` under our names; others are not read."""
    named = loaded if isinstance(loaded, Mapping) else {"train": loaded}
    names_by_split = {split: name for split, names in ALIASES.items() for name in names if name in named}
    if "train" not in names_by_split:
        raise DataError(f"{place} has the splits {', '.join(named)}, and none called train; save one under that name")
    tables = {}
    for split, name in names_by_split.items():
        part, split_place = named[name], f"{place}, split {name}"
        check_columns(split_place, part.column_names, column_names)
        if not len(part):
            raise DataError(f"{split_place} has no rows: leave it out or fill it")
        classes = {c: list(part.features[c].names) for c in column_names if hasattr(part.features[c], "names")}
        tables[split] = _from_arrow(
            split_place, part.select_columns(list(column_names)).with_format("arrow")[:], classes
        )
    return tables


# --- values ---


def check_columns(place: str, names: Sequence[str], column_names: Sequence[str], remedy: str = "") -> None:
    """Refuse a column that is not there, with those there are, or one that is there twice.

    Raises: DataError, ResultsError.
    """
    if not names:
        raise DataError(f"{place} is empty: give a file whose first line names its columns")
    for name in column_names:
        if name not in names:
            folded = {present_name.strip().casefold(): present_name for present_name in names}
            similar_name = folded.get(name.strip().casefold())
            hint = f"; did you mean {similar_name!r}?" if similar_name is not None else did_you_mean(name, names)
            more = f" and {len(names) - LISTED} others" if len(names) > LISTED else ""
            listed = ", ".join(str(present_name)[:60] for present_name in names[:LISTED])
            raise DataError(
                f"{place} has no column {name!r}{f'{hint} It has' if hint else '; it has'} {listed}{more}{remedy}"
            )
    delimited.check_once(place, names, column_names)


def _value(value: Any, place: str, name: str, row: int) -> str | None:
    """Return a value as its string. Raises DataError: a list or an object."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Decimal):
        return str(value)
    raise DataError(
        f"{place}, row {row}: column {name!r} holds a value of type {type(value).__name__}, not a text or a number; "
        "choose another column"
    )


READERS: Mapping[str, Callable[[Path, Sequence[str]], Table]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".json": read_json,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
}
