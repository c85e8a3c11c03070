"""Simulate studies without any true difference (or with a stated one), many at a time.

Each answer is simulated. An item has a difficulty and, for each arm, a deviation from it (the method-by-item
interaction, ``quirk``); a seed has a quality, drawn for each arm; the rest is noise. Answers are right or wrong, so the
result is not normal. In a regression answers are numbers, whose distance from the label has the same four sources.
Where one class is rare, runs answer it about as rarely, and some runs give the other class to every item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.scores import METRICS

Array = np.ndarray


@dataclass(frozen=True)
class Scenario:
    """Parameters of simulated studies.

    Attributes:
        seeds: seeds per arm.
        items: items per study.
        seed_points: standard deviation over seeds of a run's true accuracy (or correlation), in points.
        quirk: share of the variance of items' difficulty that is specific to an arm (method-by-item interaction), 0 to
            1.
        gain: true difference of accuracy (or correlation) in points.
        metric: the score that the study reports.
        positives: share of labels of class 1. If it is not 0.5, the rarer class is answered about as often as it
            occurs.
        constant: share of runs that give the more frequent class to every item.
        answered: ratio of the first arm's answers of the rarer class to its occurrences.
        excess: ratio of the second arm's answers of the rarer class to the first arm's, at the same true score.
    """

    seeds: int
    items: int
    seed_points: float
    quirk: float = 0.2
    gain: float = 0.0
    metric: str = "accuracy"
    positives: float = 0.5
    constant: float = 0.0
    answered: float = 1.0
    excess: float = 1.0


# The probability of a right answer is logistic(skill + difficulty), as in a Rasch model; difficulty has the standard
# deviation of the logistic noise. At the skill BASE 80 % of the answers are right.
ITEM_SD = 1.814  # pi / sqrt 3
BASE = 2.108
DENSITY = 0.1104  # accuracy per unit of skill at BASE: the mean of p (1 - p)
CORRELATION = 0.85  # of predictions with labels, where the metric is a correlation
SIGNAL = 2.0  # distance between the answers of the two classes, in standard deviations, where one class is rare
PROBIT_DENSITY = 0.1968  # accuracy per standard deviation at 80 %: converts a seed's points where one class is rare


def simulate(scenario: Scenario, studies: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return the predictions of both arms ``(studies, seeds, items)`` and the labels ``(studies, items)``."""
    if METRICS[scenario.metric].is_regression:
        return _regression(scenario, studies, rng)
    return (_classification if scenario.positives == 0.5 else _rare_class)(scenario, studies, rng)


def _regression(scenario: Scenario, studies: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    labels = rng.standard_normal((studies, 1, scenario.items))  # double precision, to avoid ties
    shared = rng.standard_normal((studies, 1, scenario.items), dtype=np.float32)
    arms = []
    for gain in (scenario.gain, 0.0):
        reached = CORRELATION + gain / 100 + scenario.seed_points / 100 * _per_run(scenario, studies, rng)
        errors = _difficulty(scenario, shared, rng) + _per_answer(scenario, studies, rng)
        arms.append(labels + np.sqrt(1 / reached**2 - 1) / np.float32(np.sqrt(2)) * errors)
    return arms[0], arms[1], labels[:, 0]


def _classification(scenario: Scenario, studies: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    s, n = scenario.seeds, scenario.items
    labels = _uniform((studies, 1, n), rng) < 0.5
    shared = rng.standard_normal((studies, 1, n), dtype=np.float32)
    arms = []
    for gain in (scenario.gain, 0.0):
        skill = BASE + gain / 100 / DENSITY + scenario.seed_points / 100 / DENSITY * _per_run(scenario, studies, rng)
        odds_wrong = np.exp(-skill) * np.exp(-ITEM_SD * _difficulty(scenario, shared, rng))
        right = _uniform((studies, s, n), rng) * (1 + odds_wrong) < 1
        arms.append((right == labels).astype(np.int8))
    return arms[0], arms[1], labels[:, 0].astype(np.int8)


def _rare_class(scenario: Scenario, studies: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    rarity = min(scenario.positives, 1 - scenario.positives)
    rare = rng.random((studies, 1, scenario.items), dtype=np.float32) < rarity
    shared = rng.standard_normal((studies, 1, scenario.items), dtype=np.float32)
    arms = []
    for gain, (signal, cut) in zip((scenario.gain, 0.0), _rare_arms(scenario, rarity), strict=True):
        points = gain + scenario.seed_points * _per_run(scenario, studies, rng)
        noise = _difficulty(scenario, shared, rng) + _per_answer(scenario, studies, rng)  # of variance 2
        answers = noise + np.float32(np.sqrt(2)) * ((signal + points / 100 / PROBIT_DENSITY) * rare - cut) > 0
        answers &= rng.random((studies, scenario.seeds, 1)) >= scenario.constant
        arms.append(answers)
    a, b, labels = ((x == (scenario.positives < 0.5)).astype(np.int8) for x in (*arms, rare[:, 0]))
    return a, b, labels


def _rare_arms(scenario: Scenario, rarity: float) -> list[tuple[float, float]]:
    """Return each arm's signal, and the threshold above which it answers the rare class.

    The first arm answers it ``answered`` times as often as it occurs. The second arm answers it ``excess`` times as
    often as the first, with the signal that gives it the same true score.
    """
    from scipy.optimize import brentq

    def cut(signal: float, share: float) -> float:
        return float(brentq(lambda x: sum(_hits(signal, x, rarity)) - share, -12, 12))

    def score(signal: float, share: float) -> float:
        hits, false_alarms = _hits(signal, cut(signal, share), rarity)
        counts = np.array([hits, rarity - hits, false_alarms, 1 - rarity - false_alarms])  # of each label and answer
        values = (1, 0) if scenario.positives < 0.5 else (0, 1)
        labels, answers = np.repeat(values, 2), np.tile(values, 2)
        return float(METRICS[scenario.metric].function(labels, answers, counts))

    share = scenario.answered * rarity
    first, reached = (SIGNAL, cut(SIGNAL, share)), score(SIGNAL, share)
    if scenario.excess == 1:
        return [first, first]
    share *= scenario.excess
    signal = float(brentq(lambda x: score(x, share) - reached, 0, 8))
    return [first, (signal, cut(signal, share))]


def _hits(signal: float, cut: float, rarity: float) -> tuple[float, float]:
    """Return, as shares of all items, the rare items answered as rare, and the others answered as rare."""
    from scipy.special import ndtr

    return rarity * float(ndtr(signal - cut)), (1 - rarity) * float(ndtr(-cut))


def _difficulty(scenario: Scenario, shared: Array, rng: np.random.Generator) -> Array:
    """Return an arm's difficulty of each item, with variance 1; the part ``1 - quirk`` is shared by both arms."""
    arm_part = rng.standard_normal(shared.shape, dtype=np.float32)
    return np.asarray(np.float32(np.sqrt(1 - scenario.quirk)) * shared + np.float32(np.sqrt(scenario.quirk)) * arm_part)


def _uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return uniform numbers in (0, 1) in steps of 2^-16, four from each 64 bits, in a fifth of the usual time."""
    total = int(np.prod(shape))
    bits = rng.integers(0, 2**64, size=-(-total // 4), dtype=np.uint64).view(np.uint16)[:total]
    return ((bits + np.float32(0.5)) * np.float32(2**-16)).reshape(shape)


def _per_run(scenario: Scenario, studies: int, rng: np.random.Generator) -> Array:
    return rng.standard_normal((studies, scenario.seeds, 1), dtype=np.float32)


def _per_answer(scenario: Scenario, studies: int, rng: np.random.Generator) -> Array:
    return rng.standard_normal((studies, scenario.seeds, scenario.items), dtype=np.float32)
