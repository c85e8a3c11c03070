"""Numerical precision of forward passes.

Accelerate's mixed precision is not used, because its wrapper computes in bf16 even where autocast is off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("fp32", "bf16")
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}  # fp16 needs a loss scaler, which only the Trainer has


def check(precision: str) -> str:
    """Return the name unchanged.

    Raises:
        ValueError: it is neither ``"fp32"`` nor ``"bf16"``.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    return precision


def check_weights(dtype: torch.dtype) -> None:
    """Refuse weights in half precision, in which a perturbation of the papers' size vanishes.

    Raises:
        ValueError: the weights are neither float32 nor float64.
    """
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"the model's weights are {dtype}, in which an offset of 1e-5 vanishes from nearly every embedding: load "
            "it in float32 (model.float()) and ask for half precision by the run's precision (the Trainer: bf16=True)"
        )


@contextmanager
def compute_in(precision: str, device: torch.device) -> Iterator[None]:
    """Run in bf16 (or fp16) autocast, or in float32 with autocast off and TF32 off.

    In bf16 an offset of 1e-5 changes only 3 % of the entries of an embedding, and R_s comes out 60 times too large or
    exactly 0, without any error. Both sides of a divergence therefore use ``"fp32"``, whatever the run's precision.
    """
    if precision in _AUTOCAST:
        with torch.autocast(device.type, dtype=_AUTOCAST[precision]):
            yield
        return
    previous_precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(previous_precision)
