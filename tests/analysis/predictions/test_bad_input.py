"""Bad predictions: one line that says what, where and the remedy, and exit code 2."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

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
        (b"id,label,prediction\n1,caf\xe9,x\n", "not UTF-8 (byte 0xe9)"),
        ('id,label,prediction\n1,"a,b\n', "a.csv"),
        ("id;label;prediction\n1;a;b\n", "separate columns by commas"),
    ],
)
def test_files_that_cannot_be_read(content, words, rows, refused):
    assert words in refused(content, rows[1])


@pytest.mark.parametrize(
    ("content", "words"),
    [("{\n", "line 1, is not JSON"), ("[1]\n", "is no JSON object"), ("\n", "is empty")],
)
def test_json_lines_that_cannot_be_read(content, words, rows, refused):
    assert words in refused(content, rows[1], name="a.jsonl")


def test_other_files(rows, refused, tmp_path):
    assert "cannot read .xlsx" in refused("x", rows[1], name="a.xlsx")
    assert "does not exist" in refused(None, rows[1], name="gone.csv")
    (tmp_path / "none").mkdir()
    assert "has no file that ends in" in refused(None, rows[1], name="none")
    assert "is no Parquet file" in refused("PAR1", rows[1], name="a.parquet")
    assert "no array of numbers" in refused("no", rows[1], name="a.npy")


def test_predictions_that_are_missing_or_nan(rows, refused):
    for value in ("", "NaN"):
        error = refused(with_value(rows[0], "prediction", value), rows[1])
        assert "7 predictions are missing or NaN: item 0 (seed 0), item 1 (seed 0)" in error
        assert error.count("item ") == 5
    numbers = [pd.DataFrame({"id": range(30), "label": np.linspace(0, 1, 30), "prediction": 0.5}) for _ in range(2)]
    numbers[0].loc[3, "prediction"] = np.inf
    assert "'inf' (id 3)" in refused(*numbers)


def test_ids_that_differ(rows, refused):
    error = refused(rows[0][rows[0]["id"] != "item 5"], rows[1])
    assert "ids differ, compared as text: 1 in b alone: item 5" in error
    error = refused(rows[0].drop(index=5), rows[1])
    assert "a: ids differ between seeds: 1 in seed 1 alone: item 5" in error
    error = refused(pd.concat([rows[0], rows[0].iloc[:8]]), rows[1])
    assert "8 rows repeat an id and seed: item 0 (seed 0)" in error


def test_groups_that_cannot_be_used(rows, refused):
    assert "all items are in one group (x)" in refused(rows[0].assign(group="x"), rows[1])
    assert "groups differ for 60 of 60 ids" in refused(rows[0].assign(group="x"), rows[1].assign(group="y"))
    assert "60 items have no group" in refused(rows[0].assign(group=""), rows[1])


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


def test_scores_of_lm_eval_that_are_none(rows, refused, tmp_path):
    samples([3.5] * 30, tmp_path / "s.jsonl", metric="bleu")
    assert "bleu of an item must be a number from 0 to 1" in refused(None, rows[1], name="s.jsonl")
    (tmp_path / "s.jsonl").write_text(json.dumps({"doc_id": 0, "resps": []}) + "\n")
    assert "has no metric of each document" in refused(None, rows[1], name="s.jsonl")
