"""SMART, Figure 1: a decision boundary in the plane, with and without R_s.

The paper's figure is a drawing without data, so there is nothing to place beside it. Here two interleaved half-moons
with a few wrong labels are learned by a small network whose "embedding" is the point itself; the loss terms are those
of the method registry, unchanged. No text, no runs in the store: ``smart-repro run smart-fig1`` takes seconds.

Runs: 0 paper, 0 small, 0 demo.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow
from benchmarks.spec import method

RADIUS = 0.3  # of the ball in the plane, whose moons are about 1 wide; the paper gives none
_ROWS = (
    MethodRow("vanilla", "without R_s", method("vanilla")),
    MethodRow("smoothness", "with R_s", method("smoothness", epsilon=RADIUS, sigma=0.1, eta=10.0, lambda_s=3.0)),
)


@EXPERIMENTS.register("smart-fig1")
def smart_fig1() -> Experiment:
    """SMART Figure 1: a toy decision boundary with and without R_s. Computed at once, no runs."""
    return Experiment(
        name="smart-fig1",
        title="SMART, Figure 1: decision boundary in the plane",
        rows=_ROWS,
        columns=(),
        seeds=method_rows.FIVE,
        baseline="vanilla",
        layout="boundary",
        compute=_compute,
        notes=("The paper's figure is a sketch without data; this is the same idea computed, with a radius of 0.3.",),
    )


def _compute(experiment: Experiment, folder: Path) -> str:
    from benchmarks.experiments.smart import boundary  # needs torch, which no listing of experiments should wait for

    networks = boundary.compute(experiment, folder, radius=RADIUS)
    return f"{boundary.summary(networks, RADIUS)}\nWritten to {folder}"
