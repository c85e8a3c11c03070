"""Lines and strings from files, strictly: UTF-8 or an error that names the line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from benchmarks.errors import DataError

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
GZIP = b"\x1f\x8b"
FOREIGN = {  # first bytes of a file -> its kind and the remedy
    b"PK\x03\x04": "a zip archive; unpack it and give the file inside",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"PAR1": "a Parquet file; give it a name that ends in .parquet",
    b"version https://git-lfs": "a pointer of git-lfs, not the file itself; fetch that with `git lfs pull`",
    b"\xff\xfe": "UTF-16 text; convert it to UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it to UTF-8",
}
PAGES = (b"<!doctype", b"<html", b"<?xml")  # first bytes of the page that a server sends in place of a missing file
TAR_MARK = slice(257, 262)  # the bytes of a tar archive that hold "ustar"


def open_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield ``(line number from 1, text without its line end)`` from a plain or gzipped file.

    Only ``\n`` and ``\r\n`` end a line: other characters that Unicode calls line breaks occur inside sentences. A
    byte-order mark and empty lines at the end of the file are skipped.
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
                for back in range(empty, 0, -1):  # inside the file the reader has to see empty lines, to refuse them
                    yield number - back, ""
                empty = 0
                yield number, text
    except DAMAGED as error:
        raise DataError(f"{path}: the compressed file is damaged or cut short ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading bytes, unpacked if it begins as gzip does: browsers and mirrors drop or keep ``.gz``."""
    with open(path, "rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if packed else open(path, "rb")  # type: ignore[return-value]


def refuse_foreign(file: BinaryIO, path: Path) -> None:
    """Raise DataError if the bytes are an archive or another kind of file than text; then rewind the file."""
    start = file.read(TAR_MARK.stop)
    file.seek(0)
    if reason := kind_of(start):
        raise DataError(f"{path}: expected lines of text, but this is {reason}")


def kind_of(start: bytes) -> str:
    """Return the kind of a file that begins with these bytes, with the remedy; "" for possible lines of text."""
    if start[TAR_MARK] == b"ustar":
        return "a tar archive; unpack it and give the file inside"
    if start.lower().startswith(PAGES):
        return "a web page, perhaps a server's error message; fetch the file again"
    return next((kind for mark, kind in FOREIGN.items() if start.startswith(mark)), "")


def refuse_stand_in(path: Path, kind: str) -> None:
    """Raise DataError if the file is a pointer of git-lfs or a web page in place of an archive or a table."""
    try:
        with open(path, "rb") as file:
            start = file.read(TAR_MARK.stop)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if start.startswith(b"version https://git-lfs") or start.lower().startswith(PAGES):
        raise DataError(f"{path}: expected {kind}, but this is {kind_of(start)}")


def printable(text: str, length: int = 120) -> str:
    """Return text from a file as a message may quote it: cut, and without characters that would steer a terminal."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)


def decode(raw: bytes, path: Path, number: int) -> str:
    """Decode one line, without its end."""
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
    """Return a file name in lower case, without ``.gz``."""
    return name.lower().removesuffix(".gz")


def is_encodable(text: str) -> bool:
    """Return whether UTF-8 can encode the string: JSON can contain halves of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
