"""Measure how costs grow: writes the table of slopes into docs/bench.md.

``python -m benchmarks.speed.scale [--largest 10000] [--only plan,length]``.

Each size is measured in a process of its own, one thread: processor time, workers included, and the memory that the
work adds. The slope is that of log cost over log size, both beyond those of the smallest size, by least squares; 1 is
proportional. A slope above 1.05 is marked.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import linregress

from analysis.report import write_report
from benchmarks.cli.display import Silent
from benchmarks.engine import schedule
from benchmarks.engine.choose import make_executor
from benchmarks.engine.plan import make_plan
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import method
from benchmarks.speed.page import PAGE, put
from benchmarks.speed.steps import minilm, tiny_model
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from smart_repro.encoding import Encoded
from smart_repro.methods import build
from smart_repro.train import TrainConfig, train

LARGEST_SLOPE = 1.05
GROWING = 0.1  # least share of a cost that has to grow with the size for a point to count
RUNS = (10, 100, 1_000, 10_000)
METHODS = ("vanilla", "smart", "r-drop", "sda", "smoothness")
STUDENT_UPDATES = 60  # of SDA

# a plug-in that workers import: their runs answer at random and are recorded as if they had been trained
RANDOM_ANSWERS = """
import json, time
import numpy as np
from benchmarks.store.files import write_json
from benchmarks.training import execute as run
from benchmarks.training.prepared import prepare
from benchmarks.training.recorder import Recorder

def answer_at_random(job, store, folder, checkpoint, report, should_stop):
    data = prepare(job.spec, job.source)
    write_json(folder / "spec.json", run._describe(job, data))
    write_json(folder / "environment.json", run.environment(job.spec))
    recorder, rng = Recorder(folder, data, report, job.spec), np.random.default_rng(int(job.key[:8], 16))
    recorder.combined(1, {e.name: rng.normal(size=(len(e.encoded), 2)).astype("float32") for e in data.evaluated})
    recorder.finish()
    timing = {"updates": 0, "predictions": 0}
    result = {"schema": run.SCHEMA, "key": job.key, "scores": recorder.scores, "seconds": 0.0, "steps": 0}
    result |= {"evaluation_seconds": 0.0, "source": "generated", "timing": timing}
    write_json(folder / "result.json", result)

run.train_and_record = answer_at_random
"""


@dataclass(frozen=True)
class Axis:
    """A cost and what it is measured against.

    Attributes:
        title: row of the table.
        sizes: sizes, ascending.
        prepare: function from a size and an empty folder to the work that is measured.
        unit: what a size counts.
    """

    title: str
    sizes: tuple[int, ...]
    prepare: Callable[[int, Path], Callable[[], object]]
    unit: str


@dataclass(frozen=True)
class Cost:
    """Processor seconds, and the MiB added to the process at its peak."""

    seconds: float
    mib: float


def main() -> None:
    """Measure the axes that are asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=RUNS[-1], help="largest number of runs")
    parser.add_argument("--only", help=f"some of {', '.join(AXES)}")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(AXES)
    costs = {}
    for name in names:
        sizes = [size for size in AXES[name].sizes if AXES[name].unit != "runs" or size <= options.largest]
        costs[name] = {size: measured(partial(AXES[name].prepare, size)) for size in sizes}
        print(row(AXES[name], costs[name]), file=sys.stderr, flush=True)
    put("\n".join(table(costs)), options.page, "scale")


def measured(prepare: Callable[[Path], Callable[[], object]]) -> Cost:
    """Return the cost of the work that ``prepare`` returns, in a process of its own; the preparation is not counted."""
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_measure, args=(prepare, sender))
    process.start()
    sender.close()
    try:
        cost: Cost = receiver.recv()
    except EOFError:
        raise SystemExit("the measured process ended with an error, which is printed above") from None
    finally:
        process.join()
    return cost


def _measure(prepare: Callable[[Path], Callable[[], object]], answer: Connection) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
        os.chdir(folder)  # the folder of the plug-in
        with contextlib.redirect_stdout(io.StringIO()):
            work = prepare(Path(folder))
            gc.collect()
            before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, _processor_seconds()
            work()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        answer.send(Cost(_processor_seconds() - began, grown / 1024))
        os.chdir("/")


def _processor_seconds() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# -- runs --------------------------------------------------------------------------------------------------------------


def _grid(runs: int) -> Experiment:
    """Return a grid of five methods on one generated task."""
    settings = {"model": "tiny", "epochs": 1, "learning_rate": 1e-3, "batch_size": 4, "max_train_samples": 50}
    methods = tuple(method(name) for name in METHODS)
    return compare(tasks=("demo-rte",), methods=methods, seeds=tuple(range(runs // len(methods))), settings=settings)


def _store(folder: Path) -> Store:
    store = Store(folder / "results")
    store.prepare()
    make_plan(_grid(len(METHODS)), Source("generated"), store)  # reads the data, which all sizes need
    return store


def plan(runs: int, folder: Path) -> Callable[[], object]:
    """Prepare the planning of a grid."""
    store, experiment = _store(folder), _grid(runs)
    return lambda: make_plan(experiment, Source("generated"), store)


def run(runs: int, folder: Path) -> Callable[[], object]:
    """Prepare the running of a grid whose runs answer at random in place of training."""
    (folder / "answer_at_random.py").write_text(RANDOM_ANSWERS)
    store, experiment = _store(folder), _grid(runs)

    def work() -> None:
        planned = make_plan(experiment, Source("generated"), store)
        store.write_manifest(experiment.manifest(planned.cells, {}))
        summary = schedule.run(planned, store, make_executor("local", 2, 0.0), Silent(), plugins=("answer_at_random",))
        if len(summary.of("done")) != runs:
            others = next((outcome for outcome in summary.outcomes.values() if outcome.state != "done"), None)
            raise RuntimeError(f"{len(summary.of('done'))} of {runs} runs were done: {others}")

    return work


def report(runs: int, folder: Path) -> Callable[[], object]:
    """Prepare the report of such a grid, with nothing kept from an earlier one."""
    run(runs, folder)()
    return lambda: write_report(folder / "results", "compare")


# -- training ----------------------------------------------------------------------------------------------------------


def _texts(count: int, length: int, classes: int = 2, words: int = 50) -> Encoded:
    """Return random texts of one length."""
    rng = np.random.default_rng(0)
    offsets = np.arange(count + 1) * length
    columns = {
        "input_ids": rng.integers(1, words, count * length),
        "attention_mask": np.ones(count * length, dtype=np.int64),
    }
    return Encoded(
        columns, offsets, {"input_ids": 0, "attention_mask": 0}, np.arange(count), np.arange(count) % classes
    )


def _training(
    model: Callable[[], torch.nn.Module],
    texts: Encoded,
    name: str = "vanilla",
    steps: int | None = None,
    **options: Any,
) -> Callable[[], object]:
    config = TrainConfig(epochs=1, max_steps=steps, batch_size=16, learning_rate=1e-4)
    net = model()
    return lambda: train(net, build(name, **options), texts, config, cpu=True)


def examples(count: int, folder: Path) -> Callable[[], object]:
    """Prepare one epoch over so many examples."""
    return _training(tiny_model, _texts(count, 12))


def length(tokens: int, folder: Path) -> Callable[[], object]:
    """Prepare 8 updates of MiniLM with texts of so many tokens."""
    return _training(minilm, _texts(128, tokens, words=20_000), steps=8)


def classes(count: int, folder: Path) -> Callable[[], object]:
    """Prepare 60 updates of a small model with so many classes."""

    def model() -> torch.nn.Module:
        net: Any = tiny_model()
        net.num_labels = net.config.num_labels = count
        net.classifier = torch.nn.Linear(net.config.hidden_size, count)
        return net  # type: ignore[no-any-return]

    return _training(model, _texts(1000, 12, count), steps=60)


def past_students(number: int, folder: Path) -> Callable[[], object]:
    """Prepare updates of MiniLM with SDA's teacher of so many past students; there are as many updates or more."""
    return _training(minilm, _texts(16 * STUDENT_UPDATES, 12, words=20_000), "sda", steps=STUDENT_UPDATES, K=number)


AXES: Mapping[str, Axis] = {
    "plan": Axis("plan a grid", RUNS, plan, "runs"),
    "run": Axis("run it, without training", RUNS, run, "runs"),
    "report": Axis("report on it", RUNS, report, "runs"),
    "examples": Axis("an epoch, tiny model", (1_000, 4_000, 16_000, 64_000), examples, "examples"),
    "length": Axis("8 updates, MiniLM, 16 texts", (16, 32, 64, 128, 256), length, "tokens"),
    "classes": Axis("60 updates, tiny model", (2, 100, 1_000, 10_000), classes, "classes"),
    "K": Axis(f"{STUDENT_UPDATES} updates of SDA, MiniLM", (1, 5, 20, 50), past_students, "past students"),
}


# -- table -------------------------------------------------------------------------------------------------------------


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of log cost over log size, both beyond those of the first size: a start that costs is left out.

    Sizes at which less than a tenth of the cost has grown do not count: there the difference is noise.

    Args:
        sizes: ascending sizes.
        costs: cost of each.
    Returns: the slope; 0 if the cost does not grow.
    """
    pairs = [(size - sizes[0], cost - costs[0], cost) for size, cost in zip(sizes[1:], costs[1:], strict=True)]
    grown = [(more, growth) for more, growth, cost in pairs if growth >= GROWING * cost]
    if len(grown) < 2:
        return 0.0
    return float(linregress(*np.log(np.transpose(grown))).slope)


def row(axis: Axis, costs: Mapping[int, Cost]) -> str:
    """Return an axis as a line of the table."""
    seconds, mib = [cost.seconds for cost in costs.values()], [cost.mib for cost in costs.values()]
    steepest = slope(list(costs), seconds)
    cells = (
        axis.title,
        f"{', '.join(f'{size:,}' for size in costs)} {axis.unit}",
        ", ".join(f"{value:.3g}" for value in seconds),
        f"{steepest:.2f}" + (f" **above {LARGEST_SLOPE}**" if steepest > LARGEST_SLOPE else ""),
        ", ".join(f"{value:,.0f}" for value in mib),
    )
    return f"| {' | '.join(cells)} |"


def table(costs: Mapping[str, Mapping[int, Cost]]) -> list[str]:
    """Return the lines of the page."""
    return [
        f"Written by `python -m benchmarks.speed.scale`: each size once, in a process of its own, one thread; torch "
        f"{torch.__version__}. Slopes are of the cost beyond that of the smallest size.",
        "",
        "| work | sizes | processor seconds | slope, log-log | MiB added |",
        "|---|---|---|---|---|",
        *(row(AXES[name], sizes) for name, sizes in costs.items()),
    ]


if __name__ == "__main__":
    main()
