"""Times an update of a multi-task run against the same task trained alone: ``python -m benchmarks.speed.multitask``.

Both sides make the very same updates, since a multi-task run presents each task's batches in the order they have alone.
They take turns: after each update of the five tasks together comes the same batch in its task's own run, or before it,
by chance. Process CPU time with one thread; evaluation and loading are left out.
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
    """The training of a run, to be taken update by update."""
    data = prepare(run, resolve_source("generated", None)).train
    method = build(run.method, **dict(run.options))
    return training_loop(new_model(run), method, data, train_config(run), cpu=False)


def measure(tasks: tuple[str, ...], method: str, epochs: int) -> list[float]:
    """Per epoch after the first: CPU time of its updates, together over alone."""
    first, *others = tasks
    shared: dict[str, Any] = {**DEMO_SETTINGS, "epochs": epochs, "max_steps": None}
    run = RunSpec(task=first, with_tasks=tuple(others), method=method, head="mean", predict=("dev",), **shared)
    together, alone = loop(run), [loop(replace(run, task=task, with_tasks=())) for task in tasks]
    assert isinstance(together.data, Mixed)
    chance, found = random.Random(0), []
    for _ in range(epochs):
        spent = {True: 0.0, False: 0.0}
        for _ in range(together.plan.per_epoch):
            rows, _ = together._rows()
            task = int(together.data.batch(rows[:1])["task"])
            for which in chance.sample((True, False), 2):
                spent[which] += _seconds(together if which else alone[task])
        found.append(spent[True] / spent[False])
    return found[1:]


def _seconds(side: Any) -> float:
    gc.disable()
    began = time.process_time()
    side._update()
    spent = time.process_time() - began
    gc.enable()
    side.scalars.discard()
    return spent


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.multitask", description=__doc__)
    parser.add_argument("--epochs", type=int, default=13, help="of 70 updates; the first is not counted")
    parser.add_argument("--methods", default="vanilla,smart", help="separated by commas")
    parser.add_argument("--tasks", default=",".join(TASKS), help="generated tasks, separated by commas")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for method in chosen.methods.split(","):
        found = measure(tuple(chosen.tasks.split(",")), method, chosen.epochs)
        median = statistics.median(found)
        print(
            f"{method}: {median:.3f} ({min(found):.3f} to {max(found):.3f}) times the single-task update, "
            f"n = {len(found)} epochs; to reach: {LIMIT}, {'reached' if median <= LIMIT else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
