"""Checks that turn the rows of files into a split: valid labels, unique ids, joined files, counted omissions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.errors import DataError
from benchmarks.tasks.base import Classification, Layout, Record, Split, Task
from benchmarks.tasks.readers.text import is_encodable

SAME_ROW = "identical in another file"
NO_GOLD = "no gold label"
NO_MAJORITY = "no majority among five annotators"
GOLD_MISMATCH = 0.01  # share of rows whose gold label may differ from the majority of the votes
# spellings of a hidden label in test files
HIDDEN = (
    "",
    "-",
    "-1",
    "-1.0",
    "-1.000",
    "hidden",
    "nan",
    "NaN",
    "None",
    "null",
)
CLASS_CHECK = 200  # a split of this many rows in which some class never occurs is refused as another task's


@dataclass
class Columns:
    """The rows of one file, or of several joined; labels are nan where the file has none."""

    path: Path
    texts: tuple[list[str], ...]
    ids: list[str | None] = field(default_factory=list)
    labels: list[float] = field(default_factory=list)
    votes: list[tuple[int, ...]] = field(default_factory=list)
    pair_ids: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def append(self, source: Columns, row: int, name: str) -> None:
        """Copy one row, under a new name."""
        self.ids.append(name)
        for column, source_column in zip(self.texts, source.texts, strict=True):
            column.append(source_column[row])
        self.labels.append(source.labels[row])
        self.votes.append(source.votes[row])
        self.pair_ids.append(source.pair_ids[row])
        self.lines.append(source.lines[row])

    def content(self, row: int) -> tuple[object, ...]:
        """Return the content that identifies an example: texts (up to blanks) and label."""
        label = self.labels[row]
        return (*(" ".join(column[row].split()) for column in self.texts), None if math.isnan(label) else label)


def read_files(task: Task, layout: Layout, paths: Sequence[Path], split: str) -> Split:
    """Read all files of a split and join them in the given order.

    Raises: DataError: naming the file and line, for an unknown label, an id that occurs twice, labels missing from
        another split than test, or a split without rows.
    """
    left_out: Counter[str] = Counter()
    files = [collect(task, path, layout.read(path, split, left_out), split) for path in paths]
    if len(files) == 1:
        rows = files[0]
        check_ids(rows)
    else:
        rows = join_overlapping(files, layout.identifying, left_out) if layout.overlapping else join_pieces(files)
    return finish(task, rows, split, left_out, sources=tuple(str(path) for path in paths))


def from_records(task: Task, records: Iterable[Record], split: str, origin: str) -> Split:
    """Make a split from rows that come from no file, such as the hub's."""
    rows = collect(task, Path(origin), records, split)
    check_ids(rows)
    return finish(task, rows, split, Counter(), sources=(origin,))


def collect(task: Task, path: Path, records: Iterable[Record], split: str) -> Columns:
    """Check each row of one file by itself."""
    columns = Columns(path, texts=tuple([] for _ in task.text))
    read_label, read_votes = label_reader(task, path, split), vote_reader(task, path)
    for record in records:
        for column, text in zip(columns.texts, record.texts, strict=True):
            if not (text.isascii() or is_encodable(text)):
                raise DataError(
                    f"{path}, line {record.line}: half of a surrogate pair in {text[:60]!a}; fetch it again"
                )
            column.append(text)
        columns.labels.append(read_label(record))
        columns.votes.append(read_votes(record))
        columns.ids.append(record.id)
        columns.pair_ids.append(record.pair_id)
        columns.lines.append(record.line)
    return columns


def label_reader(task: Task, path: Path, split: str) -> Callable[[Record], float]:
    """Return a function from a row to its class index or target; nan where the row has none.

    Only a test split hides labels; in other splits an empty label is a damaged row and refused.
    """
    head = task.head
    hidden = HIDDEN if split == "test" else ()
    if isinstance(head, Classification):
        index = label_index(task)

        def read_class(record: Record) -> float:
            if record.label is None:
                return math.nan
            if record.label in hidden:
                return math.nan
            class_index = index.get(record.label.removesuffix(".0")) if isinstance(record.label, str) else None
            if class_index is None:
                raise DataError(
                    f"{path}, line {record.line}: unknown label {str(record.label)[:60]!r}; {task.name} has "
                    f"{', '.join(index)}; is this another task's file?"
                )
            return class_index

        return read_class

    def read_target(record: Record) -> float:
        if record.label is None:
            return math.nan
        if record.label in hidden:
            return math.nan
        try:
            value = math.nan if isinstance(record.label, bool) else float(record.label)
        except (TypeError, ValueError, OverflowError):  # a list, a word, a number of 400 digits
            value = math.nan
        if not head.low <= value <= head.high:
            raise DataError(
                f"{path}, line {record.line}: the score {str(record.label)[:60]!r} is not a number "
                f"from {head.low:g} to {head.high:g}; is this another task's file?"
            )
        return round(value, 6)  # the hub stores float32: 3.8 comes back as 3.799999952

    return read_target


def label_index(task: Task) -> dict[str, int]:
    """Return every spelling of a label -> its class."""
    assert isinstance(task.head, Classification)
    place = {name: i for i, name in enumerate(task.head.labels)}
    return {**{written: place[name] for written, name in task.spelling.items()}, **place}


def vote_reader(task: Task, path: Path) -> Callable[[Record], tuple[int, ...]]:
    """Return a function from a row to the number of annotators that voted for each class."""
    index = label_index(task) if isinstance(task.head, Classification) else {}
    counts_of: dict[tuple[str, ...], tuple[int, ...]] = {}  # few combinations, many rows

    def read_votes(record: Record) -> tuple[int, ...]:
        counts = counts_of.get(record.votes)
        if counts is None:
            invalid = [vote for vote in record.votes if vote not in index]
            if invalid:
                raise DataError(
                    f"{path}, line {record.line}: unknown annotator label {invalid[0][:60]!r}; "
                    f"{task.name} has {', '.join(index)}"
                )
            votes_of_class = Counter(index[vote] for vote in record.votes)
            counts = counts_of[record.votes] = tuple(votes_of_class[i] for i in range(task.head.num_outputs))
        return counts

    return read_votes


def check_ids(rows: Columns) -> None:
    """Give rows without an id their number; refuse an id that occurs twice."""
    first_rows: dict[str, int] = {}
    for row, name in enumerate(rows.ids):
        name = str(row) if name is None else name
        if name in first_rows:
            raise DataError(
                f"{rows.path}, line {rows.lines[row]}: the id {name!r} occurs a second time (first in line "
                f"{rows.lines[first_rows[name]]}); ids must be unique: remove one of the rows or fetch the file again"
            )
        first_rows[name] = row
        rows.ids[row] = name


def join_pieces(files: Sequence[Columns]) -> Columns:
    """Join consecutive pieces of one table, numbered through."""
    joined = Columns(files[0].path, texts=tuple([] for _ in files[0].texts))
    for part in files:
        for row, name in enumerate(part.ids):
            joined.append(part, row, str(len(joined.ids)) if name is None else name)
    check_ids(joined)
    return joined


def join_overlapping(files: Sequence[Columns], identifying: bool, left_out: Counter[str]) -> Columns:
    """Join files that may repeat each other: a row that an earlier file holds is dropped and counted.

    Rows repeated inside one file are kept: official files have such rows. Row numbers identify a row of one file only,
    so they get the file's name in front.
    """
    joined = Columns(files[0].path, texts=tuple([] for _ in files[0].texts))
    place: dict[object, int] = {}  # id or content -> row in `joined`
    named = identifying and all(name is not None for part in files for name in part.ids)
    for part in files:
        check_ids(part)
        new_places: dict[object, int] = {}
        for row, name in enumerate(part.ids):
            key = name if named else part.content(row)
            first = place.get(key)
            if first is None:
                new_places[key] = len(joined.ids)
                joined.append(part, row, str(name) if named else f"{part.path.name}:{name}")
            elif joined.content(first) == part.content(row):
                left_out[SAME_ROW] += 1
                joined.votes[first] = max(joined.votes[first], part.votes[row], key=sum)
            else:
                raise DataError(
                    f"{part.path}, line {part.lines[row]}: the id {name!r} occurs in an earlier file too, with other "
                    f"text or another label; keep one of {', '.join(file.path.name for file in files)}"
                )
        place.update(new_places)
    return joined


def finish(task: Task, rows: Columns, split: str, left_out: Counter[str], sources: tuple[str, ...]) -> Split:
    """Check the whole split and build its arrays."""
    location = rows.path if len(sources) == 1 else rows.path.parent
    if not rows.ids:
        raise DataError(f"{location}: no rows for the {split} split of {task.name}; the file is empty: fetch it again")
    targets = np.asarray(rows.labels, dtype=np.float64)
    votes = np.asarray(rows.votes, dtype=np.int16)
    notes: list[str] = []
    untold = np.isnan(targets)
    if untold.all():
        if split != "test":
            raise DataError(f"{location}: no row of the {split} split of {task.name} has a label; is this a test file?")
        keep = np.arange(len(targets))
    else:
        keep = np.flatnonzero(~untold)
        for row in np.flatnonzero(untold):
            left_out[NO_MAJORITY if votes[row].sum() == 5 else NO_GOLD] += 1
        notes += check_gold(task, rows, targets, votes)
    split_rows = Split(
        ids=[str(name) for name in rows.ids],
        texts=rows.texts,
        labels=targets if not isinstance(task.head, Classification) else np.where(untold, -1, targets).astype(np.int64),
        votes=votes if votes.size and votes.sum(axis=1).max() > 1 else None,  # a single vote only repeats the label
        sources=sources,
        extra={"twins" if task.has_twins else "pair_id": np.asarray(rows.pair_ids, dtype=object)}
        if any(rows.pair_ids)
        else {},
    )
    if len(keep) < len(targets):
        split_rows = split_rows.take(keep)
    check_classes(task, split_rows, split, location)
    notes = [
        *(f"{count:,} row{'s' * (count > 1)} left out: {reason}" for reason, count in sorted(left_out.items())),
        *notes,
    ]
    return replace(split_rows, notes=tuple(notes), left_out=dict(sorted(left_out.items())))


def check_gold(task: Task, rows: Columns, targets: np.ndarray, votes: np.ndarray) -> list[str]:
    """Compare gold labels with the majority of the votes: few differences are reported, many are refused."""
    if not votes.size or votes.sum(axis=1).max() <= 1:
        return []
    decided = (votes.max(axis=1) >= 3) & ~np.isnan(targets)
    wrong = np.flatnonzero(decided & (votes.argmax(axis=1) != targets))
    if not len(wrong):
        return []
    first = f"first in {rows.path.name}, line {rows.lines[wrong[0]]}"
    if len(wrong) > max(GOLD_MISMATCH * decided.sum(), 2):
        raise DataError(
            f"{rows.path}: in {len(wrong):,} of {int(decided.sum()):,} rows the gold label is not what most annotators "
            f"said, {first}; the label columns do not belong together: fetch the file again"
        )
    return [f"{len(wrong):,} row{'s' * (len(wrong) > 1)} whose gold label is not what most annotators said ({first})"]


def check_classes(task: Task, split: Split, name: str, location: Path) -> None:
    """Refuse many rows in which a class never occurs: most likely another task's file."""
    if not isinstance(task.head, Classification) or split.hidden or len(split) < CLASS_CHECK:
        return
    counts = np.bincount(split.labels, minlength=task.head.num_outputs)
    absent = [label for label, count in zip(task.head.labels, counts, strict=True) if not count]
    if absent:
        raise DataError(
            f"{location}: none of the {len(split):,} rows of the {name} split of {task.name} is labelled "
            f"{', '.join(map(repr, absent))}; is this another task's file, or the sorted head of one?"
        )
