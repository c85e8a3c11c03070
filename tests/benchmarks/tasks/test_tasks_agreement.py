"""Agreement buckets: by hand, against a slow counting of every combination, and ChaosNLI's further labels."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product

import numpy as np
import pytest

from benchmarks.errors import DataError
from benchmarks.tasks.agreement import buckets, counts, with_chaos_votes
from benchmarks.tasks.base import Split


def split_of(votes, ids=None, **more):
    n = len(votes)
    return Split(ids or [str(i) for i in range(n)], (["P"] * n, ["H"] * n), np.zeros(n, int), np.array(votes), **more)


def test_every_way_five_annotators_can_vote():
    every = list(product(range(3), repeat=5))
    votes = np.array([[vote.count(k) for k in range(3)] for vote in every])
    slow = ["/".join(map(str, sorted((vote.count(k) for k in range(3)), reverse=True))) for vote in every]
    assert buckets(votes).tolist() == ["no majority" if name == "2/2/1" else name for name in slow]
    assert Counter(slow) == {"5/0/0": 3, "4/1/0": 30, "3/2/0": 60, "3/1/1": 60, "2/2/1": 90}


def test_fewer_than_five_and_none():
    assert buckets(np.array([[1, 0, 0], [2, 2, 0], [5, 0, 0], [0, 0, 0]])).tolist() == [
        "fewer than five",
        "fewer than five",
        "5/0/0",
        "no votes",
    ]


def test_the_rest_of_chaosnlis_selection_is_a_bucket_of_its_own():
    assert buckets(np.array([[3, 2, 0], [0, 0, 0], [1, 3, 1]])).tolist() == ["3/2/0", "5/0/0 or 4/1/0", "3/1/1"]


def test_counts_include_what_was_left_out():
    left_out = {"no majority among five annotators": 7, "no gold label": 2, "identical in another file": 9}
    split = split_of([[5, 0, 0], [0, 4, 1], [4, 0, 1]], left_out=left_out)
    assert counts(split) == {"5/0/0": 1, "4/1/0": 2, "3/2/0": 0, "3/1/1": 0, "fewer than five": 2, "no majority": 7}
    assert counts(Split(["0"], (["a"],), np.zeros(1, int))) == {}


def chaos(path, *items):
    path.write_text("".join(json.dumps({"uid": uid, "label_counter": votes}) + "\n" for uid, votes in items))
    return path


def test_a_hundred_further_votes_are_matched_by_pair_id(tmp_path):
    path = chaos(tmp_path / "chaos.jsonl", ("b", {"e": 30, "n": 70}), ("z", {"c": 100}))
    for split in (
        split_of([[5, 0, 0]] * 2, ["a", "b"]),
        split_of([[5, 0, 0]] * 2, extra={"pair_id": np.array(["a", "b"])}),
    ):
        assert with_chaos_votes(split, path).extra["chaos_votes"].tolist() == [[0, 0, 0], [30, 70, 0]]


def test_a_file_that_is_not_chaosnli(tmp_path):
    split = split_of([[5, 0, 0]], ["a"])
    with pytest.raises(DataError, match="none of its 1 items is in this split"):
        with_chaos_votes(split, chaos(tmp_path / "other.jsonl", ("q", {"e": 100})))
    with pytest.raises(DataError, match="line 1: label_counter is"):
        with_chaos_votes(split, chaos(tmp_path / "bad.jsonl", ("a", {"e": "many"})))
    (tmp_path / "no.jsonl").write_text('{"uid": "a"}\n')
    with pytest.raises(DataError, match="expected the keys uid and label_counter"):
        with_chaos_votes(split, tmp_path / "no.jsonl")
