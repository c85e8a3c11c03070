"""Draw every seed: strips with the mean, boxes and violins where there are many seeds, marks by group."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn as sns

from analysis.figures.canvas import mark, needs_rows
from analysis.figures.names import add_legend, name_rows, short, unit_of_scores
from analysis.figures.palette import GRID, INK, SOFT, looks
from analysis.tables import digits_of, mean_and_spread, number, records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MANY_SEEDS = 10  # seeds from which a strip has a box below it
VIOLIN_SEEDS = 20  # seeds from which a box is drawn inside a violin


@needs_rows
def plot_scores(cells: pd.DataFrame, ax: Axes, span: float | None = None) -> Axes:
    """Draw the scores on one task: a dot per seed, a bar at the mean, which is written at the right edge.

    From :data:`MANY_SEEDS` seeds on there is a box below the dots. The ceiling is a dotted line.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`, in table order.
        ax: axes to draw on.
        span: width of the axis, in the unit of the scores, so that panels can be compared; None: that of the data.
    """
    rows = list(records(cells))
    look = looks(cell.row for cell in rows)
    for y, cell in enumerate(rows):
        if not cell.n_seeds:
            ax.annotate("not run", (0.02, y), xycoords=("axes fraction", "data"), color=SOFT, va="center", fontsize=8)
            continue
        colour, digits = look[cell.row].colour, digits_of(cell.metric)
        if cell.n_seeds >= MANY_SEEDS:
            _seaborn_box(ax, np.array(cell.scores), y, colour)
        heights = _spread(y, cell.n_seeds)
        sns.scatterplot(
            x=np.array(cell.scores),
            y=heights,
            marker=look[cell.row].marker,
            color=colour,
            s=26,
            alpha=0.65,
            lw=0,
            ax=ax,
        )
        mark(ax.collections[-1], cell.row, *_seed_tips(cell))
        (bar,) = ax.plot([cell.mean] * 2, [y - 0.3, y + 0.3], color=colour, lw=2.4)
        mark(bar, cell.row, f"{cell.row_title}: mean {mean_and_spread(cell)}, n = {cell.n_seeds} seeds")
        ax.annotate(
            number(cell.mean, digits),
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=INK,
            annotation_clip=False,
        )
    ceilings = cells["ceiling"].dropna()
    if len(ceilings):
        ax.axvline(ceilings.iloc[0], color=SOFT, lw=1, ls=(0, (1, 2)))
    name_rows(ax, [short(cell.row_title) for cell in rows])
    unit = unit_of_scores(cells)
    ax.set_xlabel(f"{unit} (dotted: ceiling)" if len(ceilings) else unit)
    _set_span(ax, cells, span)
    return ax


def _seed_tips(cell: Any) -> list[str]:
    """Return a text for the score of each seed."""
    digits = digits_of(cell.metric)
    return [f"{cell.row_title}, seed {s}: {number(v, digits)}" for s, v in zip(cell.seeds, cell.scores, strict=True)]


def span_of(cells: pd.DataFrame) -> float:
    """Return the width that the scores and the ceiling of one column need on an axis, with some room."""
    values = [value for scores in cells["scores"] for value in scores] + cells["ceiling"].dropna().tolist()
    return 1.24 * max(float(np.ptp(values)), 1e-9) if values else 0.0


def _set_span(ax: Axes, cells: pd.DataFrame, span: float | None) -> None:
    values = [value for scores in cells["scores"] for value in scores] + cells["ceiling"].dropna().tolist()
    if span and values:
        middle = (min(values) + max(values)) / 2
        ax.set_xlim(middle - span / 2, middle + span / 2)
    else:
        ax.margins(x=0.12)


@needs_rows
def plot_box(cells: pd.DataFrame, ax: Axes, published: pd.DataFrame | None = None) -> Axes:
    """Draw the spread over seeds, a box per method: quartiles, whiskers to the farthest seed, every seed as a dot.

    From :data:`VIOLIN_SEEDS` seeds on the box lies in a violin, the estimated density of the seeds.

    Args:
        cells: the rows of one column of :func:`analysis.comparison.compare`.
        ax: axes to draw on.
        published: ``row whisker_low q1 median q3 whisker_high`` of a paper's boxes, drawn hollow next to the runs'
            boxes.
    """
    names = list(cells["row"])
    look = looks(names)
    for y, cell in enumerate(records(cells)):
        if cell.n_seeds:
            scores, colour = np.array(cell.scores), look[cell.row].colour
            if cell.n_seeds >= VIOLIN_SEEDS:
                positions = np.full(cell.n_seeds, y - 0.14)
                sns.violinplot(
                    x=scores,
                    y=positions,
                    orient="h",
                    native_scale=True,
                    inner=None,
                    color=colour,
                    width=0.5,
                    alpha=0.2,
                    linewidth=0,
                    cut=0,
                    ax=ax,
                )
            _seaborn_box(ax, scores, y - 0.14, colour)
            sns.scatterplot(
                x=scores,
                y=np.full(cell.n_seeds, y - 0.14),
                marker=look[cell.row].marker,
                color=colour,
                s=12,
                lw=0,
                zorder=3,
                ax=ax,
            )
            mark(ax.collections[-1], cell.row, *_seed_tips(cell))
    for line in records(published) if published is not None else ():
        if line.row in names:
            box = {
                "whislo": line.whisker_low,
                "q1": line.q1,
                "med": line.median,
                "q3": line.q3,
                "whishi": line.whisker_high,
            }
            _box(ax, box, names.index(line.row) + 0.2)
    name_rows(ax, [short(title) for title in cells["row_title"]])
    hollow = " (black and hollow: the paper's)" if published is not None and len(published) else ""
    ax.set_xlabel(unit_of_scores(cells) + hollow)
    return ax


def _seaborn_box(ax: Axes, scores: np.ndarray, y: float, colour: str) -> None:
    """Draw quartiles, median and whiskers to the farthest seed."""
    line = {"color": colour, "linewidth": 1.2}
    sns.boxplot(
        x=scores,
        y=np.full(len(scores), y),
        orient="h",
        native_scale=True,
        whis=(0, 100),
        width=0.24,
        boxprops={"facecolor": colour, "alpha": 0.3, "edgecolor": colour},
        medianprops={"color": colour, "linewidth": 2},
        whiskerprops=line,
        capprops=line,
        ax=ax,
    )


def _box(ax: Axes, box: dict[str, float], y: float) -> None:
    """Draw a paper's box, of which only the five numbers are known."""
    line = {"color": INK, "linewidth": 1.2}
    drawn = ax.bxp(
        [{**box, "fliers": []}],
        positions=[y],
        widths=0.24,
        orientation="horizontal",
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": INK, "linewidth": 2},
        whiskerprops=line,
        capprops=line,
    )
    drawn["boxes"][0].set(facecolor="none", edgecolor=INK)


@needs_rows
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
        titles: title of every row, in table order, which decides the looks.
        x: column of the groups' names.
        ylabel: label of the y axis.
        published: ``row``, ``x``, ``value``: drawn as hollow diamonds next to the marks.
    """
    names = list(dict.fromkeys(groups[x]))
    rows = [row for row in titles if row in set(groups["row"])]
    width, look = 0.64 / max(1, len(rows)), looks(titles)
    has_published = False
    for n, row in enumerate(rows):
        members, offset = groups[groups["row"] == row], (n - (len(rows) - 1) / 2) * width
        positions = [names.index(name) + offset for name in members[x]]
        colour = look[row].colour
        ax.vlines(positions, members["low"], members["high"], color=colour, lw=2, alpha=0.45)
        style: Any = {"ls": "none", "color": colour, "ms": 5.5, "mew": 0, "zorder": 3, "label": titles[row]}
        (marks,) = ax.plot(positions, members["mean"], look[row].marker, **style)
        mark(marks, row, *(_group_tip(titles[row], line, x) for line in members.to_dict("records")))
        paper = published[(published["row"] == row) & published[x].isin(names)] if published is not None else groups[:0]
        if len(paper):
            has_published = True
            places = [names.index(name) + offset for name in paper[x]]
            hollow: Any = {"ls": "none", "color": colour, "mfc": "none", "ms": 4.5, "label": "as published"}
            ax.plot(places, paper["value"], "D", **hollow)
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set(xlabel="", ylabel=ylabel)
    ax.grid(axis="y", color=GRID)
    add_legend(ax, titles, rows, lines=False, published=has_published)
    return ax


def _group_tip(title: str, line: Mapping[Hashable, Any], x: str) -> str:
    n = f", n = {line['n']} seeds" if "n" in line else ""
    return f"{title}, {line[x]}: {line['mean']:.4g} ({line['low']:.4g} to {line['high']:.4g}{n})"


def _spread(y: int, n: int) -> np.ndarray:
    """Return positions for n dots around row ``y``, so that equal scores do not hide each other."""
    return y + (np.linspace(-0.16, 0.16, n) if n > 1 else np.zeros(1))
