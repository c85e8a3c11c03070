"""Where R-Drop stands beside R_s, a note gives the weights of both, and they are those of the methods' code."""

from __future__ import annotations

import pytest
import torch

from analysis.strengths import SHARE, unequal_strengths
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from benchmarks.experiments.planning.strengths import strengths
from smart_repro.divergence import symmetric_kl
from smart_repro.methods.base import Loss
from smart_repro.methods.r_drop import RDrop

BOTH = ("what-drives-smart", "mechanism", "label-noise", "equal-budgets")


@pytest.mark.parametrize("name", BOTH)
def test_every_experiment_with_both_has_the_note(name):
    (note,) = strengths(PROFILES["paper"](EXPERIMENTS[name]()))
    assert "R-Drop at alpha 1 weighs the symmetrised KL divergence by alpha/4 = 0.25" in note
    assert "lambda_s" in note


def test_no_experiment_without_both_has_it():
    with_note = {name for name in EXPERIMENTS if strengths(EXPERIMENTS[name]())}
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
