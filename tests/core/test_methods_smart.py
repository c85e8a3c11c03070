"""SMART's terms against closed forms, float64 and finite differences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smart_repro.divergence import symmetric_kl
from smart_repro.methods import Method, build
from smart_repro.methods.base import Passes
from smart_repro.methods.smoothness import SmoothnessConfig, SmoothnessTerm, root_mean_square
from smart_repro.methods.terms import Clean
from smart_repro.seeding import Streams

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]


def first_loss(method: Method, model: nn.Module, batch: dict[str, Tensor]) -> Any:
    method.setup(model, 100)
    method.begin(0, 0, 0)
    return method.loss(model, batch)


def gradients(method: Method, model: nn.Module, batch: dict[str, Tensor]) -> list[Tensor]:
    method.begin(0, 0, 0)
    model.zero_grad()
    method.backward(model, batch, torch.Tensor.backward)
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]


# -- R_s -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("site", ["block", "word"])
def test_without_a_perturbation_and_with_shared_masks_r_s_is_zero(
    outputs: int, site: str, tiny: Tiny, batch: Batch
) -> None:
    """Exactly 0, with dropout on: whatever R_s measures with shared masks comes from the perturbation."""
    method = build("smoothness", direction="none", site=site)
    loss = first_loss(method, tiny(outputs, dropout=0.3), batch(outputs=outputs))
    assert loss.parts["smoothness"].item() == 0.0


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": "independent"},
        {"dropout": "off"},
        {"direction": "random"},
        {"direction": "signs"},
        {"p": 2},
        {"p": 2, "direction": "random"},
        {"site": "word"},
        {"norm_scope": "token"},
        {"ascent_steps": 3, "eta": 5e-6},
        {"ascent": "exact"},
        {"epsilon": 1e-3, "sigma": 1e-3, "eta": 0.1},
    ],
    ids=str,
)
def test_the_perturbation_stays_in_its_ball_and_off_the_padding(
    outputs: int, options: dict[str, Any], tiny: Tiny, batch: Batch, shifts: list[Tensor]
) -> None:
    method, inputs = build("smart", **options), batch(outputs=outputs)
    if outputs == 3 and options.get("ascent") == "exact":
        with pytest.raises(ValueError, match="use 'algorithm-1'"):
            first_loss(method, tiny(outputs), inputs)
        return
    loss = first_loss(method, tiny(outputs), inputs)
    adversarial = shifts[-1]
    assert 0 < adversarial.abs().max() <= method.config.epsilon
    assert loss.info["max_abs_delta"].item() == adversarial.abs().max().item()
    assert inputs["attention_mask"].min() == 0
    assert all(delta[inputs["attention_mask"] == 0].abs().max() == 0 for delta in shifts)
    assert loss.parts["smoothness"] > 0


def test_algorithm_1_by_hand_on_a_linear_regression(
    linear_model: Callable[..., nn.Module], shifts: list[Tensor]
) -> None:
    """``f = w . sum x``, l_s = (w . sum delta)^2, so the gradient is 2 (w . sum nu) w at every real token."""
    weight, sigma, eta, epsilon = [2.0, -1.0], 0.1, 0.03, 0.05
    model = linear_model(weight)
    inputs = {"input_ids": torch.tensor([[1, 2, 0]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    inputs["labels"] = torch.tensor([1.0])
    method = build("smoothness", sigma=sigma, eta=eta, epsilon=epsilon, dropout="shared")
    loss = first_loss(method, model, inputs)
    w = torch.tensor(weight, dtype=torch.float64)
    noise = sigma * Streams().normal(inputs["attention_mask"], 2, None, torch.float64)
    change = (noise * w).sum()
    normalised = w / 2 * change.sign()  # g / ||g||_inf, the same at both tokens
    expected = (noise + eta * normalised).clamp(-epsilon, epsilon) * inputs["attention_mask"].unsqueeze(-1)
    torch.testing.assert_close(shifts[0], noise)
    torch.testing.assert_close(shifts[1], expected)
    r_s = (expected * w).sum() ** 2
    assert loss.parts["smoothness"].item() == pytest.approx(r_s.item(), rel=1e-12)
    prediction = 2 * (0.2 + 0.4) - (0.3 + 0.5)  # words 1 and 2 are (0.2, 0.3) and (0.4, 0.5)
    assert loss.parts["task"].item() == pytest.approx((prediction - 1) ** 2, rel=1e-12)
    assert loss.total.item() == pytest.approx((prediction - 1) ** 2 + r_s.item(), rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_worst_case_of_a_linear_model_is_known(outputs: int, linear_model: Callable[..., nn.Module]) -> None:
    """Regression: R_s = (epsilon * tokens * |w|_1)^2. Two classes: (p - q)(z_p - z_q) at z shifted by as much."""
    epsilon, tokens = 1e-3, 3
    model = linear_model([2.0, -1.0], outputs)
    inputs = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    inputs["labels"] = torch.tensor([1.0]) if outputs == 1 else torch.tensor([1])
    far = epsilon * tokens * 3.0
    z = 2 * (0.2 + 0.4 + 0.6) - (0.3 + 0.5 + 0.7)
    p, best = torch.sigmoid(torch.tensor(z)).item(), 0.0
    for moved in (z + far, z - far):
        q = torch.sigmoid(torch.tensor(moved)).item()
        best = max(best, far**2 if outputs == 1 else (q - p) * (moved - z))
    for ascent in ("algorithm-1", "exact"):
        method = build("smoothness", epsilon=epsilon, sigma=1e-4, eta=1.0, ascent=ascent)
        reached = first_loss(method, model, inputs).parts["smoothness"].item()
        assert reached == pytest.approx(best, rel=5e-3)  # which of the two ends it climbs to is the noise's choice


def test_off_switches_dropout_off_on_both_sides(tiny: Tiny, batch: Batch) -> None:
    """With dropout="off" R_s is that of the model without dropout, whatever masks the task loss has."""
    off = first_loss(build("smoothness", dropout="off"), tiny(dropout=0.3), batch()).parts
    without = first_loss(build("smoothness", dropout="off"), tiny(dropout=0.0), batch()).parts
    assert off["smoothness"] == without["smoothness"]
    assert off["task"] != without["task"]


# -- numerics on a pre-trained model ---------------------------------------------------------------------------------
class AtPaperRadius:
    """R_s of one model at epsilon = 1e-5, in any precision, for perturbations found in any way."""

    def __init__(self, model: nn.Module, batch: dict[str, Tensor]) -> None:
        self.model, self.exact, self.batch = model, copy.deepcopy(model).double(), batch

    def found(self, dropout: str = "off", seed: int = 0, **options: Any) -> Tensor:
        term = SmoothnessTerm(SmoothnessConfig(dropout=dropout, **options))
        passes = self._passes(self.model, seed)
        delta, _ = term.worst_perturbation(passes, *passes.embedded("clean", "block", dropout=dropout != "off"))
        return delta

    def r_s(self, delta: Tensor, *, wide: bool = False, masks: str | None = None, seed: int = 0) -> float:
        """``masks``: None = dropout off, else the name of the perturbed pass's masks."""
        passes = self._passes(self.exact if wide else self.model, seed)
        on = masks is not None
        clean = passes("clean", dropout=on)
        shifted = passes.perturbed(masks or "clean", delta.double() if wide else delta, "block", dropout=on)
        return symmetric_kl(shifted, clean).item()

    def _passes(self, model: nn.Module, seed: int) -> Passes:
        return Passes(model, self.batch, Streams(seed, seed), "fp32")


@pytest.fixture
def at_radius(minilm: nn.Module, sentences: dict[str, Tensor]) -> AtPaperRadius:
    return AtPaperRadius(minilm, sentences)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_float32_gives_r_s_to_one_percent(at_radius: AtPaperRadius, seed: int) -> None:
    delta = at_radius.found(seed=seed)
    single, double = at_radius.r_s(delta), at_radius.r_s(delta, wide=True)
    print(f"R_s at epsilon 1e-5: float32 {single:.4e}, float64 {double:.4e}, off by {single / double - 1:+.2%}")
    assert 1e-10 < double < 1e-7
    assert single == pytest.approx(double, rel=0.01)


def test_the_ascent_finds_far_more_than_a_random_direction(at_radius: AtPaperRadius) -> None:
    """At least 10 times the R_s of the projected noise (in fact thousands), and the exact ascent no less than it."""
    climbed, random, exact = (
        at_radius.r_s(at_radius.found(**options), wide=True)
        for options in ({}, {"direction": "random"}, {"ascent": "exact"})
    )
    print(f"R_s: Algorithm 1 {climbed:.3e}, exact {exact:.3e}, random direction {random:.3e}")
    assert climbed >= 10 * random
    assert exact >= climbed


def test_random_signs_are_as_long_as_an_ascent_and_clamped_noise_is_not(at_radius: AtPaperRadius) -> None:
    """In units of epsilon, over real tokens: an ascent of eta = 100 epsilon saturates more than nine tenths."""
    mask = at_radius.batch["attention_mask"].bool()
    options = {"epsilon": 1e-2, "sigma": 1e-2, "eta": 1.0}
    rms = {
        direction: at_radius.found(direction=direction, **options)[mask].square().mean().sqrt().item() / 1e-2
        for direction in ("ascent", "signs", "random")
    }
    print("root mean square over epsilon:", {name: round(value, 3) for name, value in rms.items()})
    assert rms["signs"] == pytest.approx(1.0, rel=1e-5)
    assert 0.9 < rms["ascent"] <= 1.0
    assert rms["random"] == pytest.approx(0.72, abs=0.02)


def test_a_step_that_does_not_follow_the_radius_hardly_fills_the_ball(at_radius: AtPaperRadius) -> None:
    """R_s at epsilon 1e-2, as a share of that with the paper's proportions, sigma = epsilon and eta = 100 epsilon."""
    filled = at_radius.r_s(at_radius.found(epsilon=1e-2, sigma=1e-2, eta=1.0))

    def share(**options: float) -> float:
        return at_radius.r_s(at_radius.found(epsilon=1e-2, **options)) / filled

    shares = {"paper's own": share(), "of 1 radius": share(eta=1e-2), "of 10 radii": share(eta=0.1)}
    print("share of R_s by the step:", {name: f"{value:.2g}" for name, value in shares.items()})
    assert shares["paper's own"] < 0.001
    assert shares["of 1 radius"] < 0.05
    assert 0.3 < shares["of 10 radii"] < 0.8


def test_the_gradient_of_r_s_at_equal_strength_is_right_in_float32(at_radius: AtPaperRadius) -> None:
    """``lambda = (1e-2 / 1e-5)^2 = 1e6`` multiplies float32's error too; compared with float64 on all of MiniLM.

    R_s grows with the square of the radius, so that the weighted gradient is about as long as at 1e-2 itself.
    """
    delta = at_radius.found(epsilon=1e-5, sigma=1e-5, eta=1e-3)

    def gradient(model: nn.Module, offset: Tensor) -> Tensor:
        passes = at_radius._passes(model, 0)
        value = symmetric_kl(passes.perturbed("clean", offset, "block", dropout=False), passes("clean", dropout=False))
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        parts = torch.autograd.grad(value, weights, allow_unused=True)
        return torch.cat([part.flatten().double() for part in parts if part is not None])

    single, double = gradient(at_radius.model, delta), gradient(at_radius.exact, delta.double())
    wide = gradient(at_radius.exact, 1e3 * delta.double())
    error, ratio = ((single - double).norm() / double.norm()).item(), (1e6 * double.norm() / wide.norm()).item()
    print(f"gradient at 1e-5: float32 off by {error:.2%}; times 1e6 it is {ratio:.2f} times that at 1e-2")
    assert error < 0.05
    assert 0.5 < ratio < 2


def test_with_independent_masks_r_s_measures_dropout_and_not_the_perturbation(at_radius: AtPaperRadius) -> None:
    """Shared masks: R_s is that of the perturbation, about 1e-9. Independent: about 1.3e-3 with it and without it.

    The perturbation changes it by less than 1 %, and by less than the standard error over 4 draws of the masks.
    """
    seeds = range(4)
    deltas = [at_radius.found("independent", seed=seed) for seed in seeds]
    with_delta = torch.tensor([at_radius.r_s(deltas[s], masks="other", seed=s) for s in seeds])
    without = torch.tensor([at_radius.r_s(torch.zeros_like(deltas[s]), masks="other", seed=s) for s in seeds])
    shared = torch.tensor([at_radius.r_s(at_radius.found("shared", seed=s), masks="clean", seed=s) for s in seeds])
    error = (without.std() / len(seeds) ** 0.5).item()
    print(
        f"R_s independent masks {with_delta.mean():.4e}, without perturbation {without.mean():.4e} "
        f"(standard error {error:.1e}), shared masks {shared.mean():.3e}"
    )
    assert (with_delta - without).mean().abs() < min(error, 0.01 * without.mean())
    assert 1e-4 < without.mean() < 1e-2
    assert 0 < shared.mean() < 1e-3 * without.mean()


def test_bf16_leaves_both_terms_of_smart_alone(minilm: nn.Module, sentences: dict[str, Tensor]) -> None:
    """A bf16 run takes both sides of each divergence in float32: the same numbers, bit for bit."""
    parts = {}
    for precision in ("fp32", "bf16"):
        method = build("smart", teacher_dropout="off")
        method.precision = precision
        parts[precision] = first_loss(method, minilm, sentences).parts
    assert parts["fp32"]["smoothness"] == parts["bf16"]["smoothness"]
    assert parts["fp32"]["task"] == parts["bf16"]["task"]
    assert parts["fp32"]["bregman"] == parts["bf16"]["bregman"] > 0


# -- gradients -------------------------------------------------------------------------------------------------------
SATURATED = {
    "epsilon": 1e-2,
    "sigma": 1e-2,
    "eta": 1e9,
}  # every entry on the ball: delta does not move with the weights


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vanilla", {}),
        ("smoothness", SATURATED),
        ("smoothness", {**SATURATED, "dropout": "independent", "site": "word"}),
        ("smoothness", {**SATURATED, "dropout": "off"}),
        ("smoothness", {"epsilon": 1e-2, "ascent": "exact", "lambda_s": 5.0}),
        ("bregman", {"mu": 3.0}),
        ("bregman", {"teacher_dropout": "shared"}),
        ("smart", SATURATED),
        ("r-drop", {"alpha": 5.0}),
        ("r3f", {"sigma": 1e-2}),
        ("sda", {}),
        ("sdv", {"K": 2}),
        ("smart+sda", {**SATURATED, "K": "all"}),
    ],
    ids=str,
)
def test_parameter_gradients_are_those_of_the_printed_loss(
    outputs: int, name: str, options: dict[str, Any], tiny: Tiny, batch: Batch
) -> None:
    """Central differences of the total along 2 random directions, in float64: relative error at most 1e-5."""
    outputs = min(outputs, 2) if options.get("ascent") == "exact" else outputs  # it is for two classes and regression
    model, inputs = tiny(outputs).double(), batch(outputs=outputs)
    method = build(name, **options)
    method.setup(model, 100)
    torch.manual_seed(1)
    with torch.no_grad():  # away from the teacher
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    method.after_step(model, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    found = gradients(method, model, inputs)
    for _ in range(2):
        direction = [torch.randn_like(parameter) for parameter in model.parameters()]
        slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True))
        assert slope == pytest.approx(_difference(method, model, inputs, direction), rel=1e-5, abs=1e-8)


def _difference(method: Method, model: nn.Module, inputs: dict[str, Tensor], direction: list[Tensor]) -> float:
    step = 1e-6
    totals = []
    for move in (step, -2 * step, step):
        with torch.no_grad():
            for parameter, d in zip(model.parameters(), direction, strict=True):
                parameter += move * d
        method.begin(0, 0, 0)
        totals.append(copy.deepcopy(method).loss(model, inputs).total.item())
    return (totals[0] - totals[1]) / (2 * step)


# -- D_Breg ----------------------------------------------------------------------------------------------------------
def bregman_gradient(options: dict[str, Any], dropout: float, tiny: Tiny, batch: Batch) -> float:
    """Largest entry of the gradient that D_Breg adds to the task loss in the first update of VBPP with S = 1."""
    model, inputs = tiny(dropout=dropout).double(), batch()
    added = []
    for method in (build("bregman", beta=0.0, inner_steps=1, **options), build("vanilla")):
        method.setup(model, 10)
        added.append(gradients(method, model, inputs))
    return max((a - b).abs().max().item() for a, b in zip(*added, strict=True))


@pytest.mark.parametrize(
    ("dropout", "teacher_dropout", "vanishes"),
    [
        (0.0, "off", True),
        (0.0, "independent", True),
        (0.1, "shared", True),
        (0.1, "off", False),
        (0.1, "independent", False),
    ],
)
def test_vbpp_with_one_inner_step_has_no_gradient_iff_dropout_is_off_or_masks_are_shared(
    dropout: float, teacher_dropout: str, vanishes: bool, tiny: Tiny, batch: Batch
) -> None:
    largest = bregman_gradient({"teacher_dropout": teacher_dropout}, dropout, tiny, batch)
    assert (largest < 1e-15) == vanishes
    assert vanishes or largest > 1e-4


def test_vbpp_with_two_inner_steps_pulls_in_the_second(tiny: Tiny, batch: Batch) -> None:
    model, inputs = tiny(dropout=0.0), batch()
    method = build("bregman", beta=0.0, inner_steps=2)
    method.setup(model, 10)
    seen = []
    for step in range(4):
        method.begin(0, 0, step)
        seen.append(method.loss(model, inputs).parts["bregman"].item())
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01
        method.after_step(model, step + 1)
    assert [value > 0 for value in seen] == [False, True, False, True]


class Constant(nn.Module):
    """A model with one weight, which is its prediction for every text."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([value], dtype=torch.float64))
        self.config = SimpleNamespace(num_labels=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.theta.expand(len(input_ids), 1))


@pytest.mark.parametrize("mu", [0.5, 1.0, 4.0])
def test_the_proximal_step(mu: float) -> None:
    """``argmin (theta - a)^2 + mu (theta - theta_0)^2 = (a + mu theta_0) / (1 + mu)``, by gradient descent."""
    start, label = 3.0, -1.0
    model = Constant(start)
    inputs = {"input_ids": torch.zeros(2, 1, dtype=torch.long), "attention_mask": torch.ones(2, 1)}
    inputs["labels"] = torch.full((2,), label, dtype=torch.float64)
    method = build("bregman", mu=mu, teacher="theta0")
    method.setup(model, 300)
    for step in range(300):
        model.zero_grad()
        loss = method.backward(model, inputs, torch.Tensor.backward)
        with torch.no_grad():
            model.theta -= 0.1 / (1 + mu) * model.theta.grad
        method.after_step(model, step + 1)
    best = (label + mu * start) / (1 + mu)
    assert model.theta.item() == pytest.approx(best, abs=1e-9)
    assert loss.parts["bregman"].item() == pytest.approx((best - start) ** 2, abs=1e-6)


def parameter_path(tiny: Tiny, steps: int) -> Iterator[nn.Module]:
    model = tiny(dropout=0.0).double()
    torch.manual_seed(2)
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        yield model


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_the_teacher_is_the_mean_of_equation_3(inner_steps: int, tiny: Tiny, batch: Batch) -> None:
    """``beta`` is 0.99 while t <= 0.1 T, then 0.999; an iterate joins after the last of S updates; tolerance 1e-12."""
    steps, inputs = 30, batch()
    method = build("bregman", inner_steps=inner_steps)
    start = tiny(dropout=0.0).double()
    method.setup(start, steps)
    expected = [parameter.detach().clone() for parameter in start.parameters()]
    outer, share = steps // inner_steps, 1.0
    for step, model in enumerate(parameter_path(tiny, steps), start=1):
        method.after_step(model, step)
        if step % inner_steps == 0:
            beta = 0.99 if step // inner_steps <= 0.1 * outer else 0.999
            expected = [beta * e + (1 - beta) * p.detach() for e, p in zip(expected, model.parameters(), strict=True)]
            share *= beta
    teacher = tiny(dropout=0.0).double().eval()
    with torch.no_grad():
        for parameter, value in zip(teacher.parameters(), expected, strict=True):
            parameter.copy_(value)
        reference = teacher(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    method.begin(0, 0, steps)
    loss = method.loss(model, inputs)
    student = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    assert loss.parts["bregman"].item() == pytest.approx(symmetric_kl(student, reference).item(), rel=1e-12)
    assert loss.info["start_share"].item() == pytest.approx(share, rel=1e-6)


@pytest.mark.parametrize("name", ["bregman", "smart"])
def test_the_evaluated_teacher_is_the_mean_of_equation_3(name: str, tiny: Tiny) -> None:
    """After 20 updates, beta 0.99 for two of them, then 0.999; float64, tolerance 1e-12."""
    method = build(name, evaluate="teacher")
    start = tiny(dropout=0.0).double()
    method.setup(start, 20)
    expected = [parameter.detach().clone() for parameter in start.parameters()]
    for step, model in enumerate(parameter_path(tiny, 20), start=1):
        method.after_step(model, step)
        beta = 0.99 if step <= 2 else 0.999
        expected = [beta * e + (1 - beta) * p.detach() for e, p in zip(expected, model.parameters(), strict=True)]
    evaluated = method.eval_model(model)
    assert evaluated is not model
    for parameter, value in zip(evaluated.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter, value, rtol=0, atol=1e-12)
    assert build(name).eval_model(model) is model


@pytest.mark.parametrize(("steps", "left"), [(468, 0.41), (300, 0.57), (687, 0.27)])
def test_how_much_of_theta_0_is_left_at_the_end(steps: int, left: float, tiny: Tiny, batch: Batch) -> None:
    """0.99^(T/10) 0.999^(9T/10), for RTE at batch 32 and 6 epochs, for 300 updates, and for MRPC."""
    method, model = build("bregman"), tiny()
    method.setup(model, steps)
    for step in range(1, steps + 1):
        method.after_step(model, step)
    share = method.loss(model, batch()).info["start_share"].item()
    assert share == pytest.approx(0.99 ** (steps // 10) * 0.999 ** (steps - steps // 10), rel=1e-4)
    assert share == pytest.approx(left, abs=0.01)


def test_the_scaled_teacher_forgets_at_the_pace_of_the_run(tiny: Tiny, batch: Batch) -> None:
    """1 - beta = 10/T: e^-10 of theta_0 is left, however short the run."""
    for steps in (100, 400):
        method, model = build("bregman", teacher="ema-scaled"), tiny()
        method.setup(model, steps)
        for step in range(1, steps + 1):
            method.after_step(model, step)
        share = method.loss(model, batch()).info["start_share"].item()
        assert share == pytest.approx((1 - 10 / steps) ** steps, rel=1e-4)
        assert share < 5e-5


def test_the_current_teacher_is_the_dropout_control(tiny: Tiny, batch: Batch) -> None:
    """teacher="current" compares the student with itself: 0 without dropout, the dropout divergence with it."""
    assert first_loss(build("bregman", teacher="current"), tiny(dropout=0.0), batch()).parts["bregman"].item() == 0
    assert first_loss(build("bregman", teacher="current"), tiny(dropout=0.1), batch()).parts["bregman"].item() > 0
    method = build("bregman", teacher="current")
    assert method.expected_signals() == frozenset()
    assert build("bregman").expected_signals() == {"bregman"}


def test_the_teacher_gets_no_gradient_and_is_no_parameter(tiny: Tiny, batch: Batch) -> None:
    model, method = tiny(), build("smart")
    method.setup(model, 10)
    groups = method.param_groups(model, 1e-3, 0.01)
    assert {id(p) for g in groups for p in g["params"]} == {id(p) for p in model.parameters()}
    teacher = method.terms[1][1].teacher
    before = [p.clone() for p in teacher.parameters()]
    gradients(method, model, batch())
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


# -- together --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize(
    ("options", "name", "alone"),
    [
        ({"mu": 0.0, "lambda_s": 3.0, "epsilon": 1e-3}, "smoothness", {"lambda_s": 3.0, "epsilon": 1e-3}),
        ({"lambda_s": 0.0, "mu": 2.0}, "bregman", {"mu": 2.0}),
        ({"lambda_s": 0.0, "mu": 0.0}, "vanilla", {}),
    ],
    ids=["smoothness", "bregman", "vanilla"],
)
def test_smart_without_a_term_is_the_other_method(
    outputs: int, options: dict[str, Any], name: str, alone: dict[str, Any], trained: Callable[..., nn.Module]
) -> None:
    """The same weights after 6 updates, bit for bit."""
    both = trained(build("smart", **options), outputs=outputs).state_dict()
    one = trained(build(name, **alone), outputs=outputs).state_dict()
    assert all(torch.equal(both[key], one[key]) for key in both)


def test_the_total_is_the_weighted_sum_of_the_printed_parts(tiny: Tiny, batch: Batch) -> None:
    method = build("smart+sda", lambda_s=3.0, mu=2.0, lambda_d=0.5, epsilon=1e-2, teacher_lag=0)
    parts = (loss := first_loss(method, tiny(), batch())).parts
    total = parts["task"] + 3 * parts["smoothness"] + 2 * parts["bregman"] + 0.5 * parts["distillation"]
    assert loss.total.item() == pytest.approx(total.item(), rel=1e-6)
    assert all(value > 0 and not value.requires_grad for value in parts.values())


def test_the_first_clean_pass_is_the_one_of_plain_fine_tuning(tiny: Tiny, batch: Batch) -> None:
    """At one seed the first update's task loss is the same number for every method that starts with a clean pass."""
    tasks = {
        name: first_loss(build(name), tiny(), batch()).parts["task"].item()
        for name in ("vanilla", "smart", "smoothness", "bregman", "sda", "sdv", "smart+sda", "r3f", "smart-released")
    }
    assert len(set(tasks.values())) == 1, tasks


@pytest.mark.parametrize(
    "bad", [{"dropout": "of"}, {"epsilon": 0.0}, {"lambda_s": -1.0}, {"beta": 1.0}, {"teacher": "x"}, {"evaluate": "x"}]
)
def test_senseless_options_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        build("smart", **bad)


@pytest.mark.parametrize("more", [{"norm_scope": "token"}, {"ascent": "exact"}, {"direction": "signs"}], ids=str)
def test_the_l2_ball_is_that_of_an_example_by_algorithm_1(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="p=2 is the norm of a whole example"):
        build("smart", p=2, **more)


def test_a_mistyped_option_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match="'smart' has no option 'epsilonn'; did you mean 'epsilon'"):
        build("smart", epsilonn=1.0)
    with pytest.raises(ValueError, match="'pgd' has no option 'mu'; it has: alpha, epsilon, start, K"):
        build("pgd", mu=1.0)
    with pytest.raises(KeyError, match="no method named 'smrt'; did you mean 'smart'"):
        build("smrt")


def test_multi_label_targets_are_refused(tiny: Tiny, batch: Batch) -> None:
    with pytest.raises(ValueError, match=r"one label per text is needed, got labels of shape \(6, 2\)"):
        first_loss(build("vanilla"), tiny(), {**batch(), "labels": torch.zeros(6, 2)})
    with pytest.raises(ValueError, match="float labels need a model with num_labels=1"):
        first_loss(build("vanilla"), tiny(), {**batch(), "labels": torch.zeros(6)})
    without_mask = {name: value for name, value in batch().items() if name != "attention_mask"}
    with pytest.raises(ValueError, match="no attention_mask"):
        first_loss(build("vanilla"), tiny(), without_mask)


def test_unused_terms_cost_nothing(tiny: Tiny) -> None:
    method = build("smart", mu=0.0)
    method.setup(tiny(), 10)
    assert [term.part for _, term in method.terms] == ["smoothness"]
    assert Clean(torch.zeros(1)).embeddings is None


def test_the_size_of_the_embeddings_is_that_of_real_tokens() -> None:
    embeddings = torch.tensor([[[3.0, 3.0], [100.0, 100.0]], [[1.0, 1.0], [1.0, 1.0]]])
    mask = torch.tensor([[1, 0], [1, 1]])
    assert root_mean_square(embeddings, mask).item() == pytest.approx(((9 + 1 + 1) / 3) ** 0.5)
