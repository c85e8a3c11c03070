"""Seals: a change of what a run stores is found, another spelling is not, and what is fine is remembered."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from stored_runs import reseal, stored_run

import analysis
from analysis.integrity import DAMAGED, UNVERIFIED, VERIFIED, content_digest, inspect, seal_problems, verified
from analysis.records import DamagedError, digest_of, problem, read_json, with_digest, without_digest
from analysis.results import DamagedRunsWarning, Results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / stored_run(tmp_path / "runs")


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("result.json", lambda c: c["scores"]["cola"]["dev"].update(accuracy=0.9), "result.json"),
        ("result.json", lambda c: c.update(seconds=0.0), "result.json"),
        ("environment.json", lambda c: c.update(torch="3"), "environment.json"),
        ("spec.json", lambda c: c["data"].update(notes=["x"]), "spec.json"),
        ("spec.json", lambda c: c["spec"].update(learning_rate=1.0), "spec.json"),
        ("integrity.json", lambda c: c["files"].pop("result.json"), "integrity.json"),
        ("integrity.json", lambda c: c.update(key="0" * 32), "integrity.json"),
        ("integrity.json", lambda c: c.pop("digest"), "integrity.json"),
    ],
)
def test_a_change_of_a_file_is_found_and_named(run: Path, file: str, change: Any, named: str) -> None:
    assert inspect(run).state == VERIFIED
    rewrite(run / file, change)
    found = inspect(run)
    assert (found.state, found.file) == (DAMAGED, named)
    assert f"`smart-repro runs remove {run.name} --results {run.parents[1]}`" in found.message


def test_another_spelling_of_the_same_content_verifies(run: Path) -> None:
    for name in ("spec.json", "result.json"):
        content = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps(dict(reversed(content.items())), indent=3))
    table = pq.read_table(run / "predictions" / "cola.dev.parquet")
    order = pc.sort_indices(table, sort_keys=[("id", "descending")])
    pq.write_table(table.take(order), run / "predictions" / "cola.dev.parquet", compression="none")
    assert inspect(run).state == VERIFIED


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.set_column(2, "label", pa.array([1 - t["label"][0].as_py(), *t["label"].to_pylist()[1:]])),
        lambda t: t.set_column(0, "id", pa.array(["dev-0x", *t["id"].to_pylist()[1:]])),
        lambda t: t.rename_columns(["id", "epoch", "prediction", "label", "logit_0", "logit_1"]),
        lambda t: t.slice(1),
        lambda t: t.drop_columns(["logit_1"]),
        lambda t: t.set_column(4, "logit_0", pc.cast(t["logit_0"], pa.float64())),
    ],
)
def test_a_table_has_another_digest_when_anything_in_it_differs(run: Path, change: Any) -> None:
    path = run / "predictions" / "cola.dev.parquet"
    before = content_digest(path)
    pq.write_table(change(pq.read_table(path)), path)
    assert content_digest(path) != before


def test_missing_added_and_exchanged_files_are_found(run: Path) -> None:
    other = run.parent / stored_run(run.parent, seed=1)
    shutil.copy(other / "predictions" / "cola.dev.parquet", run / "predictions" / "cola.test.parquet")
    assert inspect(run).reason == "was added after the run was finished"
    (run / "predictions" / "cola.test.parquet").unlink()
    (run / "history.jsonl").unlink()
    assert (inspect(run).file, inspect(run).reason) == ("history.jsonl", "does not exist")
    shutil.rmtree(run)
    other.rename(run)
    assert inspect(run).reason.startswith("is the seal of run")


@pytest.mark.parametrize("sealed", [True, False])
def test_two_exchanged_run_folders_are_found(tmp_path: Path, sealed: bool) -> None:
    one, two = (tmp_path / stored_run(tmp_path, seed, sealed=sealed) for seed in (0, 1))
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    assert {inspect(one).state, inspect(two).state} == {DAMAGED}


def test_a_run_without_a_seal_is_unverified_and_its_scores_are_held_to_its_predictions(tmp_path: Path) -> None:
    run = tmp_path / stored_run(tmp_path, sealed=False)
    assert inspect(run).state == UNVERIFIED
    assert seal_problems(run) == []
    rewrite(run / "result.json", lambda c: c["scores"]["cola"]["dev"].update(accuracy=0.99))
    assert "accuracy 0.990000 is stored, its predictions give" in seal_problems(run)[0]


def test_an_unsealed_run_with_other_predictions_or_without_a_file_of_them_is_damaged(tmp_path: Path) -> None:
    run = tmp_path / stored_run(tmp_path, sealed=False)
    path = run / "predictions" / "cola.dev.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("prediction")
    pq.write_table(table.set_column(place, "prediction", table["label"]), path)
    found = inspect(run)
    assert (found.state, found.file) == (DAMAGED, "result.json")
    assert "does not fit the predictions (cola.dev: accuracy" in found.message
    path.rename(path.with_name("cola.holdout.parquet"))
    found = inspect(run)
    assert (found.state, found.file) == (DAMAGED, "predictions/cola.dev.parquet")
    assert seal_problems(run) == [found.message]


def test_what_was_verified_is_read_again_only_when_it_changed(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in run.rglob("*"):
        os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(verified, "_TICK_NS", -(10**12))
    read: list[str] = []
    monkeypatch.setattr(verified, "inspect", lambda folder: read.append(folder.name) or inspect(folder))
    assert verified.damaged(tmp_path, [run.name]) == {}
    assert verified.damaged(tmp_path, [run.name]) == {}
    assert read == [run.name]
    rewrite(run / "result.json", lambda c: c.update(steps=9))
    assert list(verified.damaged(tmp_path, [run.name])) == [run.name]
    assert list(verified.damaged(tmp_path, [run.name])) == [run.name]  # damage is never remembered
    assert len(read) == 3
    cache = tmp_path / "cache" / "verified.json"
    cache.write_text(cache.read_text().replace("0", "1"))
    assert list(verified.damaged(tmp_path, [run.name])) == [run.name]


def test_files_written_a_moment_ago_are_not_remembered(run: Path, tmp_path: Path) -> None:
    (run / "result.json").write_text((run / "result.json").read_text())
    assert verified.damaged(tmp_path, [run.name]) == {}
    assert not (tmp_path / "cache" / "verified.json").exists()


def test_results_leave_damaged_runs_out(run: Path, tmp_path: Path) -> None:
    other = stored_run(tmp_path / "runs", seed=1)
    rewrite(run / "result.json", lambda c: c.update(steps=9))
    opened = Results(tmp_path)
    assert list(opened.leave_out_damaged(opened.run_keys())) == [run.name]
    assert opened.run_keys() == [other]
    assert not opened.is_done(run.name)


def test_a_run_with_an_edited_score_is_left_out_of_the_frame_of_all_scores(run: Path, tmp_path: Path) -> None:
    other = stored_run(tmp_path / "runs", seed=1)
    rewrite(run / "result.json", lambda c: c["scores"]["cola"]["dev"].update(accuracy=0.999))
    with pytest.warns(
        DamagedRunsWarning, match=f"left out: {run.name}.*`smart-repro runs remove {run.name} --results {tmp_path}`"
    ):
        frame = analysis.load(tmp_path)
    assert frame["key"].unique().tolist() == [other]


def test_a_thinned_copy_is_sealed_with_the_originals_digest(run: Path) -> None:
    original = read_json(run / "integrity.json")
    reseal(run)
    assert read_json(run / "integrity.json") == original


@given(
    st.dictionaries(
        st.text(max_size=4), st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4), max_size=4
    )
)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_digest_travels_with_its_content(content: dict[str, Any]) -> None:
    content.pop("digest", None)
    written = json.loads(json.dumps(with_digest(content)))
    assert without_digest(Path("x"), written) == json.loads(json.dumps(content))
    assert written["digest"] == digest_of(json.loads(json.dumps(content)))
    written["further"] = 1 if "further" not in content else [content["further"]]
    with pytest.raises(DamagedError, match="does not match the digest"):
        without_digest(Path("x"), written)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ({"a": 1}, {"a": int}, None),
        ({"a": True}, {"a": int}, "has True as a"),
        ({"a": 1}, {"a": float}, None),
        ({}, {"a": int}, "lacks a"),
        ({}, {"a?": int}, None),
        ({"a": {"b": "x"}}, {"a": {str: float}}, "has 'x' as a.b"),
        ({"a": [1, None]}, {"a": [int]}, "has None as a[1]"),
        ({"a": None}, {"a": (None, [str])}, None),
        ([], {"a": int}, "holds a list, not an object"),
    ],
)
def test_a_form_names_what_is_not_of_it(value: Any, form: Any, expected: str | None) -> None:
    assert problem(value, form) == expected
