"""The simulated studies are what they say, and the deciding interval errs about as often as it may."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, fields
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.coverage import rates as coverage
from analysis.coverage.plots import plot_metrics, plot_rare, plot_rates
from analysis.coverage.rates import ALLOWED_RATE, DECIDING_TEST, STUDIES, deciding_rate, failures, rates
from analysis.coverage.simulation import Scenario, simulate
from analysis.coverage.verdicts import decide, measure, p_values
from analysis.crossed import crossed_interval
from analysis.scores import score

ROOT = Path(__file__).resolve().parents[2]
SHARE = [  # of the grid, for every test run: sizes, metrics, rare classes, constant runs
    Scenario(5, 277, 1.0),
    Scenario(8, 1_000, 0.0),
    Scenario(5, 277, 1.0, 0.4, metric="pearson"),
    Scenario(5, 277, 0.0, 0.4, metric="spearman"),
    Scenario(5, 277, 1.0, 0.4, metric="matthews", positives=0.1),
    Scenario(8, 277, 1.0, 0.4, metric="f1", positives=0.1, constant=0.3),
    Scenario(5, 408, 1.0, 0.4, metric="f1", positives=0.1, excess=2.0),
]


def test_simulated_studies_have_the_stated_spread_and_no_difference(rng):
    a, b, labels = simulate(Scenario(6, 2000, 1.0, 0.2), 150, rng)
    right = np.stack([a, b]) == labels[:, None]
    accuracies = right.mean(-1)
    assert accuracies.mean() == pytest.approx(0.80, abs=0.01)
    assert accuracies[0].mean() - accuracies[1].mean() == pytest.approx(0.0, abs=0.003)
    over_seeds = accuracies.var(axis=-1, ddof=1).mean()  # true spread plus the noise of single answers
    answers = right.mean(-2)
    assert 0.01**2 < over_seeds < 0.01**2 + answers.mean() * (1 - answers.mean()) / 2000


def test_arms_share_the_difficulty_of_items_but_for_their_quirk(rng):
    def correlation(quirk):
        a, b, labels = simulate(Scenario(200, 1500, 0.0, quirk), 1, rng)
        return np.corrcoef((a == labels[:, None]).mean((0, 1)), (b == labels[:, None]).mean((0, 1)))[0, 1]

    assert correlation(0.0) > 0.97
    assert 0.4 < correlation(0.5) < 0.6


def test_a_gain_is_a_gain_in_points(rng):
    a, b, labels = simulate(Scenario(5, 4000, 0.0, 0.2, gain=3.0), 60, rng)
    gain = np.mean(a == labels[:, None]) - np.mean(b == labels[:, None])
    assert gain == pytest.approx(0.03, abs=0.004)


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_a_simulated_correlation_has_the_stated_size_spread_and_gain(metric, rng):
    studies = zip(*simulate(Scenario(5, 2000, 1.0, 0.4, gain=3.0, metric=metric), 40, rng), strict=True)
    reached = np.array([[[score(metric, z, run) for run in arm] for arm in (a, b)] for a, b, z in studies])
    level = 0.85 if metric == "pearson" else 6 / np.pi * np.arcsin(0.85 / 2)
    assert reached[:, 1].mean() == pytest.approx(level, abs=0.005)
    assert (reached[:, 0] - reached[:, 1]).mean() == pytest.approx(0.03, abs=0.005)
    assert 0.0095 < np.sqrt(reached.var(axis=2, ddof=1).mean()) < 0.0125


@pytest.mark.parametrize("positives", [0.03, 0.9])
def test_a_rare_class_is_answered_as_rarely_and_some_runs_never_do(positives, rng):
    a, b, labels = simulate(Scenario(10, 1000, 0.0, 0.4, positives=positives, constant=0.3, metric="f1"), 60, rng)
    constant = np.ptp(a, axis=-1) == 0
    assert labels.mean() == pytest.approx(positives, abs=0.005)
    assert constant.mean() == pytest.approx(0.3, abs=0.07)
    assert (a[constant] == round(positives)).all()
    assert a[~constant].mean() == pytest.approx(positives, abs=0.01)
    assert b[np.ptp(b, axis=-1) > 0].mean() == pytest.approx(positives, abs=0.01)


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_arms_that_answer_unlike_are_equally_good(metric, rng):
    scenario = Scenario(2, 20_000, 0.0, 0.4, positives=0.1, excess=2.0, metric=metric)
    a, b, labels = simulate(scenario, 20, rng)
    assert b.mean() / a.mean() == pytest.approx(2.0, abs=0.05)
    scored = [[score(metric, z, run) for x, z in zip(arm, labels, strict=True) for run in x] for arm in (a, b)]
    assert np.mean(scored[0]) == pytest.approx(np.mean(scored[1]), abs=0.006)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(5, 100, 1.0),
        Scenario(3, 60, 1.0, metric="spearman"),
        Scenario(3, 60, 1.0, metric="pearson"),
        Scenario(4, 90, 1.0, metric="f1", positives=0.1, constant=0.3),
        Scenario(5, 90, 1.0, metric="matthews", positives=0.9, constant=0.3),
    ],
)
def test_many_studies_at_once_are_decided_as_one_at_a_time(scenario, rng):
    a, b, labels = simulate(scenario, 40, rng)
    studies = measure(a, b, labels, scenario.metric)
    verdicts, withheld = decide(studies)
    alone = [crossed_interval(x, y, metric=scenario.metric, labels=z) for x, y, z in zip(a, b, labels, strict=True)]

    def verdict(interval):
        return float(np.sign(interval.estimate)) if interval.p <= 0.05 else 0.0

    def is_withheld(interval):
        reduced = interval.without_constant
        return bool(interval.withheld) or (reduced is not None and verdict(reduced) != verdict(interval))

    p = p_values(studies.differences, studies.covariance, scenario.items)
    assert p == pytest.approx([interval.p for interval in alone], abs=1e-5)
    assert verdicts.tolist() == [verdict(interval) for interval in alone]
    assert withheld.tolist() == [is_withheld(interval) for interval in alone]
    assert scenario.constant == 0 or 0.1 < withheld.mean() < 0.9


@pytest.mark.parametrize("number", range(len(SHARE)))
def test_the_deciding_interval_errs_within_its_allowance(number):
    got = deciding_rate(SHARE[number], 1500, np.random.default_rng(number))
    assert got.withheld < 0.5
    assert got.rate > 0
    assert got.rate - 2 * got.error <= ALLOWED_RATE


def test_a_rate_says_how_well_it_is_measured(rng):
    """A true difference is found; the error is the binomial one of the decided studies."""
    got = deciding_rate(Scenario(5, 277, 1.0, 0.4, gain=8.0, metric="f1", positives=0.1, constant=0.3), 500, rng)
    assert got.error == pytest.approx(np.sqrt(got.rate * (1 - got.rate) / round(500 * (1 - got.withheld))))
    assert deciding_rate(Scenario(8, 1000, 0.0, gain=8.0), 200, rng).rate > 0.9
    nothing = deciding_rate(Scenario(5, 71, 1.0, metric="matthews", positives=0.01), 50, rng)
    assert nothing.withheld == 1.0
    assert np.isnan(nothing.rate)


def test_too_few_rare_labels_mislead_so_that_labels_count_too():
    """Count the differences between equal arms that answer a class of 1 % on 6 and on 12 % of the items.

    There are enough answers, but too few labels: if such studies were decided, they would show a difference too often.
    """
    scenario = Scenario(5, 277, 1.0, 0.4, metric="matthews", positives=0.01, answered=6.0, excess=2.0)
    a, b, labels = simulate(scenario, 4000, np.random.default_rng(4))
    studies = measure(a, b, labels, "matthews")
    few_labels, few_answers = labels.sum(-1) < 5, np.minimum(a.sum(-1), b.sum(-1)).min(-1) < 5
    found = p_values(studies.differences, studies.covariance, 277)[few_labels & ~few_answers] <= 0.05
    assert len(found) > 2000
    assert found.mean() - 2 * np.sqrt(found.mean() * (1 - found.mean()) / len(found)) > ALLOWED_RATE
    _, withheld = decide(studies)
    assert withheld[few_labels].all()


def test_the_published_rates_are_of_the_published_grid_and_within_the_allowance():
    """``docs/figures/coverage.csv`` is what ``python -m analysis.coverage`` wrote, in full."""
    table = pd.read_csv(ROOT / "docs" / "figures" / "coverage.csv")
    names = [field.name for field in fields(Scenario)]
    grid = [(*astuple(s), test, studies) for s, studies, tests in coverage.published_grid() for test in tests]
    assert list(table[[*names, "test", "studies"]].itertuples(index=False, name=None)) == grid
    assert failures(table).empty
    deciding = table[table["test"] == DECIDING_TEST]
    assert (deciding["studies"] >= 10_000).all()
    usual = deciding[deciding["positives"] == 0.5]
    text = " ".join((ROOT / "docs" / "statistics.md").read_text(encoding="utf-8").split())
    for metrics, words in (
        (["accuracy"], "finds a difference in {} of such studies"),
        (["matthews", "f1"], "Matthews and F1 lie at {}"),
        (["pearson", "spearman"], "correlations at {}"),
    ):
        own = 100 * usual[usual["metric"].isin(metrics)]["rate"]
        assert words.format(f"{own.min():.1f} to {own.max():.1f} %") in text
    rare = deciding[(deciding["positives"] != 0.5) & (deciding["withheld"] < 0.9)]
    for chosen, words in (
        ((rare["constant"] == 0) & (rare["excess"] == 1), "{} where all runs vary"),
        (rare["constant"] > 0, "{} with 30 % constant runs"),
        (rare["excess"] != 1, "{} where one arm answers"),
    ):
        own = 100 * rare[chosen]["rate"]
        assert words.format(f"{own.min():.1f} to {own.max():.1f} %") in text


def test_what_theory_gives_for_the_others(rng):
    """Five seeds cannot reject by their signs; swapping items ignores new seeds, so it errs far too often with them."""
    got = rates(Scenario(5, 300, 4.0), 120, rng, ("sign flips of seeds", "permutation of items"))
    assert got["sign flips of seeds"].rate == 0.0
    assert got["permutation of items"].rate > 0.10


def test_the_published_grid_covers_what_the_rules_ask():
    cases = [s for s, _, tests in coverage.published_grid() if tests == (DECIDING_TEST,)]
    plain = [s for s in cases if s.metric == "accuracy" and s.quirk != 0.2]
    assert Counter((s.seeds, s.items) for s in plain) == {(s, n): 6 for s in (5, 8, 10) for n in (277, 1000, 10_000)}
    assert {s.seed_points for s in plain} == {0.0, 0.5, 1.0}
    rare = {
        (s.metric, s.items, round(max(s.positives, 1 - s.positives), 2), s.constant) for s in cases if s.excess == 1
    }
    assert rare >= set(product(("f1", "matthews"), (71, 277, 408), (0.90, 0.97, 0.99), (0.0, 0.3)))
    assert all(studies >= STUDIES for _, studies, tests in coverage.published_grid() if DECIDING_TEST in tests)


def test_the_grid_is_reproducible_and_its_plot_shows_its_rates():
    from analysis import figures

    cases = [(Scenario(2, 30, points), 20, (DECIDING_TEST,)) for points in (0.0, 1.0)]
    table = coverage.run(cases, seed=1)
    pd.testing.assert_frame_equal(table, coverage.run(cases, seed=1))
    _, axes = figures.panels(1, 4, 3)
    plot_rates(table, axes[0])
    drawn = [float(container[0].get_ydata()[0]) for container in axes[0].containers]
    assert drawn == pytest.approx((100 * table["rate"]).tolist())


def test_the_plot_of_other_metrics_shows_their_rates_and_no_other():
    from analysis import figures

    cases = [
        (Scenario(2, n, 1.0, metric=m), 20, (DECIDING_TEST,)) for m in ("f1", "accuracy", "pearson") for n in (30, 40)
    ]
    table = coverage.run(cases, seed=1)
    _, axes = figures.panels(1, 4, 3)
    plot_metrics(table, axes[0])
    drawn = [y for container in axes[0].containers for y in container[0].get_ydata()]
    expected = table[table["metric"] != "accuracy"].sort_values("items", kind="stable")
    assert drawn == pytest.approx((100 * expected["rate"]).tolist())
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["f1", "pearson"]


def test_the_plot_of_rare_classes_shows_decided_rates_and_the_share_withheld():
    from analysis import figures

    names = [field.name for field in fields(Scenario)]
    rows = [
        (Scenario(5, 71, 1.0, metric="f1", positives=0.9), 0.02, 0.5),
        (Scenario(5, 71, 1.0, metric="f1", positives=0.1, constant=0.3), 0.03, 0.7),
        (Scenario(5, 277, 1.0, metric="f1", positives=0.01, excess=2.0), 0.5, 0.999),  # ten studies: not drawn
        (Scenario(5, 277, 1.0), 0.05, 0.0),
    ]
    table = pd.DataFrame([dict(zip(names, astuple(s), strict=True)) | {"rate": r, "withheld": w} for s, r, w in rows])
    table = table.assign(error=0.001, studies=10_000, test=DECIDING_TEST)
    _, axes = figures.panels(1, 4, 3)
    plot_rare(table, axes[0])
    assert [y for container in axes[0].containers for y in container[0].get_ydata()] == pytest.approx([2.0, 3.0])
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["71, 90 %\n(60 %)", "277, 99 %\n(100 %)"]


def test_failures_are_rates_beyond_two_errors():
    rows = [
        (0.064, 0.0025, DECIDING_TEST),
        (0.066, 0.0025, DECIDING_TEST),
        (0.5, 0.001, "sign flips"),
        (np.nan, np.nan, DECIDING_TEST),
    ]
    table = pd.DataFrame(rows, columns=["rate", "error", "test"])
    assert failures(table)["rate"].tolist() == [0.066]
