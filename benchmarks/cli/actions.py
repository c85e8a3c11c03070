"""Actions of the command line's verbs: plan, run, report, print."""

from __future__ import annotations

import json
import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cli.options import ExecutionOptions
from benchmarks.cli.terminal import WIDTH_OF_FILES, note_line, visible
from benchmarks.errors import NotInProfileError, UsageError
from benchmarks.options import GridOptions, TuningOptions, check_given

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.engine.plan import Plan
    from benchmarks.experiments.planning.base import Experiment
    from benchmarks.experiments.planning.request import Request

DONE, CHECK_FAILED, USAGE, SOME_FAILED, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 70, 130


def make_request(experiment: str, results: Path | None, *parts: GridOptions | TuningOptions) -> Request:
    """Return the options of several groups as one request. Raises UsageError: an option with an empty value."""
    from benchmarks.experiments.planning.request import Request

    for part in parts:
        check_given(part)
    options: dict[str, Any] = {name: value for part in parts for name, value in vars(part).items()}
    return Request(name=experiment, results=results, **options)


def save_study(request: Request, path: Path | None) -> None:
    """Write the request's grid as a study file, where one is asked for.

    Raises: UsageError: the name is none of a study file, or the file exists with other content.
    """
    if path is None:
        return
    from benchmarks.experiments.planning.study_file import ENDING
    from benchmarks.experiments.planning.study_text import study_text, write_study

    if path.suffix != ENDING:
        raise UsageError(f"--save-study {path}: a study file's name ends in {ENDING}")
    study, plugins = request.study(), request.plugins or ()
    if path.exists() and path.read_bytes() != study_text(study, path.parent, plugins).encode():
        raise UsageError(f"--save-study {path}: the file exists with other content: give another name, or move it away")
    write_study(study, path, plugins)
    print(f"Study: {path}", file=sys.stderr)


def stored_name(name: str | None) -> str | None:
    """Return the name under which results are kept, of an experiment or of a study file."""
    if name is None or not name.endswith(".toml"):
        return name
    from benchmarks.experiments.planning import study_file

    return study_file.stored_name(name)


def planned_of(request: Request, results: Path) -> Plan:
    """Return the plan of the requested experiment."""
    from benchmarks.engine.plan import make_plan
    from benchmarks.store.store import Store

    experiment, source = request.found()
    return make_plan(experiment, source, Store(results))


def replaced_grid(request: Request, planned: Plan, results: Path) -> str:
    """Return a note that a user's own grid takes the place of another one of its name; "" where it does not.

    ``report`` and ``status`` read the newest grid of a name alone. A grid that shares runs with it is an extension.
    The note on a newest grid that cannot be read gives the reason.
    """
    from analysis.records import ResultsError
    from analysis.results import Results
    from benchmarks.experiments.planning.study_file import is_study_file

    name, opened = planned.experiment.name, Results(results)
    if not (request.name == "compare" or is_study_file(request.name)) or not opened.grids_of(name):
        return ""
    try:
        newest = opened.manifest(name)
    except ResultsError as error:
        return str(error)
    keys = set(newest.all_keys())
    if not keys or keys & set(planned.cells.values()):
        return ""
    return (
        f"{name} in {results} holds another grid ({newest.commands.get('run', newest.title)}), whose report this one "
        "replaces: add --name NAME to keep both"
    )


def show_plan(request: Request, results: Path, workers: int | None, calibrate: bool, as_json: bool) -> None:
    """Print the plan, with the forecast of its time; ``calibrate`` times a few updates first."""
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
        print(plan_text.plan_text(planned, expected), flush=True)
    if note := replaced_grid(request, planned, results):
        print(note_line(note), file=sys.stderr)


def show_bill(request: Request, as_json: bool) -> None:
    """Print the total cost of all experiments of a paper, without reading any data."""
    from benchmarks.experiments.planning import cost as bill

    experiments: list[Experiment | tuple[str, str]] = []
    for member in request.each():
        try:
            experiments.append(member.experiment())
        except UsageError as error:
            experiments.append((member.name, str(error)))
    entries = bill.bill(experiments)
    title = f"{request.name}, profile {request.profile or 'demo'}"
    if as_json:
        print_json(bill.content(entries))
    else:
        print(bill.text(title, entries))


def run_each(
    request: Request, results: Path, execution: ExecutionOptions, report: Callable[[str], int] | None = None
) -> int:
    """Do one experiment, or all of a paper; impossible ones are named and left out. Return the exit code."""
    requests = request.each()
    codes = []
    for member in requests:
        try:
            codes.append(_run(member, results, execution))
        except UsageError as error:
            if len(requests) == 1:
                raise
            print(f"{member.name}: left out: {error}", file=sys.stderr)
            codes.append(DONE if isinstance(error, NotInProfileError) else SOME_FAILED)
            continue
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
        if report is not None and codes[-1] in (DONE, SOME_FAILED):
            codes.append(report(member.title))
    return max(codes)


def _run(request: Request, results: Path, execution: ExecutionOptions) -> int:
    from benchmarks.cli import plan_text
    from benchmarks.cli.display import make_display
    from benchmarks.engine import schedule as engine
    from benchmarks.engine.plan import make_plan
    from benchmarks.store.store import Store
    from benchmarks.training import tracking

    tracking.check(execution.track or "")
    planned, store = planned_of(request, results), Store(results)
    if (note := replaced_grid(request, planned, results)) and not execution.quiet:
        print(note_line(note), file=sys.stderr)
    executor = execution.make_executor(engine.memory(planned, store))
    if execution.dry_run:
        print(plan_text.plan_text(planned, engine.forecast(planned, store, executor)))
        return DONE
    store.prepare()  # first, so that a folder without write permission is reported before the notes
    if not execution.quiet:
        for note in planned.experiment.notes:
            print(note_line(note), file=sys.stderr)
    if execution.track and not execution.quiet:
        print(f"To watch it: {tracking.hint(execution.track, results)}", file=sys.stderr)
    summary = engine.run(
        planned,
        store,
        executor,
        make_display(execution.quiet),
        retry_failed=execution.retry_failed,
        plugins=tuple(request.plugins or ()),
        checkpoint=execution.checkpoint,
        track=execution.track or "",
        commands={"run": request.command("run"), "rerun_cell": request.rerun()},
    )
    print(plan_text.summary_text(planned, summary), file=sys.stderr if execution.quiet else sys.stdout)
    experiment = planned.experiment
    if experiment.compute is not None:
        print(experiment.compute(experiment, results / "reports" / experiment.name))
    if summary.interrupted:
        print(f"Interrupted; finished work is kept. Go on with:\n  {request.command('run')}", file=sys.stderr)
        return INTERRUPTED
    counts = make_plan(experiment, request.where(experiment), store).counts()
    return SOME_FAILED if summary.of("failed") or counts["failed"] else DONE


def reportable(results: Path, name: str | None) -> list[tuple[Path, str]]:
    """Return an experiment, or all of a results folder and its published runs, each with its folder.

    Raises: UsageError: if there are none.
    """
    from benchmarks.engine.status import experiments

    folders = [folder for folder in (results, results / "published") if (folder / "experiments").is_dir()]
    if name:
        return [(next((f for f in folders if (f / "experiments" / name).is_dir()), results), name)]
    return [(folder, experiment) for folder in folders or [results] for experiment in experiments(folder)]


def report_each(results: Path, name: str | None, show: Callable[[Path, str], int]) -> int:
    """Report one experiment, or all; unreadable ones are named and left out. Return the exit code."""
    from analysis.records import ResultsError

    pairs = reportable(results, name)
    codes = []
    for folder, experiment in pairs:
        try:
            codes.append(show(folder, experiment))
        except ResultsError as error:
            if len(pairs) == 1:
                raise
            print(f"{experiment}: left out: {error}", file=sys.stderr)
            codes.append(CHECK_FAILED)
    return max(codes, default=DONE)


def write_site(results: Path) -> Path:
    """Write the front page over all reports of a results folder and of the published runs in it; return its path."""
    from analysis.report.site import write_index

    published = results / "published"
    others = [published] if (published / "experiments").is_dir() else []
    return write_index(results, *others)


def write_report_of(results: Path, name: str, look: str = "paper") -> int:
    """Write a report; damaged runs are left out of it and named, with exit code 1."""
    from analysis.report.build import write_report
    from analysis.results import Results
    from benchmarks.cli.catalogue import method_sentences

    opened = Results(results)
    page = write_report(opened, name, look, method_sentences(opened.manifest(name).rows))
    write_site(results)
    print(f"Report: {page}")
    print(f"Tables: {', '.join(str(path) for path in sorted(page.parent.glob('table.*')))}")
    hint(False, shlex.join(["open" if sys.platform == "darwin" else "xdg-open", str(page)]))
    return _damage(opened.damaged)


def _damage(messages: dict[str, str]) -> int:
    from analysis.parts import is_part

    for key, message in sorted(messages.items()):
        print(f"{'part' if is_part(key) else 'run'} {key} is damaged and left out: {message}", file=sys.stderr)
    return CHECK_FAILED if messages else DONE


@contextmanager
def show_damage_warnings() -> Iterator[None]:
    """Print warnings of damaged runs as one line each on standard error, without the place in the code."""
    from analysis.results import DamagedRunsWarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if issubclass(category, DamagedRunsWarning):
            print(message, file=sys.stderr)
        else:
            show_other(message, category, *place, **options)

    show_other = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamagedRunsWarning)
        warnings.showwarning = show
        yield


def print_verdicts(results: Path, name: str) -> int:
    """Print a verdict per claim; damaged runs are left out of it and named, with exit code 1."""
    from analysis.claims import decide_all, in_words
    from analysis.report.card.sentences import titles_of
    from analysis.results import Results
    from analysis.schema import READING_WORDS

    opened = Results(results)
    manifest = opened.manifest(name)
    titles = titles_of(manifest)
    opened.leave_out_damaged(manifest.all_keys())
    print(f"{manifest.title} ({len(manifest.claims)} claims)")
    for verdict in decide_all(opened, manifest):
        claim = verdict.claim
        details = [
            claim.table,
            claim.reading and f"reading: {READING_WORDS.get(claim.reading, claim.reading)}",
            f"on {', '.join(titles.get(task, task) for task in claim.tasks)}",
            verdict.data,
        ]
        print(f"- {claim.sentence}\n  {in_words(verdict, titles)}\n  ({'; '.join(part for part in details if part)})")
    return _damage(opened.damaged)


def import_plugins(plugins: list[str] | None) -> None:
    """Import modules that register methods, tasks or experiments. Raises UsageError if one cannot be imported."""
    import importlib

    if plugins:
        sys.path.append(os.getcwd())  # last, so that no file of this folder can hide an installed package
    for module in plugins or []:
        try:
            importlib.import_module(module)
        except Exception as error:
            raise UsageError(
                f"--import {module}: importing it fails ({type(error).__name__}: {error}); correct name or module"
            ) from error


def print_json(content: Any) -> None:
    """Print content as JSON."""
    print(json.dumps(content, indent=1, default=str))


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="" if os.environ.get("NO_COLOR") else "bold")
    for number, column in enumerate(rows[0] if rows else []):
        # No line breaks in the first column, so that a name can be copied.
        width = max(len(str(row[column])) for row in rows) if number == 0 else None
        table.add_column(column, overflow="fold", no_wrap=number == 0, min_width=width)
    for row in rows:
        table.add_row(*(visible(str(value)) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES, highlight=False).print(table, markup=False)


def hint(silent: bool, command: str, note: str = "") -> None:
    """Print the next command, ready for a shell; a note follows it as a comment."""
    if not silent:
        print(f"Next: {command}{f'  # {note}' if note else ''}", file=sys.stderr)
