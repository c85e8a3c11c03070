"""``smart-repro``: each verb reads its options and calls one function; nothing is decided here.

Heavy packages are imported inside the verbs, so that help and listings answer at once.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks import config as config_module
from benchmarks.cli_runs import runs_app
from benchmarks.errors import NotInProfileError, UsageError
from smart_repro.registry import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.engine import Plan
    from benchmarks.executors import Executor
    from benchmarks.experiments.base import Experiment
    from benchmarks.request import Request

DONE, CHECK_FAILED, USAGE, SOME_FAILED, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 70, 130

app = typer.Typer(
    name="smart-repro",
    help="What SMART and self-distillation fine-tuning really do: run the papers' tables and judge their claims.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(runs_app, name="runs")


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help=f"file of defaults for the options below; default: {config_module.NAME} here or above"),
    ] = None,
) -> None:
    """What comes before the verb."""
    path = config or config_module.find(Path.cwd())
    context.obj = config_module.read(path) if path else config_module.Config()
    context.default_map = config_module.defaults(context.obj, context.command, sys.argv[1:])


# --- options that several verbs share ---


def _task_names(incomplete: str) -> list[str]:
    """Completes a task in the shell. Other names would have to load torch first: too slow while somebody types."""
    from benchmarks.tasks import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


def _words(*words: str) -> Callable[[str], list[str]]:
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        help="an experiment (`smart-repro list experiments`), a paper (smart, sda: all of it), controls, or "
        "compare for a grid of your own"
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="demo (generated data, minutes), small (real data, MiniLM) or paper; default demo",
        autocompletion=_words("demo", "small", "paper"),
    ),
]
Tasks = Annotated[str | None, typer.Option(help="comma-separated: rte,cola,stsb")]
Methods = Annotated[
    str | None, typer.Option(help="comma-separated, with options: vanilla,smart:lambda_s=3,smart[independent]")
]
Seeds = Annotated[str | None, typer.Option(help="how many (5), which (3,7) or a range (10-19)")]
Model = Annotated[str | None, typer.Option(help="tiny, minilm, a local folder or a hub id")]
Layers = Annotated[int | None, typer.Option(help="keep only the model's first so many layers")]
SampleCount = Annotated[
    int | None, typer.Option("--max-train-samples", help="train on so many examples (the same for every method)")
]
Epochs = Annotated[int | None, typer.Option(help="passes over the training set")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="any other setting of a run: --set batch_size=32 (see `smart-repro show spec`)"),
]
SourceKind = Annotated[str | None, typer.Option("--source", help="local, hub or generated")]
DataDir = Annotated[
    Path | None, typer.Option(help="folder with the data sets' official files (or set SMART_REPRO_DATA)")
]
DataFile = Annotated[list[str] | None, typer.Option(help="one file for one split: --data-file mnli:train=PATH")]
Results = Annotated[Path, typer.Option(help="where runs, manifests and reports are kept")]
RunName = Annotated[
    str | None, typer.Option("--name", help="name of a grid of your own in the results folder; default compare")
]
Plugins = Annotated[
    list[str] | None, typer.Option("--import", help="a module to import first: it may register methods and tasks")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print results only, no progress")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done, train nothing")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="runs at a time; default: one per core, or as many as fit on the GPUs")
]
ExecutorName = Annotated[
    str, typer.Option("--executor", help="local (this machine) or ray (this machine or a cluster)")
]
Address = Annotated[str | None, typer.Option(help="of a Ray cluster that runs already; default: one of our own")]
Tune = Annotated[
    bool, typer.Option("--tune", help="first: 12 trials of every method, on the holdout, on seeds of their own")
]
Tuned = Annotated[bool, typer.Option("--tuned", help="then: every method with its best trial on each task")]
RetryFailed = Annotated[bool, typer.Option(help="also try again what failed for a reason that may not go away")]
CheckpointSteps = Annotated[
    int | None, typer.Option(min=1, help="save each run's state after every so many updates; default: by time only")
]
CheckpointMinutes = Annotated[
    float, typer.Option(min=0.0, help="save each run's state every so many minutes; 0: never by time")
]
Track = Annotated[
    str | None, typer.Option(help="tensorboard: loss parts, rates and scores of each run, live, in RESULTS/tensorboard")
]

_RESULTS = Path("results")


# --- verbs ---


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            help="methods, tasks, experiments, claims, profiles or models",
            autocompletion=_words("methods", "tasks", "experiments", "claims", "profiles", "models"),
        ),
    ],
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """List what there is, by name.

    Example: smart-repro list methods
    """
    from benchmarks import catalogue

    _import(plugins)
    rows = catalogue.listing(kind)
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)
    _hint(as_json, f"smart-repro show {kind.removesuffix('s')}:NAME")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="NAME or KIND:NAME, such as smart, task:rte, spec, or a run's key")],
    results: Results = _RESULTS,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Show one method, task, experiment, profile or model with all it says about itself.

    Example: smart-repro show smart
    """
    from benchmarks import catalogue

    _import(plugins)
    text, content = catalogue.card(name, results)
    print(json.dumps(content, indent=1, default=str) if as_json else text)


@app.command()
def plan(
    name: Name, profile: Profile = None, tasks: Tasks = None, methods: Methods = None, seeds: Seeds = None,
    model: Model = None, layers: Layers = None, max_train_samples: SampleCount = None, epochs: Epochs = None,
    settings: Set = None, source: SourceKind = None, data_dir: DataDir = None, data_file: DataFile = None,
    results: Results = _RESULTS, grid_name: RunName = None, tune: Tune = False,
    tuned: Tuned = False, plugins: Plugins = None, workers: Workers = None,
    calibrate: Annotated[bool, typer.Option(help="time a few updates of each kind of run on this machine")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show the runs of an experiment, how many are done, and what the rest takes: time, disk and memory.

    The time is known once runs of that kind were done on this machine, or with --calibrate, which times a few updates.

    Example: smart-repro plan smart-table3 --calibrate
    """
    _import(plugins)
    request = _request(locals())
    if len(request.each()) > 1:
        _bill(request, as_json)
    else:
        _plan(request, results, workers, calibrate, as_json)
    _hint(as_json, request.command("run"))


@app.command()
def run(
    name: Name, profile: Profile = None, tasks: Tasks = None, methods: Methods = None, seeds: Seeds = None,
    model: Model = None, layers: Layers = None, max_train_samples: SampleCount = None, epochs: Epochs = None,
    settings: Set = None, source: SourceKind = None, data_dir: DataDir = None, data_file: DataFile = None,
    results: Results = _RESULTS, grid_name: RunName = None, tune: Tune = False,
    tuned: Tuned = False, plugins: Plugins = None, workers: Workers = None,
    executor_name: ExecutorName = "local", address: Address = None, retry_failed: RetryFailed = False,
    checkpoint_steps: CheckpointSteps = None, checkpoint_minutes: CheckpointMinutes = 1.0,
    track: Track = None, dry_run: DryRun = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Do the runs of an experiment that are not done yet.

    Example: smart-repro run compare --tasks rte --methods vanilla,smart --seeds 5 --model minilm --data-dir glue_data
    """
    _import(plugins)
    request = _request(locals())
    code = _run_each(request, How.of(locals()))
    if not dry_run:
        _hint(quiet, f"smart-repro report {request.each()[0].title}{_results_option(results)}")
    raise typer.Exit(code)


@app.command()
def reproduce(
    name: Name, profile: Profile = None, tasks: Tasks = None, methods: Methods = None, seeds: Seeds = None,
    model: Model = None, layers: Layers = None, max_train_samples: SampleCount = None, epochs: Epochs = None,
    settings: Set = None, source: SourceKind = None, data_dir: DataDir = None, data_file: DataFile = None,
    results: Results = _RESULTS, grid_name: RunName = None, tune: Tune = False,
    tuned: Tuned = False, plugins: Plugins = None, workers: Workers = None,
    executor_name: ExecutorName = "local", address: Address = None, retry_failed: RetryFailed = False,
    checkpoint_steps: CheckpointSteps = None, checkpoint_minutes: CheckpointMinutes = 1.0,
    track: Track = None, dry_run: DryRun = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Plan, run, analyse and report an experiment: from nothing to report.html.

    Example: smart-repro reproduce smart-table1 --profile small --data-dir glue_data
    """
    _import(plugins)
    request = _request(locals())
    report = (lambda title: _report(results, title)) if not dry_run else None
    raise typer.Exit(_run_each(request, How.of(locals()), report))


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="an experiment; default: all in the results folder")] = None,
    results: Results = _RESULTS,
    watch: Annotated[bool, typer.Option("--watch", help="show it anew every two seconds, until nothing runs")] = False,
    as_json: Json = False,
) -> None:
    """Show how many runs of each experiment are done, running, failed (and why) or to do.

    Example: smart-repro status smart-table1 --watch
    """
    from benchmarks import status as status_module

    if watch:
        status_module.watch(results, name)
        return
    found = status_module.status(results, name)
    if as_json:
        _print_json(found)
    else:
        print(status_module.text(found))
    _hint(as_json, f"smart-repro report {name or 'NAME'}{_results_option(results)}")


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(help="an experiment that was run; default: all there are")] = None,
    results: Results = _RESULTS,
    claims: Annotated[bool, typer.Option("--claims", help="print a verdict per claim instead")] = False,
) -> None:
    """Write report.html, tables and figures from the finished runs of an experiment, or of all.

    Example: smart-repro report smart-table1
    """
    from benchmarks import status as status_module

    for each in [name] if name else status_module.experiments(results):
        if claims:
            _print_verdicts(results, each)
        else:
            _report(results, each)


@app.command()
def export(
    key: Annotated[str, typer.Argument(help="the run's key, or its beginning: `smart-repro runs list` shows them")],
    to: Annotated[Path | None, typer.Option(help="the folder to write; default export/KEY")] = None,
    plugins: Plugins = None,
    results: Results = _RESULTS,
) -> None:
    """Write a run's model for others: weights, tokenizer, configuration and a model card.

    Example: smart-repro export 3fa9 --to my-model
    """
    _import(plugins)
    from benchmarks import export as export_module
    from benchmarks import runs
    from benchmarks.store import Store

    store = Store(results)
    found = runs.find(store, key)
    folder = to or Path("export") / found
    for path in export_module.export(store, found, folder):
        print(path)
    _hint(False, f"read {folder / 'README.md'}: it says how to load the model")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="the grid: regression (the project's own), another experiment, or "
                                        "compare for a grid of your own")] = "regression",
    profile: Profile = None, tasks: Tasks = None, methods: Methods = None, seeds: Seeds = None,
    model: Model = None, layers: Layers = None, max_train_samples: SampleCount = None, epochs: Epochs = None,
    settings: Set = None, source: SourceKind = None, data_dir: DataDir = None, data_file: DataFile = None,
    results: Annotated[Path | None, typer.Option(help="keep the runs there, and take finished ones from there; "
                                                 "default: all are done anew and none is kept")] = None,
    grid_name: RunName = None, plugins: Plugins = None, workers: Workers = None,
    baseline: Annotated[Path | None, typer.Option(help="the file to compare with; default: the project's own")] = None,
    form: Annotated[str, typer.Option("--format", help="text, github (annotations) or json")] = "text",
    junit: Annotated[Path | None, typer.Option(help="also write the outcome there as JUnit XML")] = None,
    update: Annotated[bool, typer.Option("--update", help="write a new baseline instead of comparing")] = False,
    allow_dirty: Annotated[bool, typer.Option(help="write it although files differ from the commit")] = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Check that the code computes what it did when the baseline was written: exit 0 if so, 1 on a regression.

    Example: smart-repro check --tasks demo-sst2 --methods vanilla,smart --junit check.xml
    """
    from benchmarks import check as check_module
    from benchmarks import check_report
    from benchmarks.display import make_display
    from benchmarks.executors import make_executor

    _import(plugins)
    check_report.known(form)
    file = check_module.file_of(name, baseline)
    executor, display = make_executor("local", workers, 0.0), make_display(quiet or form != "text")
    if update:
        written = check_module.update(_request(locals()), file, executor, display, results, allow_dirty=allow_dirty)
        print(f"Baseline: {file} ({len(written.cells)} cells)")
        _hint(quiet, _request(locals()).command("check") + (f" --baseline {baseline}" if baseline else ""))
        return
    found = check_module.check(_request(locals()), file, executor, display, results)
    print(check_report.text(found, form))
    if junit is not None:
        check_report.write_junit(found, junit)
    raise typer.Exit(DONE if found.passed else CHECK_FAILED)


@app.command()
def submit(
    benchmark: Annotated[str, typer.Argument(help="glue")],
    row: Annotated[str, typer.Option(help="the method: a row of the experiment")] = "smart[shared]",
    seed: Annotated[int, typer.Option(help="which of its runs")] = 0,
    experiment: Annotated[str, typer.Option(help="where the test sets were predicted")] = "smart-table2",
    tasks: Tasks = None,
    out: Annotated[Path, typer.Option(help="the file to write")] = Path("submission.zip"),
    partial: Annotated[bool, typer.Option(help="leave out tasks without predictions (the server will refuse)")] = False,
    results: Results = _RESULTS,
) -> None:
    """Write the zip file the GLUE server scores, from finished runs' predictions on the hidden test sets.

    Example: smart-repro submit glue --row "smart[shared]" --seed 0
    """
    from benchmarks import submission

    if benchmark != "glue":
        raise UsageError(f"submit {benchmark}: only glue has a server that takes predictions")
    names = [name for name in (tasks or "").split(",") if name]
    written = submission.submit(results, experiment, row, seed, out, tasks=names, partial=partial)
    for task, rows in written.items():
        print(f"{submission.FILES[task]:<12} {rows:>8,} rows")
    _hint(False, f"upload {out} at https://gluebenchmark.com/submit")


@app.command()
def data(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="tasks to look at; default: all", autocompletion=_task_names)
    ] = None,
    source: SourceKind = None, data_dir: DataDir = None, data_file: DataFile = None, model: Model = None,
    plot: Annotated[Path | None, typer.Option(help="also draw length and label histograms into this folder")] = None,
    plugins: Plugins = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Show what each task reads: files, rows against the official ones, labels, duplicates, fingerprints.

    Example: smart-repro data rte cola --data-dir glue_data
    """
    _import(plugins)
    from benchmarks import catalogue, data_report, models
    from benchmarks.tasks import TASKS
    from benchmarks.tasks.locate import unclaimed
    from benchmarks.tasks.sources import parse_data_files, resolve_source

    where = resolve_source(source, data_dir, parse_data_files(data_file or []))
    names = [name for name in tasks or TASKS if TASKS[name]]
    found = data_report.data_report(names, where, models.tokenizer(model) if model else None)
    if plot is not None:
        for file in data_report.plot(found, plot):
            print(f"Drawn: {file}", file=sys.stderr)
    if as_json:
        _print_json(found)
    else:
        print(catalogue.data_text(found))
    if not tasks and where.data_dir and (others := unclaimed(where.data_dir)):
        print(f"Folders of {where.data_dir} that no task looks into: {', '.join(others)}", file=sys.stderr)
    _hint(as_json, "smart-repro run compare --tasks TASK --methods vanilla,smart")
    unreadable = any(about["broken"] or (tasks and not any(about["splits"].values())) for about in found.values())
    raise typer.Exit(USAGE if unreadable else DONE)


@app.command()
def doctor(context: typer.Context, results: Results = _RESULTS, as_json: Json = False) -> None:
    """Check this machine: versions, device, memory, disk, data and models, each with a remedy.

    Example: smart-repro doctor
    """
    from benchmarks import doctor as doctor_module

    found = doctor_module.checks(results, context.obj)
    if as_json:
        _print_json([vars(check) for check in found])
    else:
        print(doctor_module.text(found))
    _hint(as_json, "smart-repro reproduce smart-table1")
    raise typer.Exit(CHECK_FAILED if any(check.state == "bad" for check in found) else DONE)


# --- what the verbs share ---


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
        """As :func:`benchmarks.run.execute` takes it."""
        return {"checkpoint_steps": self.checkpoint_steps or 0, "checkpoint_seconds": 60 * self.checkpoint_minutes}

    def executor(self, memory: float) -> Executor:
        """Who does the work; ``memory`` is what a run needs of a GPU."""
        from benchmarks.executors import make_executor

        return make_executor(self.executor_name, self.workers, memory, self.address)


def _request(options: dict[str, Any]) -> Request:
    from benchmarks.request import Request

    wanted = Request.__dataclass_fields__
    return Request(**{name: value for name, value in options.items() if name in wanted})


def _planned(request: Request, results: Path) -> Plan:
    from benchmarks import engine
    from benchmarks.store import Store

    experiment, source = request.found()
    return engine.make_plan(experiment, source, Store(results))


def _plan(request: Request, results: Path, workers: int | None, calibrate: bool, as_json: bool) -> None:
    from benchmarks import catalogue, engine
    from benchmarks.executors.local import LocalExecutor
    from benchmarks.store import Store

    planned, store = _planned(request, results), Store(results)
    executor = LocalExecutor(workers, engine.memory(planned, store))
    if calibrate:
        kinds = engine.calibrate(planned, store, executor, tuple(request.plugins or ()))
        print(f"Timed a few updates of each of {kinds} kinds of run", file=sys.stderr)
    expected = engine.forecast(planned, store, executor)
    if as_json:
        _print_json(catalogue.plan_content(planned, expected))
    else:
        print(catalogue.plan_text(planned, expected))


def _bill(request: Request, as_json: bool) -> None:
    """What all experiments of a paper cost together, without reading any data."""
    from benchmarks.experiments import bill

    found: list[Experiment | tuple[str, str]] = []
    for each in request.each():
        try:
            found.append(each.experiment())
        except UsageError as error:
            found.append((each.name, str(error)))
    entries = bill.bill(found)
    title = f"{request.name}, profile {request.profile or 'demo'}"
    if as_json:
        _print_json(bill.content(entries))
    else:
        print(bill.text(title, entries))


def _run_each(request: Request, how: How, report: Callable[[str], None] | None = None) -> int:
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
        if report is not None and codes[-1] in (DONE, SOME_FAILED) and each.has_runs():
            report(each.title)
    return max(codes)


def _run(request: Request, how: How) -> int:
    from benchmarks import catalogue, engine
    from benchmarks.display import make_display
    from benchmarks.store import Store
    from benchmarks.track import check

    check(how.track or "")
    planned, store = _planned(request, how.results), Store(how.results)
    executor = how.executor(engine.memory(planned, store))
    if how.dry_run:
        print(catalogue.plan_text(planned, engine.forecast(planned, store, executor)))
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
        commands={"run": request.command("run"), "rerun_cell": request.command("run")},
    )
    print(catalogue.summary_text(planned, summary), file=sys.stderr if how.quiet else sys.stdout)
    experiment = planned.experiment
    if experiment.compute is not None:
        print(experiment.compute(experiment, how.results / "reports" / experiment.name))
    if summary.interrupted:
        print(f"Interrupted; finished work is kept. Go on with:\n  {request.command('run')}", file=sys.stderr)
        return INTERRUPTED
    left = engine.make_plan(experiment, request.where(experiment), store).counts()
    return SOME_FAILED if summary.of("failed") or left["failed"] else DONE


def _report(results: Path, name: str) -> None:
    from analysis.report.build import write_report
    from analysis.report.index import write_index

    page = write_report(results, name)
    write_index(results)
    print(f"Report: {page}")
    print(f"Tables: {', '.join(str(path) for path in sorted(page.parent.glob('table.*')))}")
    _hint(False, f"open {page}")


def _print_verdicts(results: Path, name: str) -> None:
    from analysis.claims import decide_all, in_words
    from analysis.load import latest_manifest

    manifest = latest_manifest(results, name)
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


def _import(plugins: list[str] | None) -> None:
    import importlib

    if plugins:
        sys.path.append(os.getcwd())  # last, so that nothing lying about there can hide a real package
    for module in plugins or []:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(f"--import {module}: {error}") from error


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=1, default=str))


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="" if os.environ.get("NO_COLOR") else "bold")
    for column in rows[0] if rows else []:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table, markup=False)


def _results_option(results: Path) -> str:
    return "" if results == _RESULTS else f" --results {results}"


def _hint(silent: bool, command: str) -> None:
    if not silent:
        print(f"Next: {command}", file=sys.stderr)


def main() -> None:
    """Run the command line and exit with its code: errors a user can mend are one line, without a traceback."""
    sys.exit(_guarded())


def _guarded() -> int:
    if not sys.stderr.isatty():  # the bars of downloads are for terminals, as ours are
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    try:
        app(config_module.in_front(sys.argv[1:]))
        return DONE
    except SystemExit as stop:  # typer's own: help, usage errors, and the codes of typer.Exit
        return stop.code if isinstance(stop.code, int) else DONE
    except KeyboardInterrupt:
        print("\nsmart-repro: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (UsageError, UnknownNameError) as error:
        return _refuse(error)
    except Exception as error:
        if type(error).__name__ == "ResultsError":
            return _refuse(error)
        import traceback

        traceback.print_exc()
        print(f"smart-repro: internal error: {error}. Please report it with the lines above.", file=sys.stderr)
        return INTERNAL


def _refuse(error: Exception) -> int:
    print(f"smart-repro: {error}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    main()
