"""The hub's layout without the hub: Parquet files, and ``datasets`` reading a folder built like a hub repository."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.errors import DataError, MissingData
from benchmarks.tasks import TASKS, hub
from benchmarks.tasks.sources import Source, load_split

SENTENCES = [("A cat sat.", "An animal sat."), ('It "rains" .', "It snows. "), ("null", "NA")]
LABELS = [0, 1, 1]
INTEGER = pa.int64()
NAMES = ("entailment", "not_entailment")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)
    hub.unreachable.cache_clear()


def rows(labels=LABELS):
    return [
        {"sentence1": a, "sentence2": b, "label": y, "idx": i}
        for i, ((a, b), y) in enumerate(zip(SENTENCES, labels, strict=True))
    ]


def write(path, table, names=None, label_type=INTEGER):
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {key: [row[key] for row in table] for key in table[0]}
    arrays = {
        key: pa.array(values, label_type) if key == "label" else pa.array(values) for key, values in columns.items()
    }
    found = pa.table(arrays)
    if names:
        about = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
        found = found.replace_schema_metadata({"huggingface": json.dumps(about)})
    pq.write_table(found, path)


def tsv(root, split="train", labels=LABELS):
    path = root / f"RTE/{split}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{i}\t{a}\t{b}\t{NAMES[y]}" for i, ((a, b), y) in enumerate(zip(SENTENCES, labels, strict=True))]
    path.write_text("\n".join(["index\tsentence1\tsentence2\tlabel", *lines]) + "\n", encoding="utf-8")


def local(root, task="rte", split="train"):
    return load_split(TASKS[task], split, Source("local", root))


def test_tsv_parquet_and_datasets_give_the_same_fingerprint_and_ids(tmp_path):
    tsv(tmp_path / "a")
    write(tmp_path / "b/rte/train-00000-of-00001.parquet", rows(), NAMES)
    repository(tmp_path / "glue", "rte")
    task = replace(TASKS["rte"], hub=replace(TASKS["rte"].hub, repo=str(tmp_path / "glue")))
    found = [local(tmp_path / "a"), local(tmp_path / "b"), load_split(task, "train", Source("hub"))]
    assert len({split.fingerprint for split in found}) == 1
    assert all(split.ids == ["0", "1", "2"] for split in found)


def repository(root, config):
    """Make a folder as the hub keeps it: a card that names the configuration's files, and Parquet."""
    write(root / config / "train-00000-of-00001.parquet", rows(), NAMES)
    write(root / config / "test-00000-of-00001.parquet", rows([-1, -1, -1]), NAMES)
    (root / "README.md").write_text(
        f"---\nconfigs:\n- config_name: {config}\n  data_files:\n"
        f"  - split: train\n    path: {config}/train-*\n  - split: test\n    path: {config}/test-*\n---\n"
    )


def test_label_numbers_follow_the_files_own_names_not_ours(tmp_path):
    write(tmp_path / "rte/train-00000-of-00001.parquet", rows([1, 0, 0]), NAMES[::-1])
    assert local(tmp_path).labels.tolist() == LABELS


def test_bare_numbers_follow_the_hubs_documented_order(tmp_path):
    write(tmp_path / "rte/train-00000-of-00001.parquet", rows())
    assert local(tmp_path).labels.tolist() == LABELS
    table = [{"text": "bad", "label": 0}, {"text": "good\\n!", "label": 1}]
    write(tmp_path / "yelp_review_polarity/train-00000-of-00001.parquet", table)
    yelp = local(tmp_path, "yelp-polarity")
    assert yelp.labels.tolist() == [0, 1]  # from 0 on the hub, though the csv files count from 1
    assert yelp.texts == (["bad", "good\n!"],)


def test_numbers_as_names_are_the_ones_of_the_csv_files(tmp_path):
    write(tmp_path / "yelp_review_polarity/test-00000-of-00001.parquet", [{"text": "good", "label": 1}], ("1", "2"))
    assert local(tmp_path, "yelp-polarity", "test").labels.tolist() == [1]


def test_hidden_labels(tmp_path):
    write(tmp_path / "rte/test-00000-of-00001.parquet", rows([-1, -1, -1]), NAMES)
    assert local(tmp_path, split="test").hidden
    task = replace(TASKS["rte"], hub=replace(TASKS["rte"].hub, repo=str(tmp_path / "glue")))
    repository(tmp_path / "glue", "rte")
    assert load_split(task, "test", Source("hub")).hidden


def test_single_precision_scores_are_those_of_the_files(tmp_path):
    table = [{"sentence1": "a", "sentence2": "b", "label": 3.8, "idx": 0}]
    write(tmp_path / "b/stsb/validation-00000-of-00001.parquet", table, label_type=pa.float32())
    (tmp_path / "a/STS-B").mkdir(parents=True)
    (tmp_path / "a/STS-B/dev.tsv").write_text("index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.800\n")
    assert local(tmp_path / "b", "stsb", "dev").labels.tolist() == [3.8]
    assert local(tmp_path / "a", "stsb", "dev").fingerprint == local(tmp_path / "b", "stsb", "dev").fingerprint


def test_pieces_of_a_table_follow_each_other_and_none_may_be_missing(tmp_path):
    table = [{"premise": "P", "hypothesis": "H", "label": 0}]
    for i in range(2):
        write(
            tmp_path / f"SNLI/plain_text/train-0000{i}-of-00002.parquet",
            table,
            ("entailment", "neutral", "contradiction"),
        )
    split = local(tmp_path, "snli")
    assert split.ids == ["0", "1"]  # equal rows of consecutive pieces are both rows of the data set
    (tmp_path / "SNLI/plain_text/train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="1 of the 2 pieces train-"):
        local(tmp_path, "snli")


def test_items_without_gold_are_left_out(tmp_path):
    table = [{"premise": "P", "hypothesis": f"H {y}", "label": y} for y in (0, -1, 2)]
    write(tmp_path / "SNLI/test-00000-of-00001.parquet", table, ("entailment", "neutral", "contradiction"))
    split = local(tmp_path, "snli", "test")
    assert split.labels.tolist() == [0, 2]
    assert split.left_out == {"no gold label": 1}


def test_two_hub_columns_may_make_one_text(tmp_path):
    table = [{"title": "T", "content": " C", "label": 13}]
    write(tmp_path / "dbpedia_14/test-00000-of-00001.parquet", table)
    assert local(tmp_path, "dbpedia", "test").texts == (["T  C"],)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([{"question": "a", "sentence": "b", "label": 0, "idx": 0}], "no column 'sentence1', 'sentence2'"),
        ([{"sentence1": "a", "sentence2": None, "label": 0, "idx": 0}], "row 1: column 'sentence2' holds None"),
        ([{"sentence1": "a", "sentence2": "b", "label": 7, "idx": 0}], "row 1: label 7, but there are 2"),
        ([{"sentence1": "a", "sentence2": "b", "label": "maybe", "idx": 0}], "unknown label 'maybe'"),
    ],
)
def test_parquet_that_is_no_example(tmp_path, table, message):
    label_type = pa.string() if isinstance(table[0]["label"], str) else pa.int64()
    write(tmp_path / "rte/train-00000-of-00001.parquet", table, NAMES, label_type)
    with pytest.raises(DataError, match=message):
        local(tmp_path)


def test_a_file_that_is_no_parquet(tmp_path):
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte/train-00000-of-00001.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        local(tmp_path)


def test_the_hubs_columns_are_checked(tmp_path):
    repository(tmp_path / "glue", "rte")
    task = replace(TASKS["qnli"], hub=replace(TASKS["qnli"].hub, repo=str(tmp_path / "glue"), config="rte"))
    with pytest.raises(DataError, match=r"no column question, sentence, found .*has the data set changed"):
        load_split(task, "train", Source("hub"))


def test_the_commit_is_recorded():
    commit = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    glue = TASKS["rte"].hub
    url = f"hf://datasets/nyu-mll/glue@{commit}/rte/train-00000-of-00001.parquet"
    fresh = SimpleNamespace(info=SimpleNamespace(download_checksums={url: {}}), cache_files=[])
    cached = [{"filename": f"/cache/nyu-mll___glue/rte/0.0.0/{commit}/glue-train.arrow"}]
    assert hub.commit_of(fresh, glue) == commit
    assert (
        hub.commit_of(SimpleNamespace(info=SimpleNamespace(download_checksums=None), cache_files=cached), glue)
        == commit
    )
    assert (
        hub.commit_of(SimpleNamespace(info=SimpleNamespace(download_checksums=None), cache_files=[]), glue) == "unknown"
    )


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_it_says_so_quickly(monkeypatch, offline):
    import datasets  # noqa: F401  (its import takes seconds and is not what is measured)
    import huggingface_hub.constants as constants

    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # it was read when the package was imported
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
        monkeypatch.delenv("https_proxy", raising=False)
        monkeypatch.delenv("HTTPS_PROXY", raising=False)
    start = time.perf_counter()
    with pytest.raises(MissingData, match=r"rte: cannot load nyu-mll/glue \(rte\) from the hub: .*use --data-dir"):
        load_split(TASKS["rte"], "train", Source("hub"))
    assert time.perf_counter() - start < hub.PROBE_SECONDS + 10  # the hub's own retries take twice that
    assert not constants.HF_HUB_OFFLINE or offline


def test_a_task_that_is_not_on_the_hub():
    with pytest.raises(MissingData, match="fever-nli: its train split is not on the hub"):
        load_split(TASKS["fever-nli"], "train", Source("hub"))
