"""The scalars of updates: sums over micro-batches, and the two checks that both training loops make."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from smart_repro.methods import Loss, build
from smart_repro.scalars import FLUSH, MissingSignalError, NonFiniteLossError, Scalars

ALONE = SimpleNamespace(num_processes=1)


def loss(task: float, smoothness: float = 1.0, largest: float = 0.0) -> Loss:
    parts = {"task": torch.tensor(task), "smoothness": torch.tensor(smoothness)}
    return Loss(torch.tensor(task), parts, {"max_abs_delta": torch.tensor(largest)})


def test_an_update_is_the_weighted_sum_of_its_micro_batches() -> None:
    scalars = Scalars(ALONE, build("smoothness"))
    scalars.add(loss(1.0, largest=3.0), 0.25)
    scalars.add(loss(5.0, largest=2.0), 0.75)
    scalars.close({"step": 1}, gradient_norm=7.0)
    scalars.close({"step": 2})  # nothing was added
    assert len(scalars) == 1
    row = {"step": 1.0, "loss": 4.0, "task": 4.0, "smoothness": 1.0, "max_abs_delta": 3.0, "gradient_norm": 7.0}
    assert scalars.read() == [row]
    assert scalars.read() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(value: float) -> None:
    scalars = Scalars(ALONE, build("smoothness"))
    for step, task in enumerate((1.0, value), start=1):
        scalars.add(loss(task), 1.0)
        scalars.close({"step": step})
    with pytest.raises(
        NonFiniteLossError, match=r"not finite at update 2: loss=(nan|inf), task=(nan|inf), smoothness=1"
    ):
        scalars.check(scalars.read(), last=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_refused_although_its_loss_is_finite(value: float) -> None:
    scalars = Scalars(ALONE, build("smoothness"))
    for step, norm in enumerate((1.0, value), start=1):
        scalars.add(loss(1.0), 1.0)
        scalars.close({"step": step}, gradient_norm=norm)
    with pytest.raises(NonFiniteLossError, match=r"the gradient is not finite at update 2: loss=1, .*gradient_norm="):
        scalars.check(scalars.read(), last=False)


@pytest.mark.parametrize(
    ("updates", "last", "refused"),
    [(1, True, False), (2, True, False), (3, True, True), (FLUSH - 1, False, False), (FLUSH, False, True)],
)
def test_a_part_that_stays_at_zero(updates: int, last: bool, refused: bool) -> None:
    """Two updates prove nothing, and neither do the first few of a longer run."""
    scalars = Scalars(ALONE, build("smoothness"))
    rows = [{"step": float(step), "loss": 1.0, "smoothness": 0.0} for step in range(1, updates + 1)]
    if not refused:
        scalars.check(rows, last=last)
        return
    with pytest.raises(MissingSignalError, match=rf"smoothness was exactly 0 over the first {updates} updates"):
        scalars.check(rows, last=last)
