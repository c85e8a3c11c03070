"""The spread of a claim's difference in the finished runs of a plan: what a report counts seeds with as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.crossed import Components
    from analysis.schema import Claim
    from benchmarks.engine.plan import Plan

FEWEST_SEEDS = 2  # from which variance components can be estimated


def measured_parts(plan: Plan, claim: Claim) -> dict[str, Components]:
    """Return task -> components of the claim's difference, in points, on the tasks that can decide it.

    Empty where a row of the claim has fewer than two finished runs on a task.
    """
    return measured_on(plan, claim)[0]


def measured_on(plan: Plan, claim: Claim) -> tuple[dict[str, Components], tuple[str, ...]]:
    """Return :func:`measured_parts` and the tasks that keep a claim on each or any task open."""
    if any(_fewest_done(plan, row) < FEWEST_SEEDS for row in (claim.a, claim.b)):
        return {}, ()
    from analysis.claims import decide
    from analysis.claims.deciding import deciding_parts, open_tasks
    from analysis.records import ResultsError

    results = plan.finished
    if results is None:
        return {}, ()
    manifest = plan.experiment.manifest(plan.cells, {})
    try:
        verdict = decide(results, manifest, claim)
        parts, n_seeds = deciding_parts(results, manifest, verdict)
    except ResultsError:
        return {}, ()
    return (parts, open_tasks(verdict)) if n_seeds >= FEWEST_SEEDS else ({}, ())


def _fewest_done(plan: Plan, row: str) -> int:
    """Return the number of finished seeds of a row on the task that has the fewest, of those with any; 0 for none."""
    counts: dict[str, int] = {}
    for (cell_row, place, _), key in plan.cells.items():
        if cell_row == row and plan.states[key].state == "done":
            counts[place] = counts.get(place, 0) + 1
    return min(counts.values(), default=0)
