"""``smart-repro runs``: the runs of a results folder, one by one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.cli.actions import print_json, print_table
from benchmarks.cli.options import RESULTS, Json, Results
from benchmarks.errors import UsageError

runs_app = typer.Typer(
    help="List, show, compare, rerun, remove, pack, unpack and publish the runs of a results folder.",
    no_args_is_help=True,
)

Key = Annotated[str, typer.Argument(help="a run's key, or its beginning")]
Keys = Annotated[list[str], typer.Argument(help="keys of runs, or their beginnings")]


@runs_app.command("list")
def list_(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="rows with this value: --only task=rte --only seed=0")
    ] = None,
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


@runs_app.command()
def show(key: Key, results: Results = RESULTS) -> None:
    """Show a run: settings, versions and scores, or where it stands and why.

    Example: smart-repro runs show 3fa9
    """
    from benchmarks.cli import catalogue
    from benchmarks.sharing import runs

    store = _store(results)
    found = runs.find(store, key)
    if store.is_done(found):
        print(catalogue.card(found, results)[0])
        return
    state = store.states([found])[found]
    print(
        json.dumps(
            {"key": found, "state": state.state, "detail": state.detail, **(store.failure(found) or {})}, indent=1
        )
    )


@runs_app.command()
def compare(key: Key, other: Key, results: Results = RESULTS, as_json: Json = False) -> None:
    """Show what two finished runs differ in; exit code 1 if they predict something else.

    Example: smart-repro runs compare 3fa9 71c0
    """
    from benchmarks.sharing import runs

    found = runs.compare(_store(results), key, other)
    print(json.dumps(found, indent=1) if as_json else runs.comparison_text(found))
    raise typer.Exit(1 if found["predictions"] else 0)


@runs_app.command()
def rerun(
    key: Key,
    source: Annotated[str | None, typer.Option("--source", help="local, hub or generated")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data sets' official files")] = None,
    data_file: Annotated[list[str] | None, typer.Option(help="one file for one split: mnli:train=PATH")] = None,
    plugins: Annotated[list[str] | None, typer.Option("--import", help="a module to import first")] = None,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="keep its weights in the results folder, for `smart-repro export`")
    ] = False,
    results: Results = RESULTS,
) -> None:
    """Do a finished run again beside the old one, and say whether it predicts the same, byte for byte.

    Where it does not (exit 1: another device, other versions), the scores and versions of both are shown. Of a run that
    an older version made with other arithmetic (numerics) only the scores are compared.

    Example: smart-repro runs rerun 3fa9 --keep-weights
    """
    from benchmarks.engine.worker import prepare
    from benchmarks.sharing import runs
    from benchmarks.tasks import TASKS
    from benchmarks.tasks.sources import parse_data_files, resolve_source

    prepare(plugins or [])
    store = _store(results)
    found = runs.find(store, key)
    generated = TASKS[store.spec(found).task].generated and not (source or data_dir)
    where = resolve_source("generated" if generated else source, data_dir, parse_data_files(data_file or []))
    if keep_weights:
        runs.keep_weights(store, found, where)
        print(f"{found} is reproduced, byte for byte; its weights: {store.weights(found)}")
        print(f"Next: smart-repro export {found}", file=sys.stderr)
        return
    differing = runs.rerun(store, found, where)
    print(runs.rerun_text(found, differing))
    raise typer.Exit(0 if runs.reproduced(differing) else 1)


@runs_app.command()
def remove(
    keys: Keys,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    results: Results = RESULTS,
) -> None:
    """Forget runs: their results, weights and work. Asks first.

    Example: smart-repro runs remove 3fa9 71c0
    """
    from benchmarks.sharing import runs

    store = _store(results)
    found = [runs.find(store, key) for key in keys]
    print("\n".join(found))
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Remove these {len(found)} runs from {results}?")):
        raise UsageError("nothing was removed; --yes removes without asking")
    runs.remove(store, found)
    print(f"Removed {len(found)} runs; `smart-repro run` does them again where a table needs them")


@runs_app.command()
def pack(
    archive: Annotated[Path, typer.Argument(help="the file to write: runs.tar.gz")],
    keys: Annotated[list[str] | None, typer.Argument(help="which runs; default: all finished ones")] = None,
    results: Results = RESULTS,
) -> None:
    """Pack finished runs, and the tables they are in, into one file for another machine.

    Example: smart-repro runs pack runs.tar.gz
    """
    from benchmarks.sharing import archive as archive_module
    from benchmarks.sharing import runs

    store = _store(results)
    chosen = [runs.find(store, key) for key in keys] if keys else sorted(store.done_keys())
    count = archive_module.pack(store, archive, chosen, archive_module.experiments_of(store, chosen))
    print(f"Packed {count} runs into {archive} ({archive.stat().st_size / 2**20:.1f} MiB)")
    print(f"Next: smart-repro runs unpack {archive} --results THERE", file=sys.stderr)


@runs_app.command()
def unpack(
    archive: Annotated[Path, typer.Argument(help="a file that `runs pack` wrote")],
    results: Results = RESULTS,
) -> None:
    """Merge the runs of an archive into a results folder; runs that are here stay as they are.

    Example: smart-repro runs unpack runs.tar.gz --results results
    """
    from benchmarks.sharing.archive import unpack as unpack_archive
    from benchmarks.store.store import Store

    if not archive.is_file():
        raise UsageError(f"there is no file {archive}")
    merged = unpack_archive(Store(results), archive)
    print(f"{len(merged.new)} new runs, {len(merged.kept)} were here already, {merged.manifests} new tables")
    print("Next: smart-repro status", file=sys.stderr)


@runs_app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="the folder to write into, for a repository: results/published")],
    names: Annotated[list[str] | None, typer.Argument(help="which experiments; default: all that were run")] = None,
    results: Results = RESULTS,
) -> None:
    """Copy experiments' finished runs, compact and without texts or paths, into a folder that can be committed.

    Example: smart-repro runs publish results/published what-drives-smart
    """
    from benchmarks.engine.status import experiments
    from benchmarks.sharing import publish as publish_module

    store = _store(results)
    done = publish_module.publish(store, names or experiments(results), folder)
    print(f"{done.runs} runs in {folder}, {done.new} of them new; {done.size / 2**20:.1f} MiB in all")
    print(f"Next: smart-repro report --results {folder}", file=sys.stderr)


def _store(results: Path) -> Any:
    from benchmarks.store.store import Store

    if not (results / "runs").is_dir():
        raise UsageError(f"there are no runs in {results}: `smart-repro run` makes some, or give another --results")
    return Store(results)
