"""Kept cells are the computed ones, and are computed again as soon as anything below them changes."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from world import Arm, Exam, World

from analysis.comparison import compare
from analysis.results import Results


@pytest.fixture
def root(tmp_path):
    exams = [Exam("one", items=60), Exam("two", "matthews", items=60)]
    return World(tmp_path, [Arm("vanilla"), Arm("smart", gain=5.0, missing=(2,))], exams, epochs=1, steps=4).write()


def fail(*_):
    raise AssertionError("predictions were read again")


def test_the_second_time_nothing_is_read_and_all_is_the_same(root, monkeypatch):
    manifest = Results.open(root).manifest("compare")
    first = compare(Results.open(root), manifest)
    monkeypatch.setattr(Results, "predictions", fail)
    pd.testing.assert_frame_equal(compare(Results.open(root), manifest), first)
    (root / "cache" / "compare.json").unlink()
    with pytest.raises(AssertionError, match="read again"):
        compare(Results.open(root), manifest)


def test_an_edited_file_is_read_again_and_alone(root, monkeypatch):
    manifest = Results.open(root).manifest("compare")
    first = compare(Results.open(root), manifest).set_index(["row", "column"])
    path = root / "runs" / manifest.cells["smart"]["one"][0] / "predictions" / "one.dev.parquet"
    frame = pd.read_parquet(path)
    frame["prediction"] = frame["label"]
    frame.to_parquet(path, index=False)
    again = compare(Results.open(root), manifest).set_index(["row", "column"])
    assert again.loc[("smart", "one.accuracy"), "scores"][0] == 100.0
    assert again.loc[("smart", "two.matthews"), "low"] == first.loc[("smart", "two.matthews"), "low"]
    os.utime(path, ns=(1, 1))  # same size, another time: who knows what is in it
    monkeypatch.setattr(Results, "predictions", fail)
    with pytest.raises(AssertionError, match="read again"):
        compare(Results.open(root), manifest)


@pytest.mark.parametrize("content", ["", "[1]", "{broken"])
def test_a_broken_cache_is_no_cache(root, content):
    manifest = Results.open(root).manifest("compare")
    first = compare(Results.open(root), manifest)
    (root / "cache" / "compare.json").write_text(content)
    pd.testing.assert_frame_equal(compare(Results.open(root), manifest), first)


def test_other_code_computes_again(root, monkeypatch):
    from analysis import cache

    manifest = Results.open(root).manifest("compare")
    compare(Results.open(root), manifest)
    monkeypatch.setattr(cache, "code", lambda: "another version")
    monkeypatch.setattr(Results, "predictions", fail)
    with pytest.raises(AssertionError, match="read again"):
        compare(Results.open(root), manifest)
