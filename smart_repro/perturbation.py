"""Perturbations of embeddings: the ascent that finds the worst one, and the hooks that apply one to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Ascent(NamedTuple):
    """Result of :func:`ascend`.

    Attributes:
        delta: ``(batch, length, width)``, detached, inside the ball.
        stuck: share of the batch whose gradient was exactly zero in the last step; these examples keep the noise.
    """

    delta: Tensor
    stuck: Tensor


def project_linf(delta: Tensor, radius: float) -> Tensor:
    """Return the nearest point of the l-infinity ball of the given radius (SMART, Algorithm 1, line 9)."""
    return delta.clamp(-radius, radius)


def project(delta: Tensor, radius: float, p: int | str = "inf") -> Tensor:
    """Return the nearest point of the ball of the given radius in the l_p norm of an example, p = ``"inf"`` or 2.

    Raises: ValueError: for another ``p``.
    """
    if p not in ("inf", 2):
        raise ValueError(f"p must be 'inf' or 2, got {p!r}")
    return project_linf(delta, radius) if p == "inf" else project_l2(delta, radius)


def random_signs(noise: Tensor, radius: float) -> Tensor:
    """Return the corner of the l-infinity ball that has the signs of ``noise``: as long as a saturated ascent.

    Entries that are 0 (padding) stay 0.
    """
    return radius * noise.sign()


def ascend(
    objective: Callable[[Tensor], Tensor],
    noise: Tensor,
    *,
    radius: float,
    step_size: float,
    steps: int = 1,
    mask: Tensor | None = None,
    norm_scope: str = "example",
    p: int | str = "inf",
) -> Ascent:
    """Projected normalised gradient ascent from ``noise`` (SMART, Algorithm 1, lines 6 to 10).

    Args:
        objective: scalar function of ``delta``; only its gradient with respect to ``delta`` is taken.
        noise: ``(batch, length, width)`` starting offset. Not zeros: at ``delta = 0`` the divergence is at its minimum,
            so its gradient vanishes and the ascent would never leave.
        radius: the paper's epsilon.
        step_size: the paper's eta.
        steps: the paper's T_x; 0 only projects the noise.
        mask: ``(batch, length)``, 0 on padding: no offset there.
        norm_scope: what the l-infinity norm of the gradient is taken over: ``"example"`` or ``"token"``.
        p: of the ball's norm and of the gradient's: ``"inf"``, or 2 for the Frobenius norm of a whole example.
    Raises: ValueError: for another ``norm_scope`` or ``p``, or a radius or step size that is not positive.
    """
    if radius <= 0 or step_size <= 0:
        raise ValueError(f"radius and step_size must be positive, got {radius} and {step_size}")
    keep = None if mask is None else mask.unsqueeze(-1).to(noise.dtype)
    delta = noise if keep is None else noise * keep
    stuck = torch.zeros((), device=noise.device)
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(delta), delta)
        if keep is not None:
            gradient = gradient * keep
        direction = normalise_linf(gradient, norm_scope) if p == "inf" else normalise_l2(gradient)
        stuck = (gradient.flatten(1).abs().amax(1) == 0).float().mean()
        delta = project(delta + step_size * direction, radius, p)
    return Ascent(project(delta, radius, p).detach(), stuck)


def step_l2(delta: Tensor, gradient: Tensor, *, step_size: float, radius: float, mask: Tensor) -> Tensor:
    """Return ``delta`` after one step along ``g / ||g||``, projected into the ball (FreeLB, line 10).

    Both norms are the Frobenius norm of an example. An example with a zero gradient is only projected.

    Args:
        delta: ``(batch, length, width)``.
        gradient: ``(batch, length, width)``.
        step_size: length of the step.
        radius: radius of the ball.
        mask: ``(batch, length)``, 0 on padding: no offset there.

    Returns:
        ``(batch, length, width)``, detached.
    """
    keep = mask.unsqueeze(-1).to(delta.dtype)
    gradient = gradient.detach() * keep
    norm = _frobenius(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)
    return project_l2((delta.detach() + step_size * gradient / norm) * keep, radius)


def project_l2(delta: Tensor, radius: float) -> Tensor:
    """Return the nearest point of the ball ``||delta|| <= radius``, in the Frobenius norm per example."""
    norm = _frobenius(delta).clamp_min(torch.finfo(delta.dtype).tiny)
    return delta * (radius / norm).clamp_max(1.0)


def _frobenius(values: Tensor) -> Tensor:
    norms: Tensor = values.flatten(1).norm(dim=1).view(-1, 1, 1)
    return norms


def normalise_linf(gradient: Tensor, norm_scope: str) -> Tensor:
    """Return ``g / ||g||_inf`` per example or per token (SMART, Algorithm 1, line 8).

    A zero gradient stays zero.

    Raises:
        ValueError: ``norm_scope`` is neither "example" nor "token".
    """
    dims = {"example": (1, 2), "token": (2,)}.get(norm_scope)
    if dims is None:
        raise ValueError(f"norm_scope must be 'example' or 'token', got {norm_scope!r}")
    norm = gradient.abs().amax(dim=dims, keepdim=True)
    return gradient / norm.clamp_min(torch.finfo(gradient.dtype).tiny)


def normalise_l2(gradient: Tensor) -> Tensor:
    """``g / ||g||_2`` per example, in the Frobenius norm; a zero gradient stays zero."""
    return gradient / _frobenius(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)


def _parts(output: Any) -> tuple[Tensor, tuple[Any, ...]]:
    """Split the output of an embedding module into vectors and further outputs (such as I-BERT's scale)."""
    return (output[0], output[1:]) if isinstance(output, tuple) else (output, ())


def _joined(vectors: Tensor, further_outputs: tuple[Any, ...]) -> Any:
    """Undo :func:`_parts`."""
    return (vectors, *further_outputs) if further_outputs else vectors


@contextmanager
def observed(module: nn.Module, *, time_first: bool = False, length: int | None = None) -> Iterator[list[Tensor]]:
    """Collect the outputs of ``module`` while inside: the embeddings of a pass, as part of its graph.

    If the embeddings are frozen, their output becomes a leaf that requires a gradient, so that an ascent can start from
    it.

    Args:
        module: the embedding module.
        time_first: True if ``module`` returns ``(length, batch, width)``; the collected outputs are batch first.
        length: tokens per text; tokens that a model appends inside are dropped (Longformer pads to its attention
            window).
    """
    outputs: list[Tensor] = []

    def collect(_module: nn.Module, _args: object, output: Any) -> Any:
        vectors, further_outputs = _parts(output)
        if torch.is_grad_enabled() and not vectors.requires_grad:
            vectors.requires_grad_()
        batch_first = vectors.transpose(0, 1) if time_first else vectors
        longer = length is not None and batch_first.shape[1] > length
        outputs.append(batch_first[:, :length] if longer else batch_first)
        # The collected tensor must be part of the model's computation, otherwise no gradient would reach it.
        used = torch.cat([outputs[-1], batch_first[:, length:]], 1) if longer else outputs[-1]
        return _joined(used.transpose(0, 1) if time_first else used, further_outputs)

    handle = module.register_forward_hook(collect)
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def shifted(module: nn.Module, delta: Tensor, *, time_first: bool = False) -> Iterator[None]:
    """Add ``delta`` to the first output of ``module`` while inside. The input is embedded once, as in the clean pass.

    Only the first output is shifted, because an encoder and a decoder may share the module, and the encoder comes
    first.

    Args:
        module: the embedding module.
        delta: ``(batch, length, width)``; tokens that the model appends inside are not shifted.
        time_first: True if ``module`` returns ``(length, batch, width)``.
    """
    first = True

    def add(_module: nn.Module, _args: object, output: Any) -> Any:
        nonlocal first
        if not first:
            return output
        first = False
        vectors, further_outputs = _parts(output)
        appended = vectors.shape[0 if time_first else 1] - delta.shape[1]
        offset = nn.functional.pad(delta, (0, 0, 0, appended)) if appended > 0 else delta
        return _joined(vectors + (offset.transpose(0, 1) if time_first else offset), further_outputs)

    handle = module.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


__all__ = [
    "Ascent",
    "ascend",
    "normalise_l2",
    "normalise_linf",
    "observed",
    "project",
    "project_l2",
    "project_linf",
    "random_signs",
    "shifted",
    "step_l2",
]
