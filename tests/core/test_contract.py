"""What every registered method keeps, by being registered: one test for all, on a tiny encoder in the real loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from smart_repro import precision
from smart_repro.checkpoint import Checkpoint
from smart_repro.methods import METHODS, build
from smart_repro.methods.base import PARTS, Method, Passes
from smart_repro.seeding import Streams
from smart_repro.train import Interrupted, MissingSignalError

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]
Trained = Callable[..., nn.Module]
OPTIONS: dict[str, dict[str, object]] = {"gradual-unfreezing": {"opening": 0.3}}  # opens all layers within the test
SILENT_WITHOUT_DROPOUT = {"r-drop"}  # its term is then exactly 0, and the loop says so


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "lora":
        pytest.importorskip("peft")
    return request.param


def method_of(name: str) -> Method:
    return build(name, **OPTIONS.get(name, {}))


@pytest.fixture(scope="module")
def finished() -> dict[str, nn.Module]:
    """Train each method at seed 0 without interruption, once for several tests."""
    return {}


@pytest.fixture
def straight(finished: dict[str, nn.Module], trained: Trained) -> Callable[[str], nn.Module]:
    def get(name: str) -> nn.Module:
        if name not in finished:
            finished[name] = trained(method_of(name))
        return finished[name]

    return get


def equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_losses_and_gradients_are_finite_and_named(name: str, outputs: int, tiny: Tiny, batch: Batch) -> None:
    """Regression, two classes, more classes: two updates each."""
    model, method = tiny(outputs), method_of(name)
    method.setup(model, 2)
    groups = [group for group in method.param_groups(model, 1e-3, 0.01) if group["params"]]
    optimizer = torch.optim.AdamW(groups)
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    own = {id(parameter) for parameter in model.parameters()}
    assert len(set(listed)) == len(listed)
    assert set(listed) <= own  # no teacher in the optimiser
    for step in range(2):
        method.begin(0, step % method.replays, step)
        loss = method.backward(model, batch(outputs=outputs), torch.Tensor.backward)
        assert torch.isfinite(loss.total)
        assert set(loss.parts) <= set(PARTS)
        assert loss.parts
        assert all(not part.requires_grad and part.dim() == 0 and torch.isfinite(part) for part in loss.parts.values())
        assert all(value.dim() == 0 and torch.isfinite(value) for value in loss.info.values())
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(model, step + 1)
    assert method.expected_signals() <= set(PARTS)
    assert model.training


def test_only_open_parameters_move(name: str, tiny: Tiny, trained: Trained) -> None:
    model, method = tiny(), method_of(name)
    result = trained(method, model=model, max_steps=3)
    fresh = tiny()
    method_of(name).setup(fresh, 6)
    for (key, old), (_, new) in zip(fresh.named_parameters(), model.named_parameters(), strict=True):
        assert old.requires_grad == new.requires_grad, key
        if not new.requires_grad:
            assert torch.equal(old, new), key
    assert not equal(fresh, model)
    assert isinstance(result, nn.Module)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    name: str, straight: Callable[[str], nn.Module], trained: Trained
) -> None:
    first = straight(name)
    torch.manual_seed(99)
    assert equal(first, trained(method_of(name)))
    assert not equal(first, trained(method_of(name), seed_order=5, seed_dropout=5, seed_noise=5))


def test_it_does_something_that_plain_fine_tuning_does_not(name: str, straight: Callable[[str], nn.Module]) -> None:
    """What is evaluated after 6 updates has other weights than after plain fine-tuning."""
    if name == "vanilla":
        pytest.skip("this is plain fine-tuning")
    plain, result = (
        {key.replace(".base_layer", ""): value for key, value in straight(which).state_dict().items()}
        for which in ("vanilla", name)
    )
    assert any(not torch.equal(plain[key], result[key]) for key in plain)


def test_stopping_and_resuming_equals_not_stopping(
    name: str, straight: Callable[[str], nn.Module], trained: Trained, tmp_path: Path
) -> None:
    """Bit for bit: new model, new method, all from a checkpoint after 2 updates, amid a replayed batch of FreeAT."""
    checkpoint = Checkpoint(tmp_path / "state.pt")
    asked = iter(range(1, 100))
    with pytest.raises(Interrupted):
        trained(method_of(name), train_args={"checkpoint": checkpoint, "should_stop": lambda: next(asked) == 2})
    torch.manual_seed(123)
    assert equal(straight(name), trained(method_of(name), train_args={"checkpoint": checkpoint}))


def test_accumulating_two_halves_equals_one_batch(name: str, tiny: Tiny, trained: Trained) -> None:
    """2 x 4 = 1 x 8 without dropout, 4 updates of Adam; float64, absolute tolerance 1e-7.

    In float32 some gradients that are 0 in theory (attention's key bias) are rounding noise, which Adam scales up.
    """
    results = []
    for accumulation in (1, 2):
        model = tiny(dropout=0.0).double()
        silent: tuple[type[Exception], ...] = (MissingSignalError,) if name in SILENT_WITHOUT_DROPOUT else ()
        with suppress(*silent):
            trained(method_of(name), model=model, accumulation=accumulation, max_steps=4)
        results.append(model)
    for (key, a), b in zip(results[0].named_parameters(), results[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7, msg=lambda m, key=key: f"{key}: {m}")


def test_bf16_trains(name: str, trained: Trained) -> None:
    result = trained(method_of(name), precision="bf16", max_steps=3)
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in result.parameters())


def test_all_passes_of_a_micro_batch_have_one_precision(
    name: str, tiny: Tiny, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sides of a divergence in two precisions are 1e-4 apart where they should be equal."""
    computed: list[str] = []
    original = precision.compute_in

    def recording(chosen: str, device: torch.device) -> object:
        computed.append(chosen)
        return original(chosen, device)

    monkeypatch.setattr(precision, "compute_in", recording)
    model, method = tiny(), method_of(name)
    method.precision = "bf16"
    method.setup(model, 4)
    for step in range(3):
        computed.clear()
        method.begin(0, 0, step)
        loss = method.loss(model, batch())
        assert computed == [computed[0]] * len(computed)
        assert computed[0] == ("fp32" if method.exact else "bf16")
        perturbed = "max_abs_delta" in loss.info
        assert method.exact or not perturbed
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1e-3)
        method.after_step(model, step + 1)
    passes = {"vanilla": 1, "r-drop": 2, "bregman": 2, "sda": 2, "sdv": 2, "smoothness": 3, "smart": 4, "smart+sda": 5}
    assert len(computed) == passes.get(name, len(computed))


@pytest.mark.parametrize(
    ("name", "part", "options"),
    [
        ("bregman", "bregman", {}),
        ("bregman", "bregman", {"teacher": "current"}),
        ("smart", "bregman", {}),
        ("smart+sda", "bregman", {}),
        ("smart+sda", "distillation", {"teacher_lag": 0}),
        ("sda", "distillation", {"teacher_lag": 0}),
        ("sdv", "distillation", {"teacher_lag": 0}),
        ("smoothness", "smoothness", {"direction": "none"}),
        ("smart", "smoothness", {"direction": "none", "dropout": "off"}),
    ],
)
def test_in_bf16_equal_weights_and_masks_are_no_distance_apart(
    name: str, part: str, options: dict[str, object], tiny: Tiny, batch: Batch
) -> None:
    """D_Breg(theta, theta) and its like are exactly 0; before the first update every teacher is the student."""
    shared = {} if name == "smoothness" else {"teacher_dropout": "shared"}
    model, method = tiny(3), build(name, **options, **shared)
    method.precision = "bf16"
    method.setup(model, 4)
    loss = method.loss(model, batch(outputs=3))
    assert loss.parts[part] == 0
    assert loss.parts["task"] > 0


def test_perturbing_in_bf16_is_refused_unless_the_method_is_exact(tiny: Tiny, batch: Batch) -> None:
    passes = Passes(tiny(), batch(), Streams(), "bf16")
    for ask in (
        lambda: passes.embedded("clean", "block"),
        lambda: passes.perturbed("clean", torch.zeros(1), "block"),
        lambda: passes.embedded_again("clean", torch.zeros(1)),
    ):
        with pytest.raises(ValueError, match=r"requested in bf16.*set exact = True"):
            ask()


def test_a_silent_consistency_term_is_reported(trained: Trained) -> None:
    with pytest.raises(MissingSignalError, match=r"consistency was exactly 0.*'r-drop'"):
        trained(build("r-drop"), dropout=0.0)


def test_a_method_registers_by_its_decorator_alone(trained: Trained) -> None:
    """A new method is a class with a decorator: listed, built, trained and described without another line."""
    from smart_repro.card import card
    from smart_repro.methods import register

    @register("half-loss")
    class HalfLoss(Method):
        """Half the loss: for the test."""

        def task_loss(self, logits: Tensor, passes: object) -> Tensor:
            return super().task_loss(logits, passes) / 2  # type: ignore[arg-type]

    try:
        assert "half-loss" in METHODS
        assert not equal(trained(build("half-loss"), optimizer="adamw", clip=None), trained(build("smart"), clip=None))
        assert card("half-loss").cost == 3
        with pytest.raises(ValueError, match="'half-loss' is already registered"):
            register("half-loss")(build("smart").__class__)
    finally:
        del METHODS._entries["half-loss"]
        METHODS["smart"].name = "smart"
