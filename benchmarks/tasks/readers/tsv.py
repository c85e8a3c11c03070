"""Tab-separated files without quoting, as GLUE, SNLI, MultiNLI and SciTail publish them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.files import Files
from benchmarks.tasks.readers.text import open_lines, printable

VOTES = ("label1", "label2", "label3", "label4", "label5")


@dataclass(frozen=True)
class Tsv(Files):
    """Tab-separated files.

    Attributes (beyond those of :class:`Files`):
        text: the columns that hold the texts.
        label: the column that holds the label; a test file may lack it.
        id: the column that names or numbers a row; where it is missing, the row number is used.
        headerless: split -> column names, for files without a header line.
        no_gold: value of the label column where the annotators did not agree.
        torn: share of the rows that may have too few or too many columns; they are left out and counted.
        pair_id: a column with the name that other data sets use for the row.
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
        """Yield one record a row."""
        lines = open_lines(path)
        first = next(lines, None)
        quoted = first is not None and _all_quoted(first[1])
        requoted = not quoted and _is_requoted(path)
        head = None if first is None else _cells(first, path)
        columns = self._columns(head, path, split)
        if first is not None and head is not None and not self._is_header(head, split):
            lines = chain([first], lines)
        place = {name: i for i, name in enumerate(columns)}
        texts = [place[name] for name in self.text]
        label, row_id, pair_id = place.get(self.label), place.get(self.id), place.get(self.pair_id)
        votes = [place[name] for name in VOTES if name in place]
        torn: list[int] = []
        rows = 0
        for rows, (number, line) in enumerate(lines, start=1):  # noqa: B007  (rows is read after the loop)
            cells = _unquote((number, line), path) if quoted else line.split("\t")
            if requoted and '"' in line:
                cells = [_bare(cell) for cell in cells]
            if len(cells) != len(columns):
                mended = self.mended(cells, columns)
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
                label=None if self.no_gold and gold in (self.no_gold, "", "-1") else gold,
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

    def fits(self, path: Path, split: str) -> bool:
        """Return whether the first line has the columns of this layout; the file may have any name."""
        first = next(open_lines(path), None)
        return first is not None and (split in self.headerless or not self._missing(_cells(first, path), split))

    def mended(self, cells: Sequence[str], columns: tuple[str, ...]) -> list[str] | None:
        """Put a row of another width into the columns' order: two known forms of an official row; None for any other.

        GLUE's SNLI file has rows with five annotators under a header with one (label1, gold_label): the gold label
        moves to the header's column, the further annotators behind it. The text releases of SNLI and MultiNLI may end
        a row before the empty labels of missing annotators.
        """
        width = len(columns)
        if columns[-2:] == ("label1", "gold_label") and len(cells) == width + 4:
            return [*cells[: width - 1], cells[-1], *cells[width - 1 : -1]]
        missing = columns[len(cells) :]
        if missing and set(missing) <= set(VOTES[1:]):
            return [*cells, *[""] * len(missing)]
        return None

    def _missing(self, columns: Sequence[str], split: str) -> list[str]:
        required = self.text if split == "test" else (*self.text, self.label)
        return [name for name in required if name not in columns]

    def _is_header(self, cells: Sequence[str], split: str) -> bool:
        """Return whether the first line names the columns; some mirrors add a header to files without one."""
        return split not in self.headerless or {*self.text, self.label} <= set(cells)

    def _columns(self, first: Sequence[str] | None, path: Path, split: str) -> tuple[str, ...]:
        if first is not None and not self._is_header(first, split):
            return self.headerless[split]
        return self._header(first, path, split)

    def _header(self, first: Sequence[str] | None, path: Path, split: str) -> tuple[str, ...]:
        if first is None:
            raise DataError(f"{path}: the file is empty; fetch it again")
        columns = tuple(first)
        required = self.text if split == "test" else (*self.text, self.label)
        missing = self._missing(columns, split)
        if missing:
            raise DataError(
                f"{path}, line 1: no column {', '.join(map(repr, missing))}; expected a header with "
                f"{', '.join(required)}, found {printable(', '.join(columns))}; is this another task's file?"
            )
        twice = [name for name in required if columns.count(name) > 1]
        if twice:
            raise DataError(f"{path}, line 1: column {twice[0]!r} occurs twice; fetch the file again")
        return columns


def _votes(cells: Sequence[str], votes: list[int], width: int) -> tuple[str, ...]:
    return tuple([cells[i] for i in (*votes, *range(width, len(cells))) if cells[i]]) if votes else ()


def _columns_message(path: Path, number: int, cells: Sequence[str], columns: tuple[str, ...]) -> str:
    return (
        f"{path}, line {number}: expected {len(columns)} columns ({printable(', '.join(columns))}), "
        f"found {len(cells)}: {printable(repr(chr(9).join(cells)))}; mend the line or fetch the file again"
    )


def _cells(line: tuple[int, str], path: Path) -> list[str]:
    return _unquote(line, path) if _all_quoted(line[1]) else line[1].split("\t")


def _all_quoted(line: str) -> bool:
    """Return whether a program quoted every field; an official first line has bare fields."""
    cells = line.split("\t")
    return len(cells) > 1 and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)


def _is_requoted(path: Path) -> bool:
    """Return whether a program quoted exactly the fields that contain a quotation mark, as spreadsheets do.

    In an official file quotation marks are ordinary characters: some field has one inside or alone. In a quoted file
    every field with one is enclosed in two, and at least one field contains a doubled one.
    """
    doubled = False
    for _, line in open_lines(path):
        for cell in line.split("\t") if '"' in line else ():
            if '"' not in cell:
                continue
            if not _is_enclosed(cell):
                return False
            doubled |= '""' in cell[1:-1]
    return doubled


def _is_enclosed(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")


def _bare(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if '"' in cell else cell


def _unquote(line: tuple[int, str], path: Path) -> list[str]:
    """Return the fields of a line whose every field is quoted, with ``""`` for a quotation mark."""
    cells = line[1].split("\t")
    for cell in cells:
        if not _is_enclosed(cell):
            raise DataError(
                f"{path}, line {line[0]}: the fields of line 1 are all quoted, but here one is not "
                f"({printable(repr(cell), 60)}); fetch the official file, which has no quoting"
            )
    return [_bare(cell) for cell in cells]
