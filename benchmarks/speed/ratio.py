"""The ratio of two contenders' times over rounds: its median, how sure that is, and whether it meets a target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import quantile_test


@dataclass(frozen=True)
class Ratio:
    """A median over rounds with its 95 % interval, and the ratio of the fastest times."""

    median: float
    low: float
    high: float
    fastest: float

    def text(self, digits: int = 2) -> str:
        """Return the median with its interval."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def verdict(self, limit: float) -> str:
        """Say whether the median is at most ``limit``, and whether its interval leaves that open."""
        reached = self.median <= limit
        unsure = self.high > limit if reached else self.low <= limit
        word = "reached" if reached else f"MISSED ({self.median:.2f})"
        return f"{word}, within the noise" if unsure else word


def ratio(times: np.ndarray, to: np.ndarray) -> Ratio:
    """Return the ratio of two contenders' times.

    The interval is the one of order statistics, which assumes nothing about the distribution. With fewer than six
    rounds there is none of 95 %, and it reaches from the least ratio to the largest.

    Args:
        times: ``(rounds,)`` seconds of one contender.
        to: ``(rounds,)`` seconds of the other in the same rounds.
    """
    ratios = np.asarray(times) / np.asarray(to)
    middle = float(np.median(ratios))
    interval = quantile_test(ratios, q=middle, p=0.5).confidence_interval(0.95)
    low = ratios.min() if np.isnan(interval.low) else interval.low
    high = ratios.max() if np.isnan(interval.high) else interval.high
    return Ratio(middle, float(low), float(high), float(np.min(times) / np.min(to)))
