"""``smart-repro hub``: models and results as repositories of the Hugging Face hub."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli import completion
from benchmarks.cli.actions import hint
from benchmarks.cli.options import Key, Licence
from benchmarks.options import RESULTS, Plugins, Results

hub_app = App(name="hub", help="Models and results as repositories of the Hugging Face hub.")
push_app = App(name="push", help="Upload a run's model, or the results of experiments.")
hub_app.command(push_app)

Repo = Annotated[str, Parameter(help="OWNER/NAME on the hub; it is made if it is not there")]
Private = Annotated[bool, Parameter(negative=(), help="make a new repository that only its owner sees")]


@push_app.command
def model(
    key: Key,
    repo: Repo,
    /,
    *,
    licence: Licence = "",
    private: Private = False,
    plugins: Plugins = None,
    results: Results = RESULTS,
) -> None:
    """Export a run's model and upload it, with its card.

    Example: smart-repro hub push model 3fa9 me/rte-smart --licence mit
    """
    from benchmarks.cli.actions import import_plugins, show_damage_warnings
    from benchmarks.sharing import hub, runs
    from benchmarks.store.store import Store

    import_plugins(plugins)
    store = Store(results)
    with show_damage_warnings():
        print(hub.push_model(store, runs.find(store, key), repo, licence=licence, private=private))
    hint(False, f"hf download {repo}", "fetches it")


@push_app.command
def results(
    repo: Repo,
    /,
    *names: Annotated[
        str,
        Parameter(help="which experiments; default: all that were run", completer=completion.stored_experiments),
    ],
    private: Private = False,
    results: Results = RESULTS,
) -> None:
    """Upload the finished runs of experiments as a data set: compact, without texts, paths and weights.

    Example: smart-repro hub push results me/smart-runs what-drives-smart
    """
    from benchmarks.engine.status import experiments
    from benchmarks.sharing import hub
    from benchmarks.store.store import Store

    store = Store(results)
    store.must_have_runs()
    print(hub.push_results(store, list(names) or experiments(results), repo, private=private))
    hint(False, f"hf download {repo} --repo-type dataset --local-dir results", "fetches them")
