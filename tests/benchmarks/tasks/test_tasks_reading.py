"""Every layout read from tiny files with invented texts, and every kind of bad input with its message."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import DataError, MissingData, UsageError
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, load_split, parse_data_files, resolve_source

RTE = """index\tsentence1\tsentence2\tlabel
0\tA cat sat.\tAn animal sat.\tentailment
1\tIt rains.\tIt snows.\tnot_entailment
"""


@pytest.fixture(autouse=True)
def _no_data_variable(monkeypatch):
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")


def put(root: Path, name: str, content: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".jsonl.gz") or name.endswith(".tsv.gz") else raw)
    return path


def load(root: Path, task: str, split: str = "train", **files: Path):
    return load_split(TASKS[task], split, Source("local", root, {(task, name): path for name, path in files.items()}))


def refused(root: Path, task: str, split: str, *parts: str) -> str:
    with pytest.raises(DataError) as caught:
        load(root, task, split)
    message = str(caught.value)
    for part in parts:
        assert part in message
    return message


# ---- GLUE's TSV files


def test_a_glue_file_gives_texts_labels_and_its_own_index(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE)
    split = load(tmp_path, "rte")
    assert split.ids == ["0", "1"]
    assert split.texts == (["A cat sat.", "It rains."], ["An animal sat.", "It snows."])
    assert split.labels.tolist() == [0, 1]
    assert split.votes is None
    assert split.sources == (str(tmp_path / "RTE/train.tsv"),)
    assert split.notes == ("a SUBSET: 2 of 2,490 official rows",)


def test_quotes_and_the_word_null_are_text(tmp_path):
    rows = '0\t"He left.\tnull\tentailment\n1\tNA\t""\tnot_entailment\n'
    put(tmp_path, "RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n" + rows)
    assert load(tmp_path, "rte").texts == (['"He left.', "NA"], ["null", '""'])


def test_other_line_breaks_stay_inside_a_sentence(tmp_path):
    put(tmp_path, "SST-2/train.tsv", "sentence\tlabel\none\u2028two\x85three\x0bfour\t1\n")
    assert load(tmp_path, "sst2").texts == (["one\u2028two\x85three\x0bfour"],)


@pytest.mark.parametrize(
    "change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n"), lambda text: text + "\n\n"]
)
def test_mark_windows_line_ends_and_empty_lines_at_the_end_do_not_matter(tmp_path, change):
    put(tmp_path, "a/RTE/train.tsv", RTE)
    put(tmp_path, "b/RTE/train.tsv", change(RTE))
    one, other = load(tmp_path / "a", "rte"), load(tmp_path / "b", "rte")
    assert one.fingerprint == other.fingerprint
    assert one.ids == other.ids


def test_cola_has_a_header_in_its_test_file_only(tmp_path):
    put(tmp_path, "CoLA/train.tsv", "xx01\t1\t\tThey sang.\nxx01\t0\t*\tSang they the.\n")
    put(tmp_path, "CoLA/test.tsv", "index\tsentence\n0\tWe dance.\n")
    splits = {split: load(tmp_path, "cola", split) for split in ("train", "test")}
    assert splits["train"].labels.tolist() == [1, 0]
    assert splits["train"].ids == ["0", "1"]
    assert splits["test"].labels.tolist() == [-1]
    assert splits["test"].hidden


def test_scores_stay_on_their_scale_and_hidden_ones_are_nan(tmp_path):
    put(tmp_path, "sts-b/dev.tsv", "index\tsentence1\tsentence2\tscore\n0\ta b\ta c\t3.800\n")
    put(tmp_path, "sts-b/test.tsv", "index\tsentence1\tsentence2\n0\ta b\ta c\n")
    assert load(tmp_path, "stsb", "dev").labels.tolist() == [3.8]
    assert np.isnan(load(tmp_path, "stsb", "test").labels).all()
    assert load(tmp_path, "stsb", "test").hidden


MSR = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


def test_mrpc_from_the_original_release_equals_the_glue_files(tmp_path):
    rows = ["1\t10\t11\tOne .\tOne !\n", "0\t20\t21\tTwo .\tThree .\n", "1\t30\t31\tFour .\tFour !\n"]
    put(tmp_path, "a/MRPC/train.tsv", MSR + rows[0] + rows[2])
    put(tmp_path, "a/MRPC/dev.tsv", MSR + rows[1])
    put(tmp_path, "b/MRPC/msr_paraphrase_train.txt", MSR + "".join(rows))
    put(tmp_path, "b/MRPC/dev_ids.tsv", "20\t21\n")
    for split in ("train", "dev"):
        glue, original = load(tmp_path / "a", "mrpc", split), load(tmp_path / "b", "mrpc", split)
        assert glue.fingerprint == original.fingerprint
        assert glue.ids == original.ids


def test_mrpc_without_dev_ids_cannot_be_split(tmp_path):
    put(tmp_path, "MRPC/msr_paraphrase_train.txt", MSR + "1\t10\t11\tOne .\tOne !\n")
    refused(tmp_path, "mrpc", "train", "dev_ids.tsv is missing")


def test_qqp_leaves_out_its_few_torn_rows_and_counts_them(tmp_path):
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    rows = [f"{i}\t1\t2\tWhy {i}?\tHow {i}?\t{i % 2}\n" for i in range(50)]
    put(tmp_path, "QQP/train.tsv", header + "".join(rows) + "50\t1\t2\tA question\nover two lines?\tSo?\t0\n")
    split = load(tmp_path, "qqp")
    assert len(split) == 50
    assert split.left_out == {"wrong number of columns": 2}
    assert "2 rows left out: wrong number of columns" in split.notes
    put(tmp_path, "QQP/train.tsv", header + "".join(rows) + "torn\n" * 5)
    refused(tmp_path, "qqp", "train", "5 of 55 rows do not have 6 columns", "line 52")


# ---- inference


HEAD = "index\tpromptID\tpairID\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label\n"


def test_votes_of_mnli_from_tsv_jsonl_and_txt_are_the_same(tmp_path):
    votes = [["neutral"] * 3 + ["entailment"] * 2, ["contradiction"] * 5]
    gold, names = ["neutral", "contradiction"], ["7n", "7c"]
    tsv_rows = [[str(i), "7", names[i], f"P {i}", f"H {i}", *votes[i], gold[i]] for i in range(2)]
    txt_rows = [[gold[i], f"P {i}", f"H {i}", names[i], *votes[i]] for i in range(2)]
    head = "gold_label\tsentence1\tsentence2\tpairID\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\n"
    put(tmp_path, "a/MNLI/dev_matched.tsv", HEAD + "".join("\t".join(row) + "\n" for row in tsv_rows))
    put(
        tmp_path,
        "b/multinli_1.0/multinli_1.0_dev_matched.jsonl",
        "".join(nli_line(names[i], gold[i], f"H {i}", votes[i], premise=f"P {i}") for i in range(2)),
    )
    put(tmp_path, "c/multinli_1.0_dev_matched.txt", head + "".join("\t".join(row) + "\n" for row in txt_rows))
    tsv, jsonl, txt = (load(tmp_path / name, "mnli", "dev") for name in "abc")
    assert tsv.votes.tolist() == [[2, 3, 0], [0, 0, 5]]
    assert tsv.fingerprint == jsonl.fingerprint == txt.fingerprint
    assert tsv.ids == ["0", "1"]
    assert tsv.extra["pair_id"].tolist() == jsonl.ids == txt.ids == ["7n", "7c"]


def test_the_text_release_may_end_a_row_before_empty_annotators(tmp_path):
    head = "gold_label\tsentence1\tsentence2\tcaptionID\tpairID\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\n"
    put(
        tmp_path,
        "snli_1.0/snli_1.0_train.txt",
        head + "neutral\ta\tb\tx\tx1\tneutral\nneutral\ta\tc\tx\tx2\tneutral\t\t\t\t\n",
    )
    assert load(tmp_path, "snli").labels.tolist() == [1, 1]


def test_glue_snli_rows_with_five_annotators_under_a_header_for_one(tmp_path):
    head = "index\tpairID\tsentence1\tsentence2\tlabel1\tgold_label\n"
    wide = "1\tx2\ta\tc\tneutral\tneutral\tentailment\tneutral\tneutral\tneutral\n"
    put(tmp_path, "SNLI/train.tsv", head + "0\tx1\ta\tb\tentailment\tentailment\n" + wide)
    split = load(tmp_path, "snli")
    assert split.labels.tolist() == [0, 1]
    assert split.votes.tolist() == [[1, 0, 0], [1, 4, 0]]


def nli_line(
    name: str | None, gold: str = "neutral", text: str = "H", votes: list[str] | str | None = None, premise: str = "P"
) -> str:
    row = {"gold_label": gold, "pairID": name, "sentence1": premise, "sentence2": text, "annotator_labels": votes}
    return json.dumps({key: value for key, value in row.items() if value is not None}) + "\n"


def test_items_without_gold_are_left_out_and_counted_by_reason(tmp_path):
    tie = ["neutral", "neutral", "entailment", "entailment", "contradiction"]
    lines = (
        nli_line("a", votes=["neutral"] * 5)
        + nli_line("b", "-", votes=tie)
        + nli_line("c", "-", votes=["neutral", "entailment"])
    )
    put(tmp_path, "SNLI/snli_1.0_dev.jsonl.gz", lines)
    split = load(tmp_path, "snli", "dev")
    assert split.ids == ["a"]
    assert split.left_out == {"no majority among five annotators": 1, "no gold label": 1}


def test_a_gold_label_against_the_majority_is_reported_and_many_are_refused(tmp_path):
    lines = [nli_line(f"p{i}", votes=["neutral"] * 4 + ["entailment"]) for i in range(20)]
    put(tmp_path, "SNLI/snli_1.0_dev.jsonl", "".join([*lines, nli_line("q", votes=["entailment"] * 5)]))
    assert any(
        "1 row whose gold label is not what most annotators said" in note and "line 21" in note
        for note in load(tmp_path, "snli", "dev").notes
    )
    put(tmp_path, "SNLI/snli_1.0_dev.jsonl", "".join(nli_line(f"q{i}", votes=["entailment"] * 5) for i in range(20)))
    refused(tmp_path, "snli", "dev", "in 20 of 20 rows the gold label is not what most annotators said")


def test_parts_of_a_split_are_joined_in_name_order_and_repeated_rows_counted(tmp_path):
    put(
        tmp_path,
        "SNLI/snli_1.0_train.part2.jsonl",
        nli_line("b", text="two") + nli_line("c", text="three", votes=["neutral"] * 5),
    )
    put(tmp_path, "SNLI/snli_1.0_train.part1.jsonl.gz", nli_line("a", text="one") + nli_line("c", text=" three"))
    split = load(tmp_path, "snli")
    assert split.ids == ["a", "c", "b"]
    assert split.left_out == {"identical in another file": 1}
    assert split.votes.tolist() == [[0, 0, 0], [0, 5, 0], [0, 0, 0]]  # the votes that only the second copy has are kept
    assert len(split.sources) == 2


def test_rows_repeated_inside_one_file_stay(tmp_path):
    put(tmp_path, "SST-2/train.tsv", "sentence\tlabel\nfine\t1\nfine\t1\n")
    assert len(load(tmp_path, "sst2")) == 2


def test_row_numbers_of_two_parts_do_not_clash(tmp_path):
    head = "index\tquestion\tsentence\tlabel\n"
    put(tmp_path, "QNLI/train.a.tsv", head + "0\tWho?\tMe.\tentailment\n")
    put(tmp_path, "QNLI/train.b.tsv", head + "0\tWhy?\tSo.\tnot_entailment\n1\tWho?\tMe.\tentailment\n")
    split = load(tmp_path, "qnli")
    assert split.ids == ["train.a.tsv:0", "train.b.tsv:0"]
    assert split.left_out == {"identical in another file": 1}


def test_the_same_id_with_other_text_in_two_parts_is_refused(tmp_path):
    put(tmp_path, "SNLI/snli_1.0_train.a.jsonl", nli_line("a", text="one"))
    put(tmp_path, "SNLI/snli_1.0_train.b.jsonl", nli_line("a", text="two"))
    refused(tmp_path, "snli", "train", "snli_1.0_train.b.jsonl, line 1", "'a' occurs in an earlier file too")


def test_scitail_in_both_its_formats(tmp_path):
    put(tmp_path, "a/SciTailV1.1/tsv_format/scitail_1.0_train.tsv", "P\tH\tentails\nP\tI\tneutral\n")
    lines = [
        {"sentence1": "P", "sentence2": "H", "gold_label": "entailment"},
        {"sentence1": "P", "sentence2": "I", "gold_label": "neutral"},
    ]
    put(tmp_path, "b/SciTailV1.1/snli_format/scitail_1.0_train.txt", "".join(json.dumps(line) + "\n" for line in lines))
    one, other = load(tmp_path / "a", "scitail"), load(tmp_path / "b", "scitail")
    assert one.labels.tolist() == [1, 0]
    assert one.fingerprint == other.fingerprint


def test_anli_rounds_and_all_of_them(tmp_path):
    for name in ("R1", "R3"):
        line = {"uid": f"{name}-1", "context": name, "hypothesis": "H", "label": "c", "reason": ""}
        put(tmp_path, f"anli_v1.0/{name}/dev.jsonl", json.dumps(line) + "\n")
    assert load(tmp_path, "anli-r3", "dev").labels.tolist() == [2]
    whole = load(tmp_path, "anli", "dev")
    assert whole.ids == ["anli-r1:R1-1", "anli-r3:R3-1"]
    assert whole.extra["part"].tolist() == ["anli-r1", "anli-r3"]
    assert "WITHOUT anli-r2, which is not there" in whole.notes


def test_the_mixture_takes_what_is_there_and_names_what_is_not(tmp_path):
    put(tmp_path, "SNLI/snli_1.0_train.jsonl", nli_line("a", votes=["neutral"] * 5))
    put(
        tmp_path,
        "nli_fever/train_fitems.jsonl",
        json.dumps({"fid": "f1", "context": "C", "query": "Q", "label": "REFUTES"}) + "\n",
    )
    split = load(tmp_path, "nli-mixture")
    assert split.ids == ["snli:a", "fever-nli:f1"]
    assert split.labels.tolist() == [1, 2]
    assert split.votes.tolist() == [[0, 5, 0], [0, 0, 0]]
    assert [note for note in split.notes if note.startswith("WITHOUT")] == [
        "WITHOUT mnli, which is not there",
        "WITHOUT anli, which is not there",
    ]


# ---- topics


def test_zhang_csv_doubled_quotes_fields_and_line_breaks(tmp_path):
    put(tmp_path, "yelp_review_full_csv/train.csv", '"5","He said ""good"".\\n\\nYes, \\new."\n"1","bad"\n')
    put(tmp_path, "ag_news_csv/train.csv", '"3","Title","wall\\new street"\n')
    yelp = load(tmp_path, "yelp-full")
    assert yelp.texts == (['He said "good".\n\nYes, \new.', "bad"],)
    assert yelp.labels.tolist() == [4, 0]
    news = load(tmp_path, "ag-news")
    assert news.texts == (
        ["Title wall\\new street"],
    )  # here a lone backslash is the line break: left as the hub has it
    assert news.labels.tolist() == [2]


REVIEWS = {
    "train/pos/0_9.txt": "good",
    "train/pos/10_8.txt": "nice",
    "train/pos/2_8.txt": "fine",
    "train/neg/0_1.txt": "bad",
    "test/pos/0_9.txt": "p",
    "test/neg/0_1.txt": "n",
}


def archive(path: Path, members: dict[str, str], *, links: tuple[str, ...] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
            tar.addfile(info)
    return path


def test_reviews_from_a_folder_and_from_the_archive_are_the_same(tmp_path):
    for name, text in REVIEWS.items():
        put(tmp_path, f"a/aclImdb/{name}", text)
    archive(tmp_path / "b/aclImdb_v1.tar.gz", {f"aclImdb/{name}": text for name, text in reversed(REVIEWS.items())})
    folder, packed = load(tmp_path / "a", "imdb"), load(tmp_path / "b", "imdb")
    assert folder.ids == ["neg/0_1", "pos/0_9", "pos/2_8", "pos/10_8"]
    assert folder.labels.tolist() == [0, 1, 1, 1]
    assert folder.fingerprint == packed.fingerprint
    assert folder.ids == packed.ids


def test_an_archive_whose_paths_climb_out_is_refused(tmp_path):
    archive(tmp_path / "aclImdb_v1.tar.gz", {**REVIEWS, "../../etc/train/pos/1_1.txt": "x"})
    refused(tmp_path, "imdb", "train", "points out of the archive")
    archive(tmp_path / "aclImdb_v1.tar.gz", {**REVIEWS, "/abs/train/pos/1_1.txt": "x"})
    refused(tmp_path, "imdb", "train", "points out of the archive")


def test_an_archive_with_links_is_refused(tmp_path):
    archive(tmp_path / "aclImdb_v1.tar.gz", REVIEWS, links=("aclImdb/train/pos/7_7.txt",))
    refused(tmp_path, "imdb", "train", "is not a plain file")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.99])
def test_a_cut_off_archive_is_refused(tmp_path, keep):
    rng = np.random.default_rng(0)
    members = {
        f"aclImdb/train/{label}/{i}_5.txt": "".join(map(chr, rng.integers(97, 122, 3000)))
        for label in ("neg", "pos")
        for i in range(20)
    }
    path = archive(tmp_path / "aclImdb_v1.tar.gz", members)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw))])
    refused(tmp_path, "imdb", "train", "the archive is damaged or cut short")


# ---- bad input, one by one


def test_wrong_column_count(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE + "2\tonly two\n")
    refused(
        tmp_path,
        "rte",
        "train",
        "train.tsv, line 4",
        "expected 4 columns (index, sentence1, sentence2, label), found 2",
        "only two",
    )


def test_an_empty_line_in_the_middle_is_no_row(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE.replace("\n1\t", "\n\n1\t"))
    refused(tmp_path, "rte", "train", "line 3", "found 1")


def test_unknown_label(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE.replace("not_entailment", "maybe"))
    refused(
        tmp_path, "rte", "train", "train.tsv, line 3", "unknown label 'maybe'", "rte has entailment, not_entailment"
    )


def test_unknown_annotator_label(tmp_path):
    put(tmp_path, "SNLI/snli_1.0_dev.jsonl", nli_line("a", votes=["neutral", "unsure"]))
    refused(tmp_path, "snli", "dev", "line 1", "unknown annotator label 'unsure'")


@pytest.mark.parametrize("score", ["7.5", "nan", "five", ""])
def test_a_score_off_the_scale(tmp_path, score):
    put(tmp_path, "STS-B/train.tsv", f"index\tsentence1\tsentence2\tscore\n0\ta\tb\t{score}\n")
    refused(tmp_path, "stsb", "train", "line 2", f"{score!r} is not a number from 0 to 5")


def test_bad_utf8(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE.encode().replace(b"rains", b"r\xe4ins"))
    refused(tmp_path, "rte", "train", "train.tsv, line 3", "not UTF-8", "0xe4")


def test_a_file_of_another_kind(tmp_path):
    put(tmp_path, "RTE/train.tsv", b"\x00\x01" + RTE.encode())
    refused(tmp_path, "rte", "train", "line 1", "NUL byte")


@pytest.mark.parametrize("keep", [10, 60, -4])
def test_truncated_gzip(tmp_path, keep):
    path = put(
        tmp_path, "SNLI/snli_1.0_train.jsonl.gz", "".join(nli_line(f"p{i}", text=f"text {i * i}") for i in range(99))
    )
    path.write_bytes(path.read_bytes()[:keep])
    refused(tmp_path, "snli", "train", "snli_1.0_train.jsonl.gz", "damaged or cut short")


def test_a_file_that_was_unpacked_but_kept_its_gz_is_read(tmp_path):
    (tmp_path / "SNLI").mkdir()
    (tmp_path / "SNLI/snli_1.0_train.jsonl.gz").write_text(nli_line("a"))
    assert len(load(tmp_path, "snli")) == 1


@pytest.mark.parametrize(
    ("task", "name", "content"),
    [
        ("rte", "RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n"),
        ("rte", "RTE/train.tsv", ""),
        ("cola", "CoLA/train.tsv", ""),
        ("snli", "SNLI/snli_1.0_train.jsonl", "\n"),
        ("yelp-full", "yelp_review_full_csv/train.csv", ""),
    ],
)
def test_an_empty_split(tmp_path, task, name, content):
    put(tmp_path, name, content)
    refused(tmp_path, task, "train", "empty")


def test_a_review_folder_without_reviews(tmp_path):
    (tmp_path / "aclImdb/train/neg").mkdir(parents=True)
    refused(tmp_path, "imdb", "train", "no reviews")
    (tmp_path / "aclImdb/test").mkdir()
    refused(tmp_path, "imdb", "test", "no folder 'neg'")


def test_duplicate_ids(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE.replace("\n1\t", "\n0\t"))
    refused(tmp_path, "rte", "train", "train.tsv, line 3", "the id '0' occurs a second time (first in line 2)")


def test_another_tasks_file_by_its_columns(tmp_path):
    put(tmp_path, "QNLI/train.tsv", RTE)
    refused(tmp_path, "qnli", "train", "line 1", "no column 'question', 'sentence'", "is this another task's file?")


def test_another_tasks_file_by_its_labels(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE.replace("not_entailment", "1").replace("entailment", "0"))
    refused(tmp_path, "rte", "train", "line 2", "unknown label '0'", "is this another task's file?")


def test_another_tasks_file_by_a_class_that_never_occurs(tmp_path):
    rows = [f'"{1 + i % 2}","Review number {i}."\n' for i in range(300)]  # Yelp Polarity under Yelp Full's name
    put(tmp_path, "yelp_review_full_csv/train.csv", "".join(rows))
    refused(
        tmp_path, "yelp-full", "train", "none of the 300 rows", "'3 stars', '4 stars', '5 stars'", "another task's file"
    )


def test_another_data_sets_json(tmp_path):
    put(tmp_path, "SNLI/snli_1.0_train.jsonl", json.dumps({"context": "a", "hypothesis": "b", "label": "e"}) + "\n")
    refused(
        tmp_path,
        "snli",
        "train",
        "line 1",
        "no key 'sentence1', 'sentence2', 'gold_label'",
        "found context, hypothesis, label",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "expected an object"),
        ("[" * 5000, "not JSON"),
        (json.dumps({"sentence1": 3, "sentence2": "b", "gold_label": "neutral"}), "sentence1 is 3, expected a text"),
        (nli_line("b", votes="neutral").strip(), "expected a list"),
        (json.dumps({"sentence1": "a", "sentence2": "b", "gold_label": 0}), "gold_label is 0, expected a text"),
        (json.dumps({"sentence1": "a", "sentence2": "b", "gold_label": "neutral", "pairID": []}), "pairID is []"),
        ('{"sentence1": "\\ud800", "sentence2": "b", "gold_label": "neutral"}', "half of a surrogate pair"),
    ],
)
def test_json_that_is_no_example(tmp_path, line, message):
    put(tmp_path, "SNLI/snli_1.0_train.jsonl", nli_line("a") + line + "\n")
    refused(tmp_path, "snli", "train", "snli_1.0_train.jsonl, line 2", message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"1","a","b"', "expected 2 fields (a class and 1 text), found 3"),
        ('"1","never closed', "not a quoted comma-separated line"),
        ('"6","six stars"', "unknown label '6'"),
    ],
)
def test_csv_that_is_no_example(tmp_path, line, message):
    put(tmp_path, "yelp_review_full_csv/train.csv", '"1","fine"\n' + line + "\n")
    refused(tmp_path, "yelp-full", "train", "train.csv, line 2", message)


def test_a_training_file_without_labels(tmp_path):
    put(tmp_path, "SNLI/snli_1.0_train.jsonl", nli_line("a", "-"))
    refused(tmp_path, "snli", "train", "no row of the train split of snli has a label")


# ---- finding files


@pytest.mark.parametrize("folder", ["RTE", "rte", "glue_data/RTE", "GLUE/rte", "data/glue/Rte"])
def test_usual_folder_names_whatever_their_case(tmp_path, folder):
    put(tmp_path, f"{folder}/Train.TSV", RTE)
    assert len(load(tmp_path, "rte")) == 2


def test_the_data_folder_may_be_the_tasks_own(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE)
    assert len(load(tmp_path / "RTE", "rte")) == 2
    refused(tmp_path / "RTE", "wnli", "train", "wnli: no train split")


def test_files_with_telling_names_are_found_without_a_folder(tmp_path):
    put(tmp_path, "snli_1.0_dev.jsonl", nli_line("a"))
    assert len(load(tmp_path, "snli", "dev")) == 1


def test_a_second_copy_is_named(tmp_path):
    put(tmp_path, "RTE/train.tsv", RTE)
    put(tmp_path, "glue_data/RTE/train.tsv", RTE)
    used, other = str(tmp_path / "RTE/train.tsv"), str(tmp_path / "glue_data/RTE/train.tsv")
    split = load(tmp_path, "rte")
    assert split.sources == (used,)
    assert f"not used, since {used} comes first: {other}" in split.notes


def test_missing_files_say_where_was_looked_and_what_to_do(tmp_path):
    put(tmp_path, "RTE/dev.tsv", RTE)
    (tmp_path / "Cola2").mkdir()
    with pytest.raises(MissingData) as caught:
        load(tmp_path, "rte")
    for part in (str(tmp_path / "RTE"), "train.tsv", "Cola2, RTE", "--data-file rte:train=PATH"):
        assert part in str(caught.value)


def test_a_missing_data_folder(tmp_path):
    with pytest.raises(MissingData, match="does not exist; give --data-dir"):
        resolve_source(data_dir=tmp_path / "nowhere")
    with pytest.raises(MissingData, match="is not a folder"):
        resolve_source(data_dir=put(tmp_path, "file", "x"))


def test_a_named_file_is_read_instead(tmp_path):
    path = put(tmp_path, "somewhere/my_copy.tsv", RTE)
    assert len(load(tmp_path, "rte", train=path)) == 2
    with pytest.raises(MissingData, match="does not exist"):
        load(tmp_path, "rte", train=tmp_path / "none.tsv")
    with pytest.raises(DataError, match="cannot tell how to read"):
        load(tmp_path, "rte", train=put(tmp_path, "copy.xlsx", "x"))


def test_unclaimed_folders_are_listed(tmp_path):
    from benchmarks.tasks.locate import unclaimed

    for name in ("RTE", "Cola_2", "glue_data"):
        (tmp_path / name).mkdir()
    assert unclaimed(tmp_path) == ["Cola_2"]


# ---- sources


def test_a_data_folder_means_local_files_only(tmp_path, monkeypatch):
    assert resolve_source() == Source("local")  # the hub is asked only where it is named
    assert resolve_source(data_dir=tmp_path) == Source("local", tmp_path)
    monkeypatch.setenv("SMART_REPRO_DATA", str(tmp_path))
    assert resolve_source() == Source("local", tmp_path)
    with pytest.raises(UsageError, match="--source hub contradicts SMART_REPRO_DATA"):
        resolve_source("hub")
    assert resolve_source("generated").kind == "generated"


def test_sources_that_cannot_be(tmp_path):
    with pytest.raises(UsageError, match="--source generated contradicts --data-dir"):
        resolve_source("generated", tmp_path)
    with pytest.raises(UsageError, match="--source local needs --data-dir"):
        resolve_source("local")
    with pytest.raises(UsageError, match="did you mean 'local'"):
        resolve_source("locl")


def test_data_file_options():
    assert parse_data_files(["mnli:train=a=b.tsv"]) == {("mnli", "train"): Path("a=b.tsv")}
    with pytest.raises(UsageError, match="expected TASK:SPLIT=PATH"):
        parse_data_files(["mnli=x"])
    with pytest.raises(UsageError, match="names mnli:train twice"):
        parse_data_files(["mnli:train=a", "mnli:train=b"])


def test_splits_and_tasks_that_are_not_there():
    with pytest.raises(
        DataError, match="mnli-mm has no train split, it has dev, test; it is evaluated by runs of mnli"
    ):
        load_split(TASKS["mnli-mm"], "train", Source("hub"))
    with pytest.raises(DataError, match="imdb has no dev split, it has train, test"):
        load_split(TASKS["imdb"], "dev", Source("hub"))
    with pytest.raises(DataError, match="rte is real data"):
        load_split(TASKS["rte"], "dev", Source("generated"))
    with pytest.raises(KeyError, match="did you mean 'rte'"):
        TASKS["rtee"]
