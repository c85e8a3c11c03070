"""Predictions of a model on a tokenised split."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from smart_repro.encoding import Encoded
from smart_repro.models import inputs
from smart_repro.models import logits as logits_of
from smart_repro.precision import compute_in


@torch.inference_mode()
def predict(model: nn.Module, data: Encoded, *, tokens: int = 4096, precision: str = "fp32") -> np.ndarray:
    """Return logits ``(n, outputs)`` in float32, in the order of ``data``, without dropout.

    Batches hold about ``tokens`` tokens of similarly long texts, so that short texts are not padded to long ones.
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
                output = logits_of(model(**inputs(model, batch))).float().cpu().numpy()
            logits.update(zip(rows.tolist(), output, strict=True))
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
