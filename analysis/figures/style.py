"""One style for every figure, in three looks: for a paper, for slides, and for dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from analysis.figures.palette import GRID, INK, SOFT, on_dark, variables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONTS = ("Inter", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
LOOKS = ("paper", "talk", "dark")
TALK = 1.5  # times the size of a paper's figure, text and lines with it
DARK_PAGE = "#12161c"
DARK_GREYS = {INK: "#e6eaf0", SOFT: "#a3adb9", GRID: "#39424e", "#ffffff": DARK_PAGE}
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
    "axes.grid": False,
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
    """Apply the style of all figures inside a ``with``; nothing outside it changes."""
    settings: Any = {**_context(), **RC, "font.sans-serif": _installed()}
    with mpl.rc_context(settings):
        yield


@lru_cache
def _context() -> dict[str, Any]:
    """Return seaborn's style and sizes for a paper, which :data:`RC` refines."""
    import seaborn as sns  # imported here: it takes most of a second, and pages without figures do not need it

    return {**sns.axes_style("ticks"), **sns.plotting_context("paper")}


@lru_cache
def _installed() -> list[str]:
    """Return the fonts of :data:`FONTS` that this machine has.

    Matplotlib would search for a missing font again with every text.
    """
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in installed]


def restyle(figure: Figure, look: str) -> str:
    """Give a drawn figure another look, in place, and return the colour of its background.

    Args:
        figure: a figure in the look of a paper.
        look: "paper" leaves it as it is; "talk" enlarges it with its text and lines; "dark" replaces its colours.

    Raises:
        ValueError: there is no such look.
    """
    if look not in LOOKS:
        raise ValueError(f"a figure's look must be one of {', '.join(LOOKS)}; got {look!r}")
    if look == "talk":
        _enlarge(figure, TALK)
    if look == "dark":
        _darken(figure)
    return DARK_PAGE if look == "dark" else "white"


def _enlarge(figure: Figure, factor: float) -> None:
    figure.set_size_inches(*(factor * side for side in figure.get_size_inches()))
    for artist in figure.findobj():
        if isinstance(artist, Text):
            artist.set_fontsize(factor * float(artist.get_fontsize()))
        elif isinstance(artist, Line2D):
            artist.set(lw=factor * artist.get_linewidth(), ms=factor * artist.get_markersize())
        elif isinstance(artist, Collection):
            artist.set_linewidth([factor * width for width in np.atleast_1d(artist.get_linewidth())])
            if isinstance(artist, PathCollection):
                artist.set_sizes([factor**2 * size for size in artist.get_sizes()])
        elif isinstance(artist, Patch):
            artist.set_linewidth(factor * artist.get_linewidth())
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_tick_params(labelsize=factor * axis.get_tick_params().get("labelsize", 8))


def _darken(figure: Figure) -> None:
    for artist in figure.findobj():
        if isinstance(artist, Text):
            artist.set_color(_dark(artist.get_color()))
        elif isinstance(artist, Line2D):
            artist.set_color(_dark(artist.get_color()))
            artist.set_markeredgecolor(_dark(artist.get_markeredgecolor()))
            artist.set_markerfacecolor(_dark(artist.get_markerfacecolor()))
        elif isinstance(artist, Collection):
            if artist.get_array() is None:  # colours of a heat map stand for numbers
                artist.set_facecolor([_dark(colour) for colour in artist.get_facecolor()])
                artist.set_edgecolor([_dark(colour) for colour in artist.get_edgecolor()])
        elif isinstance(artist, Patch):
            artist.set_facecolor(_dark(artist.get_facecolor()))
            artist.set_edgecolor(_dark(artist.get_edgecolor()))
    for ax in figure.axes:
        ax.tick_params(labelcolor=DARK_GREYS[SOFT])
        for spine in ax.spines.values():
            spine.set_edgecolor(DARK_GREYS[GRID])


def _dark(colour: Any) -> Any:
    """Return a colour of the paper's figure as the dark one has it; colours that mean something else stay."""
    if isinstance(colour, str) and colour == "none":
        return colour
    red, green, blue, alpha = to_rgba(colour)
    name = to_hex((red, green, blue))
    if alpha == 0:
        return colour
    if name in DARK_GREYS:
        return to_rgba(DARK_GREYS[name], alpha)
    return to_rgba(on_dark(name), alpha) if name in variables() else colour
