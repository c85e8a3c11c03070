"""Packing runs on one machine and merging them on another: nothing but run files, nothing overwritten."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stored_runs import reseal, stored_run

from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest, Row
from benchmarks.errors import UsageError
from benchmarks.sharing import archive
from benchmarks.sharing.archive import experiments_of, pack, unpack
from benchmarks.store.files import write_json
from benchmarks.store.store import WEIGHTS, Store

KEY, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "here")
    made.prepare()
    return made


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(tmp_path / "there")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_and_their_tables_arrive_as_they_left(store: Store, there: Store, tmp_path: Path) -> None:
    made = tuple(sorted(stored_run(store.runs, seed) for seed in (0, 1)))
    for name, keys in (("mine", made), ("other", ("c" * 32,))):
        cells = {"row": {"cola": keys}}
        store.write_manifest(Manifest(name, name, rows=(), columns=(), seeds=(0, 1), cells=cells, grid="g"))
    store.weights(made[0]).parent.mkdir()
    store.weights(made[0]).write_text("weights stay where they are")
    path = tmp_path / "runs.tar.gz"
    names = experiments_of(store, store.done_keys())
    assert names == ["mine"]
    assert pack(store, path, store.done_keys(), names) == 2
    merged = unpack(there, path)
    assert (merged.new, merged.kept, merged.manifests) == (made, (), 1)
    assert everything(there.runs) == everything(store.runs)
    assert everything(there.manifests("mine")) == everything(store.manifests("mine"))
    assert not (there.root / "weights").exists()
    assert not list(there.inflight.iterdir())


def test_merging_keeps_the_runs_that_are_here(store: Store, there: Store, tmp_path: Path) -> None:
    shared, other = stored_run(store.runs, 0), stored_run(store.runs, 1)
    there.prepare()
    shutil.copytree(store.runs / shared, there.runs / shared)
    (there.runs / shared / "notes.txt").write_text("kept")
    pack(store, tmp_path / "a.tar.gz", store.done_keys())
    merged = unpack(there, tmp_path / "a.tar.gz")
    assert (merged.new, merged.kept) == ((other,), (shared,))
    assert (there.runs / shared / "notes.txt").read_text() == "kept"
    assert unpack(there, tmp_path / "a.tar.gz").new == ()


def test_only_files_a_run_may_have_are_packed(store: Store, tmp_path: Path) -> None:
    key = stored_run(store.runs)
    (store.runs / key / "notes.txt").write_text("private")
    (store.runs / key / WEIGHTS).write_text("weights")
    pack(store, tmp_path / "a.tar.gz", [key])
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        names = {name.removeprefix(f"runs/{key}/") for name in tar.getnames()}
        run_files = {"spec.json", "result.json", "environment.json", "history.jsonl", "integrity.json"}
        assert names == {*run_files, "predictions/cola.dev.parquet", "contents.json"}
        assert {(entry.uname, entry.mtime) for entry in tar} == {("", 0)}


def table(store: Store, grid: str, keys: list[str], time: float) -> None:
    """Write a table of one row with a run per seed, made at this time."""
    rows, columns = (Row("row", "row"),), (Column("cola", "cola", "accuracy"),)
    seeds, cells = tuple(range(len(keys))), {"row": {"cola": tuple(keys)}}
    path = store.write_manifest(Manifest("mine", "mine", rows, columns, seeds=seeds, cells=cells, grid=grid))
    os.utime(path, (time, time))


def newest(store: Store) -> str:
    return Results(store.root).grids("mine")[-1].stem


def test_the_newest_table_is_the_newest_in_another_folder(store: Store, there: Store, tmp_path: Path) -> None:
    keys = [stored_run(store.runs, seed) for seed in (0, 1)]
    for grid, time in (("b", 1e9), ("a", 1e9 + 0.5), ("c", 1e9 - 0.5)):
        table(store, grid, keys, time)
    pack(store, tmp_path / "a.tar.gz", keys, ["mine"])
    assert unpack(there, tmp_path / "a.tar.gz").manifests == 3
    assert newest(store) == newest(there) == "a"


@pytest.mark.parametrize(
    ("time", "seeds", "expected", "lacking"),
    [
        (2e9, 1, "here", {"mine": ["seed 1"]}),  # newer, but it lacks a seed
        (2e9, 3, "packed", {}),
        (1e8, 3, "here", {}),
    ],
)
def test_a_table_joins_others_by_its_time_unless_it_lacks_results_of_the_newest(
    store: Store, there: Store, tmp_path: Path, time: float, seeds: int, expected: str, lacking: dict[str, list[str]]
) -> None:
    keys = [stored_run(store.runs, seed) for seed in range(3)]
    table(store, "packed", keys[:seeds], time)
    pack(store, tmp_path / "a.tar.gz", keys[:seeds], ["mine"])
    shutil.copytree(store.runs, there.runs)
    table(there, "here", keys[:2], 1e9)
    merged = unpack(there, tmp_path / "a.tar.gz")
    assert (merged.manifests, merged.lacking) == (1, lacking)
    assert newest(there) == expected


def test_runs_that_are_here_are_named_if_they_are_damaged_or_have_other_results(
    store: Store, there: Store, tmp_path: Path
) -> None:
    slower, other, damaged = (stored_run(store.runs, seed) for seed in range(3))
    shutil.copytree(store.runs, there.runs)
    for key, change in ((slower, {"seconds": 9.0}), (other, {"scores": {"cola": {"dev": {"accuracy": 0.0}}}})):
        result = json.loads((there.runs / key / "result.json").read_text())
        write_json(there.runs / key / "result.json", {**result, **change})
        reseal(there.runs / key)
    (there.runs / damaged / "history.jsonl").unlink()
    before = everything(there.runs)
    pack(store, tmp_path / "a.tar.gz", store.done_keys())
    merged = unpack(there, tmp_path / "a.tar.gz")
    assert (merged.differing, merged.damaged) == ((other,), (damaged,))
    assert (merged.new, set(merged.kept)) == ((), {slower, other, damaged})
    assert everything(there.runs) == before


# --- archives that are not what they should be ---


def file(name: str, content: bytes = b"{}") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    return entry, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


def whole_run(key: str, about: str | None = None) -> list[tuple[tarfile.TarInfo, bytes]]:
    content = {"key": about or key, "spec": {"task": "rte", "seed": 0}, "scores": {}}
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"], "epoch": [1], "label": [0], "prediction": [0]}), stream)
    return [
        file(f"runs/{key}/spec.json", json.dumps(content).encode()),
        file(f"runs/{key}/result.json", json.dumps(content).encode()),
        file(f"runs/{key}/environment.json"),
        file(f"runs/{key}/history.jsonl", b'{"step": 1}\n'),
        file(f"runs/{key}/predictions/rte.dev.parquet", stream.getvalue()),
    ]


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([file("../evil.json")], "no file of a run"),
        ([file(f"runs/{KEY}/../../evil.json")], "no file of a run"),
        ([file("/tmp/evil.json")], "no file of a run"),
        ([file(f"runs/{KEY}/weights.safetensors")], "no file of a run"),
        ([file(f"runs/{KEY}/checkpoint.pt")], "no file of a run"),
        ([file(f"runs/{KEY}/predictions/../../x.parquet")], "no file of a run"),
        ([file(f"runs/{KEY}/predictions/.hidden.parquet")], "no file of a run"),
        ([file("runs/short/spec.json")], "no file of a run"),
        ([special(f"runs/{KEY}/spec.json", tarfile.SYMTYPE, "/etc/passwd")], "no file of a run"),
        ([special(f"runs/{KEY}/spec.json", tarfile.LNKTYPE, "/etc/passwd")], "no file of a run"),
        ([special(f"runs/{KEY}/predictions", tarfile.SYMTYPE, "/tmp")], "no file of a run"),
        ([special(f"runs/{KEY}/spec.json", tarfile.FIFOTYPE)], "no file of a run"),
        ([file(f"runs/{KEY}/spec.json"), file(f"runs/{KEY}/spec.json")], "twice"),
        (whole_run(KEY)[:3], "lacks history.jsonl"),
        (whole_run(KEY)[:4], "lacks predictions"),
        (whole_run(KEY, about=OTHER), f"result.json is of run {OTHER}"),
        ([*whole_run(KEY)[1:], file(f"runs/{KEY}/spec.json", b"{")], "is not JSON"),
        ([*whole_run(OTHER), file("../evil.json")], "no file of a run"),
    ],
)
def test_an_archive_with_anything_else_in_it_changes_nothing(
    there: Store, tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], complaint: str
) -> None:
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for entry, content in entries:
            tar.addfile(entry, io.BytesIO(content) if content else None)
    with pytest.raises(UsageError, match=complaint):
        unpack(there, path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"evil.tar.gz"}  # the results folder was new: it is gone


def test_a_refused_archive_leaves_the_runs_that_another_process_put_into_the_new_folder(
    store: Store, there: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, path, extract = stored_run(store.runs), tmp_path / "a.tar.gz", archive._extract
    pack(store, path, [key])
    path.write_bytes(path.read_bytes()[:-20])

    def extract_later(*given: Any) -> dict[str, str]:
        shutil.copytree(store.runs / key, there.runs / key)
        return extract(*given)

    monkeypatch.setattr(archive, "_extract", extract_later)
    with pytest.raises(UsageError, match="not a complete tar archive"):
        unpack(there, path)
    assert everything(there.root) == {f"runs/{name}": data for name, data in everything(store.runs).items()}


def test_an_archive_that_unpacks_to_too_much_is_refused(store: Store, there: Store, tmp_path: Path) -> None:
    """The cap counts what comes out: zeros compress a thousandfold."""
    key = stored_run(store.runs, sealed=False)
    (store.runs / key / "environment.json").write_text(json.dumps({"device": "0" * 2_000_000}))
    pack(store, tmp_path / "a.tar.gz", [key])
    assert (tmp_path / "a.tar.gz").stat().st_size < 20_000
    with pytest.raises(UsageError, match="nothing was merged"):
        unpack(there, tmp_path / "a.tar.gz", most_bytes=1_000_000)
    assert not everything(there.root)


def test_a_file_that_is_no_archive_or_half_of_one_is_refused(store: Store, there: Store, tmp_path: Path) -> None:
    key = stored_run(store.runs)
    path = tmp_path / "a.tar.gz"
    pack(store, path, [key])
    whole = path.read_bytes()
    for content in (b"no archive", whole[: len(whole) // 2], b""):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="not a complete tar archive"):
            unpack(there, path)
    assert not everything(there.root)


def test_packing_nothing_or_over_something_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no finished run"):
        pack(store, tmp_path / "a.tar.gz", [])
    key = stored_run(store.runs)
    (tmp_path / "a.tar.gz").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        pack(store, tmp_path / "a.tar.gz", [key])
    assert (tmp_path / "a.tar.gz").read_text() == "mine"
    assert archive.MOST_BYTES > archive.MOST_BYTES_A_FILE


# --- bits that flip ---


def test_an_archive_with_a_flipped_bit_is_refused_or_gives_what_was_packed(store: Store, tmp_path: Path) -> None:
    stored_run(store.runs)
    path, whole = tmp_path / "a.tar.gz", everything(store.runs)
    pack(store, path, store.done_keys())
    packed, refused = path.read_bytes(), 0
    rng = random.Random(0)
    for number in [*range(10 * 8), *(rng.randrange(8 * len(packed)) for _ in range(150))]:  # gzip's header, and others
        content = bytearray(packed)
        content[number // 8] ^= 1 << number % 8
        path.write_bytes(content)
        merged = Store(tmp_path / f"merged-{number}")
        try:
            unpack(merged, path)
        except UsageError:
            refused += 1
            assert not everything(merged.root)
        else:
            assert everything(merged.runs) == whole
    assert refused > 150


def test_a_plain_archive_is_held_to_its_list_of_contents(store: Store, there: Store, tmp_path: Path) -> None:
    """Without gzip nothing but the list of contents shows that a file of an unsealed run was changed, or left out."""
    stored_run(store.runs, sealed=False)
    pack(store, tmp_path / "a.tar.gz", store.done_keys())
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        entries = [file(entry.name, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]
    changed = [(e, c.replace(b"Linux-6", b"Linux-7")) for e, c in entries]
    for kept in (changed, [*entries[:1], *entries[2:]]):
        path = tmp_path / "plain.tar"
        with tarfile.open(path, "w") as tar:
            for entry, content in kept:
                tar.addfile(entry, io.BytesIO(content))
        with pytest.raises(UsageError, match="not those that were packed"):
            unpack(there, path)
    assert not everything(there.root)


def test_a_damaged_run_is_not_packed(store: Store, tmp_path: Path) -> None:
    key = stored_run(store.runs)
    result = store.runs / key / "result.json"
    result.write_text(result.read_text().replace('"steps": 2', '"steps": 3'))
    with pytest.raises(ResultsError, match=r"result.json is not what integrity.json says: .*runs remove"):
        pack(store, tmp_path / "a.tar.gz", [key])
    assert not (tmp_path / "a.tar.gz").exists()


def test_an_unsealed_run_that_cannot_be_sealed_is_not_packed(store: Store, tmp_path: Path) -> None:
    key = stored_run(store.runs, sealed=False)
    path = store.runs / key / "spec.json"
    spec = json.loads(path.read_text())
    del spec["identity"], spec["method"]
    path.write_text(json.dumps(spec))
    assert store.verify(key) == "unverified"
    with pytest.raises(ResultsError, match=r"has no seal and cannot get one .*lacks what its key is made of"):
        pack(store, tmp_path / "a.tar.gz", [key])
