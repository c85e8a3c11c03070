"""Forms in which a run's predictions are published: which logits of them, and with how many digits.

Answers of every epoch are kept, as int8 where they fit. Logits are kept of the last epoch, as float16 where that
changes no score, else as float32; those of earlier epochs become NaN. Predictions of a split where a metric scores
logits stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.integrity import table_digest
from analysis.records import read_json, read_table
from benchmarks.errors import UsageError

WHOLE, LAST, HALF = "all epochs", "last epoch, float32", "last epoch, float16"  # what is kept of logits
_INT8 = np.iinfo(np.int8)


def form_for(table: pa.Table, *, is_scored: bool) -> str:
    """Return the form of a table of predictions that changes none of its scores.

    Args:
        table: the predictions, of all epochs.
        is_scored: whether a metric of a study scores the logits themselves.
    """
    if is_scored:
        return WHOLE
    has_votes = any(name.startswith("votes_") for name in table.column_names)  # distributions are compared with them
    return LAST if has_votes or not _keeps_answers(table) else HALF


def reduced(table: pa.Table, form: str) -> pa.Table:
    """Return predictions in a form; a reduced table stays as it is."""
    if form not in (WHOLE, LAST, HALF):
        raise UsageError(f"no form of published predictions is named {form!r}: update smart-repro")
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


def left_out(forms: Mapping[str, str], points: int | None) -> list[str]:
    """Return what a published run lacks, for people; ``points`` is the length of its shortened history."""
    earlier = [name for name, form in forms.items() if form != WHOLE]
    short = [name for name, form in forms.items() if form == HALF]
    lines = [f"logits of all epochs but the last, of {', '.join(earlier)}"] if earlier else []
    lines += [f"digits of logits beyond float16, of {', '.join(short)}"] if short else []
    return [*lines, *([f"the single updates: the history has at most {points} points"] if points else [])]


def exactness(first: Path, second: Path) -> str:
    """Return how exactly :func:`differing_predictions` compares two run folders, for people."""
    return "in the form in which it is published" if forms_of(first) or forms_of(second) else "byte for byte"


def differing_predictions(first: Path, second: Path) -> list[str]:
    """Return the names of the prediction files of two run folders that differ in a value.

    Where one run is published, both are compared in its form.
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
    """Compare two files of predictions value by value, both in these forms."""
    if first.read_bytes() == second.read_bytes():
        return True
    tables = [read_table(path) for path in (first, second)]
    for form in forms:
        tables = [reduced(table, form) for table in tables]
    return table_digest(tables[0]) == table_digest(tables[1])


def _keeps_answers(table: pa.Table) -> bool:
    """Return whether the largest logit of every item is the same one in float16; never so of a single logit."""
    names = [name for name in table.column_names if name.startswith("logit_")]
    if len(names) < 2:
        return False
    logits = np.stack([table[name].to_numpy() for name in names], axis=1)
    with np.errstate(over="ignore"):
        short = logits.astype(np.float16)
    return bool(np.isfinite(short).all() and (short.argmax(1) == logits.argmax(1)).all())


def _fits_int8(column: Any) -> bool:
    if not pa.types.is_integer(column.type):
        return False
    values = column.to_numpy()
    return bool(values.min() >= _INT8.min and values.max() <= _INT8.max)
