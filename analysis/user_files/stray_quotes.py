"""Stray quotes in CSV and TSV text: one that begins a field makes all rows up to the next quote a single value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from analysis.records import ResultsError

LINE_END = re.compile(r"\r\n?|\n")  # and no other: str.splitlines also cuts at U+2028 and form feeds, inside of texts


def refuse_swallowed_rows(place: str, text: str, separator: str, columns: Sequence[Sequence[object]]) -> None:
    """Refuse a quoted value that holds whole rows of the table.

    A value of several lines is a text, except where something follows its closing quote, or where each of its lines,
    read without quotes, has the fields of a row and one of these fields is a common value of its column.

    Args:
        place: the file, for messages.
        text: what it holds.
        separator: what stands between the fields.
        columns: all columns of the table, as parsed.
    Raises: ResultsError: naming the lines and the remedy.
    """
    if not any(isinstance(value, str) and LINE_END.search(value) for column in columns for value in column):
        return
    common_values: list[set[object]] = []
    end = re.escape(separator)
    fields = re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"([^{end}\r\n]*)|[^{end}\r\n]*)({end}|\r\n?|\n|\Z)')
    line, column = 1, 0
    for field in fields.finditer(text):
        quoted, rest, delimiter = field.groups()
        lines = LINE_END.split(quoted) if quoted else [""]
        if len(lines) > 1:
            common_values = common_values or [_common(values) for values in columns]
            if rest.strip() or _are_rows(lines, separator, column, common_values):
                raise ResultsError(
                    f"{place}, line {line}: the quote that begins a value here closes in line {line + len(lines) - 1}, "
                    'so that these lines are one row; double the quotes of a text ("") and put quotes around it'
                )
        line += len(lines) - 1 + (delimiter != separator)
        column = column + 1 if delimiter == separator else 0


def _common(values: Sequence[object]) -> set[object]:
    """Return the values that a column has more than once."""
    return {value for value, count in Counter(values).items() if count > 1 and value}


def _are_rows(lines: Sequence[str], separator: str, column: int, common_values: Sequence[set[object]]) -> bool:
    """Return whether the lines of one value are rows, of which the first and the last are partly outside of it.

    Args:
        lines: the lines.
        separator: what stands between the fields.
        column: where the value begins in the first line and ends in the last.
        common_values: of each column.
    """
    width = len(common_values)
    is_known = False
    for number, line in enumerate(lines):
        fields = line.split(separator)
        first = column if number == 0 else 0
        last = column if number == len(lines) - 1 else width - 1
        if len(fields) != last - first + 1:
            return False
        is_known |= any(
            place != column and value in common_values[place] for place, value in enumerate(fields, start=first)
        )
    return is_known
