"""Lines and strings out of files, strictly: UTF-8 or an error that names the line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from benchmarks.errors import DataError

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


def open_lines(path: Path) -> Iterator[tuple[int, str]]:
    """``(line number from 1, text without its line end)``, from a plain or gzipped file.

    Only ``\\n`` and ``\\r\\n`` end a line: other characters that Unicode calls line breaks occur inside sentences. A
    byte-order mark is skipped; empty lines at the end of the file are too.
    """
    empty = 0
    try:
        with open_binary(path) as file:
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
    """The file's bytes, unpacked where its name ends in ``.gz``."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb")  # type: ignore[return-value]


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
