"""What the figures of an experiment are made from: its cells and logs, and panels as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.cells import seeded
from analysis.results import Log, Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS
from analysis.tables import digits_of, records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Study:
    """An experiment with what was computed of it: the frame of ``compare``, and the runs' logs."""

    results: Results
    manifest: Manifest
    cells: pd.DataFrame
    logs: Mapping[str, Log]

    @property
    def titles(self) -> dict[str, str]:
        """Every row's title, in table order."""
        return {row.id: row.title for row in self.manifest.rows}

    def done(self, row: str, column: Column) -> list[tuple[int, str]]:
        """Seed and key of the finished runs of a cell."""
        return [(s, k) for s, k in seeded(self.results, self.manifest, row, column) if self.results.is_done(k)]

    def points(self, column: Column, axis: str, x: str, quantity: str = "") -> pd.DataFrame:
        """Published points on an axis: ``row``, ``x``, ``value``."""
        import pandas as pd

        found = [
            {"row": p.row, x: p.x, "value": p.value}
            for p in self.manifest.points
            if (p.column, p.axis) == (column.id, axis) and quantity in ("", p.quantity)
        ]
        return pd.DataFrame(found, columns=["row", x, "value"])


@dataclass(frozen=True)
class Drawing:
    """One panel: ``draw(frame, ax)`` draws the frame and nothing else.

    Attributes:
        name: of its file.
        alt: what it shows, for who cannot see it.
        height: of the panel, in inches.
        beside: names that stand right of the panel, and need room there.
        left: names that stand left of it.
        below: inches for a legend.
        section: of the report.
    """

    name: str
    title: str
    alt: str
    frame: pd.DataFrame
    draw: Callable[[pd.DataFrame, Axes], Axes]
    height: float = 2.6
    beside: Sequence[str] = ()
    left: Sequence[str] = ()
    below: float = 0.0
    section: str = "redrawn"


def ranges(cells: pd.DataFrame, x: str) -> pd.DataFrame:
    """Mean and range over seeds of cells that say their ``curve`` and ``place``."""
    import pandas as pd

    ranges = [{"row": c.curve, x: c.place, **over_seeds(np.array(c.scores))} for c in records(cells)]
    frame = pd.DataFrame.from_records(ranges, columns=["row", x, "mean", "low", "high", "n"])
    order = list(dict.fromkeys(frame["row"]))
    in_order = sorted(range(len(frame)), key=lambda n: (order.index(frame["row"].iloc[n]), frame[x].iloc[n]))
    return frame.iloc[in_order].reset_index(drop=True)


def with_baseline(study: Study, frame: pd.DataFrame, cells: pd.DataFrame, x: str) -> pd.DataFrame:
    """The baseline as a level curve over the whole axis."""
    import pandas as pd

    base = cells[(cells["row"] == study.manifest.baseline_row) & (cells["n_seeds"] > 0)]
    if not len(base) or not len(frame):
        return frame
    level = over_seeds(np.array(base["scores"].iloc[0]))
    ends = [{"row": study.manifest.baseline_row, x: at, **level} for at in (frame[x].min(), frame[x].max())]
    return pd.concat([pd.DataFrame(ends), frame], ignore_index=True)


def over_seeds(values: np.ndarray) -> dict[str, float]:
    """Mean and range of values, one a seed."""
    return {"mean": float(values.mean()), "low": float(values.min()), "high": float(values.max()), "n": len(values)}


def last_points(frame: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """The last point of each curve in words."""
    last = frame.groupby("row", sort=False).last()
    return "; ".join(f"{titles.get(str(row), row)} ends at {value:.3g}" for row, value in last["mean"].items())


def score_scale(column: Column) -> float:
    """Return what a column's scores are multiplied by where they are shown."""
    known = METRICS.get(column.metric)
    return known.scale if known else 100.0


def score_unit(column: Column) -> str:
    """Return the unit a column's scores are shown in."""
    return "%" if digits_of(column.metric) == 1 else "nats"


def column_title(column: Column) -> str:
    """Return task, metric and split in words; dev is not said."""
    known = METRICS.get(column.metric)
    metric = known.title if known else column.metric
    return f"{column.title or column.task}, {metric}" + (f" ({column.split})" if column.split != "dev" else "")


def file_stem(column: Column) -> str:
    """Return the column's part of a file's name."""
    return plain(column.id)


def plain(name: str) -> str:
    """A name that every file system takes."""
    return "".join(character if character.isalnum() else "-" for character in name).strip("-")
