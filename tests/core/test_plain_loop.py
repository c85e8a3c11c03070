"""A plain PyTorch loop without the Trainer: what works without further ado, and what gets one clear sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from smart_repro.methods import METHODS, Method, build

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]


def names() -> list[str]:
    return [name for name in METHODS if name != "lora"]


def optimizer_for(method: Method, model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([group for group in method.param_groups(model, 0.1, 0.0) if group["params"]])


@pytest.mark.parametrize("name", names())
def test_loss_before_setup_is_refused(name: str, tiny: Tiny, batch: Batch) -> None:
    with pytest.raises(ValueError, match=rf"method '{name.replace('+', '.')}' has not been set up: call setup"):
        build(name).loss(tiny(), batch())


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda", "self-ensemble"])
def test_an_update_without_after_step_is_refused(name: str, tiny: Tiny, batch: Batch) -> None:
    """Two micro-batches of one update are fine; the pass after a forgotten ``after_step`` is not."""
    method, model = build(name), tiny()
    method.setup(model, 10)
    optimizer = optimizer_for(method, model)
    for _ in range(2):
        method.backward(model, batch(), torch.Tensor.backward)
    optimizer.step()
    with pytest.raises(ValueError, match=r"the weights have changed since the last batch.*after_step\(model, step\)"):
        method.backward(model, batch(), torch.Tensor.backward)
    method.after_step(model, 1)
    assert torch.isfinite(method.backward(model, batch(), torch.Tensor.backward).total)


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda", "lora"])
def test_a_forgotten_after_step_is_seen_with_a_frozen_head(name: str, tiny: Tiny, batch: Batch) -> None:
    """The last parameter of the model never changes, so the others have to show the update."""
    if name == "lora":
        pytest.importorskip("peft")
    method, model = build(name), tiny()
    method.setup(model, 10)
    model.classifier.requires_grad_(False)  # type: ignore[operator, union-attr]
    optimizer = optimizer_for(method, model)
    method.backward(model, batch(), torch.Tensor.backward)
    optimizer.step()
    with pytest.raises(ValueError, match="the weights have changed since the last batch"):
        method.backward(model, batch(), torch.Tensor.backward)


def steps(method: Method, model: nn.Module, batch: Batch, *, number: int = 3, begins: bool = False) -> None:
    """Set up the method and train for some updates; ``begins`` stops between two presentations of a batch."""
    method.setup(model, 10)
    optimizer = optimizer_for(method, model)
    for step in range(number):
        if begins:
            method.begin(0, step % method.replays, step)
        method.backward(model, batch(), torch.Tensor.backward)
        optimizer.step()
        method.after_step(model, step + 1)


@pytest.mark.parametrize("name", names())
def test_a_second_setup_starts_anew(name: str, tiny: Tiny, batch: Batch) -> None:
    """Whatever the first loop was like, the second trains and evaluates as with a new object, bit for bit."""
    method, fresh = build(name), build(name)
    steps(method, tiny(seed=4), batch, number=2, begins=True)
    used, expected = tiny(), tiny()
    steps(method, used, batch)
    steps(fresh, expected, batch)
    for a, b in ((used, expected), (method.eval_model(used), fresh.eval_model(expected))):
        assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("name", ["smart", "sda", "sdv", "self-ensemble", "gradual-unfreezing"])
def test_another_model_than_that_of_setup_is_refused(name: str, tiny: Tiny, batch: Batch) -> None:
    """Also one with the same encoder, whose first parameters are the same objects."""
    method, model, other, beside = build(name), tiny(), tiny(), tiny()
    beside.bert = model.bert
    steps(method, model, batch)
    for wrong in (other, beside):
        with pytest.raises(ValueError, match=r"was set up for another model.*build a method for each model"):
            method.backward(wrong, batch(), torch.Tensor.backward)
    wrapped = nn.DataParallel(model)
    assert torch.isfinite(method.backward(wrapped, batch(), torch.Tensor.backward).total)


@pytest.mark.parametrize("name", ["vanilla", "r-drop", "freelb", "smart-released", "smoothness"])
def test_a_method_that_keeps_no_state_of_its_model_serves_others(name: str, tiny: Tiny, batch: Batch) -> None:
    method, model, other = build(name), tiny(), tiny()
    steps(method, model, batch)
    assert torch.isfinite(method.loss(other, batch()).total)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8, torch.bool])
@pytest.mark.parametrize("name", ["vanilla", "smart", "freelb"])
def test_labels_of_other_integer_types(name: str, dtype: torch.dtype, tiny: Tiny, batch: Batch) -> None:
    losses = []
    for labels in (batch()["labels"], batch()["labels"].to(dtype), batch()["labels"].to(dtype).unsqueeze(-1)):
        method, model = build(name), tiny()
        method.setup(model, 10)
        losses.append(method.loss(model, {**batch(), "labels": labels}).total.item())
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("name", ["vanilla", "smart", "freelb", "r-drop"])
def test_a_model_in_evaluation_mode_trains_as_one_in_training_mode(name: str, tiny: Tiny, batch: Batch) -> None:
    """``from_pretrained`` returns a model in evaluation mode; its own mode is restored afterwards."""
    losses = []
    for training in (True, False):
        method, model = build(name), tiny().train(training)
        method.setup(model, 10)
        losses.append(method.backward(model, batch(), torch.Tensor.backward).total.item())
        assert model.training is training
    assert losses[0] == losses[1]


def test_a_part_in_another_mode_than_the_whole_keeps_it(tiny: Tiny, batch: Batch) -> None:
    method, model = build("smart"), tiny()
    model.bert.embeddings.eval()  # type: ignore[union-attr, operator]
    method.setup(model, 10)
    method.loss(model, batch())
    assert not model.bert.embeddings.training  # type: ignore[union-attr]
    assert model.bert.encoder.training  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["freelb", "pgd", "smoothness", "r3f"])
def test_noise_without_ids_does_not_depend_on_the_cut(name: str, tiny: Tiny, batch: Batch) -> None:
    """1 x 6 = 2 + 4 rows, dropout off, float64: the gradients agree to 1e-9."""
    gradients = []
    whole = {key: value for key, value in batch().items() if key != "example_id"}
    for cut in ([slice(0, 6)], [slice(0, 2), slice(2, 6)]):
        method, model = build(name), tiny(dropout=0.0).double()
        method.setup(model, 10)
        for rows in cut:
            piece = {key: value[rows] for key, value in whole.items()}
            share = len(piece["labels"]) / 6
            method.backward(model, piece, lambda loss, share=share: (loss * share).backward())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-9)


def test_without_begin_the_method_counts_batches_and_rows_until_after_step(tiny: Tiny, batch: Batch) -> None:
    method, model = build("vanilla"), tiny()
    method.setup(model, 10)
    for _ in range(2):
        method.loss(model, batch(4))
    streams = method.streams
    assert (streams.step, streams.micro, streams.row) == (0, 2, 8)
    method.after_step(model, 1)
    assert (streams.step, streams.micro, streams.row) == (1, 0, 0)


def test_with_begin_after_step_leaves_the_position_to_the_loop(tiny: Tiny, batch: Batch) -> None:
    method, model = build("vanilla"), tiny()
    method.setup(model, 10)
    method.begin(3, 0, 7)
    method.loss(model, batch(4))
    method.after_step(model, 8)
    assert (method.streams.step, method.streams.micro) == (7, 3)


def test_label_smoothing_is_refused_beside_a_loss_of_ones_own(tiny: Tiny, batch: Batch) -> None:
    method, model = build("vanilla", label_smoothing=0.1), tiny()
    method.setup(model, 10, task_loss=nn.functional.cross_entropy)
    with pytest.raises(ValueError, match="label_smoothing applies to cross-entropy only"):
        method.loss(model, batch())
