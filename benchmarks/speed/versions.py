"""Time updates of this version beside those of an older commit, both built from git; writes a table of docs/bench.md.

``python -m benchmarks.speed.versions``, or ``tox -e bench``. Plain fine-tuning and SMART on 16 texts of 12 tokens, as
the suite trains them: its loop, and the table of word embeddings that a run of so many words has.

One process per version and method makes an update in turn, in random order, so that whatever else the machine does hits
all of them alike. Ratios are of process CPU times within a round; what counts is their median.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.speed import side
from benchmarks.speed.against_commit import unpack_commit
from benchmarks.speed.page import PAGE, put

OLDER = "cda7a61"
WARM = 3  # updates before the first that counts


@dataclass(frozen=True)
class Case:
    """What is compared: an update of a method, and the ratio to the older version not to exceed."""

    method: str
    limit: float


CASES = (Case("vanilla", 0.80), Case("smart", 0.88))


class Side:
    """A process that makes updates with the packages of one source tree, see :mod:`benchmarks.speed.side`."""

    def __init__(self, tree: Path, options: Sequence[str]) -> None:
        settings = {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            [sys.executable, side.__file__, *options],
            cwd=tree,
            env={**os.environ, **settings},
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
    """Let each side make an update in each round; return what the rounds took, in the order of ``sides``."""
    times: list[list[dict[str, float]]] = []
    order = random.Random(0)
    try:
        for _ in range(WARM + rounds):
            places = order.sample(range(len(sides)), len(sides))
            row = {place: sides[place].update() for place in places}
            times.append([row[place] for place in range(len(sides))])
    finally:
        for each in sides:
            each.close()
    return times[WARM:]


def table(cases: Sequence[Case], times: np.ndarray) -> list[str]:
    """Markdown lines: a row a case, with its verdict.

    Args:
        times: ``(rounds, cases, 2)`` CPU seconds, of the older version and of the newer.
    """
    lines = ["| update | CPU ms then | now | ratio, median (quartiles) | fastest | to reach |", f"|{6 * '---|'}"]
    for number, case in enumerate(cases):
        older, newer = times[:, number, 0], times[:, number, 1]
        low, middle, high = np.percentile(newer / older, [25, 50, 75])
        cells = [
            case.method,
            f"{1000 * np.median(older):.0f}",
            f"{1000 * np.median(newer):.0f}",
            f"{middle:.3f} ({low:.3f} to {high:.3f})",
            f"{newer.min() / older.min():.3f}",
            f"{case.limit:.2f}: {'reached' if middle <= case.limit else 'MISSED'}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.versions", description=__doc__)
    parser.add_argument("older", nargs="?", default=OLDER, help=f"commit to compare with; default {OLDER}")
    parser.add_argument("newer", nargs="?", default="HEAD", help="commit that is timed; default HEAD")
    parser.add_argument("--length", type=int, default=12, help="tokens of each of the 16 texts")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=Path, default=PAGE, help=f"file to write, - for the terminal; default {PAGE}")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="versions-") as folder:
        trees = [unpack_commit(commit, Path(folder, commit)) for commit in (options.older, options.newer)]
        length = ("--length", str(options.length))
        sides = [Side(tree, ("--method", case.method, *length)) for case in CASES for tree in trees]
        updates = measure(sides, options.rounds)
    times = np.array([[sum(each.values()) for each in row] for row in updates]).reshape(len(updates), len(CASES), 2)
    words = side.WORDS[1] - side.WORDS[0]
    text = "\n".join(
        [
            f"MiniLM-L6, 16 x {options.length} tokens, texts of {words:,} words, float32, one thread;",
            f"{options.newer} by {options.older}, both from git, {options.rounds} rounds in random order.",
            "",
            *table(CASES, times),
        ]
    )
    print(text)
    if str(options.output) != "-":
        put(text, options.output, "versions")


if __name__ == "__main__":
    main()
