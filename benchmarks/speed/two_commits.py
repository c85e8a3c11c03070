"""Measurements of two commits side by side: options, source trees, processes, and the part of docs/bench.md.

One process per commit and case makes an update in turn, in random order, so that other load on the machine affects all
of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engine.machine import allocator_settings
from benchmarks.speed import side
from benchmarks.speed.against_commit import unpack_commit
from benchmarks.speed.page import PAGE, put

OLDER = "cda7a61"
WARM = 3  # updates before the first that counts


def parser(part: str, description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return the options that every measurement of two commits has.

    Args:
        part: module of :mod:`benchmarks.speed` that measures.
        description: help text.
        rounds: default number of timed updates.
    """
    options = argparse.ArgumentParser(prog=f"python -m benchmarks.speed.{part}", description=description)
    options.add_argument("older", nargs="?", default=OLDER, help=f"commit to compare with; default {OLDER}")
    options.add_argument("newer", nargs="?", default="HEAD", help="commit that is timed; default HEAD")
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--output", type=Path, default=PAGE, help=f"file to write, - for the terminal; default {PAGE}")
    return options


@contextmanager
def source_trees(older: str, newer: str) -> Iterator[list[Path]]:
    """Unpack both commits into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="two-commits-") as folder:
        yield [unpack_commit(commit, Path(folder, commit)) for commit in (older, newer)]


def write(lines: Sequence[str], output: Path, part: str) -> None:
    """Print a table with its heading, and write it into its part of the page unless ``output`` is "-"."""
    text = "\n".join([f"Written by `python -m benchmarks.speed.{part}`.", "", *lines])
    print(text)
    if str(output) != "-":
        put(text, output, part)


class Side:
    """A process that makes updates with the packages of one source tree, see :mod:`benchmarks.speed.side`.

    Args:
        tree: folder of the source tree.
        options: words of the command line of ``side.py``.
        keeps_blocks: whether the allocator keeps large blocks, as in the workers of both versions, or is the C
            library's as it comes, which returns them after each update.
    """

    def __init__(self, tree: Path, options: Sequence[str], keeps_blocks: bool = True) -> None:
        settings = {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            [sys.executable, side.__file__, *options],
            cwd=tree,
            env={**os.environ, **(allocator_settings() if keeps_blocks else {}), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def update(self) -> dict[str, float]:
        """Make one update; return the CPU seconds of its parts. Raises RuntimeError with what the process said."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a version's process ended:\n{self._process.communicate()[1][-2000:]}")
        seconds: dict[str, float] = json.loads(line)
        return seconds

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(sides: Sequence[Side], rounds: int) -> list[list[dict[str, float]]]:
    """Let each side make an update in each round; return the seconds of each round, in the order of ``sides``."""
    times: list[list[dict[str, float]]] = []
    order = random.Random(0)
    try:
        for _ in range(WARM + rounds):
            places = order.sample(range(len(sides)), len(sides))
            row = {place: sides[place].update() for place in places}
            times.append([row[place] for place in range(len(sides))])
    finally:
        for side in sides:
            side.close()
    return times[WARM:]
