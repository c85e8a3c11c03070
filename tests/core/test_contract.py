"""What every registered method keeps, by being registered: one test for all, on a tiny encoder in the real loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from smart_repro import precision
from smart_repro.contract import PROMISES, ContractError, MethodContract, are_equal
from smart_repro.methods import METHODS, Loss, Method, build
from smart_repro.methods.base import Passes
from smart_repro.seeding import Streams
from smart_repro.train import MissingSignalError

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
def contracts() -> dict[str, MethodContract]:
    """Return a contract for each method, whose uninterrupted run is trained once."""
    return {
        name: MethodContract(partial(method_of, name), is_silent_without_dropout=name in SILENT_WITHOUT_DROPOUT)
        for name in METHODS
    }


@pytest.mark.parametrize("promise", PROMISES)
def test_a_registered_method_keeps_its_promises(name: str, promise: str, contracts: dict[str, MethodContract]) -> None:
    if name == "vanilla" and promise == "it does something that plain fine-tuning does not":
        pytest.skip("this is plain fine-tuning")
    PROMISES[promise](contracts[name])


class _SumOfLosses(Method):
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        whole = super().loss(model, batch)
        return Loss(whole.total * len(batch["labels"]) ** 2, whole.parts)


class _Forgetful(Method):
    calls = 0

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        whole = super().loss(model, batch)
        self.calls += 1
        return Loss(whole.total * self.calls, whole.parts)


class _NamelessPart(Method):
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        whole = super().loss(model, batch)
        return Loss(whole.total, {"penalty": whole.parts["task"]})


class _AttachedPart(Method):
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        whole = super().loss(model, batch)
        return Loss(whole.total, {"task": whole.total})


@pytest.mark.parametrize(
    ("method", "promise", "message"),
    [
        (_Forgetful, "stopping and resuming equals not stopping", r"keep what it needs in state_dict"),
        (_NamelessPart, "finite losses and gradients with two classes", "loss parts are called task.*got penalty"),
        (_AttachedPart, "finite losses and gradients with two classes", "the part task must be detached"),
        (Method, "it does something that plain fine-tuning does not", "what plain fine-tuning gives"),
        (_SumOfLosses, "parts of a batch equal the batch", "the loss is no mean over the examples"),
    ],
)
def test_a_broken_promise_is_seen(method: type[Method], promise: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        PROMISES[promise](MethodContract(method))


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
        assert not are_equal(
            trained(build("half-loss"), optimizer="adamw", clip=None), trained(build("smart"), clip=None)
        )
        assert card("half-loss").cost == 3
        with pytest.raises(ValueError, match="'half-loss' is already registered"):
            register("half-loss")(build("smart").__class__)
    finally:
        del METHODS._entries["half-loss"]
        METHODS["smart"].name = "smart"
