"""Optimisers and learning-rate schedules, by their names in a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from smart_repro import models


class UncorrectedAdam(torch.optim.Optimizer):
    """Adam with decoupled weight decay and without bias correction: the optimiser of the original BERT code.

    Its first steps are up to ten times longer than Adam's, a known reason why training on small tasks collapses (Zhang
    et al. 2021, Revisiting Few-sample BERT Fine-tuning, section 4).
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the parameters, and return the closure's loss if there is one."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            means, squares = self._moments(parameters)
            first, second = group["betas"]
            torch._foreach_lerp_(means, gradients, 1 - first)
            torch._foreach_mul_(squares, second)
            torch._foreach_addcmul_(squares, gradients, gradients, value=1 - second)
            scale = torch._foreach_add(torch._foreach_sqrt(squares), group["eps"])
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_addcdiv_(parameters, means, scale, value=-group["lr"])
        return loss

    def _moments(self, parameters: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {"mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
        states = [self.state[parameter] for parameter in parameters]
        return [state["mean"] for state in states], [state["square"] for state in states]


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, fused=True),
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr, fused=True),
    "adam-uncorrected": lambda groups, lr: UncorrectedAdam(groups, lr=lr),
    "radam": lambda groups, lr: torch.optim.RAdam(groups, lr=lr, decoupled_weight_decay=True, foreach=True),
}
SCHEDULES = ("linear", "slanted", "constant")


def build(
    groups: list[dict[str, Any]], model: nn.Module, *, name: str, lr: float, head_lr: float | None = None
) -> torch.optim.Optimizer:
    """Return the optimiser for a method's parameter groups.

    Args:
        groups: result of :meth:`Method.param_groups`.
        model: the classifier.
        name: key of ``OPTIMIZERS``.
        lr: learning rate of groups without one.
        head_lr: learning rate of the parameters outside the pre-trained encoder (second paper, section 4.2: 1e-3).

    Raises:
        ValueError: the optimiser is unknown.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}")
    if head_lr is not None:
        head = {id(parameter) for parameter in models.head_parameters(model)}
        groups = [part for group in groups for part in _split(group, head, head_lr)]
    return OPTIMIZERS[name]([group for group in groups if group["params"]], lr)


def schedule(optimizer: torch.optim.Optimizer, name: str, total_steps: int, warmup: float) -> LambdaLR:
    """Return the schedule of the factor on the learning rate.

    Args:
        optimizer: the optimiser.
        name: ``"linear"``: up during the warm-up, then down to 0; ``"slanted"``: the same shape, never below 1/32
            (Howard and Ruder 2018, equation 3); ``"constant"``: up, then constant.
        total_steps: number of updates.
        warmup: share of ``total_steps``.

    Raises:
        ValueError: the schedule is unknown.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {name!r}")
    rising = max(1, round(warmup * total_steps)) if warmup else 0

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / rising) if rising else 1.0
        if step < rising or name == "constant":
            share = rise
        else:
            share = max(0.0, (total_steps - step) / max(1, total_steps - rising))
        return (1 + share * 31) / 32 if name == "slanted" else share

    return LambdaLR(optimizer, factor)


def _split(group: dict[str, Any], head: set[int], head_lr: float) -> list[dict[str, Any]]:
    inside = [p for p in group["params"] if id(p) in head]
    outside = [p for p in group["params"] if id(p) not in head]
    return [{**group, "params": outside}, {**group, "params": inside, "lr": head_lr}]
