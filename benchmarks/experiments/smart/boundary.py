"""The networks of SMART's Figure 1: trained on two half-moons, with their decision boundaries."""

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

from benchmarks.experiments.planning.base import Experiment, MethodRow
from smart_repro.encoding import Encoded
from smart_repro.methods import build
from smart_repro.seeding import derive, seeded
from smart_repro.train import TrainConfig, train

STEPS = 400
POINTS, WRONG = 120, 0.1  # training points, and the share of wrong labels among them
EXTENT = (-2.0, 3.0, -1.5, 2.0)  # drawn part of the plane: least and largest x, then y


@dataclass(frozen=True)
class Boundary:
    """The decision boundary of one network.

    Attributes:
        row, seed: the network's row and seed.
        probability: ``(grid, grid)`` of class 1, rows from low to high y.
        accuracy: on 2,000 new points without wrong labels.
        wrong_fitted: share of the wrongly labelled training points that the network fits.
        flipped: share of the new points whose class changes within the radius, in the worst of 32 directions.
    """

    row: str
    seed: int
    probability: np.ndarray
    accuracy: float
    wrong_fitted: float
    flipped: float


def moons(n: int, seed: int, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(points, labels, is_wrong)``: two interleaved half-circles with Gaussian noise.

    Args:
        n: number of points.
        seed: the seed.
        wrong: share of the points whose label is the other class, drawn at random.
    Returns: ``(n, 2)``, ``(n,)`` classes 0 and 1, and ``(n,)`` booleans.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    angle = rng.uniform(0, np.pi, n)
    sign = 1 - 2 * labels
    points = np.stack([np.cos(angle) * sign + labels, np.sin(angle) * sign + 0.5 * labels], 1)
    points += rng.normal(0, 0.15, points.shape)
    flipped = rng.random(n) < wrong
    return points, np.where(flipped, 1 - labels, labels), flipped


def boundary(
    row: MethodRow, seed: int, *, radius: float, n: int = POINTS, steps: int = STEPS, grid: int = 81
) -> Boundary:
    """Train one network and evaluate it on a grid and on fresh points.

    Args:
        row: the method.
        seed: the seed.
        radius: radius of the l-inf ball in which a fresh point's class may change.
        n: training points.
        steps: updates.
        grid: points of the plane along each axis.
    """
    torch.set_num_threads(1)  # the network is so small that a second thread only costs time
    points, labels, is_wrong = moons(n, seed, wrong=WRONG)
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
    shifted_classes = np.stack([model.classes(fresh + radius * direction) for direction in square])
    axis_x, axis_y = np.linspace(*EXTENT[:2], grid), np.linspace(*EXTENT[2:], grid)
    plane = np.stack(np.meshgrid(axis_x, axis_y), -1).reshape(-1, 2)
    classes = model.classes(fresh)
    return Boundary(
        row.id,
        seed,
        model.probability(plane).reshape(grid, grid),
        float((classes == truth).mean()),
        float((model.classes(points) == labels)[is_wrong].mean()) if is_wrong.any() else 0.0,
        float((shifted_classes != classes).any(0).mean()),
    )


def compute(experiment: Experiment, folder: Path, *, radius: float, steps: int = STEPS) -> list[Boundary]:
    """Train all rows and seeds and write ``boundary.json`` into ``folder``, which the report draws."""
    networks = [boundary(row, seed, radius=radius, steps=steps) for row in experiment.rows for seed in experiment.seeds]
    folder.mkdir(parents=True, exist_ok=True)
    training = [_training(seed) for seed in experiment.seeds]
    content = {"extent": EXTENT, "training": training, "networks": [_plain(network) for network in networks]}
    (folder / "boundary.json").write_text(json.dumps(content))
    return networks


def summary(networks: Sequence[Boundary], radius: float) -> str:
    """Return a line per row: means over seeds."""
    lines = []
    for row in dict.fromkeys(network.row for network in networks):
        networks_of_row = [network for network in networks if network.row == row]
        means = {
            name: 100 * float(np.mean([getattr(network, name) for network in networks_of_row]))
            for name in ("accuracy", "wrong_fitted", "flipped")
        }
        lines.append(
            f"{row:<12} {len(networks_of_row)} seeds: accuracy {means['accuracy']:.1f} %, wrong labels fitted "
            f"{means['wrong_fitted']:.0f} %, class changes within {radius} for {means['flipped']:.1f} % of the points"
        )
    return "\n".join(lines)


class _Plane(nn.Module):
    """A small network that the methods treat as a text classifier: token i is embedded as point i."""

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
        embeddings: nn.Module = self.embeddings
        return embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.layers(self.embeddings(input_ids)[:, 0]))

    @torch.no_grad()
    def probability(self, points: np.ndarray) -> np.ndarray:
        """Return the probability of class 1, ``(n,)``."""
        probabilities: np.ndarray = self.layers(torch.from_numpy(points).float()).softmax(-1)[:, 1].numpy()
        return probabilities

    def classes(self, points: np.ndarray) -> np.ndarray:
        return (self.probability(points) > 0.5).astype(np.int64)


def _training(seed: int) -> Mapping[str, Any]:
    points, labels, is_wrong = moons(POINTS, seed, wrong=WRONG)
    return {"seed": seed, "points": np.round(points, 4).tolist(), "labels": labels.tolist(), "wrong": is_wrong.tolist()}


def _plain(network: Boundary) -> Mapping[str, Any]:
    return {**vars(network), "probability": np.round(network.probability, 4).tolist()}
