"""The real files: row counts, label counts and agreement as their README gives them. Skipped where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cli.data_report import data_report
from benchmarks.tasks import TASKS
from benchmarks.tasks.agreement import counts
from benchmarks.tasks.sources import Source, load_split

DATA = Path(os.environ.get("SMART_REPRO_TEST_DATA", ""))
pytestmark = pytest.mark.skipif(
    "SMART_REPRO_TEST_DATA" not in os.environ, reason="set SMART_REPRO_TEST_DATA to the folder of the real data sets"
)
SOURCE = Source("local", DATA)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")


def load(task, split):
    return load_split(TASKS[task], split, SOURCE)


WHOLE = {  # (task, split): rows per class, in the task's order; None where labels are hidden
    ("rte", "train"): (1_249, 1_241),
    ("rte", "dev"): (146, 131),
    ("rte", "test"): None,
    ("mrpc", "train"): (1_194, 2_474),
    ("mrpc", "dev"): (129, 279),
    ("mrpc", "test"): None,
    ("cola", "train"): (2_528, 6_023),
    ("cola", "dev"): (322, 721),
    ("cola", "test"): None,
    ("sst2", "train"): (29_780, 37_569),
    ("sst2", "dev"): (428, 444),
    ("sst2", "test"): None,
    ("qnli", "dev"): (2_702, 2_761),
    ("qnli", "test"): None,
    ("wnli", "train"): (323, 312),
    ("wnli", "dev"): (40, 31),
    ("wnli", "test"): None,
    ("ax", "test"): None,
    ("mnli", "dev"): (3_479, 3_123, 3_213),
    ("snli", "dev"): (3_329, 3_235, 3_278),
    ("snli", "test"): (3_368, 3_219, 3_237),
    ("scitail", "dev"): (647, 657),
    ("anli-r1", "dev"): (334, 333, 333),
    ("anli-r2", "dev"): (334, 333, 333),
    ("ag-news", "test"): (1_900, 1_900, 1_900, 1_900),
}


@pytest.mark.parametrize(("task", "split"), WHOLE)
def test_whole_splits_have_their_official_rows_and_labels(task, split):
    rows, expected = load(task, split), WHOLE[task, split]
    assert len(rows) == TASKS[task].sizes[split]
    assert not [note for note in rows.notes if "SUBSET" in note]
    if expected is None:
        assert rows.hidden
    else:
        assert tuple(np.bincount(rows.labels)) == expected


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_stsb(split):
    rows = load("stsb", split)
    assert len(rows) == TASKS["stsb"].sizes[split]
    assert np.isnan(rows.labels).all() if split == "test" else (rows.labels.min(), rows.labels.max()) == (0, 5)


@pytest.mark.parametrize(
    ("task", "rows", "repeated"),
    [
        ("mnli", 6_322, 23),
        ("qnli", 3_302, 1),
        ("scitail", 158, 0),
        ("anli-r1", 3_081, 0),
        ("ag-news", 4_000, 0),
        ("yelp-polarity", 160, 0),
        ("yelp-full", 5_000, 0),
    ],
)
def test_subsets_are_read_with_a_warning(task, rows, repeated):
    split = load(task, "train")
    assert len(split) == rows
    assert split.left_out.get("identical in another file", 0) == repeated
    assert f"a SUBSET: {rows:,} of {TASKS[task].sizes['train']:,} official rows" in split.notes


def test_snli_train_parts_overlap_in_six_rows():
    split = load("snli", "train")
    assert len(split) + sum(split.left_out.values()) == 5_502 + 1_024
    assert split.left_out["identical in another file"] == 6


def test_agreement_of_snli():
    assert counts(load("snli", "dev")) == {
        "5/0/0": 5_479,
        "4/1/0": 2_845,
        "3/2/0": 1_203,
        "3/1/1": 304,
        "fewer than five": 14,
        "no majority": 155,
    }
    assert counts(load("snli", "test")) == {
        "5/0/0": 5_368,
        "4/1/0": 2_868,
        "3/2/0": 1_224,
        "3/1/1": 355,
        "fewer than five": 10,
        "no majority": 175,
    }


def test_agreement_of_mnli_where_only_some_votes_are_known():
    assert counts(load("mnli", "dev")) == {
        "5/0/0": 0,
        "4/1/0": 0,
        "3/2/0": 1_302,
        "3/1/1": 297,
        "5/0/0 or 4/1/0": 8_216,
    }


def test_mrpc_from_the_original_release_is_glues():
    source = Source(
        "local", DATA, {("mrpc", split): DATA / "MRPC/msr_paraphrase_train.txt" for split in ("train", "dev")}
    )
    for split in ("train", "dev"):
        assert load_split(TASKS["mrpc"], split, source).fingerprint == load("mrpc", split).fingerprint


def test_mnli_layout_samples_with_every_official_column():
    folder = DATA / "MNLI/glue_layout_sample"
    names = {
        ("mnli", "train"): "train.tsv",
        ("mnli", "dev"): "dev_matched.first11.tsv",
        ("mnli", "test"): "test_matched.tsv",
        ("mnli-mm", "dev"): "dev_mismatched.tsv",
        ("mnli-mm", "test"): "test_mismatched.tsv",
    }
    source = Source("local", DATA, {key: folder / name for key, name in names.items()})
    found = {key: load_split(TASKS[key[0]], key[1], source) for key in names}
    assert [len(split) for split in found.values()] == [6, 11, 5, 5, 5]
    assert found["mnli", "train"].votes is None
    assert (found["mnli", "dev"].votes.sum(1) == 5).all()
    sample, whole = found["mnli", "dev"], load("mnli", "dev")
    same = [whole.ids.index(name) for name in sample.extra["pair_id"]]
    assert sample.labels.tolist() == whole.labels[same].tolist()


def test_the_report_on_rte_and_snli():
    report = data_report(["rte", "snli", "qqp"], SOURCE)
    assert report["snli"]["splits"]["dev"]["rows"] == 9_842
    assert report["snli"]["splits"]["dev"]["rows_in_files"] == 10_000
    assert report["snli"]["splits"]["dev"]["agreement"]["3/1/1"] == 304
    assert report["rte"]["splits"]["dev"]["labels"] == {"entailment": 146, "not_entailment": 131}
    assert report["qqp"]["splits"] == {"train": None, "dev": None, "test": None}
    assert "no train split" in report["qqp"]["missing"]["train"]


@pytest.mark.slow
def test_imdb():
    report = data_report(["imdb"], SOURCE)["imdb"]
    assert {name: split["labels"] for name, split in report["splits"].items()} == {
        "train": {"neg": 12_500, "pos": 12_500},
        "test": {"neg": 12_500, "pos": 12_500},
    }
    assert [25_000 - split["duplicates_within"] for split in report["splits"].values()] == [24_904, 24_801]
    assert report["duplicates_across"] == {"test in train": 123}
