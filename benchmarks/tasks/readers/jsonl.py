"""One JSON object a line, as SNLI, MultiNLI, SciTail, ANLI and NLI-FEVER are published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.files import Files
from benchmarks.tasks.readers.text import open_lines, printable


@dataclass(frozen=True)
class Jsonl(Files):
    """Files with one JSON object a line.

    Attributes (beyond those of :class:`Files`):
        text, label, id, votes: keys of the texts, the label, the id and the annotators' labels.
        no_gold: values of the label key that mean that the label is missing or hidden.
    """

    parts: str = "._"
    text: tuple[str, ...] = ("sentence1", "sentence2")
    label: str = "gold_label"
    id: str = "pairID"
    votes: str = "annotator_labels"
    no_gold: tuple[str, ...] = ("-", "hidden", "", "-1")

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield one record a line."""
        for number, line in open_lines(path):
            row = parse_object(line, path, number)
            missing = [key for key in self.text if key not in row]
            if self.label not in row and split != "test":
                missing.append(self.label)
            if missing:
                raise DataError(
                    f"{path}, line {number}: no key {', '.join(map(repr, missing))}; expected "
                    f"{', '.join((*self.text, self.label))}, found {printable(', '.join(row)) or 'none'}; "
                    "another data set's?"
                )
            label = row.get(self.label)
            if type(label) is int and label == -1:  # the hub's sign for a label that is kept back
                label = None
            name = row.get(self.id)
            if label is not None and not isinstance(label, str):
                raise DataError(f"{path}, line {number}: {self.label} is {label!r:.60}, expected a text")
            if name is not None and not isinstance(name, str | int):
                raise DataError(f"{path}, line {number}: {self.id} is {name!r:.60}, expected a text or a number")
            yield Record(
                line=number,
                id=None if name is None else str(name),
                texts=tuple([_text(row[key], key, path, number) for key in self.text]),
                label=None if label in self.no_gold else label,
                votes=_votes(row.get(self.votes), path, number),
            )


def parse_object(line: str, path: Path, number: int) -> dict[str, Any]:
    """Parse one line as a JSON object. Raises DataError for anything else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}, line {number}: not JSON ({printable(str(error), 100)}): {line[:60]!a}; "
            "mend it or fetch the file again"
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: expected an object {{...}}, found {line[:60]!a}")
    return row


def _text(value: Any, key: str, path: Path, number: int) -> str:
    if not isinstance(value, str):
        raise DataError(f"{path}, line {number}: {key} is {value!r:.60}, expected a text")
    return value


def _votes(value: Any, path: Path, number: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(vote, str) for vote in value):
        raise DataError(f"{path}, line {number}: the annotator labels are {value!r:.60}, expected a list of texts")
    return tuple([vote for vote in value if vote])
