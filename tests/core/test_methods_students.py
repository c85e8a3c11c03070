"""The second paper: teachers made of past students, averages of weights, votes; and the dropout controls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smart_repro.divergence import logit_mse, symmetric_kl
from smart_repro.methods import COMBINERS, Method, build
from smart_repro.methods.base import Passes
from smart_repro.seeding import Streams

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]
Trained = Callable[..., nn.Module]


class Walk:
    """A method led along a random walk of weights without dropout, with every student kept in float64."""

    def __init__(self, method: Method, model: nn.Module, inputs: dict[str, Tensor]) -> None:
        self.method, self.model, self.inputs = method, model.double(), inputs
        method.setup(self.model, 20)
        self.students = [self._weights()]
        torch.manual_seed(3)

    def move(self) -> None:
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter += 0.02 * torch.randn_like(parameter)
        self.students.append(self._weights())
        self.method.after_step(self.model, len(self.students) - 1)

    def part(self, name: str = "distillation", micros: int = 1) -> float:
        for micro in range(micros):
            self.method.begin(micro, 0, len(self.students) - 1)
            value = self.method.loss(self.model, self.inputs).parts[name].item()
        return value

    def logits(self, weights: list[Tensor]) -> Tensor:
        """Of a model with the given weights, in evaluation mode."""
        now = self._weights()
        self._set(weights)
        self.model.eval()
        with torch.no_grad():
            logits = self.model(self.inputs["input_ids"], self.inputs["attention_mask"]).logits
        self.model.train()
        self._set(now)
        return logits

    def _weights(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.model.parameters()]

    def _set(self, weights: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.model.parameters(), weights, strict=True):
                parameter.copy_(value)


def mean(students: list[list[Tensor]]) -> list[Tensor]:
    return [torch.stack(values).mean(0) for values in zip(*students, strict=True)]


@pytest.mark.parametrize("micros", [1, 3])
@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("size", [1, 2, 5, "all"])
def test_sdas_teacher_is_the_model_with_the_mean_of_past_weights(
    size: int | str, lag: int, micros: int, tiny: Tiny, batch: Batch
) -> None:
    """Equation 6 at every step, with one or three micro-batches an update; relative tolerance 1e-9."""
    walk = Walk(build("sda", K=size, teacher_lag=lag), tiny(dropout=0.0), batch())
    for t in range(9):
        past = walk.students[: t + 1 - lag]
        past = past if size == "all" else past[-int(size) :]
        expected = logit_mse(walk.logits(walk.students[-1]), walk.logits(mean(past))).item() if past else 0.0
        assert walk.part(micros=micros) == pytest.approx(expected, rel=1e-9, abs=1e-25)
        walk.move()


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_sdvs_teacher_is_the_mean_of_past_logits(size: int, lag: int, tiny: Tiny, batch: Batch) -> None:
    walk = Walk(build("sdv", K=size, teacher_lag=lag), tiny(dropout=0.0), batch())
    for t in range(9):
        past = walk.students[: t + 1 - lag][-size:]
        teacher = torch.stack([walk.logits(student) for student in past]).mean(0) if past else None
        expected = 0.0 if teacher is None else logit_mse(walk.logits(walk.students[-1]), teacher).item()
        assert walk.part() == pytest.approx(expected, rel=1e-9, abs=1e-25)
        walk.move()


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_with_one_student_sda_and_sdv_are_the_same(outputs: int, trained: Trained) -> None:
    """Step by step: the same weights, bit for bit, after 6 updates with dropout."""
    a, b = (trained(build(name, K=1), outputs=outputs, learning_rate=1e-2) for name in ("sda", "sdv"))
    plain = trained(build("vanilla"), outputs=outputs, learning_rate=1e-2)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(a.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(("name", "size"), [("sda", 1), ("sda", 3), ("sda", "all"), ("sdv", 1), ("sdv", 3)])
def test_the_second_update_is_drawn_to_the_past_even_without_dropout(
    name: str, size: int | str, tiny: Tiny, batch: Batch
) -> None:
    walk = Walk(build(name, K=size), tiny(dropout=0.0), batch())
    assert walk.part() == 0.0  # no past student yet
    walk.move()
    assert walk.part() > 1e-6


@pytest.mark.parametrize("name", ["sda", "sdv"])
def test_without_lag_one_student_is_the_dropout_control(name: str, tiny: Tiny, batch: Batch) -> None:
    silent = Walk(build(name, K=1, teacher_lag=0), tiny(dropout=0.0), batch())
    silent.move()
    assert silent.part() == 0.0
    noisy = Walk(build(name, K=1, teacher_lag=0), tiny(dropout=0.1), batch())
    noisy.move()
    assert noisy.part() > 1e-5
    assert build(name, K=1, teacher_lag=0).expected_signals() == frozenset()
    assert build(name, K=1).expected_signals() == {"distillation"}


def test_the_teachers_dropout(tiny: Tiny, batch: Batch) -> None:
    """Shared masks and the current weights: exactly 0. Independent: more than with a teacher without dropout."""
    parts = {}
    for dropout in ("off", "independent", "shared"):
        parts[dropout] = Walk(build("sda", teacher_lag=0, teacher_dropout=dropout), tiny(), batch()).part()
    assert parts["shared"] == 0
    assert parts["independent"] > parts["off"] > 0


def test_the_public_codes_exponential_teacher(tiny: Tiny, batch: Batch) -> None:
    """``min(0.995, (1 + t) / (10 + t))`` is the decay after update t, the current weights included; tolerance 1e-9."""
    walk = Walk(build("sda", mean="ema"), tiny(dropout=0.0), batch())
    teacher = walk.students[0]
    for t in range(1, 7):
        walk.move()
        decay = min(0.995, (1 + t) / (10 + t))
        teacher = [decay * old + (1 - decay) * new for old, new in zip(teacher, walk.students[-1], strict=True)]
        expected = logit_mse(walk.logits(walk.students[-1]), walk.logits(teacher)).item()
        assert walk.part() == pytest.approx(expected, rel=1e-9)


def test_sda_over_the_whole_run_needs_one_further_copy_of_the_weights(tiny: Tiny) -> None:
    method, model = build("sda", K="all"), tiny()
    method.setup(model, 10)
    held = {
        value.untyped_storage().data_ptr(): value.untyped_storage().nbytes()
        for _, term in method.terms
        for value in [*term.mean.values, *term.teacher.parameters()]
    }
    assert sum(held.values()) == sum(p.untyped_storage().nbytes() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sda", {"K": 0}, "K must be a positive whole number or 'all', got 0"),
        ("sda", {"K": "some"}, "K must be a positive whole number or 'all', got 'some'"),
        ("sdv", {"K": "all"}, "use sda for K='all'"),
        ("sda", {"teacher_lag": 2}, "teacher_lag 0 or 1"),
        ("sda", {"mean": "median"}, "mean must be one of window, ema"),
        ("self-ensemble", {"start": 1.0}, "start must lie in"),
        ("self-ensemble", {"every": "update"}, "every must be one of step, epoch, got 'update'"),
        ("sda", {"evaluate": "both"}, "evaluate must be one of student, teacher, got 'both'"),
        ("sda", {"teacher_dropout": "on"}, "teacher_dropout must be one of off, independent, shared, got 'on'"),
    ],
)
def test_senseless_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, **options)


@pytest.mark.parametrize(("start", "first"), [(0.0, 1), (0.5, 4)])
def test_self_ensemble_is_the_mean_of_the_saved_weights(start: float, first: int, trained: Trained) -> None:
    """Equation 4 over updates 1 to 6 of a plain run, saved after each; absolute tolerance 1e-6."""
    saved: list[dict[str, Tensor]] = []
    for steps in range(1, 7):
        model = trained(build("vanilla"), max_steps=steps, schedule="constant")
        saved.append({name: value.clone() for name, value in model.state_dict().items()})
    averaged = trained(build("self-ensemble", start=start), schedule="constant").state_dict()
    for name, value in averaged.items():
        if value.is_floating_point():
            expected = torch.stack([weights[name].double() for weights in saved[first - 1 :]]).mean(0)
            torch.testing.assert_close(value.double(), expected, rtol=0, atol=1e-6)
            assert "position" in name or not torch.equal(value, saved[-1][name])


def test_self_ensemble_trains_as_plain_fine_tuning_does(trained: Trained, tiny: Tiny) -> None:
    student = tiny()
    trained(build("self-ensemble"), model=student)
    plain = trained(build("vanilla"))
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(
    ("epochs", "limit", "start", "ends"),
    [(3, None, 0.0, [2, 4, 6]), (3, None, 0.5, [4, 6]), (3, 5, 0.0, [2, 4, 5]), (1, 1, 0.0, [1])],
)
def test_self_ensemble_per_epoch_is_the_mean_of_the_weights_at_the_ends(
    epochs: int, limit: int | None, start: float, ends: list[int], trained: Trained
) -> None:
    """Two updates an epoch; a run that is cut short ends its last epoch there. Absolute tolerance 1e-6."""
    plain = [trained(build("vanilla"), max_steps=steps, schedule="constant").state_dict() for steps in ends]
    method = build("self-ensemble", every="epoch", start=start)
    averaged = trained(method, epochs=epochs, max_steps=limit, schedule="constant").state_dict()
    assert method.mean.count == len(ends)
    for name, value in averaged.items():
        if value.is_floating_point():
            expected = torch.stack([weights[name].double() for weights in plain]).mean(0)
            torch.testing.assert_close(value.double(), expected, rtol=0, atol=1e-6)


def test_self_ensemble_per_epoch_must_know_how_long_an_epoch_is(tiny: Tiny) -> None:
    with pytest.raises(ValueError, match="updates_per_epoch"):
        build("self-ensemble", every="epoch").setup(tiny(), 6)


# -- evaluating the teacher --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("micros", [1, 2])
@pytest.mark.parametrize(
    ("options", "members"),
    [({}, [3]), ({"K": 2}, [2, 3]), ({"K": 2, "teacher_lag": 0}, [3, 4]), ({"K": "all"}, [0, 1, 2, 3])],
)
def test_the_evaluated_teacher_of_sda_is_the_one_the_next_update_has(
    options: dict[str, Any], members: list[int], micros: int, tiny: Tiny, batch: Batch
) -> None:
    """At theta_4 it is the mean of theta_3 ... theta_{4-K}; float64, tolerance 1e-12."""
    method = build("sda", evaluate="teacher", **options)
    walk = Walk(method, tiny(dropout=0.0), batch())
    if options.get("teacher_lag") != 0:
        assert method.eval_model(walk.model) is walk.model  # no teacher yet
    for _ in range(4):
        walk.part(micros=micros)
        walk.move()
    evaluated = method.eval_model(walk.model)
    expected = mean([walk.students[number] for number in members])
    for parameter, value in zip(evaluated.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter, value, rtol=0, atol=1e-12)
    before = [parameter.clone() for parameter in evaluated.parameters()]
    assert walk.part() == pytest.approx(logit_mse(walk.logits(walk.students[4]), walk.logits(before)).item(), rel=1e-9)


def test_sda_evaluates_the_student_unless_asked(tiny: Tiny, batch: Batch) -> None:
    walk = Walk(method := build("sda"), tiny(), batch())
    walk.part()
    walk.move()
    assert method.eval_model(walk.model) is walk.model


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sda", {"lambda_d": 0.0}, "sda with these options has 0: choose one that averages"),
        ("bregman", {"mu": 0.0}, "has 0"),
        ("bregman", {"teacher": "current"}, "has 0"),
        ("smart", {"teacher": "theta0"}, "has 0"),
        ("smart+sda", {}, "has 2: set the weight of one to 0"),
    ],
)
def test_a_teacher_that_is_not_there_or_not_alone_is_not_evaluated(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, evaluate="teacher", **options)


@pytest.mark.parametrize("options", [{"mu": 0.0}, {"lambda_d": 0.0}])
def test_smart_with_sda_evaluates_the_one_teacher_it_has(options: dict[str, float], trained: Trained) -> None:
    """With one weight at 0 it is the method without that term, teacher included; bit for bit after 6 updates."""
    both = trained(build("smart+sda", evaluate="teacher", lambda_s=0.0, **options)).state_dict()
    one = trained(build("sda" if "mu" in options else "bregman", evaluate="teacher")).state_dict()
    assert all(torch.equal(value, one[key]) for key, value in both.items())


# -- combiners ---------------------------------------------------------------------------------------------------------
def test_a_vote_is_the_mean_of_probabilities() -> None:
    """By hand: (0.9, 0.1) and (0.3, 0.7) give (0.6, 0.4), though the logits' mean would say (0.66, 0.34)."""
    parents = [np.log([[0.9, 0.1]]) + 3.0, np.log([[0.3, 0.7]]) - 1.0]
    voted = COMBINERS["vote"].combine(parents)
    assert np.exp(voted)[0].tolist() == pytest.approx([0.6, 0.4])
    assert COMBINERS["vote"].needs == "predictions"


def test_a_vote_of_regressions_is_their_mean_and_extreme_logits_do_not_overflow() -> None:
    vote = COMBINERS["vote"].combine
    assert vote([np.array([[1.0], [4.0]]), np.array([[2.0], [2.0]])]).tolist() == [[1.5], [3.0]]
    assert np.exp(vote([np.array([[1e4, 0.0]]), np.array([[0.0, 1e4]])])).tolist() == [[0.5, 0.5]]


def test_an_average_of_weights() -> None:
    a = {"w": torch.tensor([1.0, 5.0]), "positions": torch.arange(3)}
    b = {"w": torch.tensor([3.0, 6.0]), "positions": torch.arange(3)}
    average = COMBINERS["average"].combine
    combined = average([a, b])
    assert combined["w"].tolist() == [2.0, 5.5]
    assert combined["positions"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="differ in 'positions'"):
        average([a, {**b, "positions": torch.ones(3, dtype=torch.long)}])


@pytest.mark.parametrize("name", ["vote", "average"])
def test_what_does_not_fit_together_is_refused(name: str) -> None:
    combine = COMBINERS[name].combine
    with pytest.raises(ValueError, match="nothing to combine"):
        combine([])
    parents = [np.zeros((2, 2)), np.zeros((2, 3))]
    weights = [{"w": torch.zeros(2)}, {"w": torch.zeros(3)}]
    with pytest.raises(ValueError, match="cannot be combined"):
        combine(parents if name == "vote" else weights)


# -- controls ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("outputs", [2, 3])
def test_r_drop_against_r_s_without_a_perturbation(outputs: int, tiny: Tiny, batch: Batch) -> None:
    """alpha/2 x consistency = lambda_s R_s with lambda_s = alpha / 4 and independent masks; consistency = R_s / 2."""
    alpha, model, inputs = 2.0, tiny(outputs), batch(outputs=outputs)
    method = build("r-drop", alpha=alpha)
    method.setup(model, 10)  # first: it decides how the model draws its masks
    passes = Passes(model, inputs, Streams(), "fp32")
    first, second = passes("clean"), passes("second")
    method.begin(0, 0, 0)
    loss = method.loss(model, inputs)
    r_s = symmetric_kl(first, second).item()
    task = (method.task_loss(first, passes) + method.task_loss(second, passes)).item() / 2
    assert loss.parts["consistency"].item() == pytest.approx(r_s / 2, rel=1e-6)
    assert loss.parts["task"].item() == pytest.approx(task, rel=1e-6)
    assert loss.total.item() == pytest.approx(task + alpha / 4 * r_s, rel=1e-6)
    twin = build("smoothness", direction="none", dropout="independent", lambda_s=alpha / 4)
    twin.setup(model, 10)
    sizes = []
    for m in (method, twin):
        m.begin(0, 0, 0)
        parts = m.loss(model, inputs).parts
        sizes.append(alpha / 2 * parts["consistency"] if m is method else alpha / 4 * parts["smoothness"])
    assert 0.2 < (sizes[0] / sizes[1]).item() < 5  # the same quantity at two draws of the masks


def test_r_drop_on_regression_is_the_squared_difference(tiny: Tiny, batch: Batch) -> None:
    model, inputs, method = tiny(1), batch(outputs=1), build("r-drop")
    passes = Passes(model, inputs, Streams(), "fp32")
    method.setup(model, 10)
    method.begin(0, 0, 0)
    expected = (passes("clean") - passes("second")).square().mean().item()
    assert method.loss(model, inputs).parts["consistency"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_r3f_is_smoothness_in_a_random_direction(outputs: int, tiny: Tiny, batch: Batch) -> None:
    """With shared masks and a ball that holds all the noise: the same number, bit for bit."""
    model, inputs, values = tiny(outputs), batch(outputs=outputs), []
    options = {"direction": "random", "site": "word", "sigma": 1e-3, "epsilon": 1.0}
    for name, chosen in (("r3f", {"sigma": 1e-3, "dropout": "shared"}), ("smoothness", options)):
        method = build(name, **chosen)
        method.setup(model, 10)
        method.begin(0, 0, 0)
        parts = method.loss(model, inputs).parts
        values.append(parts.get("consistency", parts.get("smoothness")).item())
    assert values[0] == values[1] > 0


def test_r3fs_uniform_noise(tiny: Tiny, batch: Batch, shifts: list[Tensor]) -> None:
    method, model, inputs = build("r3f", noise="uniform", sigma=0.5), tiny(), batch()
    method.setup(model, 10)
    method.loss(model, inputs)
    real = shifts[0][inputs["attention_mask"] == 1]
    assert real.abs().max() <= 0.5
    assert real.var().item() == pytest.approx(0.25 / 3, rel=0.1)


def test_label_smoothing_by_hand(tiny: Tiny, batch: Batch) -> None:
    """With share s spread over C classes: (1 - s) CE + s x mean of -log p."""
    model, inputs = tiny(3, dropout=0.0), batch(outputs=3)
    log_p = model(inputs["input_ids"], inputs["attention_mask"]).logits.log_softmax(-1)
    plain = -log_p[torch.arange(6), inputs["labels"]].mean()
    expected = 0.9 * plain - 0.1 * log_p.mean()
    method = build("vanilla", label_smoothing=0.1)
    method.setup(model, 10)
    assert method.loss(model, inputs).total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert math.isfinite(expected.item())
    regression = build("vanilla", label_smoothing=0.1)
    regression.setup(tiny(1), 10)
    with pytest.raises(ValueError, match="label_smoothing applies to cross-entropy only"):
        regression.loss(tiny(1), batch(outputs=1))
    with pytest.raises(ValueError, match="must lie in"):
        build("vanilla", label_smoothing=1.0)
