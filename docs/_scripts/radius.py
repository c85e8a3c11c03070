"""Study 1 of docs/FINDINGS.md: its arms in a table, and how many answers each changes.

``table()`` has a line for each arm of ``epsilon`` whose runs are published; ``facts()`` yields its numbers by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from published import PUBLISHED
from scipy.stats import binomtest

from analysis import tables
from analysis.cells import read_cell
from analysis.comparison import compare
from analysis.contrasts import identical_shares
from analysis.figures.radius import R_S_AT
from analysis.schema import Column, Manifest

EXPERIMENT, BASELINE = "epsilon", "vanilla"


class Arm(NamedTuple):
    """What an arm's runs show beside their score.

    Attributes:
        smoothness: R_s of each run's trained model in nats, at the radius of the figure.
        changed: answers that differ from the baseline's at the same seed.
        most: the largest number of these at one seed.
        items: items that are answered otherwise at one seed or more.
        of: answers compared.
    """

    smoothness: tuple[float, ...]
    changed: int
    most: int
    items: int
    of: int

    @property
    def r_s(self) -> str:
        """Mean R_s, as it is printed."""
        return tables.number(sum(self.smoothness) / len(self.smoothness), 1)

    @property
    def percent(self) -> str:
        """Share of the changed answers, as it is printed."""
        return tables.number(100 * self.changed / self.of, 1)


def table() -> str:
    """Return the arms as a table in Markdown: accuracy, difference from plain fine-tuning, changed answers, R_s."""
    manifest, _ = _study()
    lines = [("arm", "seeds", "accuracy", "against plain", "changed answers, %", "R_s of the trained model, nats")]
    for cell in tables.records(compare(PUBLISHED, manifest)):
        if cell.row not in arms():
            continue
        arm, is_plain = arms()[cell.row], cell.row == manifest.baseline_row
        difference = tables.number(cell.difference, signed=True)
        ends = f"{tables.number(cell.low)} to {tables.number(cell.high)}"
        lines.append(
            (
                cell.row_title,
                str(cell.n_seeds),
                tables.number(cell.mean),
                "" if is_plain else f"{difference} ({ends})",
                "" if is_plain else arm.percent,
                f"{arm.r_s} ({min(arm.smoothness):.1f} to {max(arm.smoothness):.1f})",
            )
        )
    return tables.github(lines)


def facts() -> Iterator[tuple[str, str]]:
    """Yield name and number: of each arm, as ``epsilon/ROW/differ``, and of the study."""
    if EXPERIMENT not in PUBLISHED.experiments():
        return
    manifest, column = _study()
    n_items = len(read_cell(PUBLISHED, manifest, BASELINE, column).labels)
    yield f"{EXPERIMENT}/items-alone", tables.number(100 * binomtest(0, n_items).proportion_ci(0.95).high, 2)
    yield f"{EXPERIMENT}/other-seed", tables.number(100 * _between_seeds(), 1)
    yield f"{EXPERIMENT}/paper-radius", _over_size("epsilon-ascent@1e-05", 1e-5)
    yield from _at_few_seeds()
    yield from _margins("epsilon-ascent@1e-05")
    for row, arm in arms().items():
        about = f"{EXPERIMENT}/{row}"
        yield f"{about}/r-s", arm.r_s
        yield f"{about}/differ", f"{arm.changed:,}"
        yield f"{about}/differ/most", f"{arm.most:,}"
        yield f"{about}/differ/items", f"{arm.items:,}"
        yield f"{about}/differ/of", f"{arm.of:,}"
        yield f"{about}/differ/percent", arm.percent


@lru_cache
def arms() -> dict[str, Arm]:
    """Return the arms whose runs are published, by row."""
    manifest, column = _study()
    plain = read_cell(PUBLISHED, manifest, BASELINE, column)
    found = {}
    for row in manifest.rows:
        if not any(PUBLISHED.is_done(key) for key in manifest.keys(row.id, column)):
            continue
        cell = read_cell(PUBLISHED, manifest, row.id, column)
        shares = 1 - identical_shares(cell, plain, column.metric)
        found[row.id] = Arm(
            smoothness=tuple(_smoothness(row.id)),
            changed=round(shares.sum() * len(cell.labels)),
            most=round(shares.max() * len(cell.labels)),
            items=_items_that_differ(row.id),
            of=len(shares) * len(cell.labels),
        )
    return found


def _at_few_seeds() -> Iterator[tuple[str, str]]:
    """Yield ``few/...``: plain fine-tuning and the ascent at 0.01 at the seeds that every arm has."""
    manifest, _ = _study()
    count = min(len(_done(row)) for row in arms())
    cells = {row: {at: keys[:count] for at, keys in by.items()} for row, by in manifest.cells.items()}
    few = replace(manifest, cells=cells, seeds=manifest.seeds[:count])
    by_row = {cell.row: cell for cell in tables.records(compare(PUBLISHED, few))}
    yield "few/accuracy", tables.number(by_row[BASELINE].mean)
    yield "few/r-s", tables.number(float(np.mean(list(_smoothness(BASELINE))[:count])), 1)
    for row in ("epsilon-ascent@0.01", "epsilon-signs@0.1"):
        cell = by_row[row]
        ends = f"{tables.number(cell.low)} to {tables.number(cell.high, signed=True)}"
        yield f"few/{row}", f"{tables.number(cell.difference, signed=True)} ({ends})"


def _margins(row: str) -> Iterator[tuple[str, str]]:
    """Yield how far the published logits of a row are from plain fine-tuning's, and how many answers are as close."""
    manifest, column = _study()
    pairs = []
    for key, plain in zip(manifest.keys(row, column), manifest.keys(BASELINE, column), strict=False):
        both = (PUBLISHED.predictions(each, column.task, column.split) for each in (key, plain))
        pairs.append([each.filter(regex=r"^logit_\d+$").to_numpy(dtype=float) for each in both])
    furthest = max(float(np.abs(a - b).max()) for a, b in pairs)
    margins = np.concatenate([np.abs(plain[:, 1] - plain[:, 0]) for _, plain in pairs])
    yield f"{EXPERIMENT}/{row}/furthest", f"{furthest:.3f}"
    yield f"{EXPERIMENT}/{row}/near", str(int((margins <= 2 * furthest).sum()))


def _study() -> tuple[Manifest, Column]:
    manifest = PUBLISHED.manifest(EXPERIMENT)
    (column,) = manifest.columns
    return manifest, column


def _between_seeds() -> float:
    """Return the share of answers that two seeds of plain fine-tuning give differently, a mean over all pairs."""
    manifest, column = _study()
    answers = read_cell(PUBLISHED, manifest, BASELINE, column).outputs
    return float(np.mean([(a != b).mean() for a, b in combinations(answers, 2)]))


def _items_that_differ(row: str) -> int:
    manifest, column = _study()
    differs: np.ndarray | bool = False
    for key, plain in zip(manifest.keys(row, column), manifest.keys(BASELINE, column), strict=False):
        if PUBLISHED.is_done(key) and PUBLISHED.is_done(plain):
            a, b = (PUBLISHED.predictions(each, column.task, column.split)["prediction"] for each in (key, plain))
            differs = differs | (a.to_numpy() != b.to_numpy())
    return int(np.sum(differs))


def _smoothness(row: str) -> Iterator[float]:
    """Yield R_s of each run's trained model in nats, at the radius of the figure."""
    for key in _done(row):
        for line in PUBLISHED.measures(key)["smoothness"]:
            if math.isclose(line["radius"], R_S_AT):
                yield line["r_s"]


def _over_size(row: str, radius: float) -> str:
    """Return a radius over the root mean square of the embeddings, which the row's runs logged while training."""
    sizes = [PUBLISHED.history(key)["embedding_rms"].mean() for key in _done(row)]
    return f"{radius / (sum(sizes) / len(sizes)):.1e}".replace("e-0", "e-")


def _done(row: str) -> list[str]:
    manifest, column = _study()
    return [key for key in manifest.keys(row, column) if PUBLISHED.is_done(key)]
