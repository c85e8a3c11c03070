"""Finding a split's files in a folder: by their official name, or as parts of it, whatever the case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.text import without_gz

LITTER = ("__macosx", "thumbs.db", "desktop.ini")  # what other systems leave in folders and archives


@dataclass(frozen=True)
class Files:
    """A layout whose splits are files with official names.

    Attributes:
        files: split -> official name, possibly inside a folder (``R1/dev.jsonl``). ``.gz`` may follow it. Where that
            file is missing, its parts are taken: ``train.tsv`` may come as ``train.<anything>.tsv``.
        parts: what may stand between the name and what tells a part apart.
    """

    files: dict[str, str]
    parts: str = "."
    overlapping: bool = True
    identifying: bool = True
    distinctive: bool = False

    def expects(self, split: str) -> str | None:
        return self.files.get(split)

    def reads(self, path: Path) -> bool:
        return _suffix(path.name) in {_suffix(name) for name in self.files.values()}

    def find(self, folder: Path, split: str) -> list[Path]:
        if split not in self.files:
            return []
        *folders, name = PurePosixPath(self.files[split].lower()).parts
        for step in folders:
            inner = [path for path in entries(folder) if path.name.lower() == step and path.is_dir()]
            if not inner and not self.distinctive:
                return []
            folder = inner[0] if inner else folder
        present = [path for path in entries(folder) if path.is_file()]
        whole = [path for path in present if without_gz(path.name) == name]
        if whole:
            return whole[:1]  # plain before .gz: the same rows twice would be dropped anyway
        stem, suffix = PurePosixPath(name).stem, _suffix(name)
        patterns = [f"{stem}{mark}*{suffix}" for mark in self.parts]
        return [path for path in present if any(fnmatchcase(without_gz(path.name), pattern) for pattern in patterns)]

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        raise NotImplementedError


def _suffix(name: str) -> str:
    return PurePosixPath(without_gz(name)).suffix


def entries(folder: Path) -> list[Path]:
    """What a folder holds, in name order, less what other systems leave in it."""
    try:
        return sorted(path for path in folder.iterdir() if not is_litter(path.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from None


def is_litter(name: str) -> bool:
    """Whether a name is another system's: ``.DS_Store``, ``._train.tsv``, ``__MACOSX``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in LITTER
