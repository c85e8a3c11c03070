"""Prediction files of any program as frames of text: CSV, TSV, JSON lines, Parquet.

Every value is read as text, so that ``007`` stays an id and ``null`` a word; what is a number is settled later, over
all systems together.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.predictions import lm_eval
from analysis.records import ResultsError
from analysis.user_files import delimited, json_rows
from analysis.user_files.text import read_text

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
TABLES = (*SEPARATORS, *JSON_LINES, *PARQUET)
ARRAY = ".npy"
COLUMNS = ("id", "label", "prediction", "seed", "group", "epoch")
LOGIT = "logit_"
EXAMPLES = 5  # of what is wrong, in a message
NO_VALUES = (list, tuple, dict, set, bytes, np.ndarray)  # of a row's field
_SEED_IN_NAME = re.compile(r"seed[-_ ]?(\d+)", re.IGNORECASE)


def read_system(
    path: Path, *, metric: str | None = None, filter_name: str | None = None, required: str = "prediction"
) -> tuple[pd.DataFrame, str]:
    """Return the rows of a file, or of all files of a folder, and the name of the metric of its item scores ("": none).

    The columns are ``id seed``, then those of ``label prediction group score epoch logit_NAME`` that there are; all but
    ``seed`` and ``epoch`` hold text.

    Args:
        path: the file or folder.
        metric: metric of lm-evaluation-harness's files.
        filter_name: filter of lm-evaluation-harness's files.
        required: the column that must be there, "prediction" (or logits) or "label".
    Raises: ResultsError: names the file, what is wrong and the remedy.
    """
    import pandas as pd

    files = files_of(path)
    frames, names = [], []
    for file in files:
        frame, name = _read(file, metric, filter_name, required)
        if "seed" not in frame:
            frame["seed"] = _seed_of(file, is_alone=len(files) == 1)
        frames.append(frame)
        names.append(name)
    columns = {frozenset(frame) - {"epoch"} for frame in frames}
    if len(columns) > 1 or len(set(names)) > 1:
        raise ResultsError(f"{path}: its files have different columns or metrics: give one file, or files of one kind")
    rows = pd.concat(frames, ignore_index=True)
    rows.attrs["names"] = frames[0].attrs.get("names", ())  # all columns of the file, for messages
    return rows, names[0]


def text_frame(frame: Any, name: str) -> pd.DataFrame:
    """Return a frame of a notebook as if it was read from a file. Raises ResultsError: it is none, or lacks columns."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise ResultsError(f"{name}: a system is a path, a frame or an array, not a {type(frame).__name__}")
    _require(list(map(str, frame.columns)), Path(name), "prediction")
    columns = [column for column in frame if _is_read(str(column))]
    texts = _as_text(frame[columns].astype(object).reset_index(drop=True), name)
    checked = _checked(texts, Path(name))
    if checked.empty:
        raise ResultsError(f"{name} is empty: it has no row")
    return checked if "seed" in checked else checked.assign(seed=0)


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or the files of a folder that can be read. Raises ResultsError: there is none."""
    if path.is_dir():
        files = sorted(
            file for file in path.iterdir() if ending_of(file) in TABLES and file.name[0] not in "._" and file.is_file()
        )
        if not files:
            raise ResultsError(f"{path}: the folder has no file that ends in {', '.join(TABLES)}")
        return files
    if not path.exists():
        raise ResultsError(f"{path} does not exist: give a file of predictions or a folder of such files")
    if ending_of(path) not in TABLES:
        raise ResultsError(f"{path}: cannot read {path.suffix or 'a file without an ending'}; {_endings()}")
    return [path]


def ending_of(path: Path) -> str:
    """Return the ending that says the format, in small letters; of text it may be followed by .gz."""
    name = path.name.lower()
    ending = Path(name.removesuffix(".gz")).suffix
    return ending if ending in (*SEPARATORS, *JSON_LINES) else Path(name).suffix


def examples(values: Iterable[Any]) -> str:
    """Return the first five, and that there are more."""
    texts = [str(value) for value in values]
    return ", ".join(texts[:EXAMPLES]) + (", ..." if len(texts) > EXAMPLES else "")


def near(name: str, names: Sequence[str]) -> str:
    """Return what a column might be meant by, for a message."""
    folded = {column.lower(): column for column in names}
    close = [folded[key] for key in difflib.get_close_matches(name, list(folded), n=3, cutoff=0.5)]
    close += [folded[key] for key in folded if (name in key or key in name) and folded[key] not in close]
    if close:
        return f"near it: {', '.join(map(_visible, close))} (rename the one that is meant)"
    return f"there are: {examples(map(_visible, names))}" if names else "there is none"


def _visible(name: str) -> str:
    """Return a name, in quotes where blanks or control characters would not be seen."""
    return name if name == name.strip() and name.isprintable() else repr(name)


def _endings() -> str:
    return f"files end in {', '.join((*TABLES, ARRAY))}; text also in .gz"


def _read(file: Path, metric: str | None, filter_name: str | None, required: str) -> tuple[pd.DataFrame, str]:
    name = ""
    if ending_of(file) in JSON_LINES:
        records = [record for _, record in json_rows.objects(file, read_text(file))]
        if any(map(lm_eval.is_sample, records)):
            frame, name = lm_eval.item_scores(records, str(file), metric, filter_name)
        else:
            frame = _as_text(_frame_of(records, file, required), str(file))
    elif ending_of(file) in PARQUET:
        frame = _as_text(_parquet(file, required), str(file))
    else:
        frame = _as_text(_separated(file, required), str(file))
    if frame.empty:
        raise ResultsError(f"{file} is empty: it has no row")
    return _checked(frame, file), name


def _separated(file: Path, required: str) -> pd.DataFrame:
    import pandas as pd

    separator, text = SEPARATORS[ending_of(file)], read_text(file)
    header = delimited.header(text, separator)
    if not header:
        raise ResultsError(f"{file} is empty: it has no header")
    _require(header, file, required)
    names = list(dict.fromkeys(name for name in header if _is_read(name)))
    frame = pd.DataFrame(delimited.columns(str(file), text, separator, names), dtype=object)
    frame.attrs["names"] = header
    return frame


def _frame_of(records: Sequence[dict[str, Any]], file: Path, required: str) -> pd.DataFrame:
    import pandas as pd

    names = list(dict.fromkeys(name for record in records for name in record))
    if records:
        _require(names, file, required)
    columns = [name for name in names if _is_read(name)]
    frame = pd.DataFrame({name: [record.get(name) for record in records] for name in columns}, dtype=object)
    frame.attrs["names"] = names
    return frame


def _parquet(file: Path, required: str) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = pq.ParquetFile(file)
        _require(stored.schema_arrow.names, file, required)
        columns = [name for name in stored.schema_arrow.names if _is_read(name)]
        delimited.check_once(str(file), stored.schema_arrow.names, columns)
        table = stored.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{file} is no Parquet file that can be read ({error})") from error
    frame = pd.DataFrame({name: table[name].to_pylist() for name in columns}, dtype=object)
    frame.attrs["names"] = stored.schema_arrow.names
    return frame


def _is_read(name: str) -> bool:
    return name in COLUMNS or name.startswith(LOGIT)


def _require(names: Sequence[str], file: Path, required: str) -> None:
    """Refuse a file without ids or without the required column; logits can stand for predictions."""
    if len(names) == 1 and any(sign in names[0] for sign in ",;\t|"):
        raise ResultsError(
            f"{file}: its header is one column, {names[0]!r:.80}: separate columns by commas (.tsv: tabs)"
        )
    if "id" not in names:
        raise ResultsError(f"{file} has no column 'id'; {near('id', names)}")
    has_logits = required == "prediction" and any(name.startswith(LOGIT) for name in names)
    if required not in names and not has_logits:
        logits = f", nor logits as columns '{LOGIT}NAME'" if required == "prediction" else ""
        raise ResultsError(f"{file} has no column {required!r}{logits}; {near(required, names)}")


def _as_text(frame: pd.DataFrame, place: str) -> pd.DataFrame:
    """Return a frame whose values are text. Raises ResultsError: a value is no text, number or truth value."""
    for name in frame:
        values = frame[name].tolist()
        strange = next((row for row, value in enumerate(values, 1) if isinstance(value, NO_VALUES)), None)
        if strange is not None:
            kind = type(values[strange - 1]).__name__
            raise ResultsError(
                f"{place}, row {strange}: {name!r} holds a value of type {kind}; give a text or a number in each row"
            )
        frame[name] = [_text(value) for value in values]
    return frame


def _text(value: Any) -> str:
    """Return a value as text without blanks around it, "" where it is missing; a float keeps all its digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()


def _checked(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Return the frame of each seed's last epoch, with integer seeds; rows without an id are refused."""
    if (frame["id"] == "").any():
        rows = np.flatnonzero(frame["id"] == "") + 1
        raise ResultsError(f"{file}: {len(rows):,} of {len(frame):,} rows have no id: row {examples(rows)}")
    for name in ("seed", "epoch"):
        if name in frame:
            whole = re.compile(r"[+-]?\d{1,18}(\.0*)?")
            strange = [text for text in frame[name].unique() if not whole.fullmatch(str(text))]
            if strange:
                raise ResultsError(
                    f"{file}: {name} must be a whole number of at most 18 digits; got {examples(map(repr, strange))}"
                )
            frame[name] = [int(str(text).partition(".")[0]) for text in frame[name]]
    if "epoch" in frame:
        last = frame.groupby("seed")["epoch"].transform("max") if "seed" in frame else frame["epoch"].max()
        frame = frame[frame["epoch"] == last].reset_index(drop=True)
    return frame


def _seed_of(file: Path, *, is_alone: bool) -> int:
    match = _SEED_IN_NAME.search(file.name)
    if match is None and not is_alone:
        raise ResultsError(
            f"{file}: nothing says its seed: add a column 'seed', or name the files of the folder seed-0{file.suffix}, "
            f"seed-1{file.suffix}, ..."
        )
    return int(match[1]) if match else 0
