"""Figures of the error rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.coverage.rates import ALLOWED_RATE, DECIDING_TEST
from analysis.figures import MARKERS, PALETTE, SOFT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

FEWEST_DECIDED = 200  # rates of fewer studies are not drawn, because their error bars would fill the panel


def plot_rates(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the false-positive rates of the deciding interval on accuracy, by size of the study.

    Each scenario is a dot with two standard errors; lines mark the nominal 5 % and the allowed rate.
    """
    rows = rates[(rates["test"] == DECIDING_TEST) & (rates["metric"] == "accuracy")]
    sizes = sorted(
        {(s, n) for s, n in zip(rows["seeds"], rows["items"], strict=True)}, key=lambda size: (size[1], size[0])
    )
    for style, (points, group) in enumerate(rows.groupby("seed_points")):
        x = [sizes.index(size) + 0.22 * (style - 1) for size in zip(group["seeds"], group["items"], strict=True)]
        _dots(ax, x, group, style, f"seed sd {points:g} points")
    ax.set_xticks(range(len(sizes)), [f"{s} × {n:,}" for s, n in sizes])
    ax.set_xlabel("seeds × items")
    return _rate_axis(ax)


def plot_metrics(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the same for metrics that are not means over items: a group per metric, a colour per number of items."""
    rows = rates[(rates["test"] == DECIDING_TEST) & (rates["metric"] != "accuracy") & (rates["positives"] == 0.5)]
    metrics = list(dict.fromkeys(rows["metric"]))
    sizes = sorted(rows["items"].unique())
    for style, items in enumerate(sizes):
        subset = rows[rows["items"] == items]
        number, size = subset.groupby("metric").cumcount(), subset.groupby("metric")["metric"].transform("size")
        x = subset["metric"].map(metrics.index) + 0.27 * (style - 1) + 0.05 * (number - (size - 1) / 2)
        _dots(ax, x, subset, style, f"{items:,} items")
    ax.set_xticks(range(len(metrics)), metrics)
    ax.set_xlabel("metric")
    return _rate_axis(ax)


def plot_rare(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the same where one class is rare, for Matthews and F1.

    A group is a number of items and a share of the frequent class; its label gives the share of studies without a
    verdict.
    """
    rows = rates[(rates["test"] == DECIDING_TEST) & (rates["positives"] != 0.5)].copy()
    rows["majority"] = rows["positives"].where(rows["positives"] > 0.5, 1 - rows["positives"]).round(6)
    groups = sorted(set(zip(rows["items"], rows["majority"], strict=True)))
    kinds = {
        "all runs vary": (rows["constant"] == 0) & (rows["excess"] == 1),
        "30 % constant runs": rows["constant"] > 0,
        "arms answer unlike": rows["excess"] != 1,
    }
    for style, (label, mask) in enumerate(kinds.items()):
        subset = rows[mask & ((1 - rows["withheld"]) * rows["studies"] >= FEWEST_DECIDED)]
        number = subset.groupby(["items", "majority"]).cumcount().to_numpy()
        position = [groups.index(size) for size in zip(subset["items"], subset["majority"], strict=True)]
        _dots(ax, np.array(position) + 0.27 * (style - 1) + 0.04 * (number - 2), subset, style, label)
    withheld = rows.groupby(["items", "majority"])["withheld"].mean()
    ax.set_xticks(
        range(len(groups)), [f"{n}, {100 * share:.0f} %\n({100 * withheld[n, share]:.0f} %)" for n, share in groups]
    )
    ax.set_xlabel("items, share of the frequent class (verdicts withheld)")
    ax.xaxis.set_label_coords(0.5, -0.17)  # below the second line of the ticks
    return _rate_axis(ax)


def _dots(ax: Axes, x: ArrayLike, rates: pd.DataFrame, style: int, label: str) -> None:
    ax.errorbar(
        x,
        100 * rates["rate"],
        200 * rates["error"],
        fmt=MARKERS[style],
        color=PALETTE[style],
        ms=4.5,
        mew=0,
        lw=1,
        label=label,
    )


def _rate_axis(ax: Axes) -> Axes:
    ax.axhline(5, color=SOFT, lw=1)
    ax.axhline(100 * ALLOWED_RATE, color=SOFT, lw=1, ls=(0, (3, 3)))
    ax.set_ylabel("false positives (%)")
    ax.set_ylim(0, 8)
    ax.legend(loc="upper left", ncols=3)
    ax.grid(axis="y")
    return ax
