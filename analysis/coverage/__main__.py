"""Run the published grid and write its table and figures: ``python -m analysis.coverage OUT``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import figures
from analysis.coverage.plots import plot_metrics, plot_rare, plot_rates
from analysis.coverage.rates import ALLOWED, DECIDES, failures, published_grid, run

if TYPE_CHECKING:
    import pandas as pd


def draw(rates: pd.DataFrame, out: Path) -> None:
    """Write ``coverage`` and ``coverage-rare`` as PNG and SVG."""
    with figures.style():
        figure, axes = figures.panels(2, 7.6, 3.4)
        plot_rates(rates, axes[0])
        plot_metrics(rates, axes[1])
        figures.save(figure, out / "coverage")
        figure, axes = figures.panels(1, 7.6, 3.6, below=0.2)
        plot_rare(rates, axes[0])
        figures.save(figure, out / "coverage-rare")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the published grid and write ``coverage.csv`` and its figures."""
    parser = argparse.ArgumentParser(prog="python -m analysis.coverage", description=main.__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--share", type=float, default=1.0, help="share of the grid's studies to simulate")
    options = parser.parse_args(arguments)
    rates = run([(s, max(20, round(n * options.share)), t) for s, n, t in published_grid()])
    options.out.mkdir(parents=True, exist_ok=True)
    rates.to_csv(options.out / "coverage.csv", index=False, float_format="%.4f")
    draw(rates, options.out)
    deciding, failed = rates[rates["test"] == DECIDES], failures(rates)
    low, high = 100 * deciding["rate"].min(), 100 * deciding["rate"].max()
    print(f"{DECIDES}: {low:.1f} to {high:.1f} % false positives at nominal 5 %")
    if len(failed):
        raise SystemExit(f"more than {100 * ALLOWED:g} % in {len(failed)} scenarios:\n{failed.to_string()}")


if __name__ == "__main__":
    main()
