"""Own data in every format are the same rows under the same fingerprint; what cannot be read is one clear message."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.errors import DataError, MissingData
from benchmarks.tasks import hub as hub_module
from benchmarks.tasks.own.files import read_location

TEXTS = ["plain", 'a "quoted" word', "NA", "null", "two\nlines", "a, comma", "tab\there", "é ü 漢", " blanks ", "1.0"]
LABELS = ["yes", "no"] * 5
WANTED = ("body", "verdict")
FRAME = pd.DataFrame({"other": range(10), "body": TEXTS, "verdict": LABELS})


def _write(folder: Path, form: str) -> Path:
    path = folder / f"rows.{form}"
    if form == "csv":
        FRAME.to_csv(path, index=False)
    elif form == "csv.gz":
        path.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode("utf-8-sig")))
    elif form == "tsv":
        FRAME.to_csv(path, index=False, sep="\t")
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in FRAME.to_dict("records")))
    elif form == "json":
        path.write_text(json.dumps(FRAME.to_dict("records")))
    elif form == "parquet":
        FRAME.to_parquet(path, index=False)
    elif form == "arrow":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, pa.Schema.from_pandas(FRAME)) as writer:
            writer.write_table(pa.Table.from_pandas(FRAME))
    else:
        saved = datasets.Dataset.from_pandas(FRAME, preserve_index=False).class_encode_column("verdict")
        saved.save_to_disk(str(path))
    return path


@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv", "jsonl", "json", "parquet", "arrow", "saved"])
def test_every_format_gives_the_same_strings(tmp_path, form):
    table = read_location(str(_write(tmp_path, form)), WANTED)["train"]
    assert table.columns == {"body": TEXTS, "verdict": LABELS}


def test_a_semicolon_file_is_read_by_its_header(tmp_path):
    path = tmp_path / "a.csv"
    FRAME.to_csv(path, index=False, sep=";")
    assert read_location(str(path), WANTED)["train"].columns["body"] == TEXTS


def test_quotes_of_an_official_tsv_are_characters(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('body\tverdict\n"an open quote\tyes\nplain\tno\nanother" one\tyes\n')
    assert read_location(str(path), WANTED)["train"].columns["body"] == ['"an open quote', "plain", 'another" one']


def test_missing_values_are_none_and_numbers_keep_their_spelling(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": null, "verdict": 3}\n\n{"verdict": 3.50}\n{"body": "x", "verdict": true}\n')
    columns = read_location(str(path), WANTED)["train"].columns
    assert columns == {"body": [None, None, "x"], "verdict": ["3", "3.5", "true"]}


def test_a_folder_of_saved_splits_is_read_under_our_names(tmp_path):
    part = datasets.Dataset.from_pandas(FRAME, preserve_index=False)
    datasets.DatasetDict({"train": part, "validation": part.select(range(4)), "extra": part}).save_to_disk(
        str(tmp_path)
    )
    found = read_location(str(tmp_path), WANTED)
    assert {split: len(table) for split, table in found.items()} == {"train": 10, "dev": 4}


def test_a_folder_of_files_is_read_by_their_names(tmp_path):
    FRAME.to_csv(tmp_path / "train.csv", index=False)
    FRAME.head(3).to_json(tmp_path / "test.jsonl", orient="records", lines=True)
    (tmp_path / "README.md").write_text("about")
    assert {s: len(t) for s, t in read_location(str(tmp_path), WANTED).items()} == {"train": 10, "test": 3}


def test_a_hub_data_set_is_loaded_by_id_and_configuration(tmp_path, monkeypatch):
    asked = []
    part = datasets.Dataset.from_pandas(FRAME, preserve_index=False).class_encode_column("verdict")

    def load_dataset(*words):
        asked.append(words)
        return datasets.DatasetDict({"train": part, "valid": part})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub_module, "unreachable", lambda endpoint: "")
    found = read_location("someone/tickets:small", WANTED, hub=True)
    assert asked == [("someone/tickets", "small")]
    assert found["dev"].columns["verdict"] == LABELS
    with pytest.raises(MissingData, match="--source hub"):
        read_location("someone/tickets", WANTED)


def test_a_path_that_exists_wins_over_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone").mkdir()
    FRAME.to_csv("someone/tickets.csv", index=False)
    assert len(read_location("someone/tickets.csv", WANTED, hub=True)["train"]) == 10


def test_huge_fields_are_read_whole(tmp_path):
    path = tmp_path / "a.csv"
    pd.DataFrame({"body": ["x" * 3_000_000, "y"], "verdict": ["a", "b"]}).to_csv(path, index=False)
    assert len(read_location(str(path), WANTED)["train"].columns["body"][0]) == 3_000_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"body,verdict\n", "has no rows"),
        ("a.csv", b"Body,label\nx,y\n", r"no column 'body'; did you mean 'Body'\? It has Body, label"),
        ("a.csv", b"bodies,verdict\nx,y\n", "did you mean 'bodies'"),
        ("a.csv", b"body,verdict\nx,y\ncaf\xe9,y\n", r"line 3: not UTF-8 \(byte 0xe9\); convert"),
        ("a.csv", "body,verdict\nx,y\n".encode("utf-16"), "UTF-16: convert it with iconv"),
        ("a.csv", b"body,verdict\nx,y\n\x00,y\n", "line 3: a NUL character"),
        ("a.csv", b"body,verdict\nx,y\nx,y,z\n", "Expected 2 fields in line 3, saw 3|Length of header"),
        ("a.csv", b"body,verdict\nx,y,z\nx,y\n", "Length of header"),
        ("a.csv", b'body,verdict\n"x,y\nx,y\n', "EOF inside string"),
        ("a.csv", b"body,body,verdict\nx,y,z\n", "two columns called 'body'"),
        ("a.jsonl", b'{"body": "x", "verdict": 1}\n{"body"\n', "line 2: not JSON"),
        ("a.jsonl", b'["x"]\n', "line 1: no JSON object"),
        ("a.jsonl", b'{"body": ["x"], "verdict": 1}\n', "row 1: column 'body' holds a list"),
        ("a.parquet", b"PAR1 but cut short", "cannot be read as .parquet"),
        ("a.arrow", b"nothing of the kind", "cannot be read as .arrow"),
        ("a.xlsx", b"PK", "says no format that can be read"),
        ("a.csv.gz", b"not gzip at all", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_remedy(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_location(str(path), WANTED)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parquet_written_by_datasets_keeps_class_names(tmp_path):
    path = tmp_path / "a.parquet"
    saved = datasets.Dataset.from_pandas(FRAME, preserve_index=False).class_encode_column("verdict")
    saved.to_parquet(str(path))
    assert pq.read_schema(path).field("verdict").type == pa.int64()
    assert read_location(str(path), WANTED)["train"].columns["verdict"] == LABELS
