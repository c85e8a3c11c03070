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

HEADINGS = ("class index", "class", "label")  # of the first column, where a mirror has added a header line


@dataclass(frozen=True)
class ZhangCsv(Files):
    """Attributes (beyond those of :class:`Files`):

    fields: how many text fields follow the class; they become one text, joined by a blank.
    breaks: whether backslash and n stand for a line break (Yelp). In AG's News a lone backslash does, in front of any
        letter, so there "\\new" must stay as it is, and so the hub has it.
    """

    fields: int = 1
    breaks: bool = False

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
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
    """Line breaks stand as backslash and n in Yelp's files and in the hub's copies of them."""
    return text.replace("\\n", "\n")
