"""Wrappers for any method: labels shuffled at the end of training, and measurements of the changes by training.

A wrapper uses only the hooks of :class:`Method`, so it fits every method.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smart_repro import divergence
from smart_repro.encoding import Encoded
from smart_repro.methods import Loss, Method, Passes
from smart_repro.methods.base import TaskLoss, dropping
from smart_repro.models import head_parameters, unwrapped
from smart_repro.perturbation import ascend
from smart_repro.seeding import Streams, derive

PROBE, MOMENTS = 256, 40  # development examples that are measured; measurements in a run
RADII = (1e-4, 1e-3, 1e-2, 1e-1)  # radii of the ball, in units of the embeddings' root mean square
ASCENT_STEPS = 3


def late_noise(method: Method, share: float, seed: int) -> Method:
    """Wrap a method so that labels are shuffled within each batch over the last ``share`` of the updates."""
    return _LateNoise(method, share, seed)


def measured(method: Method, probe: Encoded) -> Method:
    """Wrap a method so that it also records how far each update moves predictions and weights."""
    return _Measured(method, probe)


def write_measurements(method: Method, model: nn.Module, path: Path) -> None:
    """Write ``measures.json`` of a :func:`measured` method: a row per moment, and R_s over radii at the end."""
    assert isinstance(method, _Measured)
    content = {"moments": method.moments, "smoothness": smoothness(model, method.probe)}
    path.write_text(json.dumps(content, indent=1))


def write_smoothness(model: nn.Module, probe: Encoded, radii: tuple[float, ...], path: Path) -> None:
    """Write ``measures.json`` of a finished run with R_s alone; training itself is not changed by it."""
    path.write_text(json.dumps({"moments": [], "smoothness": smoothness(model, probe, radii)}, indent=1))


def smoothness(model: nn.Module, probe: Encoded, radii: tuple[float, ...] = RADII) -> list[dict[str, float]]:
    """Return R_s of a model in evaluation mode: the mean divergence under the perturbation that the ascent ends at.

    Args:
        model: the trained model.
        probe: the examples, of which the first ``PROBE`` are measured.
        radii: radii of the l-infinity ball, in units of the root mean square of the embeddings.
    Returns: a row per radius: ``radius`` (relative), ``epsilon`` (absolute), ``r_s``.
    """
    device = next(model.parameters()).device
    rows = []
    with dropping(model, False):
        batches = [probe.batch(rows, device) for rows in _pieces(probe)]
        items = sum(len(batch["labels"]) for batch in batches)
        for radius in radii:
            total, rms = 0.0, 0.0
            for batch in batches:
                value, size = _worst(model, batch, radius)
                total, rms = total + value * len(batch["labels"]), rms + size * len(batch["labels"])
            rows.append({"radius": radius, "epsilon": radius * rms / items, "r_s": total / items})
    return rows


def _worst(model: nn.Module, batch: dict[str, Tensor], radius: float) -> tuple[float, float]:
    passes = Passes(model, batch, Streams(), "fp32")
    distance = divergence.for_target(passes.target)
    logits, embeddings = passes.embedded("clean", "block", dropout=False)
    logits, embeddings = logits.detach(), embeddings.detach()
    rms = float(embeddings[passes.mask.bool()].square().mean().sqrt())
    epsilon = radius * rms

    def objective(delta: Tensor) -> Tensor:
        return distance(passes.perturbed("clean", delta, "block", dropout=False), logits)

    noise = epsilon * passes.noise(embeddings.shape[-1], embeddings.dtype)
    worst = ascend(objective, noise, radius=epsilon, step_size=100 * epsilon, steps=ASCENT_STEPS, mask=passes.mask)
    with torch.no_grad():
        return float(objective(worst.delta)), rms


class _Wrapper(Method):
    """Base of the wrappers: every hook calls the same hook of the inner method.

    Values that a loop sets on the wrapper before ``setup``, such as the precision, are copied to the inner method.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.inner = method
        self.name = method.name  # type: ignore[misc]  # a class variable in Method; messages name the inner method
        self.config, self.replays, self.exact = method.config, method.replays, method.exact
        self.streams, self.precision = method.streams, method.precision
        self.updates_per_epoch = method.updates_per_epoch

    def seed(self, dropout: int, noise: int) -> None:
        self.inner.seed(dropout, noise)
        self.streams = self.inner.streams

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        self.inner.precision, self.inner.updates_per_epoch = self.precision, self.updates_per_epoch
        self.inner.setup(model, total_steps, task_loss=task_loss)

    def param_groups(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        return self.inner.param_groups(model, lr, weight_decay)

    def begin(self, micro: int, replay: int, step: int) -> None:
        self.inner.begin(micro, replay, step)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        return self.inner.loss(model, batch)

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        return self.inner.backward(model, batch, backward)

    def after_step(self, model: nn.Module, step: int) -> None:
        self.inner.after_step(model, step)

    def eval_model(self, model: nn.Module) -> nn.Module:
        return self.inner.eval_model(model)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)

    def expected_signals(self) -> frozenset[str]:
        return self.inner.expected_signals()


class _LateNoise(_Wrapper):
    def __init__(self, method: Method, share: float, seed: int) -> None:
        super().__init__(method)
        self.share, self.noise_seed = share, seed

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        super().setup(model, total_steps, task_loss=task_loss)
        self._from = total_steps - round(self.share * total_steps)

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        if self.streams.step >= self._from:
            seed = derive(self.noise_seed, "late noise", self.streams.step, self.streams.micro)
            order = torch.randperm(len(batch["labels"]), generator=torch.Generator().manual_seed(seed))
            batch = {**batch, "labels": batch["labels"][order.to(batch["labels"].device)]}
        return super().backward(model, batch, backward)


class _Measured(_Wrapper):
    def __init__(self, method: Method, probe: Encoded) -> None:
        super().__init__(method)
        self.probe = probe
        self.moments: list[dict[str, float]] = []
        self._before: Tensor | None = None

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        super().setup(model, total_steps, task_loss=task_loss)
        self._every = max(2, total_steps // MOMENTS)
        self._start = [parameter.detach().clone() for parameter in _encoder(model)]

    def after_step(self, model: nn.Module, step: int) -> None:
        super().after_step(model, step)
        if (step + 1) % self._every == 0:
            self._before = self._logits(model)
        elif step % self._every == 0 and self._before is not None:
            distance = divergence.for_target("regression" if self._before.shape[-1] == 1 else "classification")
            divergence_of_step = float(distance(self._logits(model), self._before))
            self.moments.append(
                {"step": step, "step_divergence": divergence_of_step, "distance": self._distance(model)}
            )

    def state_dict(self) -> dict[str, Any]:
        measurements = {"moments": self.moments, "before": self._before, "start": self._start}
        return {**super().state_dict(), "measured": measurements}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        measurements = state.pop("measured")
        self.moments, self._before = measurements["moments"], measurements["before"]
        self._start = [
            value.to(parameter.device) for value, parameter in zip(measurements["start"], self._start, strict=True)
        ]
        super().load_state_dict(state)

    def _distance(self, model: nn.Module) -> float:
        """Return the encoder's distance from theta_0, relative to the norm of theta_0."""
        pairs = list(zip(_encoder(model), self._start, strict=True))
        squares = sum(float((parameter.detach() - start).double().square().sum()) for parameter, start in pairs)
        size = sum(float(start.double().square().sum()) for _, start in pairs)
        return float((squares / size) ** 0.5)

    @torch.no_grad()
    def _logits(self, model: nn.Module) -> Tensor:
        device = next(model.parameters()).device
        with dropping(model, False):
            passes = [Passes(model, self.probe.batch(rows, device), Streams(), "fp32") for rows in _pieces(self.probe)]
            return torch.cat([rows("clean", dropout=False) for rows in passes])


def _pieces(probe: Encoded) -> list[np.ndarray]:
    """Return the rows of the first ``PROBE`` examples, in batches."""
    items = min(PROBE, len(probe))
    return np.array_split(np.arange(items), -(-items // 32))


def _encoder(model: nn.Module) -> list[nn.Parameter]:
    head = {id(parameter) for parameter in head_parameters(model)}
    return [parameter for parameter in unwrapped(model).parameters() if id(parameter) not in head]
