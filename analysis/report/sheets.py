"""Figures of a report. Each is drawn once: a file holds the whole figure, the page each of its panels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import curves, figures, tables
from analysis.claims import Verdict
from analysis.figures.drawing import Drawing, plain, score_unit
from analysis.records import short_name
from analysis.report.card.differences import alt_of, comparisons_of, forest_of
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
MOST_BANDS = 4  # methods whose bands over seeds can be told apart in one panel
MOST_PANELS = 36  # of curves: a panel for each task and method up to this number
LONGEST_NAME = 60  # letters of a method's name in the title of its own panel, which wraps
CONFUSED = 2  # methods whose confusion of labels is drawn: the baseline and the first other
FEWEST_ON_MAP = 2  # tasks and methods from which a heat map shows more than a list
ANSWER = 4.9  # width of the answer's figure in inches
PANEL = 3.45  # width of a panel in inches, so that its text stays readable on a telephone


class EpochLayout(Enum):
    """The layout of the scores after each epoch."""

    TOGETHER = "all methods in one panel, with bands"
    APART = "a panel for each method"
    MEANS = "all methods in one panel, without bands"


def epoch_layout(manifest: Manifest) -> EpochLayout:
    """Return how the scores after each epoch are drawn: many bands in one panel would hide one another."""
    if len(manifest.rows) <= MOST_BANDS:
        return EpochLayout.TOGETHER
    is_small = len(manifest.rows) * len(manifest.columns) <= MOST_PANELS
    return EpochLayout.APART if is_small else EpochLayout.MEANS


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
        foot: inches at the foot of the figure for the legend of all panels; the page has a legend of its own.
    """

    stem: str
    section: str
    panels: Sequence[Panel]
    figure: Figure
    axes: Sequence[Axes]
    foot: float = 0.0

    def on_page(self) -> Iterator[dict[str, Any]]:
        """Yield each panel as a small SVG: ``section title svg alt stem alone``; the page lays them out."""
        from markupsafe import Markup, escape

        for index, panel in enumerate(self.panels if self.section else ()):
            name = "f" + hashlib.sha256(f"{self.section}|{self.stem}|{panel.title}".encode()).hexdigest()[:8]
            svg = _unique_ids(figures.to_svg(self.figure, index, self.foot), name)
            svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(panel.alt)}" ', 1)
            stem = short_name(self.stem) if self.stem else ""
            yield {
                "section": self.section,
                "title": panel.title,
                "svg": Markup(svg),
                "alt": panel.alt,
                "stem": stem,
                "alone": len(self.panels) == 1,
            }

    def save(self, folder: Path, look: str = "paper") -> list[Path]:
        """Write the figure with its titles in every format and return the paths.

        Call it after :meth:`on_page`: the figure takes on the look.
        """
        if not self.stem:
            return []
        for ax, panel in zip(self.axes, self.panels, strict=True):
            figures.set_title(ax, panel.title, self.figure.get_figwidth() / min(figures.ACROSS, len(self.panels)))
        return figures.save(self.figure, folder / self.stem, look)


def sheets(
    manifest: Manifest,
    cells: pd.DataFrame,
    logs: Mapping[str, Log],
    logged: Mapping[str, pd.DataFrame],
    drawings: Sequence[Drawing],
    mistakes: Sequence[Mistakes],
) -> Iterator[Sheet]:
    """Yield every figure but the answer's, in the page's order.

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
        yield from _of_confusion(manifest, mistakes)


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
            3.0,
            below=figures.room_below_names([titles[row] for row in dict.fromkeys(task_mistakes.bins["row"])]),
            section="reliability",
        )


def _of_confusion(manifest: Manifest, mistakes: Sequence[Mistakes]) -> Iterator[Sheet]:
    """Yield which labels are taken for which, a panel per method; the page shows the first :data:`CONFUSED`."""
    titles = {row.id: row.title for row in manifest.rows}
    for task_mistakes in mistakes:
        panels = [
            Panel(
                f"{task_mistakes.task}: {figures.one_line(titles[row])}",
                f"Labels taken for others by {titles[row]} on {task_mistakes.task}, mean over seeds, by label.",
                partial(figures.plot_confusion, counts),
            )
            for row, counts in list(task_mistakes.confusions.items())[:CONFUSED]
        ]
        if panels:
            counts = next(iter(task_mistakes.confusions.values()))
            tall, labels = 0.42 * len(counts) + 0.75, [str(label) for label in counts.index]
            stem = f"confusion-{plain(task_mistakes.task)}"
            yield _drawn(stem, f"confusion {task_mistakes.task}", panels, tall, (figures.room_for(labels), 0.15))


def answer_sheets(manifest: Manifest, cells: pd.DataFrame, question: Sequence[Verdict]) -> Iterator[Sheet]:
    """Yield the one figure of the answer: the claim's contrast on all its tasks, on one scale, and their mean.

    Where nothing is claimed, it shows the methods' differences to the baseline on all tasks.
    """
    is_open = not question and manifest.baseline_row is not None
    forest = comparisons_of(manifest, cells) if is_open else forest_of(manifest, cells, question)
    frame, titles = forest.frame, forest.titles
    if len(frame):
        names = list(frame["place"])
        tall = 0.62 + 0.2 + max(0.3, 0.17 * len(titles)) * frame["place"].nunique()
        below = figures.room_below(len(titles) + 1) + (0.14 if (frame["undecided"] != "").any() else 0.0)
        draw = partial(
            figures.plot_forest,
            frame,
            titles=titles,
            xlabel=forest.quantity,
            claimed=forest.claimed,
            rows=[row.id for row in manifest.rows],
        )
        panel = Panel("Effect on each task", alt_of(forest), draw)
        yield _drawn("answer", "answer", [panel], tall + below, (figures.room_for(names), 0.15), below, width=ANSWER)


def title_of(column: Column) -> str:
    """Return a column's title: task, metric, and the split where it is not dev."""
    scoring = METRICS.get(column.metric)
    metric = scoring.title if scoring else column.metric
    return f"{column.title or column.task}, {metric}" + (f" ({column.split})" if column.split != "dev" else "")


def of_cells(manifest: Manifest, cells: pd.DataFrame) -> Iterator[Sheet]:
    """Yield differences and scores, a panel per column, a line per method; then all differences as a heat map.

    Panels of differences in one unit share their axis; panels of scores share the width of theirs.
    """
    drawn = [(column, frame) for column in manifest.columns if (frame := _of(cells, column))["n_seeds"].any()]
    compared = [(column, frame) for column, frame in drawn if frame["difference"].notna().any()]
    names = [row.title for row in manifest.rows] + [
        "\u221210.0 (\u221210.0 to \u221210.0)"
    ]  # the longest interval below a name
    tall, left = 0.4 * len(manifest.rows) + 0.85, figures.room_for(names)
    if compared:
        reach = figures.common_reach([frame for _, frame in compared])
        panels = [
            Panel(title_of(c), _alt_differences(f), partial(_draw_differences, f, reach=reach)) for c, f in compared
        ]
        two_lines = 0.14 if (cells["undecided"] != "").any() else 0.0  # for the remark below the axis label
        yield _drawn("differences", "differences", panels, tall, (left, 0.15), two_lines)
    if drawn and len(cells) <= MANY_CELLS:
        spans: dict[str, float] = {}
        for _, frame in drawn:
            name = figures.unit_of_scores(frame)
            spans[name] = max(spans.get(name, 0.0), figures.span_of(frame))
        panels = [Panel(title_of(c), _alt_scores(f), partial(_draw_scores, f, spans=spans)) for c, f in drawn]
        yield _drawn("scores", "scores", panels, tall, (left, 0.5))
    yield from _heat_map(manifest, [frame for _, frame in compared])


def _draw_differences(frame: pd.DataFrame, ax: Axes, reach: Mapping[str, float]) -> Axes:
    return figures.plot_differences(frame, ax, max(reach[figures.unit(frame)], figures.reach_of(frame) / 4))


def _draw_scores(frame: pd.DataFrame, ax: Axes, spans: Mapping[str, float]) -> Axes:
    return figures.plot_scores(frame, ax, spans[figures.unit_of_scores(frame)])


def _heat_map(manifest: Manifest, frames: Sequence[pd.DataFrame]) -> Iterator[Sheet]:
    """Yield the differences in points as a map of tasks and methods, where there are several of both."""
    import pandas as pd

    in_points = [frame for frame in frames if figures.unit(frame) == "points"]
    rows = [row for row in manifest.rows if row.id != manifest.baseline_row]
    if len(in_points) < FEWEST_ON_MAP or not FEWEST_ON_MAP <= len(rows) <= CROWDED:
        return
    values: dict[str, dict[str, float]] = {}
    texts: dict[str, dict[str, str]] = {}
    judged: dict[str, dict[str, bool]] = {}
    for frame in in_points:
        sign = 1 if figures.greater_is_better(frame) else -1
        for cell in tables.records(frame):
            if cell.row != manifest.baseline_row:
                values.setdefault(tables.heading(cell), {})[cell.row_title] = sign * cell.difference
                judged.setdefault(tables.heading(cell), {})[cell.row_title] = not cell.undecided
                mark = "" if cell.undecided or cell.low <= 0 <= cell.high else "*"
                texts.setdefault(tables.heading(cell), {})[cell.row_title] = (
                    tables.number(cell.difference, signed=True) + mark
                )
    order = [row.title for row in rows]
    table = pd.DataFrame.from_dict(values, orient="index").reindex(columns=order)
    words = pd.DataFrame.from_dict(texts, orient="index").reindex(columns=order).fillna("")
    has_verdict = pd.DataFrame.from_dict(judged, orient="index").reindex(columns=order).eq(True)
    is_grey = bool((~has_verdict & table.notna()).to_numpy().any())
    label = "difference in points\n* the interval leaves out 0" + ("; grey: no verdict" if is_grey else "")
    draw = partial(figures.plot_heat, table, words, label=label, judged=has_verdict)
    unjudged = ", ".join(str(task) for task, has_any in has_verdict.any(axis=1).items() if not has_any)
    remark = f" Without a verdict: {unjudged}." if unjudged else ""
    alt = f"Differences to the baseline by task and method: {table.round(1).to_dict('index')}.{remark}"
    margins = figures.room_for(list(values)), 0.15
    width = margins[0] + 0.95 * len(order) + 0.2
    panel = Panel("Difference to the baseline, all tasks", alt, draw)
    yield _drawn("heat", "heat", [panel], 0.3 * len(table) + 1.2, margins, 0.4, width=max(width, PANEL))


def _of_epochs(manifest: Manifest, logs: Mapping[str, Log]) -> Iterator[Sheet]:
    """Yield the panels of scores after each epoch."""
    titles = {row.id: row.title for row in manifest.rows}
    layout = epoch_layout(manifest)
    panels: list[Panel] = []
    for column in manifest.columns:
        curve = curves.epochs(logs, manifest, column)
        if len(curve) and curve["epoch"].nunique() > 1:
            rows = list(dict.fromkeys(map(str, curve["row"]))) if layout is EpochLayout.APART else [""]
            panels += [_epoch_panel(column, curve, titles, row, layout) for row in rows]
    if panels:
        foot = 0.0 if layout is EpochLayout.APART else _foot(titles, len(panels))
        sheet = _drawn("epochs", "epochs", panels, 2.3, (0.5, 0.15), foot=foot)
        yield sheet if layout is EpochLayout.APART else _with_legend(sheet, titles)


def _epoch_panel(
    column: Column, curve: pd.DataFrame, titles: Mapping[str, str], row: str, layout: EpochLayout
) -> Panel:
    """Return a panel of scores after each epoch: of one method among the others, or of all."""
    draw = partial(
        figures.plot_curves,
        curve,
        titles=titles,
        x="epoch",
        ylabel=score_unit(column),
        legend=False,
        bands=layout is not EpochLayout.MEANS,
        highlight=row,
    )
    subject = f"{titles[row]} beside the means of the other methods" if row else "by method"
    title = f"{title_of(column)}: {figures.one_line(titles[row], LONGEST_NAME)}" if row else title_of(column)
    return Panel(title, f"{title_of(column)} after each epoch, {subject}, with the range over seeds.", draw)


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
            sheet = _drawn(f"loss-parts-{plain(name)}", "", panels, 2.5, (0.6, 0.15), foot=_foot(titles, len(panels)))
            yield _with_legend(sheet, titles)


def _draw_part(curve: pd.DataFrame, ax: Axes, titles: Mapping[str, str]) -> Axes:
    part = str(curve["part"].iloc[0])
    unit = "squared logits" if part == "distillation" else "nats" if part in LOSS_PARTS else ""
    ylabel = unit and f"{unit}, unweighted"
    return figures.plot_curves(curve, ax, titles, x="step", ylabel=ylabel, log=True, legend=False)


def _foot(titles: Mapping[str, str], n_panels: int) -> float:
    """Return the inches that the legend of a whole figure needs."""
    return 0.12 + 0.19 * -(-len(titles) // min(figures.ACROSS, n_panels))


def _with_legend(sheet: Sheet, titles: Mapping[str, str]) -> Sheet:
    """Return the sheet with one legend at its foot for all panels."""
    figures.legend_of_figure(sheet.figure, titles, columns=min(figures.ACROSS, len(sheet.panels)))
    return sheet


def _alone(drawing: Drawing) -> Sheet:
    """Return one of the paper's panels, or a reliability diagram, as a figure of its own."""
    margins = figures.room_for(drawing.left) if drawing.left else 0.6, 0.15
    panel = Panel(drawing.title, drawing.alt, partial(drawing.draw, drawing.frame))
    height = drawing.height + drawing.below
    return _drawn(drawing.name, drawing.section, [panel], height, margins, drawing.below)


def _drawn(
    stem: str,
    section: str,
    panels: Sequence[Panel],
    tall: float,
    margins: tuple[float, float],
    below: float = 0.0,
    *,
    width: float = PANEL,
    foot: float = 0.0,
) -> Sheet:
    """Return a sheet of panels, each ``tall`` inches high without its title."""
    figure, axes = figures.panels(len(panels), width, tall + figures.TITLE, margins, below=below, foot=foot)
    for panel, ax in zip(panels, axes, strict=True):
        panel.draw(ax)
    return Sheet(stem, section, panels, figure, axes, foot)


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
