"""Verdicts as JSON for programs: all numbers that the report prints."""

from __future__ import annotations

import math
from typing import Any

from analysis.claims.claim import Verdict
from analysis.claims.words import in_words
from analysis.interval import Interval


def to_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON content; null where a number does not exist."""
    claim = verdict.claim
    return {
        "id": claim.id,
        "claim": claim.sentence,
        "table": claim.table,
        "reading": claim.reading,
        "tasks": list(claim.tasks),
        "size": claim.size,
        "direction": claim.direction,
        "quantifier": claim.quantifier,
        "bounds": dict(verdict.bounds),
        "status": verdict.status,
        "words": verdict.words,
        "in_part": verdict.in_part,
        "unit": verdict.unit,
        "interval": _interval(verdict.interval),
        "per_task": {task: _interval(interval) for task, interval in verdict.per_task.items()},
        "outcomes": {
            task: {"status": outcome.status, "p": _number(outcome.p), "holm": _number(outcome.adjusted)}
            for task, outcome in verdict.outcomes.items()
        },
        "excluded": dict(verdict.excluded),
        "left_out": dict(verdict.left_out),
        "collapsed": list(verdict.collapsed),
        "shares_of_variance": {task: _number(share) for task, share in verdict.shares.items()},
        "p": _number(verdict.p),
        "holm": _number(verdict.holm),
        "family": verdict.family,
        "primary": verdict.is_primary,
        "seeds": verdict.n_seeds,
        "min_seeds": claim.min_seeds,
        "reason": verdict.reason,
        "data": verdict.data,
        "untested": claim.untested,
        "clause": claim.clause,
        "parts": [to_json(part) for part in verdict.parts],
        "sentence": in_words(verdict),
    }


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    names = ("estimate", "low", "high", "level", "se", "df", "p")
    return {name: _number(getattr(interval, name)) for name in names}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
