"""Notes on methods: the weights of R-Drop and R_s, balls that are not filled, what the findings lead one to expect."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from analysis.strengths import SHARE, unequal_strengths
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.method_notes import _Arm, is_hollow, is_weak, method_notes, own_grid_notes
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from smart_repro.declarations import configure, methods
from smart_repro.divergence import symmetric_kl
from smart_repro.methods.base import Loss
from smart_repro.methods.r_drop import RDrop

ACTS = "smoothness:epsilon=1e-2,sigma=epsilon,eta=100*epsilon"
BOTH = ("what-drives-smart", "mechanism", "label-noise", "equal-budgets")


@pytest.mark.parametrize("name", BOTH)
def test_every_experiment_with_both_has_the_note(name):
    (note,) = method_notes(PROFILES["paper"](EXPERIMENTS[name]()))
    assert "R-Drop at alpha 1 weighs the symmetrised KL divergence by alpha/4 = 0.25" in note
    assert "lambda_s" in note


def test_no_experiment_without_both_has_it():
    with_note = {name for name in EXPERIMENTS if method_notes(EXPERIMENTS[name]())}
    rows = {name: {row.method.name for row in EXPERIMENTS[name]().rows} for name in EXPERIMENTS}
    assert with_note == {name for name, methods in rows.items() if "r-drop" in methods}
    assert set(BOTH) <= with_note
    assert "smart-table1" not in with_note


def test_it_is_in_the_notes_of_the_plan_and_of_the_manifest():
    experiment, _ = Request(name="compare", methods="r-drop:alpha=2,smart:lambda_s=3", tasks="demo-rte").found()
    for notes in (experiment.notes, experiment.manifest({}, {}).warnings):
        (note,) = [text for text in notes if text.startswith("R-Drop and R_s")]
        assert "R-Drop at alpha 2 weighs the symmetrised KL divergence by alpha/4 = 0.5, R_s at lambda_s 3" in note


def test_equal_strengths_and_a_method_alone_need_no_note():
    assert unequal_strengths([4.0], [1.0]) == ""
    assert unequal_strengths([1.0], []) == ""
    assert unequal_strengths([], [1.0]) == ""
    assert "alpha 0.5 / 1 weighs" in unequal_strengths([1.0, 0.5, 1.0], [5.0])


def test_the_share_is_that_of_the_methods_own_loss(monkeypatch):
    """Two passes with known logits: the loss minus the task loss is alpha / 4 times the symmetrised KL divergence."""
    first, second = torch.tensor([[1.0, -0.5]]), torch.tensor([[0.2, 0.4]])
    logits = iter((first, second))

    class Passes:
        target = "classification"

        def __call__(self, name):
            return next(logits)

    method = RDrop(alpha=3.0)
    monkeypatch.setattr(method, "open_passes", lambda model, batch: Passes())
    monkeypatch.setattr(method, "task_loss", lambda output, passes: torch.tensor(0.0))
    loss: Loss = method.loss(torch.nn.Identity(), {})
    assert loss.total.item() == pytest.approx(3.0 / SHARE * symmetric_kl(first, second).item())


# --- a user's own grid ---


def notes_on(methods: str, tasks: str = "rte") -> tuple[str, ...]:
    return own_grid_notes(Request(name="compare", methods=methods, tasks=tasks).experiment())


@pytest.mark.parametrize(
    ("methods", "named"),
    [
        ("smoothness:epsilon=[1e-3,1e-2]", ["smoothness[shared]:epsilon=0.001, smoothness[shared]:epsilon=0.01"]),
        ("smart:epsilon=0.01,eta=0.05,sigma=0.01", ["smart[shared]:epsilon=0.01,eta=0.05,sigma=0.01"]),
        ("smart:epsilon=0.01,direction=random", ["smart[shared]:direction=random,epsilon=0.01"]),
        ("smart[independent]:epsilon=0.01", ["smart[independent]:epsilon=0.01"]),
        ("smoothness:epsilon=[1e-3,1e-2],sigma=epsilon,eta=100*epsilon", []),
        ("smoothness:epsilon=1e-4", []),  # the paper's own step is ten radii
        ("smoothness:epsilon=0.01,ascent_steps=100", []),
        ("smoothness:epsilon=0.01,direction=signs", []),
        ("smoothness:epsilon=0.01,direction=none,dropout=independent", []),
        ("smoothness:epsilon=0.01,ascent=exact", []),
        ("smoothness:epsilon=0.01,p=2", []),
        ("smoothness,freelb:epsilon=0.6,r3f,sda,bregman", []),
    ],
)
def test_a_ball_that_the_step_does_not_fill_is_told(methods: str, named: list[str]) -> None:
    found = [note for note in notes_on(f"vanilla,{methods}", "demo-rte") if "hardly fills" in note]
    assert [note.partition(": the perturbation")[0] for note in found] == named


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        ("smart,sda,sda:teacher_dropout=shared", True),
        ("sda,vanilla", False),
        ("smart,vanilla:label_smoothing=0.1", False),
        ("r-drop", False),
    ],
)
def test_a_grid_without_plain_fine_tuning_is_told(methods: str, told: bool) -> None:
    found = [note for note in notes_on(methods, "demo-rte") if note.startswith("No row is plain fine-tuning")]
    assert len(found) == told
    assert all("differences are from smart[shared]. Add vanilla" in note for note in found)


def test_the_papers_studies_and_the_demo_have_no_notes_on_ones_own_grid() -> None:
    assert notes_on("vanilla,smart,sda", "demo-rte") == ()
    for name, rows in (("smart-table3", None), ("epsilon", "vanilla,epsilon-eta-fixed@0.01")):
        experiment, _ = Request(name=name, methods=rows).found()
        assert not any("hardly fills" in note or "FINDINGS" in note for note in experiment.notes)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("vanilla,smart,smoothness", ["smart[shared], smoothness[shared]: R_s"]),
        ("vanilla,smart,smoothness:epsilon=1e-2,sigma=epsilon,eta=100*epsilon", ["smart[shared]: R_s"]),
        ("vanilla,smoothness:direction=none", []),
        ("vanilla,smart,smoothness:epsilon=1e-2", ["smoothness[shared]:epsilon=0.01: the per", "smart[shared]: R_s"]),
        ("vanilla,smart,smart[independent]", ["smart[shared]: R_s"]),
        ("vanilla,smart:lambda_s=0", []),
        ("vanilla,sda", ["sda: SDA with K = 1"]),
        ("vanilla,sda,sda:teacher_dropout=shared", []),
        ("vanilla,sda:K=5", []),
        ("vanilla,smart,sda", ["smart[shared]: R_s", "sda: SDA with K = 1"]),
        ("vanilla,bregman,r-drop", []),
    ],
)
def test_what_the_findings_lead_one_to_expect_is_told_before_training(methods: str, expected: list[str]) -> None:
    notes = notes_on(methods)
    assert len(notes) == len(expected)
    for note, start in zip(notes, expected, strict=True):
        assert note.startswith(start)
        assert ("docs/FINDINGS.md" in note) == ("hardly fills" not in note)
    found, _ = Request(name="compare", methods=methods, tasks="demo-rte").found()
    assert not [note for note in found.notes if "FINDINGS" in note]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            "",
            "eta is 0.1 times the radius (in the paper 100); for the radius to act add sigma=epsilon,eta=100*epsilon.",
        ),
        (",sigma=epsilon,eta=5*epsilon", "eta is 5 times the radius (in the paper 100); for"),
        (
            ",direction=random",
            "sigma is 0.001 times the radius (in the paper 1); for the radius to act add sigma=epsilon.",
        ),
    ],
)
def test_the_note_on_a_ball_names_what_is_short(options: str, told: str) -> None:
    (note,) = notes_on(f"vanilla,smoothness:epsilon=1e-2{options}", "demo-rte")
    assert told in note
    assert ("eta" in note) == ("random" not in options)


def test_a_plug_in_with_another_epsilon_has_no_ball() -> None:
    other = SimpleNamespace(lambda_s=1.0, epsilon=0.1)  # of label smoothing, say
    assert not _Arm("own", "own", frozenset({"epsilon"}), other).has_ball


def test_an_acting_row_is_proposed_where_there_is_none() -> None:
    alone, beside = (notes_on(f"vanilla,smart{more}")[0] for more in ("", f",{ACTS}"))
    assert alone.removeprefix(beside) == f" A row that acts: {ACTS.replace('smoothness', 'smart')}."


def test_the_row_that_a_note_proposes_fills_its_ball_and_acts() -> None:
    (proposed,) = (row.method for row in Request(name="compare", methods=ACTS, tasks="rte").experiment().rows)
    note = notes_on("vanilla,smoothness")[0]
    assert ACTS in note
    assert not is_hollow(configure(methods()[proposed.name], dict(proposed.options)))
    assert not is_weak(configure(methods()[proposed.name], dict(proposed.options)))
