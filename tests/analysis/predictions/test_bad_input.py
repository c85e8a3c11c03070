"""Bad predictions: one line that says what, where and the remedy, and exit code 2."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from benchmarks.cli import app as cli
from tests.analysis.predictions.studies import answers, frame, samples, write


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    return [frame(answers(labels, accuracy, rng, 2), labels) for accuracy in (0.8, 0.7)]


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Write two systems, judge them, and return the one line of refusal."""
    monkeypatch.chdir(tmp_path)

    def refuse(a, b=None, *words, name="a.csv"):
        for each, path in ((a, tmp_path / name), (b, tmp_path / "b.csv")):
            if isinstance(each, pd.DataFrame):
                write(each, path)
            elif each is not None:
                path.write_bytes(each if isinstance(each, bytes) else each.encode())
        code = cli.run_command(["judge", name, "b.csv", *words])
        out, err = capsys.readouterr()
        assert (code, out) == (2, ""), err
        assert len(err.strip().splitlines()) == 1, err
        assert "internal error" not in err
        return err

    return refuse


def with_value(rows, column, value, places=range(7)):
    changed = rows.copy()
    changed[column] = changed[column].astype(object)
    changed.loc[list(places), column] = value
    return changed


@pytest.mark.parametrize(
    ("column", "near"), [("prediction", "predictions"), ("id", "ID"), ("label", "near it: gold_label")]
)
def test_a_missing_column_names_those_near_it(column, near, rows, refused):
    other = {"prediction": "predictions", "id": "ID", "label": "gold_label"}[column]
    error = refused(rows[0].rename(columns={column: other}), rows[1])
    assert near in error
    assert "a" in error


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "a.csv is empty"),
        ("id,label,prediction\n", "a.csv is empty: it has no row"),
        (b"id,label,prediction\n1,caf\xe9,x\n", "line 2: not UTF-8 (byte 0xe9)"),
        ("id,label,prediction\n1,a,b\n".encode("utf-16"), "is UTF-16: convert it with iconv"),
        (b"id,label,prediction\n1,a,\0\n", "line 2: a NUL character"),
        (b"PK\x03\x04 of a spreadsheet", "is a ZIP archive or a spreadsheet"),
        ("id,label,prediction\n1,a,b,c\n2,a,b\n", "line 2: 4 fields, but the header has 3"),
        ("id,label,prediction\n0,1,a,b\n1,2,a,b\n", "line 2: 4 fields, but the header has 3"),
        ("id,label,prediction,prediction\n1,a,b,a\n", "two columns called 'prediction'"),
        ("id,label, prediction\n1,a,b\n", "near it: ' prediction'"),
        ("id,label,prediction\n1,a\n,a,a\n", "1 of 2 rows have no id: row 2"),
        ("id,label,prediction,seed\n1,a,a,99999999999999999999\n", "seed must be a whole number of at most 18 digits"),
        ('id,label,prediction\n1,"a,b\n', "a.csv"),
        ("id;label;prediction\n1;a;b\n", "separate columns by commas"),
    ],
)
def test_files_that_cannot_be_read(content, words, rows, refused):
    assert words in refused(content, rows[1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{\n", "line 1: not JSON (Expecting property name enclosed in double quotes, character 2)"),
        ("[1]\n", "line 1: no JSON object"),
        ("\n", "is empty"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": 1, "label": "a", "prediction": ["a"]}\n', "row 1: 'prediction' holds a value of type list"),
        ('{"id": {}, "label": "a", "prediction": "a"}\n', "row 1: 'id' holds a value of type dict"),
        ("{}\n", "has no column 'id'; there is none"),
        ('{"id": 1, "label": "a", "prediction": "a"}\n{"doc_id": 1, "resps": []}\n', "row 1: no doc_id or no resps"),
    ],
)
def test_json_lines_that_cannot_be_read(content, words, rows, refused):
    assert words in refused(content, rows[1], name="a.jsonl")


def test_a_stray_quote_that_swallows_items_is_refused(rows, refused):
    lines = (
        rows[0].assign(text="some text")[["id", "text", "label", "prediction", "seed"]].to_csv(index=False).split("\n")
    )
    for line in (20, 50):
        lines[line] = lines[line].replace("some", '"some')
    assert "a.csv, line 21: the quote that begins a value here closes in line 51" in refused("\n".join(lines), rows[1])


def test_other_files(rows, refused, tmp_path):
    assert "cannot read .xlsx" in refused("x", rows[1], name="a.xlsx")
    assert "does not exist" in refused(None, rows[1], name="gone.csv")
    (tmp_path / "none").mkdir()
    assert "has no file that ends in" in refused(None, rows[1], name="none")
    assert "is no Parquet file" in refused("PAR1", rows[1], name="a.parquet")
    assert "no array of numbers" in refused("no", rows[1], name="a.npy")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    assert "does not exist" in refused(None, rows[1], name="loop.csv")
    (tmp_path / "none" / "seed-0.csv").mkdir()
    assert "has no file that ends in" in refused(None, rows[1], name="none")
    assert "a.csv.gz cannot be read" in refused("no gzip", rows[1], name="a.csv.gz")


def test_a_parquet_file_with_a_column_twice_or_with_bytes(rows, refused, tmp_path):
    columns = [pa.array(["1"]), pa.array(["a"]), pa.array(["a"]), pa.array(["b"])]
    pq.write_table(pa.Table.from_arrays(columns, ["id", "label", "prediction", "prediction"]), tmp_path / "a.parquet")
    assert "two columns called 'prediction'" in refused(None, rows[1], name="a.parquet")
    pq.write_table(pa.table({"id": ["1"], "label": ["a"], "prediction": [b"a"]}), tmp_path / "a.parquet")
    assert "row 1: 'prediction' holds a value of type bytes" in refused(None, rows[1], name="a.parquet")


def test_predictions_that_are_missing_or_nan(rows, refused):
    for value in ("", "NaN"):
        error = refused(with_value(rows[0], "prediction", value), rows[1])
        assert "7 of 120 predictions are missing or NaN: item 0 (seed 0), item 1 (seed 0)" in error
        assert error.count("item ") == 5
    numbers = [pd.DataFrame({"id": range(30), "label": np.linspace(0, 1, 30), "prediction": 0.5}) for _ in range(2)]
    numbers[0].loc[3, "prediction"] = np.inf
    assert "'inf' (id 3)" in refused(*numbers)


def test_ids_that_differ(rows, refused):
    error = refused(rows[0][rows[0]["id"] != "item 5"], rows[1])
    assert "ids differ, compared as text: 1 in b alone: item 5" in error
    error = refused(rows[0].drop(index=5), rows[1])
    assert "a: ids differ between seeds: 1 in seed 1 alone: item 5" in error
    for other in (lambda text: text.replace("item ", "item 0"), str.upper):
        assert "write them alike" not in refused(rows[0].assign(id=rows[0]["id"].map(other) + "x"), rows[1])
    assert "in other case: write them alike" in refused(rows[0].assign(id=rows[0]["id"].str.upper()), rows[1])
    numbers = [each.assign(id=each["id"].str.removeprefix("item ")) for each in rows]
    for spelt in ("{}.0", "{:0>3}"):
        error = refused(numbers[0].assign(id=numbers[0]["id"].map(spelt.format)), numbers[1])
        assert "some are the same numbers in other spellings: write them alike" in error
    error = refused(pd.concat([rows[0], rows[0].iloc[:8]]), rows[1])
    assert "8 rows repeat an id and seed: item 0 (seed 0)" in error


def test_groups_that_cannot_be_used(rows, refused):
    assert "all items are in one group (x)" in refused(rows[0].assign(group="x"), rows[1])
    assert "groups differ for 60 of 60 ids" in refused(rows[0].assign(group="x"), rows[1].assign(group="y"))
    assert "60 items have no group" in refused(rows[0].assign(group=""), rows[1])


def test_groups_that_are_missing_or_would_be_ignored_are_refused(rows, refused):
    assert "40 items have no group ('nan'): item 20, item 21" in refused(
        rows[0].assign(group=np.tile(["a"] * 10 + ["b"] * 10 + ["nan"] * 40, 2)), rows[1]
    )
    labels, runs = np.arange(60) % 3, np.zeros((2, 5, 60), dtype=int)
    for missing in (np.nan, None):
        with pytest.raises(analysis.ResultsError, match="1 items have no group"):
            analysis.judge(*runs, labels=labels, groups=np.array([*["a", "b"] * 29, "a", missing], dtype=object))
    with pytest.raises(
        analysis.ResultsError, match=r"groups= must have one group for each label, \(60,\); got \(59,\)"
    ):
        analysis.judge(*runs, labels=labels, groups=np.arange(59))
    with pytest.raises(analysis.ResultsError, match="give files and frames a column 'group' instead"):
        analysis.judge(*rows, groups=np.arange(60))
    bare = [each.assign(id=np.tile(np.arange(60), 2), group=np.tile(np.arange(60), 2)) for each in rows]
    with pytest.raises(analysis.ResultsError, match="its column 'group' differs from the groups beside the labels"):
        analysis.judge(bare[0].drop(columns="label"), bare[1], labels=rows[1]["label"][:60], groups=np.arange(60) // 2)


def test_labels_that_differ(rows, refused):
    changed = with_value(rows[0], "label", "good", [3, 63])
    changed2 = with_value(rows[1], "label", "bad", [3, 63])
    assert "a and b: labels differ for 1 of 60 ids: item 3 (good and bad)" in refused(changed, changed2)
    assert "a: labels differ between seeds for 1 of 60 ids: item 3" in refused(
        with_value(rows[0], "label", "none of them", [3]), rows[1]
    )


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["x"] * 60, "all labels are 'x'"),
        (["1", "2", "positive"] * 20, "mixed label types: 2 numbers (1, 2) and 1 words (positive)"),
        (["", "a", "b"] * 20, "20 items have no label"),
        ([f"{i}" for i in range(60)], "60 different whole numbers"),
    ],
)
def test_labels_that_cannot_be_used(labels, words, refused):
    table = pd.DataFrame({"id": range(60), "label": labels, "prediction": labels[::-1]})
    if "" in labels:
        table["prediction"] = "a"
    assert words in refused(table, table)


@pytest.mark.parametrize("mark", ["-100", "-1"])
def test_items_without_a_label_are_no_class(mark, refused):
    labels = ["0", "1", "2"] * 20
    table = pd.DataFrame({"id": range(60), "label": labels, "prediction": labels[::-1]})
    unlabelled = with_value(table, "label", mark)
    error = refused(unlabelled, unlabelled)
    assert f"7 items have the label {mark}, which no system ever answers: 0, 1, 2" in error
    answered = with_value(unlabelled, "prediction", mark)
    assert analysis.judge(answered, unlabelled).study.n_classes == 4
    assert (
        analysis.judge(unlabelled, table.assign(label=unlabelled["label"]), classes=[mark, *"012"]).study.n_items == 60
    )


def test_30000_classes_and_three_rows(refused):
    many = pd.DataFrame({"id": range(30_000), "label": [f"c{i}" for i in range(30_000)], "prediction": "c1"})
    assert "30,000 different values" in refused(many, many)
    assert "3 items are too few: an interval needs at least 20" in refused(many[:3], many[:3])


def test_a_huge_field_that_is_not_read_is_no_matter(rows, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for each, name in zip(rows, ("a.csv", "b.csv"), strict=True):
        write(each.assign(text="word " * 40_000).iloc[:60], tmp_path / name)
    assert cli.run_command(["judge", "a.csv", "b.csv"]) == 0
    assert "items only" in capsys.readouterr().out


def test_logits_of_another_width(rows, refused):
    table = rows[0].drop(columns="prediction").assign(logit_bad=0.1, logit_good=0.2)
    assert "2 logits an item (bad, good) for 3 classes" in refused(table, rows[1], "--classes", "bad,good,mixed")
    strange = rows[0].drop(columns="prediction").assign(logit_0=0.1, logit_1=0.2)
    error = refused(strange, rows[1])
    assert "no prediction (1) is one of the labels' classes" in error
    assert "--classes" in error
    logits = rows[0].drop(columns="prediction").assign(logit_bad=0.1, logit_good=0.2, logit_mixed=0.0)
    assert "for each of at least two classes" in refused(logits.drop(columns=["logit_bad", "logit_good"]), rows[1])
    wider = logits.assign(logit_new=-1.0)
    assert "logits of different classes: a 4 (bad, good, mixed, new) and b 3" in refused(wider, logits)
    assert "got 'high' in logit_bad of id item 3, 'high'" in refused(
        with_value(logits, "logit_bad", "high", [3, 5]), rows[1]
    )
    assert "2 of 120 logits are no finite numbers: item 3" in refused(
        with_value(logits, "logit_bad", np.inf, [3, 5]), rows[1]
    )


@pytest.mark.parametrize(
    ("shape", "words"), [((0, 60), "no run"), ((2, 60, 1), "two classes"), ((2, 60, 0), "two classes")]
)
def test_arrays_without_runs_or_classes(shape, words, rows, refused, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    np.save(tmp_path / "labels.npy", np.arange(60) % 2)
    assert words in refused(None, rows[1], "--labels", "labels.npy", name="a.npy")


def test_words_among_numbers_and_answers_in_other_case(rows, refused):
    numbers = pd.DataFrame({"id": range(30), "label": np.linspace(0, 1, 30), "prediction": np.linspace(0, 1, 30)})
    assert "1 predictions are no finite numbers: 'high' (id 3)" in refused(
        with_value(numbers, "prediction", "high", [3]), numbers
    )
    loud = rows[0].assign(prediction=rows[0]["prediction"].str.upper())
    assert "they differ in case alone: write them alike" in refused(loud, rows[1])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--metric", "bleu"], "no metric named 'bleu' for predictions"),
        (["--metric", "f1"], "say --positive"),
        (["--positive", "ugly"], "no class is named 'ugly'"),
        (["--positive", "good", "--metric", "accuracy"], "for f1 alone"),
        (["--classes", "bad,good"], "none of the classes bad, good: mixed"),
        (["--classes", "bad,,good"], "none may be empty"),
        (["--baseline", "c.csv"], "the baseline c.csv is no file"),
        (["--bound", "-1"], "the bound is a difference above 0"),
        (["--bound", "nan"], "--bound must be a finite number"),
        (["--reference", "0.54"], "the reference is a score in percent, above 1"),
        (["--reference", "101"], "the reference is a score in percent, above 1"),
        (["--filter", "strict"], "--filter is for files of lm-evaluation-harness"),
        (["--labels", "b.csv"], "ids must be there once"),
        (["--baseline", ""], "the baseline's name is empty"),
        (["--labels", "gone.npy"], "gone.npy does not exist"),
        (["--metric", "pearson"], "are no finite numbers"),
    ],
)
def test_options_that_do_not_fit(words, names, rows, refused):
    assert names in refused(rows[0], rows[1], *words)


def test_too_few_systems_and_systems_of_two_kinds(rows, refused, tmp_path, capsys):
    assert cli.run_command(["judge"]) == 2
    assert cli.run_command(["judge", "a.csv"]) == 2
    assert "needs two systems" in capsys.readouterr().err
    samples([0.0, 1.0] * 30, tmp_path / "s.jsonl")
    assert "compare files of one kind" in refused(
        None, rows[1].assign(id=np.arange(120) % 60, label=(np.arange(120) % 4).astype(str)), name="s.jsonl"
    )


def test_labels_that_would_change_nothing_and_a_place_that_is_a_file(rows, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for each, name in zip(rows, ("a.csv", "b.csv"), strict=True):
        write(each, tmp_path / name)
    rows[0].iloc[:60][["id", "label"]].to_csv("labels.csv", index=False)
    assert cli.run_command(["judge", "a.csv", "b.csv", "--labels", "labels.csv"]) == 2
    assert "every system has labels of its own" in capsys.readouterr().err
    assert cli.run_command(["judge", "a.csv", "b.csv", "--out", "a.csv"]) == 2
    assert "a.csv cannot be made a folder" in capsys.readouterr().err


def test_labels_without_ids_are_matched_with_ids_in_order_alone(rows, refused, tmp_path):
    names, places = np.unique(rows[0]["label"][:60], return_inverse=True)
    np.save(tmp_path / "labels.npy", places)
    by_number = [each.assign(id=each["id"].str.removeprefix("item ")).drop(columns="label") for each in rows]
    words = ["--labels", "labels.npy", "--classes", ",".join(names)]
    sorted_as_text = [each.sort_values(["seed", "id"]) for each in by_number]
    error = refused(*sorted_as_text, *words)
    assert "a: the labels have no ids, and its own (0, 1, 10, 11, 12, ...) are not 0 to 59 in order" in error
    in_order = [write(each, tmp_path / name) for each, name in zip(by_number, ("a.csv", "b.csv"), strict=True)]
    judgement = analysis.judge(*in_order, labels=places, classes=list(names))
    assert judgement.cells[0].mean == analysis.judge(*rows).cells[0].mean


def test_labels_of_items_that_no_system_answers_are_refused(rows, refused, tmp_path):
    rows[0].iloc[:60][["id", "label"]].to_csv(tmp_path / "labels.csv", index=False)
    fewer = [each[each["id"] < "item 5"].drop(columns="label") for each in rows]
    error = refused(*fewer, "--labels", "labels.csv")
    assert "15 of 60 ids with a label are answered by no system: item 5, item 6" in error


def test_a_judgement_replaces_no_file_but_its_own(rows, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for each, name in zip(rows, ("table.csv", "b.csv"), strict=True):
        write(each, tmp_path / name)
    words = ["judge", "table.csv", "b.csv", "--out"]
    before = Path("table.csv").read_bytes()
    assert cli.run_command([*words, "."]) == 2
    assert ". holds the input table.csv, which could be replaced: give another folder" in capsys.readouterr().err
    Path("notes").mkdir()
    Path("notes/table.md").write_text("mine")
    assert cli.run_command([*words, "notes"]) == 2
    assert "notes holds files that no earlier judgement wrote (table.md): give a new or" in capsys.readouterr().err
    with pytest.raises(analysis.ResultsError, match="no earlier judgement wrote"):
        analysis.judge(*rows).write("notes")
    assert [cli.run_command([*words, "new"]) for _ in range(2)] == [0, 0]
    Path("table.csv").rename("new/table.csv")
    assert cli.run_command(["judge", "new/table.csv", "b.csv", "--out", "new"]) == 2
    assert Path("new/table.csv").read_bytes() == before


def test_blanks_truth_values_and_compression_are_no_differences(rows, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spaced = rows[0].assign(id=rows[0]["id"] + " ", prediction=" " + rows[0]["prediction"])
    write(rows[1], tmp_path / "b.csv")
    printed = []
    for each in (rows[0], spaced):
        write(each, tmp_path / "a.csv")
        assert cli.run_command(["judge", "a.csv", "b.csv", "--json"]) == 0
        printed.append(capsys.readouterr().out)
    Path("a.csv.gz").write_bytes(gzip.compress(Path("a.csv").read_bytes()))
    assert cli.run_command(["judge", "a.csv.gz", "b.csv", "--json"]) == 0
    assert printed == [capsys.readouterr().out] * 2
    answers_given = rows[0].assign(label=rows[0]["label"] == "good", prediction=rows[0]["prediction"] == "good")
    answers_given.to_csv("a.csv", index=False)
    answers_given.to_json("b.jsonl", orient="records", lines=True)
    assert cli.run_command(["judge", "a.csv", "b.jsonl"]) == 0


def test_scores_of_lm_eval_that_are_none(rows, refused, tmp_path):
    samples([3.5] * 30, tmp_path / "s.jsonl", metric="bleu")
    assert "bleu of an item must be a number from 0 to 1" in refused(None, rows[1], name="s.jsonl")
    (tmp_path / "s.jsonl").write_text(json.dumps({"doc_id": 0, "resps": []}) + "\n")
    assert "has no metric of each document" in refused(None, rows[1], name="s.jsonl")
