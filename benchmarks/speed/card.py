"""Measure many small runs on one GPU, each a process of its own, without and with NVIDIA's MPS.

``python -m benchmarks.speed.card``: plain fine-tuning and SMART of MiniLM for 423 updates on 2,500 sentences as long as
CoLA's, 16 runs at a time; at most nine minutes in all, then a table on the terminal. MPS (multi-process service) lets
the kernels of several processes overlap; it is an ordinary process and changes no setting of the card.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

MPS = "nvidia-cuda-mps-control"
WINDOW = 900.0  # seconds in which runs are counted
RUNS_TARGET, UPDATE_TARGET = 1000, 15.0  # plain runs in the window; milliseconds a plain update


@dataclass(frozen=True)
class MeasuredGrid:
    """A grid that was run.

    Attributes:
        method: method of all runs.
        mps: True if the service was on.
        runs: number of finished runs.
        seconds: time from the command's start to its end, or until it was stopped.
        update: milliseconds of an update in a run, median over runs.
        preparation: seconds of a run before its first update, median over runs.
    """

    method: str
    mps: bool
    runs: int
    seconds: float
    update: float
    preparation: float


@contextmanager
def service(on: bool) -> Iterator[dict[str, str]]:
    """Start MPS, yield the environment of its clients, and stop it afterwards."""
    if not on:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:
        settings = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        subprocess.run([MPS, "-d"], env={**os.environ, **settings}, check=True)
        try:
            yield settings
        finally:
            subprocess.run([MPS], env={**os.environ, **settings}, input="quit\n", text=True, check=False)


def measure(method: str, mps: bool, options: argparse.Namespace, seconds: float) -> MeasuredGrid:
    """Run a grid for at most so many seconds. Raises RuntimeError with its output if no run was finished."""
    with tempfile.TemporaryDirectory(prefix="card-") as folder, service(mps) as settings:
        environment = {**os.environ, **settings, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        began = time.perf_counter()
        process = subprocess.Popen(
            _command(method, options), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            output = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            process.terminate()  # runs in flight end with a checkpoint; those that are done count
            output = process.communicate()[0]
        wall = time.perf_counter() - began
        timings = [json.loads(file.read_text())["timing"] for file in Path(folder).glob("results/runs/*/result.json")]
    if not timings:
        raise RuntimeError(f"no run of {method} was finished in {wall:.0f} s:\n{output.decode()[-2000:]}")
    return summary(method, mps, timings, wall)


def summary(method: str, mps: bool, timings: Sequence[Mapping[str, Any]], seconds: float) -> MeasuredGrid:
    """Summarise the timings that the runs recorded."""
    update = median(1000 * timing["training"] / timing["updates"] for timing in timings)
    return MeasuredGrid(method, mps, len(timings), seconds, update, median(timing["preparation"] for timing in timings))


def _command(method: str, options: argparse.Namespace) -> list[str]:
    start = "from smart_repro._command import main; main()"
    settings = {
        "--tasks": "demo-cola",
        "--model": options.model,
        "--max-train-samples": "2500",
        "--methods": method,
        "--seeds": str(options.runs),
        "--workers": str(options.workers),
    }
    words = [word for pair in settings.items() for word in pair]
    return [sys.executable, "-c", start, "run", "compare", *words, "--set", f"max_steps={options.updates}", "--quiet"]


def table(measured: Sequence[MeasuredGrid]) -> list[str]:
    """Return Markdown lines; the targets apply to plain runs."""
    lines = [
        f"| method | MPS | runs | seconds | start-up s | update ms | runs in {WINDOW / 60:.0f} minutes | target |",
        f"|{8 * '---|'}",
    ]
    for grid in measured:
        rate = grid.runs / grid.seconds * WINDOW
        cells = [grid.method, "on" if grid.mps else "off", grid.runs, f"{grid.seconds:.0f}", f"{grid.preparation:.1f}"]
        cells += [f"{grid.update:.1f}", f"{rate:.0f}", _verdict(grid, rate) if grid.method == "vanilla" else ""]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _verdict(grid: MeasuredGrid, rate: float) -> str:
    runs = "reached" if rate >= RUNS_TARGET else "MISSED"
    update = "reached" if grid.update <= UPDATE_TARGET else "MISSED"
    return f"{RUNS_TARGET} runs: {runs}; {UPDATE_TARGET:g} ms: {update}"


def main(arguments: list[str] | None = None) -> None:
    """Measure every method with and without MPS and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.card", description=__doc__)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--runs", type=int, default=64, help="of each grid")
    parser.add_argument("--updates", type=int, default=423)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--methods", default="vanilla,smart")
    parser.add_argument("--seconds", type=float, default=520.0, help="for all grids together")
    options = parser.parse_args(arguments)
    services = (False, True) if shutil.which(MPS) else (False,)
    grids = [(method, mps) for method in options.methods.split(",") for mps in services]
    measured, end = [], time.perf_counter() + options.seconds
    for number, (method, mps) in enumerate(grids):
        measured.append(measure(method, mps, options, (end - time.perf_counter()) / (len(grids) - number)))
        print("\n".join(table(measured)), flush=True)  # after every grid, in case the time runs out
    if len(services) == 1:
        print(f"there is no {MPS} on this machine: measured without it")


if __name__ == "__main__":
    main()
