"""Parts of an experiment's figures: its cells and logs, and panels as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.cells import seeded
from analysis.results import Log, Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS
from analysis.tables import records, unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Study:
    """An experiment with its computed frame of ``compare`` and the logs of its runs."""

    results: Results
    manifest: Manifest
    cells: pd.DataFrame
    logs: Mapping[str, Log]

    @property
    def titles(self) -> dict[str, str]:
        """Title of every row, in table order."""
        return {row.id: row.title for row in self.manifest.rows}

    def done(self, row: str, column: Column) -> list[tuple[int, str]]:
        """Return seed and key of each finished run of a cell."""
        return [(s, k) for s, k in seeded(self.results, self.manifest, row, column) if self.results.is_done(k)]

    def points(self, column: Column, axis: str, x: str, quantity: str = "") -> pd.DataFrame:
        """Return the published points on an axis: ``row``, ``x``, ``value``."""
        import pandas as pd

        points = [
            {"row": p.row, x: p.x, "value": p.value}
            for p in self.manifest.points
            if (p.column, p.axis) == (column.id, axis) and quantity in ("", p.quantity)
        ]
        return pd.DataFrame(points, columns=["row", x, "value"])


@dataclass(frozen=True)
class Drawing:
    """A panel of a figure: ``draw(frame, ax)`` draws the frame.

    Attributes:
        name: name of its file.
        title: title above the panel.
        alt: description of the content, for readers who cannot see it.
        frame: the data.
        draw: function that draws the frame on axes.
        height: height of the panel, in inches.
        left: names left of the panel.
        below: inches for a legend.
        section: section of the report.
    """

    name: str
    title: str
    alt: str
    frame: pd.DataFrame
    draw: Callable[[pd.DataFrame, Axes], Axes]
    height: float = 2.6
    left: Sequence[str] = ()
    below: float = 0.0
    section: str = "redrawn"


def seed_ranges(cells: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return mean and range over seeds of cells with the columns ``curve`` and ``place``."""
    import pandas as pd

    ranges = [{"row": c.curve, x: c.place, **over_seeds(np.array(c.scores))} for c in records(cells)]
    frame = pd.DataFrame.from_records(ranges, columns=["row", x, "mean", "low", "high", "n"])
    order = list(dict.fromkeys(frame["row"]))
    in_order = sorted(range(len(frame)), key=lambda n: (order.index(frame["row"].iloc[n]), frame[x].iloc[n]))
    return frame.iloc[in_order].reset_index(drop=True)


def with_baseline(study: Study, frame: pd.DataFrame, cells: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the frame with the baseline added as a level curve over the whole axis."""
    import pandas as pd

    base = cells[(cells["row"] == study.manifest.baseline_row) & (cells["n_seeds"] > 0)]
    if not len(base) or not len(frame):
        return frame
    level = over_seeds(np.array(base["scores"].iloc[0]))
    ends = [{"row": study.manifest.baseline_row, x: end, **level} for end in (frame[x].min(), frame[x].max())]
    return pd.concat([pd.DataFrame(ends), frame], ignore_index=True)


def over_seeds(values: np.ndarray) -> dict[str, float]:
    """Return mean, least and largest value and number of the values of several seeds."""
    return {"mean": float(values.mean()), "low": float(values.min()), "high": float(values.max()), "n": len(values)}


def last_points(frame: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Return the last point of each curve in words."""
    last = frame.groupby("row", sort=False).last()
    return "; ".join(f"{titles.get(str(row), row)} ends at {value:.3g}" for row, value in last["mean"].items())


def score_scale(column: Column) -> float:
    """Return the factor from stored scores to displayed ones."""
    scoring = METRICS.get(column.metric)
    return scoring.scale if scoring else 100.0


def score_unit(column: Column) -> str:
    """Return the unit of displayed scores."""
    unit = unit_of(column.metric)
    return "%" if unit == "points" else unit


def column_title(column: Column) -> str:
    """Return the title of a column, with its metric."""
    scoring = METRICS.get(column.metric)
    metric = scoring.title if scoring else column.metric
    return f"{column.title or column.task}, {metric}" + (f" ({column.split})" if column.split != "dev" else "")


def file_stem(column: Column) -> str:
    """Return the file name of a column's figure, without its ending."""
    return plain(column.id)


def plain(name: str) -> str:
    """Return a name that every file system accepts."""
    return "".join(character if character.isalnum() else "-" for character in name).strip("-")
