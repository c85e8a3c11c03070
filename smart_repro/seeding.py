"""Counter-based random numbers: every draw is a function of seed, purpose and position in the run.

A draw does not depend on the order of draws. A resumed run therefore needs no saved generator state, methods with the
same seed draw the same numbers, and passes with the same name share their dropout masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256

import torch
from torch import Tensor

# splitmix64 (Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators), as signed 64-bit numbers.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
_HALF = 2**32


def derive(*parts: int | str) -> int:
    """Return a 63-bit seed from integers and names; different parts give independent seeds."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of the CPU and of ``device`` inside the context; restore their states afterwards.

    On CPU and CUDA each generator is seeded separately: ``torch.manual_seed`` seeds every kind of device and formats a
    stack trace for each missing one, which takes 80 times as long as this function.
    """
    if device.type not in ("cpu", "cuda"):
        with torch.random.fork_rng(devices=[device], device_type=device.type):
            torch.manual_seed(seed)
            yield
        return
    generators = _generators(device)
    previous_states = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, previous_states, strict=True):
            generator.set_state(state)


def _generators(device: torch.device) -> list[torch.Generator]:
    """Return the global generators that code running on ``device`` draws from."""
    if device.type == "cpu":
        return [torch.default_generator]
    number = torch.cuda.current_device() if device.index is None else device.index
    return [torch.default_generator, torch.cuda.default_generators[number]]


class Streams:
    """The random numbers of one training run, by position.

    Attributes:
        dropout: seed of the dropout masks.
        noise: seed of the perturbations' starting points.
        step: updates finished before the current one.
        micro: number of the micro-batch within the update, counted over all processes.
        row: examples of the update before this micro-batch; None if unknown.
    """

    def __init__(self, dropout: int = 0, noise: int = 0, step: int = 0, micro: int = 0, row: int | None = None) -> None:
        self.dropout = dropout
        self.noise = noise
        self.step = step
        self.micro = micro
        self.row = row

    def snapshot(self) -> Streams:
        """Return a copy that stays at the present position."""
        return Streams(self.dropout, self.noise, self.step, self.micro, self.row)

    def masks(self, name: str, device: torch.device) -> AbstractContextManager[None]:
        """Return a context in which dropout draws the masks of the pass ``name``: equal names have equal masks."""
        return seeded(derive(self.dropout, "dropout", self.step, self.micro, name), device)

    def normal(self, mask: Tensor, width: int, example_ids: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Draw standard normal ``(batch, length, width)``, zero where ``mask`` is 0.

        A number depends on the seed, the update, the example and its place among the example's real tokens. It does not
        depend on the other examples of the batch, on the padding or (except for the last bits) on the device. Without
        ``example_ids`` a row is identified by its position in the whole update or, if that is unknown, in the
        micro-batch.
        """
        place, rows = self._rows(mask) if example_ids is None else (-1, example_ids.to(mask.device))
        keys = scramble(rows.long() * _GOLDEN ^ derive(self.noise, "noise", self.step, place))
        pairs = -(-width // 2)
        tokens = mask.long().cumsum(1) - 1
        counters = tokens.unsqueeze(-1) * pairs + torch.arange(1, pairs + 1, device=mask.device)
        numbers = box_muller(scramble(keys.view(-1, 1, 1) + counters * _GOLDEN), dtype)
        return numbers[..., :width] * mask.unsqueeze(-1).to(dtype)

    def _rows(self, mask: Tensor) -> tuple[int | str, Tensor]:
        """Return the scope in which the rows of a batch without example numbers are counted, and their numbers."""
        rows = torch.arange(len(mask), device=mask.device)
        return (self.micro, rows) if self.row is None else ("row", rows + self.row)


def scramble(values: Tensor) -> Tensor:
    """Apply the output function of splitmix64 to int64 numbers: a bijection whose bits look random.

    Applied to ``key + n * 0x9E3779B97F4A7C15`` it is the n-th number of the generator that starts at ``key``.
    """
    values = (values ^ _shifted(values, 30)) * _FACTORS[0]
    values = (values ^ _shifted(values, 27)) * _FACTORS[1]
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Return ``values >> bits`` as if they were unsigned."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def box_muller(bits: Tensor, dtype: torch.dtype) -> Tensor:
    """Compute two independent standard normal numbers from each 64 random bits: ``(..., n)`` to ``(..., 2 n)``.

    The upper 32 bits give the radius, the lower ones the angle, so no number is larger than 6.8.
    """
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    radius = _shifted(bits, 32).to(wide).add_(0.5).div_(_HALF).log_().mul_(-2).sqrt_()
    angle = (bits & (_HALF - 1)).to(wide).mul_(2 * math.pi / _HALF)
    return torch.cat([radius * angle.cos(), radius * angle.sin_()], -1).to(dtype)
