"""The ascent against problems whose solution is known, and the hooks on a model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from smart_repro.methods.smoothness import exact_ascent
from smart_repro.models import embedding_site
from smart_repro.perturbation import (
    ascend,
    normalise_linf,
    observed,
    project,
    project_l2,
    project_linf,
    random_signs,
    shifted,
    step_l2,
)

RADIUS = 0.01


def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Squared change of a linear model, summed over the batch; its maximum over the ball is (r sum |w|)^2 each."""
    return lambda delta: (weight * delta).flatten(1).sum(1).square().sum()


def test_the_ascent_reaches_the_maximum_of_a_linear_model() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 3, 4, dtype=torch.float64)
    noise = 1e-3 * torch.randn(5, 3, 4, dtype=torch.float64)
    found = ascend(linear(weight), noise, radius=RADIUS, step_size=1e4).delta  # far beyond the ball: a sign step
    best = (RADIUS * weight.flatten(1).abs().sum(1)).square().sum()
    assert linear(weight)(found).item() == pytest.approx(best.item(), rel=1e-12)
    assert found.abs().max() <= RADIUS


def test_the_l2_ascent_reaches_the_maximum_of_a_linear_model() -> None:
    """Over the Frobenius ball of an example the maximum of (w . delta)^2 is (r ||w||_2)^2, at delta parallel to w."""
    torch.manual_seed(0)
    weight = torch.randn(5, 3, 4, dtype=torch.float64)
    noise = 1e-3 * torch.randn(5, 3, 4, dtype=torch.float64)
    delta = ascend(linear(weight), noise, radius=RADIUS, step_size=1e4, p=2).delta
    best = (RADIUS * weight.flatten(1).norm(dim=1)).square().sum()
    assert linear(weight)(delta).item() == pytest.approx(best.item(), rel=1e-9)
    assert delta.flatten(1).norm(dim=1).max().item() == pytest.approx(RADIUS, rel=1e-12)


def test_random_signs_are_a_corner_of_the_ball_and_clamped_noise_is_shorter() -> None:
    """Clamped at one sigma, Gaussian noise has E[min(z^2, 1)] = 0.516, a root mean square of 0.718."""
    noise = torch.randn(200_000, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise[0] = 0
    signs = random_signs(RADIUS * noise, RADIUS)
    assert signs[0].item() == 0
    assert torch.equal(signs[1:].abs(), torch.full_like(signs[1:], RADIUS))
    assert torch.equal(signs.sign(), noise.sign())
    clamped = project(RADIUS * noise, RADIUS).square().mean().sqrt().item()
    assert clamped / RADIUS == pytest.approx(0.718, abs=0.003)


def test_another_norm_than_2_and_infinity_is_refused() -> None:
    with pytest.raises(ValueError, match="p must be 'inf' or 2, got 1"):
        project(torch.ones(1, 1, 1), RADIUS, 1)


def test_more_steps_of_a_short_ascent_get_closer() -> None:
    torch.manual_seed(0)
    weight, noise = torch.randn(5, 3, 4), 1e-3 * torch.randn(5, 3, 4)
    reached = [
        linear(weight)(ascend(linear(weight), noise, radius=RADIUS, step_size=2e-3, steps=steps).delta).item()
        for steps in (1, 3, 9)
    ]
    assert reached == sorted(reached)
    assert reached[0] < reached[-1]


def test_the_exact_ascent_is_the_maximum_of_a_linear_model_on_real_tokens_only() -> None:
    torch.manual_seed(0)
    weight = torch.randn(3, 4, dtype=torch.float64)
    embeddings = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]])
    prediction = (embeddings * weight).flatten(1).sum(1, keepdim=True)
    for logits in (prediction, torch.cat([torch.zeros_like(prediction), prediction], 1)):
        delta, stuck = exact_ascent(logits, embeddings, RADIUS, mask)
        change = (delta * weight).flatten(1).sum(1)
        expected = RADIUS * (weight.abs() * mask.unsqueeze(-1)).flatten(1).sum(1)
        assert torch.allclose(change.abs(), expected, rtol=1e-12, atol=0)
        assert delta[2, 1:].abs().max() == 0
        assert stuck == 0
    with pytest.raises(ValueError, match="two classes or regression, this task has 3: use 'algorithm-1'"):
        exact_ascent(torch.zeros(5, 3), embeddings, RADIUS, mask)


def test_a_zero_gradient_keeps_the_noise() -> None:
    noise = torch.tensor([[[0.004, -0.02]], [[0.003, 0.001]]])
    weight = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]])
    found = ascend(linear(weight), noise, radius=RADIUS, step_size=1.0)
    assert found.delta[0, 0].tolist() == pytest.approx([0.004, -0.01])  # projected, not 0/0
    assert found.stuck.item() == 0.5
    assert torch.isfinite(found.delta).all()


def test_padding_gets_no_offset() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    found = ascend(
        linear(torch.ones(2, 3, 4)), torch.full((2, 3, 4), 0.005), radius=RADIUS, step_size=1.0, steps=2, mask=mask
    )
    assert found.delta[mask == 0].abs().max() == 0
    assert found.delta[mask == 1].abs().min() > 0


def test_the_gradient_is_divided_by_its_largest_entry_per_example_or_per_token() -> None:
    gradient = torch.tensor([[[1.0, -2.0], [4.0, 0.0]], [[0.0, 0.0], [0.5, 0.25]]])
    example = [[[0.25, -0.5], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.5]]]
    token = [[[0.5, -1.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.5]]]
    assert normalise_linf(gradient, "example").tolist() == example
    assert normalise_linf(gradient, "token").tolist() == token
    with pytest.raises(ValueError, match="norm_scope must be 'example' or 'token', got 'batch'"):
        normalise_linf(gradient, "batch")


def test_tiny_gradients_keep_their_direction() -> None:
    """At epsilon = 1e-5 a gradient can be near the smallest float32; its direction is all that counts."""
    gradient = torch.tensor([[[1e-37, -5e-38]]])
    assert normalise_linf(gradient, "example")[0, 0].tolist() == pytest.approx([1.0, -0.5], rel=1e-5)


def test_one_step_of_algorithm_1_by_hand() -> None:
    """Noise (1, 1) 1e-3, w = (2, 1): w delta = 3e-3, gradient 6e-3 (2, 1), normalised (1, 1/2), times 4e-3.

    Together (5, 3) 1e-3, inside the ball of 1e-2.
    """
    found = ascend(linear(torch.tensor([[[2.0, 1.0]]])), torch.full((1, 1, 2), 1e-3), radius=RADIUS, step_size=4e-3)
    assert found.delta[0, 0].tolist() == pytest.approx([5e-3, 3e-3], rel=1e-5)


def test_projections() -> None:
    assert project_linf(torch.tensor([-3.0, 0.5, 2.0]), 1.0).tolist() == [-1.0, 0.5, 1.0]
    delta = torch.tensor([[[3.0, 4.0]], [[0.3, 0.4]], [[0.0, 0.0]]])
    assert project_l2(delta, 1.0).flatten().tolist() == pytest.approx([0.6, 0.8, 0.3, 0.4, 0.0, 0.0])


def test_an_l2_step_by_hand() -> None:
    """From (0.5, 0) along (3, 4)/5 by 0.5: (0.8, 0.4), norm 0.894, inside a ball of 1, cut to (0.447, 0.224) by 0.5."""
    delta, gradient = torch.tensor([[[0.5, 0.0], [9.0, 9.0]]]), torch.tensor([[[3.0, 4.0], [7.0, 7.0]]])
    mask = torch.tensor([[1, 0]])
    assert step_l2(delta, gradient, step_size=0.5, radius=1.0, mask=mask).flatten().tolist() == pytest.approx(
        [0.8, 0.4, 0, 0]
    )
    cut = step_l2(delta, gradient, step_size=0.5, radius=0.5, mask=mask).flatten().tolist()
    assert cut == pytest.approx([0.8 * 0.5 / 0.8**0.5, 0.4 * 0.5 / 0.8**0.5, 0, 0])
    still = step_l2(delta, torch.zeros_like(gradient), step_size=0.5, radius=1.0, mask=mask)
    assert still.flatten().tolist() == pytest.approx([0.5, 0, 0, 0])


@pytest.mark.parametrize(("radius", "step_size"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_senseless_sizes_are_refused(radius: float, step_size: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        ascend(linear(torch.ones(1, 1, 1)), torch.ones(1, 1, 1), radius=radius, step_size=step_size)


@pytest.mark.parametrize("site", ["block", "word"])
def test_a_shift_of_zero_changes_nothing_and_the_hooks_go_away(
    site: str, tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    model = tiny(dropout=0.0)
    inputs = {name: batch()[name] for name in ("input_ids", "attention_mask")}
    module = embedding_site(model, site)
    clean = model(**inputs).logits
    with observed(module) as seen:
        model(**inputs)
    with shifted(module, torch.zeros_like(seen[0])):
        assert torch.equal(model(**inputs).logits, clean)
    with shifted(module, torch.full_like(seen[0], 0.1)):
        assert not torch.equal(model(**inputs).logits, clean)
    with pytest.raises(RuntimeError, match="inside"), shifted(module, torch.ones_like(seen[0])):
        raise RuntimeError("inside")
    assert torch.equal(model(**inputs).logits, clean)
    assert len(seen) == 1


class Appending(nn.Module):
    """An embedding module that appends two tokens, batch first or time first, and returns a further output."""

    def __init__(self, time_first: bool) -> None:
        super().__init__()
        self.table, self.time_first = nn.Embedding(9, 3), time_first

    def forward(self, ids: Tensor) -> tuple[Tensor, str]:
        vectors = self.table(nn.functional.pad(ids, (0, 2)))
        return (vectors.transpose(0, 1) if self.time_first else vectors), "further"


@pytest.mark.parametrize("time_first", [False, True])
def test_the_hooks_know_the_order_of_axes_and_leave_appended_tokens_alone(time_first: bool) -> None:
    torch.manual_seed(0)
    module = Appending(time_first)
    ids, delta = torch.randint(9, (5, 4)), torch.randn(5, 4, 3)
    clean = module.table(nn.functional.pad(ids, (0, 2)))
    with observed(module, time_first=time_first, length=4) as seen:
        out, _ = module(ids)
    torch.testing.assert_close(seen[0], clean[:, :4], rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(out.sum(), seen[0])
    assert torch.equal(gradient, torch.ones(5, 4, 3))
    with shifted(module, delta, time_first=time_first):
        first, second = module(ids), module(ids)
    assert first[1] == "further"
    moved = first[0].transpose(0, 1) if time_first else first[0]
    torch.testing.assert_close(moved, torch.cat([clean[:, :4] + delta, clean[:, 4:]], 1), rtol=0, atol=0)
    assert torch.equal(second[0], out)  # an encoder and a decoder may share the module: only the first is shifted


def test_frozen_embeddings_can_still_be_perturbed(
    tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    model = tiny(dropout=0.0)
    model.requires_grad_(False)
    inputs = {name: batch()[name] for name in ("input_ids", "attention_mask")}
    with observed(embedding_site(model, "block")) as seen:
        logits = model(**inputs).logits
    (gradient,) = torch.autograd.grad(logits.sum(), seen[0])
    assert gradient.abs().max() > 0
    with torch.no_grad(), observed(embedding_site(model, "block")) as seen:
        model(**inputs)
    assert not seen[0].requires_grad
