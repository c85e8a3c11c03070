"""Figures of a report. Each is drawn once: a file holds the whole figure, the page each of its panels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import curves, figures, tables
from analysis.figures.drawing import Drawing, plain, score_unit
from analysis.report.mistakes import Mistakes
from analysis.results import Log
from analysis.schema import LOSS_PARTS, Column, Manifest
from analysis.scores import METRICS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CROWDED = 12  # methods: more curves in a panel cannot be distinguished; the page's explorer still shows them
MANY_CELLS = 400  # cells of a table: with more, only differences are drawn; every seed's score is in table.csv
PANEL = 3.45  # width of a panel in inches, so that its text stays readable on a telephone


@dataclass(frozen=True)
class Panel:
    """A panel: its title, a description for readers who cannot see it, and a function that draws it."""

    title: str
    alt: str
    draw: Callable[[Axes], Axes]


@dataclass(frozen=True)
class Sheet:
    """A figure of panels side by side.

    Attributes:
        stem: name of its files; "" for a figure without files.
        section: section of the page; "" for a figure that is not on it.
        panels: the panels.
        figure: the figure.
        axes: axes of each panel.
    """

    stem: str
    section: str
    panels: Sequence[Panel]
    figure: Figure
    axes: Sequence[Axes]

    def on_page(self) -> Iterator[dict[str, Any]]:
        """Yield each panel as a small SVG: ``section title svg alt``; the page lays them out to its width."""
        from markupsafe import Markup, escape

        for index, panel in enumerate(self.panels if self.section else ()):
            name = "f" + hashlib.sha256(f"{self.section}|{self.stem}|{panel.title}".encode()).hexdigest()[:8]
            svg = _unique_ids(figures.to_svg(self.figure, index), name)
            svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(panel.alt)}" ', 1)
            yield {"section": self.section, "title": panel.title, "svg": Markup(svg), "alt": panel.alt}

    def save(self, folder: Path) -> list[Path]:
        """Write the figure with its titles in every format and return the paths."""
        if not self.stem:
            return []
        for ax, panel in zip(self.axes, self.panels, strict=True):
            figures.set_title(ax, panel.title, PANEL)
        return figures.save(self.figure, folder / self.stem)


def sheets(
    manifest: Manifest,
    cells: pd.DataFrame,
    logs: Mapping[str, Log],
    logged: Mapping[str, pd.DataFrame],
    drawings: Sequence[Drawing],
    mistakes: Sequence[Mistakes],
) -> Iterator[Sheet]:
    """Yield every figure, in the page's order.

    Args:
        manifest: the experiment.
        cells: frame of :func:`analysis.comparison.compare`.
        logs: log of each run, by key.
        logged: :func:`analysis.curves.logged`, by id of the columns that differ in their runs.
        drawings: the paper's figures (:func:`analysis.figures.redrawn.drawings`).
        mistakes: errors on each task.
    """
    yield from map(_alone, drawings)
    yield from of_cells(manifest, cells)
    if len(manifest.rows) <= CROWDED:
        yield from _of_epochs(manifest, logs)
        yield from _of_parts(manifest, logged)
    if len(manifest.rows) * len(manifest.columns) <= MANY_CELLS:
        yield from map(_alone, reliability(manifest, mistakes))


def reliability(manifest: Manifest, mistakes: Sequence[Mistakes]) -> Iterator[Drawing]:
    """Yield a reliability diagram per classification task."""
    titles = {row.id: row.title for row in manifest.rows}
    for task_mistakes in mistakes:
        draw = partial(figures.plot_reliability, titles=titles)
        alt = f"Accuracy against confidence on {task_mistakes.task}; on the dotted line they are equal."
        yield Drawing(
            f"reliability-{plain(task_mistakes.task)}",
            task_mistakes.task,
            alt,
            task_mistakes.bins,
            draw,
            3.2,
            below=0.25 + 0.16 * task_mistakes.bins["row"].nunique() / 2,
            section="reliability",
        )


def title_of(column: Column) -> str:
    """Return a column's title: task, metric, and the split where it is not dev."""
    scoring = METRICS.get(column.metric)
    metric = scoring.title if scoring else column.metric
    return f"{column.title or column.task}, {metric}" + (f" ({column.split})" if column.split != "dev" else "")


def of_cells(manifest: Manifest, cells: pd.DataFrame) -> Iterator[Sheet]:
    """Yield differences and scores, a panel per column, a line per method."""
    drawn = [(column, frame) for column in manifest.columns if (frame := _of(cells, column))["n_seeds"].any()]
    compared = [(column, frame) for column, frame in drawn if frame["difference"].notna().any()]
    names = [row.title for row in manifest.rows] + [
        "\u221210.0 (\u221210.0 to \u221210.0)"
    ]  # the longest interval below a name
    tall, margins = 0.4 * len(manifest.rows) + 0.85, (figures.room_for(names), 0.15)
    if compared:
        panels = [Panel(title_of(c), _alt_differences(f), partial(figures.plot_differences, f)) for c, f in compared]
        two_lines = 0.14 if (cells["undecided"] != "").any() else 0.0  # for the remark below the axis label
        yield _drawn("differences", "differences", panels, tall, margins, two_lines)
    if drawn and len(cells) <= MANY_CELLS:
        panels = [Panel(title_of(c), _alt_scores(f), partial(figures.plot_scores, f)) for c, f in drawn]
        yield _drawn("scores", "scores", panels, tall, margins)


def _of_epochs(manifest: Manifest, logs: Mapping[str, Log]) -> Iterator[Sheet]:
    """Yield the page's panels of scores after each epoch."""
    titles = {row.id: row.title for row in manifest.rows}
    panels = []
    for column in manifest.columns:
        curve = curves.epochs(logs, manifest, column)
        if len(curve) and curve["epoch"].nunique() > 1:
            draw = partial(figures.plot_curves, curve, titles=titles, x="epoch", ylabel=score_unit(column))
            alt = f"{title_of(column)} after each epoch, by method, with the range over seeds."
            panels.append(Panel(title_of(column), alt, draw))
    if panels:
        yield _drawn("", "epochs", panels, 2.3, (0.5, figures.room_after(list(titles.values()))))


def _of_parts(manifest: Manifest, logged: Mapping[str, pd.DataFrame]) -> Iterator[Sheet]:
    """Yield the files of logged loss parts, one per task; on the page the explorer draws them."""
    titles = {row.id: row.title for row in manifest.rows}
    for column in manifest.distinct():
        name = column.title or column.task
        panels = [
            Panel(f"{name}: {figures.PARTS.get(str(part), str(part))}", "", partial(_draw_part, curve, titles=titles))
            for part, curve in logged[column.id].groupby("part", sort=False)
        ]
        if panels:
            margins = 0.6, figures.room_after(list(titles.values()))
            yield _drawn(f"loss-parts-{plain(name)}", "", panels, 2.5, margins)


def _draw_part(curve: pd.DataFrame, ax: Axes, titles: Mapping[str, str]) -> Axes:
    part = str(curve["part"].iloc[0])
    unit = "squared logits" if part == "distillation" else "nats" if part in LOSS_PARTS else ""
    return figures.plot_curves(curve, ax, titles, x="step", ylabel=unit and f"{unit}, unweighted", log=True)


def _alone(drawing: Drawing) -> Sheet:
    """Return one of the paper's panels, or a reliability diagram, as a figure of its own."""
    left = figures.room_for(drawing.left) if drawing.left else 0.6
    margins = left, figures.room_after(drawing.names_right) if drawing.names_right else 0.15
    panel = Panel(drawing.title, drawing.alt, partial(drawing.draw, drawing.frame))
    return _drawn(drawing.name, drawing.section, [panel], drawing.height, margins, drawing.below)


def _drawn(
    stem: str, section: str, panels: Sequence[Panel], tall: float, margins: tuple[float, float], below: float = 0.0
) -> Sheet:
    """Return a sheet of panels, each ``tall`` inches high without its title."""
    figure, axes = figures.panels(len(panels), PANEL, tall + figures.TITLE, margins, below=below)
    for panel, ax in zip(panels, axes, strict=True):
        panel.draw(ax)
    return Sheet(stem, section, panels, figure, axes)


def _unique_ids(svg: str, prefix: str) -> str:
    """Prefix ids with the figure's name, as a page holds many figures, and drop ids that nothing refers to."""
    used = set(re.findall(r"[\"(]#([\w.-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r"([\"(])#([\w.-]+)", rf"\1#{prefix}-\2", svg)


def _of(cells: pd.DataFrame, column: Column) -> pd.DataFrame:
    return cells[cells["column"] == column.id]


def _alt_differences(cells: pd.DataFrame) -> str:
    entries = [
        f"{c.row_title} {tables.number(c.difference, tables.digits_of(c.metric), signed=True)} ({tables.interval(c)}"
        f"{f'; no verdict, {tables.kind_of(c.undecided)}' if c.undecided else ''})"
        for c in tables.records(cells)
        if c.n_pairs
    ]
    remark = " (one seed: items only)" if (cells["n_pairs"] == 1).any() else ""
    title = cells["column_title"].iloc[0]
    return f"Differences to the baseline with 95 % intervals{remark} on {title}: {'; '.join(entries)}."


def _alt_scores(cells: pd.DataFrame) -> str:
    entries = [f"{c.row_title} {tables.mean_and_spread(c)}" for c in tables.records(cells)]
    return f"Scores of every seed and their mean on {cells['column_title'].iloc[0]}: {'; '.join(entries)}."
