"""The published runs, opened once for all scripts of the findings, and the verdicts on them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from analysis import claims
from analysis.results import Results

PUBLISHED = Results.open(Path(__file__).resolve().parents[2] / "results" / "published")


@lru_cache
def verdicts_of(experiment: str) -> dict[str, claims.Verdict]:
    """Return the verdicts on a published experiment's claims by their ids; none where it is not published."""
    if experiment not in PUBLISHED.experiments():
        return {}
    return {verdict.claim.id: verdict for verdict in claims.decide_all(PUBLISHED, PUBLISHED.manifest(experiment))}
