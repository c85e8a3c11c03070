"""Published parts: the reduced form changes no score, says what it lacks, and every verb reads it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stored_runs import reseal, stored_run

from analysis.comparison import compare
from analysis.parts.cache import VARIABLE
from analysis.records import ResultsError, read_table
from analysis.results import Results, load_manifest
from analysis.schema import Column
from analysis.selection import best_epoch
from benchmarks.engine.plan import make_plan
from benchmarks.errors import UsageError
from benchmarks.sharing.publish import publish
from benchmarks.store.files import write_json
from benchmarks.store.reduction import HALF, LAST, WHOLE, differing_predictions, form_for, forms_of, reduced
from benchmarks.store.store import Store
from benchmarks.training.parents import _logits
from tests.benchmarks.cli.test_cli import Shell, shell

__all__ = ["shell"]  # a fixture

EPOCHS, ITEMS = 3, 40


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return four runs of three epochs and their manifest."""
    store = Store(tmp_path / "results")
    cells = {method: {"cola": [trained(store, seed, method) for seed in (0, 1)]} for method in ("vanilla", "smart")}
    manifest(store.root, "compare", cells)
    return store


def trained(store: Store, seed: int, method: str) -> str:
    """Write a run with predictions of three epochs and a history of 100 updates."""
    key = stored_run(store.runs, seed, method=method, options={}, with_tasks=[])
    folder = store.runs / key
    path = folder / "predictions" / "cola.dev.parquet"
    last = pq.read_table(path)
    rng = np.random.default_rng(seed)
    epochs = []
    for epoch in range(1, EPOCHS):
        logits = rng.normal(size=(ITEMS, 2)).astype(np.float32)
        frame = last.to_pandas().assign(epoch=np.int32(epoch), prediction=logits.argmax(1))
        epochs.append(frame.assign(logit_0=logits[:, 0], logit_1=logits[:, 1]))
    labels = np.tile(np.random.default_rng(9).integers(0, 2, ITEMS), EPOCHS)  # the same for every seed
    frame = pd.concat([*epochs, last.to_pandas().assign(epoch=np.int32(EPOCHS))]).assign(label=labels)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    accuracy = float((frame["label"] == frame["prediction"])[-ITEMS:].mean())
    result = json.loads((folder / "result.json").read_text())
    write_json(folder / "result.json", {**result, "scores": {"cola": {"dev": {"accuracy": accuracy}}}})
    lines = [json.dumps({"step": step, "epoch": step / 34, "loss": 1 / step}) for step in range(1, 101)]
    (folder / "history.jsonl").write_text("\n".join(lines) + "\n")
    reseal(folder)
    return key


def manifest(root: Path, name: str, cells: dict[str, dict[str, list[str]]], metric: str = "accuracy") -> None:
    (root / "experiments" / name).mkdir(parents=True, exist_ok=True)
    write_json(
        root / "experiments" / name / "0123abcd.json",
        {
            "schema": 2,
            "name": name,
            "title": "A comparison",
            "grid": "0123abcd",
            "rows": [{"id": row, "title": row, "method": row} for row in cells],
            "columns": [{"id": f"cola.{metric}", "task": "cola", "metric": metric, "split": "dev", "title": "CoLA"}],
            "seeds": [0, 1],
            "cells": cells,
            "baseline_row": "vanilla",
            "published": [],
            "claims": [],
            "layout": "methods-by-tasks",
            "warnings": [],
            "reasons_missing": {},
            "commands": {"run": "smart-repro run compare", "rerun_cell": "smart-repro runs rerun KEY"},
        },
    )


@pytest.fixture
def published(store: Store, tmp_path: Path) -> Store:
    publish(store, ["compare"], tmp_path / "published")
    return Store(tmp_path / "published")


def parts(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in store.root.glob("experiments/*/part-*")}


# --- what is kept ---


def test_the_last_epoch_keeps_its_logits_and_every_epoch_its_answers(store: Store, published: Store) -> None:
    assert published.done_keys() == store.done_keys()
    for key in store.done_keys():
        whole, kept = (Results(side.root).predictions(key, "cola", "dev", "all") for side in (store, published))
        answers = ["id", "epoch", "label", "prediction"]
        pd.testing.assert_frame_equal(whole[answers], kept[answers])
        early, logits = kept["epoch"] < EPOCHS, ["logit_0", "logit_1"]
        assert kept.loc[early, logits].isna().all(axis=None)
        half = whole.loc[~early, logits].astype(np.float16).astype(np.float32)
        pd.testing.assert_frame_equal(kept.loc[~early, logits], half)
        stored = pq.read_schema(published.folder(key) / "predictions" / "cola.dev.parquet")
        assert [str(stored.field(name).type) for name in ("label", "prediction", "logit_0")] == [
            *("int8", "int8", "halffloat")
        ]


def test_a_run_says_what_was_left_out(shell: Shell, published: Store) -> None:
    key = min(published.done_keys())
    code, out, _ = shell("show", f"run:{key[:8]}", "--results", published.root)
    assert code == 0
    assert "left out when published:" in out
    for line in (
        "logits of all epochs but the last, of cola.dev",
        "digits of logits beyond float16, of cola.dev",
        "the single updates: the history has at most 60 points",
    ):
        assert line in out


def logits_table(logits: list[list[float]], **columns: Any) -> pa.Table:
    values = np.array(logits, dtype=np.float32)
    names = {f"logit_{place}": values[:, place] for place in range(values.shape[1])}
    ids = [str(number) for number in range(len(values))]
    answers = {"label": np.zeros(len(ids), np.int64), "prediction": values.argmax(1)}
    return pa.table({"id": ids, "epoch": np.ones(len(ids), np.int32), **answers, **names, **columns})


@pytest.mark.parametrize(
    ("logits", "columns", "form"),
    [
        ([[0.1, 0.2], [2.0, -1.0]], {}, HALF),
        ([[1.0, 1.0001], [2.0, -1.0]], {}, LAST),  # equal in float16, where the first one would be the answer
        ([[1.0001, 1.0], [2.0, -1.0]], {}, HALF),  # equal too, and the first one is the answer
        ([[1e5, 2e5]], {}, LAST),  # infinite
        ([[1.25]], {}, LAST),  # a regression: its prediction is the logit
        ([[0.1, 0.2]], {"votes_0": np.array([5], np.int16)}, LAST),  # distributions are compared
    ],
)
def test_logits_are_float16_only_where_no_answer_changes(
    logits: list[list[float]], columns: dict[str, Any], form: str
) -> None:
    table = logits_table(logits, **columns)
    assert form_for(table, is_scored=False) == form
    assert form_for(table, is_scored=True) == WHOLE
    answers = np.stack([reduced(table, form)[f"logit_{c}"].to_numpy() for c in range(len(logits[0]))], 1).argmax(1)
    assert answers.tolist() == table["prediction"].to_pylist()
    assert reduced(reduced(table, form), form).equals(reduced(table, form))


def test_what_a_metric_of_logits_scores_stays_whole(store: Store, tmp_path: Path) -> None:
    cells = Results(store.root).manifest("compare").cells
    manifest(store.root, "soft", {row: {"cola": list(keys["cola"])} for row, keys in cells.items()}, "cross_entropy")
    publish(store, ["compare", "soft"], tmp_path / "published")
    for key in store.done_keys():
        frames = [Results(root).predictions(key, "cola", "dev", "all") for root in (store.root, tmp_path / "published")]
        pd.testing.assert_frame_equal(*frames)
        assert forms_of(Store(tmp_path / "published").folder(key)) == {"cola.dev": WHOLE}


def test_large_answers_keep_their_type() -> None:
    table = logits_table([[0.0, 1.0]]).set_column(2, "label", pa.array([128]))
    assert str(reduced(table, HALF)["label"].type) == "int64"
    assert str(reduced(table, HALF)["prediction"].type) == "int8"


# --- append-only ---


def test_publishing_again_adds_nothing_and_new_runs_become_a_further_part(store: Store, published: Store) -> None:
    before = parts(published)
    assert publish(store, ["compare"], published.root).new == 0
    assert parts(published) == before
    cells = {row: {"cola": list(keys["cola"])} for row, keys in Results(store.root).manifest("compare").cells.items()}
    manifest(store.root, "more", {**cells, "sda": {"cola": [trained(store, seed, "sda") for seed in (0, 1)]}})
    done = publish(store, ["compare", "more"], published.root)
    assert (done.runs, done.new) == (6, 2)
    after = parts(published)
    assert before.items() < after.items()
    (new,) = after.keys() - before.keys()
    assert new.startswith("experiments/more/part-")
    assert len(Store(published.root).done_keys()) == 6


def test_nothing_is_added_to_a_folder_with_a_damaged_part(store: Store, published: Store) -> None:
    (path,) = published.root.glob("experiments/*/part-*")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ResultsError, match="git checkout"):
        publish(store, ["compare"], published.root)


def test_runs_of_folders_that_were_published_before_stay_as_they_are(store: Store, tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    shutil.copytree(store.runs, tmp_path / "published" / "runs")
    assert publish(store, ["compare"], tmp_path / "published").new == 0
    assert not list((tmp_path / "published").glob("experiments/*/part-*"))


def test_of_a_run_that_was_published_in_two_forms_the_one_with_more_logits_is_used(
    store: Store, published: Store, tmp_path: Path
) -> None:
    cells = Results(store.root).manifest("compare").cells
    manifest(store.root, "soft", {row: {"cola": list(keys["cola"])} for row, keys in cells.items()}, "cross_entropy")
    publish(store, ["soft"], tmp_path / "soft")
    for name in ("a-soft", "soft"):  # before and after the other part
        merged = Store(tmp_path / f"merged-{name}")
        shutil.copytree(published.root, merged.root)
        shutil.copytree(tmp_path / "soft" / "experiments" / "soft", merged.root / "experiments" / name)
        assert merged.packed.faults == {}
        for key in store.done_keys():
            assert forms_of(merged.folder(key)) == {"cola.dev": WHOLE}
            assert merged.verify(key) == "verified"


# --- runs without a seal ---


def test_an_unsealed_run_with_other_predictions_is_not_published(store: Store, tmp_path: Path) -> None:
    run = store.folder(min(store.done_keys()))
    (run / "integrity.json").unlink()
    path = run / "predictions" / "cola.dev.parquet"
    frame = pq.read_table(path).to_pandas()
    pq.write_table(pa.Table.from_pandas(frame.assign(prediction=frame["label"]), preserve_index=False), path)
    with pytest.raises(ResultsError, match=r"does not fit the predictions .*runs remove"):
        publish(store, ["compare"], tmp_path / "published")
    assert not Store(tmp_path / "published").done_keys()


def test_sealing_goes_on_after_a_run_that_lacks_a_file(shell: Shell, store: Store) -> None:
    first, second = sorted(store.done_keys())[:2]
    for key in (first, second):
        (store.runs / key / "integrity.json").unlink()
    path = store.runs / first / "predictions" / "cola.dev.parquet"
    path.rename(path.with_name("cola.holdout.parquet"))
    code, out, _ = shell("runs", "seal", "--results", store.root)
    assert (code, out.splitlines()[-1]) == (1, "4 runs: 3 verified, 0 unverified, 1 damaged")
    assert f"{path} does not exist" in out


def test_runs_of_a_plug_in_task_that_is_not_imported_are_published(store: Store, tmp_path: Path) -> None:
    keys = [stored_run(store.runs, seed, task="weather", with_tasks=[]) for seed in (0, 1)]
    manifest(store.root, "plugged", {"vanilla": {"cola": keys}})
    assert publish(store, ["plugged"], tmp_path / "published").new == 2
    notice = (tmp_path / "published" / "NOTICE.md").read_text()
    assert "- CoLA: data of a plug-in, which names their terms\n" in notice


# --- runs that are there already ---


def test_runs_with_other_results_are_named_when_they_are_published_or_unpacked(
    shell: Shell, store: Store, published: Store, tmp_path: Path
) -> None:
    assert shell("runs", "pack", tmp_path / "a.tar.gz", "--results", store.root)[0] == 0
    first, second = sorted(store.done_keys())[:2]
    path = store.runs / first / "predictions" / "cola.dev.parquet"
    frame = pq.read_table(path).to_pandas()
    pq.write_table(pa.Table.from_pandas(frame.assign(logit_0=np.float32(0)), preserve_index=False), path)
    reseal(store.runs / first)
    before = parts(published)
    code, out, err = shell("runs", "publish", published.root, "--results", store.root)
    assert (code, "0 of them new" in out, parts(published)) == (1, True, before)
    assert f"run {first} has other results in {published.root}: `smart-repro runs rerun {first} --results" in err
    (store.runs / second / "history.jsonl").unlink()
    code, out, err = shell("runs", "unpack", tmp_path / "a.tar.gz", "--results", store.root)
    assert (code, out.splitlines()[0]) == (1, "0 new runs, 4 were here already, 0 new tables")
    assert f"run {first} here has other results than the archive's and was kept: `smart-repro runs remove" in err
    assert f"run {second} here is damaged and was kept: `smart-repro runs remove {second} --results" in err


# --- one table of an experiment ---


def smaller_table(store: Store, **changes: Any) -> None:
    """Make a table of fewer rows or seeds the newest one of the results folder."""
    manifest = load_manifest(store.manifests("compare") / "0123abcd.json")
    path = store.write_manifest(replace(manifest, grid="f" * 8, **changes))
    os.utime(path, (2e9, 2e9))


def tables(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.manifests("compare").glob("*.json")}


def test_a_complete_table_is_not_replaced_by_one_with_fewer_seeds_or_rows(store: Store, published: Store) -> None:
    before, cells = tables(published), Results(store.root).manifest("compare").cells
    one_seed = {row: {"cola": keys["cola"][:1]} for row, keys in cells.items()}
    one_row = {"vanilla": cells["vanilla"]}
    unfinished = {row: {"cola": (keys["cola"][0], "f" * 32)} for row, keys in cells.items()}
    rows = Results(store.root).manifest("compare").rows
    for lost, changes in (
        ("seed 1", {"seeds": (0,), "cells": one_seed}),
        ("row smart", {"rows": rows[:1], "cells": one_row}),
        ("more runs of vanilla in cola.accuracy", {"cells": unfinished}),
    ):
        smaller_table(store, **changes)
        with pytest.raises(UsageError, match=f"0123abcd.json is a complete table with {lost}.*or delete that file"):
            publish(store, ["compare"], published.root)
        assert tables(published) == before
    (published.manifests("compare") / "0123abcd.json").unlink()
    publish(store, ["compare"], published.root)
    assert list(tables(published)) == ["ffffffff.json"]


def test_a_table_with_an_unfinished_row_is_replaced_by_one_without_it(store: Store, tmp_path: Path) -> None:
    target, cells = Store(tmp_path / "published"), Results(store.root).manifest("compare").cells
    manifest(store.root, "compare", {"vanilla": cells["vanilla"], "sda": {"cola": ["f" * 32]}})
    publish(store, ["compare"], target.root)
    smaller_table(store, rows=Results(store.root).manifest("compare").rows[:1], cells={"vanilla": cells["vanilla"]})
    publish(store, ["compare"], target.root)
    assert list(tables(target)) == ["ffffffff.json"]


def test_a_table_that_cannot_be_read_is_not_replaced(store: Store, published: Store) -> None:
    path = published.manifests("compare") / "later.json"
    path.write_text(json.dumps({"schema": 99}))
    with pytest.raises(ResultsError, match=r"later.json: .*newer version"):
        publish(store, ["compare"], published.root)
    assert path.exists()


def test_a_disk_that_is_full_leaves_the_table_that_was_there(
    store: Store, published: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    before = tables(published)
    smaller_table(store)
    monkeypatch.setattr("benchmarks.store.store.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        publish(store, ["compare"], published.root)
    assert tables(published) == before


# --- verbs ---


def test_every_verb_reads_parts(shell: Shell, store: Store, published: Store, tmp_path: Path) -> None:
    keys, results = sorted(published.done_keys()), ("--results", published.root)
    before = parts(published)
    assert len(json.loads(shell("runs", "list", *results, "--json")[1])) == 4
    assert shell("runs", "verify", *results)[:2] == (0, "4 runs: 4 verified, 0 unverified, 0 damaged\n")
    assert shell("runs", "seal", *results)[:2] == (0, "4 runs: 4 verified, 0 unverified, 0 damaged\n")
    assert shell("runs", "show", keys[0], *results)[1].startswith(f"Run {keys[0]}: ")
    code, out, _ = shell("runs", "compare", keys[0], keys[1], *results)
    assert (code, out.splitlines()[0]) == (1, f"runs: {keys[0]}  {keys[1]}")
    assert "4 done" in shell("status", *results)[1]
    assert shell("runs", "pack", tmp_path / "runs.tar.gz", *results)[0] == 0
    assert shell("runs", "unpack", tmp_path / "runs.tar.gz", *results)[1].startswith("0 new runs, 4 were here already")
    assert shell("runs", "unpack", tmp_path / "runs.tar.gz", "--results", tmp_path / "other")[1].startswith("4 new")
    code, _, err = shell("runs", "remove", keys[0], "--yes", *results)
    assert (code, "is sealed in" in err) == (2, True)
    assert shell("report", "compare", "--claims", *results)[0] == 0
    assert published.spec(keys[0]) == store.spec(keys[0])
    assert parts(published) == before
    assert not (published.root / "runs").exists() or not list((published.root / "runs").iterdir())


def test_a_whole_key_names_its_run_beside_a_folder_whose_name_begins_with_it(shell: Shell, store: Store) -> None:
    key = min(store.done_keys())
    shutil.copytree(store.runs / key, store.runs / f"{key}.bak")
    for words in (("runs", "show", key), ("show", f"run:{key}"), ("show", key)):
        code, out, err = shell(*words, "--results", store.root)
        assert (code, out.startswith(f"Run {key}: ")) == (0, True), err
    assert "2 runs begin with" in shell("runs", "show", key[:31], "--results", store.root)[2]
    assert shell("runs", "remove", key, "--yes", "--results", store.root)[0] == 0
    assert {key, f"{key}.bak"} & store.done_keys() == {f"{key}.bak"}


def test_a_table_from_parts_is_the_one_from_the_runs(store: Store, published: Store) -> None:
    tables = [compare(Results(root), Results(root).manifest("compare")) for root in (store.root, published.root)]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["mean"].notna().all()


def test_verbs_name_a_damaged_part_in_one_line(shell: Shell, published: Store) -> None:
    key, results = min(published.done_keys()), ("--results", published.root)
    (path,) = published.root.glob("experiments/*/part-*")
    path.write_bytes(path.read_bytes()[:-9])
    for words, code in (
        (("runs", "verify"), 1),
        (("runs", "list"), 0),
        (("runs", "show", key), 2),
        (("show", f"run:{key}"), 2),
        (("runs", "rerun", key), 2),
        (("status",), 0),
        (("report", "compare", "--claims"), 1),
    ):
        outcome = shell(*words, *results)
        printed = outcome[1] + outcome[2]
        assert outcome[0] == code, words
        assert sum(f"git checkout -- {path}" in line for line in printed.splitlines()) == 1, words
        assert "Traceback" not in printed
    with pytest.raises(ResultsError, match="git checkout"):
        make_plan(cast("Any", None), cast("Any", None), Store(published.root))


# --- comparison with a run that is done again ---


@pytest.mark.parametrize(
    ("column", "epoch", "change", "differs"),
    [
        ("logit_0", 3, 0.01, True),
        ("logit_0", 3, 1e-9, False),
        ("logit_0", 1, 0.01, False),  # not published
        ("prediction", 1, 1, True),
        ("label", 3, 1, True),
    ],
)
def test_a_run_done_again_is_compared_in_the_published_form(
    store: Store, published: Store, column: str, epoch: int, change: float, differs: bool
) -> None:
    key = min(store.done_keys())
    assert differing_predictions(published.folder(key), store.folder(key)) == []
    path = store.folder(key) / "predictions" / "cola.dev.parquet"
    frame = pq.read_table(path).to_pandas()
    row = frame.index[frame["epoch"] == epoch][0]
    frame.loc[row, column] = frame[column].dtype.type(frame.loc[row, column] + change)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    expected = ["cola.dev.parquet"] if differs else []
    assert differing_predictions(published.folder(key), store.folder(key)) == expected


def test_logits_that_were_shortened_are_no_parents(published: Store) -> None:
    with pytest.raises(UsageError, match="was published with float16 logits, which would change its child"):
        _logits(published, min(published.done_keys()), cast("Any", SimpleNamespace(name="cola.dev")))


def test_an_epoch_is_not_chosen_by_logits_that_were_left_out(store: Store, published: Store) -> None:
    column = Column(id="c", task="cola", metric="cross_entropy", split="dev", title="CoLA")
    key = min(store.done_keys())
    assert best_epoch(Results(store.root), key, column) in (1, 2, 3)
    with pytest.raises(ResultsError, match="has no finite logits of epoch 1: it diverged, or was published without"):
        best_epoch(Results(published.root), key, column)
    accuracy = Column(id="c", task="cola", metric="accuracy", split="dev", title="CoLA")
    assert best_epoch(Results(published.root), key, accuracy) == best_epoch(Results(store.root), key, accuracy)


def test_publishing_what_was_published_changes_nothing_in_it(published: Store, tmp_path: Path) -> None:
    publish(published, ["compare"], tmp_path / "again")
    again = Store(tmp_path / "again")
    for key in published.done_keys():
        name = Path("predictions", "cola.dev.parquet")
        assert read_table(again.folder(key) / name).equals(read_table(published.folder(key) / name)) or (
            differing_predictions(again.folder(key), published.folder(key)) == []
        )
        assert forms_of(again.folder(key)) == forms_of(published.folder(key))
