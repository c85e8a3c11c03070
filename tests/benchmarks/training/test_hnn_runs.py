"""HNN as runs of the suite: the demo learns, sides are recorded, keys and guards, the submission of WNLI."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.sharing.submission import submit
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.training import models
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.prepared import places, prepare
from benchmarks.training.sides import SIDES

SPEC = RunSpec(
    task="demo-wnli",
    model="tiny",
    head="hnn",
    max_length=32,
    learning_rate=2e-3,
    head_learning_rate=2e-2,
    batch_size=32,
    epochs=1,
    max_train_samples=64,
    predict=("holdout", "train"),
)
GENERATED = Source("generated")


def test_a_run_records_each_sides_accuracy_beside_the_means(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    job = make_job(replace(SPEC, predict=("holdout",)), GENERATED)
    assert execute(job, store).state == "done"
    folder = store.runs / job.key
    result = json.loads((folder / "result.json").read_text())
    sides = result["sides"]["demo-wnli.holdout"]
    assert set(sides) == set(SIDES)
    assert sides["mean"] == result["scores"]["demo-wnli"]["holdout"]["accuracy"]
    table = pd.read_parquet(folder / "predictions" / "demo-wnli.holdout.parquet")
    assert sides["mean"] == (table["prediction"] == table["label"]).mean()


def test_the_language_head_of_tiny_is_its_own_and_enters_the_key() -> None:
    files = models.resolve("tiny")
    assert files.weights_for("mean") == files.weights
    assert files.weights_for("hnn") == files.weights_for("hnn-released") != files.weights
    plain = make_job(replace(SPEC, head="mean"), GENERATED)
    assert plain.key != make_job(SPEC, GENERATED).key


def test_an_example_is_its_candidates_and_keeps_its_number() -> None:
    data = prepare(SPEC, GENERATED)
    whole = {each.split: each for each in data.evaluated}
    assert len(data.train) + len(whole["holdout"].rows) == 64
    assert int(data.train.batch(np.arange(2))["sequence"].max()) == 3
    assert not set(data.train.ids) & set(whole["holdout"].encoded.ids)  # type: ignore[union-attr]


def test_a_run_trained_on_wnli_is_never_scored_on_wsc() -> None:
    direct = RunSpec(task="wnli", head="hnn", predict=("wsc:test",))
    later = RunSpec(task="dprd", head="hnn", predict=("wsc273:test",), init_from=replace(direct, predict=("dev",)))
    for run in (direct, later):
        with pytest.raises(UsageError, match=r"trained on wnli is never scored on wsc.*278 of the 285 texts"):
            places(run)
    assert places(RunSpec(task="dprd", head="hnn", predict=("wsc:test", "wnli:dev"))) == [
        ("wsc", "test"),
        ("wnli", "dev"),
    ]


def test_several_tasks_are_refused() -> None:
    with pytest.raises(UsageError, match="head hnn trains one task"):
        RunSpec(task="dprd", with_tasks=("wnli",), head="hnn")


def test_a_run_on_dprd_predicts_wnli_by_the_better_candidate(real_data: Path) -> None:
    run = RunSpec(task="dprd", model="minilm", head="hnn", predict=("wnli:dev",), max_train_samples=8)
    data = prepare(run, Source("local", real_data))
    (dev,) = data.evaluated
    logits = np.array([[0.4, 0.6], [0.6, 0.4]])
    assert dev.own_classes(logits) is logits
    assert TASKS["wnli"].head.labels[1] == "entailment"  # type: ignore[union-attr]
    assert any("3 rows without a rival phrase" in note for note in data.notes)
    with pytest.raises(UsageError, match="nothing to do with each other"):
        prepare(replace(run, head="mean"), Source("local", real_data))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_of_the_experiment_is_an_hnn_in_every_profile(profile: str) -> None:
    experiment = PROFILES[profile](EXPERIMENTS["hnn"]())
    heads = {row: spec.head for row, _, _, spec in experiment.specs()}
    assert heads == {
        "hnn": "hnn",
        "hnn-released": "hnn-released",
        "hnn-smart[shared]": "hnn",
        "hnn-smart[independent]": "hnn",
        "hnn-sda": "hnn",
    }
    trained = {spec.task for *_, spec in experiment.specs()}
    assert trained == {"demo-wnli" if profile == "demo" else "dprd"}


def test_the_printed_wnli_of_smart_stands_beside_hnn_alone() -> None:
    table = EXPERIMENTS["smart-table2"]()
    placed = {number.row: number.column for number in table.published if number.value == 91.8}
    assert placed == {f"hnn-smart[{r}]": "wnli.accuracy.test@HNN" for r in ("shared", "independent")}


def test_the_rows_of_hnn_in_table_2_can_be_submitted(tmp_path: Path) -> None:
    """A grid whose HNN row was run: its WNLI predictions become WNLI.tsv, in the words of GLUE's files."""
    table = replace(EXPERIMENTS["smart-table2"](), seeds=(0,))
    keys = {(row, place, seed): f"{index:032x}" for index, (row, place, seed, _) in enumerate(table.specs())}
    key = keys["hnn-smart[shared]", "dprd@HNN", 0]
    folder = tmp_path / "runs" / key / "predictions"
    folder.mkdir(parents=True)
    chosen = np.arange(146) % 2
    frame = pd.DataFrame({"id": [str(i) for i in range(146)], "epoch": 1, "prediction": chosen})
    frame.to_parquet(folder / "wnli.test.parquet")
    manifest: Manifest = table.manifest(keys, {})
    place = tmp_path / "experiments" / manifest.name
    place.mkdir(parents=True)
    (place / f"{manifest.grid}.json").write_text(json.dumps(manifest.to_json()))
    path = tmp_path / "glue.zip"
    written = submit(tmp_path, "smart-table2", "hnn-smart[shared]", 0, path, tasks=["wnli"])
    assert written == {"wnli": 146}
