"""PGD, FreeAT and FreeLB: what theory says they reduce to, and where their gradients come from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smart_repro.methods import Method, build
from smart_repro.methods.base import Passes
from smart_repro.perturbation import step_l2
from smart_repro.seeding import Streams

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]
Trained = Callable[..., nn.Module]


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def one_step(method: Method, model: nn.Module, inputs: dict[str, Tensor]) -> list[Tensor]:
    """Parameter gradients of the first micro-batch."""
    method.setup(model, 10)
    method.begin(0, 0, 0)
    model.zero_grad()
    method.backward(model, inputs, torch.Tensor.backward)
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_freeat_shown_each_batch_once_without_a_start_is_plain_fine_tuning(outputs: int, trained: Trained) -> None:
    """Bit for bit after 6 updates, dropout on."""
    free = trained(build("freeat", m=1, start=0.0), outputs=outputs)
    assert same_weights(free, trained(build("vanilla"), outputs=outputs))


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_freelb_with_one_point_and_no_start_is_plain_fine_tuning(outputs: int, trained: Trained) -> None:
    free = trained(build("freelb", K=1, start=0.0), outputs=outputs)
    assert same_weights(free, trained(build("vanilla"), outputs=outputs))


def test_with_one_point_and_a_start_both_train_on_shifted_embeddings(tiny: Tiny, batch: Batch) -> None:
    """FreeLB K=1 and FreeAT m=1 have the same gradient: the task loss at delta_0."""
    a, b = (one_step(build(name, **{k: 1}), tiny(), batch()) for name, k in (("freelb", "K"), ("freeat", "m")))
    plain = one_step(build("vanilla"), tiny(), batch())
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(a, plain, strict=True))


def test_freelbs_gradient_is_the_mean_over_the_points_it_visits(tiny: Tiny, batch: Batch, shifts: list[Tensor]) -> None:
    """Computed again, one point at a time, with the same masks; tolerance 1e-6."""
    inputs, method = batch(), build("freelb", K=3)
    found = one_step(method, tiny(), inputs)
    visited = list(shifts)
    assert len(visited) == 3
    expected: list[Tensor] = []
    for delta in visited:
        model = tiny()
        build("freelb", K=3).setup(model, 1)  # it decides how the model draws its masks
        passes = Passes(model, inputs, Streams(), "fp32")
        (method.task_loss(passes.perturbed("clean", delta, "word"), passes) / 3).backward()
        gradient = [p.grad for p in model.parameters() if p.grad is not None]
        expected = [a + b for a, b in zip(expected, gradient, strict=True)] if expected else gradient
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_freelb_in_one_graph_and_pass_by_pass_give_the_same_gradient(tiny: Tiny, batch: Batch) -> None:
    model, method = tiny(), build("freelb")
    method.setup(model, 10)
    method.begin(0, 0, 0)
    loss = method.loss(model, batch())
    loss.total.backward()
    whole = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    for a, b in zip(whole, one_step(build("freelb"), tiny(), batch()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["pgd", "freelb"])
def test_each_point_is_one_normalised_step_uphill_from_the_last(
    name: str, tiny: Tiny, batch: Batch, shifts: list[Tensor]
) -> None:
    """delta_{t+1} = P(delta_t + alpha g / |g|_2), g the gradient of the task loss at delta_t, recomputed here."""
    inputs, model = batch(), tiny()
    method = build(name, K=3, alpha=0.3, epsilon=0.5)
    one_step(method, model, inputs)
    visited = list(shifts)
    assert len(visited) == (4 if name == "pgd" else 3)
    for here, following in pairwise(visited):
        delta = here.clone().requires_grad_()
        passes = Passes(model, inputs, Streams(), "fp32")
        value = method.task_loss(passes.perturbed("clean", delta, "word"), passes)
        (gradient,) = torch.autograd.grad(value, delta)
        expected = step_l2(delta, gradient, step_size=0.3, radius=0.5, mask=inputs["attention_mask"])
        torch.testing.assert_close(following, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("name", ["pgd", "freeat", "freelb"])
def test_perturbations_stay_in_the_l2_ball_and_off_the_padding(
    name: str, outputs: int, trained: Trained, shifts: list[Tensor], toy: Callable[..., Any]
) -> None:
    trained(build(name, alpha=5.0, epsilon=0.2, start=0.1), outputs=outputs)
    norms = torch.cat([delta.flatten(1).norm(dim=1) for delta in shifts])
    assert norms.max() <= 0.2 * (1 + 1e-6)
    assert norms.max() > 0.199  # the large step reaches the surface
    assert len(shifts) > 0


def test_the_ascent_raises_the_loss(tiny: Tiny, batch: Batch) -> None:
    model, inputs = tiny(dropout=0.0), batch()
    totals = []
    for name, options in (("vanilla", {}), ("pgd", {"K": 1, "start": 0.0}), ("pgd", {"K": 5, "start": 0.0})):
        method = build(name, **options)
        method.setup(model, 10)
        totals.append(method.loss(model, inputs).total.item())
    assert totals == sorted(totals)
    assert totals[0] < totals[1] < totals[2]


def test_the_start_is_uniform_and_scaled_by_the_size_of_the_text() -> None:
    """``start / sqrt(N) U(-1, 1)``, N = real tokens x width: variance start^2 / 3N, its norm about start / sqrt(3)."""
    torch.manual_seed(0)
    lengths = torch.tensor([40, 10])
    mask = (torch.arange(40) < lengths[:, None]).long()
    inputs = {"input_ids": mask, "attention_mask": mask, "labels": torch.tensor([0, 1])}
    method = build("pgd", start=0.6)
    model = _Embedder(64)
    delta = method.start(Passes(model, inputs, Streams(), "fp32"))
    assert delta[1, 10:].abs().max() == 0
    for row, length in enumerate(lengths):
        size = int(length) * 64
        values = delta[row, :length] * size**0.5 / 0.6
        assert values.abs().max() <= 1
        assert values.var().item() == pytest.approx(1 / 3, abs=0.03)
        assert values.abs().mean().item() == pytest.approx(1 / 2, abs=0.03)
        assert delta[row].norm().item() == pytest.approx(0.6 / 3**0.5, rel=0.05)


class _Embedder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(2, width)
        self.config = type("Config", (), {"num_labels": 2})()

    def get_input_embeddings(self) -> nn.Module:
        return self.words


def test_freeat_replays_a_batch_with_the_perturbation_it_left_behind(
    trained: Trained, shifts: list[Tensor], tiny: Tiny, batch: Batch
) -> None:
    """``m = 3``: one update per presentation, epochs divided by 3, the perturbation moves on, then restarts."""
    method = build("freeat", m=3, start=0.0, alpha=0.1)
    trained(method, epochs=3, examples=16, batch_size=8)
    assert len(shifts) == 6  # 2 batches, 3 presentations each: as many updates as 3 plain epochs
    for first in (0, 3):
        assert shifts[first].abs().max() == 0
        norms = [shifts[first + i].flatten(1).norm(dim=1) for i in (1, 2)]
        torch.testing.assert_close(norms[0], torch.full_like(norms[0], 0.1))
        assert (norms[1] > 0.1).all()
    assert method.state_dict() == {"deltas": {}}  # nothing is kept once a batch is through


def test_freeats_masks_are_shared_by_the_presentations_of_a_batch(tiny: Tiny, batch: Batch) -> None:
    """With alpha near 0 and no update in between, presentation 2 gives the loss of presentation 1."""
    model, method = tiny(dropout=0.3), build("freeat", start=0.0, alpha=1e-12)
    method.setup(model, 12)
    values = []
    for step in range(6):
        method.begin(0, step % 3, step)
        values.append(method.backward(model, batch(), lambda loss: loss.backward()).total.item())
    assert len(set(values[:3])) == 1
    assert len(set(values[3:])) == 1
    assert values[0] != values[3]


def test_freeat_in_a_loop_that_never_calls_begin_sees_every_batch_as_new(
    tiny: Tiny, batch: Batch, shifts: list[Tensor]
) -> None:
    model, method = tiny(), build("freeat", start=0.0)
    method.setup(model, 3)
    for step in range(3):
        method.backward(model, batch(), torch.Tensor.backward)
        method.after_step(model, step + 1)
    assert all(delta.abs().max() == 0 for delta in shifts)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pgd", {"K": 0}, "K must be >= 1"),
        ("freelb", {"K": 0}, "K must be >= 1"),
        ("freeat", {"m": 0}, "m must be >= 1"),
        ("pgd", {"alpha": 0.0}, "alpha and epsilon must be positive"),
        ("pgd", {"start": -1.0}, "start must be >= 0"),
    ],
)
def test_senseless_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, **options)
