"""Order of examples: shuffled, with texts of similar length in one update, and one task per update."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smart_repro.seeding import derive

POOL = 50  # updates whose examples are sorted by length together: large saves padding, small keeps the order random


def update_batches(lengths: np.ndarray, size: int, seed: int, epoch: int, pool: int = POOL) -> list[np.ndarray]:
    """Return the examples of each update of one epoch, with every example once.

    The epoch is shuffled and cut into pools; each pool is sorted by length and cut into updates; then the updates are
    shuffled. On CoLA, whose lengths vary, this processes about 10 % more tokens than the texts have; padding to a fixed
    length of 128 processes eleven times as many.

    Args:
        lengths: ``(n,)`` tokens per example.
        size: examples per update; one update of the last pool may have fewer.
        seed: seed of the order.
        epoch: number of the epoch; another epoch gives another order.
        pool: updates per pool.

    Returns:
        Index arrays, in training order.
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
    """Return the examples of each update of one epoch over several tasks: each update of one task, every example once.

    Tasks alternate at random, so that each has updates in proportion to its size (MT-DNN, Algorithm 1). The updates of
    a task have the same order as in single-task training.

    Args:
        lengths: tokens per example, of each task.
        size: examples per update.
        seed: seed of the order.
        epoch: number of the epoch.

    Returns:
        Index arrays into the concatenated examples of the tasks.
    """
    starts = np.cumsum([0, *map(len, lengths)])
    updates = [
        [start + batch for batch in update_batches(task_lengths, size, seed, epoch)]
        for start, task_lengths in zip(starts, lengths, strict=False)
    ]
    turns = np.repeat(np.arange(len(updates)), [len(batches) for batches in updates])
    waiting = [iter(batches) for batches in updates]
    return [next(waiting[task]) for task in np.random.default_rng(derive(seed, "tasks", epoch)).permutation(turns)]


def pieces(batch: np.ndarray, parts: int) -> list[np.ndarray]:
    """Split an update's examples into ``parts`` nearly equal micro-batches; empty ones are left out."""
    return [piece for piece in np.array_split(batch, parts) if len(piece)]
