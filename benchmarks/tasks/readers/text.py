"""Lines and strings out of files, strictly: UTF-8 or an error that names the line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from benchmarks.errors import DataError

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
GZIP = b"\x1f\x8b"
FOREIGN = {  # how a file begins -> what it is and what to do
    b"PK\x03\x04": "a zip archive; unpack it and give the file inside",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"PAR1": "a Parquet file; give it a name that ends in .parquet",
    b"version https://git-lfs": "a pointer of git-lfs, not the file itself; fetch that with `git lfs pull`",
    b"\xff\xfe": "UTF-16 text; convert it to UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it to UTF-8",
}
PAGES = (b"<!doctype", b"<html", b"<?xml")  # what a server sends in place of a file that it does not have
TAR_MARK = slice(257, 262)  # where a tar archive says "ustar"


def open_lines(path: Path) -> Iterator[tuple[int, str]]:
    """``(line number from 1, text without its line end)``, from a plain or gzipped file.

    Only ``\\n`` and ``\\r\\n`` end a line: other characters that Unicode calls line breaks occur inside sentences. A
    byte-order mark is skipped; empty lines at the end of the file are too.
    """
    empty = 0
    try:
        with open_binary(path) as file:
            refuse_foreign(file, path)
            for number, raw in enumerate(file, start=1):
                text = decode(raw, path, number)
                if not text:
                    empty += 1
                    continue
                for back in range(empty, 0, -1):  # they were not at the end: the reader shall see them and complain
                    yield number - back, ""
                empty = 0
                yield number, text
    except DAMAGED as error:
        raise DataError(f"{path}: the compressed file is damaged or cut short ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where it begins as gzip does: browsers and mirrors drop or keep ``.gz`` at will."""
    with open(path, "rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if packed else open(path, "rb")  # type: ignore[return-value]


def refuse_foreign(file: BinaryIO, path: Path) -> None:
    """Raises: DataError: if the bytes are an archive or another kind of file than text; the file is wound back."""
    start = file.read(TAR_MARK.stop)
    file.seek(0)
    if reason := kind_of(start):
        raise DataError(f"{path}: expected lines of text, but this is {reason}")


def kind_of(start: bytes) -> str:
    """Return what a file that begins like this is, and what to do with it; "" for what may be lines of text."""
    if start[TAR_MARK] == b"ustar":
        return "a tar archive; unpack it and give the file inside"
    if start.lower().startswith(PAGES):
        return "a web page, perhaps a server's error message; fetch the file again"
    return next((what for mark, what in FOREIGN.items() if start.startswith(mark)), "")


def refuse_stand_in(path: Path, kind: str) -> None:
    """Raises: DataError: if the file is a pointer of git-lfs or a web page where an archive or a table should be."""
    try:
        with open(path, "rb") as file:
            start = file.read(TAR_MARK.stop)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if start.startswith(b"version https://git-lfs") or start.lower().startswith(PAGES):
        raise DataError(f"{path}: expected {kind}, but this is {kind_of(start)}")


def printable(text: str, length: int = 120) -> str:
    """Text out of a file as a message may quote it: cut, and no character that would steer a terminal."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)


def decode(raw: bytes, path: Path, number: int) -> str:
    """One line as text, without its end."""
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: not UTF-8 (byte 0x{raw[error.start]:02x} at position {error.start + 1}); "
            "convert the file to UTF-8 or fetch it again"
        ) from None
    if "\0" in text:
        raise DataError(f"{path}, line {number}: holds a NUL byte, so it is not a text file; fetch it again")
    return text.removesuffix("\n").removesuffix("\r")


def without_gz(name: str) -> str:
    """A file name in lower case, less a ``.gz``."""
    return name.lower().removesuffix(".gz")


def is_encodable(text: str) -> bool:
    """Whether the string is text at all: JSON can smuggle in halves of a surrogate pair, which no encoder takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
