"""Measures the analysis at the sizes the design names: ``python tests/analysis/bench_analysis.py [--runs N]``.

Prints seconds of processor time (other work on the machine does not count) and the largest memory so far.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from world import Arm, Exam, World  # noqa: E402

from analysis.report import write_report  # noqa: E402
from analysis.significance import crossed_interval, hierarchical_bootstrap  # noqa: E402

SEEDS, ITEMS, CONTRASTS = 5, 10_000, 100


def measure(what: str, work: Callable[[], object]) -> None:
    start, wall = time.process_time(), time.perf_counter()
    work()
    spent, passed = time.process_time() - start, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:70s} {spent:8.2f} s processor {passed:8.2f} s wall {memory:6.2f} GiB", flush=True)


def intervals() -> None:
    rng = np.random.default_rng(0)
    labels, hard = rng.integers(0, 2, ITEMS), rng.random(ITEMS)

    def arm(skill: float) -> np.ndarray:
        return np.where(rng.random((SEEDS, ITEMS)) < skill - 0.3 * hard, labels, 1 - labels)

    base, arms = arm(1.0), [arm(1.0 + 0.01 * rng.normal()) for _ in range(CONTRASTS)]
    size = f"{SEEDS} seeds x {ITEMS:,} items, {CONTRASTS} contrasts"

    def decide(metric: str) -> None:
        for a in arms:
            crossed_interval(a, base, metric=metric, labels=labels)

    def describe() -> None:
        for a in arms:
            hierarchical_bootstrap(a, base, metric="accuracy", labels=labels, rng=rng)

    for metric in ("accuracy", "matthews", "f1", "pearson", "spearman"):
        measure(f"deciding interval, {metric}, {size}", partial(decide, metric))
    measure(f"crossed bootstrap, accuracy, 10,000 resamples, {size}", describe)


def report(runs: int) -> None:
    """Seeds 10, tasks 20, the rest methods."""
    methods = max(2, runs // 200)
    arms = [Arm("vanilla")] + [Arm(f"m{i}", f"Method {i}", "smart", gain=i / 10) for i in range(1, methods)]
    exams = [Exam(f"task-{i}", ("accuracy", "matthews")[i % 2], items=300) for i in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        root = World(Path(folder), arms, exams, seeds=range(10), epochs=1, steps=100).write()
        for how in ("nothing kept", "cells kept"):
            measure(f"report of {methods * 200:,} runs, {how}", lambda: write_report(root, "compare"))
        size = (root / "reports" / "compare" / "report.html").stat().st_size / 2**20
        print(f"its page: {size:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    intervals()
    report(options.runs)
