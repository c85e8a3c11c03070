"""Measure false alarms of the regression gate and the bugs it finds.

``python -m benchmarks.speed.gate splits seeds same bugs``.

A false alarm is a check that fails although the code computes the same results.

- ``seeds``: unpaired, as on another machine. Short runs of seeds the baseline does not have, ``--repetitions`` disjoint
  sets of ``--seeds`` of them, against a baseline of ten others.
- ``splits``: unpaired, on the committed baseline's own full runs: some of its seeds against the others, drawn anew
  ``--repetitions`` times. The draws share seeds, so they are no independent trials.
- ``same``: paired. The same short runs done again ``--repetitions`` times; a single bit that differs is an alarm.
- ``bugs``: each planted bug in short runs; the figures that fail, paired and unpaired.

A line of JSON each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cli.display import Silent
from benchmarks.engine.plan import make_plan
from benchmarks.experiments import EXPERIMENTS, Experiment, narrowed
from benchmarks.experiments.planning.profiles import demo
from benchmarks.regression import baseline as baselines
from benchmarks.regression import check
from benchmarks.regression.baseline import Baseline, Cell, GridResults
from benchmarks.regression.comparison import Comparison, compare
from benchmarks.speed.planted import IN_DATA, PLANTED, InProcess
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source

BASE = 10  # seeds of a baseline
OTHER_MACHINE = "another machine"


def main() -> None:
    """Do the requested parts and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=sorted(PARTS))
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3, help="of one check")
    parser.add_argument("--steps", type=int, default=10, help="updates of a short run")
    parser.add_argument("--rows", default="vanilla,smart[shared],smart[independent],smart-released,sda")
    options = parser.parse_args()
    for part in options.parts:
        began, cpu = time.perf_counter(), time.process_time()
        figures = PARTS[part](options)
        times = {"seconds": round(time.perf_counter() - began, 1), "cpu_s": round(time.process_time() - cpu, 1)}
        print(json.dumps({"part": part, **figures, **times}), flush=True)


def seeds(options: Any) -> dict[str, Any]:
    """Check seeds that the baseline does not have, unpaired."""
    all_seeds = range(BASE + options.seeds * options.repetitions)
    measured = runs(options, tuple(all_seeds))
    baseline = as_baseline(of_seeds(measured, all_seeds[:BASE]))
    checks = [all_seeds[start : start + options.seeds] for start in range(BASE, len(all_seeds), options.seeds)]
    return alarm_counts([compare(baseline, of_seeds(measured, chunk)) for chunk in checks])


def splits(options: Any) -> dict[str, Any]:
    """Check some seeds of the committed baseline against its other seeds, unpaired."""
    committed = baselines.read(check.file_of("regression", None))
    measured = GridResults(committed.name, committed.cells, {}, (committed.machine,), {}, {})
    rng, comparisons = np.random.default_rng(0), []
    for _ in range(options.repetitions):
        order = rng.permutation(next(iter(committed.cells.values())).seeds).tolist()
        checked_seeds, baseline_seeds = order[: options.seeds], order[options.seeds :]
        comparisons.append(compare(as_baseline(of_seeds(measured, baseline_seeds)), of_seeds(measured, checked_seeds)))
    return alarm_counts(comparisons)


def same(options: Any) -> dict[str, Any]:
    """Repeat the same runs, paired."""
    baseline = as_baseline(runs(options, (0,)))
    return alarm_counts([compare(baseline, runs(options, (0,))) for _ in range(options.repetitions)])


def bugs(options: Any) -> dict[str, Any]:
    """Plant each bug and list the figures that fail, paired and unpaired."""
    baseline = as_baseline(runs(options, tuple(range(BASE))))
    other_machine = replace(baseline, machine={**baseline.machine, "device_name": OTHER_MACHINE})
    failures = {}
    for bug, plant in {**PLANTED, **IN_DATA}.items():
        with plant():
            measured = runs(options, tuple(range(options.seeds)))
        failures[bug] = {
            way: _failures(compare(base, measured)) for way, base in (("paired", baseline), ("unpaired", other_machine))
        }
    return {"found": failures}


def _failures(comparison: Comparison) -> dict[str, Any]:
    names = [f"{finding.cell.split()[-1]} {finding.quantity}" for finding in comparison.failed]
    return {"passed": comparison.passed, "failed": len(names), "of": len(comparison.findings), "first": names[:3]}


def alarm_counts(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Count the failed checks, their figures and the paired checks."""
    alarms = [comparison for comparison in comparisons if not comparison.passed]
    return {
        "repetitions": len(comparisons),
        "paired": sum(comparison.paired for comparison in comparisons),
        "figures": len(comparisons[0].findings),
        "alarms": len(alarms),
        "alarmed_by": [f"{finding.cell} {finding.quantity}" for comparison in alarms for finding in comparison.failed],
    }


def short(options: Any, seeds: tuple[int, ...]) -> Experiment:
    """Return the gate's own rows on its classification task, with only a few updates."""
    experiment = demo(EXPERIMENTS["regression"]())
    task = experiment.tasks[0]
    rows = tuple(
        replace(row, by_task={task: {**row.by_task[task], "max_steps": options.steps}}) for row in experiment.rows
    )
    return narrowed(replace(experiment, rows=rows), tasks=(task,), methods=options.rows, seeds=seeds)


def runs(options: Any, seeds: tuple[int, ...]) -> GridResults:
    """Do the runs of these seeds in a temporary folder and return their results."""
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        store = Store(Path(folder))
        return check.measure(make_plan(short(options, seeds), Source("generated"), store), store, InProcess(), Silent())


def of_seeds(measured: GridResults, seeds: Sequence[int]) -> GridResults:
    """Return the same cells with some of their seeds."""
    return replace(measured, cells={name: _of_seeds(cell, seeds) for name, cell in measured.cells.items()})


def _of_seeds(cell: Cell, seeds: Sequence[int]) -> Cell:
    places = [cell.seeds.index(seed) for seed in seeds]
    pick = {
        table: {name: tuple(values[place] for place in places) for name, values in getattr(cell, table).items()}
        for table in ("scores", "parts")
    }
    return replace(cell, seeds=tuple(seeds), keys=tuple(cell.keys[place] for place in places), **pick)


def as_baseline(measured: GridResults) -> Baseline:
    """Return the results as a baseline."""
    assert not measured.failures, measured.failures
    return Baseline(measured.name, measured.cells, measured.machines[0])


PARTS = {"seeds": seeds, "splits": splits, "same": same, "bugs": bugs}

if __name__ == "__main__":
    main()
