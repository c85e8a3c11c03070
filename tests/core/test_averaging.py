"""Averages of weights against arithmetic in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smart_repro.averaging import (
    ExponentialMean,
    PastMean,
    RunningMean,
    Window,
    WindowMean,
    carrier,
    clones,
    copy_into,
    lend,
)

STEPS = 37


@pytest.fixture
def path() -> list[list[Tensor]]:
    """theta_0 to theta_37 of a random walk, two tensors each, float32."""
    rng = np.random.default_rng(0)
    walk = rng.normal(size=(STEPS + 1, 7)).cumsum(0)
    return [[torch.tensor(w[:6].reshape(2, 3), dtype=torch.float32), torch.tensor(w[6:]).float()] for w in walk]


def exact_mean(members: list[list[Tensor]]) -> list[Tensor]:
    return [torch.stack([member[i].double() for member in members]).mean(0) for i in range(2)]


def assert_close(values: list[Tensor], expected: list[Tensor], rtol: float = 1e-6) -> None:
    for value, other in zip(values, expected, strict=True):
        torch.testing.assert_close(value.double(), other, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.99, 0.999])
def test_the_exponential_mean_and_the_share_of_theta_0(beta: float, path: list[list[Tensor]]) -> None:
    """theta~_n = beta^n theta_0 + (1 - beta) sum_t beta^(n-t) theta_t; relative tolerance 1e-5."""
    mean = ExponentialMean(path[0])
    for theta in path[1:]:
        mean.update(theta, beta)
    weights = [beta**STEPS] + [(1 - beta) * beta ** (STEPS - t) for t in range(1, STEPS + 1)]
    expected = [sum(w * theta[i].double() for w, theta in zip(weights, path, strict=True)) for i in range(2)]
    assert_close(mean.values, expected, rtol=1e-5)
    assert mean.start_share == pytest.approx(beta**STEPS, rel=1e-12)
    assert sum(weights) == pytest.approx(1)


def test_the_running_mean(path: list[list[Tensor]]) -> None:
    mean = RunningMean(path[0])
    for count, theta in enumerate(path, start=1):
        mean.add(theta)
        assert mean.count == count
        assert_close(mean.values, exact_mean(path[:count]))


@pytest.mark.parametrize("looks", [1, 3])
def test_the_mean_of_the_past_never_holds_the_current_iterate(looks: int, path: list[list[Tensor]]) -> None:
    """However often it is looked at, as each micro-batch of an update does; what is saved goes on the same way."""
    mean = PastMean(path[0])
    for number, theta in enumerate(path):
        for _ in range(looks):
            with mean.without(theta):
                assert mean.count == number
                if number:
                    assert_close(mean.values, exact_mean(path[:number]))
            assert mean.count == number + 1
        if number == 20:
            resumed = PastMean(path[0])
            resumed.load_state_dict(mean.state_dict())
            mean = resumed
        mean.move_on()


def test_taking_an_iterate_out_again(path: list[list[Tensor]]) -> None:
    mean = RunningMean(path[0])
    for theta in path[:5]:
        mean.add(theta)
    mean.remove(path[4])
    assert_close(mean.values, exact_mean(path[:4]))
    for theta in reversed(path[:4]):
        mean.remove(theta)
    mean.add(path[7])
    assert_close(mean.values, exact_mean([path[7]]))


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("size", [1, 2, 5, 50])
def test_the_window_mean(size: int, lag: int, path: list[list[Tensor]]) -> None:
    """At theta_t: the mean of theta_{t-lag} ... theta_{t-lag-size+1}, as far as they exist."""
    mean = WindowMean(Window(size, lag), path[0])
    for t, theta in enumerate(path):
        mean.push(theta)
        members = path[max(0, t - lag - size + 1) : t - lag + 1]
        assert len(mean.window.members) == len(members)
        if members:
            assert_close(mean.values, exact_mean(members))


def test_the_window_mean_does_not_drift() -> None:
    """20,000 updates with far-away values passing through: still right to 1e-6."""
    torch.manual_seed(0)
    mean = WindowMean(Window(4, 0), [torch.zeros(3)])
    last = [torch.zeros(3)] * 4
    for step in range(20_000):
        theta = torch.randn(3) * (1e4 if step < 19_990 else 1)
        mean.push([theta])
        last = [*last[1:], theta]
    torch.testing.assert_close(mean.values[0], torch.stack(last).mean(0), rtol=1e-6, atol=1e-6)


def test_the_window_mean_is_recomputed_once_per_window() -> None:
    """Its bits are those of a fresh mean while the window fills, and then at the multiples of its size alone."""
    torch.manual_seed(0)
    mean, last, fresh = WindowMean(Window(4, 0), [torch.zeros(1000)]), [], []
    for update in range(1, 25):
        last = [torch.randn(1000), *last][:4]
        mean.push([last[0]])
        again = WindowMean(Window(4, 0), [torch.zeros(1000)])
        for theta in reversed(last):
            again.push([theta])
        if torch.equal(mean.values[0], again.values[0]):
            fresh.append(update)
    assert fresh == [1, 2, 3, 4, 8, 12, 16, 20, 24]


def test_no_average_shares_storage_with_the_model(tiny: Callable[..., nn.Module]) -> None:
    model = tiny()
    window = Window(2, 1)
    window.push(model.parameters())
    window.push(model.parameters())
    mean = WindowMean(Window(2, 0), model.parameters())
    mean.push(model.parameters())
    held = [
        *ExponentialMean(model.parameters()).values,
        *RunningMean(model.parameters()).values,
        *mean.values,
        *window.members[0],
        *clones(model.parameters()),
        *carrier(model).parameters(),
    ]
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert not own & {value.data_ptr() for value in held}
    assert not any(value.requires_grad for value in held)


def test_a_carrier_computes_with_what_it_was_lent(tiny: Callable[..., nn.Module]) -> None:
    model = tiny()
    mean = ExponentialMean(model.parameters())
    teacher = carrier(model, mean.values)
    mean.update([torch.ones_like(value) for value in mean.values], 0.0)
    assert all((parameter == 1).all() for parameter in teacher.parameters())
    others = [torch.full_like(value, 2.0) for value in mean.values]
    lend(teacher, others)
    assert all((parameter == 2).all() for parameter in teacher.parameters())
    assert all((value == 1).all() for value in mean.values)


@pytest.mark.parametrize("kind", ["exponential", "running", "window"])
def test_a_saved_average_goes_on_as_if_never_stopped(kind: str, path: list[list[Tensor]]) -> None:
    def new() -> ExponentialMean | RunningMean | WindowMean:
        if kind == "exponential":
            return ExponentialMean(path[0])
        return RunningMean(path[0]) if kind == "running" else WindowMean(Window(3, 1), path[0])

    def take(mean: ExponentialMean | RunningMean | WindowMean, theta: list[Tensor]) -> None:
        if isinstance(mean, ExponentialMean):
            mean.update(theta, 0.9)
        elif isinstance(mean, RunningMean):
            mean.add(theta)
        else:
            mean.push(theta)

    straight, first, second = new(), new(), new()
    for theta in path:
        take(straight, theta)
    for theta in path[:10]:
        take(first, theta)
    take(second, path[3])  # whatever it held is replaced
    second.load_state_dict(first.state_dict())
    for theta in path[10:]:
        take(second, theta)
    assert all(torch.equal(a, b) for a, b in zip(straight.values, second.values, strict=True))


def test_copying_needs_as_many_values_as_targets() -> None:
    with pytest.raises(ValueError, match="shorter"):
        copy_into([torch.zeros(1), torch.zeros(1)], [torch.ones(1)])
