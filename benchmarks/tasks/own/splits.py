"""The splits of own data: as the user gave them, or cut once, stratified and with groups whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.definition import DEV_SHARE, Definition
from benchmarks.errors import DataError
from benchmarks.tasks.base import Split
from benchmarks.tasks.own.numerals import as_number
from benchmarks.tasks.own.rows import Rows
from benchmarks.tasks.subsample import holdout

CUT = 3  # purpose of the order drawn for the cut: unrelated to those of subsets and holdouts


def divided(definition: Definition, parts: Mapping[str, Rows]) -> dict[str, Split]:
    """Return the splits of a task.

    Raises: DataError: groups that stand in several given splits, or too few groups to cut.
    """
    splits = {split: as_split(definition, rows) for split, rows in parts.items()}
    if not definition.cut_dev:
        _check_groups(parts)
        return splits
    all_rows = splits["train"]
    train, dev = holdout(all_rows, np.arange(len(all_rows)), DEV_SHARE, definition.split_seed, CUT)
    if not len(dev):
        count = len(set(parts["train"].groups))
        raise DataError(
            f"{parts['train'].place}: {definition.group!r} has {count} group{'s' * (count > 1)}, too few or "
            "too uneven to cut dev from them without dividing one: give dev as a file (--dev), or leave --group out"
        )
    return {"train": all_rows.take(train), "dev": all_rows.take(dev)}


def as_split(definition: Definition, rows: Rows) -> Split:
    """Return rows as a split whose ids are the row numbers of the user's file."""
    if definition.is_regression:
        labels = np.array([as_number(word) for word in rows.labels], dtype=np.float64)
    else:
        place = {name: index for index, name in enumerate(definition.labels)}
        labels = np.array([place[word] for word in rows.labels], dtype=np.int64)
    return Split(
        ids=[str(number) for number in rows.numbers],
        texts=rows.texts,
        labels=labels,
        sources=(rows.place,),
        extra={"group": np.asarray(rows.groups, dtype=object)} if rows.groups else {},
        left_out=dict(rows.left_out),
    )


def _check_groups(parts: Mapping[str, Rows]) -> None:
    """Refuse a group that stands in two splits. Raises DataError."""
    owner: dict[str, str] = {}
    for split, rows in parts.items():
        shared = sorted({group for group in rows.groups if owner.get(group, split) != split})
        if shared:
            names = ", ".join(repr(group[:40]) for group in shared[:5])
            raise DataError(
                f"{rows.place}: {len(shared):,} groups stand in {owner[shared[0]]} too ({names}): a group belongs to "
                "one split; move its rows together, or leave --group out"
            )
        owner |= dict.fromkeys(rows.groups, split)
