"""The public code's update, against numbers computed by hand and against the words of PyTorch it is written in."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from smart_repro.divergence import symmetric_kl
from smart_repro.methods import build
from smart_repro.methods.smart_released import released_loss, released_objective, released_step
from smart_repro.seeding import Streams

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]


def test_the_update_by_hand() -> None:
    """Token 1: (1, -2) 1e-5 + 1e-3 (0.03, 0.01) = (4, -1) 1e-5, over 4e-5 + 1e-6. Token 2: (-3, 0) 1e-5 over 3.1e-5."""
    noise = torch.tensor([[[1e-5, -2e-5], [-3e-5, 0.0]]], dtype=torch.float64)
    gradient = torch.tensor([[[0.03, 0.01], [0.0, 0.0]]], dtype=torch.float64)
    moved = released_step(noise, gradient, eta=1e-3, guard=1e-6)
    assert moved[0, 0].tolist() == pytest.approx([40 / 41, -10 / 41], rel=1e-12)
    assert moved[0, 1].tolist() == pytest.approx([-30 / 31, 0.0], rel=1e-12)
    assert moved.abs().amax(-1).min() > 0.96  # about 1 per token: 100,000 times the paper's radius


def test_the_ascent_climbs_a_surrogate_that_can_be_negative() -> None:
    """For two classes 2 (2p - 1) (log odds p - log odds q): 6/5 ln 4 at p = 4/5, q = 1/2; 2/5 ln 3/8 at 3/5, 4/5."""
    p, q = torch.tensor([[math.log(4.0), 0.0]]), torch.zeros(1, 2)
    assert released_objective(p, q).item() == pytest.approx(1.2 * math.log(4), rel=1e-4)
    other = torch.tensor([[math.log(1.5), 0.0]])
    assert released_objective(other, p).item() == pytest.approx(0.4 * math.log(3 / 8), rel=1e-4)
    assert symmetric_kl(other, p).item() > 0


def test_the_surrogate_is_finite_where_the_model_is_certain() -> None:
    """At p = 1 the log odds are -ln(1 / (1 + guard) - 1 + guard) = -ln(guard^2) = 12 ln 10, up to guard."""
    certain, even = torch.tensor([[60.0, -60.0]], dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    found = released_objective(certain, even).item()
    assert found == pytest.approx(2 * 12 * math.log(10), rel=1e-4)


def test_the_surrogates_gradient_leaves_out_the_log_odds() -> None:
    """d/dz_0 of 2 sum p c with c = (ln 4, -ln 4) fixed: 2 (ln 4 + ln 4) p_0 p_1 = 4 ln 4 * 0.16."""
    p = torch.tensor([[math.log(4.0), 0.0]], requires_grad=True)
    released_objective(p, torch.zeros(1, 2)).backward()
    assert p.grad is not None
    assert p.grad[0].tolist() == pytest.approx([0.64 * math.log(4), -0.64 * math.log(4)], rel=1e-4)


def test_the_loss_is_the_two_detached_halves() -> None:
    """Value and gradients of the public code's two F.kl_div calls; half the true gradient where both agree."""
    torch.manual_seed(0)
    a = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    b = (a.detach() + 1e-3 * torch.randn(6, 3, dtype=torch.float64)).requires_grad_()
    halves = F.kl_div(a.log_softmax(-1), b.detach().softmax(-1), reduction="batchmean") + F.kl_div(
        b.log_softmax(-1), a.detach().softmax(-1), reduction="batchmean"
    )
    expected = torch.autograd.grad(halves, (a, b))
    value = released_loss(a, b)
    found = torch.autograd.grad(value, (a, b))
    true = torch.autograd.grad(symmetric_kl(a, b), (a, b))
    assert value.item() == pytest.approx(symmetric_kl(a, b).item(), rel=1e-12)
    assert value.item() == pytest.approx(halves.item(), rel=1e-6)
    for ours, theirs, whole in zip(found, expected, true, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-15)
        assert (ours.norm() / whole.norm()).item() == pytest.approx(0.5, abs=0.01)


def test_a_whole_step_by_hand_on_a_linear_regression(
    linear_model: Callable[..., nn.Module], shifts: list[Tensor]
) -> None:
    """``f = w . sum x``: the loss is (w . sum nu)^2, its gradient 2 (w . sum nu) w, the term (w . sum delta)^2."""
    weight, sigma, eta = torch.tensor([2.0, -1.0], dtype=torch.float64), 1e-5, 1e-3
    model = linear_model([2.0, -1.0])
    inputs = {"input_ids": torch.tensor([[1, 2, 0]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    inputs["labels"] = torch.tensor([1.0])
    method = build("smart-released", lambda_s=0.5)
    method.setup(model, 10)
    method.begin(0, 0, 0)
    loss = method.loss(model, inputs)
    noise = sigma * Streams().normal(inputs["attention_mask"], 2, None, torch.float64)
    moved = noise + eta * 2 * (noise * weight).sum() * weight
    delta = moved / (moved.abs().amax(-1, keepdim=True) + 1e-6)
    delta[0, 2] = 0.0  # padding
    torch.testing.assert_close(shifts[0], noise)
    torch.testing.assert_close(shifts[1], delta)
    term = (delta * weight).sum() ** 2
    assert loss.parts["smoothness"].item() == pytest.approx(term.item(), rel=1e-12)
    assert loss.total.item() == pytest.approx(loss.parts["task"].item() + 0.5 * term.item(), rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_its_perturbation_has_unit_size_at_every_token(
    outputs: int, tiny: Tiny, batch: Batch, shifts: list[Tensor]
) -> None:
    method, inputs = build("smart-released"), batch(outputs=outputs)
    method.setup(tiny(outputs), 10)
    loss = method.loss(tiny(outputs), inputs)
    delta, real = shifts[-1], inputs["attention_mask"] == 1
    assert delta[real].abs().amax(-1).min() > 0.9
    assert loss.info["max_abs_delta"].item() == delta.abs().max().item() < 1
    assert delta[~real].abs().max() == 0


def test_on_a_pre_trained_model_it_is_the_random_start_blown_up(
    minilm: nn.Module, sentences: dict[str, Tensor], shifts: list[Tensor]
) -> None:
    """Cosine with the noise it started from above 0.99 at every token, 50,000 times as long."""
    method = build("smart-released")
    method.setup(minilm, 10)
    method.loss(minilm, sentences)
    noise, delta = (shift[sentences["attention_mask"] == 1] for shift in shifts)
    cosine = F.cosine_similarity(noise, delta, dim=-1)
    print(f"cosine with the start: mean {cosine.mean():.4f}, least {cosine.min():.4f}")
    assert cosine.mean() > 0.99
    assert (delta.norm() / noise.norm()).item() > 2e4


def test_the_regression_term_does_not_compare_all_pairs(linear_model: Callable[..., nn.Module]) -> None:
    """With next to no perturbation it is next to 0; the public broadcast gives twice the variance of the batch."""
    model = linear_model([1.0, 1.0])
    inputs = {"input_ids": torch.tensor([[1], [3]]), "attention_mask": torch.ones(2, 1, dtype=torch.long)}
    inputs["labels"] = torch.tensor([1.0, 2.0])
    method = build("smart-released", guard=1e6)
    method.setup(model, 10)
    assert method.loss(model, inputs).parts["smoothness"].item() < 1e-20
    predictions = model(inputs["input_ids"], inputs["attention_mask"]).logits
    assert F.mse_loss(predictions.squeeze().expand(2, 2), predictions.expand(2, 2)).item() > 0.1


def test_the_doubled_embedding_differs_even_without_a_perturbation(tiny: Tiny, batch: Batch) -> None:
    """No dropout and next to no perturbation: single gives next to 0, doubled does not."""
    terms = {}
    for embedding in ("single", "doubled"):
        method, model = build("smart-released", embedding=embedding, guard=1e6), tiny(dropout=0.0)
        method.setup(model, 10)
        method.begin(0, 0, 0)
        terms[embedding] = method.loss(model, batch()).parts["smoothness"].item()
    assert terms["single"] < 1e-12
    assert terms["doubled"] > 1e-4


def test_a_gradient_that_is_not_finite_counts_as_zero(linear_model: Callable[..., nn.Module]) -> None:
    model = linear_model([1e200, 1.0])  # the square overflows
    inputs = {"input_ids": torch.tensor([[1]]), "attention_mask": torch.ones(1, 1, dtype=torch.long)}
    inputs["labels"] = torch.tensor([1.0])
    method = build("smart-released", sigma=1.0)
    method.setup(model, 10)
    method.begin(0, 0, 0)
    assert torch.isfinite(method.loss(model, inputs).info["max_abs_delta"])


def test_the_popular_port_takes_the_same_step() -> None:
    """smart-pytorch 0.0.4 as an oracle: its update from its own noise and gradient, and its loss, which is a sum."""
    port = pytest.importorskip("smart_pytorch", reason="needs the extra bench")
    torch.manual_seed(0)
    weight, embeddings = torch.randn(4, 3, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    fed: list[Tensor] = []

    def logits_of(values: Tensor) -> Tensor:
        fed.append(values)
        return values.sum(1) @ weight

    state = embeddings.sum(1) @ weight
    value = port.SMARTLoss(logits_of, port.kl_loss, port.sym_kl_loss)(embeddings, state)
    noise = (fed[0].detach() - embeddings).requires_grad_()
    (gradient,) = torch.autograd.grad(port.kl_loss((embeddings + noise).sum(1) @ weight, state), noise)
    moved = released_step(noise.detach(), gradient, eta=1e-3, guard=1e-6)
    torch.testing.assert_close(fed[1].detach() - embeddings, moved, rtol=1e-6, atol=1e-9)
    assert value.item() == pytest.approx(2 * released_loss(fed[1].sum(1) @ weight, state).item(), rel=1e-6)
