"""Tab-separated files without quoting, as GLUE, SNLI, MultiNLI and SciTail publish them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.files import Files
from benchmarks.tasks.readers.text import open_lines

VOTES = ("label1", "label2", "label3", "label4", "label5")


@dataclass(frozen=True)
class Tsv(Files):
    """Attributes (beyond those of :class:`Files`):

    text: the columns that hold the texts.
    label: the column that holds the label; a test file may do without.
    id: the column that names or numbers a row; where it is missing, the row number does.
    headerless: split -> column names, for files without a header line.
    no_gold: what stands in the label column where the annotators did not agree.
    torn: part of the rows that may have too few or too many columns; they are left out and counted.
    pair_id: a column with the name other data sets refer to the row by.
    """

    text: tuple[str, ...] = ("sentence1", "sentence2")
    label: str = "label"
    id: str = "index"
    headerless: dict[str, tuple[str, ...]] = field(default_factory=dict)
    no_gold: str | None = None
    torn: float = 0.0
    pair_id: str = ""
    identifying: bool = False

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        lines = open_lines(path)
        columns = self.headerless.get(split) or self._header(next(lines, None), path, split)
        place = {name: i for i, name in enumerate(columns)}
        texts = [place[name] for name in self.text]
        label, row_id, pair_id = place.get(self.label), place.get(self.id), place.get(self.pair_id)
        votes = [place[name] for name in VOTES if name in place]
        torn: list[int] = []
        rows = 0
        for rows, (number, line) in enumerate(lines, start=1):  # noqa: B007  (rows is read after the loop)
            cells = line.split("\t")
            if len(cells) != len(columns):
                mended = _mend(cells, columns)
                if mended is None:
                    torn.append(number)
                    if not self.torn:
                        raise DataError(_columns_message(path, number, cells, columns))
                    continue
                cells = mended
            gold = None if label is None else cells[label]
            yield Record(
                line=number,
                id=None if row_id is None else cells[row_id],
                texts=tuple([cells[i] for i in texts]),
                label=None if gold == self.no_gold else gold,
                votes=_votes(cells, votes, len(columns)),
                pair_id="" if pair_id is None else cells[pair_id],
            )
        if len(torn) > max(self.torn * rows, 2):
            raise DataError(
                f"{path}: {len(torn):,} of {rows:,} rows do not have {len(columns)} columns, first in line {torn[0]}; "
                f"the official file has a handful; fetch it again"
            )
        if torn:
            left_out["wrong number of columns"] += len(torn)

    def _header(self, first: tuple[int, str] | None, path: Path, split: str) -> tuple[str, ...]:
        if first is None:
            raise DataError(f"{path}: the file is empty; fetch it again")
        columns = tuple(first[1].split("\t"))
        needed = self.text if split == "test" else (*self.text, self.label)
        missing = [name for name in needed if name not in columns]
        if missing:
            raise DataError(
                f"{path}, line 1: no column {', '.join(map(repr, missing))}; expected a header with "
                f"{', '.join(needed)}, found {_shorten(', '.join(columns))}; is this another task's file?"
            )
        twice = [name for name in needed if columns.count(name) > 1]
        if twice:
            raise DataError(f"{path}, line 1: column {twice[0]!r} occurs twice; fetch the file again")
        return columns


def _votes(cells: Sequence[str], votes: list[int], width: int) -> tuple[str, ...]:
    return tuple([cells[i] for i in (*votes, *range(width, len(cells))) if cells[i]]) if votes else ()


def _mend(cells: list[str], columns: tuple[str, ...]) -> list[str] | None:
    """Two known forms of an official row; None for anything else.

    GLUE's SNLI file has rows with five annotators under a header with one (label1, gold_label): the gold label moves to
    where the header says, the further annotators behind it. The text releases of SNLI and MultiNLI may end a row before
    the empty labels of annotators who were not asked.
    """
    width = len(columns)
    if columns[-2:] == ("label1", "gold_label") and len(cells) == width + 4:
        return [*cells[: width - 1], cells[-1], *cells[width - 1 : -1]]
    missing = columns[len(cells) :]
    if missing and set(missing) <= set(VOTES[1:]):
        return [*cells, *[""] * len(missing)]
    return None


def _columns_message(path: Path, number: int, cells: Sequence[str], columns: tuple[str, ...]) -> str:
    return (
        f"{path}, line {number}: expected {len(columns)} columns ({_shorten(', '.join(columns))}), found {len(cells)}: "
        f"{_shorten(repr(chr(9).join(cells)))}; mend the line or fetch the file again"
    )


def _shorten(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
