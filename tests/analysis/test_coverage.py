"""The simulated studies are what they say, and the deciding interval errs about as often as it may."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import coverage
from analysis.coverage import ALLOWED, DECIDES, Scenario, rejections, simulate

ROOT = Path(__file__).resolve().parents[2]


def test_simulated_studies_have_the_stated_spread_and_no_difference(rng):
    studies = [simulate(Scenario(6, 2000, 1.0, 0.2), rng) for _ in range(150)]
    accuracies = np.array([[(arm == labels).mean(1) for arm in (a, b)] for a, b, labels in studies])
    assert accuracies.mean() == pytest.approx(0.80, abs=0.01)
    assert accuracies[:, 0].mean() - accuracies[:, 1].mean() == pytest.approx(0.0, abs=0.003)
    over_seeds = accuracies.var(axis=2, ddof=1).mean()  # true spread plus the noise of single answers
    answers = np.mean([np.mean(arm == labels, 0) for a, b, labels in studies for arm in (a, b)], axis=0)
    assert 0.01**2 < over_seeds < 0.01**2 + answers.mean() * (1 - answers.mean()) / 2000


def test_a_gain_is_a_gain_in_points(rng):
    studies = [simulate(Scenario(5, 4000, 0.0, 0.2, gain=3.0), rng) for _ in range(60)]
    gains = [np.mean(a == labels) - np.mean(b == labels) for a, b, labels in studies]
    assert np.mean(gains) == pytest.approx(0.03, abs=0.004)


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_a_simulated_correlation_has_the_stated_size_spread_and_gain(metric, rng):
    from analysis.scores import score

    studies = [simulate(Scenario(5, 2000, 1.0, 0.4, gain=3.0, metric=metric), rng) for _ in range(40)]
    reached = np.array([[[score(metric, z, run) for run in arm] for arm in (a, b)] for a, b, z in studies])
    level = 0.85 if metric == "pearson" else 6 / np.pi * np.arcsin(0.85 / 2)
    assert reached[:, 1].mean() == pytest.approx(level, abs=0.005)
    assert (reached[:, 0] - reached[:, 1]).mean() == pytest.approx(0.03, abs=0.005)
    assert 0.0095 < np.sqrt(reached.var(axis=2, ddof=1).mean()) < 0.0125


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [Scenario(5, 277, 1.0), Scenario(5, 1000, 0.0), Scenario(8, 277, 0.5)])
def test_the_deciding_interval_errs_within_its_allowance(scenario, rng):
    studies = 1500
    rate = rejections(scenario, studies, rng)[DECIDES]
    assert rate <= ALLOWED + 2 * np.sqrt(ALLOWED * (1 - ALLOWED) / studies)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["matthews", "f1", "pearson", "spearman"])
def test_metrics_that_are_no_means_err_within_their_allowance(metric, rng):
    studies = 600
    rate = rejections(Scenario(5, 277, 1.0, 0.4, metric=metric), studies, rng)[DECIDES]
    assert rate <= ALLOWED + 2 * np.sqrt(ALLOWED * (1 - ALLOWED) / studies)


def test_the_published_rates_are_of_the_published_grid_and_within_the_allowance():
    """``docs/figures/coverage.csv`` is what ``python -m analysis.coverage`` wrote, in full."""
    rates = pd.read_csv(ROOT / "docs" / "figures" / "coverage.csv")
    names = [field.name for field in fields(Scenario)]
    wanted = [(*astuple(s), test, studies) for s, studies, tests in coverage.published_grid() for test in tests]
    assert list(rates[[*names, "test", "studies"]].itertuples(index=False, name=None)) == wanted
    deciding = rates[rates["test"] == DECIDES]
    assert deciding["rate"].max() <= ALLOWED
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for metrics, words in (
        (["accuracy"], "finds a difference in {} of such studies"),
        (["matthews", "f1"], "Matthews and F1 lie at {}"),
        (["pearson", "spearman"], "correlations at {}"),
    ):
        own = 100 * deciding[deciding["metric"].isin(metrics)]["rate"]
        assert words.format(f"{own.min():.1f} to {own.max():.1f} %") in " ".join(text.split())


def test_what_theory_gives_for_the_others(rng):
    """Five seeds cannot reject by their signs; swapping items ignores new seeds, so it errs far too often with them."""
    rates = rejections(Scenario(5, 300, 4.0), 120, rng, ("sign flips of seeds", "permutation of items"))
    assert rates["sign flips of seeds"] == 0.0
    assert rates["permutation of items"] > 0.10


def test_the_published_grid_covers_what_the_rules_ask():
    cases = [s for s, _, tests in coverage.published_grid() if tests == (DECIDES,) and s.metric == "accuracy"]
    assert Counter((s.seeds, s.items) for s in cases) == {(s, n): 6 for s in (5, 8, 10) for n in (277, 1000, 10_000)}
    assert {s.seed_points for s in cases} == {0.0, 0.5, 1.0}


def test_the_grid_is_reproducible_and_its_plot_shows_its_rates():
    from analysis import figures

    cases = [(Scenario(2, 30, points), 20, (DECIDES,)) for points in (0.0, 1.0)]
    rates = coverage.run(cases, seed=1)
    pd.testing.assert_frame_equal(rates, coverage.run(cases, seed=1))
    _, axes = figures.panels(1, 4, 3)
    coverage.plot_rates(rates, axes[0])
    drawn = [float(container[0].get_ydata()[0]) for container in axes[0].containers]
    assert drawn == pytest.approx((100 * rates["rate"]).tolist())


def test_the_plot_of_other_metrics_shows_their_rates_and_no_other():
    from analysis import figures

    cases = [(Scenario(2, n, 1.0, metric=m), 20, (DECIDES,)) for m in ("f1", "accuracy", "pearson") for n in (30, 40)]
    rates = coverage.run(cases, seed=1)
    _, axes = figures.panels(1, 4, 3)
    coverage.plot_metrics(rates, axes[0])
    drawn = [y for container in axes[0].containers for y in container[0].get_ydata()]
    wanted = rates[rates["metric"] != "accuracy"].sort_values("items", kind="stable")
    assert drawn == pytest.approx((100 * wanted["rate"]).tolist())
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["f1", "pearson"]
