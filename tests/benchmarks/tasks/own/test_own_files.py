"""Own data in every format are the same rows under the same fingerprint; what cannot be read is one clear message."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
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


def test_a_unicode_line_separator_in_a_text_ends_no_row_of_a_tsv(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('body\tverdict\n"an open quote\tyes\na\u2028b\x0bc\u0085d\tno\n"one more\tyes\n', encoding="utf-8")
    assert read_location(str(path), WANTED)["train"].columns["body"] == [
        '"an open quote',
        "a\u2028b\x0bc\u0085d",
        '"one more',
    ]


@pytest.mark.parametrize(
    "rows",
    [
        '"begin,yes\n{}"again,yes\n',
        '"begin,yes\n{}a board of 12",no\n',
        '"begin,yes\na board of 12",no\n{}',
        '"begin,yes\r\n{}"again and more",no\n',
    ],
)
def test_a_stray_quote_swallows_no_rows_in_silence(tmp_path, rows):
    path = tmp_path / "a.csv"
    path.write_text("body,verdict\nx,yes\ny,no\n" + rows.format("text,no\nmore,yes\n" * 40), newline="")
    with pytest.raises(DataError, match="line 4: the quote that begins a value here closes in line"):
        read_location(str(path), WANTED)
    path.write_text('verdict,body\nyes,x\nno,x\nyes,"begin\n' + "no,text\n" * 40 + 'yes,a board of 12"\n')
    with pytest.raises(DataError, match="line 4: the quote that begins a value here closes in line 45"):
        read_location(str(path), WANTED)


def test_texts_of_several_lines_with_separators_and_quotes_are_read(tmp_path):
    texts = ["Dear Ann,\nI came,\nbye", "yes\n\nno", 'he said ""\n"hi", so', "a,b\n1,2\nc,d", "x", "x", ",\n,"]
    content = pd.DataFrame({"body": texts, "verdict": ["yes", "no", "b", "yes", "no", "b", "yes"]})
    content.to_csv(tmp_path / "a.csv", index=False)
    assert read_location(str(tmp_path / "a.csv"), WANTED)["train"].columns["body"] == texts


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
        ("a.csv", b"  \n\n", "is empty: give a file whose first line names its columns"),
        ("a.csv", b"body,verdict\n", "has no rows"),
        ("a.csv", b"Body,label\nx,y\n", r"no column 'body'; did you mean 'Body'\? It has Body, label"),
        ("a.csv", b"bodies,verdict\nx,y\n", "did you mean 'bodies'"),
        ("a.csv", b"body,verdict\nx,y\ncaf\xe9,y\n", r"line 3: not UTF-8 \(byte 0xe9\); convert"),
        ("a.csv", "body,verdict\nx,y\n".encode("utf-16"), "is UTF-16: convert it with iconv -f UTF-16 "),
        ("a.csv", "body,verdict\nx,y\n".encode("utf-16-le"), "is UTF-16LE: convert it with iconv -f UTF-16LE "),
        ("a.csv", "body,verdict\nx,y\n".encode("utf-32"), "is UTF-32: convert it with iconv -f UTF-32 "),
        ("a.csv", gzip.compress(b"body,verdict\nx,y\n", mtime=0), "is compressed by gzip: let its name end in .gz"),
        ("a.csv", b"PK\x03\x04 of a spreadsheet", "is a ZIP archive or a spreadsheet"),
        ("a.jsonl", b"PAR1 of a table", "is a Parquet file: let its name end in .parquet"),
        ("a.tsv", b"version https://git-lfs.github.com/spec/v1\n", "fetch it with git lfs pull"),
        ("a.csv", b"<!DOCTYPE html>\n", "is a web page: download the file itself"),
        (
            "a.csv",
            b"Export of May\nbody,verdict\nx,y\n",
            "its first line is one field: it must name the columns, with com",
        ),
        ("a.tsv", b"body,verdict\nx,y\n", "its first line is one field: it must name the columns, with tabs"),
        ("a.csv", b"body,verdict\nx,y\n" + b"x" * 50 + b",y,z\n", "line 3: 3 fields, but the header has 2; quote"),
        ("a.csv", b"body,verdict\nx,y\n\x00,y\n", "line 3: a NUL character"),
        ("a.csv", b"body,verdict\nx,y\nx,y,z\n", "line 3: 3 fields, but the header has 2; quote"),
        ("a.csv", b"body,verdict\nx,y,z\nx,y\n", "line 2: 3 fields, but the header has 2; quote"),
        ("a.csv", b'body,verdict\n"x,y\nx,y\n', "EOF inside string"),
        ("a.csv", b"body,verdict\nx,y\nbody,verdict\nz,y\n", "row 2: the names of the columns again"),
        ("a.csv", b'body,verdict\nx,y\n\xef\xbb\xbf"verdict",body\ny,z\n', "row 2: the names of the columns again"),
        ("a.tsv", b"body\tverdict\nx\ty\nbody\tverdict\n", "row 2: the names of the columns again"),
        ("a.csv", b"body,body,verdict\nx,y,z\n", "two columns called 'body'"),
        ("a.jsonl", b'{"body": "x", "verdict": 1}\n{"body"\n', "line 2: not JSON"),
        ("a.jsonl", b'["x"]\n', "line 1: no JSON object"),
        ("a.jsonl", b'{"body": "x", "verdict": 1}\n' + b"[" * 100_000, "line 2: not JSON .nested too deeply"),
        ("a.json", b"[" * 100_000, "not JSON .nested too deeply"),
        ("a.json", b'[{"body": ' + b"1" * 5_000 + b"}]", "not JSON"),
        ("a.jsonl", b'{"body": ["x"], "verdict": 1}\n', "row 1: column 'body' holds a value of type list"),
        ("a.parquet", b"PAR1 but cut short", "cannot be read as .parquet"),
        ("a.arrow", b"nothing of the kind", "cannot be read as .arrow"),
        ("a.xlsx", b"PK", "says no format that can be read"),
        ("a.csv.gz", b"not gzip at all", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"body,verdict\n" * 9, mtime=0)[:-9], "cannot be read"),
        ("a.csv.gz", gzip.compress(b"body,verdict\n", mtime=0)[:10] + b"\xff" * 20, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_remedy(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_location(str(path), WANTED)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("columns", "verdicts", "metadata", "message"),
    [
        (["body", "verdict", "verdict"], ["y"], None, "two columns called 'verdict'"),
        (["body", "verdict"], [b"y"], None, "row 1: column 'verdict' holds a value of type bytes"),
        (["body", "verdict"], [["y"]], None, "row 1: column 'verdict' holds a value of type list"),
        (
            ["body", "verdict"],
            [7],
            {"verdict": {"names": ["no", "yes"]}},
            "row 1: 'verdict' is 7, but there are 2 classes",
        ),
        (["body", "verdict"], [1], "{no json", "the features that datasets wrote into it cannot be read"),
        (["body", "verdict"], [1], {"verdict": 3}, "the features that datasets wrote into it cannot be read"),
    ],
)
def test_a_table_that_says_something_else_of_itself_is_refused(tmp_path, form, columns, verdicts, metadata, message):
    features = metadata if isinstance(metadata, str) else json.dumps({"info": {"features": metadata}})
    arrays = [pa.array(["x"]), *[pa.array(verdicts)] * (len(columns) - 1)]
    table = pa.Table.from_arrays(arrays, names=columns)
    table = table.replace_schema_metadata({b"huggingface": features.encode()} if metadata else None)
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(DataError, match=message) as caught:
        read_location(str(path), WANTED)
    assert "\n" not in str(caught.value)


def test_class_names_beside_a_column_of_texts_and_decimals_are_read_as_they_are(tmp_path):
    features = json.dumps({"info": {"features": {"verdict": {"names": ["no", "yes"]}}}})
    table = pa.table({"body": pa.array([Decimal("1.50")]), "verdict": ["maybe"]})
    pq.write_table(table.replace_schema_metadata({b"huggingface": features.encode()}), tmp_path / "a.parquet")
    assert read_location(str(tmp_path / "a.parquet"), WANTED)["train"].columns == {
        "body": ["1.50"],
        "verdict": ["maybe"],
    }


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf"body","verdict"\r\n"one\r\ntwo","yes"\r\n',
        b'"body",verdict\r"one\r\ntwo",yes\r',
        b'\n\nbody,verdict\n"one\r\ntwo",yes\n\n',
        b'verdict;"x;y";body\nyes;;"one\r\ntwo"\n',
    ],
)
def test_marks_quotes_and_line_ends_of_other_programs_change_nothing(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert read_location(str(path), WANTED)["train"].columns == {"body": ["one\r\ntwo"], "verdict": ["yes"]}


def test_a_header_whose_name_has_a_line_break_is_one_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"the\nbody",verdict\nx,yes\n')
    assert read_location(str(path), ["the\nbody", "verdict"])["train"].columns["the\nbody"] == ["x"]


def test_parquet_written_by_datasets_keeps_class_names(tmp_path):
    path = tmp_path / "a.parquet"
    saved = datasets.Dataset.from_pandas(FRAME, preserve_index=False).class_encode_column("verdict")
    saved.to_parquet(str(path))
    assert pq.read_schema(path).field("verdict").type == pa.int64()
    assert read_location(str(path), WANTED)["train"].columns["verdict"] == LABELS


def test_class_names_of_a_column_that_was_dropped_are_no_matter(tmp_path):
    path = tmp_path / "a.parquet"
    saved = datasets.Dataset.from_pandas(FRAME, preserve_index=False)
    saved.class_encode_column("verdict").class_encode_column("body").to_parquet(str(path))
    pq.write_table(pq.read_table(path).drop_columns(["body"]), path)
    assert read_location(str(path), ["other", "verdict"])["train"].columns["verdict"] == LABELS
