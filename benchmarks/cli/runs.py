"""``smart-repro runs``: the runs of a results folder, one by one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from benchmarks.cli import completion
from benchmarks.cli.actions import CHECK_FAILED, DONE, hint, import_plugins, print_json, print_table
from benchmarks.cli.options import Data, Json, Key
from benchmarks.errors import UsageError
from benchmarks.options import RESULTS, DataOptions, Plugins, Results, command, results_words
from smart_repro.registry import UnknownNameError

runs_app = App(
    help="List, show, verify, seal, compare, rerun, remove, pack, unpack and publish the runs of a results folder."
)

Keys = Annotated[str, Parameter(help="keys of runs, or their beginnings", completer=completion.keys)]


@runs_app.command(name="list")
def list_(
    *,
    only: Annotated[list[str] | None, Parameter(help="rows with this value: --only task=rte --only seed=0")] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """List the runs: finished ones with their score, then those at work, interrupted or failed.

    Example: smart-repro runs list --only task=rte
    """
    from benchmarks.sharing import runs

    pairs = [item.partition("=") for item in only or []]
    if any(not equals for _, equals, _ in pairs):
        raise UsageError(f"--only {' '.join(only or [])}: expected COLUMN=VALUE, such as task=rte")
    rows = runs.listing(_store(results), {name: value for name, _, value in pairs})
    if as_json:
        print_json(rows)
        return
    done = [row for row in rows if row["state"] == "done"]
    print_table(done)
    for row in rows:
        if row["state"] != "done":
            print(f"{row['key']}  {row['state']}  {row['detail']}")
    print(f"{len(done)} finished runs, {len(rows) - len(done)} others", file=sys.stderr)


@runs_app.command
def show(key: Key, /, *, results: Results = RESULTS, as_json: Json = False) -> None:
    """Show a run: settings, versions and scores, or where it stands and why.

    Example: smart-repro runs show 3fa9
    """
    from benchmarks.cli import catalogue
    from benchmarks.sharing import runs

    store = _store(results)
    run_key = runs.find(store, key)
    if store.is_done(run_key):
        text, content = catalogue.card(run_key, results)
    else:
        state = store.states([run_key])[run_key]
        content = {"key": run_key, "state": state.state, "detail": state.detail, **(store.failure(run_key) or {})}
        lines = [f"{name}: {value}" for name, value in content.items() if name not in ("key", "state")]
        text = "\n".join([f"Run {run_key}: {state.state}", "", *lines])
    print(json.dumps(content, indent=2) if as_json else text)


@runs_app.command
def verify(
    *keys: Annotated[str, Parameter(help="which runs; default: all finished ones", completer=completion.keys)],
    results: Results = RESULTS,
    as_json: Json = False,
) -> int:
    """Read every file of finished runs and compare it with the run's key and seal; exit code 1 if a run is damaged.

    A run without a seal (it is of an earlier version) is unverified: `smart-repro runs seal` gives it one.

    Example: smart-repro runs verify --results results/published
    """
    from benchmarks.sharing import runs

    store = _store(results)
    findings = [*runs.findings(store, _finished(store, keys)), *runs.damaged_parts(store)]
    return _show_findings(findings, as_json)


@runs_app.command
def seal(
    *keys: Annotated[str, Parameter(help="which runs; default: all finished ones", completer=completion.keys)],
    results: Results = RESULTS,
    as_json: Json = False,
) -> int:
    """Give runs without a seal one: the digests of their files, in integrity.json.

    A run whose key or stored scores are not those of what it stores is refused (exit code 1); the others are sealed.

    Example: smart-repro runs seal --results results/published
    """
    store = _store(results)
    return _show_findings([store.seal(key) for key in _finished(store, keys)], as_json)


@runs_app.command
def compare(key: Key, other: Key, /, *, results: Results = RESULTS, as_json: Json = False) -> int:
    """Show what two finished runs differ in; exit code 1 if they predict something else.

    Example: smart-repro runs compare 3fa9 71c0
    """
    from benchmarks.sharing import runs

    comparison = runs.compare(_store(results), key, other)
    print(json.dumps(comparison, indent=1) if as_json else runs.comparison_text(comparison))
    return CHECK_FAILED if comparison["predictions"] else DONE


@runs_app.command
def rerun(
    key: Key,
    /,
    *,
    data_options: Data = DataOptions(),  # noqa: B008 (frozen)
    plugins: Plugins = None,
    keep_weights: Annotated[
        bool, Parameter(negative=(), help="keep its weights in the results folder, for `smart-repro export`")
    ] = False,
    results: Results = RESULTS,
) -> int:
    """Do a finished run again beside the old one, and say whether it predicts the same, byte for byte.

    The predictions of a published run are compared in the form in which it stores them (logits often as float16). Where
    predictions differ (exit 1: another device, other versions), the scores and versions of both are shown. Of a run
    that an older version made with other arithmetic (numerics) only the scores are compared.

    Example: smart-repro runs rerun 3fa9 --keep-weights
    """
    from benchmarks.engine.worker import prepare
    from benchmarks.experiments.planning import own_data
    from benchmarks.sharing import runs
    from benchmarks.tasks import TASKS
    from benchmarks.tasks.sources import parse_data_files, resolve_source

    store = _store(results)
    whole_key = runs.find(store, key)
    remembered = [] if plugins else runs.imports(store, whole_key)
    if remembered:
        print(f"importing {', '.join(remembered)}, as when the run was made", file=sys.stderr)
    import_plugins(plugins or remembered)
    prepare([])
    spec = store.spec(whole_key)
    source = own_data.source_of_run(data_options, spec)
    if source is None:
        task = TASKS.get(spec.task)  # None: a plug-in's, and no --import; the run itself says so below
        generated = task is not None and task.generated and not (data_options.source or data_options.data_dir)
        kind = "generated" if generated else data_options.source
        files = parse_data_files(data_options.data_file or [])
        source = resolve_source(kind, data_options.data_dir, files, default_dir=data_options.default_data_dir)
    if keep_weights:
        exactness = runs.keep_weights(store, whole_key, source)
        print(f"{whole_key} is reproduced, {exactness}; its weights: {store.weights(whole_key)}")
        hint(False, command("export", whole_key, *results_words(results)))
        return DONE
    try:
        differing = runs.rerun(store, whole_key, source)
    except UnknownNameError as error:
        raise UsageError(f"{error}; what a plug-in registers needs its module: --import MODULE") from error
    print(runs.rerun_text(whole_key, differing))
    return DONE if runs.reproduced(differing) else CHECK_FAILED


@runs_app.command
def remove(
    *keys: Keys,
    yes: Annotated[bool, Parameter(alias="-y", negative=(), help="do not ask")] = False,
    results: Results = RESULTS,
) -> None:
    """Forget runs: their results, weights and work. Asks first.

    Example: smart-repro runs remove 3fa9 71c0
    """
    from benchmarks.sharing import runs

    store = _store(results)
    run_keys = [runs.find(store, key) for key in keys]
    print("\n".join(run_keys))
    if not yes and not (sys.stdin.isatty() and _confirmed(f"Remove these {len(run_keys)} runs from {results}?")):
        raise UsageError("nothing was removed; --yes removes without asking")
    runs.remove(store, run_keys)
    print(f"Removed {len(run_keys)} runs; `smart-repro run` does them again where a table needs them")


@runs_app.command
def pack(
    archive: Annotated[Path, Parameter(help="the file to write: runs.tar.gz")],
    /,
    *keys: Annotated[str, Parameter(help="which runs; default: all finished ones", completer=completion.keys)],
    results: Results = RESULTS,
) -> None:
    """Pack finished runs, and the tables they are in, into one file for another machine.

    Example: smart-repro runs pack runs.tar.gz
    """
    from benchmarks.sharing import archive as archive_module
    from benchmarks.sharing import runs

    store = _store(results)
    run_keys = [runs.find(store, key) for key in keys] if keys else sorted(store.done_keys())
    count = archive_module.pack(store, archive, run_keys, archive_module.experiments_of(store, run_keys))
    print(f"Packed {count} runs into {archive} ({archive.stat().st_size / 2**20:.1f} MiB)")
    hint(False, command("runs", "unpack", str(archive)), "on the other machine")


@runs_app.command
def unpack(
    archive: Annotated[Path, Parameter(help="a file that `runs pack` wrote")],
    /,
    *,
    results: Results = RESULTS,
) -> int:
    """Merge the runs of an archive into a results folder; runs that are here stay as they are.

    Exit code 1 if a run that is here is damaged or has other results than the archive's.

    Example: smart-repro runs unpack runs.tar.gz --results results
    """
    from benchmarks.sharing.archive import unpack as unpack_archive
    from benchmarks.store.store import Store

    if not archive.is_file():
        raise UsageError(f"there is no file {archive}: give one that `smart-repro runs pack` wrote")
    merged = unpack_archive(Store(results), archive)
    print(f"{len(merged.new)} new runs, {len(merged.kept)} were here already, {merged.manifests} new tables")
    for keys, fault in ((merged.differing, "has other results than the archive's"), (merged.damaged, "is damaged")):
        for key in keys:
            remedy = command("runs", "remove", key, *results_words(results))
            print(f"run {key} here {fault} and was kept: `{remedy}`, then unpack again", file=sys.stderr)
    for name, parts in merged.lacking.items():
        reason = f"has {', '.join(parts)}, which the archive's newer one lacks"
        print(f"the table of {name} here {reason}: it stays the one that is read", file=sys.stderr)
    hint(False, command("status", *results_words(results)))
    return CHECK_FAILED if merged.differing or merged.damaged else DONE


@runs_app.command
def publish(
    folder: Annotated[Path, Parameter(help="the folder to write into, for a repository: results/published")],
    /,
    *names: Annotated[
        str,
        Parameter(help="which experiments; default: all that were run", completer=completion.stored_experiments),
    ],
    results: Results = RESULTS,
) -> int:
    """Copy experiments' finished runs, compact and without texts or paths, into a folder that can be committed.

    Each experiment's runs become one file, a part, that is never rewritten; runs that the folder has are left alone,
    and named with exit code 1 if they have other results.

    Example: smart-repro runs publish results/published what-drives-smart
    """
    from benchmarks.engine.status import experiments
    from benchmarks.sharing import publish as publish_module

    store = _store(results)
    done = publish_module.publish(store, list(names) or experiments(results), folder)
    print(f"{done.runs} runs in {folder}, {done.new} of them new; {done.size / 2**20:.1f} MiB in all")
    for key in done.differing:
        remedy = command("runs", "rerun", key, *results_words(results))
        print(f"run {key} has other results in {folder}: `{remedy}` tells whether this one is right", file=sys.stderr)
    hint(False, command("report", *results_words(folder)))
    return CHECK_FAILED if done.differing else DONE


def _finished(store: Any, keys: tuple[str, ...]) -> list[str]:
    from benchmarks.sharing import runs

    return [runs.find(store, key) for key in keys] if keys else sorted(store.done_keys())


def _show_findings(findings: list[Any], as_json: bool) -> int:
    """Print a line per damaged run and the counts, or every run as JSON. Return the exit code."""
    from analysis.integrity import DAMAGED, UNVERIFIED, VERIFIED

    counts = {state: sum(finding.state == state for finding in findings) for state in (VERIFIED, UNVERIFIED, DAMAGED)}
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        print(
            "\n".join(finding.message for finding in findings if finding.state == DAMAGED),
            end="\n" * (counts[DAMAGED] > 0),
        )
        print(f"{len(findings)} runs: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    return CHECK_FAILED if counts[DAMAGED] else DONE


def _confirmed(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _store(results: Path) -> Any:
    from benchmarks.store.store import Store

    store = Store(results)
    store.must_have_runs()
    return store
