"""Figures as sheets of equal panels: their axes, their files, and each panel as a piece of a page."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from analysis.figures.palette import variables
from analysis.figures.style import restyle, style
from analysis.records import short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")
ACROSS = 3  # panels per line of a file
DPI = 300
TITLE = 0.16  # inches above a panel for its title
LETTER = 0.069  # width of a letter of a title, in inches
XLABEL, YLABEL = 0.235, 0.17  # inches from the x axis down to its label, and from a panel's left edge to the y label
MARK, BETWEEN = "mark\x1f", "\x1e"  # of the ids that carry a method and its tips into the SVG


def mark(artist: Artist, row: str, *tips: str) -> None:
    """Name the method that an artist shows, and what it says; a page can hide it and show the texts.

    Args:
        artist: a line or a collection.
        row: id of the method's row.
        tips: one text for the whole artist, or one for each of its points.
    """
    artist.set_gid(MARK + row + MARK + BETWEEN.join(tips))


def needs_rows(plot: Callable[P, Axes]) -> Callable[P, Axes]:
    """Wrap a plot function so that it refuses a table without rows, its first argument. Raises: ValueError."""

    @functools.wraps(plot)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Axes:
        table: Any = [*args, *kwargs.values()][0]
        if len(table) == 0:
            raise ValueError(f"{plot.__name__}: the table has no rows to draw; does its selection match any run?")
        return plot(*args, **kwargs)

    return checked


def panels(
    count: int,
    width: float,
    height: float,
    margins: tuple[float, float] = (0.6, 0.15),
    below: float = 0.0,
    foot: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of equal panels and its axes in reading order.

    The figure has a canvas of its own (no pyplot, no global state). Positions are computed, because measuring text
    takes as long as drawing the figure.

    Args:
        count: number of panels.
        width: width of a panel with its labels, in inches.
        height: height of a panel with its labels, in inches.
        margins: inches left and right of the axes, for names (:func:`room_for`).
        below: inches below each panel's x label, for a legend.
        foot: inches at the foot of the figure, for a legend of all panels.
    """
    columns = min(ACROSS, count)
    size = columns * width, -(-count // columns) * height + foot
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


def save(figure: Figure, stem: Path, look: str = "paper") -> list[Path]:
    """Write ``stem.png`` (300 dpi), ``stem.pdf`` and ``stem.svg``; equal figures give equal bytes.

    The figure itself takes on the look (:func:`analysis.figures.style.restyle`).
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem = stem.with_name(short_name(stem.name))
    options: dict[str, dict[str, Any]] = {
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},  # 15 % larger in half the time
        "pdf": {"metadata": {"CreationDate": None}},
        "svg": {"metadata": {"Date": None}},
    }
    for artist in figure.findobj(lambda each: str(each.get_gid() or "").startswith(MARK)):
        artist.set_gid(None)  # a page's marks
    background = restyle(figure, look)
    with style():
        for kind, format_options in options.items():
            figure.savefig(stem.with_suffix(f".{kind}"), dpi=DPI, facecolor=background, **format_options)
    return [stem.with_suffix(f".{kind}") for kind in options]


def to_svg(figure: Figure, index: int = 0, foot: float = 0.0) -> str:
    """Return one panel of :func:`panels`, without the room for its title, as an ``<svg>`` element without prologue.

    Ink, grid and methods use the page's colours; what :func:`mark` named has ``data-row`` and ``data-tip``. ``foot`` is
    that of :func:`panels`.
    """
    text, undated = io.StringIO(), {"Date": None, "Creator": None}
    for n, ax in enumerate(figure.axes):
        ax.set_visible(n == index)
    for legend in figure.legends:
        legend.set_visible(False)  # the page has one of its own
    with style():
        figure.savefig(text, format="svg", metadata=undated, bbox_inches=_cut_out(figure, index, foot))
    for ax in figure.axes:
        ax.set_visible(True)
    for legend in figure.legends:
        legend.set_visible(True)
    svg = text.getvalue()
    svg = _with_marks(svg[svg.index("<svg") :])
    return re.sub("|".join(variables()), lambda match: f"var(--{variables()[match[0]]}, {match[0]})", svg)


def _with_marks(svg: str) -> str:
    """Turn the ids of marked artists into attributes: the row on the group, each tip on its point or on the group."""
    first, *rest = re.split(f' id="{MARK}', svg)
    pieces = [first]
    for piece in rest:
        label, _, content = piece.partition('"')
        row, _, texts = label.partition(MARK)
        tips = texts.split(BETWEEN) if texts else []
        if len(tips) == 1:
            pieces.append(f' data-row="{row}" data-tip="{tips[0]}"{content}')
            continue
        for tip in tips:
            content = content.replace("<use xlink", f'<use data-tip="{tip}" xlink', 1)
        pieces.append(f' data-row="{row}"{content}')
    return "".join(pieces)


def _cut_out(figure: Figure, index: int, foot: float) -> Bbox:
    """Return the box of a panel, in inches from the bottom left."""
    columns = min(ACROSS, len(figure.axes))
    width, height = figure.get_figwidth() / columns, (figure.get_figheight() - foot) / -(-len(figure.axes) // columns)
    row, column = divmod(index, columns)
    bottom = figure.get_figheight() - (row + 1) * height
    return Bbox.from_extents(column * width, bottom, (column + 1) * width, bottom + height - TITLE)
