"""The text of a file, whatever its name promises: UTF-8, plain or compressed by gzip."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from analysis.records import ResultsError

_SIGNATURES = {  # how files begin that are no text, and what to do with them
    b"\x1f\x8b": "is compressed by gzip: let its name end in .gz",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet: unpack it, or save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is a spreadsheet of an old format: save the sheet as CSV in UTF-8",
    b"PAR1": "is a Parquet file: let its name end in .parquet",
    b"ARROW1": "is an Arrow file: let its name end in .arrow",
    b"\x93NUMPY": "is an array of NumPy: let its name end in .npy",
    b"\x89PNG": "is an image: give a table",
    b"%PDF": "is a PDF: give a table",
    b"version https://git-lfs": "is the pointer of a file in Git LFS, not the file: fetch it with git lfs pull",
    b"<!DOCTYPE": "is a web page: download the file itself",
    b"<!doctype": "is a web page: download the file itself",
    b"<html": "is a web page: download the file itself",
}
_MARKS = {  # byte order marks; that of UTF-32 begins like that of UTF-16
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark; a name in .gz says that it is compressed.

    Raises: ResultsError: naming the file, where a byte allows it the line, and the remedy.
    """
    content = _content(path)
    for signature, remedy in _SIGNATURES.items():
        if content.startswith(signature):
            raise ResultsError(f"{path} {remedy}")
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None) or _unmarked(content)
    if encoding is not None:
        raise ResultsError(f"{path} is {encoding}: convert it with iconv -f {encoding} -t UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ResultsError(
            f"{path}, line {line}: not UTF-8 (byte 0x{content[error.start]:02x}); convert the file, for example with "
            "iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ResultsError(f"{path}, line {line}: a NUL character; remove it")
    return text


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise ResultsError(f"{path} is a folder: give a file")
    try:
        stored = path.read_bytes()
        return gzip.decompress(stored) if path.name.lower().endswith(".gz") else stored
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultsError(f"{path} cannot be read: {reason}; is it whole, and yours to read?") from None


def _unmarked(content: bytes) -> str | None:
    """Return "UTF-16LE" or "UTF-16BE" for Latin text in them: every second of the first bytes is 0."""
    begin = content[:200]
    if len(begin) < 8:
        return None
    if not any(begin[1::2]) and all(begin[::2]):
        return "UTF-16LE"
    return "UTF-16BE" if not any(begin[::2]) and all(begin[1::2]) else None
