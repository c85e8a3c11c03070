"""aclImdb (Maas et al. 2011): one review a file, ``train/pos/0_9.txt``, as a folder or still in its tar.gz."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks.errors import DataError
from benchmarks.tasks.base import Record
from benchmarks.tasks.readers.files import entries, is_litter
from benchmarks.tasks.readers.text import DAMAGED, decode, open_binary, printable, refuse_stand_in

CLASSES = ("neg", "pos")


@dataclass(frozen=True)
class ReviewFolder:
    """A folder of reviews, read in order of class and number."""

    overlapping: bool = False
    identifying: bool = True
    distinctive: bool = False

    def expects(self, split: str) -> str | None:
        """Return a pattern of the split's files; None if there is no such split."""
        return f"{split}/{{neg,pos}}/*.txt" if split in ("train", "test") else None

    def find(self, folder: Path, split: str) -> list[Path]:
        """Return the split's folder in this folder, in a list; empty if there is none."""
        if not self.expects(split):
            return []
        return [path for path in entries(folder) if path.name.lower() == split and path.is_dir()]

    def reads(self, path: Path) -> bool:
        """Return whether the path is a folder."""
        return path.is_dir()

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield one record a review."""
        for label in CLASSES:
            folder = path / label
            if not folder.is_dir():
                raise DataError(f"{path}: no folder {label!r}; expected {', '.join(CLASSES)} with one review a file")
            files = [file for file in entries(folder) if file.suffix == ".txt"]
            if not files:
                raise DataError(f"{folder}: no reviews (*.txt); unpack the archive again")
            for file in sorted(files, key=lambda file: _order(file.name)):
                try:
                    raw = file.read_bytes()
                except OSError as error:
                    raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None
                yield _review(raw, file, label, file.stem)


@dataclass(frozen=True)
class ReviewArchive:
    """The archive of the reviews, read member by member: nothing is unpacked to disk."""

    overlapping: bool = False
    identifying: bool = True
    distinctive: bool = True

    def expects(self, split: str) -> str | None:
        """Return the name of the archive; None if there is no such split."""
        return "aclImdb_v1.tar.gz" if split in ("train", "test") else None

    def find(self, folder: Path, split: str) -> list[Path]:
        """Return the archive in this folder, in a list; empty if there is none."""
        if not self.expects(split):
            return []
        return [path for path in entries(folder) if path.name.lower().startswith("aclimdb") and self.reads(path)][:1]

    def reads(self, path: Path) -> bool:
        """Return whether the path is a tar archive, by its name."""
        return path.name.lower().endswith((".tar.gz", ".tgz", ".tar")) and path.is_file()

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield one record a review."""
        reviews: dict[str, list[Record]] = {label: [] for label in CLASSES}
        refuse_stand_in(path, "an archive")
        try:
            # unpacked by itself: tarfile's own reading of a compressed stream takes a cut-off file for a short one
            with open_binary(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    label = _label(path, member, split)
                    if label is not None:
                        file = archive.extractfile(member)
                        assert file is not None  # a plain file, by _label
                        place = path / member.name
                        reviews[label].append(_review(file.read(), place, label, place.stem))
                while stream.read(1 << 20):  # to the end, so that the checksum is compared
                    pass
        except (tarfile.TarError, OSError, *DAMAGED) as error:
            raise DataError(
                f"{path}: the archive is damaged or cut short ({printable(str(error))}); fetch it again"
            ) from None
        for label in CLASSES:
            if not reviews[label]:
                raise DataError(f"{path}: no reviews {split}/{label}/*.txt in the archive; is it aclImdb?")
            yield from sorted(reviews[label], key=lambda record: _order(str(record.id)))


def _label(path: Path, member: tarfile.TarInfo, split: str) -> str | None:
    """Return the class of a review of this split; None for any other member."""
    parts = PurePosixPath(member.name).parts
    if member.name.startswith("/") or ".." in parts:
        raise DataError(f"{path}: the member {member.name!r} points out of the archive; do not use this file")
    if any(is_litter(part) for part in parts):
        return None
    if len(parts) < 3 or parts[-3] != split or parts[-2] not in CLASSES or not parts[-1].endswith(".txt"):
        return None
    if not member.isfile():
        raise DataError(f"{path}: the member {member.name!r} is not a plain file; do not use this archive")
    return parts[-2]


def _order(name: str) -> tuple[int, str]:
    number = name.rpartition("/")[2].partition("_")[0]
    return (int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 10**9, name)


def _review(raw: bytes, path: Path, label: str, name: str) -> Record:
    return Record(1, f"{label}/{name}", (decode(raw, path, 1),), label)
