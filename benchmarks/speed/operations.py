"""Count the file operations of the store, as strace sees them: each may be a round trip on a shared file system.

``python -m benchmarks.speed.operations`` prints a line of JSON: operations of each action on the results folder. Calls
that the kernel answers from an open file (fstat, lseek, write, close) are left out; fsync and reads count.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch

from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute
from benchmarks.training.job import Job, make_job
from smart_repro.checkpoint import Checkpoint

_MARK = "/mark-of-an-action/"  # a path of nothing: asking for it leaves a line in the trace
_LOCAL = ("close", "fadvise64", "fcntl", "fstat", "ioctl", "lseek", "write", "pwrite64", "sendfile")


def main() -> None:
    """Trace :func:`perform_actions` in a process of its own and print the counts."""
    with tempfile.TemporaryDirectory(prefix="bench-operations-") as folder:
        trace, results = Path(folder) / "trace", Path(folder) / "results"
        command = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=%file,%desc", sys.executable, "-c"]
        program = f"from benchmarks.speed.operations import perform_actions; perform_actions({str(results)!r})"
        subprocess.run([*command, program], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with trace.open(errors="replace") as lines:
            print(json.dumps(count(lines, str(results))))


def perform_actions(folder: str) -> None:
    """Do each action once, with marks between them; the run itself is a small one of the demonstration."""
    store = Store(Path(folder))
    store.prepare()
    job, other = _job(seed=0), _job(seed=1)
    _mark("take")
    lease = store.take(other.key)
    assert lease is not None
    attempt = store.attempt(lease)
    checkpoint = Checkpoint(attempt / "checkpoint.pt", before_save=lease.check)
    _mark("heartbeat")
    lease._rewrite({"heartbeat": 1})
    _mark("save")
    checkpoint.save({"weights": torch.zeros(1000)})
    _mark("find busy")
    assert execute(other, store).state == "busy"
    _mark("release")
    lease.release()
    _mark("resume")
    second_lease = store.take(other.key)
    assert second_lease is not None
    Checkpoint(store.attempt(second_lease) / "checkpoint.pt").load()
    _mark("release")
    second_lease.release()
    _mark("whole run")
    assert execute(job, store).state == "done"
    _mark("end")


def count(lines: Iterable[str], folder: str) -> dict[str, int]:
    """Return the operations on the folder of each action, from the lines of a trace.

    Args:
        lines: output of ``strace -f -y``.
        folder: path that a counted call names.
    """
    counts, action = Counter[str](), ""
    for line in lines:
        match = re.match(r"\d+\s+(\w+)\((.*)", line)
        if match is None:
            continue
        name, arguments = match.groups()
        if _MARK in arguments:
            action = arguments.partition(_MARK)[2].partition('"')[0]
        elif folder in arguments and name not in _LOCAL and ', "", ' not in arguments:  # the last: stat of an open file
            counts[action] += 1
    return {action: counts[action] for action in ("take", "heartbeat", "save", "find busy", "resume", "whole run")}


def _job(seed: int) -> Job:
    spec = RunSpec(task="demo-rte", model="tiny", head="mean", max_length=32, max_train_samples=40, epochs=1, seed=seed)
    return make_job(spec, Source("generated"))


def _mark(action: str) -> None:
    with contextlib.suppress(OSError):
        os.stat(f"{_MARK}{action}")


if __name__ == "__main__":
    main()
