"""Scalars of updates: summed over micro-batches, read every few updates, joined over processes, and checked.

Both training loops use it: the suite's own (:mod:`smart_repro.train`) and the Trainer (:mod:`smart_repro.hf`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from smart_repro.methods.base import Loss, Method

FLUSH = 20  # updates whose scalars stay on the device before they are read, so that logging does not stall a GPU
_UNPROVEN = 2  # updates in which a part may be 0 although nothing is wrong
_SAME = frozenset({"step", "epoch", "lr", "gradient_norm"})  # scalars that every process has whole
_POSITION = frozenset({"step", "epoch", "tokens"})

Row = dict[str, float]


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the message says at which update and shows its parts."""


class MissingSignalError(RuntimeError):
    """A part of the objective was exactly 0 over the first updates, although the method's options imply a signal."""


class Scalars:
    """The scalars of a run's updates, on the device until :meth:`read`.

    Attributes:
        largest: loss part that must not stay at exactly 0 -> its largest absolute value since the run began.
        updates: finished updates that ``largest`` covers.

    Args:
        accelerator: joins the processes of a data-parallel run.
        method: says which loss parts must not stay at exactly 0.
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
        """Take one micro-batch of the current update in.

        Args:
            share: its examples over those of the whole update, in all processes.
        """
        for name, value in {"loss": loss.total.detach(), **loss.parts, **loss.info}.items():
            previous: Any = self._current.get(name)
            if name.startswith("max_"):
                self._current[name] = value if previous is None else torch.maximum(previous, value)
            else:
                self._current[name] = (0.0 if previous is None else previous) + share * value

    def close(self, position: Mapping[str, float], **more: Tensor | float) -> None:
        """Finish the current update; one without a micro-batch leaves no row.

        Args:
            position: where it stands in the run; at least ``step``, counted from 1.
            more: further scalars, after the loss and its parts.
        """
        if self._current:
            self._pending.append({**position, **self._current, **more})
        self._current = {}

    def discard(self) -> None:
        """Forget what has not been read."""
        self._current, self._pending = {}, []

    def read(self) -> list[Row]:
        """Return the finished updates since the last call, over all processes; every process has to call it."""
        rows = [{name: float(value) for name, value in row.items()} for row in self._pending]
        self._pending = []
        return _joined(rows, self._accelerator)

    def check(self, rows: Sequence[Row], *, last: bool) -> None:
        """Refuse updates that cannot be right: :func:`check_finite`, then :meth:`check_signals`."""
        check_finite(rows)
        self.check_signals(rows, last=last)

    def check_signals(self, rows: Sequence[Row], *, last: bool) -> None:
        """Refuse a run in which a loss part that the method's options imply stays at exactly 0.

        The first two updates prove nothing: a teacher equals the student at first, and still does after an update with
        the learning rate 0 that a warm-up begins with.

        Args:
            rows: what :meth:`read` returned.
            last: whether the run ends with them.
        Raises: MissingSignalError: after the first ``FLUSH`` updates, or at the end of a shorter run.
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
    """Raises NonFiniteLossError for an update whose loss is NaN or infinite."""
    for row in rows:
        if not math.isfinite(row["loss"]):
            parts = ", ".join(f"{name}={value:.4g}" for name, value in row.items() if name not in _POSITION)
            raise NonFiniteLossError(f"the loss is not finite at update {int(row['step'])}: {parts}")


def _joined(rows: list[Row], accelerator: Any) -> list[Row]:
    """Put together the shares of the examples that each process saw."""
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
