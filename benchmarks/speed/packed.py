"""Size of runs in a repository: ``python -m benchmarks.speed.packed [RESULTS]`` prints a table by task.

Run folders as they are, the same runs in one part without a loss, and as `smart-repro runs publish` reduces them.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.sharing.publish import compact_copy
from benchmarks.store.files import files_in
from benchmarks.store.parts import write_part
from benchmarks.store.store import Store

MB = 1e6


def main(results: str = "results/published") -> None:
    """Print the table for the runs of a results folder."""
    store, by_task = Store(Path(results)), defaultdict[str, list[str]](list)
    for key in sorted(store.done_keys()):
        by_task["+".join(store.spec(key).tasks)].append(key)
    print("| task | runs | folders, MB | one part without loss, MB | published, MB | published, kB a run |")
    print("|---|---|---|---|---|---|")
    sums = [0.0, 0.0, 0.0]
    for task, keys in sorted(by_task.items()):
        sizes = _sizes(store, keys)
        sums = [total + size for total, size in zip(sums, sizes, strict=True)]
        print(_line(task, len(keys), sizes), flush=True)
    print(_line("all", sum(map(len, by_task.values())), sums))


def _sizes(store: Store, keys: list[str]) -> list[float]:
    """Return MB as folders, in a part, and in a part after the reduction."""
    with tempfile.TemporaryDirectory(prefix="smart-repro-") as scratch:
        folder, runs = Path(scratch), [store.folder(key) for key in keys]
        copies = [folder / key for key in keys]
        for copy in copies:
            compact_copy(store, copy.name, copy)
        parts = [write_part(folder / name, group) for name, group in (("whole", runs), ("compact", copies))]
        as_folders = sum(file.stat().st_size for run in runs for file in files_in(run))
        return [size / MB for size in (as_folders, *(part.stat().st_size for part in parts))]


def _line(task: str, n_runs: int, sizes: list[float]) -> str:
    numbers = " | ".join(f"{size:.2f}" for size in sizes)
    return f"| {task} | {n_runs} | {numbers} | {1000 * sizes[-1] / n_runs:.1f} |"


if __name__ == "__main__":
    main(*sys.argv[1:2])
