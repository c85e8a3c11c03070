"""The spread of differences between two arms that a plan assumes: measured on earlier runs where they exist.

``spreads.json`` is made by ``python docs/_scripts/spreads.py`` from finished runs; it holds standard deviations of the
differences between rows and their baseline, as fractions. A generated task without an entry takes what the measured
generated tasks have in common; any other takes the assumption of :func:`analysis.power.typical`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.tasks import TASKS

if TYPE_CHECKING:
    from analysis.power import Noise

PATH = Path(__file__).with_name("spreads.json")
MEASURED, POOLED, ASSUMED = "measured", "pooled from the measured demo tasks", "assumed (docs/statistics.md)"


@dataclass(frozen=True)
class Entry:
    """The measured spread of one task's differences.

    Attributes:
        task, metric, model, max_train_samples, learning_rate: settings of the runs; the spread applies to these alone
            (learning rate None: to all rates that have no entry of their own).
        seeds, items, contrasts: number of seeds, of items, and of pooled pairs of arms.
        seed, item, interaction: standard deviations as fractions, see :class:`analysis.power.Noise`.
        source: the runs.
    """

    task: str
    metric: str
    model: str
    max_train_samples: int | None
    seeds: int
    items: int
    contrasts: int
    seed: float
    item: float
    interaction: float
    source: str
    learning_rate: float | None = None


@lru_cache
def entries() -> tuple[Entry, ...]:
    """Return all measured spreads."""
    return tuple(Entry(**line) for line in json.loads(PATH.read_text(encoding="utf-8")))


def spread_of(
    task: str,
    metric: str,
    n_items: int,
    model: str,
    max_train_samples: int | None,
    learning_rate: float | None = None,
) -> tuple[Noise, str]:
    """Return the spread to assume for a contrast on this task, and its origin: one of the three constants above."""
    from analysis.power import Noise, pooled, typical

    def noise(entry: Entry) -> Noise:
        return Noise(entry.seed, entry.item, entry.interaction)

    known = _preferred([entry for entry in entries() if entry.model == model], learning_rate)
    settings = (task, metric, max_train_samples)
    exact = [entry for entry in known if (entry.task, entry.metric, entry.max_train_samples) == settings]
    if exact:
        return noise(exact[0]), MEASURED
    generated = [entry for entry in known if TASKS[entry.task].generated]
    if TASKS[task].generated and generated:
        return pooled([noise(entry) for entry in generated]), POOLED
    return typical(n_items, metric), ASSUMED


def _preferred(known: list[Entry], learning_rate: float | None) -> list[Entry]:
    """Return the entries of this learning rate, followed by those of any rate; the latter alone where it has none."""
    own = [entry for entry in known if entry.learning_rate is not None and entry.learning_rate == learning_rate]
    tasks = {entry.task for entry in own}
    return own + [entry for entry in known if entry.learning_rate is None and entry.task not in tasks]
