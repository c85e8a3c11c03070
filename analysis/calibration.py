"""Are probabilities honest? Expected calibration error, reliability, and the one-parameter repair: a temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.scores import log_softmax

if TYPE_CHECKING:
    import pandas as pd

BINS = 15
HOTTEST = 100.0


def expected_calibration_error(labels: np.ndarray, logits: np.ndarray, bins: int = BINS) -> float:
    """Mean over items of |accuracy - confidence| of their bin: equally wide bins of confidence (Guo et al., 2017).

    Args:
        labels: ``(items,)`` class indices.
        logits: ``(items, classes)``.
    """
    confidence, right, which = _binned(labels, logits, bins)
    gap = np.bincount(which, right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def reliability(labels: np.ndarray, logits: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """``low high n confidence accuracy`` per bin of confidence; empty bins are left out."""
    import pandas as pd

    confidence, right, which = _binned(labels, logits, bins)
    edges = np.linspace(0.0, 1.0, bins + 1)
    frame = pd.DataFrame({"bin": which, "confidence": confidence, "accuracy": right})
    table = frame.groupby("bin").agg(
        n=("accuracy", "size"), confidence=("confidence", "mean"), accuracy=("accuracy", "mean")
    )
    return table.assign(low=edges[table.index], high=edges[table.index + 1]).reset_index(drop=True)


def _binned(labels: np.ndarray, logits: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence, whether it is right (1 or 0), and the bin of each item: bins are (low, high]."""
    probabilities = np.exp(log_softmax(logits))
    confidence, right = probabilities.max(1), probabilities.argmax(1) == np.asarray(labels)
    edges = np.linspace(0.0, 1.0, bins + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return confidence, right.astype(float), which


def temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """The T > 0 for which ``logits / T`` has the least cross-entropy; fit it on the holdout, never on the scored split.

    Args:
        labels: ``(items,)`` class indices.
    Returns: between 1/100 and 100, whose ends it reaches where the data would have it infinite (all right, or no
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
