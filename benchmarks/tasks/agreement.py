"""How far annotators agree on an item: the buckets of SMART Figure 2, from the five labels behind a gold label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.schema import BUCKETS
from benchmarks.errors import DataError
from benchmarks.tasks import records
from benchmarks.tasks.base import Split
from benchmarks.tasks.readers.jsonl import parse_object
from benchmarks.tasks.readers.text import open_lines

UNANIMOUS_OR_NEARLY = "5/0/0 or 4/1/0"  # what is left where only the items with three of five votes are known
NO_MAJORITY = "no majority"
FEWER = "fewer than five"
UNKNOWN = "no votes"
CHAOS = "chaos_votes"


def buckets(votes: np.ndarray) -> np.ndarray:
    """The bucket of each item.

    Args:
        votes: ``(n, 3)`` annotator counts; a row of zeros: none known.
    Returns: ``(n,)`` names out of ``BUCKETS``, ``NO_MAJORITY`` (2/2/1), ``FEWER`` and, for items without votes,
        ``UNANIMOUS_OR_NEARLY`` where the known items are exactly those with three of five votes (the selection that
        ChaosNLI published for MultiNLI), else ``UNKNOWN``. Nothing is guessed beyond that.
    """
    total = votes.sum(axis=1)
    ordered = -np.sort(-votes, axis=1)
    names = np.full(len(votes), FEWER, dtype=object)
    for bucket in (*BUCKETS, "2/2/1"):
        pattern = np.zeros(votes.shape[1], dtype=votes.dtype)
        pattern[:3] = [int(part) for part in bucket.split("/")]
        names[(ordered == pattern).all(axis=1)] = NO_MAJORITY if bucket == "2/2/1" else bucket
    known = total > 0
    chaos_selection = known.any() and bool(np.isin(names[known], ("3/2/0", "3/1/1")).all())
    names[~known] = UNANIMOUS_OR_NEARLY if chaos_selection else UNKNOWN
    return names


def counts(split: Split) -> dict[str, int]:
    """Items per bucket, the four of the figure first. Items left out for want of a gold label are counted too."""
    if split.votes is None:
        return {}
    names, numbers = np.unique(buckets(split.votes).astype(str), return_counts=True)
    found = dict(zip(names.tolist(), numbers.tolist(), strict=True))
    found[NO_MAJORITY] = found.get(NO_MAJORITY, 0) + split.left_out.get(records.NO_MAJORITY, 0)
    found[FEWER] = found.get(FEWER, 0) + split.left_out.get(records.NO_GOLD, 0)
    order = (*BUCKETS, UNANIMOUS_OR_NEARLY, FEWER, NO_MAJORITY, UNKNOWN)
    return {name: found.get(name, 0) for name in order if name in BUCKETS or found.get(name)}


def with_chaos_votes(split: Split, path: Path) -> Split:
    """Add ChaosNLI's hundred further labels an item (Nie et al. 2020) as ``extra["chaos_votes"]``, ``(n, 3)``.

    Items that ChaosNLI did not label get zeros. Items are matched by pair id.

    Raises: DataError: if the file is not ChaosNLI's or shares no item with the split.
    """
    by_id: dict[str, list[int]] = {}
    for number, line in open_lines(path):
        row = parse_object(line, path, number)
        votes = row.get("label_counter")
        if not isinstance(row.get("uid"), str) or not isinstance(votes, dict):
            raise DataError(
                f"{path}, line {number}: expected the keys uid and label_counter, as in chaosNLI_snli.jsonl"
            )
        found = [votes.get(name, 0) for name in ("e", "n", "c")]
        if not all(type(count) is int and count >= 0 for count in found):
            raise DataError(f"{path}, line {number}: label_counter is {votes!r:.60}, expected counts of e, n and c")
        by_id[row["uid"]] = found
    ids = split.extra.get("pair_id", split.ids)
    if not any(name in by_id for name in ids):
        raise DataError(
            f"{path}: none of its {len(by_id):,} items is in this split; does it belong to another data set?"
        )
    chaos = np.array([by_id.get(name, [0, 0, 0]) for name in ids], dtype=np.int64)
    return replace(split, extra={**split.extra, CHAOS: chaos})
