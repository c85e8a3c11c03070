"""Agreement of the annotators on an item: the buckets of SMART Figure 2, from the five labels behind a gold label."""

from __future__ import annotations

import numpy as np

from analysis.schema import BUCKETS
from benchmarks.tasks import records
from benchmarks.tasks.base import Split

UNANIMOUS_OR_NEARLY = "5/0/0 or 4/1/0"  # the rest where votes are published only for items with three of five votes
NO_MAJORITY = "no majority"
FEWER = "fewer than five"
UNKNOWN = "no votes"


def buckets(votes: np.ndarray) -> np.ndarray:
    """Return the bucket of each item.

    Args:
        votes: ``(n, 3)`` annotator counts; a row of zeros: unknown.
    Returns: ``(n,)`` names out of ``BUCKETS``, ``NO_MAJORITY`` (2/2/1), ``FEWER`` and, for items without votes,
        ``UNANIMOUS_OR_NEARLY`` where exactly the items with three of five votes have votes (the selection that
        ChaosNLI published for MultiNLI), else ``UNKNOWN``.
    """
    total = votes.sum(axis=1)
    ordered = -np.sort(-votes, axis=1)
    names = np.full(len(votes), FEWER, dtype=object)
    for bucket in (*BUCKETS, "2/2/1"):
        pattern = np.zeros(votes.shape[1], dtype=votes.dtype)
        pattern[:3] = [int(part) for part in bucket.split("/")]
        names[(ordered == pattern).all(axis=1)] = NO_MAJORITY if bucket == "2/2/1" else bucket
    has_votes = total > 0
    chaos_selection = has_votes.any() and bool(np.isin(names[has_votes], ("3/2/0", "3/1/1")).all())
    names[~has_votes] = UNANIMOUS_OR_NEARLY if chaos_selection else UNKNOWN
    return names


def counts(split: Split) -> dict[str, int]:
    """Return the items per bucket, the four of the figure first; items without a gold label are counted too."""
    if split.votes is None:
        return {}
    names, numbers = np.unique(buckets(split.votes).astype(str), return_counts=True)
    items = dict(zip(names.tolist(), numbers.tolist(), strict=True))
    items[NO_MAJORITY] = items.get(NO_MAJORITY, 0) + split.left_out.get(records.NO_MAJORITY, 0)
    items[FEWER] = items.get(FEWER, 0) + split.left_out.get(records.NO_GOLD, 0)
    order = (*BUCKETS, UNANIMOUS_OR_NEARLY, FEWER, NO_MAJORITY, UNKNOWN)
    return {name: items.get(name, 0) for name in order if name in BUCKETS or items.get(name)}
