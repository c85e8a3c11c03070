"""The regression gate: does the code still compute what it computed when the baseline was written?

A small grid is run anew, and every run's scores and loss parts are compared with a committed baseline
(:mod:`benchmarks.regression.comparison`). Any grid has one: ``compare`` with a plug-in's methods and tasks, and a
file of its own.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.records import read_json
from analysis.results import Results
from benchmarks.engine import schedule as engine
from benchmarks.engine.executor import Executor
from benchmarks.engine.plan import Plan, make_plan
from benchmarks.engine.schedule import Display
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.groups import GATE, GROUPS
from benchmarks.experiments.planning.request import Request
from benchmarks.regression.baseline import FOLDER, MACHINE, Baseline, Cell, Measured, read
from benchmarks.regression.comparison import Comparison, compare, must_fit
from benchmarks.spec import RunSpec
from benchmarks.store.store import RunState, Store
from benchmarks.training.environment import commit
from smart_repro.methods.base import PARTS

SHARES = (0.1, 0.5, 1.0)  # of the updates; early ones are near the baseline even where rounding differs
LOGGED = ("loss", *PARTS, "max_abs_delta", "start_share", "lr", "tokens")
UPDATE_SEEDS = 10  # of a new baseline: they estimate the spread


# --- from a request to an outcome ---


def file_of(name: str, given: Path | None) -> Path:
    """The baseline of an experiment: the file that was named, or the project's own of its own grid."""
    if given is None and name != GATE:
        raise UsageError(f"name the baseline of {name} with --baseline FILE (and write it first with --update)")
    return given or FOLDER / f"{GATE}.json"


def check(
    request: Request, file: Path, executor: Executor, display: Display, results: Path | None = None
) -> Comparison:
    """Do the runs asked for and compare them with the baseline in ``file``.

    Args:
        results: where runs are kept and finished ones are taken from; None: a folder that is gone afterwards, so that
            every run is done by today's code.
    Raises: UsageError: no such baseline, a grid it does not have, or runs of other code in ``results``.
    """
    baseline = read(file)
    with _store(results) as store:
        plan = _plan(request, store)
        told = {name: settings(plan.jobs[min(runs.values())].spec) for name, _, runs in _by_cell(plan)}
        must_fit(baseline, told, file)
        return compare(baseline, _measure(request, plan, store, executor, display))


def update(
    request: Request,
    file: Path,
    executor: Executor,
    display: Display,
    results: Path | None = None,
    *,
    allow_dirty: bool = False,
) -> Baseline:
    """Do the runs asked for and write them as the baseline, with its provenance; ``UPDATE_SEEDS`` seeds by default.

    Raises: UsageError: if runs fail, or the code is not what a commit holds (unless ``allow_dirty``).
    """
    refuse_dirty(commit(), allow_dirty)
    if file.parent == FOLDER and not commit():
        raise UsageError("this is an installed package, whose own baseline stays: name a file with --baseline")
    request = replace(request, seeds=request.seeds or str(UPDATE_SEEDS))
    with _store(results) as store:
        plan = _plan(request, store)
        if file.exists() and (request.tasks or request.methods):
            _keeps_all(read(file), plan, file)
        measured = _measure(request, plan, store, executor, display)
    command = f"{replace(request, results=None).command('check')} --baseline {file.name} --update"
    baseline = new_baseline(measured, command, allow_dirty=allow_dirty)
    baseline.write(file)
    return baseline


def _keeps_all(before: Baseline, plan: Plan, file: Path) -> None:
    """Raises UsageError if cells of a baseline would go with an update of some."""
    lost = before.cells.keys() - {name for name, _, _ in _by_cell(plan)}
    if lost:
        raise UsageError(
            f"{file} also has {', '.join(sorted(lost))}, which this update would drop: update all of it, name another "
            "file, or delete it first"
        )


@contextmanager
def _store(results: Path | None) -> Iterator[Store]:
    if results is not None:
        yield Store(results)
        return
    with tempfile.TemporaryDirectory(prefix="smart-repro-check-") as folder:
        yield Store(Path(folder))


def _plan(request: Request, store: Store) -> Plan:
    if request.name in GROUPS:
        raise UsageError(f"check takes one experiment, and {request.name} is several")
    plan = make_plan(*request.found(), store)
    if not plan.cells:
        raise UsageError(f"{request.name} has no runs, so there is nothing to check")
    return plan


def _measure(request: Request, plan: Plan, store: Store, executor: Executor, display: Display) -> Measured:
    return measure(plan, store, executor, display, tuple(request.plugins or ()), request.command("check"))


# --- doing the runs ---


def measure(
    plan: Plan, store: Store, executor: Executor, display: Display, plugins: tuple[str, ...] = (), command: str = ""
) -> Measured:
    """Do what is not done of the grid, and read what came of it.

    Raises: UsageError: if the folder holds runs that other code made.
    """
    notes = _reused(plan, store, plugins)
    commands = {"run": command}
    summary = engine.run(plan, store, executor, display, retry_failed=True, plugins=plugins, commands=commands)
    if summary.interrupted:
        raise KeyboardInterrupt
    return replace(observe(plan, store), notes=notes)


def observe(plan: Plan, store: Store) -> Measured:
    """What the grid's finished runs in the store gave; the others count as failed."""
    cells, failures, seconds = dict[str, Cell](), dict[str, str](), dict[str, float]()
    environments: dict[str, dict[str, Any]] = {}
    results = Results(store.root)
    damage = results.leave_out_damaged(plan.jobs)
    for name, place, runs in _by_cell(plan):
        states = store.states(list(runs.values()))
        missing = [state for state in states.values() if state.state != "done"]
        missing += [RunState(key, "damaged", damage[key]) for key in runs.values() if key in damage]
        if missing:
            failures[name] = f"{len(missing)} of {len(runs)} runs gave nothing: {missing[0].detail or missing[0].state}"
            continue
        cells[name] = _cell(plan, results, place, runs)
        seconds[name] = sum(results.run(key).result["seconds"] for key in runs.values())
        for key in runs.values():
            found = results.run(key).environment
            environments[json.dumps(found, sort_keys=True)] = found
    machines = {json.dumps(machine := _machine(found)): machine for found in environments.values()}
    last = next(iter(environments.values()), {})
    return Measured(plan.experiment.name, cells, failures, tuple(machines.values()), seconds, last)


def _by_cell(plan: Plan) -> list[tuple[str, str, dict[int, str]]]:
    """Name, place, and seed -> run key of every cell."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for (row, place, seed), key in plan.cells.items():
        found.setdefault((place, row), {})[seed] = key
    return [(f"{place} {row}", place, runs) for (place, row), runs in found.items()]


def _cell(plan: Plan, results: Results, place: str, runs: Mapping[int, str]) -> Cell:
    scores: dict[str, list[float]] = {}
    parts: dict[str, list[float]] = {}
    for key in runs.values():
        given = results.run(key).result["scores"]
        for column in plan.experiment.columns:
            value = given.get(column.task, {}).get(column.split, {}).get(column.metric)
            if column.place == place and value is not None:  # hidden test labels give no score
                scores.setdefault(f"{column.task}.{column.split}.{column.metric}", []).append(value)
        for name, value in means(results.log(key).steps).items():
            parts.setdefault(name, []).append(value)
    whole = {name: tuple(values) for name, values in parts.items() if len(values) == len(runs)}
    first = next(iter(runs.values()))
    return Cell(
        settings(plan.jobs[first].spec),
        tuple(runs),
        tuple(runs.values()),
        {name: tuple(values) for name, values in scores.items()},
        whole,
    )


def means(steps: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """``name@share`` -> mean of each logged quantity over the first 10, 50 and 100 % of the updates.

    theta_0's share in the teacher is no mean: it is what the last of these updates left.
    """
    found = {}
    for share in SHARES:
        window = steps[: math.ceil(share * len(steps))]
        for name in LOGGED:
            values = [float(step[name]) for step in window if name in step]
            if values:
                value = values[-1] if name == "start_share" else math.fsum(values) / len(values)
                found[f"{name}@{share:.0%}"] = value
    return found


def settings(run: RunSpec) -> dict[str, Any]:
    """What a run was told, but for its seed, JSON-ready."""
    told = {name: value for name, value in run.canonical().items() if name != "seed"}
    return dict(json.loads(json.dumps(told)))


def _machine(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(found.get(name, "unknown")) for name in MACHINE}


def _reused(plan: Plan, store: Store, plugins: tuple[str, ...]) -> tuple[str, ...]:
    """Notes on runs that are there already. A run's key does not name the code, so its commit must vouch for it."""
    done = [key for key, state in plan.states.items() if state.state == "done"]
    made = {str(read_json(store.runs / key / "environment.json").get("commit", "")) for key in done}
    if not done:
        return ()
    other = sorted(made - {commit()})
    if other and commit():
        raise UsageError(
            f"{store.root} holds runs of this grid that commit {', '.join(other) or 'unknown'} made, and this is "
            f"{commit()}: they say nothing about this code. Leave --results out, or name an empty folder"
        )
    certain = commit() and not commit().endswith("-dirty") and not plugins
    doubt = "" if certain else "; whether today's code made them cannot be told"
    return (f"{len(done)} of {len(plan.jobs)} runs were in {store.root} already{doubt}",)


# --- a new baseline ---


def new_baseline(measured: Measured, command: str, *, allow_dirty: bool = False) -> Baseline:
    """What was measured as the baseline of later checks, with its provenance.

    Raises: UsageError: if runs failed, or the code is not what a commit holds.
    """
    if measured.failures:
        cell, reason = next(iter(measured.failures.items()))
        raise UsageError(f"no baseline was written, {cell}: {reason}")
    if len(measured.machines) != 1:
        raise UsageError("no baseline was written: its runs must come from one machine")
    about = {name: value for name, value in measured.environment.items() if name not in ("threads", "platform")}
    refuse_dirty(str(about.get("commit", "")), allow_dirty)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Baseline(measured.name, measured.cells, measured.machines[0], {"date": date, "command": command, **about})


def refuse_dirty(made_by: str, allow_dirty: bool = False) -> None:
    """A baseline must be traceable to a commit. Raises UsageError where files differ from it."""
    if made_by.endswith("-dirty") and not allow_dirty:
        raise UsageError(
            "no baseline is written from code that differs from its commit: commit it first, or give --allow-dirty"
        )
