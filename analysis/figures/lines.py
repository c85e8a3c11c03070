"""Draw curves: training, sweeps, tuning and reliability, each method with its band over seeds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn as sns

from analysis.figures.canvas import mark, needs_rows
from analysis.figures.names import add_legend, log_axis
from analysis.figures.palette import GRID, SOFT, looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FEW_POINTS = 15  # points up to which a curve has marks
MOST_STRETCH = 2.0  # times the range of the runs that an axis may grow to hold the paper's points
DOTTED: Any = (0, (1, 2))


@needs_rows
def plot_curves(
    curves: pd.DataFrame,
    ax: Axes,
    titles: Mapping[str, str],
    *,
    x: str,
    ylabel: str = "",
    log: bool = False,
    logx: bool = False,
    ticks: Sequence[float] | None = None,
    published: pd.DataFrame | None = None,
    legend: bool = True,
    bands: bool = True,
    highlight: str = "",
) -> Axes:
    """Draw a line per method over ``x``: the mean over seeds, with a band from the smallest to the largest seed.

    The runs decide the axes. A paper's points widen the y axis to at most :data:`MOST_STRETCH` times the range of the
    runs; a point beyond it becomes an arrow at the edge, with its value.

    Args:
        curves: ``row``, ``x``, ``mean low high`` and optionally ``n`` seeds, from :func:`analysis.curves.logged` or
            :func:`analysis.curves.epochs`.
        ax: axes to draw on.
        titles: title of every row, in table order; a method keeps its look in all figures.
        x: column of the x axis.
        ylabel: label of the y axis.
        log: True for a logarithmic y axis, if values are above 0 and span a factor of 20 or are tiny.
        logx: True for a logarithmic x axis.
        ticks: positions of the x axis' ticks, instead of the automatic ones.
        published: ``row``, ``x``, ``value`` as a paper prints or draws them: hollow diamonds on a dotted line.
        legend: False to leave out the legend, where the whole sheet has one.
        bands: False to draw the means alone.
        highlight: the one row that is drawn in its look and with its band, before grey means of the others; "": all.
    """
    rows = [str(row) for row in dict.fromkeys(curves["row"])]
    if highlight:
        _draw_behind(curves, ax, [row for row in rows if row != highlight], x)
    _draw_lines(curves, ax, titles, [highlight] if highlight else rows, x, bands)
    ax.locator_params(axis="y", nbins=6)
    if log and _spans_decades(curves):
        log_axis(ax.yaxis, *_ends(curves))
    if logx:
        log_axis(ax.xaxis, float(curves[x].min()), float(curves[x].max()))
    paper = published[published["row"].isin(titles)] if published is not None else curves[:0]
    beyond = _plot_published(paper, curves, ax, titles, x)
    if ticks is not None:
        ax.set_xticks(list(ticks), [f"{position:,g}" for position in ticks])
    if x == "epoch":
        ax.set_xticks(sorted(curves[x].unique()))
    ax.set_xlabel(("update" if x == "step" else x) + beyond)
    ax.set_ylabel(ylabel)
    ax.grid(axis="y", color=GRID)
    if legend:
        add_legend(ax, titles, rows, lines=True, published=len(paper) > 0)
    return ax


def _draw_behind(curves: pd.DataFrame, ax: Axes, rows: Sequence[str], x: str) -> None:
    """Draw the means of these rows in grey, and give the axis the room of all bands, so that panels share it."""
    for row in rows:
        curve = curves[curves["row"] == row]
        ax.plot(curve[x], curve["mean"], color=SOFT, lw=0.8, alpha=0.45, label="_behind")
    low, high = _ends(curves)
    margin = 0.05 * (high - low) or 0.5
    ax.set_ylim(low - margin, high + margin)


def _draw_lines(
    curves: pd.DataFrame, ax: Axes, titles: Mapping[str, str], rows: Sequence[str], x: str, bands: bool
) -> None:
    look = looks(titles)
    for row in rows:
        curve, colour, dash = curves[curves["row"] == row], look[row].colour, look[row].dash
        if bands:
            ax.fill_between(curve[x], curve["low"], curve["high"], color=colour, alpha=0.16, lw=0)
            mark(ax.collections[-1], row)
        few = {"marker": look[row].marker, "ms": 4.5, "mew": 0} if len(curve) < FEW_POINTS else {}
        style = {"color": colour, "ls": dash, "lw": 1.6, "label": titles[row], **few}
        sns.lineplot(data=curve, x=x, y="mean", estimator=None, sort=False, legend=False, ax=ax, **style)
        tips = [_tip(titles[row], x, line) for line in curve.to_dict("records")]
        mark(ax.lines[-1], row, *(tips if few else tips[-1:]))


def _tip(title: str, x: str, line: Mapping[Hashable, Any]) -> str:
    n = f", n = {line['n']} seeds" if "n" in line else ""
    return f"{title}, {x} {line[x]:g}: {line['mean']:.4g} ({line['low']:.4g} to {line['high']:.4g}{n})"


def _ends(curves: pd.DataFrame) -> tuple[float, float]:
    return float(curves["low"].min()), float(curves["high"].max())


def _plot_published(published: pd.DataFrame, curves: pd.DataFrame, ax: Axes, titles: Mapping[str, str], x: str) -> str:
    """Add a paper's points, within axes that the runs decide; return a remark on those beyond the x axis."""
    if not len(published):
        return ""
    left, right, low, high = *ax.get_xlim(), *_limits(published["value"], curves, ax)
    for row, points in published.groupby("row", sort=False):
        colour = looks(titles)[str(row)].colour
        line: Any = {"ls": DOTTED, "lw": 1, "color": colour, "mfc": "none", "label": "as published"}
        diamonds: Any = {"marker": "D", "ms": 4.5} if len(points) < FEW_POINTS else {}
        ax.plot(points[x], points["value"], **line, **diamonds)
        for position, value in zip(points[x], points["value"], strict=True):
            if not low <= value <= high and left <= position <= right and len(points) < FEW_POINTS:
                end, arrow = (high, "^") if value > high else (low, "v")
                ax.plot(position, end, arrow, color=colour, mfc="none", ms=6, clip_on=False, label="_beyond")
                ax.annotate(f"{value:g}", (position, end), (5, -3), textcoords="offset points", fontsize=7, color=SOFT)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    outside = int(((published[x] < left) | (published[x] > right)).sum())
    return f"\n{outside} of the paper's points lie beyond this axis" if outside else ""


def _limits(values: pd.Series[float], curves: pd.DataFrame, ax: Axes) -> tuple[float, float]:
    """Return ends of the y axis that hold the runs, and as many of the paper's points as fit."""
    bottom, top = ax.get_ylim()
    if ax.get_yscale() == "log":
        return min(bottom, max(float(values.min()), bottom / 10)), max(top, min(float(values.max()), top * 10))
    least = max(abs(float(curves["mean"].mean())) * 0.02, 1e-12)  # equal scores would leave no range at all
    room = (MOST_STRETCH - 1) * max(top - bottom, least)
    margin = 0.06 * (top - bottom)
    below, above = float(values.min()) - margin, float(values.max()) + margin
    low = min(bottom, below) if below >= bottom - room else bottom
    high = max(top, above) if above <= top + room - (bottom - low) else top
    return low, high


@needs_rows
def plot_reliability(bins: pd.DataFrame, ax: Axes, titles: Mapping[str, str]) -> Axes:
    """Draw accuracy over confidence, a line per method; the size of dots grows with the bin's items.

    Args:
        bins: ``row`` and the columns of :func:`analysis.calibration.reliability`.
        ax: axes to draw on.
        titles: title of every row, in table order.
    """
    look = looks(titles)
    ax.plot([0, 1], [0, 1], color=SOFT, lw=1, ls=DOTTED, label="_calibrated")
    for row, curve in bins.groupby("row", sort=False):
        colour, title = look[str(row)].colour, titles[str(row)]
        (line,) = ax.plot(curve["confidence"], curve["accuracy"], color=colour, lw=1.2, ls=look[str(row)].dash)
        mark(line, str(row))
        sizes = (6 + 90 * curve["n"] / curve["n"].sum()).to_numpy()
        dots = ax.scatter(
            curve["confidence"],
            curve["accuracy"],
            s=sizes,
            color=colour,
            lw=0,
            marker=look[str(row)].marker,
            clip_on=False,
        )
        tips = (
            f"{title}: {n:,} answers at confidence {c:.2f} are right in {100 * a:.1f} %"
            for c, a, n in zip(curve["confidence"], curve["accuracy"], curve["n"], strict=True)
        )
        mark(dots, str(row), *tips)
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    ax.grid(color=GRID)
    add_legend(ax, titles, list(dict.fromkeys(map(str, bins["row"]))), lines=True, whole=True)
    return ax


@needs_rows
def plot_expected_best(frame: pd.DataFrame, ax: Axes, titles: Mapping[str, str], ylabel: str = "%") -> Axes:
    """Draw the expected best of N trials, a line per method.

    Args:
        frame: ``row n expected``; the part of each row comes from :func:`analysis.curves.expected_best`.
        ax: axes to draw on.
        titles: title of every row, in table order.
        ylabel: label of the y axis.
    """
    look = looks(titles)
    for row, curve in frame.groupby("row", sort=False):
        style: Any = {"color": look[str(row)].colour, "ls": look[str(row)].dash, "marker": look[str(row)].marker}
        (line,) = ax.plot(curve["n"], curve["expected"], ms=4, mew=0, label=titles[str(row)], **style)
        mark(
            line, str(row), *(f"{titles[str(row)]}: best of {r.n} trials {r.expected:.2f}" for r in curve.itertuples())
        )
    ax.set(xlabel="trials", ylabel=ylabel)
    ax.set_xticks(sorted(np.unique(frame["n"])) if frame["n"].nunique() <= 12 else ax.get_xticks())
    ax.grid(axis="y", color=GRID)
    add_legend(ax, titles, list(dict.fromkeys(map(str, frame["row"]))), lines=True)
    return ax


def _spans_decades(curves: pd.DataFrame) -> bool:
    """Return True if a logarithmic axis is useful.

    Over a small range it would have hardly any tick labels; tiny values need it in any case.
    """
    low, high = _ends(curves)
    return bool(len(curves) > 0 and low > 0 and (high > 20 * low or high < 1e-3))
