"""Exported models and published results as repositories of the Hugging Face hub.

A push uploads what :mod:`benchmarks.sharing.export` and :mod:`benchmarks.sharing.publish` write, and nothing else:
their checks of what may be passed on apply to uploads too. The hub's client finds the token and the endpoint, and
handles large files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import DatasetCard, DatasetCardData, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from analysis.results import Results
from benchmarks.errors import UsageError
from benchmarks.sharing.export import export
from benchmarks.sharing.publish import publish
from benchmarks.store.store import Store

_SCORES = "scores.parquet"


def push_model(
    store: Store, key: str, repo: str, *, licence: str = "", private: bool = False, api: HfApi | None = None
) -> str:
    """Export a finished run and upload it as a model; return its address.

    Raises: UsageError: as :func:`benchmarks.sharing.export.export`; or the hub refuses, or cannot be reached.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        export(store, key, folder, licence)
        return upload(folder, repo, "model", private, f"Run {key} of smart-repro", api or HfApi())


def push_results(
    store: Store, names: Iterable[str], repo: str, *, private: bool = False, api: HfApi | None = None
) -> str:
    """Publish the finished runs of experiments and upload them as a data set; return its address.

    Raises: UsageError, ResultsError: as :func:`benchmarks.sharing.publish.publish`; or the hub refuses, or cannot be
        reached.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, experiments = Path(scratch) / "results", list(names)
        publication = publish(store, experiments, folder)
        if not publication.runs:
            raise UsageError(f"no run of {', '.join(experiments)} is finished: `smart-repro run` does them")
        pq.write_table(pa.Table.from_pylist(list(_score_rows(folder))), folder / _SCORES)
        (folder / "README.md").write_text(_results_card(repo, experiments, folder), encoding="utf-8")
        return upload(folder, repo, "dataset", private, f"{publication.runs} runs of smart-repro", api or HfApi())


def _score_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a row per run, split and metric: what the hub's viewer and ``load_dataset`` show."""
    store, results = Store(folder), Results(folder)
    for key in sorted(store.done_keys()):
        run, spec = results.run(key), store.spec(key)
        identity = {"run": key, "model": spec.model.rsplit("/", 1)[-1], "method": spec.choice.label, "seed": spec.seed}
        for task, splits in run.result["scores"].items():
            for split, metrics in splits.items():
                for metric, value in metrics.items():
                    yield {**identity, "task": task, "split": split, "metric": metric, "value": float(value)}


def _results_card(repo: str, names: Iterable[str], folder: Path) -> str:
    data = DatasetCardData(
        tags=["smart-repro"],
        pretty_name=f"smart-repro: {', '.join(names)}",
        configs=[{"config_name": "scores", "data_files": _SCORES, "default": True}],
    )
    notice = (folder / "NOTICE.md").read_text(encoding="utf-8").replace("# Published runs\n", "")
    loading = (
        f'`datasets.load_dataset("{repo}")` gives a row per run, split and metric. For tables, figures and verdicts\n'
        f"fetch it all: `hf download {repo} --repo-type dataset --local-dir {folder.name}`."
    )
    return str(DatasetCard(f"---\n{data.to_yaml()}\n---\n\n# Runs of smart-repro\n\n{loading}\n{notice}"))


def upload(folder: Path, repo: str, kind: str, private: bool, message: str, api: HfApi) -> str:
    """Upload a folder as a repository of the hub; return its address. Raises: UsageError: if the hub refuses."""
    with _explained(repo):
        address = api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, repo_type=kind, folder_path=folder, commit_message=message)
    return str(address)


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise UsageError("the hub is switched off by HF_HUB_OFFLINE=1: unset it to push") from error
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is no name of a repository: give OWNER/NAME ({error})") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        remedy = "log in with `hf auth login`, as somebody who may write there" if status in (401, 403) else "try again"
        raise UsageError(f"the hub refuses {repo} ({status}): {remedy}") from error
    except Exception as error:
        # the client's versions talk through different libraries, each with errors of its own
        if type(error).__module__.partition(".")[0] not in ("httpx", "httpx2", "requests"):
            raise
        raise UsageError(f"the hub cannot be reached for {repo}: {error}") from error
