"""Dropout whose masks are cheap on a CPU: one draw from torch's generator, expanded by a faster one.

torch's Bernoulli numbers take 8 to 10 ns each on a CPU, which is 6 to 10 % of a plain update of a small encoder. Here
the generator of torch gives a seed per mask, and SFC64 of NumPy expands it at 2 ns a number. Masks stay a function of
the generator's state alone: equal seeds give equal masks, and recomputing an activation with a restored state gives its
mask again.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_VALUES = 2**32  # of the random numbers that are compared with the rate


class ExpandedDropout(nn.Dropout):
    """``nn.Dropout`` with other masks on a CPU; on other devices it is ``nn.Dropout``.

    The rate is exact to 2^-33, and the kept entries are divided by the share kept.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not 0 < self.p < 1 or input.device.type != "cpu" or self.inplace:
            return super().forward(input)
        dropped = round(self.p * _VALUES)
        return input * keep_mask(input.shape, dropped).to(input.dtype).mul_(_VALUES / (_VALUES - dropped))


def keep_mask(shape: torch.Size, dropped: int) -> Tensor:
    """Draw a boolean mask on the CPU in which each entry is False with probability ``dropped / 2^32``."""
    size = shape.numel()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    words = np.random.SFC64(seed).random_raw(-(-size // 2)).view(np.int32)[:size]
    return torch.from_numpy(words).view(shape) >= dropped - _VALUES // 2


def expand_masks(model: nn.Module) -> None:
    """Turn every ``nn.Dropout`` of ``model`` into an :class:`ExpandedDropout`, in place; subclasses of it stay."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = ExpandedDropout


__all__ = ["ExpandedDropout", "expand_masks"]
