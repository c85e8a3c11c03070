"""Mutated data files: a generator over all formats, and an oracle of the rows that does not use the readers.

``python -m tests.benchmarks.tasks.mutation 100000`` runs that many inputs and prints counts by format and outcome.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.errors import DataError
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, load_split

ROWS = 6
TURN = 200  # inputs of one format at a time
LABELS = ("entailment", "neutral", "contradiction")
HIDDEN = ("-1", "-", "", "1.0", "true", "null", "[1]", "{}", "1e400", "NaN")
PIECES = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b'"',
    b'""',
    b"\\",
    b"{",
    b"]",
    b",",
    b"\x1b[31m",
    b"\xef\xbb\xbf",
    b"\x85",
)
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252")


@dataclass(frozen=True)
class Form:
    """One format: a task, its file's name, an intact file, and what counts the rows of any file of the format."""

    task: str
    split: str
    name: str
    raw: bytes
    count: Callable[[bytes], int]


def _joined(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _lines(raw: bytes) -> int:
    """Lines up to the last that is not empty: what every reader of lines must account for."""
    lines = [line.removesuffix(b"\r") for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return len(lines)


def _body(raw: bytes) -> int:
    return _lines(raw) - 1


def _headerless(raw: bytes) -> int:
    first = raw.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r").split(b"\t")
    return _lines(raw) - ({b"label", b"sentence"} <= {cell.strip(b'"') for cell in first})


def _released(raw: bytes) -> int:
    first = raw.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r").split(b"\t")
    return _lines(raw) - ({b"score", b"sentence1", b"sentence2"} <= {cell.strip(b'"') for cell in first})


def _csv(raw: bytes) -> int:
    """Line ends outside quoted fields; a quotation mark opens one only where a field begins."""
    text = raw.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    inside, rows, before = False, 1, ord("\n")
    for byte in text:
        if byte == ord('"'):
            inside = not inside if inside or before in b',\n"' else inside
        rows += byte == ord("\n") and not inside
        before = byte
    return rows


def _reviews(raw: bytes) -> int:
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:*") as tar:
        names = [name.split("/") for name in tar.getnames() if name.endswith(".txt")]
    return sum(parts[-3] == "train" and parts[-2] in ("neg", "pos") and parts[-1][0] != "." for parts in names)


def _table(raw: bytes) -> int:
    return pq.ParquetFile(io.BytesIO(raw)).metadata.num_rows


def _nli(i: int) -> str:
    row = {"pairID": f"p{i}", "sentence1": f"P {i} é", "sentence2": "H", "gold_label": LABELS[i % 3]}
    return json.dumps({**row, "annotator_labels": [LABELS[i % 3]] * 5}, ensure_ascii=False)


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i in range(ROWS):
            info = tarfile.TarInfo(f"aclImdb/train/{('neg', 'pos')[i % 2]}/{i}_5.txt")
            text = f"review {i} é".encode()
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return gzip.compress(buffer.getvalue())


def parquet(columns: dict[str, list[object]]) -> bytes:
    """Return a small Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


COLUMNS: dict[str, list[object]] = {
    "sentence1": [f"a {i}" for i in range(ROWS)],
    "sentence2": ["b"] * ROWS,
    "label": [i % 2 for i in range(ROWS)],
    "idx": list(range(ROWS)),
}
_PAIR = ("entailment", "not_entailment")
_TSV = _joined("index\tsentence1\tsentence2\tlabel", *(f'{i}\tA "{i} é\tB\t{_PAIR[i % 2]}' for i in range(ROWS)))
_SCORES = _joined("index\tsentence1\tsentence2\tscore", *(f"{i}\ta é\tb {i}\t{i % 5}.250" for i in range(ROWS)))
_MSR = _joined("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *(f"{i % 2}\t{i}\t{i + 50}\tA é\tB" for i in range(ROWS)))
_RELEASE = _joined(*(f"g\tf\ty\t{i}\t{i % 5}.250\tA é\tB{i}" + "\tx\ty" * (i % 2) for i in range(ROWS)))
_REQUOTED = _TSV.replace(b'A "', b'"A ""').replace("é\tB".encode(), 'é"\tB'.encode())
FORMS = {
    "tsv": Form("rte", "train", "RTE/train.tsv", _TSV, _body),
    "tsv, test": Form("rte", "test", "RTE/test.tsv", _TSV, _body),
    "tsv, scores": Form("stsb", "train", "STS-B/train.tsv", _SCORES, _body),
    "tsv, headerless": Form(
        "cola", "train", "CoLA/train.tsv", _joined(*(f"x\t{i % 2}\t\tA {i} é." for i in range(ROWS))), _headerless
    ),
    "tsv, release": Form("stsb", "dev", "stsbenchmark/sts-dev.csv", _RELEASE, _released),
    "tsv, requoted": Form("rte", "train", "RTE/train.tsv", _REQUOTED, _body),
    "jsonl": Form("snli", "train", "SNLI/snli_1.0_train.jsonl", _joined(*map(_nli, range(ROWS))), _lines),
    "csv": Form(
        "ag-news",
        "train",
        "ag_news_csv/train.csv",
        _joined(*(f'"{1 + i % 4}","T ""{i}"" é","x, y"' for i in range(ROWS))),
        _csv,
    ),
    "msr": Form("mrpc", "test", "MRPC/msr_paraphrase_test.txt", _MSR, _body),
    "reviews": Form("imdb", "train", "aclImdb_v1.tar.gz", _archive(), _reviews),
    "parquet": Form("rte", "train", "RTE/train-00000-of-00001.parquet", parquet(COLUMNS), _table),
}


def mutate(raw: bytes, draw: random.Random) -> bytes:
    """One change of a random kind."""
    place = draw.randrange(len(raw) + 1)
    kind = draw.randrange(10)
    if kind == 0:  # a bit
        flipped = bytearray(raw or b"x")
        flipped[place % len(flipped)] ^= 1 << draw.randrange(8)
        return bytes(flipped)
    if kind == 1:  # the end is missing
        return raw[:place]
    if kind == 2:  # a stretch is missing
        return raw[:place] + raw[place + draw.randrange(1, 40) :]
    if kind == 3:
        return raw[:place] + draw.choice(PIECES) * draw.choice((1, 1, 2, 300)) + raw[place:]
    if kind == 4:
        return raw[:place] + draw.randbytes(draw.randrange(1, 6)) + raw[place:]
    if kind == 5:
        return _lines_moved(raw, draw)
    if kind == 6:
        return _columns_moved(raw, draw)
    if kind == 7:  # another encoding
        return raw.decode("utf-8", "replace").encode(draw.choice(ENCODINGS), "replace")
    if kind == 8:  # a huge field or a deep structure
        return raw[:place] + draw.choice((b"x" * 200_000, b"[" * 5_000, b'{"a":' * 2_000)) + raw[place:]
    word = draw.choice((*(f'"{name}"' for name in LABELS), *LABELS, "1", "0", "4.250")).encode()
    return raw.replace(word, draw.choice(HIDDEN).encode(), draw.choice((1, -1)))


def _lines_moved(raw: bytes, draw: random.Random) -> bytes:
    lines = raw.split(b"\n")
    row = draw.randrange(len(lines))
    kind = draw.randrange(4)
    if kind == 0:
        lines.insert(draw.randrange(len(lines)), lines[row])
    elif kind == 1:
        del lines[row]
    elif kind == 2:
        draw.shuffle(lines)
    else:
        lines = [b"\r".join(lines)] if draw.random() < 0.5 else [line + b"\r" for line in lines]
    return b"\n".join(lines)


def _columns_moved(raw: bytes, draw: random.Random) -> bytes:
    mark = draw.choice((b"\t", b","))
    table = [line.split(mark) for line in raw.split(b"\n")]
    column, kind = draw.randrange(5), draw.randrange(4)
    for cells in table if draw.random() < 0.7 else table[:1]:
        if column >= len(cells):
            continue
        if kind == 0:
            del cells[column]
        elif kind == 1:
            cells.insert(column, cells[column])
        elif kind == 2:
            cells.append(cells.pop(column))
        else:
            cells[:] = [b'"' + cell.replace(b'"', b'""') + b'"' for cell in cells]
    return b"\n".join(mark.join(cells) for cells in table)


def odd_parquet(draw: random.Random) -> bytes:
    """Yield intact Parquet files whose columns have other types, are missing, or hold no valid text or label."""
    columns = dict(COLUMNS)
    values: tuple[object, ...] = (
        None,
        -1,
        1,
        0,
        7,
        1.0,
        0.5,
        float("nan"),
        True,
        "1",
        "-",
        "",
        "entailment",
        [1],
        b"x",
        {"a": 1},
    )
    for name in draw.sample(list(columns), draw.randrange(1, 3)):
        if draw.random() < 0.2:
            del columns[name]
        else:
            columns[name] = [draw.choice((draw.choice(values), None))] * ROWS
    return parquet(columns)


def inputs(form: str, count: int, seed: int) -> Iterator[bytes]:
    """Mutated files of one format, one to three changes each; some are compressed without saying so, and some cut."""
    draw = random.Random(f"{form} {seed}")
    for _ in range(count):
        if form == "parquet" and draw.random() < 0.3:
            yield odd_parquet(draw)
            continue
        raw = FORMS[form].raw
        if form == "reviews" and draw.random() < 0.7:  # inside the compression, where the members are
            raw = gzip.compress(mutate(gzip.decompress(raw), draw), 1)
        for _ in range(draw.randrange(1, 4)) if form != "reviews" or draw.random() < 0.4 else ():
            raw = mutate(raw, draw)
        if form not in ("parquet", "reviews") and draw.random() < 0.05:
            raw = gzip.compress(raw, 1)
            raw = raw[: draw.randrange(len(raw))] if draw.random() < 0.5 else raw
        yield raw


def outcome(form: Form, raw: bytes, folder: Path) -> str:
    """Return "refused" or "read".

    Raises: AssertionError: for a wrong number of rows or a message with control characters; any error of the reader.
    """
    path = folder / form.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    try:
        split = load_split(TASKS[form.task], form.split, Source("local", folder))
    except DataError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert message.isprintable(), f"control characters in {message!r}"
        return "refused"
    split.fingerprint  # noqa: B018  (must be computable: no text that cannot be encoded)
    plain = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" and form.task != "imdb" else raw
    rows, expected = len(split) + sum(split.left_out.values()), form.count(plain)
    assert rows == expected, f"{rows} rows of {expected}"
    assert len(set(split.ids)) == len(split)
    return "read"


def main(count: int) -> int:
    """Run that many inputs, the formats in turns; print counts, and the first failure of each kind. Return failures."""
    streams = {name: inputs(name, -(-count // len(FORMS)), seed=1) for name in FORMS}
    counts: dict[str, Counter[str]] = {name: Counter() for name in FORMS}
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        while streams:
            for name in list(streams):
                turn = list(itertools.islice(streams[name], TURN))
                for raw in turn:
                    try:
                        counts[name][outcome(FORMS[name], raw, Path(root) / name)] += 1
                    except Exception as error:
                        kind = f"{type(error).__name__}: {str(error)[:100]!r}"
                        if not counts[name][kind]:
                            print(f"  {name}: {kind}: {raw[:300]!r}", flush=True)
                        counts[name][kind] += 1
                        failures += 1
                if len(turn) < TURN:
                    del streams[name]
            print(sum(map(Counter.total, counts.values())), "inputs,", failures, "failures", flush=True)
    for name in FORMS:
        print(name, dict(counts[name]))
    return failures


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
