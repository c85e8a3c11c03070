"""Data files as people have them: other systems' litter, mirrors' headers, quotes, archives, hidden and odd labels."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.errors import DataError, MissingData
from benchmarks.experiments.planning.request import Request
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, load_split

RTE = "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tentailment\n1\tC\tD\tnot_entailment\n"
DIAGNOSTIC = "index\tsentence1\tsentence2\n0\tA\tB\n1\tC\tD\n"


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")


def put(root: Path, name: str, content: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(root: Path, task: str, split: str = "train", **files: Path):
    return load_split(TASKS[task], split, Source("local", root, {(task, name): path for name, path in files.items()}))


def put_parquet(root: Path, task: str, split: str, rows: list[dict[str, object]]) -> Path:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return put(root, f"{TASKS[task].folders[0]}/{split}-00000-of-00001.parquet", buffer.getvalue())


# ---- litter


@pytest.mark.parametrize("litter", ["._train.more.tsv", "._train.tsv", ".DS_Store", "Thumbs.db", "desktop.ini"])
def test_files_of_other_systems_in_a_folder_are_passed_over(tmp_path, litter):
    put(tmp_path, "RTE/train.part1.tsv", RTE)
    put(tmp_path, f"RTE/{litter}", b"\x00\x05\x16\x07")
    assert len(load(tmp_path, "rte")) == 2


def _archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"text" if "/._" not in name else b"\x00\x05\x16\x07"))
    return buffer.getvalue()


def test_files_of_other_systems_in_a_review_archive_are_passed_over_and_the_archive_may_be_unzipped(tmp_path):
    names = [f"aclImdb/train/{label}/{mark}0_9.txt" for label in ("neg", "pos") for mark in ("", "._")]
    raw = _archive(*names, "__MACOSX/aclImdb/train/pos/1_9.txt")
    put(tmp_path, "a/aclImdb_v1.tar.gz", gzip.compress(raw))
    put(tmp_path, "b/aclImdb_v1.tar", raw)  # some browsers unpack the gzip layer of a download
    assert load(tmp_path / "a", "imdb").ids == load(tmp_path / "b", "imdb").ids == ["neg/0_9", "pos/0_9"]


# ---- headers and quotes


def test_a_header_that_a_mirror_added_is_no_row(tmp_path):
    rows = "x\t1\t\tThey sang.\nx\t0\t*\tSang they.\n"
    put(tmp_path, "a/CoLA/train.tsv", rows)
    put(tmp_path, "b/CoLA/train.tsv", "source\tlabel\tmark\tsentence\n" + rows)
    put(tmp_path, "c/CoLA/train.tsv", "sentence\tlabel\nThey sang.\t1\nSang they.\t0\n")
    texts = [(split.texts, split.labels.tolist()) for name in "abc" for split in [load(tmp_path / name, "cola")]]
    assert texts == [((["They sang.", "Sang they."],), [1, 0])] * 3


def test_the_header_of_a_mirrors_csv_is_no_row(tmp_path):
    put(tmp_path, "ag_news_csv/train.csv", 'Class Index,Title,Description\n3,"Wall St.","Short sellers"\n')
    split = load(tmp_path, "ag-news")
    assert (split.texts, split.labels.tolist()) == ((["Wall St. Short sellers"],), [2])


def test_a_file_whose_every_field_was_quoted_is_read_without_the_quotes(tmp_path):
    quoted = '"index"\t"sentence1"\t"sentence2"\t"label"\n"0"\t"A ""b"" c"\t"""D"""\t"entailment"\n'
    put(tmp_path, "RTE/train.tsv", quoted)
    assert load(tmp_path, "rte").texts == (['A "b" c'], ['"D"'])
    put(tmp_path, "RTE/train.tsv", quoted + '1\t"E"\t"F"\t"entailment"\n')
    with pytest.raises(DataError, match=r"line 3: the fields of line 1 are all quoted, but here one is not"):
        load(tmp_path, "rte")


# ---- compression and archives


def test_a_compressed_file_without_the_ending_is_read(tmp_path):
    put(tmp_path, "RTE/train.tsv", gzip.compress(RTE.encode()))
    assert len(load(tmp_path, "rte")) == 2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"PK\x03\x04rest", "a zip archive"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"PAR1", "a Parquet file"),
        (RTE.encode("utf-16"), "UTF-16"),
        (_archive("RTE/train.tsv"), "a tar archive"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path, raw, reason):
    put(tmp_path, "RTE/train.tsv", raw)
    with pytest.raises(DataError, match=f"expected lines of text, but this is .*{reason}"):
        load(tmp_path, "rte")


def test_an_archive_that_is_still_packed_is_named_with_what_to_do(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("RTE/train.tsv", RTE)
    path = put(tmp_path, "RTE.zip", buffer.getvalue())
    with pytest.raises(MissingData, match=r"files there: RTE.zip \(an archive: unpack it\)"):
        load(tmp_path, "rte")
    with pytest.raises(DataError, match=r"is an archive; unpack it"):
        load(tmp_path, "rte", train=path)


def test_a_missing_split_lists_the_files_that_are_there(tmp_path):
    put(tmp_path, "RTE/training.tsv", RTE)
    with pytest.raises(MissingData, match=r"for: train.tsv.*files there: training.tsv"):
        load(tmp_path, "rte")


def test_the_official_diagnostic_file_can_be_named(tmp_path):
    full = DIAGNOSTIC.replace("sentence1", "Premise").replace("sentence2", "Hypothesis").replace("\n", "\tLabel\n", 1)
    full = full.replace("A\tB", "A\tB\tneutral").replace("C\tD", "C\tD\tentailment")
    for name in ("diagnostic.tsv", "ax.tsv"):
        assert load(tmp_path, "ax", "test", test=put(tmp_path, name, DIAGNOSTIC)).hidden
        assert load(tmp_path, "ax", "test", test=put(tmp_path, f"full/{name}", full)).labels.tolist() == [1, 0]


# ---- labels


@pytest.mark.parametrize("hidden", ["-1", "-", "", "-1.0"])
@pytest.mark.parametrize(("task", "column"), [("rte", "label"), ("stsb", "score"), ("qqp", "is_duplicate")])
def test_labels_kept_back_in_any_form_are_hidden_in_a_test_file_and_refused_in_training(tmp_path, hidden, task, column):
    names = TASKS[task].text
    rows = "\t".join(["id", *names, column]) + "\n" + "".join(f"{i}\ta\tb\t{hidden}\n" for i in range(3))
    put(tmp_path, f"{TASKS[task].folders[0]}/test.tsv", rows)
    put(tmp_path, f"{TASKS[task].folders[0]}/train.tsv", rows)
    assert load(tmp_path, task, "test").hidden
    with pytest.raises(DataError, match="line 2"):
        load(tmp_path, task)


@pytest.mark.parametrize("hidden", ["-1", '"-"', '""', '"-1"', "null"])
def test_labels_kept_back_in_any_form_are_hidden_in_json_lines(tmp_path, hidden):
    put(tmp_path, "SNLI/snli_1.0_test.jsonl", f'{{"sentence1": "a", "sentence2": "b", "gold_label": {hidden}}}\n')
    assert load(tmp_path, "snli", "test").hidden


@pytest.mark.parametrize("hidden", [-1, -1.0, None, float("nan"), "-", "", "-1"])
def test_labels_kept_back_in_any_form_are_hidden_in_parquet(tmp_path, hidden):
    put_parquet(tmp_path, "rte", "test", [{"sentence1": "a", "sentence2": "b", "label": hidden}])
    assert load(tmp_path, "rte", "test").hidden


@pytest.mark.parametrize("labels", [(1.0, 0.0), (True, False), (1, 0)])
def test_parquet_labels_as_floats_or_booleans_and_without_an_index(tmp_path, labels):
    rows = [{"sentence1": "a", "sentence2": "b", "label": label} for label in labels]
    put_parquet(tmp_path, "rte", "train", rows)
    split = load(tmp_path, "rte")
    assert (split.labels.tolist(), split.ids) == ([1, 0], ["0", "1"])


@pytest.mark.parametrize(
    ("task", "label"), [("rte", 0.5), ("mnli", True), ("rte", 2.0), ("stsb", [1.0]), ("stsb", True)]
)
def test_a_parquet_label_without_a_certain_meaning_is_refused(tmp_path, task, label):
    first, second = ("premise", "hypothesis") if task == "mnli" else ("sentence1", "sentence2")
    put_parquet(tmp_path, task, "train", [{first: "a", second: "b", "label": label}])
    with pytest.raises(DataError, match=r"label|score"):
        load(tmp_path, task)


# ---- warnings


def test_one_class_and_few_dev_items_are_warned_of(tmp_path):
    put(tmp_path, "RTE/dev.tsv", RTE)
    put(tmp_path, "RTE/train.tsv", RTE.replace("not_entailment", "entailment"))
    few = "WARNING: rte has only 2 dev items here; a score on them says next to nothing"
    one = "WARNING: every row of the train split of rte is labelled 'entailment'"
    assert few in load(tmp_path, "rte", "dev").notes
    assert one in load(tmp_path, "rte").notes
    experiment, _ = Request(name="compare", tasks="rte", methods="vanilla,smart", data_dir=tmp_path).found()
    assert {few, one} <= set(experiment.notes)


def test_rows_without_a_text_are_counted(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE.replace("\tB\t", "\t \t"))
    assert "1 row with an empty text" in load(tmp_path, "rte").notes
    put(tmp_path, "RTE/train.tsv", RTE)
    assert not any("empty text" in note for note in load(tmp_path, "rte").notes)


# ---- a set's own original release


def test_colas_own_release_is_glues_with_both_halves_of_dev(tmp_path):
    put(tmp_path, "cola_public/raw/in_domain_train.tsv", "x\t1\t\tThey sang.\nx\t0\t*\tSang they.\n")
    put(tmp_path, "cola_public/raw/in_domain_dev.tsv", "x\t1\t\tShe ran.\n")
    outside = put(tmp_path, "cola_public/raw/out_of_domain_dev.tsv", "y\t0\t*\tRan she.\ny\t1\t\tIt rains.\n")
    assert load(tmp_path, "cola").labels.tolist() == [1, 0]
    dev = load(tmp_path, "cola", "dev")
    assert (dev.texts, dev.labels.tolist()) == ((["She ran.", "Ran she.", "It rains."],), [1, 0, 1])
    outside.unlink()
    with pytest.raises(MissingData, match=r"half of the dev split, its other half raw/out_of_domain_dev.tsv"):
        load(tmp_path, "cola", "dev")


def test_the_release_of_the_sts_benchmark_is_read_with_its_test_scores(tmp_path):
    rows = "main-captions\tMSRvid\t2012test\t0001\t5.000\tA plane.\tAn air plane.\n"
    rows += 'main-news\tx\t2015\t0002\t0.800\tOne "b".\tTwo.\thttp://one\thttp://two\n'
    for name in ("train", "dev", "test"):
        put(tmp_path, f"stsbenchmark/sts-{name}.csv", rows)
        split = load(tmp_path, "stsb", name)
        assert split.texts == (["A plane.", 'One "b".'], ["An air plane.", "Two."])
        assert split.labels.tolist() == [5.0, 0.8]
    put(tmp_path, "stsbenchmark/sts-train.csv", rows + "main-news\tx\t2015\t0003\t0.800\tOne.\n")
    with pytest.raises(DataError, match=r"line 3: expected 7 columns"):
        load(tmp_path, "stsb")


# ---- quoting and names of programs


def test_fields_that_a_program_quoted_because_of_their_quotation_marks_are_read_without(tmp_path):
    official = 'index\tsentence1\tsentence2\tlabel\n0\tHe said "no".\tB\tentailment\n1\t"C" is\tD "\tnot_entailment\n'
    requoted = official.replace('He said "no".', '"He said ""no""."').replace('"C" is', '"""C"" is"')
    put(tmp_path, "a/RTE/train.tsv", official)
    put(tmp_path, "b/RTE/train.tsv", requoted.replace('D "', '"D """'))
    assert load(tmp_path / "a", "rte").fingerprint == load(tmp_path / "b", "rte").fingerprint
    put(tmp_path, "c/RTE/train.tsv", requoted)  # one mark stands alone: nobody quoted this file
    assert load(tmp_path / "c", "rte").texts[0] == ['"He said ""no""."', '"""C"" is"']


@pytest.mark.parametrize("name", ["train-00000-of-00001-5a5b2f1a6c0d9e3f.parquet", "train/0000.parquet"])
def test_parquet_under_the_hubs_other_names(tmp_path, name):
    put_parquet(tmp_path, "rte", "train", [{"sentence1": "a", "sentence2": "b", "label": i % 2} for i in range(4)])
    (tmp_path / "RTE" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "RTE" / "train-00000-of-00001.parquet").rename(tmp_path / "RTE" / name)
    assert len(load(tmp_path, "rte")) == 4


def test_what_save_to_disk_wrote_is_named_with_what_to_do(tmp_path):
    put(tmp_path, "RTE/data-00000-of-00001.arrow", b"ARROW1")
    with pytest.raises(MissingData, match=r"written by save_to_disk: write each split with to_parquet"):
        load(tmp_path, "rte")


@pytest.mark.parametrize("hidden", ["nan", "NaN", "None", "null"])
def test_labels_kept_back_as_programs_write_missing_values(tmp_path, hidden):
    put(tmp_path, "STS-B/test.tsv", f"index\tsentence1\tsentence2\tscore\n0\ta\tb\t{hidden}\n")
    assert load(tmp_path, "stsb", "test").hidden


# ---- what stands in the place of a file

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head></html>\n"


@pytest.mark.parametrize(("raw", "reason"), [(POINTER, "git lfs pull"), (PAGE, "a web page")])
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("rte", "RTE/train.tsv"),
        ("cola", "CoLA/train.tsv"),
        ("snli", "SNLI/snli_1.0_train.jsonl"),
        ("ag-news", "ag_news_csv/train.csv"),
        ("rte", "RTE/train-00000-of-00001.parquet"),
        ("imdb", "aclImdb_v1.tar.gz"),
    ],
)
def test_a_pointer_or_a_page_in_the_place_of_a_file_is_named(tmp_path, raw, reason, task, name):
    put(tmp_path, name, raw)
    with pytest.raises(DataError, match=reason):
        load(tmp_path, task)
