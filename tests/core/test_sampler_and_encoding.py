"""Length buckets, padding and optimisers: every example once, few pads, schedules as their papers draw them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from smart_repro import optim
from smart_repro.encoding import Encoded
from smart_repro.sampler import pieces, update_batches


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=400), st.integers(1, 40), st.integers(0, 3))
def test_an_epoch_holds_every_example_once_in_full_updates(lengths: list[int], size: int, epoch: int) -> None:
    batches = update_batches(np.array(lengths), size, seed=1, epoch=epoch, pool=3)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    assert sum(len(batch) < size for batch in batches) <= 1


def test_the_order_belongs_to_seed_and_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 500)

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(update_batches(lengths, 16, seed, epoch)).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1) != order(1, 1)


def test_buckets_on_log_normal_lengths_pad_less_than_15_percent() -> None:
    lengths = np.clip(np.random.default_rng(0).lognormal(2.3, 0.4, 8000).astype(int), 4, 128)
    batches = update_batches(lengths, 16, 0, 0)
    processed = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    shuffled = np.random.default_rng(1).permutation(8000).reshape(-1, 16)
    unsorted = sum(int(lengths[batch].max()) * len(batch) for batch in shuffled)
    assert processed <= 1.15 * lengths.sum() < unsorted


def test_pieces_cover_the_update_and_are_never_empty() -> None:
    batch = np.arange(5)
    assert [piece.tolist() for piece in pieces(batch, 2)] == [[0, 1, 2], [3, 4]]
    assert [piece.tolist() for piece in pieces(batch, 8)] == [[0], [1], [2], [3], [4]]


def encoded(left: bool = False) -> Encoded:
    ids = np.array([2, 7, 3, 2, 8, 9, 3], dtype=np.int32)
    types = np.array([0, 0, 0, 0, 1, 1, 1], dtype=np.int32)
    columns = {"input_ids": ids, "token_type_ids": types}
    return Encoded(
        columns, np.array([0, 3, 7]), {"input_ids": 99, "token_type_ids": 0}, np.array([40, 41]), np.array([1, 0]), left
    )


def test_a_batch_is_padded_to_its_longest_on_the_tokenizers_side() -> None:
    batch = encoded().batch(np.array([0, 1]))
    assert batch["input_ids"].tolist() == [[2, 7, 3, 99], [2, 8, 9, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch["example_id"].tolist() == [40, 41]
    assert encoded(left=True).batch(np.array([0, 1]))["input_ids"].tolist() == [[99, 2, 7, 3], [2, 8, 9, 3]]
    assert encoded().batch(np.array([0]))["input_ids"].shape == (1, 3)


@pytest.mark.parametrize(("name", "lowest"), [("linear", 0.0), ("slanted", 1 / 32)])
def test_schedules_rise_over_the_warm_up_and_fall_to_the_end(name: str, lowest: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = optim.schedule(optimizer, name, 100, 0.1)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert max(rates) == 1.0
    assert rates.index(1.0) == 9
    assert schedule.get_last_lr()[0] == pytest.approx(lowest)


@pytest.mark.parametrize(("warmup", "rising"), [(0.1, 10), (0.004, 1), (0.0, 0)])
@pytest.mark.parametrize("name", optim.SCHEDULES)
def test_every_rate_of_a_schedule_by_hand(name: str, warmup: float, rising: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = optim.schedule(optimizer, name, 100, warmup)
    for step in range(101):
        up, down = (step + 1) / max(rising, 1), (100 - step) / (100 - rising)
        share = min(up, 1.0) if step < rising else 1.0 if name == "constant" else down
        expected = 1 / 32 + share * 31 / 32 if name == "slanted" else share
        assert schedule.get_last_lr()[0] == pytest.approx(expected, abs=1e-12), step
        optimizer.step()
        schedule.step()


def test_a_schedule_that_only_rises() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = optim.schedule(optimizer, "linear", 3, 1.0)
    rates = []
    for _ in range(4):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1 / 3, 2 / 3, 1.0, 0.0])


def test_adam_without_bias_correction_has_the_first_papers_defaults() -> None:
    (group,) = optim.UncorrectedAdam([nn.Parameter(torch.zeros(1))], lr=0.1).param_groups
    assert {name: group[name] for name in ("betas", "eps", "weight_decay")} == {
        "betas": (0.9, 0.999),
        "eps": 1e-6,
        "weight_decay": 0.0,
    }


def test_adam_without_bias_correction_by_hand() -> None:
    """Two steps of m/(sqrt(v)+eps) with decoupled decay, worked out in plain numbers."""
    parameter = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = optim.UncorrectedAdam([parameter], lr=0.1, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.5)
    expected, mean, square = 1.0, 0.0, 0.0
    for gradient in (2.0, -1.0):
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * mean / (square**0.5 + 1e-6)
        assert parameter.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_every_optimizer_goes_downhill(name: str) -> None:
    parameter = nn.Parameter(torch.tensor([3.0]))
    optimizer = optim.OPTIMIZERS[name]([{"params": [parameter], "weight_decay": 0.0}], 0.1)
    for _ in range(200):
        (parameter**2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert abs(parameter.item()) < 0.5


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="adamw, adam"):
        optim.build([], nn.Linear(1, 1), name="adamax", lr=1.0)
    with pytest.raises(ValueError, match="linear, slanted"):
        optim.schedule(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), "cosine", 10, 0.1)
