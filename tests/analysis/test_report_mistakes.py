"""The report's tables on errors recompute from predictions, with texts and without."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from world import Arm, Exam, World

from analysis.report import write_report
from analysis.results import Results

ARMS = [Arm("vanilla", "BERT"), Arm("smart", "SMART", "smart", gain=6.0, collapsed=(2,))]


def world(root, texts: bool) -> None:
    World(root, ARMS, [Exam("one", items=200, votes=True)], epochs=1, steps=4, texts=texts).write()


def table(page, name: str) -> list[dict[str, str]]:
    with (page.parent / "tables" / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("mistakes")
    world(root, texts=True)
    return root, write_report(root, "compare")


def frames(root, row: str) -> list[pd.DataFrame]:
    manifest = Results.open(root).manifest("compare")
    return [Results.open(root).predictions(key, "one", "dev") for key in manifest.cells[row]["one"]]


def test_slices_recompute(report):
    root, page = report
    lines = {line["slice"]: line for line in table(page, "slices-one")}
    assert set(lines) == {"label: label 0", "label: label 1"}  # the texts are alike: their slices would hold all items
    for row, name in (("smart", "accuracy (%)"), ("vanilla", "baseline (%)")):
        right = [(f["prediction"] == f["label"])[f["label"] == 0].mean() for f in frames(root, row)]
        assert float(lines["label: label 0"][name]) == pytest.approx(100 * np.mean(right), abs=0.051)


def test_confusion_and_collapsed_runs_recompute(report):
    root, page = report
    expected = np.mean([sk.confusion_matrix(f["label"], f["prediction"]) for f in frames(root, "smart")], axis=0)
    got = [[float(v) for n, v in line.items() if n != "label"] for line in table(page, "confusion-one-SMART")]
    assert got == [pytest.approx(line, abs=0.051) for line in expected.tolist()]
    (line,) = table(page, "collapsed")
    assert line["collapsed runs"] == "1 of 3"
    alive = [100 * (f["prediction"] == f["label"]).mean() for f in frames(root, "smart")[:2]]
    assert float(line["mean without them"]) == pytest.approx(np.mean(alive), abs=0.051)


def test_diverged_runs_are_named_and_those_that_learnt_are_not(tmp_path):
    arms = [Arm("vanilla", "BERT"), Arm("sda", "SDA", "sda", diverged=(0, 2))]
    World(tmp_path, arms, [Exam("one", items=40), Exam("two", items=40)]).write()
    page = write_report(tmp_path, "compare").read_text(encoding="utf-8")
    where = "SDA on one (2 of 3 runs) and two (2 of 3 runs)."
    assert f"ended above where it began (by over 3 standard errors), are in the means: {where}" in page


def test_calibration_is_there_before_and_after_scaling(report):
    _, page = report
    lines = table(page, "calibration-one")
    assert [line["method"] for line in lines] == ["BERT", "SMART"]
    assert all(line["temperature (fit on the holdout)"] for line in lines)


def test_examples_know_their_slices_and_the_labels_names(report):
    _, page = report
    text = page.read_text(encoding="utf-8")
    assert '"labels":["label 0","label 1"]' in text
    assert '"slices":["label: label 0"' in text


def test_without_texts_the_report_says_so(tmp_path):
    world(tmp_path, texts=False)
    page = write_report(tmp_path, "compare")
    assert "the texts of these items are not in this results folder" in page.read_text(encoding="utf-8")
    assert {line["slice"] for line in table(page, "slices-one")} == {"label: label 0", "label: label 1"}


def many(root, n: int):
    arms = [Arm("vanilla", "BERT"), *(Arm(f"m{i}", f"Method {i}", "sda") for i in range(1, n))]
    World(root, arms, [Exam("one", items=60)], seeds=(0, 1), epochs=1, steps=2).write()
    return write_report(root, "compare")


def test_calibration_and_confusion_are_there_for_every_method_and_the_page_says_which_are_drawn(tmp_path):
    page = many(tmp_path, 8)
    methods = ["BERT", *(f"Method {i}" for i in range(1, 8))]
    assert [line["method"] for line in table(page, "calibration-one")] == methods
    stems = {path.stem for path in (page.parent / "tables").glob("confusion-one-*.csv")}
    assert stems == {f"confusion-one-{method.replace(' ', '-')}" for method in methods}
    text = page.read_text(encoding="utf-8")
    assert "shows the confusion of BERT and Method 1, the first 2 of 8 methods; the tables below have all." in text
    assert "The first 4 of 7 methods; all are under Figures." in text  # nothing is claimed: the answer's figure
    assert "This section has the first" not in text


def test_more_methods_than_can_be_compared_side_by_side_are_counted(tmp_path):
    page = many(tmp_path, 14)
    assert len(table(page, "calibration-one")) == 12
    text = page.read_text(encoding="utf-8")
    assert "Scores after each epoch are drawn for up to 12 methods; here are 14." in text
    assert text.count("This section has the first 12 of 14 methods, the baseline and those that follow it") >= 2


def test_where_all_methods_are_drawn_nothing_is_said(report):
    _, page = report
    text = page.read_text(encoding="utf-8")
    assert "shows the confusion of" not in text
    assert "are under Figures" not in text
