"""Draws the figures of docs/FINDINGS.md and docs/pilot.md: ``python docs/_scripts/findings_figures.py``.

Each is drawn from the published runs and lies in ``figures`` beside the numbers it is drawn from,
``findings-NAME.png`` and ``.csv``; a test compares these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from textwrap import fill

import elsewhere
import numpy as np
import pandas as pd
import studies
from findings import PUBLISHED, attacked, cells
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import curves, figures, tables
from analysis.claims.replicates import pool
from analysis.figures.drawing import Drawing, Study
from analysis.figures.radius import X, radius

FOLDER = Path(__file__).resolve().parents[1] / "figures"
PLANNED, REPLICATION, TOGETHER, RATE = "planned seeds", "other seeds", "all seeds together", "another learning rate"
COLOURS = {
    PLANNED: figures.PALETTE[0],
    REPLICATION: figures.PALETTE[5],
    TOGETHER: figures.INK,
    RATE: figures.PALETTE[1],
}
RATES = {"2.5e-5": "attack-half-rate", "5e-5": "", "1e-4": "attack-double-rate"}  # "": the studies themselves
PANELS = {  # end of a drawing's name -> its title here
    "score": "Accuracy on SST-2, difference from plain",
    "r-s": "R_s of the trained model",
    "changed": "Answers that differ from plain's",
}
EXACT_RATES = {"epsilon-half-rate": "half the rate", "self-distillation-double-rate": "twice the rate"}
TEACHERS = "self-distillation-masks"
TEACHER_MASKS = {
    "vanilla": "plain fine-tuning",
    "sda[K=1]": "teacher: no dropout",
    "sda[K=1]:shared": "teacher: student's masks",
    "sda[K=1]:independent": "teacher: masks of its own",
}
TERMS = {  # part of the log -> title, unit
    "task": ("Cross-entropy of training", "nats"),
    "distillation": ("Distillation term; grey: its range in the paper's figure 6", "mean squared difference of logits"),
}
LOGARITHMIC = ("teachers",)  # figures whose numbers span orders of magnitude
CONTROLS = ("what-drives-smart", "what-drives-sda", "together")


def differences() -> pd.DataFrame:
    """Every arm's difference to plain fine-tuning on every task, from the control studies."""
    found = pd.concat([cells(name) for name in CONTROLS], ignore_index=True)
    return found[found["n_seeds"] > 0].drop_duplicates(["row", "column"])


def draw_differences(found: pd.DataFrame) -> Figure:
    """Draw the differences of all contrasts with their intervals."""
    arms = found.drop_duplicates("row")[["row", "row_title"]]
    columns = found.drop_duplicates("column")[["column", "column_title"]]
    figure, axes = figures.panels(len(columns), 4.9, 8.0, margins=(2.15, 0.2), below=0.14)
    for ax, (column, title) in zip(axes, columns.itertuples(index=False), strict=True):
        there = found[found["column"] == column].drop(columns="row_title")
        shown = arms.merge(there, on="row", how="left")  # all arms, so that each looks the same in both panels
        figures.plot_differences(shown.fillna({"metric": there["metric"].iloc[0]}), ax)
        ax.set_ylim(len(arms) - 1.4, -0.7)
        floor = there["floor"].iloc[0]
        ax.set_title(f"{title} ({tables.kind_of(floor)})" if floor else title)
    return figure


def attacks() -> pd.DataFrame:
    """Collect the attacked contrasts at the first seeds, at other seeds, pooled, and at other learning rates."""
    lines = []
    for each in attacked():
        sets = [each.planned, *each.replications]
        shown = [(PLANNED if n == 0 else REPLICATION, one.name, one.interval) for n, one in enumerate(sets)]
        shown.append((TOGETHER, "all three sets", pool(sets).interval))
        shown += [(RATE, title, interval) for title, (interval, _) in each.changes().items()]
        lines += [(each.sentence, where, kind, at.estimate, at.low, at.high) for kind, where, at in shown]
    return pd.DataFrame(lines, columns=["contrast", "where", "kind", "estimate", "low", "high"])


def draw_attacks(found: pd.DataFrame) -> Figure:
    """Draw the attacked contrasts."""
    sentences = list(dict.fromkeys(found["contrast"]))
    lines = -(-len(sentences) // 2)
    figure = Figure(figsize=(8.6, 2.5 * lines), layout="constrained")
    axes = figure.subplots(lines, 2, sharex=True, sharey=True).flat
    for ax in axes[len(sentences) :]:
        ax.set_visible(False)
    for ax, sentence in zip(axes, sentences, strict=False):
        rows = found[found["contrast"] == sentence]
        ax.axvline(0, color=figures.SOFT, lw=1)
        for y, row in enumerate(rows.itertuples()):
            ax.plot([row.low, row.high], [y, y], color=COLOURS[row.kind], lw=2.2)
            ax.plot(row.estimate, y, "o", color=COLOURS[row.kind], ms=6.5, mew=0)
        ax.set_yticks(range(len(rows)), rows["where"])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.grid(axis="x")
        ax.tick_params(labelbottom=True)
        ax.set_title(fill(sentence.removesuffix("."), 46))
    figure.supxlabel("difference in points of Matthews correlation", fontsize=8.5, color=figures.SOFT)
    figure.legend(
        handles=[Line2D([], [], color=COLOURS[kind], marker="o", label=kind) for kind in COLOURS],
        loc="outside upper right",
        ncols=len(COLOURS),
    )
    return figure


def rates() -> pd.DataFrame:
    """Scores on CoLA of the arms that were run at all three learning rates."""
    half = cells(RATES["2.5e-5"])
    found = []
    for rate, name in RATES.items():
        there = cells(name) if name else differences()
        there = there[(there["task"] == "cola") & there["row"].isin(half["row"])]
        found.append(
            pd.DataFrame(
                {
                    "rate": rate,
                    "row": there["row"],
                    "title": there["row_title"],
                    "mean": there["mean"],
                    "least": [min(scores) for scores in there["scores"]],
                    "largest": [max(s) for s in there["scores"]],
                }
            )
        )
    return pd.concat(found, ignore_index=True)


def draw_rates(found: pd.DataFrame) -> Figure:
    """Draw the contrasts over the learning rate."""
    figure, (ax,) = figures.panels(1, 7.6, 3.9, margins=(0.6, 3.2))
    order = list(RATES)
    for look, (_, arm) in enumerate(found.groupby("row", sort=False)):
        x = np.array([order.index(rate) for rate in arm["rate"]]) + 0.05 * (look - 2.5)
        colour = figures.PALETTE[look]
        ax.vlines(x, arm["least"], arm["largest"], color=colour, lw=1, alpha=0.6)
        ax.plot(x, arm["mean"], figures.MARKERS[look], ls="-", color=colour, ms=6, mew=0, label=arm["title"].iloc[0])
    ax.set_xticks(range(len(order)), order)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("Matthews correlation (%)")
    ax.grid(axis="y")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), borderaxespad=0)
    return figure


@lru_cache
def radius_drawings() -> tuple[Drawing, ...]:
    """Return the panels of study 1: score, R_s of the trained models, and changed answers, over the radius."""
    manifest = PUBLISHED.manifest("epsilon")
    study = Study(PUBLISHED, manifest, cells("epsilon"), curves.read_logs(PUBLISHED, manifest))
    return tuple(radius(study))


def panel_of(drawing: Drawing) -> str:
    """Return which of the three panels a drawing is."""
    return next(panel for panel in PANELS if drawing.name.endswith(panel))


def radii() -> pd.DataFrame:
    """Collect the points of all panels, with numbers as text: they span nine orders of magnitude."""
    frames = [drawing.frame.assign(panel=panel_of(drawing)) for drawing in radius_drawings()]
    points = pd.concat(frames, ignore_index=True).rename(columns={X: "radius"})
    return points.assign(**{name: points[name].map("{:.4g}".format) for name in ("radius", "mean", "low", "high")})


def draw_radii(_: pd.DataFrame) -> Figure:
    """Draw the panels of study 1 beside each other."""
    drawings = radius_drawings()
    figure, axes = figures.panels(len(drawings), 4.0, 4.1, below=max(drawing.below for drawing in drawings))
    for ax, drawing in zip(axes, drawings, strict=True):
        drawing.draw(drawing.frame, ax)
        ax.set_title(PANELS[panel_of(drawing)])
    return figure


def settings() -> pd.DataFrame:
    """Collect the effect of each finding as found and in the settings in which it is run."""
    lines = []
    for finding in elsewhere.FINDINGS:
        for where, place in {"as found": finding.here, **finding.elsewhere}.items():
            if effect := elsewhere.effect(finding, place):
                numbers = (effect.estimate, effect.low, effect.high, effect.n_seeds, effect.n_items)
                lines.append((finding.name, EXACT_RATES.get(place.experiment, where), *numbers))
    return pd.DataFrame(lines, columns=["finding", "where", "difference", "low", "high", "n_pairs", "n_items"])


def draw_settings(found: pd.DataFrame) -> Figure:
    """Draw the findings in all settings: a panel for points of accuracy, one for points of changed answers."""
    kinds = {"points of accuracy": False, "points of changed answers": True}
    panels = {
        unit: {finding.name: finding.title for finding in elsewhere.FINDINGS if finding.of_answers == of_answers}
        for unit, of_answers in kinds.items()
    }
    drawn = {unit: titles for unit, titles in panels.items() if found["finding"].isin(titles).any()}
    figure, axes = figures.panels(len(drawn), 4.9, 3.6, margins=(1.35, 0.2), below=0.55)
    for ax, (unit, titles) in zip(axes, drawn.items(), strict=True):
        rows = found[found["finding"].isin(titles)].rename(columns={"finding": "series", "where": "place"})
        rows = rows.assign(undecided="", published=float("nan"), is_mean=False)
        figures.plot_forest(rows, ax, titles, xlabel=f"difference in {unit}")
    return figure


def teachers() -> pd.DataFrame:
    """Collect what study 2's runs logged while training, by teacher: the cross-entropy and the distillation term."""
    manifest = PUBLISHED.manifest(TEACHERS)
    column = next(column for column in manifest.columns if column.task == "sst2")
    found = curves.logged(curves.read_logs(PUBLISHED, manifest), manifest, column, list(TERMS))
    return found[found["row"].isin(TEACHER_MASKS)]


def draw_teachers(found: pd.DataFrame) -> Figure:
    """Draw both terms over the updates; the range of the distillation term in the paper's figure 6 is shaded."""
    lines = {title: title for title in TEACHER_MASKS.values()}  # no methods' names, which would all be SDA's green
    named = found.assign(row=found["row"].map(TEACHER_MASKS))
    figure, axes = figures.panels(len(TERMS), 4.9, 3.5, foot=0.3)
    for ax, (part, (title, unit)) in zip(axes, TERMS.items(), strict=True):
        figures.plot_curves(named[named["part"] == part], ax, lines, x="step", ylabel=unit, log=True, legend=False)
        ax.set_title(title)
    axes[-1].axhspan(*studies.papers_term(), color=figures.SOFT, alpha=0.25, lw=0)
    figures.legend_of_figure(figure, lines, columns=len(lines))
    return figure


FIGURES: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[pd.DataFrame], Figure], list[str]]] = {
    "radius": (radii, draw_radii, ["panel", "row", "radius", "mean", "low", "high", "n"]),
    "settings": (settings, draw_settings, ["finding", "where", "difference", "low", "high", "n_pairs", "n_items"]),
    "teachers": (teachers, draw_teachers, ["row", "part", "step", "mean", "low", "high", "n"]),
    "differences": (differences, draw_differences, ["row", "column", "n_seeds", "difference", "low", "high"]),
    "attacks": (attacks, draw_attacks, ["contrast", "where", "kind", "estimate", "low", "high"]),
    "rates": (rates, draw_rates, ["rate", "row", "mean", "least", "largest"]),
}


def numbers(name: str) -> str:
    """Return the data of a figure as CSV."""
    find, _, columns = FIGURES[name]
    digits = "%.4g" if name in LOGARITHMIC else "%.3f"
    return find()[columns].to_csv(index=False, float_format=digits, lineterminator="\n")


if __name__ == "__main__":
    with figures.style():
        for name, (find, draw, _) in FIGURES.items():
            (FOLDER / f"findings-{name}.csv").write_text(numbers(name), encoding="utf-8")
            draw(find()).savefig(
                FOLDER / f"findings-{name}.png", dpi=160, facecolor="white", metadata={"Software": None}
            )
