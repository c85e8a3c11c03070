"""Parts hold run folders without a loss, are never rewritten, and never pass damage on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stored_runs import reseal, stored_run

from analysis.integrity import content_digest, inspect, verify
from analysis.integrity.seals import run_files
from analysis.parts import join, packed_runs, part_name, read_part, split
from analysis.parts.cache import VARIABLE
from analysis.records import DamagedError, ResultsError
from analysis.results import Results
from benchmarks.errors import UsageError
from benchmarks.store.files import write_json
from benchmarks.store.parts import contents_digest, write_part
from benchmarks.store.store import Store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    keys = [stored_run(tmp_path / "original" / "runs", seed) for seed in (0, 1, 2)]
    return [tmp_path / "original" / "runs" / key for key in sorted(keys)]


def packed(tmp_path: Path, *groups: list[Path]) -> Store:
    """Return a results folder with a part for each group of runs."""
    for number, group in enumerate(groups):
        write_part(tmp_path / "packed" / "experiments" / f"study-{number}", group)
    return Store(tmp_path / "packed")


def rewrite(run: Path, **columns: Any) -> None:
    """Add columns to a run's predictions, or replace them."""
    path = run / "predictions" / "cola.dev.parquet"
    table = pq.read_table(path)
    for name, values in columns.items():
        place = table.column_names.index(name) if name in table.column_names else len(table.column_names)
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table.add_column(place, name, pa.array(values))
    pq.write_table(table, path)
    reseal(run)


def test_unpacked_runs_have_the_same_texts_and_the_same_digests(tmp_path: Path, runs: list[Path]) -> None:
    rewrite(runs[0], label=np.linspace(0, 5, 40), prediction=np.linspace(1, 4, 40))  # a regression
    rewrite(runs[1], group=[f"g{n % 3}" for n in range(40)], votes_0=np.full(40, 3, np.int16))
    rewrite(runs[2], id=pa.array([f"é{n}" for n in range(40)], pa.large_string()), logit_2=np.zeros(40, np.float32))
    store = packed(tmp_path, runs)
    assert store.done_keys() == {run.name for run in runs}
    for run in runs:
        copy = store.folder(run.name)
        assert run_files(copy) == run_files(run)
        assert verify(copy) == "verified"
        for name in run_files(run):
            assert content_digest(copy / name) == content_digest(run / name), name
            if not name.endswith(".parquet"):
                assert (copy / name).read_bytes() == (run / name).read_bytes()
        assert pq.read_schema(copy / "predictions" / "cola.dev.parquet") == pq.read_schema(
            run / "predictions" / "cola.dev.parquet"
        )
    assert not (store.root / "runs").exists()


def test_a_part_is_a_table_that_pandas_opens(tmp_path: Path, runs: list[Path]) -> None:
    frame = pq.read_table(write_part(tmp_path, runs)).to_pandas()
    dev = frame[(frame["run"] == runs[0].name) & (frame["file"] == "predictions/cola.dev.parquet")]
    stored = Results(tmp_path / "original").predictions(runs[0].name, "cola", "dev")
    assert dev["logit_1"].tolist() == stored["logit_1"].tolist()
    (text,) = frame[(frame["run"] == runs[0].name) & (frame["file"] == "spec.json")]["text"]
    assert json.loads(text)["key"] == runs[0].name


def test_the_same_runs_give_the_same_part(tmp_path: Path, runs: list[Path]) -> None:
    first, second = write_part(tmp_path / "a", runs), write_part(tmp_path / "b", runs)
    assert first.name == second.name == part_name(first.read_bytes())


def test_what_was_left_by_a_failed_write_is_no_part(tmp_path: Path, runs: list[Path]) -> None:
    (runs[0] / "result.json").write_text((runs[0] / "result.json").read_text().replace("1.0", "2.0", 1))
    with pytest.raises(ResultsError, match=f"run {runs[0].name} cannot be packed without a loss: is not what"):
        write_part(tmp_path / "study", runs)
    assert not list((tmp_path / "study").iterdir())


def test_columns_without_a_common_order_are_refused(tmp_path: Path, runs: list[Path]) -> None:
    path = runs[1] / "predictions" / "cola.dev.parquet"
    pq.write_table(pq.read_table(path).select(["id", "epoch", "prediction", "label", "logit_0", "logit_1"]), path)
    reseal(runs[1])
    with pytest.raises(ResultsError, match="columns in another order than other runs"):
        write_part(tmp_path / "study", runs)


@pytest.mark.parametrize(
    ("run", "file"), [("../x", "spec.json"), ("k", "../spec.json"), ("k", "predictions/../../a.parquet"), ("k", "x.py")]
)
def test_no_file_outside_of_a_run_folder_is_unpacked(runs: list[Path], run: str, file: str) -> None:
    table = join(runs[:1])
    for name, value in (("run", run), ("file", file)):
        table = table.set_column(table.column_names.index(name), name, pa.array([value] * len(table)))
    with pytest.raises(ValueError, match="is no file of a run"):
        list(split(table))


def renamed_foreign(path: Path) -> Path:
    """Replace a part by a table of something else, under the name that its bytes ask for."""
    pq.write_table(pa.table({"x": [1, 2]}), path)
    return path.rename(path.with_name(part_name(path.read_bytes())))


def flipped(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-100])
    return path


def emptied(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def misnamed(path: Path) -> Path:
    return path.rename(path.with_name(f"part-{'0' * 32}.parquet"))


def nicknamed(path: Path) -> Path:
    return path.rename(path.with_name("part-final.parquet"))


def deaf(path: Path) -> Path:
    """Replace the list of runs by text that is no JSON."""
    table = pq.read_table(path).replace_schema_metadata({"smart-repro": "[" * 5})
    pq.write_table(table, path)
    return path.rename(path.with_name(part_name(path.read_bytes())))


@pytest.mark.parametrize("damage", [flipped, cut, emptied, misnamed, nicknamed, renamed_foreign, deaf])
def test_a_damaged_part_is_named_and_the_others_stay_readable(
    tmp_path: Path, runs: list[Path], damage: Callable[[Path], Path]
) -> None:
    store = packed(tmp_path, runs[:1], runs[1:])
    (path,) = store.root.glob("experiments/study-0/*")
    path = damage(path)
    with pytest.raises(DamagedError) as error:
        read_part(path)
    assert str(error.value).startswith(f"{path} ")
    assert f"git checkout -- {path}" in str(error.value)
    assert "\n" not in str(error.value)
    store = Store(store.root)
    assert store.done_keys() == {run.name for run in runs[1:]}
    assert store.packed.faults == {path.name: str(error.value)}
    assert store.verify(runs[1].name) == "verified"
    with pytest.raises(UsageError, match="git checkout"):
        store.verify(runs[0].name)
    with pytest.raises(ResultsError, match="git checkout"):
        store.packed.must_be_intact()
    results = Results(store.root)
    assert path.name in results.leave_out_damaged([run.name for run in runs])
    assert results.run_keys() == sorted(run.name for run in runs[1:])


def test_a_part_that_changes_after_it_was_listed_is_not_read(tmp_path: Path, runs: list[Path]) -> None:
    store = packed(tmp_path, runs)
    assert runs[0].name in store.packed.parts
    flipped(store.packed.parts[runs[0].name].path)
    with pytest.raises(DamagedError, match="is not what its name says"):
        store.folder(runs[0].name)


def test_a_part_of_a_newer_version_is_refused(tmp_path: Path, runs: list[Path]) -> None:
    path = write_part(tmp_path / "packed" / "experiments" / "study", runs)
    table = pq.read_table(path).replace_schema_metadata({"smart-repro": json.dumps({"schema": 2, "runs": {}})})
    path.unlink()
    pq.write_table(table, path)
    path.rename(path.with_name(part_name(path.read_bytes())))
    assert "update smart-repro" in packed_runs(tmp_path / "packed").hint()


def test_a_part_without_a_run_that_it_lists_is_refused(tmp_path: Path, runs: list[Path]) -> None:
    path = write_part(tmp_path / "packed" / "experiments" / "study", runs)
    table = pq.read_table(path)
    pq.write_table(table.filter(pa.compute.not_equal(table["run"], runs[0].name)), path)
    path.rename(path.with_name(part_name(path.read_bytes())))
    with pytest.raises(DamagedError, match="does not hold the runs that it lists"):
        Store(tmp_path / "packed").folder(runs[1].name)


def test_the_same_run_may_be_in_two_parts_but_not_two_runs_of_one_key(tmp_path: Path, runs: list[Path]) -> None:
    assert packed(tmp_path, runs[:2], runs[1:]).packed.faults == {}
    rewrite(runs[1], logit_0=np.zeros(40, np.float32))
    store = packed(tmp_path, runs[:1], runs[:1], runs[1:])
    (message,) = store.packed.faults.values()
    paths = sorted(map(str, store.root.glob("experiments/*/*.parquet")))
    named = [path for path in paths if path in message]
    assert len(named) == 2
    assert message.endswith(f"hold different runs {runs[1].name}: delete the wrong one")
    assert store.done_keys() == {runs[0].name, runs[2].name}


def test_a_run_that_two_machines_made_with_the_same_results_is_used_once(tmp_path: Path, runs: list[Path]) -> None:
    first = write_part(tmp_path / "packed" / "experiments" / "a", runs)
    for run in runs:
        for name, change in (("result.json", {"seconds": 9.0}), ("environment.json", {"torch": "3"})):
            write_json(run / name, {**json.loads((run / name).read_text()), **change})
        reseal(run)
    store = packed(tmp_path, runs[:2])
    assert store.packed.faults == {}
    assert {part.path for part in store.packed.parts.values()} == {first}
    for run in runs[:2]:
        result = json.loads((run / "result.json").read_text())
        write_json(run / "result.json", {**result, "scores": {"cola": {"dev": {"accuracy": 0.0}}}})
        reseal(run)
    write_part(store.root / "experiments" / "c", runs[:2])
    store = Store(store.root)
    (message,) = store.packed.faults.values()
    assert message.endswith(f"hold different runs {runs[0].name}, {runs[1].name}: delete the wrong one")
    assert store.done_keys() == {runs[2].name}


def test_a_run_of_other_bytes_and_the_same_content_is_the_same_run(tmp_path: Path, runs: list[Path]) -> None:
    store = packed(tmp_path, runs[:1])
    path = runs[0] / "predictions" / "cola.dev.parquet"
    pq.write_table(pq.read_table(path), path, compression="none")
    reseal(runs[0])
    write_part(store.root / "experiments" / "later", runs)
    assert packed_runs(store.root).faults == {}


def test_a_run_in_a_part_cannot_be_removed(tmp_path: Path, runs: list[Path]) -> None:
    store = packed(tmp_path, runs)
    part = store.packed.parts[runs[0].name].path
    with pytest.raises(UsageError, match=f"run {runs[0].name} is sealed in {part}, which is never rewritten"):
        store.remove(runs[0].name)
    assert store.verify(runs[0].name) == "verified"


@pytest.mark.parametrize("files", [[], ["spec.json"]])
def test_a_damaged_folder_of_a_run_in_a_part_is_removed_and_the_part_is_read(
    tmp_path: Path, runs: list[Path], files: list[str]
) -> None:
    store = packed(tmp_path, runs)
    key = runs[0].name
    (store.runs / key).mkdir(parents=True)
    for name in files:
        shutil.copy(runs[0] / name, store.runs / key / name)
    with pytest.raises(DamagedError, match=f"`smart-repro runs remove {key} --results {store.root}`"):
        store.verify(key)
    store.remove(key)
    assert store.verify(key) == "verified"


def test_a_damaged_unpacked_copy_is_named_with_what_to_delete(tmp_path: Path, runs: list[Path], cache: Path) -> None:
    store = packed(tmp_path, runs)
    folder = store.folder(runs[0].name)
    assert folder.is_relative_to(cache)
    flipped(folder / "predictions" / "cola.dev.parquet")
    message = inspect(folder).message
    assert f"delete {folder.parent}, which is unpacked again from its part" in message
    shutil.rmtree(folder.parent)
    assert store.verify(runs[0].name) == "verified"


@pytest.mark.parametrize("place", ["off", "a file"])
def test_without_a_cache_runs_are_read_from_a_temporary_folder(
    tmp_path: Path, runs: list[Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, "off" if place == "off" else str(tmp_path / "file"))
    store = packed(tmp_path, runs)
    assert store.verify(runs[0].name) == "verified"
    assert contents_digest(store.folder(runs[0].name)) == contents_digest(runs[0])


def test_a_part_is_unpacked_once_and_the_results_folder_is_left_alone(tmp_path: Path, runs: list[Path]) -> None:
    store = packed(tmp_path, runs)
    before = sorted(store.root.rglob("*"))
    inode = store.folder(runs[0].name).stat().st_ino
    assert Store(store.root).folder(runs[0].name).stat().st_ino == inode
    assert sorted(store.root.rglob("*")) == before
