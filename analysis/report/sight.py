"""What an experiment's runs can see: the smallest visible difference beside the one the paper claims."""

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
    "smallest difference seen",
    "paper's difference",
    "seeds for the paper's",
)


def power_table(cells: pd.DataFrame) -> FactTable:
    """A line per comparison that was made."""
    lines = []
    for cell in records(cells):
        if math.isnan(cell.visible):
            continue
        digits = digits_of(cell.metric)
        printed = number(cell.published_difference, digits, signed=True)
        seen, needed = number(cell.visible, digits), _seeds(cell.seeds_needed) if printed else ""
        lines.append((heading(cell), cell.row_title, str(cell.n_pairs), f"{cell.n_items:,}", seen, printed, needed))
    shown = len(HEADINGS) if any(line[5] for line in lines) else 5  # without a paper's difference: what is seen, alone
    table = tuple(line[:shown] for line in lines)
    return FactTable("power", "What these runs can see (80 % power)", HEADINGS[:shown], table)


def _seeds(needed: float) -> str:
    if math.isnan(needed):
        return ""
    return "none are enough: too few items" if math.isinf(needed) else f"{needed:.0f}"
