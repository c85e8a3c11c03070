"""Figure of R_s's radius: score, R_s and changed answers, over the radius in units of the embeddings' size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from analysis import figures
from analysis.cells import read_cell
from analysis.contrasts import identical_shares
from analysis.figures.drawing import (
    Drawing,
    Study,
    column_title,
    file_stem,
    last_points,
    over_seeds,
    score_unit,
    seed_ranges,
)
from analysis.records import ResultsError
from analysis.schema import Column, Row
from analysis.tables import records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

X = "epsilon over the embeddings' root mean square"
PREFIX = "epsilon"  # of the curves that are over a radius of the l-infinity ball
PAPER = 1e-5  # the paper's radius
MARK = "paper: epsilon = 1e-5"
R_S_AT = 0.1  # radius over the embeddings' root mean square at which the trained models are compared


def radius(study: Study) -> Iterator[Drawing]:
    """Three panels a column: the score, R_s of the trained models at one radius, and the share of changed answers.

    The score is the difference from the baseline at the seeds that both have, with its interval, because arms may have
    different numbers of seeds; without a baseline it is the mean over seeds.
    """
    rows = [row for row in study.manifest.rows if row.curve.startswith(PREFIX) and row.x is not None]
    for column in study.manifest.columns:
        places = _places(study, rows, column)
        if not places:
            continue
        cells = study.cells[study.cells["column"] == column.id]
        swept = cells[cells["row"].isin(places) & (cells["n_seeds"] > 0)]
        curve_of = {row.id: row.curve for row in rows}
        placed = swept.assign(curve=swept["row"].map(curve_of), place=swept["row"].map(places))
        frames = {
            "score": _scores(study, placed, column),
            "r-s": (_smoothness(study, column, curve_of, places), f"R_s at {R_S_AT:g} of the size", "nats"),
            "changed": (_changed(study, column, curve_of, places), "answers that differ from the baseline's", "%"),
        }
        mark = PAPER * float(np.median([places[row.id] / float(row.x or 1.0) for row in rows if row.id in places]))
        titles = _titles(study, rows)
        for name, (frame, words, axis) in frames.items():
            if not len(frame):
                continue
            yield Drawing(
                f"radius-{file_stem(column)}-{name}",
                words if name == "score" else f"{column.title or column.task}: {words}",
                f"{words} over the radius, the paper's at {mark:.1e}: {last_points(frame, titles)}.",
                frame,
                partial(_draw, titles=titles, mark=mark, ylabel=axis, log=name == "r-s"),
                below=figures.room_below(len(titles)),
            )


def _draw(frame: pd.DataFrame, ax: Axes, *, titles: Mapping[str, str], mark: float, ylabel: str, log: bool) -> Axes:
    """Draw the curves, points of fewer seeds than others open, and the paper's radius as a dotted line."""
    figures.plot_curves(frame, ax, titles, x=X, ylabel=ylabel, log=log, logx=True)
    few = frame[frame["n"] < frame["n"].max()]
    ax.plot(few[X], few["mean"], "o", color="white", ms=2.6, mew=0, zorder=4, label="_few")
    ax.axvline(mark, color=figures.SOFT, lw=1, ls=(0, (1, 2)))
    ax.annotate(
        MARK,
        (mark, 0.12),
        (3, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=figures.SOFT,
        fontsize=7.5,
        rotation=90,
    )
    return ax


def _scores(study: Study, placed: pd.DataFrame, column: Column) -> tuple[pd.DataFrame, str, str]:
    """Return the frame of the first panel, its title and its unit."""
    level, title = study.manifest.baseline_row, column_title(column)
    compared = placed[placed["difference"].notna()]
    if level is None or not len(compared):
        return seed_ranges(placed, X), title, score_unit(column)
    ends = (compared["place"].min(), compared["place"].max())
    same = {"mean": 0.0, "low": 0.0, "high": 0.0, "n": int(compared["n_pairs"].max())}
    lines = [{"row": level, X: end, **same} for end in ends]
    lines += [
        {"row": c.curve, X: c.place, "mean": c.difference, "low": c.low, "high": c.high, "n": c.n_pairs}
        for c in records(compared)
    ]
    return _in_order(lines), f"{title}, difference from {study.titles[level]}", figures.unit(compared)


def _titles(study: Study, rows: list[Row]) -> dict[str, str]:
    """Names of the lines: the baseline's title, and what the titles of a curve's rows say before the radius."""
    level = study.manifest.baseline_row
    named: dict[str, str] = {}
    for row in rows:
        words, found, _ = study.titles[row.id].partition(f", {PREFIX} = ")
        named.setdefault(row.curve, words if found else row.curve.removeprefix(f"{PREFIX}-").replace("-", " "))
    return {**({level: study.titles[level]} if level in study.titles else {}), **named}


def _places(study: Study, rows: list[Row], column: Column) -> dict[str, float]:
    """Row -> its radius over the root mean square of the embeddings, which its runs logged while training."""
    places = {}
    for row in rows:
        logs = [study.logs[key] for _, key in study.done(row.id, column) if key in study.logs]
        sizes = [float(step["embedding_rms"]) for log in logs for step in log.steps if step.get("embedding_rms")]
        if sizes and row.x is not None:
            places[row.id] = row.x / float(np.mean(sizes))
    return places


def _smoothness(study: Study, column: Column, curve_of: Mapping[str, str], places: Mapping[str, float]) -> pd.DataFrame:
    """R_s of the trained models in evaluation mode, all at the same radius; the baseline's as a level line."""
    points = {row: (curve_of[row], [place]) for row, place in places.items()}
    level = study.manifest.baseline_row
    if level:
        points[level] = (level, [min(places.values()), max(places.values())])
    lines = []
    for row, (curve, at) in points.items():
        values = [
            line["r_s"]
            for _, key in study.done(row, column)
            for line in study.results.measures(key).get("smoothness") or ()
            if np.isclose(line["radius"], R_S_AT)
        ]
        lines += [{"row": curve, X: place, **over_seeds(np.array(values))} for place in at if values]
    return _in_order(lines)


def _changed(study: Study, column: Column, curve_of: Mapping[str, str], places: Mapping[str, float]) -> pd.DataFrame:
    """Share of each run's answers, in percent, that differ from the baseline's at the same seed."""
    level = study.manifest.baseline_row
    lines = []
    for row, place in places.items():
        try:
            pair = [read_cell(study.results, study.manifest, arm, column) for arm in (row, level or "")]
            shares = 100 * (1 - identical_shares(pair[0], pair[1], column.metric))
        except (ResultsError, ValueError):  # not run, or at no common seed
            continue
        lines.append({"row": curve_of[row], X: place, **over_seeds(shares)})
    return _in_order(lines)


def _in_order(lines: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame.from_records(lines, columns=["row", X, "mean", "low", "high", "n"])
    order = {row: number for number, row in enumerate(dict.fromkeys(frame["row"]))}
    return frame.sort_values(["row", X], key=lambda c: c.map(order) if c.name == "row" else c, ignore_index=True)
