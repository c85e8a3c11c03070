"""Draw a decision boundary in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from analysis.figures.canvas import needs_rows
from analysis.figures.names import legend_below
from analysis.figures.palette import INK, PALETTE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@needs_rows
def plot_boundary(grid: pd.DataFrame, ax: Axes, points: pd.DataFrame) -> Axes:
    """Draw the class probability that a network assigns to the plane, its decision boundary, and its training points.

    Args:
        grid: ``x y probability`` (of class 1) on a rectangular grid, row by row.
        ax: axes to draw on.
        points: ``x y label wrong``; wrongly labelled points are crosses.
    """
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
    legend_below(ax, ax.get_legend_handles_labels()[0])
    return ax
