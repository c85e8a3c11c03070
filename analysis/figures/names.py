"""Names, units and ticks in figures, in the room that they have."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axis import XAxis
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from analysis.figures.palette import GRID, INK, SOFT, looks
from analysis.scores import METRICS
from analysis.tables import unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

LEGEND_COLUMNS = 2
LEGEND: Any = {
    "loc": "upper center",
    "ncols": LEGEND_COLUMNS,
    "fontsize": 7.5,
    "handletextpad": 0.5,
    "columnspacing": 0.8,
}
NAME_SIZE = 8.5  # points, of the names left of an axis
POINTS_OF_AN_INCH = 72
LINE_OF_LEGEND = 0.16  # inches
LABEL_OF_AXIS = 0.27  # inches that the tick labels need
LINE_OF_LABEL = 0.145  # inches of each line of the axis label
WIDTH = 30  # letters of a name on one line
LETTERS_OF_A_COLUMN = 22  # of a legend with two columns below a panel
LETTERS_OF_A_LINE = 56  # of a legend with one column
FEWEST_TICKS = 3


def room_for(names: Sequence[str]) -> float:
    """Return the inches that the longest of these names needs left of an axis, shortened as in the figures."""
    lines = [line for name in names for line in short(name).split("\n") if line.strip()]
    widths = [TextPath((0, 0), line, size=NAME_SIZE).get_extents().width for line in lines]
    return 0.2 + max(widths, default=0.0) / POINTS_OF_AN_INCH


def room_below(count: int) -> float:
    """Return the inches that a legend of this many names needs below the axis label."""
    return 0.1 + LINE_OF_LEGEND * -(-count // LEGEND_COLUMNS)


def room_below_names(names: Sequence[str]) -> float:
    """Return the inches that a legend of these names in full needs below the axis label."""
    return 0.1 + LINE_OF_LEGEND * -(-len(names) // _columns(names))


def _columns(names: Sequence[str]) -> int:
    """Return the number of columns of a legend that shows these names in full."""
    return LEGEND_COLUMNS if max(map(len, names), default=0) <= LETTERS_OF_A_COLUMN else 1


def short(name: str, width: int = 26) -> str:
    """Return a name on at most two lines of ``width`` characters, so that it does not squeeze the axes."""
    lines = textwrap.wrap(name, width) or [""]
    if len(lines) > 2:
        lines = [lines[0], lines[1][: width - 1] + "\u2026"]
    return "\n".join(lines).replace("$", r"\$")  # matplotlib would read the text between two of them as a formula


def one_line(name: str, width: int = WIDTH) -> str:
    """Shorten a name to one line for a legend; a reading in brackets is kept, as it tells methods apart."""
    name = name.replace(" masks]", "]")
    if len(name) > width:
        tail = name[name.rindex("[") :] if name.endswith("]") else ""
        name = name[: max(3, width - 1 - len(tail))].rstrip() + "\u2026" + tail
    return name.replace("$", r"\$")


def add_legend(
    ax: Axes,
    titles: Mapping[str, str],
    rows: Sequence[str],
    *,
    lines: bool,
    published: bool = False,
    whole: bool = False,
) -> None:
    """Add the mark of each row below a panel, and the hollow mark of the paper's points where there are any.

    Args:
        ax: axes of the panel.
        titles: title of every row, in table order, which decides the looks.
        rows: the rows that are drawn.
        lines: True to show each row's dash with its mark.
        published: True to add the paper's mark.
        whole: True to show the names in full, in one column where two have no room (:func:`room_below_names`).
    """
    handles = _handles(titles, rows, lines=lines, width=LETTERS_OF_A_LINE if whole else WIDTH)
    if published:
        handles.append(
            Line2D([], [], ls="none", marker="D", ms=4.5, mfc="none", color=SOFT, label="the paper's (hollow)")
        )
    if handles:
        legend_below(ax, handles, _columns([titles[row] for row in rows]) if whole else LEGEND_COLUMNS)


def legend_of_figure(figure: Figure, titles: Mapping[str, str], columns: int) -> None:
    """Add one legend at the foot of a figure, for all its panels."""
    handles = _handles(titles, titles, lines=True)
    figure.legend(handles=handles, loc="lower center", ncols=columns, fontsize=8, frameon=False, borderaxespad=0.3)


def _handles(titles: Mapping[str, str], rows: Iterable[str], *, lines: bool, width: int = WIDTH) -> list[Line2D]:
    """Return the mark of each row, with its dash in a figure of lines, and its name."""
    look = looks(titles)
    return [
        Line2D(
            [],
            [],
            ls=look[row].dash if lines else "none",
            marker=look[row].marker,
            ms=5,
            mew=0,
            color=look[row].colour,
            label=one_line(titles[row], width),
        )
        for row in rows
    ]


def legend_below(ax: Axes, handles: Sequence[Artist], columns: int = LEGEND_COLUMNS) -> None:
    """Add a legend below the label of the x axis, which must be set."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    height = ax.get_position().height * figure.get_figheight()
    gap = LABEL_OF_AXIS + LINE_OF_LABEL * (1 + ax.get_xlabel().count("\n"))
    ax.legend(
        handles=list(handles), bbox_to_anchor=(0.5, -gap / height), borderaxespad=0, **{**LEGEND, "ncols": columns}
    )


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the lines of a panel whose y axis counts rows from the top."""
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", labelcolor=INK, labelsize=NAME_SIZE)
    ax.set_ylim(len(names) - 0.4, -0.7)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=GRID)


def log_axis(axis: Axis, low: float, high: float) -> None:
    """Make an axis logarithmic, with enough ticks between these ends, labelled in plain text.

    Where it holds fewer than three powers of ten, their multiples by 2 and 5 are labelled too. Matplotlib would parse a
    formula again for every format, which is slow.
    """
    set_scale = axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale
    set_scale("log")
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(lambda position, _: power_text(position))
    if low > 0 and (ticks := _log_ticks(low, high)):
        axis.set_major_locator(FixedLocator(ticks))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return positions for ticks from low to high: powers of ten, with 2 and 5 where there are few; [] where many."""
    first = 10.0
    powers = [first**n for n in range(-12, 13) if low * 0.999 <= first**n <= high * 1.001]
    if len(powers) >= FEWEST_TICKS:
        return []
    return [
        m * first**n for n in range(-12, 13) for m in (1.0, 2.0, 5.0) if low * 0.999 <= m * first**n <= high * 1.001
    ]


def power_text(value: float) -> str:
    """Format a value as papers write a learning rate or a radius: ``0.01``, ``1e-5``."""
    return f"{value:g}" if 1e-3 <= value < 1e5 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def unit(cells: pd.DataFrame) -> str:
    """Return the unit of differences in one column."""
    return unit_of(str(cells["metric"].iloc[0]))


def unit_of_scores(cells: pd.DataFrame) -> str:
    """Return the unit of scores in one column."""
    return "%" if unit(cells) == "points" else unit(cells)


def greater_is_better(cells: pd.DataFrame) -> bool:
    """Return True if a greater score of the column's metric is better."""
    scoring = METRICS.get(str(cells["metric"].iloc[0]))
    return scoring.greater_is_better if scoring else True
