"""Averages of weights over training: exponential (SMART), over a window and over the whole run (Xu et al. 2020).

An average is a list of tensors, one per parameter, which share no storage with the trained model. :func:`carrier` makes
a model that computes with these tensors. An iterate is the list of the parameters after one optimiser update.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def clones(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return detached copies that share no storage with the originals."""
    return [parameter.detach().clone() for parameter in parameters]


class ExponentialMean:
    """``mean <- (1 - beta) theta + beta mean``, starting from the given weights (SMART, equation 3).

    Attributes:
        values: the averaged tensors.
        start_share: weight of theta_0 in the mean, in [0, 1]; later iterates have the remaining weight.
    """

    def __init__(self, start: Iterable[Tensor]) -> None:
        self.values = clones(start)
        self.start_share = 1.0

    @torch.no_grad()
    def update(self, parameters: Iterable[Tensor], beta: float) -> None:
        """Update the mean with the next iterate; ``beta`` is the weight of the old mean."""
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
    """Arithmetic mean of all iterates added so far (Self-Ensemble, equation 4); it stores one copy of the parameters.

    Args:
        like: tensors with the shapes, types and devices of an iterate; their values are not used.

    Attributes:
        values: the mean; without meaning while ``count`` is 0.
        count: number of iterates in the mean.
    """

    def __init__(self, like: Iterable[Tensor]) -> None:
        self.values = [torch.zeros_like(parameter) for parameter in like]
        self.count = 0

    @torch.no_grad()
    def add(self, parameters: Iterable[Tensor]) -> None:
        """Add an iterate to the mean."""
        self.count += 1
        torch._foreach_lerp_(self.values, list(parameters), 1.0 / self.count)

    @torch.no_grad()
    def remove(self, parameters: Iterable[Tensor]) -> None:
        """Remove an iterate that :meth:`add` has added; the mean is restored up to rounding."""
        self.count -= 1
        if self.count:  # an empty mean keeps its old values: the next add replaces them
            torch._foreach_lerp_(self.values, list(parameters), -1.0 / self.count)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean and its count."""
        return {"values": self.values, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, in place."""
        copy_into(self.values, state["values"])
        self.count = state["count"]


class PastMean(RunningMean):
    """Arithmetic mean of all iterates before the current one (Self-Distillation, ``K = T - 1``).

    It stores one copy of the parameters. The optimiser overwrites the current iterate in place, so the iterate must be
    added before the update: each :meth:`without` adds it at its end. A second :meth:`without` at the same iterate
    (another micro-batch of the update) removes it first.

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
        yield  # without try/finally: after an error the iterate stays outside, and holds_current is still correct
        self.add(current)
        self.holds_current = True

    def move_on(self) -> None:
        """Record that the optimiser has updated the weights: the current iterate is now a past one."""
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
        """Store the newest iterate; a full window drops its oldest one."""
        if len(self._members) < self.size + self.lag:
            self._members.insert(0, clones(parameters))
            return
        oldest = self._members.pop()  # overwritten: allocating tensors of this size takes as long as copying them
        with torch.no_grad():
            torch._foreach_copy_(oldest, list(parameters))
        self._members.insert(0, oldest)

    def entering(self, newest: list[Tensor]) -> list[Tensor]:
        """Return the iterate that enters the window when ``newest`` is pushed: with lag 1, the one pushed before."""
        return self._members[self.lag - 1] if self.lag else newest

    @property
    def members(self) -> list[list[Tensor]]:
        """The iterates in the window, newest first: none at the start, later up to ``size``."""
        return self._members[self.lag :]

    def state_dict(self) -> dict[str, Any]:
        """Return all stored iterates, newest first."""
        return {"members": self._members}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, after at least one :meth:`push`.

        The tensors are copied to the devices of the stored iterates, because the window overwrites them later.
        """
        template = self._members[0]
        self._members = [
            [value.to(tensor.device, copy=True) for value, tensor in zip(member, template, strict=True)]
            for member in state["members"]
        ]


class WindowMean:
    """Mean of a :class:`Window`, updated by adding the iterate that enters and subtracting the one that leaves.

    Every ``size`` updates the mean is recomputed from all members, so that rounding errors cannot accumulate.

    Args:
        window: the window; only :meth:`push` of this class may change it.
        like: tensors with the shapes, types and devices of an iterate; their values are not used.

    Attributes:
        values: the mean; zeros while ``count`` is 0.
    """

    def __init__(self, window: Window, like: Iterable[Tensor]) -> None:
        self.window = window
        self.values = [torch.zeros_like(parameter) for parameter in like]
        self._updates = 0

    @property
    def count(self) -> int:
        """Number of iterates in the mean."""
        return len(self.window.members)

    @torch.no_grad()
    def push(self, parameters: Iterable[Tensor]) -> None:
        """Push an iterate into the window and update the mean."""
        newest, size = list(parameters), self.window.size
        self._updates += 1
        if self.count < size or self._updates % size == 0:
            self.window.push(newest)
            self._recompute(self.window.members)
        else:  # before the push, which overwrites the memory of the iterate that leaves
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
    """Overwrite ``targets`` with ``values``, in place.

    Raises:
        ValueError: the lists have different lengths.
    """
    on_device = [value.to(target.device) for target, value in zip(targets, values, strict=True)]
    torch._foreach_copy_(list(targets), on_device)


def carrier(model: nn.Module, values: Sequence[Tensor] | None = None) -> nn.Module:
    """Return a frozen copy of ``model`` whose parameters are the tensors ``values``, not copies of them.

    The model therefore follows every later in-place change of ``values``. None keeps copies of the model's parameters.
    """
    frozen_model = copy.deepcopy(model).requires_grad_(False)
    if values is not None:
        lend(frozen_model, values)
    return frozen_model


def lend(model: nn.Module, values: Sequence[Tensor]) -> None:
    """Make ``values`` the parameters of a :func:`carrier`, without copying them.

    Raises:
        ValueError: there is not one tensor per parameter.
    """
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.data = value


__all__ = ["ExponentialMean", "PastMean", "RunningMean", "Window", "WindowMean"]
