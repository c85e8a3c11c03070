"""A verdict per claim of a paper, by the rule that was fixed before the runs (docs/statistics.md).

``decide_all(results, manifest)`` gives the verdicts; each claim's ``kind`` names the function that decides it. A claim
that cannot be decided is **not run**, and says exactly why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from analysis.claims import kinds, logged
from analysis.claims.claim import (
    CONTRADICTED,
    INCONCLUSIVE,
    LEVEL,
    NO_EFFECT,
    NOT_RUN,
    SMALLER,
    SUPPORTED,
    Claim,
    Verdict,
    read_claim,
)
from analysis.claims.kinds import Case
from analysis.claims.rule import judge
from analysis.claims.words import in_words, not_decidable
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Manifest

Decide = Callable[[Case], Verdict]

HISTORY: dict[str, Decide] = {
    "selections": kinds.selections,
    "constant": kinds.against_constant,
    "epoch": kinds.at_epoch,
    "between": logged.stays_between,
    "quantity": logged.measured,
}


def history(case: Case) -> Verdict:
    """What is stored beside the last epoch's score; ``about`` says which."""
    for name, function in HISTORY.items():
        if name in case.claim.about:
            return function(case)
    raise ResultsError(f"the claim is about {', '.join(case.claim.about) or 'nothing'}, which this version cannot read")


KINDS: dict[str, Decide] = {
    "difference": kinds.difference,
    "interaction": kinds.interaction,
    "agreement": kinds.agreement,
    "variance": logged.variance,
    "cost": logged.cost,
    "sweep": kinds.sweep,
    "history": history,
}


def decide_all(results: str | Path | Results, manifest: Manifest) -> list[Verdict]:
    """A verdict for every claim of the manifest, in its order.

    Raises: ResultsError: a claim of the manifest cannot be read at all.
    """
    opened = Results.open(results)
    return [decide(opened, manifest, read_claim(raw)) for raw in manifest.claims]


def decide(results: Results, manifest: Manifest, claim: Claim) -> Verdict:
    """The verdict of one claim from the stored runs of its rows, at the seeds they share on every task."""
    data = f"profile {manifest.profile}" if manifest.profile else "own grid"
    if any(text.startswith("Generated data") for text in manifest.warnings):
        data = f"generated data, {data}"
    if claim.kind not in KINDS:
        reason = f"claims of the kind {claim.kind!r} are unknown to this version: update smart-repro"
        return Verdict(claim, NOT_RUN, reason=reason, data=data)
    try:
        case = Case(results, manifest, claim).on_complete_tasks()
        found = KINDS[claim.kind](case)
        part = case.claim.tasks if len(case.claim.tasks) < len(claim.tasks) else ()
        return replace(found, claim=replace(found.claim, tasks=claim.tasks), tasks=part, data=data)
    except ResultsError as error:
        return Verdict(claim, NOT_RUN, reason=str(error), data=data)


__all__ = [
    "CONTRADICTED", "INCONCLUSIVE", "KINDS", "LEVEL", "NOT_RUN", "NO_EFFECT", "SMALLER", "SUPPORTED", "Claim",
    "Verdict", "decide", "decide_all", "in_words", "judge", "not_decidable", "read_claim",
]  # fmt: skip
