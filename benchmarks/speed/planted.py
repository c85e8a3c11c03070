"""Bugs that the regression gate must find, each as a context that plants it in this process, and their executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from analysis import scores
from benchmarks.engine.executor import Finished, Progress, Schedule, Settings
from benchmarks.store.store import Store
from benchmarks.tasks import Split, subsample
from benchmarks.training import prepared
from benchmarks.training.execute import execute
from benchmarks.training.job import Job
from smart_repro import encoding, perturbation
from smart_repro.encoding import Encoded
from smart_repro.methods.bregman import BregmanTerm
from smart_repro.methods.smart import Smart
from smart_repro.methods.smoothness import SmoothnessTerm
from smart_repro.perturbation import project_l2
from smart_repro.sampler import update_batches

_batch, _make_terms, _subsample, _holdout = Encoded.batch, Smart.make_terms, subsample.subsample, subsample.holdout


class InProcess:
    """An executor that does its runs in this process, in which the bugs are planted."""

    def parallel(self, jobs: Sequence[Job]) -> int:
        """Return 1: runs are done one after the other."""
        return 1

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        """Do the jobs in order and yield their outcomes."""
        schedule = Schedule(jobs)
        while not should_stop() and (job := schedule.next()) is not None:
            yield from schedule.finish(job, execute(job, Store(settings.results)))


@contextmanager
def _patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    with patch.object(owner, name, value):
        yield


def sign_of_r_s() -> AbstractContextManager[None]:
    """Subtract R_s from the loss instead of adding it."""

    def flipped(self: Smart) -> Any:
        return [(-weight if isinstance(term, SmoothnessTerm) else weight, term) for weight, term in _make_terms(self)]

    return _patched(Smart, "make_terms", flipped)


def teacher_not_updated() -> AbstractContextManager[None]:
    """Keep the teacher of D_Breg at theta_0."""
    return _patched(BregmanTerm, "after_step", lambda self, model, step: None)


def labels_shifted() -> AbstractContextManager[None]:
    """Give each example of a batch the label of the one before it."""

    def shifted(self: Encoded, rows: np.ndarray, device: torch.device) -> dict[str, Tensor]:
        batch = _batch(self, rows, device)
        return {**batch, "labels": batch["labels"].roll(1)}

    return _patched(Encoded, "batch", shifted)


def wrong_projection() -> AbstractContextManager[None]:
    """Project the perturbation on the l2 ball."""
    return _patched(perturbation, "project_linf", project_l2)


def dropout_reading_swapped() -> AbstractContextManager[None]:
    """Use shared masks for independent ones, and independent masks for shared ones."""

    def swapped(self: SmoothnessTerm, passes: Any, name: str, delta: Tensor) -> Tensor:
        masks = "clean" if self.config.dropout == "independent" else name
        logits: Tensor = passes.perturbed(masks, delta, self.site, dropout=self.config.dropout != "off")
        return logits

    return _patched(SmoothnessTerm, "_shifted", swapped)


def order_broken() -> AbstractContextManager[None]:
    """Repeat the order of the first epoch in every epoch."""

    def repeated(lengths: np.ndarray, size: int, seed: int, epoch: int) -> list[np.ndarray]:
        return update_batches(lengths, size, seed, 0)

    return _patched(encoding, "update_batches", repeated)


def subsample_seed_ignored() -> AbstractContextManager[None]:
    """Draw the training examples of seed 0 for every seed."""
    return _patched(prepared, "subsample", lambda split, size, seed: _subsample(split, size, 0))


def trained_on_the_holdout() -> AbstractContextManager[None]:
    """Train on the holdout too."""

    def kept(split: Split, rows: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return rows, _holdout(split, rows, fraction, seed)[1]

    return _patched(prepared, "holdout", kept)


def f1_of_class_0() -> AbstractContextManager[Any]:
    """Count class 0 as the positive one in F1."""
    right = scores.METRICS["f1"]
    wrong = replace(
        right, function=lambda labels, predictions, weights: right.function(1 - labels, 1 - predictions, weights)
    )
    return patch.dict(scores.METRICS, {"f1": wrong})


# Bugs in the choice of training examples and in their scores, which the cells of the gate's own grid find.
IN_DATA: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "seed ignored in the subsample": subsample_seed_ignored,
    "training on the holdout": trained_on_the_holdout,
    "F1 of class 0": f1_of_class_0,
}
PLANTED: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "sign of R_s": sign_of_r_s,
    "teacher not updated": teacher_not_updated,
    "labels shifted": labels_shifted,
    "wrong projection": wrong_projection,
    "dropout reading swapped": dropout_reading_swapped,
    "data order broken": order_broken,
}
