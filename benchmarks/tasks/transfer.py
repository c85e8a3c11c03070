"""Judging a model on a task with other classes than it was trained on: MNLI's three ways on SciTail's or RTE's two."""

from __future__ import annotations

import numpy as np

from benchmarks.errors import UsageError
from benchmarks.tasks.base import Classification, Task

_ENTAILMENT = ("entailment", "entails")
Joined = tuple[tuple[int, ...], ...]


def joined(trained: Task, evaluated: Task) -> Joined | None:
    """For each class of ``evaluated`` the classes of ``trained`` it stands for; None where both are the same.

    Raises: UsageError: if they are not both inference tasks.
    """
    own, other = trained.head, evaluated.head
    if not (isinstance(own, Classification) and isinstance(other, Classification)):
        if own.num_outputs == other.num_outputs:
            return None
        raise UsageError(f"a model of {trained.name} cannot predict {evaluated.name}: one of them is a regression")
    if own.labels == other.labels:
        return None
    entails, other_entails = _entailment(own.labels), _entailment(other.labels)
    if entails is None or other_entails is None or len(other.labels) != 2:
        raise UsageError(
            f"a model of {trained.name} ({', '.join(own.labels)}) cannot predict {evaluated.name} "
            f"({', '.join(other.labels)}): their classes have nothing to do with each other"
        )
    rest = tuple(i for i in range(len(own.labels)) if i != entails)
    return tuple((entails,) if i == other_entails else rest for i in range(2))


def join(logits: np.ndarray, classes: Joined | None) -> np.ndarray:
    """``(n, classes)`` logits whose softmax sums the probabilities of the joined classes.

    >>> join(np.log([[0.5, 0.2, 0.3]]), ((1, 2), (0,))).round(4).tolist() == np.log([[0.5, 0.5]]).round(4).tolist()
    True
    """
    if classes is None:
        return logits
    return np.stack([np.logaddexp.reduce(logits[:, list(each)], axis=1) for each in classes], axis=1)


def _entailment(labels: tuple[str, ...]) -> int | None:
    return next((i for i, label in enumerate(labels) if label in _ENTAILMENT), None)
