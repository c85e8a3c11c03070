"""Count the runs of the demonstration that never learn; prints a table in Markdown.

``python -m benchmarks.speed.learning RESULTS --first-seed 1100``.

A run has not learnt if its learnt share, (score - constant) / (ceiling - constant), is below a third: the constant is
the score of the best constant answer, the ceiling the best reachable score. Runs of one arm are pooled over the tasks;
the bound is the one-sided 95 % limit of Clopper and Pearson, which is below 1 % where none of 299 runs failed. Make the
runs with ``smart-repro run smart-table1 --seeds 1100-1133 --results RESULTS``: no setting was chosen on these seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import beta

from analysis.results import Results
from benchmarks.spec import MethodChoice
from benchmarks.tasks import TASKS, Task

LEARNT = 1 / 3  # of the way from the best constant answer to the ceiling, as in analysis.claims.floor
LARGEST_RATE = 0.01


@dataclass(frozen=True)
class Arm:
    """The number of a method's runs, and those of them that did not learn, as ``task seed``."""

    name: str
    runs: int
    failures: tuple[str, ...]

    @property
    def bound(self) -> float:
        """The one-sided 95 % upper limit of the share of runs that do not learn."""
        return upper_bound(len(self.failures), self.runs)

    def row(self) -> str:
        """Return the arm as a line of the table."""
        rate = f"{100 * len(self.failures) / self.runs:.1f} %"
        names = ", ".join(self.failures) or "none"
        return f"| {self.name} | {self.runs} | {len(self.failures)} | {rate} | {100 * self.bound:.2f} % | {names} |"


def upper_bound(failures: int, runs: int, level: float = 0.95) -> float:
    """Return the one-sided upper limit of a probability (Clopper and Pearson), from ``failures`` in ``runs``."""
    return 1.0 if failures == runs else float(beta.ppf(level, failures + 1, runs - failures))


def learnt_share(task: Task, score: float, labels: np.ndarray) -> float:
    """Return how far a score on dev is from the best constant answer (0) to the task's ceiling (1)."""
    metric = task.metrics[0]
    constant = max(share_of(labels)) if metric == "accuracy" else 0.0  # correlations with a constant count 0
    return (score - constant) / (task.ceiling[metric] - constant)


def share_of(labels: np.ndarray) -> np.ndarray:
    """Return the share of each label."""
    return np.unique(labels, return_counts=True)[1] / len(labels)


def arms(results: Results, first_seed: int = 0) -> Iterator[Arm]:
    """Yield the arms of finished runs on generated tasks with seeds from ``first_seed`` on."""
    failures: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    labels: dict[str, np.ndarray] = {}
    for key in results.run_keys():
        run = results.run(key)
        spec = run.spec
        task = TASKS[spec["task"]]
        if spec["seed"] < first_seed or not task.generated:
            continue
        name = MethodChoice(spec["method"], tuple(sorted(spec["options"].items()))).label
        if task.name not in labels:
            labels[task.name] = results.predictions(key, task.name, "dev", columns=["label"])["label"].to_numpy()
        score = run.result["scores"][task.name]["dev"][task.metrics[0]]
        counts[name] = counts.get(name, 0) + 1
        failed = failures.setdefault(name, [])
        if learnt_share(task, score, labels[task.name]) < LEARNT:
            failed.append(f"{task.name} {spec['seed']}")
    for name, count in counts.items():
        yield Arm(name, count, tuple(failures[name]))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 1 if a bound is above one percent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.learning", description=__doc__)
    parser.add_argument("results", type=Path, help="folder with runs of smart-table1, profile demo")
    parser.add_argument("--first-seed", type=int, default=0, help="leave out runs with smaller seeds")
    options = parser.parse_args(arguments)
    print("| arm | runs | never learnt | rate | 95 % bound | which |\n|---|---:|---:|---:|---:|---|")
    is_within = True
    for arm in arms(Results.open(options.results), options.first_seed):
        print(arm.row())
        is_within &= arm.bound <= LARGEST_RATE
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
