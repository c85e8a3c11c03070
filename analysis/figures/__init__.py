"""Drawing estimates: every function takes a frame and an ``Axes`` and returns the ``Axes``. Nothing is computed here.

Colours are Okabe and Ito's, chosen so that the common kinds of colour blindness keep them apart; marks differ in
shape as well. Text and lines are drawn in :data:`INK`, :data:`SOFT` and :data:`GRID`, which a page may replace to
suit a dark theme.
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

from analysis.scores import METRICS
from analysis.tables import digits_of, interval, number, records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

INK, SOFT, GRID = "#1c2128", "#5b6470", "#d5dae1"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#4aa3d8", "#7f6bb3", "#8c564b")
MARKERS = "osD^vPX*"
LINES: Any = (
    "-",
    (0, (7, 1.6)),
    (0, (3.2, 1.2)),
    (0, (7, 1.4, 1.4, 1.4)),
)  # a line that covers another lets it through
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
ACROSS = 3  # panels beside each other in a file
TITLE = 0.16  # inches above a panel for its title
LETTER = 0.069  # inches a letter of a title is wide
XLABEL, YLABEL = 0.235, 0.17  # inches: from the axis down to its name, from a panel's left edge to its axis' name
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
    "axes.titley": 1.0,  # a place of its own: looking for one measures every text around, in every format
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
    """The look of all figures, inside a ``with``; nothing outside it changes."""
    with mpl.rc_context({**RC, "font.sans-serif": _installed()}):
        yield


@lru_cache
def _installed() -> list[str]:
    """The fonts of :data:`FONTS` that this machine has: those it lacks are looked for again with every text."""
    known = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in known]


def panels(
    count: int,
    width: float,
    height: float,
    margins: tuple[float, float] = (0.6, 0.15),
    below: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, with a canvas of its own (no pyplot, no global state), and its axes in reading order.

    Places are computed, not measured: measuring text costs as much as drawing the figure.

    Args:
        width, height: of one panel with all that belongs to it, in inches.
        margins: inches beside the axes, left and right, for names (:func:`room_for`).
        below: inches below an axis beside those for its own name: for a legend.
    """
    columns = min(ACROSS, count)
    full = columns * width, -(-count // columns) * height
    figure = Figure(figsize=full)
    FigureCanvasAgg(figure)
    (left, right), bottom, top = margins, 0.45 + below, 0.2 + TITLE
    inner = width - left - right, height - bottom - top
    axes = []
    for place in range(count):
        row, column = divmod(place, columns)
        corner = (column * width + left) / full[0], 1 - ((row + 1) * height - bottom) / full[1]
        ax = figure.add_axes((*corner, inner[0] / full[0], inner[1] / full[1]))
        ax.xaxis.set_label_coords(0.5, -XLABEL / inner[1])
        ax.yaxis.set_label_coords((YLABEL - left) / inner[0], 0.5)
        axes.append(ax)
    return figure, axes


def set_title(ax: Axes, title: str, width: float) -> None:
    """A title above a panel of :func:`panels`, begun left of the axes where it would else end outside the panel.

    Args:
        width: of the panel, in inches.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    full, box = figure.get_size_inches()[0], ax.get_position()
    room = width - (box.x0 * full) % width  # inches from the axes' left to the panel's right
    ax.set_title(title, x=min(0.0, room - LETTER * len(title)) / (box.width * full))


def room_for(names: Sequence[str]) -> float:
    """Inches that the longest of these names takes left of an axis, cut as the figures cut them."""
    return 0.2 + 0.064 * max(len(line) for name in names for line in short(name).split("\n"))


def room_after(names: Sequence[str]) -> float:
    """Inches that the longest of these names takes at the end of a line."""
    return 0.1 + 0.066 * max(len(_cut(name)) for name in names)


def short(name: str, width: int = 26) -> str:
    """A name on at most two lines of ``width`` characters: an axis must not starve for a long one."""
    lines = textwrap.wrap(name, width) or [""]
    if len(lines) > 2:
        lines = [lines[0], lines[1][: width - 1] + "\u2026"]
    return "\n".join(lines).replace("$", r"\$")  # or matplotlib reads what lies between two of them as a formula


def plot_scores(cells: pd.DataFrame, ax: Axes) -> Axes:
    """One task: a dot per seed, a bar at the mean, mean ± sd in words, the ceiling as a dotted line.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`, in table order.
    """
    shown = list(records(cells))
    for y, cell in enumerate(shown):
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
    _rows(ax, [short(cell.row_title) for cell in shown])
    unit = _axis_unit(cells)
    ax.set_xlabel(f"{unit} (dotted: ceiling)" if len(ceilings) else unit)
    ax.margins(x=0.12)
    return ax


def plot_differences(cells: pd.DataFrame, ax: Axes) -> Axes:
    """One task: each method's difference to the baseline with its interval; the paper's difference as a hollow diamond.

    Intervals much wider than the others leave the axis and end in an arrow: one collapsed run must not hide the rest.
    What decides nothing (too few seeds, a task at the floor, inert or nearly constant answers) is hollow and grey.
    Of one seed an interval speaks of other items only, and the axis says so.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`; the baseline and missing cells are left
            out.
    """
    shown = [cell for cell in records(cells) if not np.isnan(cell.difference)]
    names = list(cells["row"])
    reach = _reach(cells)
    ax.axvline(0, color=SOFT, lw=1)
    for y, cell in enumerate(shown):
        look = names.index(cell.row)
        colour = SOFT if cell.undecided else PALETTE[look % len(PALETTE)]
        ax.plot([cell.low, cell.high], [y, y], color=colour, lw=1.2 if cell.undecided else 2.2)
        for end, mark in ((cell.low, "<"), (cell.high, ">")):
            if abs(end) > reach:
                ax.plot(np.sign(end) * reach, y, mark, color=colour, ms=6, mew=0, clip_on=False)
        hollow: Any = {"mfc": "none", "mew": 1.2} if cell.undecided else {"mew": 0}
        ax.plot(cell.difference, y, MARKERS[look % len(MARKERS)], color=colour, ms=6.5, **hollow)
        if not np.isnan(cell.published_difference):
            ax.plot(cell.published_difference, y + 0.22, "D", ms=5, mfc="none", mec=INK, mew=1)
    _rows(ax, [f"{short(cell.row_title)}\n{_in_words(cell)}" for cell in shown])
    direction = "" if _greater_is_better(cells) else " (lower is better)"
    reasons = ["one seed: items only"] if any(cell.n_pairs == 1 for cell in shown) else []
    reasons += ["hollow: no verdict"] if any(cell.undecided for cell in shown) else []
    remark = "\n" + "; ".join(reasons) if reasons else ""
    ax.set_xlabel(f"difference{f' in {unit}' if (unit := _unit(cells)) else ''}{direction}{remark}")
    ax.set_xlim(-reach, reach)
    return ax


def plot_box(cells: pd.DataFrame, ax: Axes, published: pd.DataFrame | None = None) -> Axes:
    """Spread over seeds, a box per method: quartiles, whiskers to the farthest seed, every seed as a dot.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`.
        published: ``row whisker_low q1 median q3 whisker_high`` as a paper drew them; drawn hollow beside ours.
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
    ax.set_xlabel(_axis_unit(cells))
    return ax


def plot_reliability(bins: pd.DataFrame, ax: Axes, titles: Mapping[str, str]) -> Axes:
    """Accuracy against confidence, a line per method; dots grow with the bin's items.

    Args:
        bins: ``row`` beside the columns of :func:`analysis.calibration.reliability`.
    """
    ax.plot([0, 1], [0, 1], color=SOFT, lw=1, ls=(0, (1, 2)), label="_honest")
    for row, own in bins.groupby("row", sort=False):
        look = list(titles).index(str(row))
        colour = PALETTE[look % len(PALETTE)]
        ax.plot(
            own["confidence"],
            own["accuracy"],
            color=colour,
            lw=1.2,
            ls=LINES[look % len(LINES)],
            label=titles[str(row)],
        )
        sizes = 6 + 90 * own["n"] / own["n"].sum()
        ax.scatter(
            own["confidence"],
            own["accuracy"],
            s=sizes,
            color=colour,
            lw=0,
            marker=MARKERS[look % len(MARKERS)],
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
    """Expected best of N tries, a line per method.

    Args:
        frame: ``row n expected``, each row's part from :func:`analysis.curves.expected_best`.
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
    """A line per method over ``x``, its mean over seeds, with the band from the smallest to the largest seed.

    Args:
        curves: ``row``, ``x``, ``mean low high``: of :func:`analysis.curves.logged` or
            :func:`analysis.curves.epochs`.
        titles: every row's title, in table order: a method keeps its colour and mark in all figures.
        log: a logarithmic axis, where values are above 0 and span a factor of 20 or are tiny; ``logx``: one for ``x``.
        ticks: places that ``x`` names, instead of the usual ones.
        published: ``row``, ``x``, ``value`` as a paper prints or draws them: hollow diamonds on a thin line.
    """
    ends = []
    for row, curve in curves.groupby("row", sort=False):
        look = list(titles).index(str(row))
        colour = PALETTE[look % len(PALETTE)]
        ax.fill_between(curve[x], curve["low"], curve["high"], color=colour, alpha=0.16, lw=0)
        few: dict[str, Any] = {"marker": MARKERS[look % len(MARKERS)], "ms": 4.5, "mew": 0} if len(curve) < 15 else {}
        ls = LINES[look % len(LINES)]
        ax.plot(curve[x], curve["mean"], color=colour, ls=ls, label=titles[str(row)], **few)
        ends.append((float(curve["mean"].iloc[-1]), titles[str(row)], colour))
    ax.locator_params(axis="y", nbins=6)
    if log and _spans_decades(curves):
        ax.set_yscale("log")
        _log_ticks(ax.yaxis)
    for row, points in published.groupby("row", sort=False) if published is not None else ():
        if str(row) not in titles:
            continue
        colour = PALETTE[list(titles).index(str(row)) % len(PALETTE)]
        line: Any = {"ls": (0, (1, 2)), "lw": 1, "color": colour, "mfc": "none", "label": "as published"}
        mark: Any = {"marker": "D", "ms": 4.5} if len(points) < 15 else {}
        ax.plot(points[x], points["value"], **line, **mark)
    if published is not None and len(published):
        _published_key(ax, len(published) / max(1, published["row"].nunique()) < 15)
    if logx:
        ax.set_xscale("log")
        _log_ticks(ax.xaxis)
    if ticks is not None:
        ax.set_xticks(list(ticks), [f"{at:,g}" for at in ticks])
    if x == "epoch":
        ax.set_xticks(sorted(curves[x].unique()))
    ax.set_xlabel("update" if x == "step" else x)
    ax.set_ylabel(ylabel)
    ax.grid(axis="y")
    _label_ends(ax, ends)
    return ax


def plot_groups(
    groups: pd.DataFrame,
    ax: Axes,
    titles: Mapping[str, str],
    *,
    x: str,
    ylabel: str = "",
    published: pd.DataFrame | None = None,
) -> Axes:
    """A mark per group and method at its mean over seeds, with a line from the smallest to the largest seed.

    Args:
        groups: ``row``, ``x`` (names), ``mean low high``; groups in order of appearance.
        titles: every row's title, in table order: it decides colours and marks.
        published: ``row``, ``x``, ``value``: hollow diamonds beside ours.
    """
    names = list(dict.fromkeys(groups[x]))
    rows = [row for row in titles if row in set(groups["row"])]
    width = 0.64 / max(1, len(rows))
    for n, row in enumerate(rows):
        look = list(titles).index(row)
        colour = PALETTE[look % len(PALETTE)]
        here = groups[groups["row"] == row]
        at = [names.index(name) + (n - (len(rows) - 1) / 2) * width for name in here[x]]
        ax.vlines(at, here["low"], here["high"], color=colour, lw=2, alpha=0.45)
        ax.plot(at, here["mean"], MARKERS[look % len(MARKERS)], color=colour, ms=5, mew=0, label=titles[row])
        if published is not None:
            theirs = published[(published["row"] == row) & published[x].isin(names)]
            place = [names.index(name) + (n - (len(rows) - 1) / 2) * width for name in theirs[x]]
            if place:
                ax.plot(place, theirs["value"], "D", ls="none", color=colour, mfc="none", ms=4.5, label="as published")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylabel(ylabel)
    ax.grid(axis="y")
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
    if published is not None and len(published):
        hollow: Any = {"ls": "none", "marker": "D", "ms": 4.5, "mfc": "none", "color": SOFT}
        handles.append(mpl.lines.Line2D([], [], label="paper", **hollow))
    ax.legend(handles=handles, **BELOW)
    return ax


def plot_boundary(grid: pd.DataFrame, ax: Axes, points: pd.DataFrame) -> Axes:
    """What a network believes over the plane, its boundary, and what it was trained on.

    Args:
        grid: ``x y probability`` (of class 1) on a rectangular grid, row by row.
        points: ``x y label wrong``; wrongly labelled points are crosses.
    """
    from matplotlib.colors import LinearSegmentedColormap

    x, y = np.unique(grid["x"]), np.unique(grid["y"])
    surface = grid["probability"].to_numpy().reshape(len(y), len(x))
    between = LinearSegmentedColormap.from_list("classes", [PALETTE[0], "#f4f4f4", PALETTE[1]])
    ax.contourf(x, y, surface, levels=np.linspace(0, 1, 11), cmap=between, alpha=0.55)
    ax.contour(x, y, surface, levels=[0.5], colors=[INK], linewidths=1.4)
    for label in (0, 1):
        for wrong, mark, size in ((False, "o", 12), (True, "X", 34)):
            some = points[(points["label"] == label) & (points["wrong"].astype(bool) == wrong)]
            name = f"class {label}" + (", wrong label" if wrong else "")
            ax.scatter(
                some["x"], some["y"], s=size, marker=mark, color=PALETTE[label], lw=0.5, edgecolors="white", label=name
            )
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    ax.legend(**BELOW)
    return ax


def save(figure: Figure, stem: Path) -> list[Path]:
    """``stem.png`` (160 dpi, on white), ``stem.pdf`` and ``stem.svg``; the same figure gives the same bytes."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, dict[str, Any]] = {
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},  # 15 % larger, in half the time
        "pdf": {"metadata": {"CreationDate": None}},
        "svg": {"metadata": {"Date": None}},
    }
    with style():
        for kind, own in options.items():
            figure.savefig(stem.with_suffix(f".{kind}"), dpi=160, facecolor="white", **own)
    return [stem.with_suffix(f".{kind}") for kind in options]


def to_svg(figure: Figure, place: int = 0) -> str:
    """One panel of :func:`panels`, without the room for its title, as an ``<svg>`` element without prologue.

    Its ink, grid and lines follow the page's colours.
    """
    text, undated = io.StringIO(), {"Date": None, "Creator": None}
    for n, ax in enumerate(figure.axes):
        ax.set_visible(n == place)
    with style():
        figure.savefig(text, format="svg", metadata=undated, bbox_inches=_cut_out(figure, place))
    for ax in figure.axes:
        ax.set_visible(True)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    lines = [(colour, f"c{i}") for i, colour in enumerate(PALETTE)]
    for colour, name in [(INK, "ink"), (SOFT, "soft"), (GRID, "grid"), *lines]:
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return svg


def _spans_decades(curves: pd.DataFrame) -> bool:
    """Whether a logarithmic axis serves: where values span less it has hardly a number, but tiny ones fit no other."""
    low, high = curves["low"].min(), curves["high"].max()
    return bool(len(curves) > 0 and low > 0 and (high > 20 * low or high < 1e-3))


def _log_ticks(axis: Axis) -> None:
    """Powers of ten in plain text: a formula is read anew for every format, and costs more than the curves."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda at, _: _power(at))


def _power(at: float) -> str:
    """``0.01``, ``1e-5``: as papers write a learning rate or a radius."""
    return f"{at:g}" if 1e-3 <= at < 1e5 else f"{at:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _published_key(ax: Axes, diamond: bool) -> None:
    """What the hollow marks are, in the corner above the names of the lines."""
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


def _cut_out(figure: Figure, place: int) -> Bbox:
    """Where a panel stands, in inches from the bottom left."""
    columns = min(ACROSS, len(figure.axes))
    width, height = figure.get_figwidth() / columns, figure.get_figheight() / -(-len(figure.axes) // columns)
    row, column = divmod(place, columns)
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
    """A name on one line, for the end of a curve; a reading in brackets stays, for it tells two curves apart."""
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
    """Half the width of a difference axis: all estimates and published values, and the usual interval, with room to
    spare; the widest interval too, where that takes at most twice as much."""
    points = cells[["difference", "published_difference"]].abs().max().max()
    ends = cells[["low", "high"]].abs().max(axis=1)
    usual = ends.median()
    reach = float(np.nanmax([1.35 * points, 1.15 * min(usual, 4 * points if points > 0 else usual), 1e-3]))
    widest = 1.05 * float(ends.max())
    return widest if reach < widest <= 2 * reach else reach


def _spread(y: int, n: int) -> np.ndarray:
    """Places for n dots around row ``y``, so that equal scores do not hide each other."""
    return y + (np.linspace(-0.16, 0.16, n) if n > 1 else np.zeros(1))


def _label_ends(ax: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name each line at its right end, moved apart where they would overlap."""
    if not ends:
        return
    low, high = ax.get_ylim()
    log = ax.get_yscale() == "log"
    place = [(np.log(v / low) / np.log(high / low)) if log else (v - low) / (high - low) for v, _, _ in ends]
    order = sorted(range(len(ends)), key=lambda i: place[i])
    gap, spots = 0.085, dict.fromkeys(order, 0.0)
    last = -1.0
    for i in order:
        last = spots[i] = max(place[i], last + gap)
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
    known = METRICS.get(str(cells["metric"].iloc[0]))
    return known.greater_is_better if known else True


def _unit(cells: pd.DataFrame) -> str:
    known = METRICS.get(str(cells["metric"].iloc[0]))
    return known.unit if known else "points"


def _axis_unit(cells: pd.DataFrame) -> str:
    return "%" if _unit(cells) == "points" else _unit(cells)
