"""Table of detectable differences: the smallest one per comparison, next to the difference that the paper claims."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.report.facts import FactTable
from analysis.tables import digits_of, heading, number, records

if TYPE_CHECKING:
    import pandas as pd

HEADINGS = (
    "task",
    "method",
    "seeds",
    "items",
    "smallest detectable difference",
    "paper's difference",
    "seeds for the paper's",
)


def power_table(cells: pd.DataFrame) -> FactTable:
    """Return a table with a line per comparison that was made."""
    lines = []
    for cell in records(cells):
        if math.isnan(cell.visible):
            continue
        digits = digits_of(cell.metric)
        printed = number(cell.published_difference, digits, signed=True)
        detectable, seeds = number(cell.visible, digits), _seeds(cell.seeds_needed) if printed else ""
        lines.append(
            (heading(cell), cell.row_title, str(cell.n_pairs), f"{cell.n_items:,}", detectable, printed, seeds)
        )
    n_columns = len(HEADINGS) if any(line[5] for line in lines) else 5  # the last two are about the paper's difference
    table = tuple(line[:n_columns] for line in lines)
    return FactTable("power", "Detectable differences (80 % power)", HEADINGS[:n_columns], table)


def _seeds(count: float) -> str:
    if math.isnan(count):
        return ""
    return "no number is enough: too few items" if math.isinf(count) else f"{count:.0f}"
