"""The figure of the rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.coverage.rates import ALLOWED, DECIDES
from analysis.figures import MARKERS, PALETTE, SOFT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FEWEST_DECIDED = 200  # studies below which a rate is not drawn: its error would fill the panel


def plot_rates(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the false-positive rates of the deciding interval on accuracy by size of the study: a dot per scenario with
    two standard errors, the nominal 5 % and what is allowed as lines."""
    own = rates[(rates["test"] == DECIDES) & (rates["metric"] == "accuracy")]
    sizes = sorted(
        {(s, n) for s, n in zip(own["seeds"], own["items"], strict=True)}, key=lambda size: (size[1], size[0])
    )
    for look, (points, group) in enumerate(own.groupby("seed_points")):
        x = [sizes.index(size) + 0.22 * (look - 1) for size in zip(group["seeds"], group["items"], strict=True)]
        _dots(ax, x, group, look, f"seed sd {points:g} points")
    ax.set_xticks(range(len(sizes)), [f"{s} × {n:,}" for s, n in sizes])
    ax.set_xlabel("seeds × items")
    return _rate_axis(ax)


def plot_metrics(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the same for metrics that are no means of items: a group per metric, a colour per number of items."""
    own = rates[(rates["test"] == DECIDES) & (rates["metric"] != "accuracy") & (rates["positives"] == 0.5)]
    metrics = list(dict.fromkeys(own["metric"]))
    sizes = sorted(own["items"].unique())
    for look, items in enumerate(sizes):
        some = own[own["items"] == items]
        number, of = some.groupby("metric").cumcount(), some.groupby("metric")["metric"].transform("size")
        x = some["metric"].map(metrics.index) + 0.27 * (look - 1) + 0.05 * (number - (of - 1) / 2)
        _dots(ax, x, some, look, f"{items:,} items")
    ax.set_xticks(range(len(metrics)), metrics)
    ax.set_xlabel("metric")
    return _rate_axis(ax)


def plot_rare(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the same where one class is rare, for Matthews and F1: a group per number of items and share of the frequent
    class, with the share of studies whose verdict is withheld below it."""
    own = rates[(rates["test"] == DECIDES) & (rates["positives"] != 0.5)].copy()
    own["majority"] = own["positives"].where(own["positives"] > 0.5, 1 - own["positives"]).round(6)
    groups = list(own.groupby(["items", "majority"]).groups)
    kinds = {
        "all runs vary": (own["constant"] == 0) & (own["excess"] == 1),
        "30 % constant runs": own["constant"] > 0,
        "arms answer unlike": own["excess"] != 1,
    }
    for look, (label, chosen) in enumerate(kinds.items()):
        some = own[chosen & ((1 - own["withheld"]) * own["studies"] >= FEWEST_DECIDED)]
        number = some.groupby(["items", "majority"]).cumcount().to_numpy()
        place = [groups.index(size) for size in zip(some["items"], some["majority"], strict=True)]
        _dots(ax, np.array(place) + 0.27 * (look - 1) + 0.04 * (number - 2), some, look, label)
    withheld = own.groupby(["items", "majority"])["withheld"].mean()
    ax.set_xticks(
        range(len(groups)), [f"{n}, {100 * share:.0f} %\n({100 * withheld[n, share]:.0f} %)" for n, share in groups]
    )
    ax.set_xlabel("items, share of the frequent class (verdicts withheld)")
    ax.xaxis.set_label_coords(0.5, -0.17)  # below the second line of the ticks
    return _rate_axis(ax)


def _dots(ax: Axes, x: Sequence[float], rates: pd.DataFrame, look: int, label: str) -> None:
    ax.errorbar(
        x,
        100 * rates["rate"],
        200 * rates["error"],
        fmt=MARKERS[look],
        color=PALETTE[look],
        ms=4.5,
        mew=0,
        lw=1,
        label=label,
    )


def _rate_axis(ax: Axes) -> Axes:
    ax.axhline(5, color=SOFT, lw=1)
    ax.axhline(100 * ALLOWED, color=SOFT, lw=1, ls=(0, (3, 3)))
    ax.set_ylabel("false positives (%)")
    ax.set_ylim(0, 8)
    ax.legend(loc="upper left", ncols=3)
    ax.grid(axis="y")
    return ax
