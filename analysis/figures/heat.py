"""Heat maps: a difference for each task and method, and which labels are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.patches import Rectangle

from analysis.figures.canvas import needs_rows
from analysis.figures.names import short
from analysis.figures.palette import GRID, INK, ON_COLOUR, SOFT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DIVERGING = sns.diverging_palette(
    25, 245, s=75, l=48, center="light", as_cmap=True
)  # orange to blue: colour-blind safe
LABEL_BELOW = 0.36  # inches from the map to its label: names of columns take two lines
SEQUENTIAL = sns.light_palette("#0072b2", as_cmap=True)
ROOM = 1.4  # times the largest value where the colours end: keeps the darkest cell light enough for dark text


@needs_rows
def plot_heat(
    values: pd.DataFrame, texts: pd.DataFrame, ax: Axes, *, label: str, judged: pd.DataFrame | None = None
) -> Axes:
    """Draw a table of differences as colours with their numbers: blue is better, orange worse, white 0.

    Cells without a verdict have no colour and a grey number, and do not stretch the scale of the others.

    Args:
        values: a row per task, a column per method; positive is better; nan is left white.
        texts: the text of each cell.
        ax: axes to draw on.
        label: what the numbers are, below the map.
        judged: True for the cells with a verdict; None: all of them.
    """
    is_judged = np.ones(values.shape, dtype=bool) if judged is None else judged.to_numpy(dtype=bool)
    in_colour = values.where(is_judged)
    sizes = np.abs(in_colour.to_numpy(dtype=float))
    reach = max(float(sizes[np.isfinite(sizes)].max(initial=0.0)), 1e-9)
    sns.heatmap(
        in_colour,
        annot=texts.to_numpy(),
        fmt="",
        cmap=DIVERGING,
        vmin=-ROOM * reach,
        vmax=ROOM * reach,
        cbar=False,
        linewidths=1.5,
        linecolor="white",
        annot_kws={"fontsize": 8, "color": ON_COLOUR},
        ax=ax,
    )
    for row, column in np.argwhere(~is_judged & values.notna().to_numpy()):
        ax.add_patch(Rectangle((column + 0.06, row + 0.12), 0.88, 0.76, fill=False, ec=GRID, lw=0.8))
        text = str(texts.iloc[int(row), int(column)])
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=SOFT)
    return _labelled(ax, values, label)


@needs_rows
def plot_confusion(counts: pd.DataFrame, ax: Axes) -> Axes:
    """Draw which labels are taken for which, as shares of each label; rows are labels, columns answers.

    Args:
        counts: mean counts over seeds; index: labels, columns: answers.
        ax: axes to draw on.
    """
    shares = counts.div(counts.sum(axis=1).clip(lower=1e-12), axis=0)
    texts = [
        [f"{100 * share:.0f} %\n{count:,.0f}" for share, count in zip(a, b, strict=True)]
        for a, b in zip(shares.to_numpy(), counts.to_numpy(), strict=True)
    ]
    sns.heatmap(
        shares,
        annot=np.array(texts),
        fmt="",
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=ROOM,
        cbar=False,
        linewidths=1.5,
        linecolor="white",
        annot_kws={"fontsize": 7.5, "color": ON_COLOUR},
        ax=ax,
    )
    return _labelled(ax, shares, "answer")


def _labelled(ax: Axes, frame: pd.DataFrame, label: str) -> Axes:
    headings = [short(str(name).replace(" masks]", "]"), 14) for name in frame.columns]
    ax.set_xticks(np.arange(frame.shape[1]) + 0.5, headings, rotation=0)
    ax.set_yticks(np.arange(frame.shape[0]) + 0.5, [short(str(name)) for name in frame.index], rotation=0)
    ax.tick_params(length=0, labelcolor=INK, labelsize=8)
    ax.set(xlabel=label, ylabel="")
    figure = ax.get_figure(root=True)
    assert figure is not None
    ax.xaxis.set_label_coords(0.5, -LABEL_BELOW / (ax.get_position().height * figure.get_figheight()))
    ax.xaxis.label.set_color(SOFT)
    return ax
