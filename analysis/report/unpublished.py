"""A paper's numbers say nothing about generated data, so no report on such data shows any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.claims import Verdict
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("published", "published_difference", "seeds_needed")


def without_published(
    manifest: Manifest, cells: pd.DataFrame, verdicts: Sequence[Verdict]
) -> tuple[Manifest, pd.DataFrame, list[Verdict]]:
    """Return an experiment, its cells and its verdicts without any number of a paper; the verdicts stay as decided."""
    manifest = replace(manifest, published=(), points=())
    cells = cells.assign(**dict.fromkeys(NUMBERS, math.nan), published_source="")
    return manifest, cells, [_without_size(verdict) for verdict in verdicts]


def _without_size(verdict: Verdict) -> Verdict:
    parts = tuple(_without_size(part) for part in verdict.parts)
    return replace(verdict, claim=replace(verdict.claim, size=None), parts=parts)
