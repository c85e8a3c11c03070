"""Time an update of a multi-task run against the same task trained alone: ``python -m benchmarks.speed.multitask``.

Both sides make the same updates, since a multi-task run presents each task's batches in the order of a run of that task
alone. They take turns in random order: each batch is an update of the five tasks together and one of its task's own
run. Process CPU time with one thread, without evaluation and loading.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from dataclasses import replace
from typing import Any

import torch
import transformers

from benchmarks.experiments.planning.profiles import DEMO_SETTINGS
from benchmarks.spec import RunSpec
from benchmarks.speed.side import training_loop
from benchmarks.tasks.sources import resolve_source
from benchmarks.training.execute import new_model, train_config
from benchmarks.training.prepared import prepare
from smart_repro.encoding import Mixed
from smart_repro.methods import build

TASKS = ("demo-mnli", "demo-rte", "demo-qnli", "demo-sst2", "demo-mrpc")
LIMIT = 1.05


def loop(run: RunSpec) -> Any:
    """Return the training loop of a run, which is driven update by update."""
    data = prepare(run, resolve_source("generated", None)).train
    method = build(run.method, **dict(run.options))
    return training_loop(new_model(run), method, data, train_config(run), cpu=False)


def measure(tasks: tuple[str, ...], method: str, epochs: int) -> list[float]:
    """Return, per epoch after the first, the ratio of CPU times of its updates: together by alone."""
    first, *further_tasks = tasks
    shared: dict[str, Any] = {**DEMO_SETTINGS, "epochs": epochs, "max_steps": None}
    run = RunSpec(task=first, with_tasks=tuple(further_tasks), method=method, head="mean", predict=("dev",), **shared)
    together, alone = loop(run), [loop(replace(run, task=task, with_tasks=())) for task in tasks]
    assert isinstance(together.data, Mixed)
    order, ratios = random.Random(0), []
    for _ in range(epochs):
        spent = {True: 0.0, False: 0.0}
        for _ in range(together.plan.per_epoch):
            rows, _ = together._rows()
            task = int(together.data.batch(rows[:1])["task"])
            for is_together in order.sample((True, False), 2):
                spent[is_together] += _seconds(together if is_together else alone[task])
        ratios.append(spent[True] / spent[False])
    return ratios[1:]


def _seconds(side: Any) -> float:
    gc.disable()
    began = time.process_time()
    side._update()
    spent = time.process_time() - began
    gc.enable()
    side.scalars.discard()
    return spent


def main(arguments: list[str] | None = None) -> None:
    """Print the ratio of each method."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.multitask", description=__doc__)
    parser.add_argument("--epochs", type=int, default=13, help="of 70 updates; the first is not counted")
    parser.add_argument("--methods", default="vanilla,smart", help="separated by commas")
    parser.add_argument("--tasks", default=",".join(TASKS), help="generated tasks, separated by commas")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for method in options.methods.split(","):
        ratios = measure(tuple(options.tasks.split(",")), method, options.epochs)
        median = statistics.median(ratios)
        print(
            f"{method}: {median:.3f} ({min(ratios):.3f} to {max(ratios):.3f}) times the single-task update, "
            f"n = {len(ratios)} epochs; target: {LIMIT}, {'reached' if median <= LIMIT else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
