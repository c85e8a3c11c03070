"""Files damaged at random: a DataError, or a split that accounts for every row; never another exception or a loss."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.errors import DataError
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, load_split

ROWS = 6
LABELS = ("entailment", "neutral", "contradiction")


def _nli(i: int) -> str:
    row = {"pairID": f"p{i}", "sentence1": f"P {i} é", "sentence2": "H", "gold_label": LABELS[i % 3]}
    return json.dumps({**row, "annotator_labels": [LABELS[i % 3]] * 5}, ensure_ascii=False)


def _reviews() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for i in range(ROWS):
            info = tarfile.TarInfo(f"aclImdb/train/{('neg', 'pos')[i % 2]}/{i}_5.txt")
            text = f"review {i} é".encode()
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return buffer.getvalue()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    rows = [{"sentence1": f"a {i}", "sentence2": "b", "label": i % 2, "idx": i} for i in range(ROWS)]
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def _lines(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


FILES = {
    "tsv": (
        "rte",
        "RTE/train.tsv",
        _lines(
            "index\tsentence1\tsentence2\tlabel",
            *(f'{i}\tA "{i} é\tB\t{("entailment", "not_entailment")[i % 2]}' for i in range(ROWS)),
        ),
    ),
    "headerless": ("cola", "CoLA/train.tsv", _lines(*(f"x\t{i % 2}\t\tA sentence {i} é." for i in range(ROWS)))),
    "scores": (
        "stsb",
        "STS-B/train.tsv",
        _lines("index\tsentence1\tsentence2\tscore", *(f"{i}\ta é\tb {i}\t{i % 5}.250" for i in range(ROWS))),
    ),
    "jsonl": ("snli", "SNLI/snli_1.0_train.jsonl", _lines(*map(_nli, range(ROWS)))),
    "csv": (
        "ag-news",
        "ag_news_csv/train.csv",
        _lines(*(f'"{1 + i % 4}","T ""{i}"" é","one, two"' for i in range(ROWS))),
    ),
    "tar": ("imdb", "aclImdb_v1.tar.gz", _reviews()),
    "parquet": ("rte", "RTE/train-00000-of-00001.parquet", _parquet()),
}


def mangle(raw: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """Replace stretches of the file: delete, overwrite, insert."""
    for place, length, new in cuts:
        start = place % (len(raw) + 1)
        raw = raw[:start] + new + raw[start + length :]
    return raw


PIECES = st.one_of(
    st.binary(max_size=6), st.sampled_from([b"\n", b"\t", b'"', b"\r\n", b"\\", b"{", b"\xef\xbb\xbf", b"\0"])
)
CUTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 30), PIECES), min_size=1, max_size=3)


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS)
def test_a_mangled_file_is_read_whole_or_refused(kind, cuts):
    task, name, raw = FILES[kind]
    mangled = mangle(raw, cuts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mangled)
        try:
            split = load_split(TASKS[task], "train", Source("local", Path(folder)))
        except DataError as error:
            message = str(error)
        else:
            message = ""
    if message:
        assert str(Path(folder)) in message
        return
    split.fingerprint  # noqa: B018  (must be computable: no text that cannot be encoded)
    assert len(set(split.ids)) == len(split)
    found = len(split) + sum(split.left_out.values())
    if kind in ("tsv", "scores"):
        assert found == mangled.rstrip(b"\r\n").count(b"\n")  # one row a line, less the header
    elif kind in ("headerless", "jsonl"):
        assert found == mangled.rstrip(b"\r\n").count(b"\n") + 1
    elif kind == "parquet":
        assert found == ROWS
