"""What an average over tasks rests on: how much of its variance each task brings in."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.interval import Interval

MOSTLY = 0.5  # share of the variance above which an average is called mostly that task's


def variance_shares(per_task: Mapping[str, Interval]) -> dict[str, float]:
    """Return each task's share of the variance of the mean over tasks, as if tasks were independent; empty for one task
    or where nothing varies."""
    variances = {task: interval.se**2 for task, interval in per_task.items()}
    total = sum(variances.values())
    if len(variances) < 2 or not total > 0:
        return {}
    return {task: variance / total for task, variance in variances.items()}


def dominant(shares: Mapping[str, float]) -> str:
    """Return the task that brings in more than half of an average's variance, or ""."""
    return next((task for task, share in shares.items() if share > MOSTLY), "")
