"""Choice of the form in which a run's predictions are published, and what people are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.parts.forms import HALF, LAST, WHOLE, differing_predictions, forms_of, reduced


def form_for(table: pa.Table, *, is_scored: bool) -> str:
    """Return the form of a table of predictions that changes none of its scores.

    Args:
        table: the predictions, of all epochs.
        is_scored: whether a metric of a study scores the logits themselves.
    """
    if is_scored:
        return WHOLE
    has_votes = any(name.startswith("votes_") for name in table.column_names)  # distributions are compared with them
    return LAST if has_votes or not _keeps_answers(table) else HALF


def left_out(forms: Mapping[str, str], points: int | None) -> list[str]:
    """Return what a published run lacks, for people; ``points`` is the length of its shortened history."""
    earlier = [name for name, form in forms.items() if form != WHOLE]
    short = [name for name, form in forms.items() if form == HALF]
    lines = [f"logits of all epochs but the last, of {', '.join(earlier)}"] if earlier else []
    lines += [f"digits of logits beyond float16, of {', '.join(short)}"] if short else []
    return [*lines, *([f"the single updates: the history has at most {points} points"] if points else [])]


def exactness(first: Path, second: Path) -> str:
    """Return how exactly :func:`differing_predictions` compares two run folders, for people."""
    return "in the form in which it is published" if forms_of(first) or forms_of(second) else "byte for byte"


def _keeps_answers(table: pa.Table) -> bool:
    """Return whether the largest logit of every item is the same one in float16; never so of a single logit."""
    names = [name for name in table.column_names if name.startswith("logit_")]
    if len(names) < 2:
        return False
    logits = np.stack([table[name].to_numpy() for name in names], axis=1)
    with np.errstate(over="ignore"):
        short = logits.astype(np.float16)
    return bool(np.isfinite(short).all() and (short.argmax(1) == logits.argmax(1)).all())


__all__ = [
    "HALF",
    "LAST",
    "WHOLE",
    "differing_predictions",
    "exactness",
    "form_for",
    "forms_of",
    "left_out",
    "reduced",
]
