"""Packing runs on one machine and merging them on another: nothing but run files, nothing overwritten."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.sharing import archive
from benchmarks.sharing.archive import experiments_of, pack, unpack
from benchmarks.store.files import write_json
from benchmarks.store.store import WEIGHTS, Store

KEY, OTHER = "a" * 32, "b" * 32


def make_run(store: Store, key: str, content: str = "one") -> None:
    folder = store.runs / key
    (folder / "predictions").mkdir(parents=True)
    for name in ("spec.json", "result.json"):
        write_json(folder / name, {"key": key})
    write_json(folder / "environment.json", {})
    (folder / "history.jsonl").write_text('{"step": 1}\n')
    (folder / "predictions" / "rte.dev.parquet").write_text(content)


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
    for key in (KEY, OTHER):
        make_run(store, key)
    for name, keys in (("mine", (KEY, OTHER)), ("other", ("c" * 32,))):
        cells = {"row": {"rte": keys}}
        store.write_manifest(Manifest(name, name, rows=(), columns=(), seeds=(0, 1), cells=cells, grid="g"))
    store.weights(KEY).parent.mkdir()
    store.weights(KEY).write_text("weights stay where they are")
    path = tmp_path / "runs.tar.gz"
    names = experiments_of(store, store.done_keys())
    assert names == ["mine"]
    assert pack(store, path, store.done_keys(), names) == 2
    merged = unpack(there, path)
    assert (merged.new, merged.kept, merged.manifests) == ((KEY, OTHER), (), 1)
    assert everything(there.runs) == everything(store.runs)
    assert everything(there.manifests("mine")) == everything(store.manifests("mine"))
    assert not (there.root / "weights").exists()
    assert not list(there.inflight.iterdir())


def test_merging_keeps_the_runs_that_are_here(store: Store, there: Store, tmp_path: Path) -> None:
    make_run(store, KEY, "theirs")
    make_run(store, OTHER)
    there.prepare()
    make_run(there, KEY, "ours")
    pack(store, tmp_path / "a.tar.gz", store.done_keys())
    merged = unpack(there, tmp_path / "a.tar.gz")
    assert (merged.new, merged.kept) == ((OTHER,), (KEY,))
    assert (there.runs / KEY / "predictions" / "rte.dev.parquet").read_text() == "ours"
    assert unpack(there, tmp_path / "a.tar.gz").new == ()


def test_only_files_a_run_may_have_are_packed(store: Store, tmp_path: Path) -> None:
    make_run(store, KEY)
    (store.runs / KEY / "notes.txt").write_text("private")
    (store.runs / KEY / WEIGHTS).write_text("weights")
    (store.runs / KEY / "predictions" / "link.parquet").symlink_to(tmp_path / "elsewhere")
    pack(store, tmp_path / "a.tar.gz", [KEY])
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        names = {name.removeprefix(f"runs/{KEY}/") for name in tar.getnames()}
        assert names == {"spec.json", "result.json", "environment.json", "history.jsonl", "predictions/rte.dev.parquet"}
        assert {(entry.uname, entry.mtime) for entry in tar} == {("", 0)}


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
    content = json.dumps({"key": about or key}).encode()
    return [
        file(f"runs/{key}/spec.json", content),
        file(f"runs/{key}/result.json", content),
        file(f"runs/{key}/environment.json"),
        file(f"runs/{key}/history.jsonl"),
        file(f"runs/{key}/predictions/rte.dev.parquet"),
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
        (whole_run(KEY, about=OTHER), "about another run"),
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
    assert not everything(there.root)
    assert not list(there.inflight.iterdir())
    assert {entry.name for entry in tmp_path.iterdir()} == {"evil.tar.gz", "there"}


def test_an_archive_that_unpacks_to_too_much_is_refused(store: Store, there: Store, tmp_path: Path) -> None:
    """The cap counts what comes out: zeros compress a thousandfold."""
    make_run(store, KEY, "\0" * 2_000_000)
    pack(store, tmp_path / "a.tar.gz", [KEY])
    assert (tmp_path / "a.tar.gz").stat().st_size < 10_000
    with pytest.raises(UsageError, match="nothing was merged"):
        unpack(there, tmp_path / "a.tar.gz", most_bytes=1_000_000)
    assert not everything(there.root)


def test_a_file_that_is_no_archive_or_half_of_one_is_refused(store: Store, there: Store, tmp_path: Path) -> None:
    make_run(store, KEY, "x" * 5000)
    path = tmp_path / "a.tar.gz"
    pack(store, path, [KEY])
    whole = path.read_bytes()
    for content in (b"no archive", whole[: len(whole) // 2], b""):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="not a whole tar archive"):
            unpack(there, path)
    assert not everything(there.root)


def test_packing_nothing_or_over_something_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no finished run"):
        pack(store, tmp_path / "a.tar.gz", [])
    make_run(store, KEY)
    (tmp_path / "a.tar.gz").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        pack(store, tmp_path / "a.tar.gz", [KEY])
    assert (tmp_path / "a.tar.gz").read_text() == "mine"
    assert archive.MOST_BYTES > archive.MOST_BYTES_A_FILE
