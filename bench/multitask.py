"""Times an update of a multi-task run against the same tasks trained alone: ``python -m bench.multitask``.

Both sides make the very same updates: a multi-task run presents each task's batches in the order they have alone. Each
round trains every side for two epochs of the generated tasks on ``tiny``, in random order, and takes the process CPU
time of the second one's updates, evaluation and loading left out.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from dataclasses import replace

import torch
import transformers

from benchmarks.prepared import prepare
from benchmarks.profiles import DEMO_SETTINGS
from benchmarks.run import new_model, train_config
from benchmarks.spec import RunSpec
from benchmarks.tasks.sources import resolve_source
from smart_repro.methods import build
from smart_repro.train import train

TASKS = ("demo-mnli", "demo-rte", "demo-qnli", "demo-sst2", "demo-mrpc")
LIMIT = 1.05


def update_seconds(run: RunSpec) -> float:
    """Mean CPU time of an update in the second epoch of a run."""
    data = prepare(run, resolve_source("generated", None)).train
    clock: list[float] = []

    def tick() -> bool:
        clock.append(time.process_time())
        return False

    gc.collect()
    method = build(run.method, **dict(run.options))
    train(new_model(run), method, data, train_config(replace(run, epochs=2, max_steps=None)), should_stop=tick)
    updates = len(clock) // 2
    return (clock[-1] - clock[updates - 1]) / updates


def ratios(tasks: tuple[str, ...], method: str, rounds: int) -> list[float]:
    """Per round: an update of the tasks together against the mean update of each alone."""
    first, *others = tasks
    shared = {name: value for name, value in DEMO_SETTINGS.items() if name != "max_steps"}
    together = RunSpec(task=first, with_tasks=tuple(others), method=method, head="mean", predict=("dev",), **shared)
    alone = [replace(together, task=task, with_tasks=()) for task in tasks]
    order, found = [together, *alone], []
    for number in range(rounds):
        random.Random(number).shuffle(order)
        seconds = {run: update_seconds(run) for run in order}
        found.append(seconds[together] / statistics.mean(seconds[run] for run in alone))
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.multitask", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--methods", default="vanilla,smart", help="separated by commas")
    parser.add_argument("--tasks", default=",".join(TASKS), help="generated tasks of one size, separated by commas")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for method in chosen.methods.split(","):
        found = ratios(tuple(chosen.tasks.split(",")), method, chosen.rounds)
        median = statistics.median(found)
        print(
            f"{method}: {median:.3f} ({min(found):.3f} to {max(found):.3f}) times the mean single-task update, "
            f"n = {len(found)} rounds; to reach: {LIMIT}, {'reached' if median <= LIMIT else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
