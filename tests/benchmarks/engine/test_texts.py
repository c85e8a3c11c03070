"""Texts of scored items: written once per split, whole, never packed."""

from __future__ import annotations

import tarfile

from stored_runs import stored_run

from analysis.results import Results
from benchmarks.engine.texts import keep_texts, kept
from benchmarks.experiments import EXPERIMENTS, narrowed
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.sharing import archive
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.prepared import split_of

GENERATED = Source("generated")


def small():
    return narrowed(PROFILES["demo"](EXPERIMENTS["smart-table3"]()), tasks=("demo-rte", "demo-mnli"))


def test_each_scored_split_is_written_once(tmp_path):
    first = keep_texts(tmp_path, small(), GENERATED)
    assert [path.name for path in first] == ["demo-mnli.dev.parquet", "demo-rte.dev.parquet"]
    read = split_of("demo-rte", "dev", GENERATED)
    assert kept(first[1]) == read.fingerprint
    frame = Results.open(tmp_path).texts("demo-rte", "dev", read.fingerprint)
    assert frame["id"].tolist() == read.ids
    assert frame["text_1"].tolist() == read.texts[1]
    assert keep_texts(tmp_path, small(), GENERATED) == []


def test_texts_of_other_data_are_written_again_and_never_shown(tmp_path):
    path = keep_texts(tmp_path, small(), GENERATED)[1]
    other = split_of("demo-mnli", "dev", GENERATED)
    from benchmarks.engine.texts import write

    write(other, path)
    assert Results.open(tmp_path).texts("demo-rte", "dev", split_of("demo-rte", "dev", GENERATED).fingerprint) is None
    assert keep_texts(tmp_path, small(), GENERATED) == [path]
    assert not list(path.parent.glob(".*"))


def test_an_archive_holds_no_texts(tmp_path):
    keep_texts(tmp_path, small(), GENERATED)
    store = Store(tmp_path)
    key = stored_run(store.runs)
    (store.runs / key / "texts.parquet").write_bytes(b"")
    archive.pack(store, tmp_path / "runs.tar.gz", [key])
    with tarfile.open(tmp_path / "runs.tar.gz") as tar:
        assert not [name for name in tar.getnames() if "texts" in name]
