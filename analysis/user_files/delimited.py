"""Columns of CSV and TSV text as strings: a row of another width than the header is refused, never cut or shifted."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from typing import Literal

from analysis.records import ResultsError
from analysis.user_files.stray_quotes import refuse_swallowed_rows

Strings = list[str | None]


def header(text: str, separator: str) -> list[str]:
    """Return the fields of the first row that has any; [] where there is none."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return next((row for row in rows if len(row) > 1 or "".join(row).strip()), [])
    except csv.Error:  # a field of more than 131,072 characters: no header
        return []


def columns(
    place: str, text: str, separator: str, names: Iterable[str], quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
) -> dict[str, Strings]:
    """Return columns of a table; None where a row is too short.

    Args:
        place: the file, for messages.
        text: what it holds.
        separator: what stands between the fields.
        names: columns that the header has.
        quoting: whether quotes are read as CSV has it, or (``csv.QUOTE_NONE``) as characters.
    Raises: ResultsError: a name that the header has twice, rows that cannot be told apart from their fields, a
        quote that swallows rows, or a second header.
    """
    import pandas as pd

    listed = list(names)
    check_once(place, header(text, separator), listed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is longer than the header
            frame = pd.read_csv(  # all columns: with `usecols` a row with too many fields would be cut in silence
                io.StringIO(text),
                sep=separator,
                dtype=object,
                keep_default_na=False,
                na_filter=False,
                index_col=False,
                quoting=quoting,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = _too_wide(text, separator, quoting) or (
            ": " + " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        )
        raise ResultsError(f"{place}{reason}; quote fields that hold {separator!r}, quotes or line breaks") from None
    values = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    if quoting == csv.QUOTE_MINIMAL:
        refuse_swallowed_rows(place, text, separator, values)
    _refuse_header_again(place, header(text, separator), values)
    return {name: [value if isinstance(value, str) else None for value in frame[name].tolist()] for name in listed}


def _refuse_header_again(place: str, names: Sequence[str], columns: Sequence[Sequence[object]]) -> None:
    """Refuse a row that names all columns, the header of a second file. Raises ResultsError."""
    expected = sorted(names)
    for row, value in enumerate(columns[0]):
        first = str(value).lstrip("\ufeff").strip('"')  # behind a byte order mark quotes are characters
        is_name = len(names) > 1 and first in names
        if is_name and sorted([first, *(str(column[row]) for column in columns[1:])]) == expected:
            raise ResultsError(
                f"{place}, row {row + 1}: the names of the columns again, as where two files were joined; remove the "
                "row, and put the columns below it in the order of the header"
            )


def _too_wide(text: str, separator: str, quoting: Literal[0, 3]) -> str:
    """Return where the first row with more fields than the header is; "" where there is none."""
    width = len(header(text, separator))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting)
    try:
        for row in rows:
            if len(row) > width > 0 and any(row[width:]):
                return f", line {rows.line_num}: {len(row)} fields, but the header has {width}"
    except csv.Error:  # a field of more than 131,072 characters
        pass
    return ""


def check_once(place: str, names: Sequence[str], required: Iterable[str]) -> None:
    """Refuse a column that is there twice. Raises ResultsError."""
    twice = next((name for name in required if list(names).count(name) > 1), None)
    if twice is not None:
        raise ResultsError(f"{place} has two columns called {twice!r}: rename one of them")


def of_one_column(names: Sequence[str], separator: str) -> str:
    """Return a remedy for a header that is a single field; "" for another."""
    if len(names) != 1:
        return ""
    spelt = {",": "commas", "\t": "tabs"}.get(separator, repr(separator))
    return f"; its first line is one field: it must name the columns, with {spelt} between them"
