"""Decide the claims of a paper by the rule that was fixed before the runs (docs/statistics.md).

``decide_all(results, manifest)`` returns the verdicts; each claim's ``kind`` selects the function that decides it. A
claim that cannot be decided is **not run**, with the exact reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis import schema
from analysis.claims import kinds, logged
from analysis.claims.as_json import to_json
from analysis.claims.bounds import bounds_of, quantifier_in_words, rule_in_words, unit_of
from analysis.claims.changed import changed
from analysis.claims.claim import (
    BELOW_SIZE,
    CONTRADICTED,
    IN_PART,
    INCONCLUSIVE,
    INERT,
    LEVEL,
    NO_EFFECT,
    NO_VERDICT,
    NOT_HERE,
    NOT_RUN,
    SMALLER,
    SUPPORTED,
    OutOfReachError,
    Verdict,
)
from analysis.claims.floor import floors
from analysis.claims.kinds import Case
from analysis.claims.multiplicity import corrected
from analysis.claims.parts import conjunction
from analysis.claims.rule import judge
from analysis.claims.verdicts import Verdicts
from analysis.claims.words import counts_in_words, in_words, not_decidable
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Claim, Kind, Manifest

Judge = Callable[[Case, Any], Verdict]  # arguments: the case, and the claim's test (of the kind in JUDGES)

JUDGES: dict[type[Kind], Judge] = {
    schema.Difference: kinds.difference,
    schema.Interaction: kinds.interaction,
    schema.Agreement: kinds.agreement,
    schema.Sweep: kinds.sweep,
    schema.BestPoint: kinds.best_point,
    schema.AtEpoch: kinds.at_epoch,
    schema.NearConstant: kinds.near_constant,
    schema.Selection: kinds.selection,
    schema.Variance: logged.variance,
    schema.Cost: logged.cost,
    schema.LossBetween: logged.loss_between,
    schema.Measured: logged.model_quantity,
    schema.Changed: changed,
}

# Kinds whose verdict needs learnt tasks, but whose judges do not check themselves whether a task is at the floor.
SCORED = (schema.Interaction, schema.Agreement, schema.Variance, schema.Sweep, schema.BestPoint, schema.Selection)


def decide_all(results: str | Path | Results, manifest: Manifest) -> Verdicts:
    """Return a verdict for every claim of the manifest, in order, with Holm's p over its family.

    A notebook shows the verdicts as a table.
    """
    opened = Results.open(results)
    return Verdicts(corrected(opened, manifest, decide_each(opened, manifest), decide_each))


def decide_each(results: Results, manifest: Manifest) -> list[Verdict]:
    """Return a separate verdict for every claim of the manifest, without a correction over claims."""
    return [decide(results, manifest, claim) for claim in manifest.claims]


def decide(results: Results, manifest: Manifest, claim: Claim) -> Verdict:
    """Return the verdict on one claim from the stored runs of its rows, at the seeds they share on every task."""
    data = f"profile {manifest.profile}" if manifest.profile else "own grid"
    if manifest.is_generated:
        data = f"generated data, {data}"
    verdicts = [_decide_part(results, manifest, claim.of_part(part)) for part in claim.statements]
    verdict = conjunction(claim, verdicts) if claim.parts else verdicts[0]
    return replace(verdict, data=data)


def _decide_part(results: Results, manifest: Manifest, claim: Claim) -> Verdict:
    return replace(_decided(results, manifest, claim), bounds=bounds_of(manifest, claim))


def _decided(results: Results, manifest: Manifest, claim: Claim) -> Verdict:
    try:
        cells = [keys for row in (claim.a, claim.b) for keys in manifest.cells.get(row, {}).values()]
        results.same_numerics(key for keys in cells for key in keys)
        _check_model(results, claim, [key for keys in cells for key in keys])
        whole = Case(results, manifest, claim)
        case = whole.on_complete_tasks()
        verdict = _unless_at_floor(case, JUDGES[type(claim.test)](case, case.claim.test))
        is_partial = len(case.claim.tasks) < len(claim.tasks)
        return replace(
            verdict,
            claim=replace(verdict.claim, tasks=claim.tasks),
            tasks=case.claim.tasks if is_partial else (),
            left_out=whole.incomplete_tasks() if is_partial else {},
        )
    except ResultsError as error:
        is_out_of_reach = isinstance(error, OutOfReachError)
        return Verdict(
            claim, NOT_RUN, reason=str(error), unit=unit_of(manifest, claim), is_out_of_reach=is_out_of_reach
        )


def _check_model(results: Results, claim: Claim, keys: Sequence[str]) -> None:
    """Check that the finished runs have the model that the claim names.

    Raises:
        ResultsError: a run has another model.
    """
    models = {str(results.run(key).spec.get("model")) for key in keys if results.is_done(key)} if claim.model else ()
    other_models = sorted(name for name in models if Path(name).name != claim.model)
    if other_models:
        raise OutOfReachError(f"it is about {claim.model}; these runs are of another model: {', '.join(other_models)}")


def _unless_at_floor(case: Case, verdict: Verdict) -> Verdict:
    """Return the verdict, or "no verdict" where a task of the claim is at the floor.

    Differences check each task themselves. Costs and logged quantities do not depend on what was learnt.
    """
    claim = replace(case.claim, metric="")
    if not isinstance(claim.test, SCORED):
        return verdict
    columns = {column.task: column for column in replace(case, claim=claim).columns()}
    reasons = floors(case.results, case.manifest, columns)
    if not reasons:
        return verdict
    reason = "; ".join(f"{task}: {explanation}" for task, explanation in reasons.items())
    return replace(verdict, status=NO_VERDICT, suffix="", outcomes={}, reason=reason)


__all__ = [
    "BELOW_SIZE",
    "CONTRADICTED",
    "INCONCLUSIVE",
    "INERT",
    "IN_PART",
    "JUDGES",
    "LEVEL",
    "NOT_HERE",
    "NOT_RUN",
    "NO_EFFECT",
    "NO_VERDICT",
    "SMALLER",
    "SUPPORTED",
    "Claim",
    "Verdict",
    "counts_in_words",
    "decide",
    "decide_all",
    "in_words",
    "judge",
    "not_decidable",
    "quantifier_in_words",
    "rule_in_words",
    "to_json",
]
