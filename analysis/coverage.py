"""Proof of the tests themselves: studies without any true difference, and how often each test finds one.

``python -m analysis.coverage OUT`` runs the published grid (a quarter of an hour on one core) and writes
``coverage.csv`` and the figure. Studies are simulated answer by answer: an item has its difficulty and, for each
arm, its own quirk (the method-by-item interaction); a seed has its quality, drawn for each arm; the rest is noise.
Answers are right or wrong, so nothing is normal about the result; for correlations they are numbers around the label,
as far from it as item, arm, seed and noise say.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.crossed import crossed_interval
from analysis.descriptive import hierarchical_bootstrap, mcnemar, permutation_test, sign_flip

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LEVEL = 0.95
DECIDES = "deciding interval"
ALLOWED = 0.06  # of false positives, for the deciding interval, in every scenario


@dataclass(frozen=True)
class Scenario:
    """How a study's answers come about.

    Attributes:
        seeds, items: size of the study.
        seed_points: standard deviation over seeds of a run's true accuracy (or correlation), in points.
        quirk: share of the items' variance in difficulty that is an arm's own (method-by-item interaction), 0 to 1.
        gain: true difference of accuracy (or correlation) in points.
        metric: what the study reports.
    """

    seeds: int
    items: int
    seed_points: float
    quirk: float = 0.2
    gain: float = 0.0
    metric: str = "accuracy"


BASE = 1.2  # latent skill: with difficulty and noise of variance 1 each, about 80 % right
DENSITY = 0.1968  # accuracy per unit of latent skill at that rate: phi(1.2 / sqrt 2) / sqrt 2
CORRELATION = 0.85  # of predictions with labels, where the metric is one
CORRELATIONS = ("pearson", "spearman")


def simulate(scenario: Scenario, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions of both arms ``(seeds, items)``, of 0 and 1 or real numbers, and the labels."""
    return _regression(scenario, rng) if scenario.metric in CORRELATIONS else _classification(scenario, rng)


def _regression(scenario: Scenario, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    s, n = scenario.seeds, scenario.items
    labels = rng.standard_normal(n)
    shared = np.sqrt(1 - scenario.quirk) * rng.standard_normal(n)
    arms = []
    for gain in (scenario.gain, 0.0):
        reached = CORRELATION + gain / 100 + scenario.seed_points / 100 * rng.standard_normal((s, 1))
        own = np.sqrt(scenario.quirk) * rng.standard_normal(n)
        errors = (shared + own + rng.standard_normal((s, n))) / np.sqrt(2)
        arms.append(labels + np.sqrt(1 / reached**2 - 1) * errors)
    return arms[0], arms[1], labels


def _classification(scenario: Scenario, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    s, n = scenario.seeds, scenario.items
    labels = (rng.random(n) < 0.5).astype(np.int64)
    shared = np.sqrt(1 - scenario.quirk) * rng.standard_normal(n, dtype=np.float32)
    arms = []
    for gain in (scenario.gain, 0.0):
        skill = BASE + gain / 100 / DENSITY + scenario.seed_points / 100 / DENSITY * rng.standard_normal((s, 1))
        own = np.sqrt(scenario.quirk) * rng.standard_normal(n, dtype=np.float32)
        right = skill + shared + own + rng.standard_normal((s, n), dtype=np.float32) > 0
        arms.append(np.where(right, labels, 1 - labels))
    return arms[0], arms[1], labels


def deciding(a: np.ndarray, b: np.ndarray, labels: np.ndarray, scenario: Scenario, rng: np.random.Generator) -> float:
    """p of the interval that decides, with its own fixed draws of items, as in reports."""
    del rng
    return crossed_interval(a, b, metric=scenario.metric, labels=labels).p


def _bootstrap(a: np.ndarray, b: np.ndarray, labels: np.ndarray, scenario: Scenario, rng: np.random.Generator) -> float:
    return hierarchical_bootstrap(a, b, metric=scenario.metric, labels=labels, rng=rng, resamples=1000).p


def _permutation(
    a: np.ndarray, b: np.ndarray, labels: np.ndarray, scenario: Scenario, rng: np.random.Generator
) -> float:
    return permutation_test(a, b, metric=scenario.metric, labels=labels, rng=rng, resamples=500).p


def _seeds_only(
    a: np.ndarray, b: np.ndarray, labels: np.ndarray, scenario: Scenario, rng: np.random.Generator
) -> float:
    return sign_flip((a == labels).mean(1), (b == labels).mean(1)).p


def _one_pair(a: np.ndarray, b: np.ndarray, labels: np.ndarray, scenario: Scenario, rng: np.random.Generator) -> float:
    return mcnemar(a[:1], b[:1], labels)[0].p


TESTS: dict[str, Callable[..., float]] = {
    DECIDES: deciding,
    "crossed bootstrap": _bootstrap,
    "permutation of items": _permutation,
    "sign flips of seeds": _seeds_only,
    "McNemar, one pair": _one_pair,
}


def rejections(
    scenario: Scenario, studies: int, rng: np.random.Generator, tests: Sequence[str] = (DECIDES,)
) -> dict[str, float]:
    """Share of simulated studies in which each test finds a difference at 5 %."""
    found = dict.fromkeys(tests, 0)
    for _ in range(studies):
        a, b, labels = simulate(scenario, rng)
        for name in tests:
            found[name] += TESTS[name](a, b, labels, scenario, rng) <= 1 - LEVEL + 1e-12
    return {name: n / studies for name, n in found.items()}


def published_grid() -> Iterator[tuple[Scenario, int, tuple[str, ...]]]:
    """Scenario, number of studies and tests of the grid in docs/statistics.md."""
    for seeds, items, points, quirk in product((5, 8, 10), (277, 1_000, 10_000), (0.0, 0.5, 1.0), (0.05, 0.4)):
        yield Scenario(seeds, items, points, quirk), 4_000 if items < 10_000 else 2_000, (DECIDES,)
    for items, points in product((277, 1_000), (0.0, 1.0)):
        yield Scenario(8, items, points), 600, tuple(TESTS)
    for metric in ("matthews", "f1", *CORRELATIONS):
        for seeds, items, points in product((5, 8), (277, 1_500), (0.0, 1.0)):
            yield Scenario(seeds, items, points, 0.4, metric=metric), 4_000, (DECIDES,)
        yield Scenario(5, 10_000, 1.0, 0.4, metric=metric), 2_000, (DECIDES,)


def run(cases: Sequence[tuple[Scenario, int, tuple[str, ...]]], seed: int = 0) -> pd.DataFrame:
    """One row per scenario and test: the scenario's fields, ``test``, ``studies``, ``rate`` and its standard error."""
    import pandas as pd

    records = []
    for number, (scenario, studies, tests) in enumerate(cases):
        rng = np.random.default_rng([seed, number])
        for test, rate in rejections(scenario, studies, rng, tests).items():
            error = float(np.sqrt(rate * (1 - rate) / studies))
            records.append({**asdict(scenario), "test": test, "studies": studies, "rate": rate, "error": error})
    return pd.DataFrame.from_records(records)


def plot_rates(rates: pd.DataFrame, ax: Axes) -> Axes:
    """False-positive rates of the deciding interval on accuracy by size of the study: a dot per scenario with two
    standard errors, the nominal 5 % and what is allowed as lines."""
    own = rates[(rates["test"] == DECIDES) & (rates["metric"] == "accuracy")]
    sizes = sorted(
        {(s, n) for s, n in zip(own["seeds"], own["items"], strict=True)}, key=lambda size: (size[1], size[0])
    )
    for look, (points, group) in enumerate(own.groupby("seed_points")):
        x = [sizes.index(size) + 0.22 * (look - 1) for size in zip(group["seeds"], group["items"], strict=True)]
        _dots(ax, x, group, look, f"seed sd {points:g} points")
    ax.set_xticks(range(len(sizes)), [f"{s} × {n:,}" for s, n in sizes])
    ax.set_xlabel("seeds × items")
    return _rate_axis(ax)


def plot_metrics(rates: pd.DataFrame, ax: Axes) -> Axes:
    """The same for metrics that are no means of items: a group per metric, a colour per number of items."""
    own = rates[(rates["test"] == DECIDES) & (rates["metric"] != "accuracy")]
    metrics = list(dict.fromkeys(own["metric"]))
    sizes = sorted(own["items"].unique())
    for look, items in enumerate(sizes):
        some = own[own["items"] == items]
        number, of = some.groupby("metric").cumcount(), some.groupby("metric")["metric"].transform("size")
        x = some["metric"].map(metrics.index) + 0.27 * (look - 1) + 0.05 * (number - (of - 1) / 2)
        _dots(ax, x, some, look, f"{items:,} items")
    ax.set_xticks(range(len(metrics)), metrics)
    ax.set_xlabel("metric")
    return _rate_axis(ax)


def _dots(ax: Axes, x: Sequence[float], rates: pd.DataFrame, look: int, label: str) -> None:
    from analysis.figures import MARKERS, PALETTE

    ax.errorbar(
        x, 100 * rates["rate"], 200 * rates["error"], fmt=MARKERS[look], color=PALETTE[look], ms=4.5, mew=0, lw=1,
        label=label,
    )  # fmt: skip


def _rate_axis(ax: Axes) -> Axes:
    from analysis.figures import SOFT

    ax.axhline(5, color=SOFT, lw=1)
    ax.axhline(100 * ALLOWED, color=SOFT, lw=1, ls=(0, (3, 3)))
    ax.set_ylabel("false positives (%)")
    ax.set_ylim(0, 8)
    ax.legend(loc="lower left", ncols=3)
    ax.grid(axis="y")
    return ax


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the published grid and write ``coverage.csv``, ``coverage.png`` and ``coverage.svg``."""
    from analysis import figures

    parser = argparse.ArgumentParser(prog="python -m analysis.coverage", description=main.__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--share", type=float, default=1.0, help="share of the grid's studies to simulate")
    options = parser.parse_args(arguments)
    rates = run([(s, max(20, round(n * options.share)), t) for s, n, t in published_grid()])
    options.out.mkdir(parents=True, exist_ok=True)
    rates.to_csv(options.out / "coverage.csv", index=False, float_format="%.4f")
    with figures.style():
        figure, axes = figures.panels(2, 7.6, 3.4)
        plot_rates(rates, axes[0])
        plot_metrics(rates, axes[1])
        figures.save(figure, options.out / "coverage")
    own = rates[rates["test"] == DECIDES]
    low, high = 100 * own["rate"].min(), 100 * own["rate"].max()
    print(f"{DECIDES}: {low:.1f} to {high:.1f} % false positives at nominal 5 %")


if __name__ == "__main__":
    main()
