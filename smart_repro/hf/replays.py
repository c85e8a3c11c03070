"""Presentation of each update's batches several times in a row, as FreeAT needs it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from accelerate.data_loader import DataLoaderShard
from torch.utils.data import DataLoader, IterableDataset

_KEPT = (
    "num_workers",
    "collate_fn",
    "pin_memory",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "prefetch_factor",
    "persistent_workers",
    "in_order",
    "device",
    "rng_types",
    "synchronized_generator",
)


class PresentedBatches:
    """Batches of a sampler in groups, each group ``replays`` times in a row.

    A group is the batches of one update. If the last group of an epoch is short, its rows are split again into as many
    batches, so that every update has the same number.
    """

    def __init__(self, batches: Any, group: int, replays: int) -> None:
        self.batch_sampler, self.group, self.replays = batches, group, replays
        self.batch_size, self.drop_last = batches.batch_size, batches.drop_last

    def __len__(self) -> int:
        return -(-len(self.batch_sampler) // self.group) * self.group * self.replays

    def __iter__(self) -> Iterator[list[int]]:
        waiting: list[list[int]] = []
        for batch in self.batch_sampler:
            waiting.append(batch)
            if len(waiting) == self.group:
                yield from waiting * self.replays
                waiting = []
        if waiting:
            yield from self._cut([row for batch in waiting for row in batch]) * self.replays

    def _cut(self, rows: list[int]) -> list[list[int]]:
        rows = (rows * self.group)[: max(len(rows), self.group)]  # at least one example each
        return [[int(row) for row in piece] for piece in np.array_split(rows, self.group)]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of all wrapped samplers."""
        inner = self.batch_sampler
        while inner is not None:
            if hasattr(inner, "set_epoch"):
                inner.set_epoch(epoch)
            inner = getattr(inner, "batch_sampler", None) or getattr(inner, "sampler", None)


def presented(loader: DataLoader[Any], group: int, replays: int, method: str) -> DataLoader[Any]:
    """Return the loader with every group of ``group`` batches ``replays`` times in a row.

    Raises:
        ValueError: the training set has no length.
    """
    if not isinstance(loader, DataLoaderShard) or isinstance(loader.dataset, IterableDataset):
        raise ValueError(
            f"method {method!r} presents each batch {replays} times, which needs a training set with a length and "
            "indices: an iterable one (or accelerate's dispatch_batches) has none"
        )
    options = {name: getattr(loader, name) for name in _KEPT}
    sampler = PresentedBatches(loader.batch_sampler, group, replays)
    replayed: DataLoader[Any] = DataLoaderShard(loader.dataset, batch_sampler=sampler, **options)
    return replayed


def passes_over_data(epochs: float, replays: int) -> float:
    """Return the passes over the data that give as many updates as ``epochs`` passes of plain training.

    Whole epochs give whole passes, at least one, as in the suite's own loop; a fraction of an epoch is kept.
    """
    if replays == 1:
        return epochs
    return max(1, round(epochs / replays)) if float(epochs).is_integer() else epochs / replays


def whole_groups(updates: int, replays: int) -> int:
    """Return ``updates``, rounded up so that the last batch is also presented ``replays`` times."""
    return math.ceil(updates / replays) * replays


__all__ = ["PresentedBatches", "passes_over_data", "presented", "whole_groups"]
