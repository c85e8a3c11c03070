"""What hooks draw from the global generators: the same at the same place of a run, and nothing left behind."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from test_train import CONFIG, little_bert, weights

from smart_repro.checkpoint import Checkpoint
from smart_repro.draws import GlobalDraws
from smart_repro.encoding import Encoded
from smart_repro.methods import build
from smart_repro.methods.base import Method
from smart_repro.train import Interrupted, train


class Restless(Method):
    """Draws from every global generator in every hook that is seeded."""

    name = "restless"

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[tuple[str, float, float, float]] = []

    def draw(self, hook: str) -> None:
        self.drawn.append((hook, float(torch.rand(())), float(np.random.rand()), random.random()))  # noqa: NPY002

    def setup(self, model, total_steps, *, task_loss=None):
        super().setup(model, total_steps, task_loss=task_loss)
        self.draw("setup")

    def backward(self, model, batch, backward):
        self.draw("backward")
        loss = self.loss(model, batch)
        backward(loss.total * (1 + 0.1 * torch.rand_like(loss.total)))
        return loss

    def after_step(self, model, step):
        super().after_step(model, step)
        self.draw("after_step")


@pytest.fixture(scope="module")
def data() -> Encoded:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 12, 70)
    tokens = rng.integers(5, 40, lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded({"input_ids": tokens}, offsets, {"input_ids": 0}, np.arange(70), rng.integers(0, 2, 70))


def trained(method: Method, data: Encoded, **options: object) -> torch.Tensor:
    return weights(train(little_bert(), method, data, CONFIG, cpu=True, **options))  # type: ignore[arg-type]


def test_draws_depend_on_seed_hook_and_place_alone(data: Encoded) -> None:
    first, second = Restless(), Restless()
    random.seed(1)
    one = trained(first, data)
    torch.rand(7)
    random.seed(2)
    np.random.seed(3)  # noqa: NPY002
    assert torch.equal(trained(second, data), one)
    assert first.drawn == second.drawn
    assert len(set(first.drawn)) == len(first.drawn) == 1 + 2 * 15


def test_a_run_that_is_gone_on_with_draws_what_the_other_drew(data: Encoded, tmp_path: Path) -> None:
    whole, first, second = Restless(), Restless(), Restless()
    one = trained(whole, data)
    with pytest.raises(Interrupted):
        trained(first, data, checkpoint=Checkpoint(tmp_path / "c.pt"), should_stop=lambda: len(first.drawn) > 10)
    assert torch.equal(trained(second, data, checkpoint=Checkpoint(tmp_path / "c.pt")), one)
    assert first.drawn + second.drawn[1:] == whole.drawn


def test_the_generators_are_left_as_they_were(data: Encoded) -> None:
    def states() -> tuple[object, ...]:
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    model = little_bert()
    before = states()
    train(model, Restless(), data, CONFIG, cpu=True)
    assert states() == before

    class Failing(Restless):
        def after_step(self, model, step):
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        train(model, Failing(), data, CONFIG, cpu=True)
    assert states() == before


@pytest.mark.parametrize(
    "name", ["vanilla", "smart", "smart-released", "r-drop", "r3f", "freelb", "sda", "self-ensemble", "lora"]
)
def test_no_bit_of_a_built_in_method_hangs_on_the_global_generators(
    name: str, data: Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "lora":
        pytest.importorskip("peft")
    seeded = trained(build(name), data)
    monkeypatch.setattr(GlobalDraws, "seed", lambda self, hook, update, micro=0: None)
    torch.manual_seed(99)
    assert torch.equal(trained(build(name), data), seeded)
