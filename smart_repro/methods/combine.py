"""Combining finished runs: VOTE and AVG (Xu et al. 2020, arXiv:2002.10345, equations 2 and 3), each over K = 4 seeds.

Nothing is trained. VOTE needs only the predictions of its parents, AVG their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smart_repro.registry import Registry


@dataclass(frozen=True)
class Combiner:
    """A function that makes one model of several.

    Attributes:
        combine: the pure function.
        needs: ``"predictions"`` or ``"weights"`` of the parents.
        paper: the source.
        meaning: a sentence on it, for the list of methods in reports.
    """

    combine: Callable[..., Any]
    needs: str
    paper: str
    meaning: str = ""


COMBINERS: Registry[Combiner] = Registry("combiner", listing="smart-repro list methods")


def vote(logits: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of the parents' probabilities, as log-probabilities whose softmax is that mean (equation 2).

    The paper sums the probabilities, which gives the same decisions. With one output (regression) the result is the
    mean prediction.

    Args:
        logits: ``(items, outputs)`` of each parent, unnormalised.

    Returns:
        ``(items, outputs)``, float64.

    Raises:
        ValueError: there is no parent, or their shapes differ.
    """
    _same([parent.shape for parent in logits])
    stacked = np.stack([np.asarray(parent, dtype=np.float64) for parent in logits])
    if stacked.shape[-1] == 1:
        mean: np.ndarray = stacked.mean(0)
        return mean
    log_p = stacked - np.logaddexp.reduce(stacked, axis=-1, keepdims=True)
    log_mean: np.ndarray = np.logaddexp.reduce(log_p, axis=0) - np.log(len(stacked))
    return log_mean


def average(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of the parents' weights, head included (equation 3).

    Integer tensors (such as position tables) must agree and are kept.

    Args:
        weights: ``state_dict`` of each parent.

    Raises:
        ValueError: there is no parent, their names or shapes differ, or an integer tensor differs.
    """
    _same([{name: tuple(value.shape) for name, value in parent.items()} for parent in weights])
    return {name: _mean(name, [parent[name] for parent in weights]) for name in weights[0]}


def _mean(name: str, values: list[Tensor]) -> Tensor:
    if values[0].is_floating_point():
        return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)
    if any(not torch.equal(values[0], value) for value in values[1:]):
        raise ValueError(f"the parents differ in {name!r}, which holds whole numbers and has no mean")
    return values[0].clone()


def _same(shapes: list[Any]) -> None:
    if not shapes:
        raise ValueError("there is nothing to combine: give at least one parent")
    if any(shape != shapes[0] for shape in shapes[1:]):
        raise ValueError(
            "the parents cannot be combined: they differ in names or shapes; combine runs of one model and task"
        )


COMBINERS.add(
    "vote",
    Combiner(vote, "predictions", "Xu et al. 2020, equation 2", "VOTE: the mean of the probabilities of several runs."),
)
COMBINERS.add(
    "average",
    Combiner(average, "weights", "Xu et al. 2020, equation 3", "AVG: the mean of the weights of several runs."),
)
