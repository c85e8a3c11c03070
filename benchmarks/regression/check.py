"""The regression gate: does the code still compute the results of the baseline?

A small grid is run again, and every run's scores and loss parts are compared with a committed baseline
(:mod:`benchmarks.regression.comparison`). Any grid can have a baseline, for example ``compare`` with the methods and
tasks of a plug-in.
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
from benchmarks.regression.baseline import FOLDER, MACHINE, Baseline, Cell, GridResults, read
from benchmarks.regression.comparison import Comparison, compare, must_fit
from benchmarks.spec import RunSpec
from benchmarks.store.store import RunState, Store
from benchmarks.training.environment import commit
from smart_repro.methods.base import PARTS

SHARES = (0.1, 0.5, 1.0)  # of the updates; early ones agree with the baseline even where rounding differs
LOGGED = ("loss", *PARTS, "max_abs_delta", "start_share", "lr", "tokens")
UPDATE_SEEDS = 10  # seeds of a new baseline, which estimate the spread


# --- from a request to an outcome ---


def file_of(name: str, file: Path | None) -> Path:
    """Return the baseline file of an experiment: ``file``, or the committed one where the experiment is ``GATE``.

    Raises: UsageError: another experiment without a file.
    """
    if file is None and name != GATE:
        raise UsageError(f"name the baseline of {name} with --baseline FILE (and write it first with --update)")
    return file or FOLDER / f"{GATE}.json"


def check(
    request: Request, file: Path, executor: Executor, display: Display, results: Path | None = None
) -> Comparison:
    """Do the requested runs and compare them with the baseline in ``file``.

    Args:
        request: the grid.
        file: the baseline.
        executor: the executor of the runs.
        display: the display of the progress.
        results: folder of the runs; finished runs in it are reused. None: a temporary folder, so that every run is done
            by the present code.
    Raises: UsageError: no such baseline, a grid it does not have, or runs of other code in ``results``.
    """
    baseline = read(file)
    with _store(results) as store:
        plan = plan_of(request, store)
        settings_of_cells = {name: settings(plan.jobs[min(runs.values())].spec) for name, _, runs in by_cell(plan)}
        must_fit(baseline, settings_of_cells, file)
        return compare(baseline, _measure_request(request, plan, store, executor, display))


def update(
    request: Request,
    file: Path,
    executor: Executor,
    display: Display,
    results: Path | None = None,
    *,
    allow_dirty: bool = False,
) -> Baseline:
    """Do the requested runs and write them as the baseline, with its provenance; ``UPDATE_SEEDS`` seeds by default.

    Raises: UsageError: if runs fail, or the code differs from its commit (unless ``allow_dirty``).
    """
    refuse_dirty(commit(), allow_dirty)
    if file.parent == FOLDER and not commit():
        raise UsageError("an installed package's own baseline cannot be updated: name another file with --baseline")
    request = replace(request, seeds=request.seeds or str(UPDATE_SEEDS))
    with _store(results) as store:
        plan = plan_of(request, store)
        if file.exists() and (request.tasks or request.methods):
            _refuse_loss(read(file), plan, file)
        measured = _measure_request(request, plan, store, executor, display)
    command = f"{replace(request, results=None).command('check')} --baseline {file.name} --update"
    baseline = new_baseline(measured, command, allow_dirty=allow_dirty)
    baseline.write(file)
    return baseline


def _refuse_loss(baseline: Baseline, plan: Plan, file: Path) -> None:
    """Refuse an update that would drop cells of the baseline, because the plan lacks them. Raises UsageError."""
    dropped = baseline.cells.keys() - {name for name, _, _ in by_cell(plan)}
    if dropped:
        raise UsageError(
            f"{file} also has {', '.join(sorted(dropped))}, which this update would drop: update all of it, name "
            "another file, or delete it first"
        )


@contextmanager
def _store(results: Path | None) -> Iterator[Store]:
    if results is not None:
        yield Store(results)
        return
    with tempfile.TemporaryDirectory(prefix="smart-repro-check-") as folder:
        yield Store(Path(folder))


def plan_of(request: Request, store: Store) -> Plan:
    """Return the plan of the runs that are checked. Raises: UsageError: for a name of several experiments."""
    if request.name in GROUPS:
        raise UsageError(f"check takes one experiment, and {request.name} is several: choose one of them")
    plan = make_plan(*request.found(), store)
    if not plan.cells:
        raise UsageError(f"{request.name} has no runs, so there is nothing to check")
    return plan


def _measure_request(request: Request, plan: Plan, store: Store, executor: Executor, display: Display) -> GridResults:
    return measure(plan, store, executor, display, tuple(request.plugins or ()), request.command("check"))


# --- doing the runs ---


def measure(
    plan: Plan, store: Store, executor: Executor, display: Display, plugins: tuple[str, ...] = (), command: str = ""
) -> GridResults:
    """Do the runs of the grid that are not done, and read the results of all its runs.

    Args:
        plan: the runs of the grid.
        store: folder of the runs.
        executor: the executor of the runs.
        display: the display of the progress.
        plugins: plug-ins that the workers import.
        command: the command that repeats the check, for messages.
    Raises: UsageError: if the folder holds runs of another commit.
    """
    notes = _notes_on_reuse(plan, store, plugins)
    commands = {"run": command}
    summary = engine.run(plan, store, executor, display, retry_failed=True, plugins=plugins, commands=commands)
    if summary.interrupted:
        raise KeyboardInterrupt
    return replace(observe(plan, store), notes=notes)


def observe(plan: Plan, store: Store) -> GridResults:
    """Return the results of the cells whose runs are all finished; every other cell counts as failed, with a reason."""
    cells, failures, seconds = dict[str, Cell](), dict[str, str](), dict[str, float]()
    environments: dict[str, dict[str, Any]] = {}
    results = Results(store.root)
    damage = results.leave_out_damaged(plan.jobs)
    for name, place, runs in by_cell(plan):
        states = store.states(list(runs.values()))
        missing = [state for state in states.values() if state.state != "done"]
        missing += [RunState(key, "damaged", damage[key]) for key in runs.values() if key in damage]
        if missing:
            reason = missing[0].detail or missing[0].state
            failures[name] = f"{len(missing)} of {len(runs)} runs have no result: {reason}"
            continue
        cells[name] = _cell(plan, results, place, runs)
        seconds[name] = sum(results.run(key).result["seconds"] for key in runs.values())
        for key in runs.values():
            environment = results.run(key).environment
            environments[json.dumps(environment, sort_keys=True)] = environment
    machines = {json.dumps(machine := _machine(environment)): machine for environment in environments.values()}
    first_environment = next(iter(environments.values()), {})
    return GridResults(plan.experiment.name, cells, failures, tuple(machines.values()), seconds, first_environment)


def by_cell(plan: Plan) -> list[tuple[str, str, dict[int, str]]]:
    """Return for every cell its name ``place row``, the place (:attr:`TaskColumn.place`), and seed -> run key."""
    runs_of_cell: dict[tuple[str, str], dict[int, str]] = {}
    for (row, place, seed), key in plan.cells.items():
        runs_of_cell.setdefault((place, row), {})[seed] = key
    return [(f"{place} {row}", place, runs) for (place, row), runs in runs_of_cell.items()]


def _cell(plan: Plan, results: Results, place: str, runs: Mapping[int, str]) -> Cell:
    scores: dict[str, list[float]] = {}
    parts: dict[str, list[float]] = {}
    for key in runs.values():
        run_scores = results.run(key).result["scores"]
        for column in plan.experiment.columns:
            value = run_scores.get(column.task, {}).get(column.split, {}).get(column.metric)
            if column.place == place and value is not None:  # hidden test labels give no score
                scores.setdefault(f"{column.task}.{column.split}.{column.metric}", []).append(value)
        for name, value in means(results.log(key).steps).items():
            parts.setdefault(name, []).append(value)
    logged_by_all = {name: tuple(values) for name, values in parts.items() if len(values) == len(runs)}
    first_key = next(iter(runs.values()))
    return Cell(
        settings(plan.jobs[first_key].spec),
        tuple(runs),
        tuple(runs.values()),
        {name: tuple(values) for name, values in scores.items()},
        logged_by_all,
    )


def means(steps: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return ``name@share`` -> mean of each logged quantity over the first 10, 50 and 100 % of the updates.

    ``start_share`` is a state, not a loss: its last value in these updates is returned instead of a mean.

    Args:
        steps: the logged updates, in order: name of a quantity -> value.
    """
    averages = {}
    for share in SHARES:
        first_steps = steps[: math.ceil(share * len(steps))]
        for name in LOGGED:
            values = [float(step[name]) for step in first_steps if name in step]
            if values:
                value = values[-1] if name == "start_share" else math.fsum(values) / len(values)
                averages[f"{name}@{share:.0%}"] = value
    return averages


def settings(run: RunSpec) -> dict[str, Any]:
    """Return the settings of a run except its seed, JSON-ready."""
    values = {name: value for name, value in run.canonical().items() if name != "seed"}
    return dict(json.loads(json.dumps(values)))


def _machine(environment: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(environment.get(name, "unknown")) for name in MACHINE}


def _notes_on_reuse(plan: Plan, store: Store, plugins: tuple[str, ...]) -> tuple[str, ...]:
    """Return a note on the runs that exist already, or nothing.

    A run's key does not depend on the code, so the commit that made the run must be compared.

    Raises: UsageError: a run was made by another commit.
    """
    done = [key for key, state in plan.states.items() if state.state == "done"]
    commits = {str(read_json(store.folder(key) / "environment.json").get("commit", "")) for key in done}
    if not done:
        return ()
    other_commits = sorted(commits - {commit()})
    if other_commits and commit():
        raise UsageError(
            f"{store.root} holds runs of this grid that commit {', '.join(other_commits) or 'unknown'} made, and this "
            f"is {commit()}: they do not test this code. Leave --results out, or name an empty folder"
        )
    is_known_code = commit() and not commit().endswith("-dirty") and not plugins
    caveat = "" if is_known_code else "; it is unknown whether the present code made them"
    return (f"{len(done)} of {len(plan.jobs)} runs were in {store.root} already{caveat}",)


# --- a new baseline ---


def new_baseline(measured: GridResults, command: str, *, allow_dirty: bool = False) -> Baseline:
    """Return the measured results as a baseline, with their provenance.

    Raises: UsageError: if runs failed, a figure is not finite, or the code differs from its commit.
    """
    if measured.failures:
        cell, reason = next(iter(measured.failures.items()))
        raise UsageError(f"no baseline was written, {cell}: {reason}")
    if len(measured.machines) != 1:
        raise UsageError("no baseline was written: its runs must come from one machine")
    for name, figures in measured.cells.items():
        for quantity, values in {**figures.scores, **figures.parts}.items():
            if not all(map(math.isfinite, values)):
                raise UsageError(f"no baseline was written, {name}: {quantity} is not finite in all runs")
    environment = {name: value for name, value in measured.environment.items() if name not in ("threads", "platform")}
    refuse_dirty(str(environment.get("commit", "")), allow_dirty)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Baseline(
        measured.name, measured.cells, measured.machines[0], {"date": date, "command": command, **environment}
    )


def refuse_dirty(made_by: str, allow_dirty: bool = False) -> None:
    """Refuse a baseline that code with uncommitted changes would write. Raises UsageError."""
    if made_by.endswith("-dirty") and not allow_dirty:
        raise UsageError(
            "no baseline is written from code that differs from its commit: commit it first, or give --allow-dirty"
        )
