"""Warnings of results that contradict themselves: edited scores, damaged runs and parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analysis import tables
from analysis.parts import is_part
from analysis.report import answer
from analysis.results import Run
from analysis.scores import METRICS

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5  # scores listed by name that contradict their predictions; in a mixed-up folder all of them do


def disagreements(cells: pd.DataFrame, runs: Sequence[Run], tolerance: float = 1e-6) -> list[str]:
    """Return runs whose stored score differs from that of their predictions: the folder was edited or mixed up."""
    stored = {run.key: run.result.get("scores", {}) for run in runs}
    sentences = []
    for cell in tables.records(cells):
        scale = METRICS[cell.metric].scale if cell.metric in METRICS else 100.0
        for key, value in zip(cell.keys, cell.scores, strict=True):
            stored_score = stored.get(key, {}).get(cell.task, {}).get(cell.split, {}).get(cell.metric)
            if stored_score is not None and abs(stored_score - value / scale) > tolerance:
                sentences.append(
                    f"Run {key[:12]}: result.json says {cell.metric} {stored_score:.6f} on {cell.task}.{cell.split}, "
                    f"its predictions give {value / scale:.6f}; the report uses the latter."
                )
    more = len(sentences) - SHOWN
    return (
        sentences if more <= 0 else [*sentences[:SHOWN], f"The same holds of {answer.plural(more, 'further score')}."]
    )


def damage_notes(damage: Mapping[str, str]) -> list[str]:
    """Return a note for each damaged run or part, the first :data:`SHOWN` by name."""
    notes = [
        f"{'Part' if is_part(key) else 'Run'} {key[:12]} is damaged and left out: {message}"
        for key, message in sorted(damage.items())
    ]
    more = len(notes) - SHOWN
    return notes if more <= 0 else [*notes[:SHOWN], f"The same holds of {answer.plural(more, 'further run')}."]
