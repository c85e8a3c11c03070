"""``smart-repro``: each verb reads its options and calls one function; nothing is decided here.

Heavy packages are imported inside the verbs, so that help and listings answer at once.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.help import PlainFormatter
from rich.console import Console

import smart_repro
from benchmarks.cli import completion
from benchmarks.cli import config as config_module
from benchmarks.cli.actions import (
    CHECK_FAILED,
    DONE,
    INTERNAL,
    INTERRUPTED,
    USAGE,
    hint,
    import_plugins,
    make_request,
    print_json,
    print_table,
    print_verdicts,
    report_each,
    run_each,
    save_study,
    show_bill,
    show_damage_warnings,
    show_plan,
    stored_name,
    write_report_of,
    write_site,
)
from benchmarks.cli.hub import hub_app
from benchmarks.cli.options import (
    Data,
    Execution,
    ExecutionOptions,
    Grid,
    Json,
    JudgeOptions,
    Judging,
    Key,
    Licence,
    Name,
    Own,
    Quiet,
    StoredName,
    StudyOut,
    Tuning,
)
from benchmarks.cli.runs import runs_app
from benchmarks.cli.terminal import guarded, note_line, terminal_width
from benchmarks.errors import Mistakes, UsageError
from benchmarks.libraries import NO_PROGRESS_BARS, set_defaults
from benchmarks.options import (
    RESULTS,
    DataOptions,
    GridOptions,
    OwnOptions,
    Plugins,
    Results,
    TuningOptions,
    Workers,
    command,
    results_words,
    whole,
    words,
)
from smart_repro.registry import UnknownNameError

_RIGHTS = "make room, or give yourself the rights; then give the command again"
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES), _RIGHTS),
    **dict.fromkeys(
        (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG), "name another file or folder"
    ),
}

app = App(
    name="smart-repro",
    help="What SMART and self-distillation fine-tuning really do: run the papers' tables and judge their claims.",
    version=lambda: smart_repro.__version__,
    help_format="plaintext",
    help_formatter=PlainFormatter(max_width=90),
    console=Console(width=200),  # wide enough that lines are broken once, by the formatter
    default_parameter=Parameter(negative_iterable=(), show_default=False),
    suppress_keyboard_interrupt=False,
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
app.command(runs_app, name="runs")
app.command(hub_app, name="hub")
app.register_install_completion_command(help="Install completion for bash, zsh or fish.")


@app.meta.default
def launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None,
        Parameter(help=f"file of defaults for the options of the verbs; default: {config_module.NAME} here or above"),
    ] = None,
) -> int:
    """Parse a command line and carry it out, with the defaults of a file; return the exit code."""
    path = config or config_module.find(Path.cwd())
    defaults = config_module.Config()
    if path is not None:
        defaults = config_module.read(path, lambda: config_module.option_names(app))
    app.config = (defaults,)
    verb, bound, passed = app.parse_args(words)
    if "defaults" in passed:
        bound.arguments["defaults"] = defaults
    code = verb(*bound.args, **bound.kwargs)
    return code if isinstance(code, int) else DONE


# --- verbs ---


@app.command(name="list")
def list_(
    kind: Annotated[
        str,
        Parameter(
            help="methods, tasks, experiments, claims, systems, models, optimizers or profiles",
            completer=completion.words(
                "methods", "tasks", "experiments", "claims", "systems", "models", "optimizers", "profiles"
            ),
        ),
    ],
    /,
    experiment: Annotated[
        str | None,
        Parameter(
            help="claims of this experiment, or paper (smart, sda), alone",
            completer=lambda context: completion.experiments(),
        ),
    ] = None,
    *,
    task: Annotated[
        str | None, Parameter(help="claims about this task alone", completer=lambda context: completion.tasks())
    ] = None,
    results: Results = RESULTS,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """List what there is, by name; of claims also the verdict of the runs in the results folder.

    Example: smart-repro list methods
    """
    from benchmarks.cli import catalogue, claims

    import_plugins(plugins)
    rows = catalogue.listing(kind, experiment, task, results)
    if as_json:
        print_json(rows)
    elif not rows:
        print(f"no {kind} are left by these filters", file=sys.stderr)
    elif kind == "claims":
        print(claims.list_text(rows, results, terminal_width()))
    else:
        print_table(rows)
    if rows:
        name = claims.next_claim(rows) if kind == "claims" else next(iter(rows[0].values()))
        further = [*words(GridOptions(plugins=plugins)), *(results_words(results) if kind == "claims" else [])]
        hint(as_json, command("show", f"{kind.removesuffix('s')}:{name}", *further))


@app.command
def show(
    name: Annotated[
        str,
        Parameter(
            help="NAME or KIND:NAME, such as smart, task:rte, spec, study, a study file, or a run's key",
            completer=completion.cards,
        ),
    ],
    /,
    *,
    profile: Annotated[
        str | None,
        Parameter(
            help="of an experiment: what it runs in this profile: demo, small or paper",
            completer=completion.words("demo", "small", "paper"),
        ),
    ] = None,
    results: Results = RESULTS,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Show one method, task, experiment, claim, profile or model with all it says about itself.

    Of a claim it shows the verdict of the runs in the results folder, or the command that does them.

    Example: smart-repro show smart
    """
    from benchmarks.cli import catalogue

    import_plugins(plugins)
    text, content = catalogue.card(name, results, profile)
    if as_json:
        print_json(content)
    else:
        print(text)


@app.command
def plan(
    experiment: Name,
    /,
    *,
    grid: Grid = GridOptions(),  # noqa: B008 (frozen)
    tuning: Tuning = TuningOptions(),  # noqa: B008 (frozen)
    study_out: StudyOut = None,
    results: Results = RESULTS,
    workers: Workers = None,
    calibrate: Annotated[bool, Parameter(help="time a few updates of each kind of run on this machine")] = False,
    as_json: Json = False,
) -> None:
    """Show the runs of an experiment, how many are done, and what the rest takes: time, disk and memory.

    The time is known once runs of that kind were done on this machine, or with --calibrate, which times a few updates.

    Example: smart-repro plan smart-table3 --calibrate
    """
    import_plugins(grid.plugins)
    request = make_request(experiment, results, grid, tuning)
    save_study(request, study_out)
    if len(request.each()) > 1:
        show_bill(request, as_json)
    else:
        show_plan(request, results, workers, calibrate, as_json)
    hint(as_json, request.command("run", *words(ExecutionOptions(workers=workers))))


@app.command
def run(
    experiment: Name,
    /,
    *,
    grid: Grid = GridOptions(),  # noqa: B008 (frozen)
    tuning: Tuning = TuningOptions(),  # noqa: B008 (frozen)
    study_out: StudyOut = None,
    results: Results = RESULTS,
    execution: Execution = ExecutionOptions(),  # noqa: B008 (frozen)
) -> int:
    """Do the runs of an experiment that are not done yet.

    Example: smart-repro run compare --tasks rte --methods vanilla,smart --seeds 5 --model minilm --data-dir glue_data
    """
    import_plugins(grid.plugins)
    request = make_request(experiment, results, grid, tuning)
    save_study(request, study_out)
    code = run_each(request, results, execution)
    if not execution.dry_run:
        hint(execution.quiet, command("report", request.each()[0].title, *results_words(results)))
    return code


@app.command
def reproduce(
    experiment: Name,
    /,
    *,
    grid: Grid = GridOptions(),  # noqa: B008 (frozen)
    tuning: Tuning = TuningOptions(),  # noqa: B008 (frozen)
    study_out: StudyOut = None,
    results: Results = RESULTS,
    execution: Execution = ExecutionOptions(),  # noqa: B008 (frozen)
) -> int:
    """Plan, run, analyse and report an experiment: from nothing to report.html.

    Example: smart-repro reproduce smart-table1 --profile small --data-dir glue_data
    """
    import_plugins(grid.plugins)
    request = make_request(experiment, results, grid, tuning)
    save_study(request, study_out)
    report = None if execution.dry_run else (lambda title: write_report_of(results, title))
    return run_each(request, results, execution, report)


@app.command
def status(
    experiment: StoredName = None,
    /,
    *,
    results: Results = RESULTS,
    watch: Annotated[bool, Parameter(negative=(), help="show it anew every two seconds, until nothing runs")] = False,
    as_json: Json = False,
) -> None:
    """Show how many runs of each experiment are done, running, failed (and why) or to do.

    Example: smart-repro status smart-table1 --watch
    """
    from benchmarks.engine import status as status_module

    experiment = stored_name(experiment)
    if watch:
        status_module.watch(results, experiment)
        return
    entries = status_module.status(results, experiment)
    if as_json:
        print_json(entries)
    else:
        print(status_module.text(entries))
    hint(as_json, command("report", *([experiment] if experiment else []), *results_words(results)))


@app.command
def report(
    experiment: StoredName = None,
    /,
    *,
    results: Results = RESULTS,
    claims: Annotated[bool, Parameter(negative=(), help="print a verdict per claim instead")] = False,
    site: Annotated[
        bool, Parameter(negative=(), help="also write reports/index.html over all reports, published ones too")
    ] = False,
    look: Annotated[
        Literal["paper", "talk", "dark"], Parameter(help="look of the figures' files: for slides, or on black")
    ] = "paper",
) -> int:
    """Write report.html, tables and figures from the finished runs of an experiment, or of all, published ones too.

    A damaged run is left out and named, with exit code 1.

    Example: smart-repro report smart-table1
    """
    write = partial(write_report_of, look=look)
    code = report_each(results, stored_name(experiment), print_verdicts if claims else write)
    if site:
        print(f"Site: {write_site(results)}")
    return code


@app.command
def judge(
    *systems: Annotated[
        Path,
        Parameter(
            help="a file or folder of predictions for each system: CSV, TSV, JSON lines, Parquet, .npy, or what "
            "lm-evaluation-harness writes with --log_samples"
        ),
    ],
    baseline: Annotated[
        str | None, Parameter(help="the system the others are compared with; default: the last")
    ] = None,
    options: Judging = JudgeOptions(),  # noqa: B008 (frozen)
    out: Annotated[
        Path | None, Parameter(help="also write judge.html, judge.json, the table and figures into this folder")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge predictions of any program: is one system better than another on the same items, over their seeds?

    Columns: id, label, prediction (or logit_NAME for each class), seed, group. Of .npy: --labels gives the labels.

    Example: smart-repro judge smart.csv plain.csv
    """
    from benchmarks.cli.judge import judge_files

    judgement = judge_files(systems, baseline, options, out)
    if as_json:
        print_json(judgement.to_json())
    else:
        print(judgement)
    if out is not None:
        print(f"Report: {judgement.write(out)}", file=sys.stderr)
    else:
        baseline_option = ["--baseline", baseline] if baseline else []
        hint(as_json, command("judge", *map(str, systems), *baseline_option, *words(options), "--out", "judgement"))


@app.command
def export(
    key: Key,
    /,
    *,
    to: Annotated[Path | None, Parameter(help="the folder to write; default export/KEY")] = None,
    licence: Licence = "",
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
    whole_key = runs.find(store, key)
    folder = to or Path("export") / whole_key
    with show_damage_warnings():
        paths = export_module.export(store, whole_key, folder, licence)
    for path in paths:
        print(path)
    hint(False, shlex.join(["cat", str(folder / "README.md")]), "says how to load the model")


@app.command
def check(
    experiment: Annotated[
        str,
        Parameter(
            help="the grid: regression (the project's own), another experiment, or compare for a grid of your own",
            completer=lambda context: completion.experiments(),
        ),
    ] = "regression",
    /,
    *,
    grid: Grid = GridOptions(),  # noqa: B008 (frozen)
    results: Annotated[
        Path | None,
        Parameter(
            help="keep the runs there, and take finished ones from there; default: all are done anew and none is kept"
        ),
    ] = None,
    workers: Workers = None,
    baseline: Annotated[Path | None, Parameter(help="the file to compare with; default: the project's own")] = None,
    form: Annotated[
        str,
        Parameter(
            name="--format",
            help="text, github (annotations) or json",
            completer=completion.words("text", "github", "json"),
        ),
    ] = "text",
    junit: Annotated[Path | None, Parameter(help="also write the outcome there as JUnit XML")] = None,
    update: Annotated[bool, Parameter(negative=(), help="write a new baseline instead of comparing")] = False,
    allow_dirty: Annotated[bool, Parameter(help="write it although files differ from the commit")] = False,
    quiet: Quiet = False,
) -> int:
    """Check that the code computes what it did when the baseline was written: exit 0 if so, 1 on a regression.

    Example: smart-repro check --tasks demo-sst2 --methods vanilla,smart --junit check.xml
    """
    from benchmarks.cli.display import make_display
    from benchmarks.engine.choose import make_executor
    from benchmarks.regression import check as check_module
    from benchmarks.regression import report as check_report

    import_plugins(grid.plugins)
    check_report.check_form(form)
    request = make_request(experiment, results, grid)
    request.checked_experiment()
    file = check_module.file_of(experiment, baseline)
    executor, display = make_executor("local", workers, 0.0), make_display(quiet or form != "text")
    if update:
        written = check_module.update(request, file, executor, display, results, allow_dirty=allow_dirty)
        print(f"Baseline: {file} ({len(written.cells)} cells)")
        options = ["--baseline", str(baseline)] if baseline else []
        hint(quiet, request.command("check", *options, *words(ExecutionOptions(workers=workers))))
        return DONE
    outcome = check_module.check(request, file, executor, display, results)
    print(check_report.text(outcome, form))
    if junit is not None:
        check_report.write_junit(outcome, junit)
    return DONE if outcome.passed else CHECK_FAILED


@app.command
def check_plugin(
    name: Annotated[
        str,
        Parameter(
            help="NAME or KIND:NAME of a method (smart:lambda_s=3), task or experiment", completer=completion.cards
        ),
    ],
    /,
    *,
    data_options: Data = DataOptions(),  # noqa: B008 (frozen)
    plugins: Plugins = None,
    as_json: Json = False,
) -> int:
    """Check that a method, task or experiment of another package keeps what the built-in ones keep; exit 1 if not.

    Example: smart-repro check-plugin confidence-penalty --import penalty
    """
    import_plugins(plugins)
    from benchmarks.engine.worker import prepare
    from benchmarks.regression.plugins import check_plugin as results_of
    from benchmarks.tasks.sources import parse_data_files, resolve_source

    prepare([])
    files = parse_data_files(data_options.data_file or [])
    source = resolve_source(
        data_options.source, data_options.data_dir, files, default_dir=data_options.default_data_dir
    )
    results = []
    for result in results_of(name, source):
        results.append(result)
        if not as_json:
            print(
                f"{'BROKEN' if result.problem else 'kept  '}  {result.promise}{result.problem and ': '}{result.problem}"
            )
    if as_json:
        print_json([vars(result) for result in results])
    broken = sum(bool(result.problem) for result in results)
    hint(as_json or bool(broken), command("show", name.partition("[")[0], *words(GridOptions(plugins=plugins))))
    return CHECK_FAILED if broken else DONE


@app.command
def submit(
    benchmark: Annotated[str, Parameter(help="glue", completer=completion.words("glue"))],
    /,
    *,
    row: Annotated[str, Parameter(help="the method: a row of the experiment")] = "smart[shared]",
    seed: Annotated[int, Parameter(help="which of its runs", converter=whole)] = 0,
    experiment: Annotated[str, Parameter(help="where the test sets were predicted")] = "smart-table2",
    tasks: Annotated[str | None, Parameter(help="comma-separated: rte,cola,stsb")] = None,
    out: Annotated[Path, Parameter(help="the file to write")] = Path("submission.zip"),
    partial: Annotated[bool, Parameter(help="leave out tasks without predictions (the server will refuse)")] = False,
    results: Results = RESULTS,
) -> None:
    """Write the zip file the GLUE server scores, from finished runs' predictions on the hidden test sets.

    Example: smart-repro submit glue --row "smart[shared]" --seed 0
    """
    from benchmarks.sharing import submission

    experiment = stored_name(experiment) or experiment
    if benchmark != "glue":
        raise UsageError(f"submit {benchmark}: only glue has a server that takes predictions")
    names = [name for name in (tasks or "").split(",") if name]
    written = submission.submit(results, experiment, row, seed, out, tasks=names, partial=partial)
    for task, rows in written.items():
        print(f"{submission.FILES[task]:<12} {rows:>8,} rows")
    hint(False, shlex.join(["ls", "-l", str(out)]), "upload it at https://gluebenchmark.com/submit")


@app.command
def data(
    *tasks: Annotated[
        str, Parameter(help="tasks to look at; default: all", completer=lambda context: completion.tasks())
    ],
    data_options: Data = DataOptions(),  # noqa: B008 (frozen)
    own_options: Own = OwnOptions(),  # noqa: B008 (frozen)
    model: Annotated[
        str | None, Parameter(help="count lengths in its tokens: tiny, minilm, a local folder or a hub id")
    ] = None,
    plot: Annotated[Path | None, Parameter(help="also draw length and label histograms into this folder")] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> int:
    """Show what each task reads: files, rows against the official ones, labels, duplicates, fingerprints.

    Example: smart-repro data rte cola --data-dir glue_data
    """
    import_plugins(plugins)
    from benchmarks.cli import catalogue, data_report
    from benchmarks.experiments.planning import own_data
    from benchmarks.tasks import TASKS
    from benchmarks.tasks.locate import unclaimed
    from benchmarks.tasks.sources import parse_data_files, resolve_source
    from benchmarks.training import models

    described = GridOptions(**vars(data_options), **vars(own_options), tasks=",".join(tasks) or None)
    if own_tasks := own_data.own_tasks(described):
        source, tasks = own_data.source(own_tasks), tuple(task.name for task in own_tasks)
    else:
        files = parse_data_files(data_options.data_file or [])
        source = resolve_source(
            data_options.source, data_options.data_dir, files, default_dir=data_options.default_data_dir
        )
    names = [name for name in tasks or TASKS if TASKS[name]]
    reports = data_report.data_report(names, source, models.tokenizer(model) if model else None)
    if plot is not None:
        for file in data_report.plot(reports, plot):
            print(f"Drawn: {file}", file=sys.stderr)
    if as_json:
        print_json(reports)
    else:
        print(catalogue.data_text(reports))
        for remark in (remark for task in own_tasks for remark in task.remarks):
            print(note_line(remark))
    if not tasks and source.data_dir and (unread := unclaimed(source.data_dir)):
        print(f"Folders of {source.data_dir} that no task looks into: {', '.join(unread)}", file=sys.stderr)
    readable = [name for name in names if not reports[name]["broken"] and any(reports[name]["splits"].values())]
    if trained := [name for name in readable if "train" in TASKS[name].splits]:
        listed = [] if own_tasks else ["--tasks", ",".join(trained if tasks else trained[:1])]
        request = ["compare", *listed, "--methods", "vanilla,smart", *words(data_options), *words(own_options)]
        hint(as_json, command("run", *request, *words(GridOptions(model=model, plugins=plugins))))
    unreadable = any(report["broken"] or (tasks and not any(report["splits"].values())) for report in reports.values())
    return USAGE if unreadable else DONE


@app.command
def doctor(
    *,
    results: Results = RESULTS,
    as_json: Json = False,
    defaults: Annotated[config_module.Config, Parameter(parse=False)] = config_module.Config(),  # noqa: B008 (frozen)
) -> int:
    """Check this machine: versions, device, memory, disk, data and models, each with a remedy.

    Example: smart-repro doctor
    """
    from benchmarks.cli import doctor as doctor_module

    checks = doctor_module.checks(results, defaults)
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        print(doctor_module.text(checks))
    hint(as_json, command("reproduce", "smart-table1", *results_words(results)))
    return CHECK_FAILED if any(check.state == "bad" for check in checks) else DONE


def main() -> None:
    """Run the command line and exit with its code: errors a user can mend are one line, without a traceback."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Carry out a command line (without the program's name); return its exit code."""
    with guarded():
        return _carried_out(arguments)


def _carried_out(arguments: Sequence[str]) -> int:
    if not sys.stderr.isatty():
        set_defaults(NO_PROGRESS_BARS)
    try:
        code = app.meta(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else DONE
    except CycloptsError as error:
        return _refuse(_usage(error))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    except KeyboardInterrupt:
        print("\nsmart-repro: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Mistakes as error:
        return max(map(_refuse, error.lines))
    except (UsageError, UnknownNameError) as error:
        return _refuse(str(error))
    except Exception as error:
        if isinstance(error, ValueError) and type(error).__name__ in ("ResultsError", "DamagedError"):
            return _refuse(str(error))
        if isinstance(error, OSError) and error.errno in _REMEDIES:
            remedy = _REMEDIES[error.errno]
            return _refuse(f"{error.filename or 'a file'} cannot be written or read: {error.strerror}; {remedy}")
        import traceback

        traceback.print_exc()
        print(f"smart-repro: internal error: {error}. Please report it with the lines above.", file=sys.stderr)
        return INTERNAL


def _usage(error: CycloptsError) -> str:
    """Return what the parser refused, in one line with the remedy."""
    text = " ".join(str(error).split()).rstrip(".")
    token = getattr(error, "token", None) or next(iter(error.argument.tokens if error.argument else ()), None)
    if token is not None and token.source not in ("", "cli") and token.source not in text:
        text += f" (in {token.source})"
    verb = " ".join(error.command_chain or ())
    help_line = " ".join(["smart-repro", *([verb] if verb else []), "--help"])
    return f"{text}; `{help_line}` says what can be given"


def _refuse(message: str) -> int:
    print(f"smart-repro: {' '.join(message.split())}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    main()
