"""The loop: order of data, accumulation, exact resume, and what it refuses to carry on with."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded
from smart_repro.evaluation import predict
from smart_repro.methods import build
from smart_repro.methods.base import Method
from smart_repro.train import (
    Interrupted,
    MissingSignalError,
    NonFiniteLossError,
    Observer,
    Plan,
    TrainConfig,
    plan,
    train,
)

CONFIG = TrainConfig(epochs=3, learning_rate=1e-3, batch_size=16)


def little_bert(dropout: float = 0.1) -> nn.Module:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return BertForSequenceClassification(config)


@pytest.fixture(scope="module")
def data() -> Encoded:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 12, 70)
    tokens = rng.integers(5, 40, lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded({"input_ids": tokens}, offsets, {"input_ids": 0}, np.arange(70), rng.integers(0, 2, 70))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


class Log(Observer):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.epochs: list[tuple[int, int, bool]] = []
        self.resumed_at: list[int] = []

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.rows += rows

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        self.epochs.append((epoch, step, last))

    def resumed(self, step: int) -> None:
        self.resumed_at.append(step)


def test_every_update_is_logged_once_with_its_parts(data: Encoded) -> None:
    log = Log()
    train(little_bert(), build("smart"), data, CONFIG, observer=log, cpu=True)
    assert [row["step"] for row in log.rows] == list(range(1, 16))
    assert log.epochs == [(1, 5, False), (2, 10, False), (3, 15, True)]
    row = log.rows[0]
    assert row["loss"] == pytest.approx(row["task"] + row["smoothness"] + row["bregman"], rel=1e-6)
    assert row["max_abs_delta"] <= 1e-5 * (1 + 1e-6)


def test_the_same_call_gives_the_same_weights_bit_for_bit(data: Encoded) -> None:
    first, second = (train(little_bert(), build("smart"), data, CONFIG, cpu=True) for _ in range(2))
    assert torch.equal(weights(first), weights(second))


def test_the_global_generator_is_left_as_it_was(data: Encoded) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    model = little_bert()
    torch.random.set_rng_state(before)
    train(model, build("smart"), data, replace(CONFIG, epochs=1), cpu=True)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("stop_after", [1, 7, 14])
@pytest.mark.parametrize("optimizer", ["adamw", "adam-uncorrected", "radam"])
def test_a_stopped_run_goes_on_bit_for_bit(data: Encoded, tmp_path: Path, stop_after: int, optimizer: str) -> None:
    config = replace(CONFIG, optimizer=optimizer)
    whole = train(little_bert(), build("smart"), data, config, cpu=True)
    calls = iter(range(1, 100))
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    with pytest.raises(Interrupted):
        train(
            little_bert(),
            build("smart"),
            data,
            config,
            checkpoint=checkpoint,
            should_stop=lambda: next(calls) == stop_after,
            cpu=True,
        )
    log = Log()
    resumed = train(little_bert(), build("smart"), data, config, checkpoint=checkpoint, observer=log, cpu=True)
    assert log.resumed_at == [stop_after]
    assert log.rows[0]["step"] == stop_after + 1
    assert torch.equal(weights(whole), weights(resumed))


def test_two_times_eight_is_one_times_sixteen(data: Encoded) -> None:
    """Without dropout, in float64-like agreement: the update's gradient is the mean over its examples either way."""
    runs = [
        train(little_bert(0.0), build("vanilla"), data, replace(CONFIG, accumulation=parts), cpu=True)
        for parts in (1, 2, 3)
    ]
    for other in runs[1:]:
        assert torch.allclose(weights(runs[0]), weights(other), atol=2e-5)


def test_methods_share_data_order_and_clean_masks_at_one_seed(data: Encoded) -> None:
    """The first update's task loss is the same number for every method: same examples, same dropout."""
    losses = {}
    for name in ("vanilla", "smart", "bregman"):
        log = Log()
        train(little_bert(), build(name), data, replace(CONFIG, max_steps=1), observer=log, cpu=True)
        losses[name] = log.rows[0]["task"]
    assert len(set(losses.values())) == 1


def test_the_learning_rate_rises_and_falls(data: Encoded) -> None:
    log = Log()
    train(little_bert(), build("vanilla"), data, replace(CONFIG, warmup=0.2), observer=log, cpu=True)
    rates = [row["lr"] for row in log.rows]
    assert rates[2] == pytest.approx(1e-3)
    assert rates[:3] == sorted(rates[:3])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(1e-3 / 12)


def test_the_head_has_its_own_learning_rate(data: Encoded) -> None:
    """With an encoder rate of almost nothing and a head rate, only the head moves."""
    before = little_bert()
    config = replace(CONFIG, learning_rate=1e-12, head_learning_rate=1e-2, weight_decay=0.0, max_steps=5)
    after = train(little_bert(), build("vanilla"), data, config, cpu=True)
    moved = {
        name
        for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True)
        if not torch.allclose(old, new, atol=1e-9)
    }
    assert moved == {"classifier.weight", "classifier.bias"}


class Exploding(Method):
    name = "exploding"

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> Any:
        loss = super().loss(model, batch)
        return replace(loss, total=loss.total * (math.nan if self.streams.step == 3 else 1.0))


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(data: Encoded) -> None:
    log = Log()
    with pytest.raises(NonFiniteLossError, match=r"update 4: .*loss=nan"):
        train(little_bert(), Exploding(), data, CONFIG, observer=log, cpu=True)
    assert len(log.rows) >= 4


class Silent(Method):
    name = "silent"

    def expected_signals(self) -> frozenset[str]:
        return frozenset({"smoothness"})


def test_a_regulariser_that_never_speaks_stops_the_run(data: Encoded) -> None:
    with pytest.raises(MissingSignalError, match="smoothness was exactly 0"):
        train(little_bert(), Silent(), data, CONFIG, cpu=True)


def test_a_control_without_perturbation_may_stay_silent(data: Encoded) -> None:
    train(little_bert(), build("smoothness", direction="none"), data, replace(CONFIG, epochs=1), cpu=True)


def test_replays_divide_the_epochs() -> None:
    config = TrainConfig(epochs=6, batch_size=10)
    assert plan(100, config) == Plan(60, 10, 1)
    assert plan(100, config, replays=3) == Plan(60, 10, 3)
    replayed = plan(100, config, replays=3)
    assert [replayed.position(step) for step in (0, 1, 2, 3, 30)] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 0, 2),
        (0, 1, 0),
        (1, 0, 0),
    ]
    assert [step for step in range(1, 61) if replayed.ends_epoch(step)] == [30, 60]


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        plan(0, TrainConfig())


def test_bf16_reaches_the_task_loss_of_plain_training_but_not_of_smart(data: Encoded) -> None:
    """SMART's clean side is one side of a divergence, so it stays float32 and its task loss is the float32 one."""
    losses = {}
    for name in ("vanilla", "smart"):
        for precision in ("fp32", "bf16"):
            log = Log()
            config = replace(CONFIG, precision=precision, max_steps=1)
            train(little_bert(), build(name), data, config, observer=log, cpu=True)
            losses[name, precision] = log.rows[0]["task"]
    assert losses["vanilla", "bf16"] != losses["vanilla", "fp32"]
    assert losses["vanilla", "bf16"] == pytest.approx(losses["vanilla", "fp32"], abs=0.02)
    assert losses["smart", "bf16"] == losses["smart", "fp32"] == losses["vanilla", "fp32"]


def test_predictions_come_in_the_order_of_the_data_whatever_the_batches(data: Encoded) -> None:
    model = little_bert().train()
    whole, bits = predict(model, data, tokens=10_000), predict(model, data, tokens=16)
    assert whole.shape == (70, 2)
    assert np.allclose(whole, bits, atol=1e-5)
    one = predict(model, data, tokens=1)
    row = 17
    batch = data.batch(np.array([row]))
    model.eval()
    alone = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.detach().numpy()
    assert np.allclose(one[row], alone, atol=1e-5)


def test_prediction_leaves_the_model_in_its_mode(data: Encoded) -> None:
    model = little_bert().train()
    predict(model, data)
    assert model.training
