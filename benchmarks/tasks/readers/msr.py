"""MRPC from the original release: ``msr_paraphrase_*.txt``, split into train and dev by GLUE's ``dev_ids.tsv``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import DataError, MissingData
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.files import entries
from benchmarks.tasks.readers.text import open_lines
from benchmarks.tasks.readers.tsv import Tsv


@dataclass(frozen=True)
class MsrParaphrase(Tsv):
    """The original release, split as in GLUE: train is every row that ``dev_ids.tsv`` does not name."""

    text: tuple[str, ...] = ("#1 String", "#2 String")
    label: str = "Quality"
    dev_ids: str = "dev_ids.tsv"

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield the records of a split, dev and train separated by ``dev_ids.tsv``."""
        # The pair of sentence ids names a row; it is read as one more column of each kind and taken off again.
        with_ids = Tsv(self.files, text=(*self.text, "#1 ID", "#2 ID"), label=self.label)
        dev = set() if split == "test" else self._dev_ids(path)
        for record in with_ids.read(path, split, left_out):
            *texts, first, second = record.texts
            if split == "test" or ((first, second) in dev) == (split == "dev"):
                yield record._replace(texts=tuple(texts))

    def _dev_ids(self, path: Path) -> set[tuple[str, str]]:
        id_files = [file for file in entries(path.parent) if file.name.lower() == self.dev_ids]
        if not id_files:
            raise MissingData(
                f"{path.parent}: {self.dev_ids} is missing; it lists the rows of {path.name} that are GLUE's dev split"
            )
        ids = set()
        for number, line in open_lines(id_files[0]):
            cells = line.split("\t")
            if len(cells) != 2:
                raise DataError(
                    f"{id_files[0]}, line {number}: expected 2 columns (two sentence ids), found {len(cells)}"
                )
            ids.add((cells[0], cells[1]))
        return ids
