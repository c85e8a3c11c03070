"""Search for a split's files in a folder, ignoring case: by their official name, or as parts of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.text import without_gz

LITTER = ("__macosx", "thumbs.db", "desktop.ini")  # files that operating systems add to folders and archives


@dataclass(frozen=True)
class Files:
    """A layout whose splits are files with official names.

    Attributes:
        files: split -> official name, possibly inside a folder (``R1/dev.jsonl``). ``.gz`` may follow it. If that file
            is missing, its parts are used: ``train.tsv`` may come as ``train.<anything>.tsv``.
        parts: characters that may separate the name from the mark of a part.
    """

    files: dict[str, str]
    parts: str = "."
    overlapping: bool = True
    identifying: bool = True
    distinctive: bool = False

    def expects(self, split: str) -> str | None:
        """Return the official name of the split's file; None if there is no such split."""
        return self.files.get(split)

    def reads(self, path: Path) -> bool:
        """Return whether the file has the suffix of one of the official names."""
        return _suffix(path.name) in {_suffix(name) for name in self.files.values()}

    def find(self, folder: Path, split: str) -> list[Path]:
        """Return the official file of a split in this folder, or else its parts; empty if there are none."""
        if split not in self.files:
            return []
        *folders, name = PurePosixPath(self.files[split].lower()).parts
        for step in folders:
            inner = [path for path in entries(folder) if path.name.lower() == step and path.is_dir()]
            if not inner and not self.distinctive:
                return []
            folder = inner[0] if inner else folder
        present = [path for path in entries(folder) if path.is_file()]
        complete = [path for path in present if without_gz(path.name) == name]
        if complete:
            return complete[:1]  # plain before .gz: the same rows twice would be dropped anyway
        stem, suffix = PurePosixPath(name).stem, _suffix(name)
        patterns = [f"{stem}{mark}*{suffix}" for mark in self.parts]
        return [path for path in present if any(fnmatchcase(without_gz(path.name), pattern) for pattern in patterns)]

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield the rows of one file; subclasses implement it."""
        raise NotImplementedError


def _suffix(name: str) -> str:
    return PurePosixPath(without_gz(name)).suffix


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder, in name order, without the files that operating systems add."""
    try:
        return sorted(path for path in folder.iterdir() if not is_litter(path.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from None


def is_litter(name: str) -> bool:
    """Return whether an operating system adds files of this name: ``.DS_Store``, ``__MACOSX``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in LITTER
