"""A verdict per claim of a paper, by the rule that was fixed before the runs (docs/statistics.md).

``decide_all(results, manifest)`` gives the verdicts; each claim's ``kind`` names the function that decides it. A claim
that cannot be decided is **not run**, and says exactly why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from analysis.claims import kinds, logged
from analysis.claims.as_json import to_json
from analysis.claims.claim import (
    BELOW_SIZE,
    CONTRADICTED,
    IN_PART,
    INCONCLUSIVE,
    INERT,
    LEVEL,
    NO_EFFECT,
    NO_VERDICT,
    NOT_RUN,
    SMALLER,
    SUPPORTED,
    Claim,
    Verdict,
    read_claim,
)
from analysis.claims.floor import floors
from analysis.claims.kinds import Case
from analysis.claims.multiplicity import corrected
from analysis.claims.rule import judge
from analysis.claims.words import in_words, not_decidable
from analysis.load import Manifest, ResultsError

Decide = Callable[[Case], Verdict]

HISTORY: dict[str, Decide] = {
    "selections": kinds.selections,
    "constant": kinds.against_constant,
    "epoch": kinds.at_epoch,
    "between": logged.stays_between,
    "quantity": logged.measured,
}


SCORED = ("interaction", "agreement", "variance", "sweep")  # kinds that need tasks which were learnt


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


def decide_all(results: str | Path, manifest: Manifest) -> list[Verdict]:
    """Return a verdict for every claim of the manifest, in its order, with Holm's p over its family.

    Raises: ResultsError: a claim of the manifest cannot be read at all.
    """
    return corrected(results, manifest, decide_each(results, manifest), decide_each)


def decide_each(results: str | Path, manifest: Manifest) -> list[Verdict]:
    """Return a verdict for every claim of the manifest by itself, before any correction for their number."""
    return [decide(results, manifest, read_claim(raw)) for raw in manifest.claims]


def decide(results: str | Path, manifest: Manifest, claim: Claim) -> Verdict:
    """The verdict of one claim from the stored runs of its rows, at the seeds they share on every task."""
    data = f"profile {manifest.profile}" if manifest.profile else "own grid"
    if manifest.is_generated:
        data = f"generated data, {data}"
    if claim.kind not in KINDS:
        reason = f"claims of the kind {claim.kind!r} are unknown to this version: update smart-repro"
        return Verdict(claim, NOT_RUN, reason=reason, data=data)
    try:
        case = Case(results, manifest, claim).on_complete_tasks()
        found = _unless_at_floor(case, KINDS[claim.kind](case))
        part = case.claim.tasks if len(case.claim.tasks) < len(claim.tasks) else ()
        return replace(found, claim=replace(found.claim, tasks=claim.tasks), tasks=part, data=data)
    except ResultsError as error:
        return Verdict(claim, NOT_RUN, reason=str(error), data=data)


def _unless_at_floor(case: Case, verdict: Verdict) -> Verdict:
    """The verdict, or none where a task of the claim is at the floor. Differences look at each task themselves; costs
    and what logs measure do not hang on what was learnt."""
    claim = replace(case.claim, metric="")
    if claim.kind not in SCORED and "selections" not in claim.about:
        return verdict
    columns = {column.task: column for column in replace(case, claim=claim).columns()}
    reasons = floors(case.results, case.manifest, columns)
    if not reasons:
        return verdict
    reason = "; ".join(f"{task}: {why}" for task, why in reasons.items())
    return replace(verdict, status=NO_VERDICT, suffix="", outcomes={}, reason=reason)


__all__ = [
    "BELOW_SIZE",
    "CONTRADICTED",
    "INCONCLUSIVE",
    "INERT",
    "IN_PART",
    "KINDS",
    "LEVEL",
    "NOT_RUN",
    "NO_EFFECT",
    "NO_VERDICT",
    "SMALLER",
    "SUPPORTED",
    "Claim",
    "Verdict",
    "decide",
    "decide_all",
    "in_words",
    "judge",
    "not_decidable",
    "read_claim",
    "to_json",
]
