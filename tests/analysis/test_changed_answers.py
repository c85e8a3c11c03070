"""Which answers an arm changes, as a cell of its own, so that shares of two arms make a contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.cells import Scored
from analysis.contrasts import Arm, changed_answers, measure
from analysis.crossed import combine
from analysis.schema import Column

COLUMN = Column(id="one.accuracy", task="one", metric="accuracy", split="dev")
LABELS = np.tile([0, 1], 100)


def cell(outputs: np.ndarray, seeds: tuple[int, ...]) -> Scored:
    none = np.zeros(len(outputs))
    keys = tuple(f"key{seed}" for seed in seeds)
    return Scored(keys, seeds, np.arange(len(LABELS)), LABELS, outputs, none, none)


def flipped(*counts: int) -> np.ndarray:
    """``(seeds, items)`` answers: the labels, the first so many of them wrong."""
    return np.stack([np.where(np.arange(len(LABELS)) < count, 1 - LABELS, LABELS) for count in counts])


def test_the_accuracy_of_the_cell_is_the_share_of_changed_answers():
    plain, other = cell(flipped(0, 10, 0), (0, 1, 2)), cell(flipped(20, 30, 4), (1, 0, 5))
    found = changed_answers(other, plain, "accuracy")
    assert found.seeds == (1, 0)
    assert found.keys == ("key1", "key0")
    assert found.scores.tolist() == [10 / 200, 30 / 200]
    assert (found.outputs == found.labels).mean(-1).tolist() == found.scores.tolist()
    with pytest.raises(ValueError, match="no seed"):
        changed_answers(replace(other, seeds=(7, 8, 9)), plain, "accuracy")


def test_logits_change_where_their_largest_does():
    logits = np.zeros((1, 200, 2))
    logits[0, :50, 1] = 1.0
    found = changed_answers(cell(2 * logits, (0,)), cell(logits, (0,)), "cross_entropy")
    assert found.scores.tolist() == [0.0]
    assert changed_answers(cell(-logits, (0,)), cell(logits, (0,)), "cross_entropy").scores.tolist() == [0.25]


def test_two_shares_make_a_contrast_in_points():
    plain = cell(flipped(0, 0, 0), (0, 1, 2))
    arms = [
        Arm(weight, changed_answers(cell(flipped(*counts), (0, 1, 2)), plain, "accuracy"), COLUMN)
        for weight, counts in ((1.0, (20, 24, 22)), (-1.0, (2, 0, 1)))
    ]
    interval = combine([measure(arms, [0, 1, 2])], level=0.95)
    assert interval.estimate == pytest.approx(100 * (22 - 1) / 200)
    assert 0 < interval.low < interval.estimate < interval.high
