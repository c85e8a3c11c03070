"""Draw estimates: every function takes a frame and an ``Axes`` and returns the ``Axes``. It computes no statistics.

Colours are those of Okabe and Ito, which stay distinct under the common kinds of colour blindness; marks also differ in
shape. Text and lines are drawn in :data:`INK`, :data:`SOFT` and :data:`GRID`, which a page may replace to suit a dark
theme.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.lines
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox

from analysis.records import short_name
from analysis.scores import METRICS
from analysis.tables import digits_of, interval, number, records, unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

INK, SOFT, GRID = "#1c2128", "#5b6470", "#d5dae1"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#4aa3d8", "#7f6bb3", "#8c564b")
MARKERS = "osD^vPX*"
# Dashes, so that a line stays visible below another one.
LINES: Any = ("-", (0, (7, 1.6)), (0, (3.2, 1.2)), (0, (7, 1.4, 1.4, 1.4)))
PARTS = {
    "loss": "total loss",
    "task": "task loss",
    "smoothness": "smoothness (R_s)",
    "bregman": "Bregman (D_Breg)",
    "distillation": "distillation",
    "adversarial": "adversarial",
    "consistency": "consistency",
    "max_abs_delta": "max |delta|",
    "start_share": "theta_0's share in the teacher",
}
ACROSS = 3  # panels per line of a file
TITLE = 0.16  # inches above a panel for its title
LETTER = 0.069  # width of a letter of a title, in inches
XLABEL, YLABEL = 0.235, 0.17  # inches from the x axis down to its label, and from a panel's left edge to the y label
BELOW: Any = {
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.16),
    "ncols": 2,
    "fontsize": 7.5,
    "handletextpad": 0.5,
    "columnspacing": 0.8,
}
FONTS = ("Inter", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
RC: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.titley": 1.0,  # fixed: an automatic position makes matplotlib measure every text, in every format
    "axes.titlecolor": INK,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 8.5,
    "axes.edgecolor": GRID,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.bottom": False,
    "ytick.left": False,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "smart-repro",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the look of all figures inside a ``with``; nothing outside it changes."""
    with mpl.rc_context({**RC, "font.sans-serif": _installed()}):
        yield


@lru_cache
def _installed() -> list[str]:
    """Return the fonts of :data:`FONTS` that this machine has.

    Matplotlib would search for a missing font again with every text.
    """
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in installed]


def panels(
    count: int,
    width: float,
    height: float,
    margins: tuple[float, float] = (0.6, 0.15),
    below: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of equal panels and its axes in reading order.

    The figure has a canvas of its own (no pyplot, no global state). Positions are computed, because measuring text
    takes as long as drawing the figure.

    Args:
        count: number of panels.
        width: width of a panel with its labels, in inches.
        height: height of a panel with its labels, in inches.
        margins: inches left and right of the axes, for names (:func:`room_for`).
        below: inches below the x label, for a legend.
    """
    columns = min(ACROSS, count)
    size = columns * width, -(-count // columns) * height
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    (left, right), bottom, top = margins, 0.45 + below, 0.2 + TITLE
    inner = width - left - right, height - bottom - top
    axes = []
    for index in range(count):
        row, column = divmod(index, columns)
        corner = (column * width + left) / size[0], 1 - ((row + 1) * height - bottom) / size[1]
        ax = figure.add_axes((*corner, inner[0] / size[0], inner[1] / size[1]))
        ax.xaxis.set_label_coords(0.5, -XLABEL / inner[1])
        ax.yaxis.set_label_coords((YLABEL - left) / inner[0], 0.5)
        axes.append(ax)
    return figure, axes


def set_title(ax: Axes, title: str, width: float) -> None:
    """Set a title above a panel of :func:`panels`, shifted left where it would extend beyond the panel.

    Args:
        ax: axes of the panel.
        title: the title.
        width: width of the panel, in inches.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure_width, box = figure.get_size_inches()[0], ax.get_position()
    room = width - (box.x0 * figure_width) % width  # inches from the left end of the axes to the right end of the panel
    ax.set_title(title, x=min(0.0, room - LETTER * len(title)) / (box.width * figure_width))


def room_for(names: Sequence[str]) -> float:
    """Return the inches that the longest of these names needs left of an axis, shortened as in the figures."""
    return 0.2 + 0.064 * max(len(line) for name in names for line in short(name).split("\n"))


def room_after(names: Sequence[str]) -> float:
    """Return the inches that the longest of these names needs at the end of a line."""
    return 0.1 + 0.066 * max(len(_cut(name)) for name in names)


def short(name: str, width: int = 26) -> str:
    """Return a name on at most two lines of ``width`` characters, so that it does not squeeze the axes."""
    lines = textwrap.wrap(name, width) or [""]
    if len(lines) > 2:
        lines = [lines[0], lines[1][: width - 1] + "\u2026"]
    return "\n".join(lines).replace("$", r"\$")  # matplotlib would read the text between two of them as a formula


def plot_scores(cells: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the scores on one task: a dot per seed, a bar and a number at the mean, the ceiling as a dotted line.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`, in table order.
        ax: axes to draw on.
    """
    rows = list(records(cells))
    for y, cell in enumerate(rows):
        colour = PALETTE[y % len(PALETTE)]
        if not cell.n_seeds:
            ax.annotate("not run", (0.02, y), xycoords=("axes fraction", "data"), color=SOFT, va="center", fontsize=8)
            continue
        ax.plot(
            cell.scores, _spread(y, cell.n_seeds), MARKERS[y % len(MARKERS)], color=colour, ms=4.5, alpha=0.55, mew=0
        )
        ax.plot([cell.mean] * 2, [y - 0.3, y + 0.3], color=colour, lw=2.4)
        text = number(cell.mean, digits_of(cell.metric))
        ax.annotate(text, (cell.mean, y - 0.33), ha="center", va="bottom", fontsize=8, color=INK)
    ceilings = cells["ceiling"].dropna()
    if len(ceilings):
        ax.axvline(ceilings.iloc[0], color=SOFT, lw=1, ls=(0, (1, 2)))
    _rows(ax, [short(cell.row_title) for cell in rows])
    unit = "%" if _unit(cells) == "points" else _unit(cells)
    ax.set_xlabel(f"{unit} (dotted: ceiling)" if len(ceilings) else unit)
    ax.margins(x=0.12)
    return ax


def plot_differences(cells: pd.DataFrame, ax: Axes) -> Axes:
    """Draw each method's difference to the baseline on one task with its interval; the paper's difference is a diamond.

    Intervals much wider than the others are cut at the axis and end in an arrow, so that one collapsed run does not
    hide the rest. Differences that decide nothing (too few seeds, a task at the floor, inert or nearly constant
    answers) are hollow and grey. With one seed an interval covers other items only, and the axis label says so.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`; the baseline and missing cells are left
            out.
        ax: axes to draw on.
    """
    rows = [cell for cell in records(cells) if not np.isnan(cell.difference)]
    names = list(cells["row"])
    reach = _reach(cells)
    ax.axvline(0, color=SOFT, lw=1)
    for y, cell in enumerate(rows):
        style = names.index(cell.row)
        colour = SOFT if cell.undecided else PALETTE[style % len(PALETTE)]
        ax.plot([cell.low, cell.high], [y, y], color=colour, lw=1.2 if cell.undecided else 2.2)
        for end, mark in ((cell.low, "<"), (cell.high, ">")):
            if abs(end) > reach:
                ax.plot(np.sign(end) * reach, y, mark, color=colour, ms=6, mew=0, clip_on=False)
        hollow: Any = {"mfc": "none", "mew": 1.2} if cell.undecided else {"mew": 0}
        ax.plot(cell.difference, y, MARKERS[style % len(MARKERS)], color=colour, ms=6.5, **hollow)
        if not np.isnan(cell.published_difference):
            ax.plot(cell.published_difference, y + 0.22, "D", ms=5, mfc="none", mec=INK, mew=1)
    _rows(ax, [f"{short(cell.row_title)}\n{_in_words(cell)}" for cell in rows])
    direction = "" if _greater_is_better(cells) else " (lower is better)"
    reasons = ["one seed: items only"] if any(cell.n_pairs == 1 for cell in rows) else []
    reasons += ["hollow: no verdict"] if any(cell.undecided for cell in rows) else []
    remark = "\n" + "; ".join(reasons) if reasons else ""
    ax.set_xlabel(f"difference in {_unit(cells)}{direction}{remark}")
    ax.set_xlim(-reach, reach)
    return ax


def plot_box(cells: pd.DataFrame, ax: Axes, published: pd.DataFrame | None = None) -> Axes:
    """Draw the spread over seeds, a box per method: quartiles, whiskers to the farthest seed, every seed as a dot.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`.
        ax: axes to draw on.
        published: ``row whisker_low q1 median q3 whisker_high`` of a paper's boxes, drawn hollow next to the runs'
            boxes.
    """
    names = list(cells["row"])
    for y, cell in enumerate(records(cells)):
        if cell.n_seeds:
            colour = PALETTE[y % len(PALETTE)]
            low, q1, median, q3, high = np.quantile(cell.scores, [0, 0.25, 0.5, 0.75, 1])
            box = {"whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high}
            _box(ax, box, y - 0.14, color=colour, facecolor=colour, alpha=0.3)
            ax.plot(cell.scores, np.full(cell.n_seeds, y - 0.14), "o", color=colour, ms=3, mew=0)
    for line in records(published) if published is not None else ():
        if line.row in names:
            box = {
                "whislo": line.whisker_low,
                "q1": line.q1,
                "med": line.median,
                "q3": line.q3,
                "whishi": line.whisker_high,
            }
            _box(ax, box, names.index(line.row) + 0.2, color=INK, facecolor="none", alpha=1.0)
    _rows(ax, [short(title) for title in cells["row_title"]])
    ax.set_xlabel("%" if _unit(cells) == "points" else _unit(cells))
    return ax


def plot_reliability(bins: pd.DataFrame, ax: Axes, titles: Mapping[str, str]) -> Axes:
    """Draw accuracy over confidence, a line per method; the size of dots grows with the bin's items.

    Args:
        bins: ``row`` and the columns of :func:`analysis.calibration.reliability`.
        ax: axes to draw on.
        titles: title of every row, in table order.
    """
    ax.plot([0, 1], [0, 1], color=SOFT, lw=1, ls=(0, (1, 2)), label="_calibrated")
    for row, curve in bins.groupby("row", sort=False):
        style = list(titles).index(str(row))
        colour = PALETTE[style % len(PALETTE)]
        ax.plot(
            curve["confidence"],
            curve["accuracy"],
            color=colour,
            lw=1.2,
            ls=LINES[style % len(LINES)],
            label=titles[str(row)],
        )
        sizes = 6 + 90 * curve["n"] / curve["n"].sum()
        ax.scatter(
            curve["confidence"],
            curve["accuracy"],
            s=sizes,
            color=colour,
            lw=0,
            marker=MARKERS[style % len(MARKERS)],
            clip_on=False,
        )
    ax.set_xlabel("confidence")
    ax.set_ylabel("accuracy")
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.02)
    ax.grid()
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles, [_cut(name, 30) for name in names], **BELOW)
    return ax


def plot_expected_best(frame: pd.DataFrame, ax: Axes, titles: Mapping[str, str], ylabel: str = "%") -> Axes:
    """Draw the expected best of N trials, a line per method.

    Args:
        frame: ``row n expected``; the part of each row comes from :func:`analysis.curves.expected_best`.
        ax: axes to draw on.
        titles: title of every row, in table order.
        ylabel: label of the y axis.
    """
    ends = []
    for row, curve in frame.groupby("row", sort=False):
        colour = PALETTE[list(titles).index(str(row)) % len(PALETTE)]
        ls = LINES[list(titles).index(str(row)) % len(LINES)]
        ax.plot(curve["n"], curve["expected"], color=colour, ls=ls, label=titles[str(row)])
        ends.append((float(curve["expected"].iloc[-1]), titles[str(row)], colour))
    ax.set_xlabel("trials")
    ax.set_ylabel(ylabel)
    ax.grid(axis="y")
    _label_ends(ax, ends)
    return ax


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
) -> Axes:
    """Draw a line per method over ``x``: the mean over seeds, with a band from the smallest to the largest seed.

    Args:
        curves: ``row``, ``x``, ``mean low high``, from :func:`analysis.curves.logged` or
            :func:`analysis.curves.epochs`.
        ax: axes to draw on.
        titles: title of every row, in table order; a method keeps its colour and mark in all figures.
        x: column of the x axis.
        ylabel: label of the y axis.
        log: True for a logarithmic y axis, if values are above 0 and span a factor of 20 or are tiny.
        logx: True for a logarithmic x axis.
        ticks: positions of the x axis' ticks, instead of the automatic ones.
        published: ``row``, ``x``, ``value`` as a paper prints or draws them: hollow diamonds on a thin line.
    """
    ends = []
    for row, curve in curves.groupby("row", sort=False):
        style = list(titles).index(str(row))
        colour = PALETTE[style % len(PALETTE)]
        ax.fill_between(curve[x], curve["low"], curve["high"], color=colour, alpha=0.16, lw=0)
        point_marks: dict[str, Any] = (
            {"marker": MARKERS[style % len(MARKERS)], "ms": 4.5, "mew": 0} if len(curve) < 15 else {}
        )
        ls = LINES[style % len(LINES)]
        ax.plot(curve[x], curve["mean"], color=colour, ls=ls, label=titles[str(row)], **point_marks)
        ends.append((float(curve["mean"].iloc[-1]), titles[str(row)], colour))
    ax.locator_params(axis="y", nbins=6)
    if log and _spans_decades(curves):
        ax.set_yscale("log")
        _log_ticks(ax.yaxis)
    if published is not None:
        _plot_published(published, ax, titles, x)
    if logx:
        ax.set_xscale("log")
        _log_ticks(ax.xaxis)
    if ticks is not None:
        ax.set_xticks(list(ticks), [f"{position:,g}" for position in ticks])
    if x == "epoch":
        ax.set_xticks(sorted(curves[x].unique()))
    ax.set_xlabel("update" if x == "step" else x)
    ax.set_ylabel(ylabel)
    ax.grid(axis="y")
    _label_ends(ax, ends)
    return ax


def _plot_published(published: pd.DataFrame, ax: Axes, titles: Mapping[str, str], x: str) -> None:
    """Add a paper's points to curves: a thin line per method, with diamonds if the points are few."""
    for row, points in published.groupby("row", sort=False):
        if str(row) not in titles:
            continue
        colour = PALETTE[list(titles).index(str(row)) % len(PALETTE)]
        line: Any = {"ls": (0, (1, 2)), "lw": 1, "color": colour, "mfc": "none", "label": "as published"}
        mark: Any = {"marker": "D", "ms": 4.5} if len(points) < 15 else {}
        ax.plot(points[x], points["value"], **line, **mark)
    if len(published):
        _published_key(ax, len(published) / max(1, published["row"].nunique()) < 15)


def plot_groups(
    groups: pd.DataFrame,
    ax: Axes,
    titles: Mapping[str, str],
    *,
    x: str,
    ylabel: str = "",
    published: pd.DataFrame | None = None,
) -> Axes:
    """Draw a mark per group and method at its mean over seeds, with a line from the smallest to the largest seed.

    Args:
        groups: ``row``, ``x`` (names), ``mean low high``; groups in order of appearance.
        ax: axes to draw on.
        titles: title of every row, in table order, which decides colours and marks.
        x: column of the groups' names.
        ylabel: label of the y axis.
        published: ``row``, ``x``, ``value``: drawn as hollow diamonds next to the marks.
    """
    names = list(dict.fromkeys(groups[x]))
    rows = [row for row in titles if row in set(groups["row"])]
    width = 0.64 / max(1, len(rows))
    for n, row in enumerate(rows):
        style = list(titles).index(row)
        colour = PALETTE[style % len(PALETTE)]
        row_groups = groups[groups["row"] == row]
        positions = [names.index(name) + (n - (len(rows) - 1) / 2) * width for name in row_groups[x]]
        ax.vlines(positions, row_groups["low"], row_groups["high"], color=colour, lw=2, alpha=0.45)
        ax.plot(
            positions, row_groups["mean"], MARKERS[style % len(MARKERS)], color=colour, ms=5, mew=0, label=titles[row]
        )
        if published is not None:
            row_published = published[(published["row"] == row) & published[x].isin(names)]
            published_positions = [names.index(name) + (n - (len(rows) - 1) / 2) * width for name in row_published[x]]
            if published_positions:
                ax.plot(
                    published_positions,
                    row_published["value"],
                    "D",
                    ls="none",
                    color=colour,
                    mfc="none",
                    ms=4.5,
                    label="as published",
                )
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylabel(ylabel)
    ax.grid(axis="y")
    _group_legend(ax, titles, rows, has_published=published is not None and len(published) > 0)
    return ax


def _group_legend(ax: Axes, titles: Mapping[str, str], rows: Sequence[str], *, has_published: bool) -> None:
    """Add a legend with the mark of each row, and the hollow mark of the paper's points."""
    handles = [
        mpl.lines.Line2D(
            [],
            [],
            ls="none",
            marker=MARKERS[list(titles).index(row) % len(MARKERS)],
            ms=5,
            mew=0,
            color=PALETTE[list(titles).index(row) % len(PALETTE)],
            label=_cut(titles[row], 30),
        )
        for row in rows
    ]
    if has_published:
        hollow: Any = {"ls": "none", "marker": "D", "ms": 4.5, "mfc": "none", "color": SOFT}
        handles.append(mpl.lines.Line2D([], [], label="paper", **hollow))
    ax.legend(handles=handles, **BELOW)


def plot_boundary(grid: pd.DataFrame, ax: Axes, points: pd.DataFrame) -> Axes:
    """Draw the class probability that a network assigns to the plane, its decision boundary, and its training points.

    Args:
        grid: ``x y probability`` (of class 1) on a rectangular grid, row by row.
        ax: axes to draw on.
        points: ``x y label wrong``; wrongly labelled points are crosses.
    """
    from matplotlib.colors import LinearSegmentedColormap

    x, y = np.unique(grid["x"]), np.unique(grid["y"])
    surface = grid["probability"].to_numpy().reshape(len(y), len(x))
    colours = LinearSegmentedColormap.from_list("classes", [PALETTE[0], "#f4f4f4", PALETTE[1]])
    ax.contourf(x, y, surface, levels=np.linspace(0, 1, 11), cmap=colours, alpha=0.55)
    ax.contour(x, y, surface, levels=[0.5], colors=[INK], linewidths=1.4)
    for label in (0, 1):
        for wrong, mark, size in ((False, "o", 12), (True, "X", 34)):
            members = points[(points["label"] == label) & (points["wrong"].astype(bool) == wrong)]
            name = f"class {label}" + (", wrong label" if wrong else "")
            ax.scatter(
                members["x"],
                members["y"],
                s=size,
                marker=mark,
                color=PALETTE[label],
                lw=0.5,
                edgecolors="white",
                label=name,
            )
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    ax.legend(**BELOW)
    return ax


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` (160 dpi, on white), ``stem.pdf`` and ``stem.svg``; equal figures give equal bytes."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem = stem.with_name(short_name(stem.name))
    options: dict[str, dict[str, Any]] = {
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},  # 15 % larger in half the time
        "pdf": {"metadata": {"CreationDate": None}},
        "svg": {"metadata": {"Date": None}},
    }
    with style():
        for kind, format_options in options.items():
            figure.savefig(stem.with_suffix(f".{kind}"), dpi=160, facecolor="white", **format_options)
    return [stem.with_suffix(f".{kind}") for kind in options]


def to_svg(figure: Figure, index: int = 0) -> str:
    """Return one panel of :func:`panels`, without the room for its title, as an ``<svg>`` element without prologue.

    Ink, grid and lines use the page's colours.
    """
    text, undated = io.StringIO(), {"Date": None, "Creator": None}
    for n, ax in enumerate(figure.axes):
        ax.set_visible(n == index)
    with style():
        figure.savefig(text, format="svg", metadata=undated, bbox_inches=_cut_out(figure, index))
    for ax in figure.axes:
        ax.set_visible(True)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    lines = [(colour, f"c{i}") for i, colour in enumerate(PALETTE)]
    for colour, name in [(INK, "ink"), (SOFT, "soft"), (GRID, "grid"), *lines]:
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return svg


def _spans_decades(curves: pd.DataFrame) -> bool:
    """Return True if a logarithmic axis is useful.

    Over a small range it would have hardly any tick labels; tiny values need it in any case.
    """
    low, high = curves["low"].min(), curves["high"].max()
    return bool(len(curves) > 0 and low > 0 and (high > 20 * low or high < 1e-3))


def _log_ticks(axis: Axis) -> None:
    """Label powers of ten in plain text: matplotlib parses a formula again for every format, which is slow."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda position, _: _power(position))


def _power(value: float) -> str:
    """Format a value as papers write a learning rate or a radius: ``0.01``, ``1e-5``."""
    return f"{value:g}" if 1e-3 <= value < 1e5 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _published_key(ax: Axes, diamond: bool) -> None:
    """Add a key for the hollow marks, in the corner above the names of the lines."""
    mark: dict[str, Any] = {"marker": "D", "ms": 4.5} if diamond else {}
    ax.plot(
        [1.02, 1.06],
        [1.075] * 2,
        ls=(0, (1, 2)),
        lw=1,
        color=SOFT,
        mfc="none",
        markevery=[1],
        clip_on=False,
        transform=ax.transAxes,
        label="_key",
        **mark,
    )
    ax.annotate(
        "paper",
        (1.06, 1.075),
        (5, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        va="center",
        color=SOFT,
        fontsize=7.5,
        annotation_clip=False,
    )


def _cut_out(figure: Figure, index: int) -> Bbox:
    """Return the box of a panel, in inches from the bottom left."""
    columns = min(ACROSS, len(figure.axes))
    width, height = figure.get_figwidth() / columns, figure.get_figheight() / -(-len(figure.axes) // columns)
    row, column = divmod(index, columns)
    bottom = figure.get_figheight() - (row + 1) * height
    return Bbox.from_extents(column * width, bottom, (column + 1) * width, bottom + height - TITLE)


def _box(ax: Axes, box: dict[str, float], y: float, *, color: str, facecolor: str, alpha: float) -> None:
    line = {"color": color, "linewidth": 1.2}
    drawn = ax.bxp(
        [{**box, "fliers": []}],
        positions=[y],
        widths=0.24,
        orientation="horizontal",
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": color, "linewidth": 2},
        whiskerprops=line,
        capprops=line,
    )
    drawn["boxes"][0].set(facecolor=facecolor, edgecolor=color, alpha=alpha)


def _cut(name: str, width: int = 20) -> str:
    """Shorten a name to one line for the end of a curve; a reading in brackets is kept, as it tells curves apart."""
    name = name.replace(" masks]", "]")
    if len(name) > width:
        tail = name[name.rindex("[") :] if name.endswith("]") else ""
        name = name[: max(3, width - 1 - len(tail))].rstrip() + "\u2026" + tail
    return name.replace("$", r"\$")


def _rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
    ax.set_ylim(len(names) - 0.4, -0.7)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")


def _in_words(cell: Any) -> str:
    return f"{number(cell.difference, digits_of(cell.metric), signed=True)} ({interval(cell)})"


def _reach(cells: pd.DataFrame) -> float:
    """Return half the width of a difference axis.

    It covers all estimates, published values and the usual interval, with some room; and the widest interval, if that
    takes at most twice as much.
    """
    points = cells[["difference", "published_difference"]].abs().max().max()
    ends = cells[["low", "high"]].abs().max(axis=1)
    usual = ends.median()
    reach = float(np.nanmax([1.35 * points, 1.15 * min(usual, 4 * points if points > 0 else usual), 1e-3]))
    widest = 1.05 * float(ends.max())
    return widest if reach < widest <= 2 * reach else reach


def _spread(y: int, n: int) -> np.ndarray:
    """Return positions for n dots around row ``y``, so that equal scores do not hide each other."""
    return y + (np.linspace(-0.16, 0.16, n) if n > 1 else np.zeros(1))


def _label_ends(ax: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write the name of each line at its right end, moved apart where names would overlap."""
    if not ends:
        return
    low, high = ax.get_ylim()
    log = ax.get_yscale() == "log"
    heights = [(np.log(v / low) / np.log(high / low)) if log else (v - low) / (high - low) for v, _, _ in ends]
    order = sorted(range(len(ends)), key=lambda i: heights[i])
    gap, spots = 0.085, dict.fromkeys(order, 0.0)
    last = -1.0
    for i in order:
        last = spots[i] = max(heights[i], last + gap)
    over = max(0.0, last - 1.0)
    for i in order:
        ax.annotate(
            _cut(ends[i][1]),
            (1.02, spots[i] - over),
            xycoords="axes fraction",
            va="center",
            color=ends[i][2],
            fontsize=8,
            fontweight="bold",
            annotation_clip=False,
        )


def _greater_is_better(cells: pd.DataFrame) -> bool:
    scoring = METRICS.get(str(cells["metric"].iloc[0]))
    return scoring.greater_is_better if scoring else True


def _unit(cells: pd.DataFrame) -> str:
    return unit_of(str(cells["metric"].iloc[0]))
