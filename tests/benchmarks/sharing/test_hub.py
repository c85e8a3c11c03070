"""What is pushed to the hub is what was exported and published, and comes back as such; a server stands in for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard, HfApi, constants
from transformers import AutoModelForSequenceClassification

from analysis.results import Results
from benchmarks.cli import app as cli
from benchmarks.errors import UsageError
from benchmarks.sharing import hub
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.parents import read_weights
from tests.benchmarks.sharing.hub_server import TOKEN, HubServer, hub_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub_server() as running_server:
        yield running_server


@pytest.fixture
def api(server: HubServer) -> HfApi:
    return HfApi(endpoint=server.address, token=TOKEN)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    results = Store(tmp_path / "results")
    results.prepare()
    return results


def test_a_pushed_model_is_loaded_from_what_comes_back(
    server: HubServer, api: HfApi, store: Store, little_bert: Path, glue: Path, tmp_path: Path
) -> None:
    spec = RunSpec(task="rte", model=str(little_bert), max_steps=1, head="mean")
    job = replace(make_job(spec, Source("local", glue)), keep_weights=True)
    assert execute(job, store).state == "done"
    assert hub.push_model(store, job.key, "me/rte", licence="mit", private=True, api=api) == f"{server.address}/me/rte"
    files = server.repositories["model", "me/rte"]
    assert server.private["model", "me/rte"]
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert b"license: mit" in files["README.md"]
    assert str(glue).encode() not in files["README.md"]
    folder = api.snapshot_download("me/rte", cache_dir=tmp_path / "cache")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for name, value in read_weights(store.weights(job.key)).items():
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), value.numpy())


def test_pushed_results_are_a_data_set_and_a_results_folder(
    server: HubServer,
    api: HfApi,
    little_bert: Path,
    glue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["run", "compare", "--tasks", "rte", "--methods", "vanilla", "--seeds", "1", "--set", "max_steps=1"]
    words += ["--model", str(little_bert), "--data-dir", str(glue), "--results", str(tmp_path / "results"), "--quiet"]
    monkeypatch.setattr(sys, "argv", ["smart-repro", *words])
    assert cli.run_command(words) == 0
    store = Store(tmp_path / "results")
    assert hub.push_results(store, ["compare"], "me/runs", api=api) == f"{server.address}/datasets/me/runs"
    folder = Path(api.snapshot_download("me/runs", repo_type="dataset", cache_dir=tmp_path / "cache"))
    (key,) = store.done_keys()
    fetched = Results(folder)
    pushed, original = (opened.predictions(key, "rte", "dev") for opened in (fetched, Results(store.root)))
    answers = ["id", "epoch", "label", "prediction"]
    pd.testing.assert_frame_equal(pushed[answers], original[answers], check_exact=True)
    pd.testing.assert_frame_equal(pushed, original, rtol=2**-11)  # logits as float16
    assert fetched.manifest("compare").all_keys() == Results(store.root).manifest("compare").all_keys()
    card = DatasetCard.load(folder / "README.md")
    (config,) = card.data.configs
    rows = load_dataset("parquet", data_files=str(folder / config["data_files"]), cache_dir=str(tmp_path / "datasets"))
    row = next(row for row in rows["train"] if row["split"] == "dev")
    expected = Results(store.root).run(key).result["scores"]["rte"]["dev"]["accuracy"]
    assert (row["run"], row["metric"], row["value"]) == (key, "accuracy", expected)
    assert str(glue) not in "".join(str(value) for value in server.repositories["dataset", "me/runs"].values())


def test_the_hubs_refusals_say_what_to_do(
    server: HubServer, api: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("# nothing\n")

    def push(repo: str, api: HfApi) -> None:
        hub.upload(tmp_path, repo, "model", False, "a message", api)

    with pytest.raises(UsageError, match=r"the hub refuses me/x \(401\): log in with `hf auth login`"):
        push("me/x", HfApi(endpoint=server.address, token="hf_" + "y" * 34))
    with pytest.raises(UsageError, match="'me/x y' is no name of a repository: give OWNER/NAME"):
        push("me/x y", api)
    with pytest.raises(UsageError, match="the hub cannot be reached for me/x"):
        push("me/x", HfApi(endpoint="http://127.0.0.1:9", token=TOKEN))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="switched off by HF_HUB_OFFLINE=1: unset it"):
        push("me/x", api)
