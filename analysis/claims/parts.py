"""Combine the verdicts on the parts of a claim: its sentence holds only if every part holds.

Supported: every part is (intersection-union, each at its own level). Contradicted: a part is, after Holm's correction
over the parts. Otherwise the claim is inconclusive, or has no verdict if a part has none; parts that were not tested
are named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.claims.claim import (
    CONTRADICTED,
    INCONCLUSIVE,
    INERT,
    LEVEL,
    NO_VERDICT,
    NOT_RUN,
    SUPPORTED,
    Verdict,
)
from analysis.descriptive import holm
from analysis.schema import Claim


def conjunction(claim: Claim, parts: Sequence[Verdict]) -> Verdict:
    """Return the verdict on the whole sentence from those on its parts, in the order of ``claim.statements``."""
    against = [part.p if part.status == CONTRADICTED and not part.in_part else 1.0 for part in parts]
    corrected = float(min(holm(against)))
    statuses = [part.status for part in parts]
    status, p = INCONCLUSIVE, math.nan
    if corrected <= 1 - LEVEL:
        status, p = CONTRADICTED, corrected
    elif all(part_status == SUPPORTED for part_status in statuses):
        status, p = SUPPORTED, max(part.p for part in parts)
    elif all(part_status == NOT_RUN for part_status in statuses):
        status = NOT_RUN
    elif any(part_status in (NO_VERDICT, INERT) for part_status in statuses):
        status = NO_VERDICT
    suffixes = [part.suffix for part in parts if part.suffix] if status == SUPPORTED else []
    return Verdict(
        claim,
        status,
        suffixes[0] if suffixes else "",
        reason=_reason(status, parts),
        p=p,
        n_seeds=min((part.n_seeds for part in parts if part.n_seeds), default=0),
        in_part=status != CONTRADICTED and any(part.in_part for part in parts),
        collapsed=tuple(dict.fromkeys(remark for part in parts for remark in part.collapsed)),
        parts=tuple(parts),
        is_out_of_reach=all(part.is_out_of_reach for part in parts),
    )


def _reason(status: str, parts: Sequence[Verdict]) -> str:
    """Return the names of the parts that were not tested, with the reason for each."""
    if status == NOT_RUN:
        return "; ".join(dict.fromkeys(part.reason for part in parts))
    missing = [part for part in parts if part.status == NOT_RUN]
    return "; ".join(f'not tested: "{part.claim.clause}" ({part.reason})' for part in missing)
