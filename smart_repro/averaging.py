"""Averages of weights over training: the exponential one of SMART, the window and the running mean of the second paper.

Each works on a list of tensors it owns (never views of a model's) and lends them to a model that carries them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def clones(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Detached copies that share no storage with the originals."""
    return [parameter.detach().clone() for parameter in parameters]


class ExponentialMean:
    """``mean <- (1 - beta) theta + beta mean``, starting from the given weights (SMART, equation 3).

    Attributes:
        values: the averaged tensors.
        start_share: the weight theta_0 still has in the mean; the rest belongs to later iterates.
    """

    def __init__(self, start: Iterable[Tensor]) -> None:
        self.values = clones(start)
        self.start_share = 1.0

    @torch.no_grad()
    def update(self, parameters: Iterable[Tensor], beta: float) -> None:
        """Take one more iterate in; ``beta`` is the share that the old mean keeps."""
        torch._foreach_lerp_(self.values, list(parameters), 1.0 - beta)
        self.start_share *= beta

    def state_dict(self) -> dict[str, Any]:
        """Return the mean and the share of theta_0."""
        return {"values": self.values, "start_share": self.start_share}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, in place."""
        copy_into(self.values, state["values"])
        self.start_share = state["start_share"]


class RunningMean:
    """Arithmetic mean of all iterates taken in so far, in the memory of one (Self-Ensemble, equation 4).

    Attributes:
        values: the mean; zeros while ``count`` is 0.
        count: iterates in it.
    """

    def __init__(self, like: Iterable[Tensor]) -> None:
        self.values = [torch.zeros_like(parameter) for parameter in like]
        self.count = 0

    @torch.no_grad()
    def add(self, parameters: Iterable[Tensor]) -> None:
        """Take one more iterate in."""
        self.count += 1
        torch._foreach_lerp_(self.values, list(parameters), 1.0 / self.count)

    @torch.no_grad()
    def remove(self, parameters: Iterable[Tensor]) -> None:
        """Undo :meth:`add` of the same iterate, up to rounding."""
        self.count -= 1
        if self.count:
            torch._foreach_lerp_(self.values, list(parameters), -1.0 / self.count)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean and its count."""
        return {"values": self.values, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, in place."""
        copy_into(self.values, state["values"])
        self.count = state["count"]


class PastMean(RunningMean):
    """Arithmetic mean of all iterates before the current one, in the memory of one (Self-Distillation, ``K = T - 1``).

    The optimiser overwrites the current iterate, so it is added before that, at the end of each :meth:`without`. A
    second :meth:`without` at the same iterate removes it first.

    Attributes:
        holds_current: True if the current iterate is in the mean.
    """

    def __init__(self, like: Iterable[Tensor]) -> None:
        super().__init__(like)
        self.holds_current = False

    @contextmanager
    def without(self, current: Sequence[Tensor]) -> Iterator[None]:
        """Exclude the current iterate from the mean inside the context; include it afterwards."""
        if self.holds_current:
            self.remove(current)
            self.holds_current = False
        yield
        self.add(current)
        self.holds_current = True

    def move_on(self) -> None:
        """Record that the optimiser has produced a new current iterate."""
        self.holds_current = False

    def state_dict(self) -> dict[str, Any]:
        """Return the mean, its count, and whether the current iterate is included."""
        return {**super().state_dict(), "holds_current": self.holds_current}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, in place."""
        super().load_state_dict(state)
        self.holds_current = state["holds_current"]


class Window:
    """The last ``size`` iterates, without the newest ``lag`` ones (Self-Distillation, equation 6).

    Args:
        size: the paper's K.
        lag: number of the newest iterates to leave out: 1 leaves out the current weights.
    """

    def __init__(self, size: int, lag: int) -> None:
        self.size, self.lag = size, lag
        self._members: list[list[Tensor]] = []  # newest first

    def push(self, parameters: Iterable[Tensor]) -> None:
        """Take the newest iterate in; the oldest one leaves when the window is full."""
        if len(self._members) < self.size + self.lag:
            self._members.insert(0, clones(parameters))
            return
        leaving = self._members.pop()  # its memory is used again: a new allocation of this size costs as much as a copy
        with torch.no_grad():
            torch._foreach_copy_(leaving, list(parameters))
        self._members.insert(0, leaving)

    def entering(self, newest: list[Tensor]) -> list[Tensor]:
        """Return the iterate that :meth:`push` of ``newest`` would bring into the window: an older one if it lags."""
        return self._members[self.lag - 1] if self.lag else newest

    @property
    def members(self) -> list[list[Tensor]]:
        """The iterates in the window, newest first; fewer than ``size`` at the beginning, none at first."""
        return self._members[self.lag :]

    def state_dict(self) -> dict[str, Any]:
        """Return all stored iterates, newest first."""
        return {"members": self._members}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the tensors are copied, because the window overwrites them."""
        like = self._members[0]
        self._members = [  # copies, for they are written over in time
            [value.to(old.device, copy=True) for value, old in zip(member, like, strict=True)]
            for member in state["members"]
        ]


class WindowMean:
    """Mean of a :class:`Window`, updated by adding the iterate that enters and subtracting the one that leaves.

    Every ``size`` updates it is computed from all members, so that rounding errors cannot accumulate.
    """

    def __init__(self, window: Window, like: Iterable[Tensor]) -> None:
        self.window = window
        self.values = [torch.zeros_like(parameter) for parameter in like]
        self._updates = 0

    @property
    def count(self) -> int:
        """Iterates in the mean."""
        return len(self.window.members)

    @torch.no_grad()
    def push(self, parameters: Iterable[Tensor]) -> None:
        """Push an iterate into the window and update the mean."""
        newest, size = list(parameters), self.window.size
        self._updates += 1
        if self.count < size or self._updates % size == 0:
            self.window.push(newest)
            self._recompute(self.window.members)
        else:  # before the window moves: it writes the newest iterate over the one that leaves
            torch._foreach_add_(self.values, self.window.entering(newest), alpha=1.0 / size)
            torch._foreach_sub_(self.values, self.window.members[-1], alpha=1.0 / size)
            self.window.push(newest)

    def _recompute(self, members: list[list[Tensor]]) -> None:
        if not members:
            return
        torch._foreach_copy_(self.values, members[0])
        for member in members[1:]:
            torch._foreach_add_(self.values, member)
        if len(members) > 1:
            torch._foreach_div_(self.values, float(len(members)))

    def state_dict(self) -> dict[str, Any]:
        """Return the window, its mean and the number of updates."""
        return {"window": self.window.state_dict(), "values": self.values, "updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, in place."""
        self.window.load_state_dict(state["window"])
        copy_into(self.values, state["values"])
        self._updates = state["updates"]


@torch.no_grad()
def copy_into(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Overwrite ``targets`` with ``values``, in place."""
    moved = [value.to(target.device) for target, value in zip(targets, values, strict=True)]
    torch._foreach_copy_(list(targets), moved)


def carrier(model: nn.Module, values: Sequence[Tensor] | None = None) -> nn.Module:
    """Return a frozen copy of ``model`` that computes with the tensors ``values`` themselves; they may change later."""
    copied = copy.deepcopy(model).requires_grad_(False)
    if values is not None:
        lend(copied, values)
    return copied


def lend(model: nn.Module, values: Sequence[Tensor]) -> None:
    """Let a :func:`carrier` compute with ``values``, without copying them."""
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.data = value


__all__ = ["ExponentialMean", "PastMean", "RunningMean", "Window", "WindowMean"]
