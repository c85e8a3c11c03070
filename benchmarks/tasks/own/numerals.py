"""Numbers that words write: how a label column is told from words."""

from __future__ import annotations

import math
import re

LARGEST = 1e15  # of a number to predict: its square must fit what a loss is computed in


def as_number(word: str) -> float:
    """Return the number that a word writes; nan where it writes none (``nan`` and ``inf`` are none)."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word):
        return math.nan
    value = float(word)
    return value if math.isfinite(value) else math.nan


def remedy(word: str) -> str:
    """Return what to do with a word where a number must stand."""
    if re.fullmatch(r"[+-]?\d[\d,.' ]* ?%?", word):
        return "write it with a decimal point and without other signs, as 1234.5"
    return "mend it, leave such rows out with --bad-rows drop, or leave --regression out"
