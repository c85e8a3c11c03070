"""Accuracy of each side of HNN alone: the language model, the similarity, and the mean of both."""

from __future__ import annotations

from typing import Any

import numpy as np

SIDES = {"language model": "log_lm", "similarity": "similarity", "mean": "mean"}


class SideAccuracies:
    """Counter of the correct predictions of each side while a split is predicted.

    Args:
        labels: ``(n,)`` of the split.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.right = dict.fromkeys(SIDES, 0)

    def observe(self, rows: np.ndarray, output: Any) -> None:
        """Count the correct predictions of one batch; outputs without sides are ignored."""
        if not hasattr(output, "log_lm"):
            return
        for side, name in SIDES.items():
            predictions = getattr(output, name).argmax(-1).cpu().numpy()
            self.right[side] += int((predictions == self.labels[rows]).sum())

    @property
    def shares(self) -> dict[str, float]:
        """Side -> share of correct predictions."""
        return {side: count / len(self.labels) for side, count in self.right.items()}
