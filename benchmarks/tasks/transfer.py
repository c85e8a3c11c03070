"""Evaluation of a model on a task with other classes than it was trained on: MNLI's three on SciTail's or RTE's two."""

from __future__ import annotations

import numpy as np

from benchmarks.errors import UsageError
from benchmarks.tasks.base import Classification, Task

_ENTAILMENT = ("entailment", "entails")
Joined = tuple[tuple[int, ...], ...]


def joined(trained: Task, evaluated: Task) -> Joined | None:
    """Return, for each class of ``evaluated``, the classes of ``trained`` it consists of; None where both are the same.

    Raises: UsageError: if they are not both inference tasks.
    """
    trained_head, evaluated_head = trained.head, evaluated.head
    if not (isinstance(trained_head, Classification) and isinstance(evaluated_head, Classification)):
        if trained_head.num_outputs == evaluated_head.num_outputs:
            return None
        raise UsageError(f"a model of {trained.name} cannot predict {evaluated.name}: one of them is a regression")
    if trained_head.labels == evaluated_head.labels:
        return None
    trained_entails, evaluated_entails = _entailment(trained_head.labels), _entailment(evaluated_head.labels)
    if trained_entails is None or evaluated_entails is None or len(evaluated_head.labels) != 2:
        raise UsageError(
            f"a model of {trained.name} ({', '.join(trained_head.labels)}) cannot predict {evaluated.name} "
            f"({', '.join(evaluated_head.labels)}): their classes have nothing to do with each other"
        )
    rest = tuple(i for i in range(len(trained_head.labels)) if i != trained_entails)
    return tuple((trained_entails,) if i == evaluated_entails else rest for i in range(2))


def join(logits: np.ndarray, classes: Joined | None) -> np.ndarray:
    """Return ``(n, classes)`` logits whose softmax sums the probabilities of the joined classes.

    >>> join(np.log([[0.5, 0.2, 0.3]]), ((1, 2), (0,))).round(4).tolist() == np.log([[0.5, 0.5]]).round(4).tolist()
    True
    """
    if classes is None:
        return logits
    return np.stack([np.logaddexp.reduce(logits[:, list(members)], axis=1) for members in classes], axis=1)


def _entailment(labels: tuple[str, ...]) -> int | None:
    return next((i for i, label in enumerate(labels) if label in _ENTAILMENT), None)
