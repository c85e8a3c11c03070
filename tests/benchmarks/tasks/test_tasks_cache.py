"""The cache gives back what was read, notices every change, and never stands in the way."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS, cache
from benchmarks.tasks.sources import Source, load_split
from benchmarks.training.prepared import prepare
from smart_repro.encoding import encode


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SMART_REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTHWHILE", 1)
    monkeypatch.setattr(cache, "MANY", 1)


@pytest.fixture
def snli(tmp_path):
    row = {"sentence1": "P é", "annotator_labels": ["neutral"] * 5}
    lines = [
        {**row, "pairID": f"p{i}", "sentence2": f"H {i}", "gold_label": ("neutral", "-")[i == 2]} for i in range(4)
    ]
    path = tmp_path / "SNLI/snli_1.0_dev.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def load(path):
    return load_split(TASKS["snli"], "dev", Source("local", path.parents[1]))


def stored(tmp_path, kind="splits"):
    folder = tmp_path / "cache" / kind
    return sorted(folder.iterdir()) if folder.exists() else []


def same(one, other):
    assert one.ids == other.ids
    assert one.texts == other.texts
    assert one.labels.tolist() == other.labels.tolist()
    assert one.labels.dtype == other.labels.dtype
    assert one.votes.tolist() == other.votes.tolist()
    assert (one.sources, one.notes, one.left_out) == (other.sources, other.notes, other.left_out)
    assert one.fingerprint == other.fingerprint


def test_the_second_start_gives_the_same_without_reading(snli, tmp_path, monkeypatch):
    first = load(snli)
    assert len(stored(tmp_path)) == 1
    monkeypatch.setattr("benchmarks.tasks.sources.read_files", lambda *_: pytest.fail("read again"))
    same(first, load(snli))


def test_further_columns_come_back(tmp_path):
    path = tmp_path / "MNLI/dev_matched.tsv"
    path.parent.mkdir()
    path.write_text("index\tpairID\tsentence1\tsentence2\tlabel1\tgold_label\n0\t7n\ta\tb\tneutral\tneutral\n")
    for _ in range(2):
        split = load_split(TASKS["mnli"], "dev", Source("local", tmp_path))
        assert split.extra["pair_id"].tolist() == ["7n"]
        assert split.votes is None


def test_a_changed_file_is_read_again(snli, tmp_path):
    load(snli)
    snli.write_text(snli.read_text().replace("H 0", "Q 0"))
    os.utime(snli, ns=(1, 1))
    assert load(snli).texts[1][0] == "Q 0"
    assert len(stored(tmp_path)) == 2


def test_changed_code_is_a_new_entry(snli, tmp_path, monkeypatch):
    load(snli)
    monkeypatch.setattr(cache, "_code", lambda: "another version")
    load(snli)
    assert len(stored(tmp_path)) == 2


@pytest.mark.parametrize("damage", [b"", b"ARROW1 but not really", "cut", "flip"])
def test_a_damaged_entry_is_made_anew(snli, tmp_path, damage):
    first = load(snli)
    (entry,) = stored(tmp_path)
    raw = entry.read_bytes()
    place = raw.index(b"H 1")
    entry.write_bytes(
        {"cut": raw[: len(raw) // 2], "flip": raw[:place] + b"X 1" + raw[place + 3 :]}.get(damage, damage)
    )
    same(first, load(snli))


def test_small_files_and_folders_are_not_kept(snli, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "WORTHWHILE", 10**9)
    load(snli)
    assert stored(tmp_path) == []


def test_it_can_be_switched_off(snli, tmp_path, monkeypatch):
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")
    load(snli)
    assert stored(tmp_path) == []


def test_a_folder_that_cannot_be_written_does_not_matter(snli, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SMART_REPRO_CACHE", str(tmp_path / "file"))
    assert len(load(snli)) == 3


@pytest.fixture
def tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "P", "H", *"0123"]
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")


def test_tokens_come_back_as_they_were(snli, tmp_path, tokenizer, monkeypatch):
    split = load(snli)
    numbers = np.array([7, 8, 9])
    plain = encode(tokenizer, split.texts, split.labels, 8, numbers)
    first = cache.encode_split(tokenizer, split, 8, numbers)
    assert len(stored(tmp_path, "tokens")) == 1
    monkeypatch.setattr("smart_repro.encoding.encode", lambda *_: pytest.fail("tokenised again"))
    for found in (first, cache.encode_split(tokenizer, split, 8, numbers)):
        assert found.columns.keys() == plain.columns.keys()
        assert all((found.columns[name] == plain.columns[name]).all() for name in plain.columns)
        assert found.offsets.tolist() == plain.offsets.tolist()
        assert found.ids.tolist() == [7, 8, 9]
        assert (found.padding, found.left) == (plain.padding, plain.left)
        batch, expected = found.batch(np.array([2, 0])), plain.batch(np.array([2, 0]))
        assert all(batch[name].equal(expected[name]) for name in expected)


def test_tokens_depend_on_length_text_and_tokenizer(snli, tmp_path, tokenizer):
    split = load(snli)
    cache.encode_split(tokenizer, split, 8)
    cache.encode_split(tokenizer, split, 8)
    assert len(stored(tmp_path, "tokens")) == 1
    cache.encode_split(tokenizer, split, 4)
    cache.encode_split(tokenizer, replace(split, texts=split.texts[::-1]), 8)
    tokenizer.add_tokens(["new"])
    cache.encode_split(tokenizer, split, 8)
    assert len(stored(tmp_path, "tokens")) == 4


def test_damaged_tokens_are_made_anew(snli, tmp_path, tokenizer):
    split = load(snli)
    first = cache.encode_split(tokenizer, split, 8)
    (entry,) = stored(tmp_path, "tokens")
    raw = bytearray(entry.read_bytes())
    place = raw.index(first.columns["input_ids"].tobytes())
    raw[place] ^= 1
    entry.write_bytes(bytes(raw))
    again = cache.encode_split(tokenizer, split, 8)
    assert again.columns["input_ids"].tolist() == first.columns["input_ids"].tolist()


def test_runs_take_their_tokens_from_it(glue, little_bert, tmp_path, monkeypatch):
    run = RunSpec(task="rte", method="vanilla", model=str(little_bert), holdout=0.0, predict=("dev",))
    first = prepare(run, Source("local", glue))
    assert len(stored(tmp_path, "tokens")) == 2  # train and dev
    monkeypatch.setattr("smart_repro.encoding.encode", lambda *_: pytest.fail("tokenised again"))
    again = prepare(run, Source("local", glue))
    for one, other in ((first.train, again.train), (first.evaluated[0].encoded, again.evaluated[0].encoded)):
        assert one.columns["input_ids"].tolist() == other.columns["input_ids"].tolist()
        assert one.ids.tolist() == other.ids.tolist()
