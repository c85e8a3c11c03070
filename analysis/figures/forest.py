"""Draw differences with their intervals: all methods on one task, or a claim's contrast on all its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.canvas import mark, needs_rows
from analysis.figures.names import POINTS_OF_AN_INCH, greater_is_better, legend_below, name_rows, one_line, short, unit
from analysis.figures.palette import INK, SOFT, Look, looks
from analysis.tables import digits_of, interval, number, records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

HOLLOW: Any = {"mfc": "none", "mew": 1.0}
HOLLOW_SIZE = 9  # points: smaller, the inside of a star or a cross cannot be seen


@needs_rows
def plot_differences(cells: pd.DataFrame, ax: Axes, reach: float | None = None) -> Axes:
    """Draw each method's difference to the baseline on one task with its interval; the paper's difference is a diamond.

    Intervals much wider than the others are cut at the axis and end in an arrow, so that one collapsed run does not
    hide the rest. Differences that decide nothing (too few seeds, a task at the floor, inert or nearly constant
    answers) are hollow and grey. With one seed an interval covers other items only, and the axis label says so.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`; the baseline and missing cells are left
            out.
        ax: axes to draw on.
        reach: half the width of the axis; None: what these cells need (:func:`reach_of`).
    """
    rows = [cell for cell in records(cells) if not np.isnan(cell.difference)]
    look = looks(cells["row"])
    reach = reach_of(cells) if reach is None else reach
    ax.set_xlim(-reach, reach)
    ax.axvline(0, color=SOFT, lw=1)
    for y, cell in enumerate(rows):
        style = look[cell.row]
        _draw_interval(ax, y, cell, style, cell.row, f"{cell.row_title}: {_in_words(cell)}, n = {cell.n_pairs}")
        if not np.isnan(cell.published_difference) and abs(cell.published_difference) <= reach:
            ax.plot(cell.published_difference, y + 0.22, "D", ms=5, mfc="none", mec=INK, mew=1)
    name_rows(ax, [f"{short(cell.row_title)}\n{_in_words(cell)}" for cell in rows])
    direction = "" if greater_is_better(cells) else " (lower is better)"
    reasons = ["one seed: items only"] if any(cell.n_pairs == 1 for cell in rows) else []
    reasons += ["hollow: no verdict"] if any(cell.undecided for cell in rows) else []
    remark = "\n" + "; ".join(reasons) if reasons else ""
    ax.set_xlabel(f"difference in {unit(cells)}{direction}{remark}")
    return ax


@needs_rows
def plot_forest(
    frame: pd.DataFrame,
    ax: Axes,
    titles: dict[str, str],
    *,
    xlabel: str,
    claimed: Sequence[float] = (0.0,),
    rows: Sequence[str] = (),
) -> Axes:
    """Draw a contrast on each task with its interval, all on one scale, and the mean over tasks at the bottom.

    Args:
        frame: a line per task and series, in order: ``place`` (the task, or the mean), ``series``, ``difference low
            high n_pairs n_items undecided published is_mean``; ``published`` is nan where there is none.
        ax: axes to draw on.
        titles: title of each series, in order; several have a legend.
        xlabel: label of the axis, with its unit.
        claimed: values that the intervals are compared with, each a line: 0 for a difference.
        rows: all rows of the experiment, so that a series looks as in the other figures; (): the series alone.
    """
    places = list(dict.fromkeys(frame["place"]))
    look = looks([*rows, *(series for series in titles if series not in rows)])
    middle = sum(claimed) / len(claimed)
    centred = ["difference", "low", "high", "published"]
    shifted = frame.assign(**{name: frame[name] - middle for name in centred})
    reach = max(reach_of(shifted.rename(columns={"published": "published_difference"})), 1.15 * (max(claimed) - middle))
    ax.set_xlim(middle - reach, middle + reach)
    for value in claimed:
        ax.axvline(value, color=SOFT, lw=1)
    is_difference = tuple(claimed) == (0.0,)
    if not is_difference:
        ax.xaxis.set_major_locator(MaxNLocator(4))  # shares and ratios have many digits
    step = 0.56 / max(1, len(titles))
    for line in records(frame):
        offset = (list(titles).index(line.series) - (len(titles) - 1) / 2) * step
        y = places.index(line.place) + offset
        sign = "+" if is_difference else ""
        values = f"{line.difference:{sign}.2f} ({line.low:.2f} to {line.high:.2f})".replace("-", "\u2212")
        items = f" seeds, {line.n_items:,} items" if line.n_items else " seeds"
        tip = f"{titles[line.series]}, {line.place}: {values}, n = {line.n_pairs}{items}"
        _draw_interval(ax, y, line, look[line.series], line.series, tip, wide=line.is_mean)
        if not np.isnan(line.published) and abs(line.published - middle) <= reach:
            ax.plot(line.published, y + step / 2.4, "D", ms=5, mfc="none", mec=INK, mew=1, label="_paper")
    if frame["is_mean"].any() and len(places) > 1:
        ax.axhline(len(places) - 1.5, color=SOFT, lw=0.8)
    name_rows(ax, [short(place) for place in places])
    remark = "\nhollow and grey: no verdict" if (frame["undecided"] != "").any() else ""
    ax.set_xlabel(xlabel + remark)
    _series_legend(ax, titles, look, has_published=bool(frame["published"].notna().any()))
    return ax


def _series_legend(ax: Axes, titles: dict[str, str], look: dict[str, Look], *, has_published: bool) -> None:
    handles = [
        Line2D([], [], color=look[name].colour, marker=look[name].marker, ms=5.5, mew=0, label=one_line(title))
        for name, title in titles.items()
    ]
    handles = handles if len(handles) > 1 else []
    if has_published:
        handles.append(Line2D([], [], ls="none", marker="D", ms=5, mfc="none", mec=INK, label="the paper's"))
    if handles:
        legend_below(ax, handles)


def _draw_interval(ax: Axes, y: float, line: Any, look: Look, row: str, tip: str, *, wide: bool = False) -> None:
    """Draw an estimate with its interval at height ``y``; ends beyond the limits of the axis are arrows."""
    colour = SOFT if line.undecided else look.colour
    width = 1.2 if line.undecided else 3.2 if wide else 2.2
    positions = _positions(ax, line)
    (segment,) = ax.plot(positions, [y] * len(positions), color=colour, lw=width)
    mark(segment, row, tip)
    left, right = ax.get_xlim()
    for end in (line.low, line.high):
        if not left <= end <= right:
            limit, arrow = (left, "<") if end < left else (right, ">")
            ax.plot(limit, y, arrow, color=colour, ms=6, mew=0, clip_on=False)
    size = HOLLOW_SIZE if line.undecided else 8 if wide else 6.5
    hollow: Any = HOLLOW if line.undecided else {"mew": 0}
    (point,) = ax.plot(line.difference, y, look.marker, color=colour, ms=size, **hollow)
    mark(point, row, tip)


def _positions(ax: Axes, line: Any) -> list[float]:
    """Return the positions that an interval's line connects: its ends, and a gap inside a hollow mark."""
    if not line.undecided:
        return [line.low, line.high]
    figure = ax.get_figure(root=True)
    assert figure is not None
    inches = ax.get_position().width * figure.get_figwidth()
    low, high = ax.get_xlim()
    gap = (high - low) / 2 * HOLLOW_SIZE / POINTS_OF_AN_INCH / inches
    left, right = line.difference - gap, line.difference + gap
    return [min(line.low, left), left, float("nan"), right, max(line.high, right)]


def reach_of(cells: pd.DataFrame) -> float:
    """Return half the width of a difference axis.

    It covers all estimates and the usual interval, with some room; the widest interval, if that takes at most twice as
    much; and the paper's differences as long as these take at most twice as much.
    """
    points = float(cells["difference"].abs().max())
    ends = cells[["low", "high"]].abs().max(axis=1)
    usual = ends.median()
    reach = float(np.nanmax([1.35 * points, 1.15 * min(usual, 4 * points if points > 0 else usual), 1e-3]))
    widest = 1.05 * float(ends.max())
    reach = widest if reach < widest <= 2 * reach else reach
    published = 1.1 * float(cells["published_difference"].abs().max())
    return max(reach, min(published, 2 * reach)) if published > 0 else reach


def common_reach(frames: Sequence[pd.DataFrame]) -> dict[str, float]:
    """Return the shared half width of the axes of several columns, by unit, so that panels can be compared.

    A column whose differences are far larger than the others' keeps its own.
    """
    by_unit: dict[str, list[float]] = {}
    for frame in frames:
        by_unit.setdefault(unit(frame), []).append(reach_of(frame))
    return {name: float(max(r for r in reaches if r <= 4 * np.median(reaches))) for name, reaches in by_unit.items()}


def _in_words(cell: Any) -> str:
    return f"{number(cell.difference, digits_of(cell.metric), signed=True)} ({interval(cell)})"
