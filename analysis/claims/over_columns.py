"""Decide a contrast over several columns, and exclude the columns that cannot decide.

A task at the floor decides nothing (:mod:`analysis.claims.floor`). A claim of the project itself is then decided on the
other tasks. A paper's claim is decided "in part", which is no verdict on the whole claim. If all contrasts are inert,
there is nothing to decide (:mod:`analysis.claims.inert`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis import contrasts
from analysis.claims import floor, inert, rule
from analysis.claims.averages import variance_shares
from analysis.claims.claim import CONTRADICTED, INERT, LEVEL, NO_VERDICT, SUPPORTED, Verdict
from analysis.contrasts import Arm
from analysis.crossed import Components, combine
from analysis.interval import Interval
from analysis.results import Results
from analysis.schema import Claim, Manifest
from analysis.scores import METRICS

Arms = Mapping[str, Sequence[Arm]]


def judge_columns(
    results: Results, manifest: Manifest, claim: Claim, arms: Arms, seeds: Sequence[int], unit: str
) -> Verdict:
    """Return the verdict from a contrast per column, decided on the columns that can decide.

    Args:
        results: the results folder.
        manifest: the experiment.
        claim: the claim.
        arms: contrast of each column, by the column's name.
        seeds: seeds that all arms have.
        unit: unit of the differences.
    """
    parts = {name: contrasts.measure(contrast, seeds) for name, contrast in arms.items()}
    metrics = {name: contrast[0].column.metric for name, contrast in arms.items()}
    excluded = _excluded(results, manifest, claim, arms)
    deciding = [name for name in arms if name not in excluded]
    if not deciding:
        verdict = _description(claim, arms, parts, seeds, excluded)
    else:
        mean = _mean([arms[name] for name in deciding], seeds)
        verdict = rule.judge(claim, {name: parts[name] for name in deciding}, mean, metrics=metrics, unit=unit)
    per_task = {name: verdict.per_task.get(name) or combine([parts[name]], level=LEVEL) for name in arms}
    is_average = claim.quantifier == "average" and not claim.is_project_claim
    return replace(
        verdict,
        per_task=per_task,
        excluded=excluded,
        in_part=bool(deciding)
        and bool(excluded)
        and not claim.is_project_claim
        and not _suffices(claim, verdict.status),
        shares=variance_shares({name: per_task[name] for name in deciding}) if is_average else {},
        collapsed=_collapsed(manifest, claim, arms, seeds),
        n_seeds=len(seeds),
        unit=unit,
    )


def _excluded(results: Results, manifest: Manifest, claim: Claim, arms: Arms) -> dict[str, str]:
    """Return the columns that decide nothing, with the reason for each."""
    excluded = floor.floors(results, manifest, {name: contrast[0].column for name, contrast in arms.items()})
    inert_columns = {name: inert.words(contrast) for name, contrast in arms.items() if inert.is_inert(contrast)}
    if claim.is_project_claim or inert_columns.keys() == arms.keys():
        excluded |= inert_columns
    return excluded


def _description(
    claim: Claim, arms: Arms, parts: Mapping[str, Components], seeds: Sequence[int], excluded: Mapping[str, str]
) -> Verdict:
    """Return a verdict without a decision, with the numbers as a description."""
    is_inert = all(reason.startswith(INERT) for reason in excluded.values())
    interval: Interval | None = None
    if len(arms) == 1 or not claim.is_project_claim:
        mean = _mean(list(arms.values()), seeds)
        interval = combine([mean] if mean is not None else list(parts.values()), level=LEVEL)
    p = interval.p if interval is not None else float("nan")
    return Verdict(claim, INERT if is_inert else NO_VERDICT, interval=interval, p=p)


def _mean(arms: Sequence[Sequence[Arm]], seeds: Sequence[int]) -> Components | None:
    """Return the components of the mean over contrasts that share items; None where they share none."""
    splits = [(contrast[0].column.task, contrast[0].column.split) for contrast in arms]
    if len(set(splits)) == len(splits):
        return None
    return contrasts.measure(contrasts.mean_of(arms), seeds)


def _suffices(claim: Claim, status: str) -> bool:
    """Return True if the status on some columns implies the same status on all of them."""
    return (claim.quantifier, status) in (("every", CONTRADICTED), ("any", SUPPORTED))


def _collapsed(manifest: Manifest, claim: Claim, arms: Arms, seeds: Sequence[int]) -> tuple[str, ...]:
    """``2 of 8 runs of SMART on cola``, for each arm with runs that give (almost) one answer to all items."""
    titles = {row.id: row.title for row in manifest.rows}
    names = [titles.get(claim.a, claim.a), titles.get(claim.b, claim.b)]
    sentences = []
    for name, contrast in arms.items():
        for title, arm in zip(names if len(contrast) == 2 else names[:1], contrast, strict=False):
            flags = floor.collapsed(arm.scored, METRICS[arm.column.metric])
            count = sum(bool(flags[arm.scored.seeds.index(seed)]) for seed in seeds)
            if count:
                sentences.append(f"{count} of {len(seeds)} runs of {title} on {name}")
    return tuple(sentences)
