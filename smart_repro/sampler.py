"""Which examples share an update: random order, with texts of similar length together, of one task each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smart_repro.seeding import derive

POOL = (
    50  # updates' worth of examples that are sorted by length together: large saves padding, small keeps order random
)


def update_batches(lengths: np.ndarray, size: int, seed: int, epoch: int, pool: int = POOL) -> list[np.ndarray]:
    """The examples of each update of one epoch, every example once.

    The epoch is shuffled, cut into pools, each pool sorted by length and cut into updates, and the updates shuffled. On
    texts as uneven as CoLA's this processes about a tenth more tokens than there are, where padding to a fixed length
    of 128 processes eleven times as many.

    Args:
        lengths: ``(n,)`` tokens per example.
        size: examples per update; the last update of the longest pool may have fewer.
        seed: of the order; another epoch gives another order.
    Returns: index arrays, in training order.
    """
    rng = np.random.default_rng(derive(seed, "order", epoch))
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), pool * size):
        chunk = order[start : start + pool * size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def mixed_batches(lengths: Sequence[np.ndarray], size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The examples of each update of one epoch over several tasks: each update of one task, every example once.

    Tasks take turns at random, so that each has updates in proportion to its size (MT-DNN, Algorithm 1). A task's own
    updates come in the order they have when it is trained alone.

    Args:
        lengths: per task, the tokens of its examples.
    Returns: index arrays into the tasks' examples laid end to end.
    """
    starts = np.cumsum([0, *map(len, lengths)])
    own = [
        [start + batch for batch in update_batches(each, size, seed, epoch)]
        for start, each in zip(starts, lengths, strict=False)
    ]
    turns = np.repeat(np.arange(len(own)), [len(batches) for batches in own])
    waiting = [iter(batches) for batches in own]
    return [next(waiting[task]) for task in np.random.default_rng(derive(seed, "tasks", epoch)).permutation(turns)]


def pieces(batch: np.ndarray, parts: int) -> list[np.ndarray]:
    """An update's examples in ``parts`` nearly equal micro-batches; empty ones are left out."""
    return [piece for piece in np.array_split(batch, parts) if len(piece)]
