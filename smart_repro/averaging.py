"""Averages of weights over training: the exponential one of SMART, the window and the running mean of the second paper.

Each works on a list of tensors it owns (never views of a model's) and copies into whatever model is asked to carry it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


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
    def update(self, parameters: Sequence[Tensor], beta: float) -> None:
        """Take one more iterate in; ``beta`` is the share that the old mean keeps."""
        torch._foreach_lerp_(self.values, list(parameters), 1.0 - beta)
        self.start_share *= beta

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values, "start_share": self.start_share}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        copy_into(self.values, state["values"])
        self.start_share = state["start_share"]


@torch.no_grad()
def copy_into(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Overwrite ``targets`` with ``values``, in place."""
    torch._foreach_copy_(list(targets), [value.to(target.device) for target, value in zip(targets, values, strict=True)])
