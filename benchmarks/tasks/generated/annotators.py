"""Five simulated annotators. A visible hedge fixes an item's type; the type fixes how their votes are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ANNOTATORS = 5
WEIGHTS = (0.4, 0.3, 0.2, 0.1)  # frequency of each type


@dataclass(frozen=True)
class Panel:
    """Vote distributions by type.

    Attributes:
        weights: ``(types,)``, frequency of each type; sums to 1.
        q: ``(types, classes)``, probability that one annotator votes for the true label, the next likely, and so on.
        rivals: row ``label`` lists the classes in the order of ``q``: the label itself, then those it is confused with.
    """

    weights: tuple[float, ...]
    q: tuple[tuple[float, ...], ...]
    rivals: tuple[tuple[int, ...], ...]

    @property
    def types(self) -> range:
        """Numbers of the types."""
        return range(len(self.weights))

    def votes(self, label: int, tau: int) -> np.ndarray:
        """Return ``(classes,)``: distribution of one annotator's vote on an item of this label and type ``tau``."""
        q = np.empty(len(self.rivals[label]))
        q[list(self.rivals[label])] = self.q[tau]
        return q


# One annotator is wrong 18.6 % of the time with two classes, and 18 % with three.
TWO_CLASSES = Panel(WEIGHTS, ((0.96, 0.04), (0.82, 0.18), (0.66, 0.34), (0.52, 0.48)), ((0, 1), (1, 0)))
# entailment, neutral, contradiction: the two extremes are confused with neutral more often than with each other
THREE_CLASSES = Panel(
    WEIGHTS,
    ((0.98, 0.01, 0.01), (0.86, 0.12, 0.02), (0.60, 0.37, 0.03), (0.50, 0.30, 0.20)),
    ((0, 1, 2), (1, 2, 0), (2, 1, 0)),
)


SPREAD = (0.03, 0.15, 0.35, 0.6)  # by type: probability of a score relative to the score one step nearer to the truth


def scores(true: int, tau: int) -> np.ndarray:
    """Return ``(6,)``: distribution of one annotator's score, 0 to 5, of an item whose true score is ``true``."""
    q = SPREAD[tau] ** np.abs(np.arange(6) - true)
    distribution: np.ndarray = q / q.sum()
    return distribution


def majority(votes: np.ndarray) -> int | None:
    """Return the class that more than half of the annotators voted for, or None."""
    winner = int(votes.argmax())
    return winner if 2 * votes[winner] > votes.sum() else None


def bucket_probability(q: Sequence[float] | np.ndarray, winner: int) -> dict[str, float]:
    """Return P(bucket, majority = ``winner``) of five votes from ``q`` (two or three classes): the multinomial."""
    k = q[winner]
    j, *rest = [x for i, x in enumerate(q) if i != winner]
    m = rest[0] if rest else 0.0
    return {
        "5/0/0": k**5,
        "4/1/0": 5 * k**4 * (1 - k),
        "3/2/0": 10 * k**3 * (j**2 + m**2),
        "3/1/1": 20 * k**3 * j * m,
    }


def majority_chances(q: Sequence[float] | np.ndarray) -> list[float]:
    """Return ``(classes,)``: probability that each class is the majority of five votes from ``q``."""
    return [sum(bucket_probability(q, k).values()) for k in range(len(q))]


def majority_ceiling(panel: Panel) -> float:
    """Return the best reachable accuracy on items whose gold label is a majority of five."""
    return _share_of_best(panel, [majority_chances(q) for q in panel.q])


def _share_of_best(panel: Panel, chances: list[list[float]]) -> float:
    best = sum(w * max(row) for w, row in zip(panel.weights, chances, strict=True))
    total = sum(w * sum(row) for w, row in zip(panel.weights, chances, strict=True))
    return best / total if total else float("nan")  # two classes never give 3/1/1
