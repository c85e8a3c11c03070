"""What the loop promises for any model holds for HNN: every method, resuming, accumulation, one seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded
from smart_repro.evaluation import predict
from smart_repro.hnn.model import Hnn
from smart_repro.hnn.options import HNN_HEADS
from smart_repro.methods import METHODS, build
from smart_repro.methods.base import Method
from smart_repro.train import Interrupted, TrainConfig, train

Little = Callable[..., Hnn]
CONFIG = TrainConfig(epochs=4, batch_size=4, learning_rate=1e-3, warmup=0.0)
OPTIONS: dict[str, dict[str, object]] = {"gradual-unfreezing": {"opening": 0.3}}
NAMES = [name for name in METHODS if name != "lora"]  # its adapters go into the attention of the encoder alone


def method_of(name: str) -> Method:
    return build(name, **OPTIONS.get(name, {}))


def equal(one: Hnn, other: Hnn) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("head", HNN_HEADS)
@pytest.mark.parametrize("name", NAMES)
def test_every_method_trains_it(name: str, head: str, little: Little, examples: Encoded) -> None:
    model = little(head)
    result = train(model, method_of(name), examples, CONFIG, cpu=True)
    assert all(torch.isfinite(value).all() for value in model.parameters())
    assert not equal(little(head), model)
    assert np.isfinite(predict(result, examples)).all()


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda"])
def test_stopping_and_resuming_equals_not_stopping(
    name: str, little: Little, examples: Encoded, tmp_path: Path
) -> None:
    straight = little()
    train(straight, method_of(name), examples, CONFIG, cpu=True)
    checkpoint, asked = Checkpoint(tmp_path / "state.pt"), iter(range(1, 100))
    with pytest.raises(Interrupted):
        train(
            little(),
            method_of(name),
            examples,
            CONFIG,
            checkpoint=checkpoint,
            should_stop=lambda: next(asked) == 2,
            cpu=True,
        )
    resumed = little()
    train(resumed, method_of(name), examples, CONFIG, checkpoint=checkpoint, cpu=True)
    assert equal(straight, resumed)


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda"])
def test_accumulating_two_halves_equals_one_batch(name: str, little: Little, examples: Encoded) -> None:
    """2 x 2 = 1 x 4 without dropout in float64: every term is a mean over examples, its noise drawn by example."""
    models = []
    for accumulation in (1, 2):
        model = little(dropout=0.0).double()
        config = TrainConfig(epochs=3, batch_size=4, accumulation=accumulation, learning_rate=1e-3, warmup=0.0)
        train(model, method_of(name), examples, config, cpu=True)
        models.append(model)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


@pytest.mark.parametrize("head", HNN_HEADS)
def test_it_learns_twins_that_differ_in_a_word(head: str, little: Little, examples: Encoded) -> None:
    """The first two sentences have the same candidates and other answers: nothing but the last words tells them."""
    model = little(head, dropout=0.0)
    config = TrainConfig(epochs=60, batch_size=4, learning_rate=3e-3, warmup=0.1)
    train(model, build("vanilla"), examples, config, cpu=True)
    assert predict(model, examples).argmax(1).tolist() == examples.labels.tolist()
