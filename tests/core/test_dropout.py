"""Dropout with cheap masks: torch's, but for the random numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from smart_repro.dropout import CheapDropout, cheapen_masks, keep_mask
from smart_repro.methods import build


def swapped(rate: float) -> nn.Module:
    layer = nn.Sequential(nn.Dropout(rate))
    cheapen_masks(layer)
    return layer[0].train()


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 1 / 3])
def test_entries_are_dropped_at_the_rate_and_independently(rate: float) -> None:
    """A million entries: share, correlation of neighbours, and counts per 100 against the binomial distribution."""
    torch.manual_seed(3)
    kept = (swapped(rate)(torch.ones(1000, 1000)) > 0).double()
    share = kept.mean().item()
    deviation = (rate * (1 - rate)) ** 0.5 / 1e3
    assert share == pytest.approx(1 - rate, abs=4 * deviation)
    for shift in (1, 2, 1000):
        flat = kept.flatten() - (1 - rate)
        correlation = (flat[shift:] * flat[:-shift]).mean().item() / (rate * (1 - rate))
        assert abs(correlation) < 4e-3
    counts = kept.view(-1, 100).sum(1).numpy()
    levels = range(int(100 * (1 - rate)) - 8, min(100, int(100 * (1 - rate)) + 9))
    for level in levels:
        expected = stats.binom.cdf(level, 100, 1 - rate)
        bound = 4.5 * max(expected * (1 - expected), 1e-4) ** 0.5 / len(counts) ** 0.5
        assert (counts <= level).mean() == pytest.approx(expected, abs=bound)


def test_kept_entries_are_scaled_and_so_is_the_gradient() -> None:
    value = torch.randn(64, 64, dtype=torch.float64, requires_grad=True)
    result = swapped(0.25)(value)
    (slope,) = torch.autograd.grad(result.sum(), value)
    kept = result != 0
    torch.testing.assert_close(result[kept], value[kept] / 0.75, rtol=1e-9, atol=0)
    torch.testing.assert_close(slope, kept.double() / 0.75, rtol=1e-9, atol=0)
    assert 0.2 < 1 - kept.double().mean() < 0.3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(7,), (3, 5, 11), (0, 4)])
def test_any_shape_and_precision(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    result = swapped(0.5)(torch.ones(shape, dtype=dtype))
    assert result.shape == shape
    assert result.dtype == dtype
    assert set(result.flatten().tolist()) <= {0.0, 2.0}


def test_masks_follow_from_torchs_generator() -> None:
    """Equal seeds, equal masks; the next mask is another; a restored state gives the mask again (checkpointing)."""
    layer, ones = swapped(0.5), torch.ones(1000)
    torch.manual_seed(1)
    first, second = layer(ones), layer(ones)
    torch.manual_seed(1)
    assert torch.equal(first, layer(ones))
    assert not torch.equal(first, second)
    value = torch.randn(1000, requires_grad=True)
    result = checkpoint(lambda x: layer(x).square(), value, use_reentrant=False)
    (slope,) = torch.autograd.grad(result.sum(), value)
    assert torch.equal(slope == 0, result == 0)


def test_two_draws_share_no_mask_bits() -> None:
    first, second = (keep_mask(torch.Size([1_000_000]), 2**15) for _ in range(2))
    assert (first == second).double().mean().item() == pytest.approx(0.5, abs=2e-3)


def test_what_needs_no_mask_is_left_alone() -> None:
    ones = torch.ones(50)
    assert torch.equal(swapped(0.0)(ones), ones)
    assert torch.equal(swapped(1.0)(ones), torch.zeros(50))
    assert torch.equal(swapped(0.5).eval()(ones), ones)


def test_setting_a_method_up_swaps_the_modules_of_student_and_teacher(
    tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    class Own(nn.Dropout):
        """A user's subclass: it stays what it is."""

    model = tiny()
    model.own = Own(0.1)
    before = copy.deepcopy(model.state_dict())
    method = build("smart+sda")
    method.setup(model, 3)
    assert [type(m) for m in model.modules() if isinstance(m, nn.Dropout)].count(CheapDropout) > 3
    assert type(model.own) is Own
    assert all(
        type(m) is not nn.Dropout for _, term in method.terms for m in getattr(term, "_teacher", nn.Module()).modules()
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
