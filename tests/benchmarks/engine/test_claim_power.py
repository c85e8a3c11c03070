"""What a plan says about its claims: seeds that are too few, missing columns, quantifiers, sameness, spreads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.claims import decide, multiplicity
from analysis.claims.claim import Outcome
from analysis.claims.deciding import deciding_parts
from analysis.claims.multiplicity import Family
from analysis.power import Noise, in_words, noise_of, noise_of_mean, of_mean, smallest_difference, typical
from analysis.report.card.open_claim import remedy_of
from analysis.report.remedy import deciding_seeds
from analysis.results import Results
from analysis.schema import AtEpoch, Claim, Cost, against
from benchmarks.engine import spread
from benchmarks.engine.claim_power import claim_line, claim_lines
from benchmarks.engine.plan import Plan, make_plan
from benchmarks.engine.spread import ASSUMED, MEASURED, POOLED, Entry, spread_of
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import parse_methods
from benchmarks.store.store import RunState, Store
from benchmarks.tasks.sources import Source
from tests.analysis.world import Arm, Exam, World, run_key

HOLM_OF_TWO = "at the level 0.05/2 of Holm's correction over 2 tasks"
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
        Entry("demo-rte", "accuracy", "tiny", None, 5, 2_000, 1, 0.01, 0.02, 0.03, "test", 5e-4),
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
    assert every.endswith(in_words(2.4, 5, [2_000], [noises[1]], level=0.975))
    assert every.startswith(f"every of 2 tasks; demo-cola, the least certain, {HOLM_OF_TWO}: ")
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
    assert spread_of("demo-rte", "accuracy", 2_000, "tiny", None, 5e-4) == (Noise(0.01, 0.02, 0.03), MEASURED)
    assert spread_of("demo-rte", "accuracy", 2_000, "tiny", None, 1e-3) == (Noise(0.03, 0.1, 0.3), MEASURED)
    assert spread_of("demo-cola", "matthews", 2_000, "tiny", None, 5e-4) == (Noise(0.04, 0.2, 0.4), MEASURED)
    noise, origin = spread_of("demo-qqp", "f1", 2_000, "tiny", None)
    assert origin == POOLED
    assert noise.seed == pytest.approx((0.0025 / 2) ** 0.5)
    assert spread_of("demo-rte", "accuracy", 2_000, "tiny", 16)[1] == POOLED
    assert spread_of("cola", "matthews", 1_043, "bert", 2_500) == (typical(1_043, "matthews"), ASSUMED)
    assert spread_of("demo-rte", "accuracy", 2_000, "minilm", None)[1] == ASSUMED


def test_the_recorded_spreads_are_of_real_tasks() -> None:
    lines = json.loads(spread.PATH.read_text())
    settings = ("task", "metric", "model", "max_train_samples", "learning_rate")
    assert len({tuple(line.get(name) for name in settings) for line in lines}) == len(lines)
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


# --- once there are runs ---

TASKS = ("demo-rte", "demo-cola")
BOTH_TASKS = {"tasks": TASKS, "size": None, "bound": 3.0}


@pytest.fixture
def run_plan(plan: Plan, tmp_path: Path) -> Plan:
    """Return the plan with its first five seeds done, by runs of which the two rows differ a little."""
    root = tmp_path / "done"
    exams = (Exam(TASKS[0], items=300), Exam(TASKS[1], "matthews", items=300))
    arms = (Arm("vanilla"), Arm("smart[shared]", gain=0.5), Arm("smart[independent]"))
    World(root, arms, exams, seeds=range(5), name="compare").write()
    places = {exam.task: exam for exam in exams}
    cells = {(row, place, seed): run_key(row, places[place], seed) for row, place, seed in plan.cells}
    states = {key: RunState(key, "done", "") for key in cells.values()}
    jobs = {cells[cell]: plan.jobs[key] for cell, key in plan.cells.items()}
    return replace(plan, jobs=jobs, cells=cells, states=states, results=root)


def seeds_of(plan: Plan, count: int) -> Plan:
    """Return the plan for more seeds than are done."""
    cells = {(row, place, seed): f"{row}{place}{seed}" for row, place, _ in plan.cells for seed in range(count)}
    cells |= plan.cells
    states = {key: plan.states.get(key, RunState(key, "todo", "")) for key in cells.values()}
    return replace(with_seeds(plan, count), cells=cells, states=states)


def test_a_plan_counts_with_the_runs_that_are_done_as_the_report_does(run_plan: Plan) -> None:
    """At the report's number of seeds the plan shows the difference of the report; with one fewer it does not."""
    asked = claim(**BOTH_TASKS)
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    words, more = remedy_of(results, manifest, decide(results, manifest, asked))
    size = float(re.search(r"a true difference of ([\d.]+) points", words)[1])
    assert size == 3.0
    assert 1 < more < 500
    detected = []
    for count in (5 + more, 5 + more - 1):
        line = claim_line(seeds_of(run_plan, count), claim(**{**BOTH_TASKS, "size": size}))
        assert line.startswith(f"{count} seeds × 600 items show differences from about ")
        detected.append(": enough for the claimed 3" in line)
    assert detected == [True, False]


def test_what_tasks_share_over_seeds_is_counted_where_runs_tell_it(run_plan: Plan) -> None:
    asked, origins = claim(**BOTH_TASKS), {}
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    parts, _ = deciding_parts(results, manifest, decide(results, manifest, asked))
    n_items, noise = noise_of_mean(list(parts.values()))
    line = claim_line(run_plan, asked, origins)
    assert line == in_words(None, 5, [n_items], [noise.times(0.01)])
    assert "independent" not in line
    assert origins == {"of the finished runs, with what their tasks share over seeds": dict.fromkeys(TASKS)}
    independent = of_mean([part.n_items for part in parts.values()], [noise_of(part) for part in parts.values()])
    assert noise.seed != pytest.approx(independent.seed, rel=0.05)


def test_without_runs_the_line_says_that_tasks_are_taken_as_independent(plan: Plan, run_plan: Plan) -> None:
    single = claim_line(plan, claim())
    assert "independent" not in single
    assumed = claim_line(plan, claim(**BOTH_TASKS))
    assert "points (80 % power; tasks taken as independent)" in assumed
    same = claim_line(plan, claim(tasks=TASKS, size=None, direction="the same", margin=5.0))
    assert "points (80 % power; tasks taken as independent): " in same
    one_seed = {key: RunState(key, "done" if cell[2] == 0 else "todo", "") for cell, key in run_plan.cells.items()}
    assert "taken as independent" in claim_line(replace(run_plan, states=one_seed), claim(**BOTH_TASKS))


def test_a_claim_on_every_task_counts_with_the_spread_of_each(run_plan: Plan) -> None:
    asked = claim(**{**BOTH_TASKS, "quantifier": "every"})
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    parts, _ = deciding_parts(results, manifest, decide(results, manifest, asked))
    lines = {
        task: in_words(None, 5, [part.n_items], [noise_of(part).times(0.01)], level=0.975)
        for task, part in parts.items()
    }
    line = claim_line(run_plan, asked)
    assert line in {
        f"every of 2 tasks; {task}, the least certain, {HOLM_OF_TWO}: {words}" for task, words in lines.items()
    }


def test_own_data_count_with_the_finished_runs_too(run_plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    own = SimpleNamespace(own=SimpleNamespace(group=""))
    monkeypatch.setattr("benchmarks.engine.claim_power.TASKS", dict.fromkeys(TASKS, own))
    plan = replace(run_plan, items=dict.fromkeys(run_plan.items, 300))
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    asked = claim(tasks=TASKS[:1], size=None)
    parts, _ = deciding_parts(results, manifest, decide(results, manifest, asked))
    line = next(line for line in claim_lines(plan) if line.startswith(f"  {TASKS[0]}, "))
    assert line.endswith(in_words(None, 5, [300], [noise_of(parts[TASKS[0]]).times(0.01)]))
    before = next(line for line in claim_lines(replace(plan, results=None)) if line.startswith(f"  {TASKS[0]}, "))
    assert before != line


@pytest.mark.parametrize("changes", [{"quantifier": "every"}, {"partial": True}, {"quantifier": "any"}])
def test_a_claim_on_single_tasks_is_counted_on_the_same_task_by_plan_and_report(
    run_plan: Plan, changes: dict[str, object]
) -> None:
    """At the report's number of seeds the plan shows the difference on that task; with one fewer it does not."""
    asked = claim(**{**BOTH_TASKS, "size": 4.0, **changes})
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    verdict = decide(results, manifest, asked)
    words, more = remedy_of(results, manifest, verdict)
    assert f"(80 % chance, {HOLM_OF_TWO})" in words
    parts, _ = deciding_parts(results, manifest, verdict)
    wanted = max if changes.get("quantifier") == "every" else min
    task = wanted(parts, key=lambda name: deciding_seeds([parts[name]], 4.0, 0.975))
    titles = {column.task: column.title for column in manifest.columns}
    assert f"a true difference of 4.0 points on {titles[task]}, the " in words
    assert more == deciding_seeds([parts[task]], 4.0, 0.975) - 5
    detected = []
    for seeds in (5 + more, 5 + more - 1):
        line = claim_line(seeds_of(run_plan, seeds), asked)
        assert f" of 2 tasks; {task}, the " in line
        detected.append(": enough for the claimed 4" in line)
    assert detected == [True, False]


def test_a_primary_contrast_is_counted_at_the_level_of_its_family(
    run_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = claim(**BOTH_TASKS)
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    _, without = remedy_of(results, manifest, decide(results, manifest, asked))
    family = Family("4 primary contrasts", ("one", "b", "c", "d"), (), True)
    monkeypatch.setattr(multiplicity, "families", lambda: (family,))
    words, more = remedy_of(results, manifest, decide(results, manifest, asked))
    assert more > without
    level = "at the level 0.05/4 of Holm's correction over 4 primary contrasts"
    assert words.endswith(f"(80 % chance, {level}).")
    lines = [claim_line(seeds_of(run_plan, 5 + n), claim(**{**BOTH_TASKS, "size": 3.0})) for n in (more, more - 1)]
    assert [": enough for the claimed 3" in line for line in lines] == [True, False]
    assert lines[0].endswith(f"({level})")


def test_a_claim_whose_tasks_contradict_each_other_gets_no_count_of_seeds(run_plan: Plan) -> None:
    results, manifest = Results(run_plan.results), run_plan.experiment.manifest(run_plan.cells, {})
    verdict = decide(results, manifest, claim(**{**BOTH_TASKS, "partial": True}))
    first, second = TASKS
    outcomes = {first: Outcome("supported", 0.001, 0.002), second: Outcome("contradicted", 0.001, 0.002)}
    words, more = remedy_of(results, manifest, replace(verdict, status="inconclusive", outcomes=outcomes))
    assert (words, more) == (
        "No number of seeds is given: one task supports the claim and another contradicts it.",
        0,
    )
