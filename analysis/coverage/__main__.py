"""Measure the error rates of the tests, for docs/statistics.md: ``python -m analysis.coverage OUT``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import figures
from analysis.coverage.plots import plot_metrics, plot_rare, plot_rates
from analysis.coverage.rates import ALLOWED_RATE, DECIDING_TEST, failures, published_grid, run

if TYPE_CHECKING:
    import pandas as pd


FEWEST_STUDIES = 20  # per scenario, however small --share is


def draw(rates: pd.DataFrame, out: Path) -> None:
    """Write the figures ``coverage`` and ``coverage-rare`` to ``out``, each as PNG and SVG.

    Args:
        rates: a row per scenario and test, from :func:`analysis.coverage.rates.run`.
        out: an existing folder.
    """
    with figures.style():
        figure, axes = figures.panels(2, 7.6, 3.4)
        plot_rates(rates, axes[0])
        plot_metrics(rates, axes[1])
        figures.save(figure, out / "coverage")
        figure, axes = figures.panels(1, 7.6, 3.6, below=0.2)
        plot_rare(rates, axes[0])
        figures.save(figure, out / "coverage-rare")


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the scenarios of docs/statistics.md; write the error rates as coverage.csv, and their figures."""
    parser = argparse.ArgumentParser(prog="python -m analysis.coverage", description=main.__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--share", type=float, default=1.0, help="share of the grid's studies to simulate")
    options = parser.parse_args(arguments)
    rates = run(
        [
            (scenario, max(FEWEST_STUDIES, round(studies * options.share)), tests)
            for scenario, studies, tests in published_grid()
        ]
    )
    options.out.mkdir(parents=True, exist_ok=True)
    rates.to_csv(options.out / "coverage.csv", index=False, float_format="%.4f")
    draw(rates, options.out)
    deciding, failed_scenarios = rates[rates["test"] == DECIDING_TEST], failures(rates)
    low, high = 100 * deciding["rate"].min(), 100 * deciding["rate"].max()
    print(f"{DECIDING_TEST}: {low:.1f} to {high:.1f} % false positives at nominal 5 %")
    if len(failed_scenarios):
        raise SystemExit(
            f"more than {100 * ALLOWED_RATE:g} % false positives in {len(failed_scenarios)} scenarios:\n"
            f"{failed_scenarios.to_string()}"
        )


if __name__ == "__main__":
    main()
