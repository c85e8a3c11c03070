"""What the verbs of the command line do with their options: plan, run, report, print."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cli.options import RESULTS
from benchmarks.errors import NotInProfileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.engine.executor import Executor
    from benchmarks.engine.plan import Plan
    from benchmarks.experiments.planning.base import Experiment
    from benchmarks.experiments.planning.request import Request

DONE, CHECK_FAILED, USAGE, SOME_FAILED, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 70, 130


@dataclass(frozen=True)
class How:
    """The options of ``run`` and ``reproduce`` that say how the work is done, not what."""

    results: Path
    plugins: list[str] | None
    workers: int | None
    executor_name: str
    address: str | None
    retry_failed: bool
    checkpoint_steps: int | None
    checkpoint_minutes: float
    track: str | None
    dry_run: bool
    quiet: bool

    @classmethod
    def of(cls, options: dict[str, Any]) -> How:
        return cls(**{name: options[name] for name in cls.__dataclass_fields__})

    @property
    def checkpoint(self) -> dict[str, float]:
        """As :func:`benchmarks.training.execute.execute` takes it."""
        return {"checkpoint_steps": self.checkpoint_steps or 0, "checkpoint_seconds": 60 * self.checkpoint_minutes}

    def executor(self, memory: float) -> Executor:
        """Who does the work; ``memory`` is what a run needs of a GPU."""
        from benchmarks.engine.choose import make_executor

        return make_executor(self.executor_name, self.workers, memory, self.address)


def request_of(options: dict[str, Any]) -> Request:
    from benchmarks.experiments.planning.request import Request

    wanted = Request.__dataclass_fields__
    return Request(**{name: value for name, value in options.items() if name in wanted})


def planned_of(request: Request, results: Path) -> Plan:
    from benchmarks.engine.plan import make_plan
    from benchmarks.store.store import Store

    experiment, source = request.found()
    return make_plan(experiment, source, Store(results))


def show_plan(request: Request, results: Path, workers: int | None, calibrate: bool, as_json: bool) -> None:
    from benchmarks.cli import plan_text
    from benchmarks.engine import schedule as engine
    from benchmarks.engine.local import LocalExecutor
    from benchmarks.store.store import Store

    planned, store = planned_of(request, results), Store(results)
    executor = LocalExecutor(workers, engine.memory(planned, store))
    if calibrate:
        kinds = engine.calibrate(planned, store, executor, tuple(request.plugins or ()))
        print(f"Timed a few updates of each of {kinds} kinds of run", file=sys.stderr)
    expected = engine.forecast(planned, store, executor)
    if as_json:
        print_json(plan_text.plan_content(planned, expected))
    else:
        print(plan_text.plan_text(planned, expected))


def show_bill(request: Request, as_json: bool) -> None:
    """What all experiments of a paper cost together, without reading any data."""
    from benchmarks.experiments.planning import cost as bill

    found: list[Experiment | tuple[str, str]] = []
    for each in request.each():
        try:
            found.append(each.experiment())
        except UsageError as error:
            found.append((each.name, str(error)))
    entries = bill.bill(found)
    title = f"{request.name}, profile {request.profile or 'demo'}"
    if as_json:
        print_json(bill.content(entries))
    else:
        print(bill.text(title, entries))


def run_each(request: Request, how: How, report: Callable[[str], None] | None = None) -> int:
    """One experiment, or all of a paper: what cannot be had is named, the others go on."""
    requests = request.each()
    codes = []
    for each in requests:
        try:
            codes.append(_run(each, how))
        except UsageError as error:
            if len(requests) == 1:
                raise
            print(f"{each.name}: left out: {error}", file=sys.stderr)
            codes.append(DONE if isinstance(error, NotInProfileError) else SOME_FAILED)
            continue
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
        if report is not None and codes[-1] in (DONE, SOME_FAILED):
            report(each.title)
    return max(codes)


def _run(request: Request, how: How) -> int:
    from benchmarks.cli import plan_text
    from benchmarks.cli.display import make_display
    from benchmarks.engine import schedule as engine
    from benchmarks.engine.plan import make_plan
    from benchmarks.store.store import Store
    from benchmarks.training.tracking import check

    check(how.track or "")
    planned, store = planned_of(request, how.results), Store(how.results)
    executor = how.executor(engine.memory(planned, store))
    if how.dry_run:
        print(plan_text.plan_text(planned, engine.forecast(planned, store, executor)))
        return DONE
    if how.track and not how.quiet:
        print(f"To watch it: tensorboard --logdir {how.results / 'tensorboard'}", file=sys.stderr)
    summary = engine.run(
        planned,
        store,
        executor,
        make_display(how.quiet),
        retry_failed=how.retry_failed,
        plugins=tuple(how.plugins or ()),
        checkpoint=how.checkpoint,
        track=how.track or "",
        commands={"run": request.command("run"), "rerun_cell": request.rerun()},
    )
    print(plan_text.summary_text(planned, summary), file=sys.stderr if how.quiet else sys.stdout)
    experiment = planned.experiment
    if experiment.compute is not None:
        print(experiment.compute(experiment, how.results / "reports" / experiment.name))
    if summary.interrupted:
        print(f"Interrupted; finished work is kept. Go on with:\n  {request.command('run')}", file=sys.stderr)
        return INTERRUPTED
    left = make_plan(experiment, request.where(experiment), store).counts()
    return SOME_FAILED if summary.of("failed") or left["failed"] else DONE


def reportable(results: Path, name: str | None) -> list[tuple[Path, str]]:
    """The experiment, or every one, of a results folder and of the published runs in it, with the folder it is in.

    Raises: UsageError: if there are none.
    """
    from benchmarks.engine.status import experiments

    folders = [folder for folder in (results, results / "published") if (folder / "experiments").is_dir()]
    if name:
        return [(next((f for f in folders if (f / "experiments" / name).is_dir()), results), name)]
    return [(folder, each) for folder in folders or [results] for each in experiments(folder)]


def write_report_of(results: Path, name: str) -> None:
    from analysis.report.build import write_report
    from analysis.report.index import write_index

    page = write_report(results, name)
    write_index(results)
    print(f"Report: {page}")
    print(f"Tables: {', '.join(str(path) for path in sorted(page.parent.glob('table.*')))}")
    hint(False, f"open {page}")


def print_verdicts(results: Path, name: str) -> None:
    from analysis.claims import decide_all, in_words
    from analysis.results import Results

    manifest = Results.open(results).manifest(name)
    print(f"{manifest.title} ({len(manifest.claims)} claims)")
    for verdict in decide_all(results, manifest):
        claim = verdict.claim
        about = [
            claim.table,
            claim.reading and f"reading: {claim.reading}",
            f"on {', '.join(claim.tasks)}",
            verdict.data,
        ]
        print(f"- {claim.sentence}\n  {in_words(verdict)}\n  ({'; '.join(part for part in about if part)})")


def import_plugins(plugins: list[str] | None) -> None:
    import importlib

    if plugins:
        sys.path.append(os.getcwd())  # last, so that nothing lying about there can hide a real package
    for module in plugins or []:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(f"--import {module}: {error}") from error


def print_json(content: Any) -> None:
    print(json.dumps(content, indent=1, default=str))


def print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="" if os.environ.get("NO_COLOR") else "bold")
    for column in rows[0] if rows else []:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table, markup=False)


def results_option(results: Path) -> str:
    return "" if results == RESULTS else f" --results {results}"


def hint(silent: bool, command: str) -> None:
    if not silent:
        print(f"Next: {command}", file=sys.stderr)
