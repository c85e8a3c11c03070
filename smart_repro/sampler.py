"""Which examples share an update: random order, with texts of similar length together."""

from __future__ import annotations

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


def pieces(batch: np.ndarray, parts: int) -> list[np.ndarray]:
    """An update's examples in ``parts`` nearly equal micro-batches; empty ones are left out."""
    return [piece for piece in np.array_split(batch, parts) if len(piece)]
