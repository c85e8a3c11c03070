"""Files with a pronoun and two candidates in a row: DPRD and WSC as the authors of HNN published them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.pronouns.forms import SEPARATOR, choice, mark
from benchmarks.tasks.readers.text import printable
from benchmarks.tasks.readers.tsv import Tsv

CLASSES = ("first", "second")


@dataclass(frozen=True)
class Candidates(Tsv):
    """A sentence's columns, and ``candidates`` with a comma between them; subclasses put the sentence together.

    Attributes:
        limit: rows that are read; None: all.
    """

    limit: int | None = None

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield one record a row, its texts a sentence with the pronoun in brackets and two candidates."""
        for number, row in enumerate(super().read(path, split, left_out)):
            if number == self.limit:
                return
            *parts, names = row.texts
            candidates = [name.strip() for name in names.split(",")]
            record = row._replace(
                id=str(number),
                texts=(self._sentence(path, row.line, parts), SEPARATOR.join(candidates)),
                label=self._label(path, row, candidates),
                pair_id=self._pair(number),
            )
            if choice(*record.texts) is None:
                raise DataError(
                    f"{path}, line {row.line}: expected a sentence without brackets and two candidates with a comma "
                    f"between them, found {printable(repr(row.texts))}; mend the line or fetch the file again"
                )
            yield record

    def _sentence(self, path: Path, line: int, parts: list[str]) -> str:
        raise NotImplementedError

    def _label(self, path: Path, row: Record, candidates: list[str]) -> str:
        raise NotImplementedError

    def _pair(self, number: int) -> str:
        """Return the name of the pair of sentences that differ in a word, or ""."""
        return ""


@dataclass(frozen=True)
class Dprd(Candidates):
    """``sentence pronoun_idx pronoun coref candidates``; rows 2k and 2k + 1 are twins."""

    text: tuple[str, ...] = ("sentence", "pronoun_idx", "pronoun", "candidates")
    label: str = "coref"

    def _sentence(self, path: Path, line: int, parts: list[str]) -> str:
        sentence, place, pronoun = parts
        start = int(place) if place.isdigit() else -1
        if start < 0 or not pronoun or sentence[start : start + len(pronoun)] != pronoun:
            raise DataError(
                f"{path}, line {line}: the pronoun {printable(repr(pronoun), 20)} does not stand at character "
                f"{printable(place, 20)} of its sentence; fetch the file again"
            )
        return mark(sentence[:start], pronoun, sentence[start + len(pronoun) :])

    def _label(self, path: Path, row: Record, candidates: list[str]) -> str:
        plain = [name.lower() for name in candidates]
        right = str(row.label).strip().lower()
        if plain.count(right) != 1:
            raise DataError(
                f"{path}, line {row.line}: coref {printable(repr(row.label), 60)} is not one of the candidates "
                f"{printable(', '.join(candidates), 100)}; mend the line or fetch the file again"
            )
        return CLASSES[plain.index(right)] if len(plain) == len(CLASSES) else right

    def _pair(self, number: int) -> str:
        return f"pair-{number // 2}"


@dataclass(frozen=True)
class Wsc(Candidates):
    """``left pron right candidates selected``: WSC285, of which the first 273 rows are WSC273."""

    text: tuple[str, ...] = ("left", "pron", "right", "candidates")
    label: str = "selected"

    def _sentence(self, path: Path, line: int, parts: list[str]) -> str:
        left, pronoun, right = parts
        joint = " " if right[:1].isalnum() or right[:1] == '"' else ""
        return mark(f"{left} " if left else "", pronoun, f"{joint}{right}")

    def _label(self, path: Path, row: Record, candidates: list[str]) -> str:
        if row.label not in ("0", "1"):
            raise DataError(
                f"{path}, line {row.line}: selected must be 0 or 1, found {printable(repr(row.label), 20)}; mend it"
            )
        return CLASSES[int(str(row.label))]
