"""Cache of verified runs: ``results/cache/verified.json``, safe to delete.

A run is verified again if any of its files has another size, inode or modification time; ``smart-repro runs verify``
always verifies. Files written just before they were read are not cached: a file system's clock has steps of
milliseconds, and a second write in the same step would not be noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from analysis.integrity.seals import DAMAGED, Finding, inspect
from analysis.parts import packed_runs, run_folder
from analysis.records import DIGEST, ResultsError, digest_of, read_object, with_digest, without_digest

CODE = ("integrity/keys.py", "integrity/seals.py", "integrity/verified.py", "records.py", "run_fields.py", "scores.py")
_TICK_NS = 50_000_000  # upper bound for the step of a file system's clock


def damaged(root: Path, keys: Iterable[str]) -> dict[str, Finding]:
    """Verify these finished runs of a results folder and return the damaged ones."""
    path = root / "cache" / "verified.json"
    remembered, current, packed = _read(path), dict[str, str](), packed_runs(root)
    findings: dict[str, Finding] = {}
    for key in dict.fromkeys(keys):
        folder, start = run_folder(root, key, packed), time.time_ns()
        stamp, newest = _stamp(folder)
        if stamp and remembered.get(key) == stamp:
            current[key] = stamp
            continue
        finding = inspect(folder)
        if finding.state == DAMAGED:
            findings[key] = finding
        elif stamp and newest < start - _TICK_NS:
            current[key] = stamp
    if current.keys() - remembered.keys() or any(remembered[key] != current[key] for key in current):
        _write(path, {**{k: v for k, v in remembered.items() if k not in findings}, **current})
    return findings


def _stamp(folder: Path) -> tuple[str, int]:
    """Return a hash of all files' sizes, inodes and times, and the newest time of a change in ns since 1970."""
    files = list[tuple[Any, ...]]()
    try:
        for place in (folder, folder / "predictions"):
            for entry in os.scandir(place):
                status = entry.stat(follow_symlinks=True)
                if not entry.is_dir():
                    times = (status.st_mtime_ns, status.st_ctime_ns)
                    files.append((place.name, entry.name, status.st_size, status.st_ino, *times))
    except OSError:
        return "", 0
    newest = max((max(file[-2:]) for file in files), default=0)
    return hashlib.sha256(repr((_code(), sorted(files))).encode()).hexdigest()[:32], newest


@lru_cache
def _code() -> str:
    folder = Path(__file__).parents[1]
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in CODE)).hexdigest()


def _read(path: Path) -> dict[str, str]:
    """Return the cached stamps; none if the file is damaged."""
    try:
        content = read_object(path)
    except ResultsError:
        return {}
    if content.get(DIGEST) != digest_of({name: value for name, value in content.items() if name != DIGEST}):
        return {}
    return {key: stamp for key, stamp in without_digest(path, content).items() if isinstance(stamp, str)}


def _write(path: Path, stamps: dict[str, str]) -> None:
    """Write the cache by one rename; a folder without write permission is left unchanged."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):  # as benchmarks.store.files does, which the analysis must not import
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(json.dumps(with_digest(stamps)), encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
