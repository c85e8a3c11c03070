"""Contract of the methods: promises that every method keeps, each checked by training a small random encoder.

The tests check all registered methods; ``smart-repro check-plugin`` checks a method of another package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded
from smart_repro.methods.base import PARTS, Method
from smart_repro.scalars import MissingSignalError
from smart_repro.train import Interrupted, TrainConfig, train

VOCABULARY = 60
TOLERANCE = 1e-7  # between weights after one batch and after its two halves, in float64
CONFIG = TrainConfig(epochs=3, batch_size=8, learning_rate=1e-3, warmup=0.0)


class ContractError(AssertionError):
    """A promise that a method does not keep; the message gives the observation and the place to look at."""


def random_encoder(outputs: int = 2, dropout: float = 0.1, seed: int = 0) -> nn.Module:
    """Return a random BERT classifier of two layers, in training mode; one output is a regression."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 32,
        "num_labels": outputs,
        "initializer_range": 0.2,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    model: nn.Module = BertForSequenceClassification(BertConfig(**sizes)).train()
    return model


def toy_sentences(n: int = 16, outputs: int = 2, seed: int = 0) -> Encoded:
    """Return random sentences whose label is learnable; ``outputs=1`` gives targets from 0 to 5."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 11, n)
    labels = rng.uniform(0, 5, n) if outputs == 1 else rng.integers(0, outputs, n)
    tokens = [rng.integers(5, VOCABULARY, length) for length in lengths]
    for words, label in zip(tokens, labels, strict=True):
        words[1] = 5 + int(label)
    return Encoded(
        columns={"input_ids": np.concatenate(tokens).astype(np.int32)},
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        padding={"input_ids": 0},
        ids=np.arange(n),
        labels=labels,
    )


def are_equal(a: nn.Module, b: nn.Module) -> bool:
    """Return True if two models have the same weights, bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


class MethodContract:
    """The promises of one method; each check raises :class:`ContractError` where one is broken.

    Args:
        build: function that returns a new, configured instance of the method.
        is_silent_without_dropout: True if a loss term of the method is exactly 0 without dropout; the loop refuses such
            a run.
    """

    def __init__(self, build: Callable[[], Method], *, is_silent_without_dropout: bool = False) -> None:
        self.build = build
        self.is_silent_without_dropout = is_silent_without_dropout

    @cached_property
    def straight(self) -> nn.Module:
        """Model of an uninterrupted run of 6 updates at seed 0."""
        return self.trained()

    def trained(
        self, model: nn.Module | None = None, *, loop: Mapping[str, Any] | None = None, **config: Any
    ) -> nn.Module:
        """Train on the CPU and return the model that the method evaluates."""
        model = random_encoder() if model is None else model
        return train(model, self.build(), toy_sentences(), replace(CONFIG, **config), cpu=True, **(loop or {}))

    def check_losses(self, outputs: int) -> None:
        """Check in two updates that loss, parts and gradients are finite, and that the names of parts are in PARTS."""
        model, method = random_encoder(outputs), self.build()
        method.setup(model, 2)
        groups = [group for group in method.param_groups(model, 1e-3, 0.01) if group["params"]]
        self._check_groups(groups, model)
        optimizer = torch.optim.AdamW(groups)
        for step in range(2):
            method.begin(0, step % method.replays, step)
            loss = method.backward(model, toy_sentences(6, outputs).batch(np.arange(6)), torch.Tensor.backward)
            self._check_loss(loss)
            self._check_gradients(model)
            optimizer.step()
            optimizer.zero_grad()
            method.after_step(model, step + 1)
        unknown_parts = method.expected_signals() - set(PARTS)
        _require(
            not unknown_parts, f"expected_signals names {sorted(unknown_parts)}; parts are called {', '.join(PARTS)}"
        )
        _require(model.training, "the model is left in evaluation mode: put it back with model.train()")

    def check_frozen(self) -> None:
        """Check that parameters frozen by setup are unchanged after three updates, and that others have changed."""
        model, fresh = random_encoder(), random_encoder()
        self.trained(model, max_steps=3)
        self.build().setup(fresh, 6)
        for (name, initial), (_, trained) in zip(fresh.named_parameters(), model.named_parameters(), strict=True):
            _require(initial.requires_grad == trained.requires_grad, f"requires_grad of {name} changes after setup")
            _require(trained.requires_grad or torch.equal(initial, trained), f"{name} is frozen and moves all the same")
        _require(not are_equal(fresh, model), "no parameter moves in three updates")

    def check_seeds(self) -> None:
        """Check that weights depend on the run's seeds, and not on the state of the global generators."""
        first = self.straight
        torch.manual_seed(99)
        _require(are_equal(first, self.trained()), "two runs of the same seeds have different weights")
        reseeded_model = self.trained(seed_order=5, seed_dropout=5, seed_noise=5)
        _require(not are_equal(first, reseeded_model), "runs of other seeds have the same weights")

    def check_difference(self) -> None:
        """Check that the evaluated weights differ from those of plain fine-tuning after 6 updates."""
        plain_weights, weights = (
            {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
            for model in (MethodContract(Method).straight, self.straight)
        )
        differs = any(not torch.equal(plain_weights[name], weights[name]) for name in plain_weights)
        _require(differs, "it gives what plain fine-tuning gives, bit for bit: is its loss, or its model, used?")

    def check_resuming(self) -> None:
        """Check that a run stopped after 2 updates and resumed equals an uninterrupted one, bit for bit."""
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Checkpoint(Path(folder) / "state.pt")
            stop_checks = iter(range(1, 100))
            try:
                self.trained(loop={"checkpoint": checkpoint, "should_stop": lambda: next(stop_checks) == 2})
            except Interrupted:
                torch.manual_seed(123)
            else:
                raise ContractError("training cannot be stopped after an update")
            resumed = self.trained(loop={"checkpoint": checkpoint})
        message = "a run that was stopped and resumed has other weights: keep what it needs in state_dict()"
        _require(are_equal(self.straight, resumed), message)

    def check_accumulation(self) -> None:
        """Check that micro-batches of 3, 3 and 2 give the same weights as batches of 8, after 4 updates in float64.

        Dropout is off. The sizes differ in order to detect a loss that is a sum: with equal sizes the sum is a multiple
        of the mean, and Adam and clipping cancel the factor. In float32 some gradients that are 0 in theory (those of
        attention's key bias) are rounding noise, which Adam scales up.
        """
        results = []
        for accumulation in (1, 3):
            model = random_encoder(dropout=0.0).double()
            silent: tuple[type[Exception], ...] = (MissingSignalError,) if self.is_silent_without_dropout else ()
            with suppress(*silent):
                self.trained(model, accumulation=accumulation, max_steps=4)
            results.append(model)
        for (name, a), b in zip(results[0].named_parameters(), results[1].parameters(), strict=True):
            largest = float((a - b).detach().abs().max())
            _require(largest <= TOLERANCE, f"{name} differs by {largest:.1e}: the loss is no mean over the examples")

    def check_half_precision(self) -> None:
        """Check that weights are finite and stay float32 in three updates in bf16."""
        for parameter in self.trained(precision="bf16", max_steps=3).parameters():
            _require(bool(torch.isfinite(parameter).all()), "weights are not finite after three updates in bf16")
            _require(parameter.dtype == torch.float32, f"weights become {parameter.dtype} in bf16")

    def _check_groups(self, groups: list[dict[str, Any]], model: nn.Module) -> None:
        grouped_parameters = [id(parameter) for group in groups for parameter in group["params"]]
        _require(len(set(grouped_parameters)) == len(grouped_parameters), "param_groups lists a parameter twice")
        model_parameters = {id(parameter) for parameter in model.parameters()}
        _require(
            set(grouped_parameters) <= model_parameters,
            "param_groups lists parameters that are not the model's, such as a teacher's",
        )

    def _check_loss(self, loss: Any) -> None:
        _require(bool(torch.isfinite(loss.total)), f"the loss is {loss.total}")
        _require(bool(loss.parts), "the loss has no parts: give at least task")
        unknown_parts = set(loss.parts) - set(PARTS)
        _require(not unknown_parts, f"loss parts are called {', '.join(PARTS)}; got {', '.join(sorted(unknown_parts))}")
        for name, part in loss.parts.items():
            _require(not part.requires_grad, f"the part {name} must be detached: it is logged, not trained")
            _require(part.dim() == 0 and bool(torch.isfinite(part)), f"the part {name} is no finite number")
        for name, value in loss.info.items():
            _require(value.dim() == 0 and bool(torch.isfinite(value)), f"info {name} is no finite number")

    def _check_gradients(self, model: nn.Module) -> None:
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        _require(all(bool(torch.isfinite(gradient).all()) for gradient in gradients), "a gradient is not finite")
        _require(any(bool(gradient.abs().max() > 0) for gradient in gradients), "every gradient is 0")


PROMISES: Mapping[str, Callable[[MethodContract], None]] = {
    "finite losses and gradients in a regression": lambda contract: contract.check_losses(1),
    "finite losses and gradients with two classes": lambda contract: contract.check_losses(2),
    "finite losses and gradients with three classes": lambda contract: contract.check_losses(3),
    "only open parameters move": MethodContract.check_frozen,
    "the same seeds give the same weights, others do not": MethodContract.check_seeds,
    "it does something that plain fine-tuning does not": MethodContract.check_difference,
    "stopping and resuming equals not stopping": MethodContract.check_resuming,
    "parts of a batch equal the batch": MethodContract.check_accumulation,
    "bf16 trains": MethodContract.check_half_precision,
}


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ContractError(message)
