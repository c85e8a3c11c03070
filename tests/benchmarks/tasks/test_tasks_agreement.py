"""Agreement buckets: by hand, against a slow counting of every combination, and ChaosNLI's further labels."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np

from benchmarks.tasks.agreement import buckets, counts
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
