"""One run from spec to folder: what is in it, that it recomputes, that it repeats, that it survives being stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import scores
from benchmarks.errors import DataError
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.training import environment, prepared
from benchmarks.training import execute as running
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.prepared import Prepared
from smart_repro.methods import METHODS


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def spec(little_bert: Path) -> RunSpec:
    return RunSpec(
        task="rte",
        method="smart",
        model=str(little_bert),
        epochs=2,
        learning_rate=1e-3,
        predict=("dev", "holdout", "train"),
    )


def store_in(path: Path) -> Store:
    store = Store(path)
    store.prepare()
    return store


def files(store: Store, key: str) -> dict[str, bytes]:
    folder = store.runs / key
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_checkout_on_a_machine_without_git_runs_and_names_no_commit(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "benchmarks" / "training"
    package.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    environment.commit.cache_clear()
    try:
        assert environment.environment(spec)["commit"] == ""
    finally:
        environment.commit.cache_clear()


@pytest.mark.parametrize("task", ["rte", "cola", "stsb"])
def test_a_run_folder_is_complete_and_its_scores_recompute_from_the_predictions(
    task: str, spec: RunSpec, source: Source, tmp_path: Path
) -> None:
    store, job = store_in(tmp_path), make_job(replace(spec, task=task), source)
    outcome = execute(job, store)
    assert outcome.state == "done", outcome.message
    found = files(store, job.key)
    assert {"spec.json", "environment.json", "result.json", "history.jsonl"} < set(found)
    assert not any("checkpoint" in name for name in found)
    result = json.loads(found["result.json"])
    assert result["key"] == job.key
    assert result["steps"] == 8
    for split in ("dev", "holdout", "train"):
        frame = pd.read_parquet(store.runs / job.key / "predictions" / f"{task}.{split}.parquet")
        assert sorted(frame["epoch"].unique()) == ([2] if split == "train" else [1, 2])
        last = frame[frame["epoch"] == 2]
        for metric in TASKS[task].metrics:
            again = scores.score(metric, last["label"].to_numpy(), last["prediction"].to_numpy())
            assert result["scores"][task][split][metric] == again
        logits = last.filter(like="logit_").to_numpy()
        expected = logits[:, 0] if task == "stsb" else logits.argmax(1)
        assert np.array_equal(last["prediction"].to_numpy(), expected)


def test_train_holdout_and_dev_are_as_the_spec_says(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    data = running.prepare(replace(spec, max_train_samples=40), source)
    sizes = {each.split: len(each.rows) for each in data.evaluated}
    assert (len(data.train), sizes) == (36, {"dev": 30, "holdout": 4, "train": 36})
    train, holdout = (set(each.rows.ids) for each in data.evaluated if each.split != "dev")
    assert not train & holdout
    whole, part = (_rows_used(running.prepare(replace(spec, max_train_samples=n), source)) for n in (40, 20))
    assert (len(whole), len(part)) == (40, 20)
    assert part < whole


def _rows_used(data: Prepared) -> set[int]:
    aside = next(each for each in data.evaluated if each.split == "holdout")
    return {*data.train.ids.tolist(), *aside.encoded.ids.tolist()}


def test_history_holds_every_update_and_epoch(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    store, job = store_in(tmp_path), make_job(spec, source)
    execute(job, store)
    lines = [json.loads(line) for line in (store.runs / job.key / "history.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "event" not in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    assert {"loss", "task", "smoothness", "bregman", "max_abs_delta", "lr", "start_share"} <= set(steps[0])
    assert [(line["epoch"], line["step"]) for line in lines if line.get("event") == "epoch"] == [(1, 4), (2, 8)]


def test_the_same_spec_twice_gives_identical_predictions_bit_for_bit(
    spec: RunSpec, source: Source, tmp_path: Path
) -> None:
    job = make_job(spec, source)
    stores = [store_in(tmp_path / name) for name in ("a", "b")]
    found = []
    for store in stores:
        execute(job, store)
        found.append(
            {name: content for name, content in files(store, job.key).items() if name.startswith(("pred", "hist"))}
        )
    assert len(found[0]) == 4
    assert found[0] == found[1]


def test_a_finished_run_is_not_trained_again(
    spec: RunSpec, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, job = store_in(tmp_path), make_job(spec, source)
    execute(job, store)
    monkeypatch.setattr(running, "train", lambda *args, **kwargs: pytest.fail("it trained again"))
    assert execute(job, store).state == "skipped"


@pytest.mark.parametrize("stop_at", [1, 3, 4, 5])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    spec: RunSpec, source: Source, tmp_path: Path, stop_at: int
) -> None:
    job = make_job(spec, source)
    whole, stopped = store_in(tmp_path / "whole"), store_in(tmp_path / "stopped")
    execute(job, whole)
    calls = iter(range(1, 100))
    outcome = execute(job, stopped, should_stop=lambda: next(calls) == stop_at)
    assert outcome.state == "interrupted"
    assert not stopped.is_done(job.key)
    assert execute(job, stopped).state == "done"
    first, second = files(whole, job.key), files(stopped, job.key)
    assert {name: content for name, content in first.items() if name.startswith("pred")} == {
        name: content for name, content in second.items() if name.startswith("pred")
    }
    history = [json.loads(line) for line in second["history.jsonl"].splitlines()]
    assert [line for line in history if line.get("event") == "resume"] == [{"event": "resume", "step": stop_at}]
    assert [line for line in history if line.get("event") != "resume"] == [
        json.loads(line) for line in first["history.jsonl"].splitlines()
    ]


def test_a_loss_that_explodes_is_a_failure_with_its_history_kept(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    job = make_job(replace(spec, learning_rate=1e30, clip=None, optimizer="adam", warmup=0.0, method="vanilla"), source)
    outcome = execute(job, store)
    assert outcome.state == "failed"
    assert "not finite" in outcome.message
    state = store.states([job.key])[job.key]
    assert (state.state, state.detail.split(":")[0]) == ("failed", "non-finite")
    assert list((store.inflight / job.key).glob("attempt-*/history.jsonl"))
    assert not store.is_done(job.key)


@pytest.mark.parametrize(
    ("clip", "message"), [(1.0, "the gradient is not finite at update 8: lr="), (None, "the logits of rte.dev are")]
)
def test_a_run_whose_last_gradient_is_nan_is_a_failure_although_its_loss_is_finite(
    clip: float | None, message: str, spec: RunSpec, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are NaN after that update; without clipping no gradient is measured, and the logits show it."""
    plain_loss, updates = METHODS["vanilla"].loss, iter(range(1, 100))

    def loss(method: Any, model: Any, batch: Any) -> Any:
        value = plain_loss(method, model, batch)
        zero = value.total - value.total
        return replace(value, total=value.total + (torch.sqrt(zero) if next(updates) == 8 else zero))

    monkeypatch.setattr(METHODS["vanilla"], "loss", loss)
    store, job = store_in(tmp_path), make_job(replace(spec, method="vanilla", clip=clip), source)
    outcome = execute(job, store)
    assert (outcome.state, store.states([job.key])[job.key].detail.split(":")[0]) == ("failed", "non-finite")
    assert f"NonFiniteLossError: {message}" in outcome.message


def test_changed_data_or_weights_make_another_key(spec: RunSpec, glue: Path, little_bert: Path, tmp_path: Path) -> None:
    import shutil

    before = make_job(spec, Source("local", glue)).key
    other = tmp_path / "glue_data"
    shutil.copytree(glue, other)
    assert make_job(spec, Source("local", other)).key == before
    lines = (other / "RTE" / "dev.tsv").read_text().splitlines()
    (other / "RTE" / "dev.tsv").write_text("\n".join(lines[:-1]) + "\n")
    prepared.split_in_memory.cache_clear()
    assert make_job(spec, Source("local", other)).key != before
    model = tmp_path / "model"
    shutil.copytree(little_bert, model)
    assert make_job(replace(spec, model=str(model)), Source("local", glue)).key != before


def test_a_data_set_that_is_not_there_is_a_data_error(spec: RunSpec, tmp_path: Path) -> None:
    (tmp_path / "CoLA").mkdir()
    with pytest.raises(DataError, match="rte"):
        make_job(spec, Source("local", tmp_path))


def test_overhead_beyond_training_and_evaluation_is_under_a_second(
    spec: RunSpec, source: Source, tmp_path: Path
) -> None:
    """Spec, store, writing: measured as process time on a warm process."""
    import time

    from smart_repro.train import train as real_train

    spent = []

    def timed(*args: object, **kwargs: object) -> object:
        began = time.process_time()
        try:
            return real_train(*args, **kwargs)  # type: ignore[arg-type]
        finally:
            spent.append(time.process_time() - began)

    store = store_in(tmp_path)
    execute(make_job(spec, source), store)
    job = make_job(replace(spec, seed=1), source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "train", timed)
        began = time.process_time()
        outcome = execute(job, store)
        total = time.process_time() - began
    assert outcome.state == "done"
    assert total - spent[0] < 1.0
