"""Warning for a model whose ``forward`` computes another loss from labels than the one that is trained.

The Trainer trains that loss. A method calls the model without labels and computes the task loss from its logits, so a
model with class weights, for example, would be trained without them.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro import models
from smart_repro.hf import updates
from smart_repro.methods import Method
from smart_repro.methods.base import Passes, dropping
from smart_repro.methods.vanilla import Vanilla
from smart_repro.seeding import seeded

_TOLERANCE = {torch.float16: 1e-2, torch.bfloat16: 1e-2}  # relative; the model may compute its loss in the logits' type


def warn_if_ignored(model: nn.Module, batch: dict[str, Tensor], method: Method) -> None:
    """Warn if the model's own loss on a batch is not the task loss; a method with a task loss of its own is exempt.

    The whole batch and its first row alone are compared: class weights do not show on one row, and label smoothing may
    cancel out over a batch. The model is called without dropout and gradient; its mode, its ``config.problem_type`` and
    the random numbers are left as they were.

    Args:
        model: the classifier.
        batch: labelled rows, on the model's device.
        method: the method, after ``setup``.
    """
    if type(method).task_loss not in (Method.task_loss, Vanilla.task_loss):
        return
    for rows in (batch, updates.select(batch, torch.arange(1))):
        outcome = _called_with_labels(model, rows)
        if outcome is None:
            return
        loss, logits = outcome
        passes = Passes(model, rows, method.streams, "fp32")
        expected = float(Method.task_loss(method, logits if logits.dtype == torch.float64 else logits.float(), passes))
        if not math.isclose(loss, expected, rel_tol=_TOLERANCE.get(logits.dtype, 1e-5), abs_tol=1e-7):
            warnings.warn(
                f"{type(models.inside_adapters(model)).__name__} computes a loss of its own from labels ({loss:.5g} on "
                f"the first {updates.row_count(rows)} rows, the task loss is {expected:.5g}), which method "
                f"{method.name!r} does not train: pass compute_loss_func, which replaces the task loss inside the "
                "method",
                stacklevel=2,
            )
            return


def _called_with_labels(model: nn.Module, batch: dict[str, Tensor]) -> tuple[float, Tensor] | None:
    """Return the model's own loss and its logits; None if it computes none."""
    config = getattr(models.inside_adapters(model), "config", None)
    problem_type = getattr(config, "problem_type", None)
    inputs = {**models.inputs(model, batch), "labels": batch["labels"]}
    try:
        inspect.signature(model.forward).bind(**inputs)
        with seeded(0, batch["labels"].device), torch.no_grad(), dropping(model, False):
            output: Any = model(**inputs)
    except Exception:  # training never calls the model with labels, so it may well fail here
        return None
    finally:
        if hasattr(config, "problem_type"):
            setattr(config, "problem_type", problem_type)  # noqa: B010  (the model sets it when it sees labels)
    if isinstance(output, tuple) and len(output) > 1:
        loss, logits = output[:2]
    elif isinstance(output, Mapping):
        loss, logits = output.get("loss"), output.get("logits")
    else:
        loss, logits = getattr(output, "loss", None), getattr(output, "logits", None)
    if not isinstance(loss, Tensor) or not isinstance(logits, Tensor) or loss.numel() != 1 or not loss.isfinite():
        return None
    return float(loss), logits


__all__ = ["warn_if_ignored"]
