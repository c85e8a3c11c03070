"""SMART, Figure 1: a decision boundary in the plane, with and without R_s.

The paper's figure is a drawing without data, so there is nothing to place beside it. Here two interleaved half-moons
with a few wrong labels are learned by a small network whose "embedding" is the point itself; the loss terms are those
of the method registry, unchanged. No text, no runs in the store: ``smart-repro run smart-fig1`` takes seconds.

Runs: 0 paper, 0 small, 0 demo.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow
from benchmarks.spec import method
from smart_repro.encoding import Encoded
from smart_repro.methods import build
from smart_repro.seeding import derive, seeded
from smart_repro.train import TrainConfig, train

STEPS = 400
POINTS, WRONG = 120, 0.1  # training points, and the share of wrong labels among them
EXTENT = (-2.0, 3.0, -1.5, 2.0)  # of the plane that is looked at
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
        compute=lambda experiment, folder: f"{summary(compute(experiment, folder))}\nWritten to {folder}",
        notes=("The paper's figure is a sketch without data; this is the same idea computed, with a radius of 0.3.",),
    )


@dataclass(frozen=True)
class Boundary:
    """What one network learned.

    Attributes:
        probability: ``(grid, grid)`` of class 1, rows from low to high y.
        accuracy: on 2,000 fresh points without wrong labels.
        wrong_fitted: share of the wrongly labelled training points that the network fits.
        flipped: share of the fresh points whose class changes within the radius, in the worst of 32 directions.
    """

    row: str
    seed: int
    probability: np.ndarray
    accuracy: float
    wrong_fitted: float
    flipped: float


def moons(n: int, seed: int, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(points, labels, whether the label is wrong)``: two interleaved half-circles with Gaussian noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    angle = rng.uniform(0, np.pi, n)
    sign = 1 - 2 * labels
    points = np.stack([np.cos(angle) * sign + labels, np.sin(angle) * sign + 0.5 * labels], 1)
    points += rng.normal(0, 0.15, points.shape)
    flipped = rng.random(n) < wrong
    return points, np.where(flipped, 1 - labels, labels), flipped


def boundary(row: MethodRow, seed: int, *, n: int = POINTS, steps: int = STEPS, grid: int = 81) -> Boundary:
    """Train one network and look at it."""
    torch.set_num_threads(1)  # the network is so small that a second thread only costs time
    points, labels, wrong = moons(n, seed, wrong=WRONG)
    with seeded(derive(seed, "toy"), torch.device("cpu")):
        model = _Plane(points)
    data = Encoded(
        {"input_ids": np.arange(n, dtype=np.int32)}, np.arange(n + 1), {"input_ids": 0}, np.arange(n), labels
    )
    epochs = -(-steps // (n // 30))
    config = TrainConfig(
        epochs=epochs,
        batch_size=30,
        learning_rate=5e-3,
        weight_decay=0.0,
        warmup=0.0,
        clip=None,
        seed_order=seed,
        seed_noise=seed,
    )
    train(model, build(row.method.name, **dict(row.method.options)), data, config, cpu=True)
    model.eval()
    fresh, truth, _ = moons(2000, seed + 10_000)
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    square = np.stack([np.cos(angles), np.sin(angles)], 1)
    square /= np.abs(square).max(1, keepdims=True)  # the l-inf sphere
    moved = np.stack([model.classes(fresh + RADIUS * direction) for direction in square])
    axis_x, axis_y = np.linspace(*EXTENT[:2], grid), np.linspace(*EXTENT[2:], grid)
    plane = np.stack(np.meshgrid(axis_x, axis_y), -1).reshape(-1, 2)
    own = model.classes(fresh)
    return Boundary(
        row.id,
        seed,
        model.probability(plane).reshape(grid, grid),
        float((own == truth).mean()),
        float((model.classes(points) == labels)[wrong].mean()) if wrong.any() else 0.0,
        float((moved != own).any(0).mean()),
    )


def compute(experiment: Experiment, folder: Path, *, steps: int = STEPS) -> list[Boundary]:
    """All rows and seeds, written to ``folder`` as ``boundary.json``, which the report draws."""
    found = [boundary(row, seed, steps=steps) for row in experiment.rows for seed in experiment.seeds]
    folder.mkdir(parents=True, exist_ok=True)
    training = [_training(seed) for seed in experiment.seeds]
    content = {"extent": EXTENT, "training": training, "networks": [_plain(each) for each in found]}
    (folder / "boundary.json").write_text(json.dumps(content))
    return found


def summary(found: Sequence[Boundary]) -> str:
    """A line per row: means over seeds."""
    lines = []
    for row in dict.fromkeys(each.row for each in found):
        own = [each for each in found if each.row == row]
        means = {
            name: 100 * float(np.mean([getattr(each, name) for each in own]))
            for name in ("accuracy", "wrong_fitted", "flipped")
        }
        lines.append(
            f"{row:<12} {len(own)} seeds: accuracy {means['accuracy']:.1f} %, wrong labels fitted "
            f"{means['wrong_fitted']:.0f} %, class changes within {RADIUS} for {means['flipped']:.1f} % of the points"
        )
    return "\n".join(lines)


class _Plane(nn.Module):
    """A small network that the methods take for a text classifier: token i is embedded as point i."""

    def __init__(self, points: np.ndarray) -> None:
        super().__init__()
        weights = torch.from_numpy(points).float()
        self.embeddings = nn.Embedding.from_pretrained(weights, freeze=True)
        self.layers = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 2))
        self.config = SimpleNamespace(num_labels=2, model_type="plane")

    @property
    def base_model(self) -> nn.Module:
        return self

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.layers(self.embeddings(input_ids)[:, 0]))

    @torch.no_grad()
    def probability(self, points: np.ndarray) -> np.ndarray:
        """Of class 1, ``(n,)``."""
        found: np.ndarray = self.layers(torch.from_numpy(points).float()).softmax(-1)[:, 1].numpy()
        return found

    def classes(self, points: np.ndarray) -> np.ndarray:
        return (self.probability(points) > 0.5).astype(np.int64)


def _training(seed: int) -> Mapping[str, Any]:
    points, labels, wrong = moons(POINTS, seed, wrong=WRONG)
    return {"seed": seed, "points": np.round(points, 4).tolist(), "labels": labels.tolist(), "wrong": wrong.tolist()}


def _plain(each: Boundary) -> Mapping[str, Any]:
    return {**vars(each), "probability": np.round(each.probability, 4).tolist()}
