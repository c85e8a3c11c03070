"""Distances between two predictions that the papers use, as pure functions of logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Divergence = Callable[[Tensor, Tensor], Tensor]


def symmetric_kl(logits: Tensor, other_logits: Tensor) -> Tensor:
    """Return the symmetrised KL divergence ``KL(p||q) + KL(q||p)`` in nats, the mean over the batch.

    Source: SMART, section 3.1. Computed as ``sum (p - q)(log p - log q)`` in float32 or wider: every summand is >= 0,
    so nothing cancels. ``F.kl_div`` on the same inputs loses all digits at the paper's radius of 1e-5.

    Args:
        logits: ``(batch, classes)``, unnormalised; gradients flow.
        other_logits: same shape; detach it to keep a teacher fixed.

    Returns:
        Scalar, >= 0, zero only where both softmaxes agree.

    Raises:
        ValueError: the shapes differ, or there is a single logit, whose softmax is constant.
    """
    _same_shape(logits, other_logits)
    if logits.shape[-1] < 2:
        raise ValueError(
            f"a KL divergence needs at least two classes, got logits of shape {tuple(logits.shape)}: the softmax of "
            "one logit is always 1. For regression use squared_error."
        )
    log_p, log_q = _wide(logits).log_softmax(-1), _wide(other_logits).log_softmax(-1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1).mean()


def squared_error(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return ``(p - q)^2`` averaged over the batch (SMART, section 3.1, regression).

    Args:
        prediction: ``(batch,)`` or ``(batch, 1)``; gradients flow.
        reference: the same shape, because broadcasting ``(batch,)`` against ``(batch, 1)`` would compare all pairs.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(prediction, reference)
    return (_wide(prediction) - _wide(reference)).square().mean()


def logit_mse(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean squared difference of logits over batch and classes (Self-Distillation, equation 5).

    Taking the mean over classes is an interpretation; the paper does not state it.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(logits, teacher_logits)
    return (_wide(logits) - _wide(teacher_logits)).square().mean()


def for_target(target: str) -> Divergence:
    """Return the paper's ``l_s`` for ``"classification"`` or ``"regression"`` (SMART, section 3.1)."""
    return symmetric_kl if target == "classification" else squared_error


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(f"the two predictions differ in shape: {tuple(a.shape)} and {tuple(b.shape)}")


__all__ = ["for_target", "logit_mse", "squared_error", "symmetric_kl"]
