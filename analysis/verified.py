"""Runs that were verified, remembered: ``results/cache/verified.json``, safe to delete.

A run is verified again when any of its files has another size, inode or time of writing, and by ``smart-repro runs
verify`` always. Files written just before they were read are not remembered: a clock ticks in steps of milliseconds,
and a second writing in the same step would not show.
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

from analysis.integrity import DAMAGED, Finding, inspect
from analysis.records import DIGEST, ResultsError, digest_of, read_object, with_digest, without_digest

CODE = ("integrity.py", "records.py", "run_fields.py", "verified.py")
_TICK_NS = 50_000_000  # of a file system's clock, at most; a guess on the safe side


def damaged(root: Path, keys: Iterable[str]) -> dict[str, Finding]:
    """Verify these finished runs of a results folder; returns the damaged ones."""
    path = root / "cache" / "verified.json"
    remembered, current = _read(path), dict[str, str]()
    findings: dict[str, Finding] = {}
    for key in dict.fromkeys(keys):
        folder, now = root / "runs" / key, time.time_ns()
        stamp, newest = _stamp(folder)
        if stamp and remembered.get(key) == stamp:
            current[key] = stamp
            continue
        finding = inspect(folder)
        if finding.state == DAMAGED:
            findings[key] = finding
        elif stamp and newest < now - _TICK_NS:
            current[key] = stamp
    if current.keys() - remembered.keys() or any(remembered[key] != current[key] for key in current):
        _write(path, {**{k: v for k, v in remembered.items() if k not in findings}, **current})
    return findings


def _stamp(folder: Path) -> tuple[str, int]:
    """What changes when a file does, of all files of a run; and the newest time of a change, ns since 1970."""
    files = list[tuple[Any, ...]]()
    try:
        for place in (folder, folder / "predictions"):
            for entry in os.scandir(place):
                about = entry.stat(follow_symlinks=True)
                if not entry.is_dir():
                    times = (about.st_mtime_ns, about.st_ctime_ns)
                    files.append((place.name, entry.name, about.st_size, about.st_ino, *times))
    except OSError:
        return "", 0
    newest = max((max(file[-2:]) for file in files), default=0)
    return hashlib.sha256(repr((_code(), sorted(files))).encode()).hexdigest()[:32], newest


@lru_cache
def _code() -> str:
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in CODE)).hexdigest()


def _read(path: Path) -> dict[str, str]:
    """A damaged memory is none."""
    try:
        content = read_object(path)
    except ResultsError:
        return {}
    if content.get(DIGEST) != digest_of({name: value for name, value in content.items() if name != DIGEST}):
        return {}
    return {key: stamp for key, stamp in without_digest(path, content).items() if isinstance(stamp, str)}


def _write(path: Path, stamps: dict[str, str]) -> None:
    """Write it whole; a folder that cannot be written is left without."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):  # as benchmarks.store.files does, which the analysis must not import
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(json.dumps(with_digest(stamps)), encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
