"""Variance components of a claim's contrast on each task that decides it: what a plan and a report count seeds with."""

from __future__ import annotations

from analysis import contrasts
from analysis.claims.claim import Verdict
from analysis.crossed import Components
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest


def deciding_parts(results: Results, manifest: Manifest, verdict: Verdict) -> tuple[dict[str, Components], int]:
    """Return task -> components of the claim's contrast, without excluded tasks, and the fewest seeds of both rows.

    Raises:
        ResultsError: a task has no runs of both rows.
    """
    claim = verdict.claim
    parts, seed_counts = dict[str, Components](), list[int]()
    for task in verdict.tasks or claim.tasks:
        if task in verdict.excluded:
            continue
        column = column_of(manifest, task, claim.metric)
        if column is None:
            raise ResultsError(f"{task} is not in this experiment")
        arms = contrasts.difference(results, manifest, claim.a, claim.b, column)
        seeds = contrasts.shared_seeds(manifest, arms)
        if not seeds:
            raise ResultsError(f"{task} has no seed of both rows")
        parts[task] = contrasts.measure(arms, seeds)
        seed_counts.append(len(seeds))
    if not parts:
        raise ResultsError("no task decides this claim")
    return parts, min(seed_counts)


def column_of(manifest: Manifest, task: str, metric: str = "") -> Column | None:
    """Return the first column of a task, or that of the metric; None where the experiment has none."""
    return next((c for c in manifest.columns if c.task == task and metric in ("", c.metric)), None)
