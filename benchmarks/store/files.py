"""Atomic, durable writes: a reader sees the old content or the new one, also after a power cut, never a part."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.store import processes

_PARTIAL = re.compile(r"\..*\.(?P<host>[0-9a-f]{8})-(?P<boot>[0-9a-f]{8})-(?P<pid>\d+)-(?P<ticks>\d+)-[0-9a-f]{8}")


def partial_path(path: Path) -> Path:
    """Return a hidden name next to ``path`` that no other process uses.

    The name is at most 70 bytes longer than that of ``path``.
    """
    pid = os.getpid()
    writer = f"{machine_name()}-{pid}-{processes.start_ticks(pid) or 0}"
    return path.with_name(f".{path.name}.{writer}-{uuid.uuid4().hex[:8]}")


def sweep_partials(folder: Path) -> None:
    """Remove incomplete files of writers on this machine that no longer run; files of other machines are kept."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in list(os.scandir(folder)):
            match = _PARTIAL.fullmatch(entry.name)
            if match is not None and _is_gone(match):
                with suppress(OSError):
                    shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


def _is_gone(match: re.Match[str]) -> bool:
    host, boot = machine_name().split("-")
    if match["host"] != host:
        return False
    return match["boot"] != boot or not processes.runs(int(match["pid"]), int(match["ticks"]))


@lru_cache
def machine_name() -> str:
    """Short names of the machine, and of its last start together with the table of processes."""
    names = (platform.node(), processes.boot_id() + processes.process_table())
    return "-".join(hashlib.sha256(name.encode()).hexdigest()[:8] for name in names)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the file replaces ``path`` at the end, and is removed after an error."""
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON by one rename."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, sort_keys=False) + "\n")


def sync(*paths: Path) -> None:
    """Wait until files and the names in folders are on the disk.

    All are synced together, so that the disk can write them at once.

    Args:
        *paths: files; or folders, for the names in them (only on POSIX systems, the others do not need it).
    """
    with ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(_sync_one, paths))


def write_durably(path: Path, text: str) -> None:
    """Replace a text file: readers see the old content or the new one, also after a power cut."""
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
