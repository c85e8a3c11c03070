"""Calibration of probabilities: expected calibration error, reliability, and temperature scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.scores import log_softmax

if TYPE_CHECKING:
    import pandas as pd

BINS = 15
HOTTEST = 100.0


def expected_calibration_error(labels: np.ndarray, logits: np.ndarray, bins: int = BINS) -> float:
    """Return the mean over items of |accuracy - confidence| of their bin, for bins of equal width (Guo et al., 2017).

    Args:
        labels: ``(items,)`` class indices.
        logits: ``(items, classes)``.
        bins: number of bins.
    """
    confidence, right, bin_of_item = _binned(labels, logits, bins)
    gap = np.bincount(bin_of_item, right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def reliability(labels: np.ndarray, logits: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return ``low high n confidence accuracy`` per bin of confidence; empty bins are left out."""
    import pandas as pd

    confidence, right, bin_of_item = _binned(labels, logits, bins)
    edges = np.linspace(0.0, 1.0, bins + 1)
    frame = pd.DataFrame({"bin": bin_of_item, "confidence": confidence, "accuracy": right})
    table = frame.groupby("bin").agg(
        n=("accuracy", "size"), confidence=("confidence", "mean"), accuracy=("accuracy", "mean")
    )
    return table.assign(low=edges[table.index], high=edges[table.index + 1]).reset_index(drop=True)


def _binned(labels: np.ndarray, logits: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return confidence, correctness (1 or 0) and bin number of each item; bins are (low, high]."""
    probabilities = np.exp(log_softmax(logits))
    confidence, right = probabilities.max(1), probabilities.argmax(1) == np.asarray(labels)
    edges = np.linspace(0.0, 1.0, bins + 1)
    bin_of_item = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return confidence, right.astype(float), bin_of_item


def temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the T > 0 for which ``logits / T`` has the least cross-entropy.

    Fit it on the holdout, never on the scored split.

    Args:
        labels: ``(items,)`` class indices.
        logits: ``(items, classes)``.

    Returns:
        A value between 1/100 and 100. The ends are reached where the optimum is 0 or infinite (all items right, or no
            signal).
    """
    from scipy import optimize

    y, rows = np.asarray(labels), np.arange(len(labels))

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t))[rows, y].mean())

    end = np.log(HOTTEST)
    return float(
        np.exp(optimize.minimize_scalar(loss, bounds=(-end, end), method="bounded", options={"xatol": 1e-6}).x)
    )
