"""Which passes run in which precision.

Accelerate is kept out of it: its wrapper computes in bf16 even where autocast is off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("fp32", "bf16")
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}  # fp16 needs a loss scaler: only the Trainer brings one


def check(precision: str) -> str:
    """The name itself. Raises ValueError for anything but ``"fp32"`` and ``"bf16"``."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    return precision


def check_weights(dtype: torch.dtype) -> None:
    """Raises ValueError for weights in half precision, in which a perturbation of the papers' size vanishes."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"the model's weights are {dtype}, in which an offset of 1e-5 vanishes from nearly every embedding: load "
            "it in float32 (model.float()) and ask for half precision by the run's precision (the Trainer: bf16=True)"
        )


@contextmanager
def compute_in(precision: str, device: torch.device) -> Iterator[None]:
    """bf16 (or fp16) autocast, or float32 with autocast off and TF32 off.

    An offset of 1e-5 changes 3 % of the entries of a bf16 embedding and R_s comes out 60 times too large or exactly 0,
    with nothing raised: both sides of a divergence therefore ask for ``"fp32"`` whatever the run's precision is.
    """
    if precision in _AUTOCAST:
        with torch.autocast(device.type, dtype=_AUTOCAST[precision]):
            yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
