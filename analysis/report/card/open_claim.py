"""What would decide an open claim: the seeds to add, for the difference that they should show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis import schema
from analysis.claims import INCONCLUSIVE, NOT_RUN, Verdict
from analysis.claims.claim import POINTS
from analysis.claims.deciding import (
    correction_of,
    deciding_parts,
    hardest_or_easiest,
    has_opposite_tasks,
    is_per_task,
    open_tasks,
)
from analysis.claims.rule import bound_of
from analysis.crossed import Components
from analysis.records import ResultsError
from analysis.report.card.sentences import titles_of
from analysis.report.remedy import count, deciding_seeds
from analysis.results import Results
from analysis.schema import Manifest
from analysis.tables import number

FEWEST_FOR_NOISE = 2  # seeds from which the number of seeds to add can be computed


def remedy_of(results: Results, manifest: Manifest, verdict: Verdict) -> tuple[str, int]:
    """Return what would decide an open difference between two rows, in words, and the number of seeds to add.

    They are "" and 0 for every other verdict. Seeds are counted at the level that the corrections leave for the claim
    (over the primary contrasts, over tasks), and where tasks are tested one by one, on the task that keeps it open.
    """
    claim = verdict.claim
    if verdict.status not in (INCONCLUSIVE, NOT_RUN) or not isinstance(claim.test, schema.Difference) or claim.parts:
        return "", 0
    try:
        measured, seeds = deciding_parts(results, manifest, verdict)
    except ResultsError:
        return "", 0
    lacking = max(claim.min_seeds - seeds, 0)
    if seeds < FEWEST_FOR_NOISE or claim.test.against_parents or verdict.unit != POINTS:
        return (f"{count(lacking, 'more seed')} would allow a verdict.", lacking) if lacking else ("", 0)
    if has_opposite_tasks(verdict):
        return "No number of seeds is given: one task supports the claim and another contradicts it.", 0
    correction = correction_of(claim, len(measured))
    target = _target(claim, measured, open_tasks(verdict), correction.level)
    place = f" on {titles_of(manifest).get(target.task, target.task)}" if target.task else ""
    level = f", {correction.words}" if correction.words else ""
    if target.seeds is None:
        items = f" ({correction.words})" if level else ""
        return f"No number of seeds would show {number(target.size)} points{place} on so few items{items}.", 0
    more = max(target.seeds - seeds, lacking, 1)
    role = f", the {_which(claim)} open task," if target.task else ""
    seeds_in_words = count(more, "more seed")
    difference = f"a true difference of {number(target.size)} points{place}"
    return f"About {seeds_in_words} would decide {difference}{role} (80 % chance{level}).", more


@dataclass(frozen=True)
class _Target:
    """The true difference that further seeds should show: its size, the seeds that show it, the task ("": the mean)."""

    size: float
    seeds: int | None
    task: str = ""


def _target(claim: schema.Claim, parts: Mapping[str, Components], open_ones: Sequence[str], level: float) -> _Target:
    """Return the difference to show: of the mean, or of the task that keeps a claim on each or any task open."""
    if not is_per_task(claim) or len(parts) == 1:
        size = _size_to_show(claim, [*parts.values()])
        return _Target(size, deciding_seeds([*parts.values()], size, level))
    sizes = {task: _size_to_show(claim, [parts[task]]) for task in parts if task in open_ones or not open_ones}
    seeds = {task: deciding_seeds([parts[task]], size, level) for task, size in sizes.items()}
    task = hardest_or_easiest(claim, {task: math.inf if n is None else n for task, n in seeds.items()})
    return _Target(sizes[task], seeds[task], task)


def _size_to_show(claim: schema.Claim, parts: Sequence[Components]) -> float:
    """Return the claimed size or margin, else the larger of the estimate and the bound."""
    estimate = sum(float(part.differences.mean()) for part in parts) / len(parts)
    return claim.size or claim.margin or max(abs(estimate), bound_of(replace(claim, size=None)) or 0.0)


def _which(claim: schema.Claim) -> str:
    return "least certain" if claim.quantifier == "every" else "most certain"
