"""The files of Zhang et al. 2015 (AG's News, DBPedia, Yelp): comma-separated, all quoted, classes from 1."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.files import Files
from benchmarks.tasks.readers.text import open_lines, printable

HEADINGS = ("class index", "class", "label")  # names of the first column where a mirror has added a header line


@dataclass(frozen=True)
class ZhangCsv(Files):
    r"""Quoted comma-separated files: a class, then texts.

    Attributes (beyond those of :class:`Files`):
        fields: number of text fields after the class; they become one text, joined by a blank.
        breaks: True if backslash and n encode a line break (Yelp). In AG's News a single backslash does, in front of
            any letter, so ``\new`` must not be changed there; the hub's copy agrees.
    """

    fields: int = 1
    breaks: bool = False

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield one record a row."""
        rows = csv.reader((line + "\n" for _, line in open_lines(path)), strict=True)
        try:
            for row in rows:
                if rows.line_num == 1 and row and row[0].strip().lower() in HEADINGS:
                    continue
                if len(row) != self.fields + 1:
                    raise DataError(
                        f"{path}, line {rows.line_num}: expected {self.fields + 1} fields (a class and {self.fields} "
                        f"text{'s' * (self.fields > 1)}), found {len(row)}; is this another task's file?"
                    )
                yield Record(rows.line_num, None, (_text(row[1:], self.breaks),), row[0])
        except csv.Error as error:
            raise DataError(
                f"{path}, line {rows.line_num}: not a quoted comma-separated line ({printable(str(error))}); "
                "fetch the file again"
            ) from None


def _text(fields: list[str], breaks: bool) -> str:
    text = " ".join(fields)
    return unescape(text) if breaks else text


def unescape(text: str) -> str:
    """Replace backslash and n by a line break, as Yelp's files and the hub's copies of them need it."""
    return text.replace("\\n", "\n")
