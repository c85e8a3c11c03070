"""Shares of tasks in the variance of an average over tasks."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.interval import Interval

DOMINANT_SHARE = 0.5  # share of the variance above which an average is called "mostly" that of one task


def variance_shares(per_task: Mapping[str, Interval]) -> dict[str, float]:
    """Return each task's share of the variance of the mean over tasks, as if tasks were independent.

    Empty for one task, or where the variance is 0.
    """
    variances = {task: interval.se**2 for task, interval in per_task.items()}
    total = sum(variances.values())
    if len(variances) < 2 or not total > 0:
        return {}
    return {task: variance / total for task, variance in variances.items()}


def dominant(shares: Mapping[str, float]) -> str:
    """Return the task that contributes more than half of an average's variance, or ""."""
    return next((task for task, share in shares.items() if share > DOMINANT_SHARE), "")
