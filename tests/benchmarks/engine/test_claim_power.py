"""What a plan says about its claims: seeds that are too few, missing columns, quantifiers, sameness, spreads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.power import Noise, in_words, of_mean, smallest_difference, typical
from analysis.schema import AtEpoch, Claim, Cost, against
from benchmarks.engine import spread
from benchmarks.engine.claim_power import claim_line, claim_lines
from benchmarks.engine.plan import Plan, make_plan
from benchmarks.engine.spread import ASSUMED, MEASURED, POOLED, Entry, spread_of
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import parse_methods
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source

ROWS = against("smart[shared]", "vanilla")


def claim(**changes: object) -> Claim:
    values = {"id": "one", "sentence": "a", "table": "b", "contrast": ROWS, "tasks": ("demo-rte",), "size": 2.4}
    return Claim(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Two measured tasks of which nothing else is known."""
    found = [
        Entry("demo-rte", "accuracy", "tiny", None, 5, 2_000, 1, 0.03, 0.1, 0.3, "test"),
        Entry("demo-cola", "matthews", "tiny", None, 5, 2_000, 1, 0.04, 0.2, 0.4, "test"),
    ]
    monkeypatch.setattr(spread, "entries", lambda: tuple(found))
    return found


@pytest.fixture
def plan(entries: list[Entry], tmp_path: Path) -> Plan:
    experiment = compare(
        tasks=("demo-rte", "demo-cola"),
        methods=tuple(parse_methods("vanilla,smart")),
        seeds=(0, 1, 2, 3, 4),
        settings={"model": "tiny"},
    )
    return make_plan(experiment, Source("generated"), Store(tmp_path))


def with_seeds(plan: Plan, count: int) -> Plan:
    return replace(plan, experiment=replace(plan.experiment, seeds=tuple(range(count))))


def test_below_a_claims_fewest_seeds_nothing_is_promised(plan: Plan) -> None:
    assert claim_line(with_seeds(plan, 3), claim()) == "3 of 5 seeds: cannot be decided"
    assert claim_line(with_seeds(plan, 1), claim(min_seeds=1)) == "1 of 2 seeds: cannot be decided"
    assert claim_line(plan, claim(min_seeds=8)) == "5 of 8 seeds: cannot be decided"
    assert "show differences" in claim_line(plan, claim())


def test_the_measured_spread_is_used(plan: Plan) -> None:
    assert plan.items == {"demo-rte.accuracy": 2_000, "demo-cola.matthews": 2_000}
    noise = Noise(0.03, 0.1, 0.3)
    assert claim_line(plan, claim(size=5.0)) == in_words(5.0, 5, [2_000], [noise])
    assert 100 * smallest_difference(5, 2_000, noise) > 3 * 100 * smallest_difference(5, 2_000)
    assert "too few for the claimed 2.4" in claim_line(plan, claim())


def test_quantifiers_look_at_single_tasks(plan: Plan) -> None:
    tasks, noises = ("demo-rte", "demo-cola"), [Noise(0.03, 0.1, 0.3), Noise(0.04, 0.2, 0.4)]
    every = claim_line(plan, claim(tasks=tasks, quantifier="every"))
    assert every.endswith(in_words(2.4, 5, [2_000], [noises[1]]))
    assert every.startswith("every of 2 tasks; demo-cola")
    some = claim_line(plan, claim(tasks=tasks, quantifier="any"))
    assert some.endswith(in_words(2.4, 5, [2_000], [noises[0]], level=0.975))
    average = claim_line(plan, claim(tasks=tasks))
    assert average == in_words(2.4, 5, [2_000, 2_000], noises)


def test_a_claim_of_sameness_is_held_against_its_margin(plan: Plan) -> None:
    line = claim_line(plan, claim(direction="no less", size=None, margin=1.0))
    margin = 100 * smallest_difference(5, 2_000, Noise(0.03, 0.1, 0.3), level=0.90)
    assert f"exclude differences from about {margin:.1f} points" in line
    assert line.endswith("too few for the margin of 1")
    assert "enough for the margin" in claim_line(plan, claim(direction="no less", size=None, margin=margin + 0.01))
    wider = claim_line(plan, claim(direction="the same", size=None, margin=1.0))
    assert float(re.findall(r"about ([\d.]+)", wider)[0]) > margin


def test_what_is_missing_is_named(plan: Plan) -> None:
    assert claim_line(plan, claim(tasks=("demo-rte", "demo-qqp"))) == "cannot be decided without demo-qqp"
    assert "show differences" in claim_line(plan, claim(tasks=("demo-rte", "demo-qqp"), partial=True))
    no_row = claim_line(plan, claim(contrast=against("sda[K=1]", "vanilla")))
    assert no_row == "cannot be decided without demo-rte; the row sda[K=1] is left out"
    unscored = replace(plan.experiment, unscored={"*|demo-rte": "its labels are hidden"})
    assert claim_line(replace(plan, experiment=unscored), claim()).endswith("its labels are hidden")
    in_nats = replace(plan.experiment, columns=(TaskColumn("demo-rte", "cross_entropy"),))
    nats = replace(plan, experiment=in_nats, items={"demo-rte.cross_entropy": 2_000})
    assert claim_line(nats, claim()) == "no forecast: cross_entropy is no percentage"


def test_a_forecast_that_fails_is_a_line(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise ValueError("the solver cannot continue")

    monkeypatch.setattr("analysis.power.in_words", fails)
    assert claim_line(plan, claim()) == "no forecast: the solver cannot continue"


def test_claims_of_other_kinds_are_named(plan: Plan) -> None:
    early, seconds = AtEpoch(epoch=1), Cost(quantity="seconds")
    kinds = (claim(id="first"), claim(id="second", test=early), claim(id="third", test=seconds, min_seeds=6))
    lines = claim_lines(replace(plan, experiment=replace(plan.experiment, claims=kinds)))
    assert lines[1] == "What this grid can decide:"
    assert lines[3] == "  third: 5 of 6 seeds: cannot be decided"
    assert lines[4] == "  no forecast for claims of other kinds: second (epoch)"
    assert lines[5] == "  Spread measured: demo-rte"
    assert claim_lines(plan) == []


def test_where_a_spread_comes_from(entries: list[Entry]) -> None:
    assert spread_of("demo-rte", "accuracy", 2_000, "tiny", None) == (Noise(0.03, 0.1, 0.3), MEASURED)
    noise, origin = spread_of("demo-qqp", "f1", 2_000, "tiny", None)
    assert origin == POOLED
    assert noise.seed == pytest.approx((0.0025 / 2) ** 0.5)
    assert spread_of("demo-rte", "accuracy", 2_000, "tiny", 16)[1] == POOLED
    assert spread_of("cola", "matthews", 1_043, "bert", 2_500) == (typical(1_043, "matthews"), ASSUMED)
    assert spread_of("demo-rte", "accuracy", 2_000, "minilm", None)[1] == ASSUMED


def test_the_recorded_spreads_are_of_real_tasks() -> None:
    lines = json.loads(spread.PATH.read_text())
    assert len({(line["task"], line["metric"], line["model"], line["max_train_samples"]) for line in lines}) == len(
        lines
    )
    for line in lines:
        entry = Entry(**line)
        assert entry.seeds >= 5
        assert min(entry.seed, entry.item, entry.interaction) >= 0
        assert entry.interaction > 0


def test_the_demo_promises_what_its_own_runs_showed() -> None:
    """With BERT's spread on GLUE a plan promised 2.3 points on demo-mnli, where the runs could show 55."""
    noise, origin = spread_of("demo-mnli", "accuracy", 2_000, "tiny", None)
    assert origin == MEASURED
    assert 100 * smallest_difference(5, 2_000, of_mean([2_000], [noise])) > 10
