"""Timed contenders: whole training steps, each with its own model, optimiser and method."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from smart_repro.methods import build
from smart_repro.models import embedding_site

Step = Callable[[], None]
WINDOW = 6


@dataclass(frozen=True)
class Setting:
    """The common start of all contenders.

    Attributes:
        model: function that makes a copy of the model, in training mode.
        batch: the examples of every step.
        warm: untimed steps at the start, after which optimisers have allocated their state.
    """

    model: Callable[[], nn.Module]
    batch: dict[str, Tensor]
    warm: int


@dataclass(frozen=True)
class Contender:
    """One way to make an update.

    Attributes:
        name: row of the table.
        units: cost in theory, in forward passes; a plain step is 3.
        make: function that builds its step.
        limits: per denominator (name of another contender) the ratio not to exceed.
        note: remark about the row.
    """

    name: str
    units: float
    make: Callable[[Setting], Step]
    limits: dict[str, float] = field(default_factory=dict)
    note: str = ""


def fused(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with one fused kernel for all tensors."""
    return torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)


def default(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with torch's default implementation."""
    return torch.optim.AdamW(model.parameters(), lr=2e-5)


def suite_step(name: str, optimizer: Callable[[nn.Module], torch.optim.Optimizer] = fused, **options: Any) -> Any:
    """Build a step of a registered method as the training loop makes it: backward, clip, update, hook."""

    def make(setting: Setting) -> Step:
        model, method = setting.model(), build(name, **options)
        method.setup(model, 1000)
        updating = optimizer(model)
        done = 0
        for _ in range(WINDOW):  # the first timed step already has past students
            done += 1
            method.after_step(model, done)

        def step() -> None:
            nonlocal done
            method.begin(0, done % method.replays, done)
            method.backward(model, setting.batch, torch.Tensor.backward)
            _update(model, updating)
            done += 1
            method.after_step(model, done)

        return step

    return make


def smart_pytorch(optimizer: Callable[[nn.Module], torch.optim.Optimizer] = fused) -> Any:
    """Build the step of the popular port as its README shows it, without Bregman term and teacher."""

    def make(setting: Setting) -> Step:
        from smart_pytorch import SMARTLoss, kl_loss, sym_kl_loss

        model = setting.model()
        updating, batch = optimizer(model), setting.batch
        block = embedding_site(model, "block")

        def logits_of(embeddings: Tensor) -> Tensor:
            logits: Tensor = model(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits
            return logits

        term = SMARTLoss(eval_fn=logits_of, loss_fn=kl_loss, loss_last_fn=sym_kl_loss)

        def step() -> None:
            embeddings = block(batch["input_ids"])
            state = logits_of(embeddings)
            (F.cross_entropy(state, batch["labels"]) + 0.02 * term(embeddings, state)).backward()
            _update(model, updating)

        return step

    return make


def _update(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


PLAIN, PLAIN_DEFAULT, PORT = "plain, fused AdamW", "plain, default AdamW", "smart-pytorch 0.0.4"


def contenders() -> list[Contender]:
    """Return all rows, in order; the port only where it is installed."""
    smart = {PLAIN: 3.15, PORT: 1.12}
    exact = {PLAIN: 2.7, PORT: 0.95}
    rows = [
        Contender(PLAIN, 3, suite_step("vanilla")),
        Contender(
            PLAIN_DEFAULT, 3, suite_step("vanilla", default), note="torch's own default, a loop over tensors on the CPU"
        ),
        Contender("smart, Algorithm 1", 9, suite_step("smart"), smart),
        Contender("smart, exact ascent", 8, suite_step("smart", ascent="exact"), exact),
        Contender(
            "smart-released", 8, suite_step("smart-released"), note="the public code's term, in the suite's loop"
        ),
        Contender("r-drop", 6, suite_step("r-drop"), {PLAIN: 2.05}),
        Contender("sda K=1", 4, suite_step("sda", K=1), {PLAIN: 1.45}),
        Contender("sda K=5", 4, suite_step("sda", K=5), {PLAIN: 1.45}),
        Contender("sda K=all", 4, suite_step("sda", K="all"), {PLAIN: 1.45}, "one further copy of the weights"),
        Contender("sdv K=1", 4, suite_step("sdv", K=1)),
        Contender("sdv K=5", 8, suite_step("sdv", K=5), note="five forward passes of past students"),
        Contender("freelb K=3", 9, suite_step("freelb", K=3)),
    ]
    if importlib.util.find_spec("smart_pytorch"):
        ported = [
            Contender(PORT, 8, smart_pytorch(), note="no Bregman term; same optimiser as the suite"),
            Contender(f"{PORT}, default AdamW", 8, smart_pytorch(default), note="as its users run it"),
        ]
        rows[2:2] = ported
    return rows
