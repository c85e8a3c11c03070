"""The bounds of a claim, and the rule that decides it, in words for a reader of its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.claims.claim import NATS, POINTS, Verdict
from analysis.claims.multiplicity import family_of
from analysis.claims.rule import bound_of
from analysis.schema import Agreement, AtEpoch, BestPoint, Claim, Column, Difference, Interaction, Manifest
from analysis.scores import METRICS

BOUNDED = (Difference, Interaction, Agreement, AtEpoch)  # kinds of tests that may end in "no relevant effect"
PRIMARY = "corrected by Holm over the {family}"
EACH_TASK = "each task has a verdict of its own, after Holm's correction over the tasks"
ALL_PARTS = "supported if every part is, contradicted if one part is after Holm's correction over the parts"
QUANTIFIERS: Mapping[str, str] = {
    "average": "the mean over its tasks decides",
    "every": (
        "supported if each task supports it at its own 5 % level, contradicted if one task contradicts it after Holm's "
        "correction over the tasks"
    ),
    "any": (
        "supported if one task supports it after Holm's correction over the tasks, contradicted if all tasks "
        "contradict it"
    ),
}


def bounds_of(manifest: Manifest, claim: Claim) -> dict[str, float]:
    """Return the largest effect that counts as irrelevant on each task; tasks without a bound are left out.

    Only a claim of the project itself, which is decided task by task, may have several values.
    """
    if not isinstance(claim.test, BOUNDED):
        return {}
    metrics, unit = _metrics(manifest, claim), unit_of(manifest, claim)
    bounds = {
        task: bound_of(claim, [metric] if claim.is_project_claim else [*metrics.values()], unit)
        for task, metric in metrics.items()
    }
    return {task: bound for task, bound in bounds.items() if bound is not None}


def unit_of(manifest: Manifest, claim: Claim) -> str:
    """Return the unit of a claim's differences: nats for cross-entropies and divergences, else points."""
    metrics = [METRICS[name] for name in _metrics(manifest, claim).values() if name in METRICS]
    return NATS if metrics and metrics[0].scale == 1.0 else POINTS


def rule_in_words(verdict: Verdict, titles: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the rule that decides a claim: its bound or margin, what its quantifier asks for, and its correction.

    Args:
        verdict: the verdict.
        titles: title of each task; ids stand for tasks without one.
    """
    if verdict.parts:
        return tuple(filter(None, (ALL_PARTS, _family_in_words(verdict))))
    return tuple(
        filter(None, (_bound_in_words(verdict, titles or {}), quantifier_in_words(verdict), _family_in_words(verdict)))
    )


def quantifier_in_words(verdict: Verdict) -> str:
    """Return what the claim's tasks must show together; "" for a single task."""
    claim = verdict.claim
    if verdict.parts or len(claim.tasks) < 2 or isinstance(claim.test, BestPoint):
        return ""
    if claim.is_project_claim and 1 in (len(verdict.outcomes), len(verdict.per_task)) and _family_in_words(verdict):
        return ""  # the one task that decides is corrected over the family alone
    return EACH_TASK if claim.is_project_claim else QUANTIFIERS[claim.quantifier]


def _family_in_words(verdict: Verdict) -> str:
    """Return the correction over the primary contrasts that the claim is one of; "" for an exploratory claim."""
    family = family_of(verdict.claim.id)
    return PRIMARY.format(family=family.name) if family is not None and family.is_primary else ""


def _bound_in_words(verdict: Verdict, titles: Mapping[str, str]) -> str:
    claim, unit = verdict.claim, verdict.unit
    if not verdict.bounds:
        return "no bound: no effect counts as too small" if isinstance(claim.test, BOUNDED) else ""
    values = {
        task: f"{bound:g} {unit.removesuffix('s') if bound == 1 else unit}" for task, bound in verdict.bounds.items()
    }
    is_common = len(set(values.values())) == 1
    text = (
        next(iter(values.values()))
        if is_common
        else ", ".join(f"{v} on {titles.get(task, task)}" for task, v in values.items())
    )
    if claim.within:
        return f"margin {text}: a difference up to it counts as none"
    return f"bound {text}: an effect up to it counts as irrelevant"


def _metrics(manifest: Manifest, claim: Claim) -> dict[str, str]:
    """Return the metric that decides on each task of the claim that the experiment has."""
    if isinstance(claim.test, Agreement):
        return dict.fromkeys(claim.tasks, claim.metric or "accuracy")
    metrics: dict[str, str] = {}
    for column in _columns(manifest, claim):
        metrics.setdefault(column.task, column.metric)
    return metrics


def _columns(manifest: Manifest, claim: Claim) -> Sequence[Column]:
    named = getattr(claim.test, "columns", None)
    if named is not None:
        return [column for column in manifest.columns if column.id in named]
    return [c for c in manifest.columns if c.task in claim.tasks and claim.metric in ("", c.metric)]
