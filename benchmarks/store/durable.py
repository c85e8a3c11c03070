"""Files that survive a power cut: what was written is on the disk before anything counts on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def sync(*paths: Path) -> None:
    """Wait until files and the names in folders are on the disk; together, since the disk then writes them in one go.

    Args:
        paths: files; or folders, for the names in them, which only POSIX systems need and can sync.
    """
    with ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(_sync_one, paths))


def write_durably(path: Path, text: str) -> None:
    """Replace a text file: readers see the old content or the new one, after a power cut too."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    sync(partial)
    os.replace(partial, path)
    sync(path.parent)


def files_in(folder: Path) -> Iterator[Path]:
    """All files below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def _sync_one(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
