"""Predictions of a model on a tokenised split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from smart_repro.encoding import Encoded
from smart_repro.models import inputs
from smart_repro.models import logits as logits_of
from smart_repro.precision import compute_in


@torch.inference_mode()
def predict(
    model: nn.Module,
    data: Encoded,
    *,
    tokens: int = 4096,
    precision: str = "fp32",
    observe: Callable[[np.ndarray, Any], None] | None = None,
) -> np.ndarray:
    """Return logits ``(n, outputs)`` in float32, in the order of ``data``, without dropout.

    Batches hold about ``tokens`` tokens of similarly long texts, so that short texts are not padded to long ones.

    Args:
        model: the classifier.
        data: the tokenised split.
        tokens: tokens per batch, with padding.
        precision: precision of the passes.
        observe: called with the rows of each batch and the model's whole output.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    order = np.argsort(data.lengths, kind="stable")
    logits: dict[int, np.ndarray] = {}
    try:
        for rows in _batches(order, data.lengths, tokens):
            batch = data.batch(rows, device)
            with compute_in(precision, device):
                output = model(**inputs(model, batch))
            if observe is not None:
                observe(rows, output)
            logits.update(zip(rows.tolist(), logits_of(output).float().cpu().numpy(), strict=True))
    finally:
        model.train(was_training)
    return np.stack([logits[row] for row in range(len(data))])


def _batches(order: np.ndarray, lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    batches, start = [], 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and lengths[order[stop]] * (stop + 1 - start) <= tokens:
            stop += 1
        batches.append(order[start:stop])
        start = stop
    return batches


__all__ = ["predict"]
