"""Files that appear whole and survive a power cut: a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def partial_path(path: Path) -> Path:
    """Return a hidden name beside ``path`` that no other process uses."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name to write to; the file takes the place of ``path`` at the end, and is removed after an error."""
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, sort_keys=False) + "\n")


def sync(*paths: Path) -> None:
    """Wait until files and the names in folders are on the disk; together, since the disk then writes them in one go.

    Args:
        paths: files; or folders, for the names in them, which only POSIX systems need and can sync.
    """
    with ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(_sync_one, paths))


def write_durably(path: Path, text: str) -> None:
    """Replace a text file: readers see the old content or the new one, after a power cut too."""
    with replacing(path) as partial:
        partial.write_text(text)
        sync(partial)
    sync(path.parent)


def files_in(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def _sync_one(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
