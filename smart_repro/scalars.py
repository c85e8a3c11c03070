"""Scalars of updates: summed over micro-batches, read every few updates, joined over processes, and checked.

Both training loops use it: the suite's (:mod:`smart_repro.train`) and the Trainer's (:mod:`smart_repro.hf`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from smart_repro.methods.base import Loss, Method

FLUSH = 20  # updates whose scalars stay on the device before they are read, so that logging does not stall a GPU
_UNPROVEN = 2  # first updates, in which a part may be 0 without a fault
_SAME = frozenset({"step", "epoch", "lr", "gradient_norm"})  # scalars that are equal in all processes
_POSITION = frozenset({"step", "epoch", "tokens"})

Row = dict[str, float]


class NonFiniteLossError(ArithmeticError):
    """The loss, its gradient or the logits became NaN or infinite; the message gives the update or the epoch."""


class MissingSignalError(RuntimeError):
    """A part of the loss was exactly 0 over the first updates, although the method's options imply a signal."""


class Scalars:
    """Scalars of a run's updates, kept on the device until :meth:`read`.

    Attributes:
        largest: loss part that must not stay at exactly 0 -> its largest absolute value since the start of the run.
        updates: number of finished updates that ``largest`` covers.

    Args:
        accelerator: joins the processes of a data-parallel run.
        method: names the loss parts that must not stay at exactly 0.
    """

    def __init__(self, accelerator: Any, method: Method) -> None:
        self.largest: dict[str, float] = dict.fromkeys(sorted(method.expected_signals()), 0.0)
        self.updates = 0
        self._accelerator, self._method = accelerator, method
        self._current: dict[str, Tensor | float] = {}
        self._pending: list[dict[str, Tensor | float]] = []

    def __len__(self) -> int:
        """Return the number of finished updates that have not been read yet."""
        return len(self._pending)

    def add(self, loss: Loss, share: float) -> None:
        """Add the scalars of one micro-batch to the current update.

        Args:
            loss: loss of the micro-batch.
            share: its number of examples over that of the whole update, in all processes.
        """
        for name, value in {"loss": loss.total.detach(), **loss.parts, **loss.info}.items():
            previous: Any = self._current.get(name)
            if name.startswith("max_"):
                self._current[name] = value if previous is None else torch.maximum(previous, value)
            else:
                self._current[name] = (0.0 if previous is None else previous) + share * value

    def close(self, position: Mapping[str, float], **more: Tensor | float) -> None:
        """Finish the current update; an update without a micro-batch gives no row.

        Args:
            position: position in the run; at least ``step``, counted from 1.
            **more: further scalars, placed after the loss and its parts.
        """
        if self._current:
            self._pending.append({**position, **self._current, **more})
        self._current = {}

    def discard(self) -> None:
        """Drop all scalars that were not read."""
        self._current, self._pending = {}, []

    def read(self) -> list[Row]:
        """Return the updates finished since the last call, over all processes; every process has to call it."""
        rows = [{name: float(value) for name, value in row.items()} for row in self._pending]
        self._pending = []
        return _joined(rows, self._accelerator)

    def check(self, rows: Sequence[Row], *, last: bool) -> None:
        """Refuse updates with an impossible loss: :func:`check_finite`, then :meth:`check_signals`."""
        check_finite(rows)
        self.check_signals(rows, last=last)

    def check_signals(self, rows: Sequence[Row], *, last: bool) -> None:
        """Refuse a run in which a loss part that the method's options imply stays at exactly 0.

        The first two updates do not count: a teacher equals the student at the start, and still does after an update
        with learning rate 0, with which a warm-up begins.

        Args:
            rows: result of :meth:`read`.
            last: True if the run ends with these rows.

        Raises:
            MissingSignalError: a part is 0 after the first ``FLUSH`` updates, or at the end of a shorter run.
        """
        for row in rows:
            for part in self.largest:
                self.largest[part] = max(self.largest[part], abs(row.get(part, 0.0)))
        self.updates += len(rows)
        silent = [part for part, value in self.largest.items() if value == 0]
        if silent and (self.updates >= FLUSH or (last and self.updates > _UNPROVEN)):
            raise MissingSignalError(
                f"{', '.join(silent)} was exactly 0 over the first {self.updates} updates, although method "
                f"{self._method.name!r} with these options should give a signal; check the model, radius and precision"
            )


def check_finite(rows: Sequence[Row]) -> None:
    """Refuse an update whose loss is NaN or infinite, or the norm of its gradient where it was logged.

    Only :mod:`smart_repro.train` logs that norm, and without a loss scaler: there an update with such a gradient is
    never skipped, so that it makes weights NaN although the loss is finite.

    Raises:
        NonFiniteLossError: there is such an update.
    """
    for row in rows:
        for name, quantity in (("loss", "loss"), ("gradient_norm", "gradient")):
            if not math.isfinite(row.get(name, 0.0)):
                parts = ", ".join(f"{part}={value:.4g}" for part, value in row.items() if part not in _POSITION)
                raise NonFiniteLossError(f"the {quantity} is not finite at update {int(row['step'])}: {parts}")


def _joined(rows: list[Row], accelerator: Any) -> list[Row]:
    """Combine the rows of all processes, each of which saw a share of the examples."""
    if accelerator.num_processes == 1 or not rows:
        return rows
    values = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64, device=accelerator.device)
    parts = accelerator.gather(values.unsqueeze(0)).cpu()
    joined: dict[str, Tensor] = {"max": parts.amax(0), "same": parts[0], "sum": parts.sum(0)}
    kinds = ["max" if name.startswith("max_") else "same" if name in _SAME else "sum" for name in rows[0]]
    return [
        {name: float(joined[kind][i, j]) for j, (name, kind) in enumerate(zip(row, kinds, strict=True))}
        for i, row in enumerate(rows)
    ]


__all__ = ["FLUSH", "MissingSignalError", "NonFiniteLossError", "Scalars", "check_finite"]
