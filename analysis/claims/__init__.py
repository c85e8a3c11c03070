"""A verdict per claim of a paper, by the rule that was fixed before the runs (docs/statistics.md).

``decide_all(results, manifest)`` gives the verdicts; each claim's ``kind`` names the function that decides it. A claim
that cannot be decided is **not run**, and says exactly why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis import schema
from analysis.claims import kinds, logged
from analysis.claims.claim import (
    CONTRADICTED,
    INCONCLUSIVE,
    LEVEL,
    NO_EFFECT,
    NOT_RUN,
    SMALLER,
    SUPPORTED,
    Verdict,
)
from analysis.claims.kinds import Case
from analysis.claims.rule import judge
from analysis.claims.words import in_words, not_decidable
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Claim, Kind, Manifest

Judge = Callable[[Case, Any], Verdict]  # the case, and the claim's test: of the kind it is registered for

JUDGES: dict[type[Kind], Judge] = {
    schema.Difference: kinds.difference,
    schema.Interaction: kinds.interaction,
    schema.Agreement: kinds.agreement,
    schema.Sweep: kinds.sweep,
    schema.AtEpoch: kinds.at_epoch,
    schema.NearConstant: kinds.near_constant,
    schema.Selection: kinds.selection,
    schema.Variance: logged.variance,
    schema.Cost: logged.cost,
    schema.LossBetween: logged.loss_between,
    schema.Measured: logged.measured,
}


def decide_all(results: str | Path | Results, manifest: Manifest) -> list[Verdict]:
    """Return a verdict for every claim of the manifest, in its order."""
    opened = Results.open(results)
    return [decide(opened, manifest, claim) for claim in manifest.claims]


def decide(results: Results, manifest: Manifest, claim: Claim) -> Verdict:
    """The verdict of one claim from the stored runs of its rows, at the seeds they share on every task."""
    data = f"profile {manifest.profile}" if manifest.profile else "own grid"
    if any(text.startswith("Generated data") for text in manifest.warnings):
        data = f"generated data, {data}"
    try:
        cells = [keys for row in (claim.a, claim.b) for keys in manifest.cells.get(row, {}).values()]
        results.same_numerics(key for keys in cells for key in keys)
        case = Case(results, manifest, claim).on_complete_tasks()
        found = JUDGES[type(claim.test)](case, case.claim.test)
        part = case.claim.tasks if len(case.claim.tasks) < len(claim.tasks) else ()
        return replace(found, claim=replace(found.claim, tasks=claim.tasks), tasks=part, data=data)
    except ResultsError as error:
        return Verdict(claim, NOT_RUN, reason=str(error), data=data)


__all__ = [
    "CONTRADICTED",
    "INCONCLUSIVE",
    "JUDGES",
    "LEVEL",
    "NOT_RUN",
    "NO_EFFECT",
    "SMALLER",
    "SUPPORTED",
    "Claim",
    "Verdict",
    "decide",
    "decide_all",
    "in_words",
    "judge",
    "not_decidable",
]
