"""Order of a report: tasks and claims that can be decided come before those that cannot; the outcome plays no part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.claims import INERT, NO_VERDICT, NOT_RUN, Verdict
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd


def deciding_tasks_first(manifest: Manifest, cells: pd.DataFrame) -> tuple[Manifest, pd.DataFrame]:
    """Return an experiment and its cells with tasks at the floor last; a table with printed numbers keeps its order.

    Args:
        manifest: the experiment.
        cells: frame of :func:`analysis.comparison.compare`, column by column.
    """
    at_floor = set(cells.loc[cells["floor"] != "", "task"]) if len(cells) else set()
    if manifest.published or not at_floor:
        return manifest, cells
    columns = tuple(sorted(manifest.columns, key=lambda column: column.task in at_floor))
    in_order = cells.sort_values("task", key=lambda tasks: tasks.isin(at_floor), kind="stable", ignore_index=True)
    return replace(manifest, columns=columns), in_order


def decided_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts in their order, those that no run can decide (near-constant answers, the floor) last."""
    return sorted(verdicts, key=lambda verdict: verdict.status == NO_VERDICT)


def question_of(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts on the first claim that can be decided, one for each reading of its sentence.

    Where none can be, it is the first that was run; where none was run, the first claim. Among them the order of the
    experiment decides.
    """
    if not verdicts:
        return []
    run = [verdict for verdict in verdicts if verdict.status not in (NOT_RUN, INERT)]
    first = next(iter([*decided_first(run), *verdicts])).claim
    same = [v for v in verdicts if (v.claim.sentence, v.claim.table) == (first.sentence, first.table)]
    return list({v.claim.reading: v for v in reversed(same)}.values())[::-1]
