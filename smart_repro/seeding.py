"""Counter-based randomness: every draw is a function of (seed, purpose, position), so nothing about it needs saving.

A run that is resumed, two methods that share a seed, and two passes that share a dropout mask all follow from naming
the draw, not from the order in which draws happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256

import torch
from torch import Tensor


def derive(*parts: int | str) -> int:
    """A 63-bit seed from integers and names; different parts give independent seeds."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from ``seed`` inside, and leave the global generators as they were."""
    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices=devices, device_type="cuda" if device.type == "cpu" else device.type):
        torch.manual_seed(seed)
        yield


class Streams:
    """The random numbers of one training run, by position.

    Attributes:
        dropout: seed of the dropout masks.
        noise: seed of the perturbations' starting points.
        step: updates finished before the current one.
        micro: number of the micro-batch within the update, counted over all processes.
        row: examples of the update before this micro-batch; None where that is not known.
    """

    def __init__(self, dropout: int = 0, noise: int = 0, step: int = 0, micro: int = 0, row: int | None = None) -> None:
        self.dropout = dropout
        self.noise = noise
        self.step = step
        self.micro = micro
        self.row = row

    def here(self) -> Streams:
        """A copy that stays at the present position."""
        return Streams(self.dropout, self.noise, self.step, self.micro, self.row)

    def masks(self, name: str, device: torch.device) -> AbstractContextManager[None]:
        """Context in which dropout draws the masks of the pass ``name``: the same name gives the same masks."""
        return seeded(derive(self.dropout, "dropout", self.step, self.micro, name), device)

    def normal(self, mask: Tensor, width: int, example_ids: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Standard normal ``(batch, length, width)``, zero where ``mask`` is 0.

        Each example draws from its own generator, for its real tokens only: the numbers do not depend on what else is
        in the batch, nor on the padding. Without ``example_ids`` the row's position in the whole update stands in for
        them, or, where that is not known, its position in the micro-batch.
        """
        noise = torch.zeros(*mask.shape, width, dtype=dtype, device=mask.device)
        place, ids = self._rows(len(mask)) if example_ids is None else (-1, example_ids.tolist())
        drawn = []
        for tokens, example in zip(mask.count_nonzero(dim=1).tolist(), ids, strict=True):
            generator = torch.Generator(mask.device).manual_seed(derive(self.noise, "noise", self.step, place, example))
            drawn.append(torch.randn(tokens, width, generator=generator, dtype=dtype, device=mask.device))
        noise[mask.bool()] = torch.cat(drawn)  # at once: on a GPU every look at the mask waits for it
        return noise

    def _rows(self, rows: int) -> tuple[int | str, Sequence[int]]:
        if self.row is None:
            return self.micro, range(rows)
        return "row", range(self.row, self.row + rows)
