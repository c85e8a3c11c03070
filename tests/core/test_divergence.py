"""Divergences against closed forms and float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smart_repro.divergence import for_target, logit_mse, squared_error, symmetric_kl

probabilities = st.floats(0.001, 0.999)
logits = st.lists(st.floats(-20, 20), min_size=6, max_size=6).map(lambda x: torch.tensor(x).view(2, 3))


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@given(p=probabilities, q=probabilities)
def test_symmetric_kl_of_two_bernoullis(p: float, q: float) -> None:
    a = torch.tensor([[0.0, logit(p)]], dtype=torch.float64)
    b = torch.tensor([[0.0, logit(q)]], dtype=torch.float64)
    assert symmetric_kl(a, b).item() == pytest.approx((p - q) * (logit(p) - logit(q)), rel=1e-9, abs=1e-15)


def test_symmetric_kl_is_a_sum_over_classes_and_a_mean_over_the_batch() -> None:
    """By hand: p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4): each direction is 1/4 ln 2, the sum 1/2 ln 2; beside a 0."""
    p = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]], dtype=torch.float64).log()
    q = torch.tensor([[0.25, 0.5, 0.25], [0.2, 0.3, 0.5]], dtype=torch.float64).log()
    assert symmetric_kl(p, q).item() == pytest.approx(0.5 * math.log(2) / 2, rel=1e-12)


@given(a=logits, b=logits, shift=st.floats(-5, 5))
def test_symmetric_kl_is_symmetric_not_negative_and_blind_to_a_shift(a: Tensor, b: Tensor, shift: float) -> None:
    value = symmetric_kl(a, b).item()
    assert value >= 0
    assert value == pytest.approx(symmetric_kl(b, a).item(), rel=1e-5, abs=1e-9)
    assert value == pytest.approx(symmetric_kl(a + shift, b).item(), rel=1e-3, abs=1e-5)
    assert symmetric_kl(a, a).item() == 0


@pytest.mark.parametrize("gap", [1e-2, 1e-4])
def test_float32_is_right_where_kl_div_has_no_digits_left(gap: float) -> None:
    """Inputs rounded to float32 once, the reference computed from them in float64: relative error at most 1e-3."""
    torch.manual_seed(0)
    a = torch.randn(64, 3)
    b = a + gap * torch.randn(64, 3)
    exact = symmetric_kl(a.double(), b.double()).item()
    assert symmetric_kl(a, b).item() == pytest.approx(exact, rel=1e-3)
    p, q = a.log_softmax(-1), b.log_softmax(-1)
    naive = sum(torch.nn.functional.kl_div(x, y, reduction="batchmean", log_target=True) for x, y in ((p, q), (q, p)))
    assert abs(float(naive) / exact - 1) > abs(symmetric_kl(a, b).item() / exact - 1)


def test_half_precision_logits_are_widened() -> None:
    a, b = torch.randn(4, 2).bfloat16(), torch.randn(4, 2).bfloat16()
    assert symmetric_kl(a, b).dtype == torch.float32
    assert squared_error(a[:, 0], b[:, 0]).dtype == torch.float32
    assert logit_mse(a, b).dtype == torch.float32


def test_the_gradient_reaches_both_arguments_and_equals_finite_differences() -> None:
    torch.manual_seed(0)
    a, b = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(symmetric_kl, (a, b), atol=1e-9)
    assert torch.autograd.gradcheck(squared_error, (a, b), atol=1e-9)


def test_squared_errors_are_means() -> None:
    a, b = torch.tensor([[1.0], [4.0]]), torch.tensor([[3.0], [4.0]])
    assert squared_error(a, b).item() == 2.0
    assert logit_mse(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 2.0]])).item() == 2.0


def test_shapes_that_would_broadcast_are_refused() -> None:
    prediction = torch.zeros(4, 1)
    for distance in (symmetric_kl, squared_error, logit_mse):
        with pytest.raises(ValueError, match=r"\(4, 1\) and \(4,\)"):
            distance(prediction, prediction.squeeze(-1))


def test_one_logit_has_no_divergence() -> None:
    with pytest.raises(ValueError, match=r"at least two classes.*For regression use squared_error"):
        symmetric_kl(torch.zeros(4, 1), torch.ones(4, 1))


def test_each_target_has_its_distance() -> None:
    assert for_target("classification") is symmetric_kl
    assert for_target("regression") is squared_error
