"""What ``smart-repro data`` says, on tiny files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.cli import data_report
from benchmarks.tasks.sources import Source


@pytest.fixture
def source(tmp_path):
    (tmp_path / "RTE").mkdir()
    head = "index\tsentence1\tsentence2\tlabel\n"
    rows = "0\ta b c\td\tentailment\n1\te\tf\tnot_entailment\n2\te\tf\tentailment\n3\te\tf\tentailment\n"
    (tmp_path / "RTE/train.tsv").write_text(head + rows)
    (tmp_path / "RTE/dev.tsv").write_text(head + "0\te\tf\tentailment\n1\tg\th\tmaybe\n")
    (tmp_path / "RTE/test.tsv").write_text("index\tsentence1\tsentence2\n0\te\tf\n1\tg\th\n")
    (tmp_path / "STS-B").mkdir()
    (tmp_path / "STS-B/dev.tsv").write_text("index\tsentence1\tsentence2\tscore\n0\ta\tb\t1.0\n1\ta\tc\t4.0\n")
    return Source("local", tmp_path)


def test_a_report_is_json_with_null_for_what_is_missing_or_broken(source, tmp_path):
    report = json.loads(json.dumps(data_report.data_report(["rte", "stsb"], source), allow_nan=False))
    rte = report["rte"]
    train = rte["splits"]["train"]
    assert train["rows"] == train["rows_in_files"] == 4
    assert train["official_rows"] == 2_490
    assert train["files"] == [str(tmp_path / "RTE/train.tsv")]
    assert train["labels"] == {"entailment": 3, "not_entailment": 1}
    assert train["lengths"]["unit"] == "words"
    assert train["lengths"]["quantiles"]["0.5"] == 2
    assert train["lengths"]["quantiles"]["1"] == 4
    assert (train["duplicates_within"], train["conflicting_labels"]) == (2, 1)
    assert len(train["fingerprint"]) == 64
    assert rte["splits"]["dev"] is None
    assert "unknown label 'maybe'" in rte["broken"]["dev"]
    assert rte["missing"] == {}
    assert rte["splits"]["test"]["labels_hidden"]
    assert rte["splits"]["test"]["labels"] == {}
    assert rte["duplicates_across"] == {"test in train": 1}
    stsb = report["stsb"]
    assert stsb["splits"]["train"] is None
    assert list(stsb["missing"]) == ["train", "test"]
    assert stsb["splits"]["dev"]["labels"]["mean"] == 2.5


def test_lengths_in_tokens(source):
    class Tokenizer:
        def __call__(self, first, second, **options):
            return {"input_ids": [[0, *a.split(), 0, *b.split(), 0] for a, b in zip(first, second, strict=True)]}

    lengths = data_report.data_report(["rte"], source, Tokenizer())["rte"]["splits"]["train"]["lengths"]
    assert lengths["unit"] == "tokens"
    assert lengths["quantiles"]["1"] == 7
    assert lengths["longer_than_max_length"] == 0


def test_plots_show_the_reported_numbers(source, tmp_path):
    from matplotlib.figure import Figure

    report = data_report.data_report(["rte", "stsb"], source)
    files = data_report.plot(report, tmp_path / "plots")
    assert [path.name for path in files] == ["rte.png", "stsb.png"]
    assert all(path.stat().st_size > 1_000 for path in files)
    present = {name: about for name, about in report["rte"]["splits"].items() if about}
    left, right = Figure().subplots(1, 2)
    outline = data_report.draw_lengths(left, present).patches[0].get_data()
    assert float((outline.values * np.diff(outline.edges)).sum()) == pytest.approx(1)
    assert [bar.get_height() for bar in data_report.draw_labels(right, present).patches] == [0.75, 0.25]


def test_a_task_with_hidden_labels_only(source):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    test = data_report.data_report(["rte"], source)["rte"]["splits"]["test"]
    assert data_report.draw_labels(axes, {"test": test}).texts[0].get_text() == "labels hidden"


def test_generated_tasks_need_no_source():
    report = data_report.data_report(["demo-rte"], Source("generated"))["demo-rte"]
    assert report["source"] == "generated"
    assert report["splits"]["train"]["rows"] > 0
