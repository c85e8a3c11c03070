"""Forms of stored predictions: which logits a published run has, and with how many digits; comparison in them.

Answers of every epoch are kept, as int8 where they fit. Logits are kept of the last epoch, as float16 where that
changes no score, else as float32; those of earlier epochs become NaN. Predictions of a split where a metric scores
logits stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.records import ResultsError, read_json, read_table

WHOLE, LAST, HALF = "all epochs", "last epoch, float32", "last epoch, float16"  # what is kept of logits
_FULLNESS = {HALF: 0, LAST: 1, WHOLE: 2}
_INT8 = np.iinfo(np.int8)


def reduced(table: pa.Table, form: str) -> pa.Table:
    """Return predictions in a form; a reduced table stays as it is. Raises ResultsError: for another form."""
    if form not in _FULLNESS:
        raise ResultsError(f"no form of published predictions is named {form!r}: update smart-repro")
    epochs = table["epoch"].to_numpy()
    earlier = epochs != epochs.max()
    for place, name in enumerate(table.column_names):
        if name.startswith("logit_") and form != WHOLE:
            logits = np.where(earlier, np.float32(np.nan), table[name].to_numpy().astype(np.float32))
            values = logits.astype(np.float16) if form == HALF else logits
            table = table.set_column(place, name, pa.array(values))
        elif name in ("label", "prediction") and _fits_int8(table[name]):
            table = table.set_column(place, name, table[name].cast(pa.int8()))
    return table


def forms_of(run: Path) -> dict[str, str]:
    """Return the form of each file of predictions of a published run (``cola.dev``); none for any other run."""
    if not (run / "spec.json").is_file():  # an attempt that is being finished
        return {}
    forms: dict[str, str] = read_json(run / "spec.json").get("published", {}).get("logits", {})
    return forms


def fullness(run: Path) -> int:
    """Return a number that is larger for a copy of a run with more logits, or more digits of them."""
    forms = forms_of(run)
    return sum(_FULLNESS.get(forms.get(path.stem, WHOLE), 0) for path in (run / "predictions").glob("*.parquet"))


def differing_predictions(first: Path, second: Path) -> list[str]:
    """Return the names of the prediction files of two run folders that differ in a value.

    Where one run is published, both are compared in its form.

    Raises:
        ResultsError: a file cannot be read.
    """
    files = [{path.name: path for path in (folder / "predictions").iterdir()} for folder in (first, second)]
    forms = [forms_of(folder) for folder in (first, second)]
    return [
        name
        for name in sorted(set(files[0]) | set(files[1]))
        if not all(name in side for side in files)
        or not _are_equal(
            files[0][name], files[1][name], [form for side in forms if (form := side.get(Path(name).stem))]
        )
    ]


def _are_equal(first: Path, second: Path, forms: Iterable[str]) -> bool:
    """Compare two files of predictions value by value, both in these forms, by epoch and id."""
    if first.read_bytes() == second.read_bytes():
        return True
    tables = [read_table(path) for path in (first, second)]
    for form in forms:
        tables = [reduced(table, form) for table in tables]
    table, copy = (_ordered(table) for table in tables)
    return bool(table.schema == copy.schema) and all(
        _bits(table[name]) == _bits(copy[name]) for name in copy.column_names
    )


def _ordered(table: pa.Table) -> pa.Table:
    order = pc.sort_indices(table, sort_keys=[("epoch", "ascending"), ("id", "ascending")])
    return table.take(order).replace_schema_metadata(None)


def _bits(column: pa.ChunkedArray) -> bytes | list[str]:
    """Return the values of a column in a form in which NaN equals NaN."""
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    values: bytes | list[str] = column.to_pylist() if is_text else column.to_numpy().tobytes()
    return values


def _fits_int8(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type):
        return False
    values = column.to_numpy()
    return bool(values.min() >= _INT8.min and values.max() <= _INT8.max)
