"""``smart-repro``: each verb reads its options and calls one function; nothing is decided here.

Heavy packages are imported inside the verbs, so that help and listings answer at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli import config as config_module
from benchmarks.cli.actions import (
    CHECK_FAILED,
    DONE,
    INTERNAL,
    INTERRUPTED,
    USAGE,
    How,
    hint,
    import_plugins,
    print_json,
    print_table,
    print_verdicts,
    reportable,
    request_of,
    results_option,
    run_each,
    show_bill,
    show_plan,
    write_report_of,
)
from benchmarks.cli.options import (
    RESULTS,
    Address,
    CheckpointMinutes,
    CheckpointSteps,
    DataDir,
    DataFile,
    DryRun,
    Epochs,
    ExecutorName,
    Json,
    Layers,
    Methods,
    Model,
    Name,
    Plugins,
    Profile,
    Quiet,
    Results,
    RetryFailed,
    RunName,
    SampleCount,
    Seeds,
    Set,
    SourceKind,
    Tasks,
    Track,
    Tune,
    Tuned,
    Workers,
    task_names,
    words,
)
from benchmarks.cli.runs import runs_app
from benchmarks.errors import UsageError
from smart_repro.registry import UnknownNameError

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


# --- verbs ---


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            help="methods, tasks, experiments, claims, profiles or models",
            autocompletion=words("methods", "tasks", "experiments", "claims", "profiles", "models"),
        ),
    ],
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """List what there is, by name.

    Example: smart-repro list methods
    """
    from benchmarks.cli import catalogue

    import_plugins(plugins)
    rows = catalogue.listing(kind)
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
    hint(as_json, f"smart-repro show {kind.removesuffix('s')}:NAME")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="NAME or KIND:NAME, such as smart, task:rte, spec, or a run's key")],
    results: Results = RESULTS,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Show one method, task, experiment, profile or model with all it says about itself.

    Example: smart-repro show smart
    """
    from benchmarks.cli import catalogue

    import_plugins(plugins)
    text, content = catalogue.card(name, results)
    print(json.dumps(content, indent=1, default=str) if as_json else text)


@app.command()
def plan(
    name: Name,
    profile: Profile = None,
    tasks: Tasks = None,
    methods: Methods = None,
    seeds: Seeds = None,
    model: Model = None,
    layers: Layers = None,
    max_train_samples: SampleCount = None,
    epochs: Epochs = None,
    settings: Set = None,
    source: SourceKind = None,
    data_dir: DataDir = None,
    data_file: DataFile = None,
    results: Results = RESULTS,
    grid_name: RunName = None,
    tune: Tune = False,
    tuned: Tuned = False,
    plugins: Plugins = None,
    workers: Workers = None,
    calibrate: Annotated[bool, typer.Option(help="time a few updates of each kind of run on this machine")] = False,
    as_json: Json = False,
) -> None:
    """Show the runs of an experiment, how many are done, and what the rest takes: time, disk and memory.

    The time is known once runs of that kind were done on this machine, or with --calibrate, which times a few updates.

    Example: smart-repro plan smart-table3 --calibrate
    """
    import_plugins(plugins)
    request = request_of(locals())
    if len(request.each()) > 1:
        show_bill(request, as_json)
    else:
        show_plan(request, results, workers, calibrate, as_json)
    hint(as_json, request.command("run"))


@app.command()
def run(
    name: Name,
    profile: Profile = None,
    tasks: Tasks = None,
    methods: Methods = None,
    seeds: Seeds = None,
    model: Model = None,
    layers: Layers = None,
    max_train_samples: SampleCount = None,
    epochs: Epochs = None,
    settings: Set = None,
    source: SourceKind = None,
    data_dir: DataDir = None,
    data_file: DataFile = None,
    results: Results = RESULTS,
    grid_name: RunName = None,
    tune: Tune = False,
    tuned: Tuned = False,
    plugins: Plugins = None,
    workers: Workers = None,
    executor_name: ExecutorName = "local",
    address: Address = None,
    retry_failed: RetryFailed = False,
    checkpoint_steps: CheckpointSteps = None,
    checkpoint_minutes: CheckpointMinutes = 1.0,
    track: Track = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Do the runs of an experiment that are not done yet.

    Example: smart-repro run compare --tasks rte --methods vanilla,smart --seeds 5 --model minilm --data-dir glue_data
    """
    import_plugins(plugins)
    request = request_of(locals())
    code = run_each(request, How.of(locals()))
    if not dry_run:
        hint(quiet, f"smart-repro report {request.each()[0].title}{results_option(results)}")
    raise typer.Exit(code)


@app.command()
def reproduce(
    name: Name,
    profile: Profile = None,
    tasks: Tasks = None,
    methods: Methods = None,
    seeds: Seeds = None,
    model: Model = None,
    layers: Layers = None,
    max_train_samples: SampleCount = None,
    epochs: Epochs = None,
    settings: Set = None,
    source: SourceKind = None,
    data_dir: DataDir = None,
    data_file: DataFile = None,
    results: Results = RESULTS,
    grid_name: RunName = None,
    tune: Tune = False,
    tuned: Tuned = False,
    plugins: Plugins = None,
    workers: Workers = None,
    executor_name: ExecutorName = "local",
    address: Address = None,
    retry_failed: RetryFailed = False,
    checkpoint_steps: CheckpointSteps = None,
    checkpoint_minutes: CheckpointMinutes = 1.0,
    track: Track = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Plan, run, analyse and report an experiment: from nothing to report.html.

    Example: smart-repro reproduce smart-table1 --profile small --data-dir glue_data
    """
    import_plugins(plugins)
    request = request_of(locals())
    report = (lambda title: write_report_of(results, title)) if not dry_run else None
    raise typer.Exit(run_each(request, How.of(locals()), report))


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="an experiment; default: all in the results folder")] = None,
    results: Results = RESULTS,
    watch: Annotated[bool, typer.Option("--watch", help="show it anew every two seconds, until nothing runs")] = False,
    as_json: Json = False,
) -> None:
    """Show how many runs of each experiment are done, running, failed (and why) or to do.

    Example: smart-repro status smart-table1 --watch
    """
    from benchmarks.engine import status as status_module

    if watch:
        status_module.watch(results, name)
        return
    found = status_module.status(results, name)
    if as_json:
        print_json(found)
    else:
        print(status_module.text(found))
    hint(as_json, f"smart-repro report {name or 'NAME'}{results_option(results)}")


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(help="an experiment that was run; default: all there are")] = None,
    results: Results = RESULTS,
    claims: Annotated[bool, typer.Option("--claims", help="print a verdict per claim instead")] = False,
) -> None:
    """Write report.html, tables and figures from the finished runs of an experiment, or of all, published ones too.

    Example: smart-repro report smart-table1
    """
    for folder, each in reportable(results, name):
        if claims:
            print_verdicts(folder, each)
        else:
            write_report_of(folder, each)


@app.command()
def export(
    key: Annotated[str, typer.Argument(help="the run's key, or its beginning: `smart-repro runs list` shows them")],
    to: Annotated[Path | None, typer.Option(help="the folder to write; default export/KEY")] = None,
    plugins: Plugins = None,
    results: Results = RESULTS,
) -> None:
    """Write a run's model for others: weights, tokenizer, configuration and a model card.

    Example: smart-repro export 3fa9 --to my-model
    """
    import_plugins(plugins)
    from benchmarks.sharing import export as export_module
    from benchmarks.sharing import runs
    from benchmarks.store.store import Store

    store = Store(results)
    found = runs.find(store, key)
    folder = to or Path("export") / found
    for path in export_module.export(store, found, folder):
        print(path)
    hint(False, f"read {folder / 'README.md'}: it says how to load the model")


@app.command()
def check(
    name: Annotated[
        str,
        typer.Argument(
            help="the grid: regression (the project's own), another experiment, or compare for a grid of your own"
        ),
    ] = "regression",
    profile: Profile = None,
    tasks: Tasks = None,
    methods: Methods = None,
    seeds: Seeds = None,
    model: Model = None,
    layers: Layers = None,
    max_train_samples: SampleCount = None,
    epochs: Epochs = None,
    settings: Set = None,
    source: SourceKind = None,
    data_dir: DataDir = None,
    data_file: DataFile = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="keep the runs there, and take finished ones from there; default: all are done anew and none is kept"
        ),
    ] = None,
    grid_name: RunName = None,
    plugins: Plugins = None,
    workers: Workers = None,
    baseline: Annotated[Path | None, typer.Option(help="the file to compare with; default: the project's own")] = None,
    form: Annotated[str, typer.Option("--format", help="text, github (annotations) or json")] = "text",
    junit: Annotated[Path | None, typer.Option(help="also write the outcome there as JUnit XML")] = None,
    update: Annotated[bool, typer.Option("--update", help="write a new baseline instead of comparing")] = False,
    allow_dirty: Annotated[bool, typer.Option(help="write it although files differ from the commit")] = False,
    quiet: Quiet = False,
) -> None:
    """Check that the code computes what it did when the baseline was written: exit 0 if so, 1 on a regression.

    Example: smart-repro check --tasks demo-sst2 --methods vanilla,smart --junit check.xml
    """
    from benchmarks.cli.display import make_display
    from benchmarks.engine.choose import make_executor
    from benchmarks.regression import check as check_module
    from benchmarks.regression import report as check_report

    import_plugins(plugins)
    check_report.known(form)
    file = check_module.file_of(name, baseline)
    executor, display = make_executor("local", workers, 0.0), make_display(quiet or form != "text")
    if update:
        written = check_module.update(request_of(locals()), file, executor, display, results, allow_dirty=allow_dirty)
        print(f"Baseline: {file} ({len(written.cells)} cells)")
        hint(quiet, request_of(locals()).command("check") + (f" --baseline {baseline}" if baseline else ""))
        return
    found = check_module.check(request_of(locals()), file, executor, display, results)
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
    results: Results = RESULTS,
) -> None:
    """Write the zip file the GLUE server scores, from finished runs' predictions on the hidden test sets.

    Example: smart-repro submit glue --row "smart[shared]" --seed 0
    """
    from benchmarks.sharing import submission

    if benchmark != "glue":
        raise UsageError(f"submit {benchmark}: only glue has a server that takes predictions")
    names = [name for name in (tasks or "").split(",") if name]
    written = submission.submit(results, experiment, row, seed, out, tasks=names, partial=partial)
    for task, rows in written.items():
        print(f"{submission.FILES[task]:<12} {rows:>8,} rows")
    hint(False, f"upload {out} at https://gluebenchmark.com/submit")


@app.command()
def data(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="tasks to look at; default: all", autocompletion=task_names)
    ] = None,
    source: SourceKind = None,
    data_dir: DataDir = None,
    data_file: DataFile = None,
    model: Model = None,
    plot: Annotated[Path | None, typer.Option(help="also draw length and label histograms into this folder")] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Show what each task reads: files, rows against the official ones, labels, duplicates, fingerprints.

    Example: smart-repro data rte cola --data-dir glue_data
    """
    import_plugins(plugins)
    from benchmarks.cli import catalogue, data_report
    from benchmarks.tasks import TASKS
    from benchmarks.tasks.locate import unclaimed
    from benchmarks.tasks.sources import parse_data_files, resolve_source
    from benchmarks.training import models

    where = resolve_source(source, data_dir, parse_data_files(data_file or []))
    names = [name for name in tasks or TASKS if TASKS[name]]
    found = data_report.data_report(names, where, models.tokenizer(model) if model else None)
    if plot is not None:
        for file in data_report.plot(found, plot):
            print(f"Drawn: {file}", file=sys.stderr)
    if as_json:
        print_json(found)
    else:
        print(catalogue.data_text(found))
    if not tasks and where.data_dir and (others := unclaimed(where.data_dir)):
        print(f"Folders of {where.data_dir} that no task looks into: {', '.join(others)}", file=sys.stderr)
    hint(as_json, "smart-repro run compare --tasks TASK --methods vanilla,smart")
    unreadable = any(about["broken"] or (tasks and not any(about["splits"].values())) for about in found.values())
    raise typer.Exit(USAGE if unreadable else DONE)


@app.command()
def doctor(context: typer.Context, results: Results = RESULTS, as_json: Json = False) -> None:
    """Check this machine: versions, device, memory, disk, data and models, each with a remedy.

    Example: smart-repro doctor
    """
    from benchmarks.cli import doctor as doctor_module

    found = doctor_module.checks(results, context.obj)
    if as_json:
        print_json([vars(check) for check in found])
    else:
        print(doctor_module.text(found))
    hint(as_json, "smart-repro reproduce smart-table1")
    raise typer.Exit(CHECK_FAILED if any(check.state == "bad" for check in found) else DONE)


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
