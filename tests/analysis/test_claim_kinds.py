"""Every kind of claim on a results folder with known truth: each verdict, suffix and quantifier as constructed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import binomtest
from test_claim_verdicts import claim
from world import Arm, Exam, World, run_key

from analysis import contrasts
from analysis.cells import read_cell
from analysis.claims import JUDGES, decide_all, in_words
from analysis.claims.logged import over_seeds
from analysis.crossed import combine
from analysis.descriptive import variance_ratio_test
from analysis.results import Results
from analysis.schema import Kind

SIX = range(6)


def decided(root, arms, exams, changes, *, seeds=SIX, epochs=1, steps=8, **extra):
    """Return the only verdict of a world with one claim."""
    made = claim(tasks=[exam.task for exam in exams], size=None, **changes)
    World(root, arms, exams, seeds=seeds, epochs=epochs, steps=steps, extra={"claims": [made], **extra}).write()
    (got,) = decide_all(root, Results.open(root).manifest("compare"))
    return got


def smart(**changes) -> list[Arm]:
    return [Arm("vanilla"), Arm("smart", "SMART", "smart", **changes)]


TASKS = [Exam("one", items=1500, base=0.7), Exam("two", items=1500, base=0.7)]


@pytest.mark.parametrize(
    ("gain", "changes", "expected"),
    [
        ({"one": 12.0}, {}, "supported"),
        ({"one": 8.0}, {"size": 30.0}, "supported (smaller than claimed)"),
        ({"two": 12.0}, {}, "contradicted"),
        ({"one": 6.0, "two": 6.0}, {"bound": 5.0}, "no relevant effect"),
        ({"one": 1.0}, {"size": 1.0}, "inconclusive"),
        ({"two": 12.0}, {"direction": "less"}, "supported"),
    ],
)
def test_interaction_of_tasks(gain, changes, expected, tmp_path):
    about = {"tasks": ["one"], "test": {"kind": "interaction", "against_tasks": ["two"]}}
    made = claim(**{"size": None, **about, **changes})
    World(tmp_path, smart(gain=gain), TASKS, seeds=SIX, epochs=1, steps=2, extra={"claims": [made]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert got.words == expected
    assert "more on one than on two" in in_words(got)
    per_task = {t: _gain(tmp_path, "smart", "vanilla", t) for t in ("one", "two")}
    assert got.interval.estimate == pytest.approx(per_task["one"] - per_task["two"])


def _gain(root, a, b, task) -> float:
    """Points, from the files alone."""
    manifest = Results.open(root).manifest("compare")
    right = {}
    for row in (a, b):
        frames = [Results.open(root).predictions(key, task, "dev") for key in manifest.cells[row][task]]
        right[row] = np.mean([(f["label"] == f["prediction"]).mean() for f in frames])
    return 100 * (right[a] - right[b])


def test_interaction_of_rows_keeps_items_paired(tmp_path):
    arms = [*smart(), Arm("smart+noise", gain=-2.0), Arm("vanilla+noise", gain=-12.0)]
    test = {"kind": "interaction", "against_contrast": {"a": "vanilla+noise", "b": "vanilla"}}
    changes = {"contrast": {"a": "smart+noise", "b": "smart"}, "test": test}
    got = decided(tmp_path, arms, TASKS, changes)
    assert got.words == "supported"
    expected = [
        _gain(tmp_path, "smart+noise", "smart", t) - _gain(tmp_path, "vanilla+noise", "vanilla", t)
        for t in ("one", "two")
    ]
    assert got.interval.estimate == pytest.approx(np.mean(expected))


def test_interaction_of_columns_on_the_same_items_is_one_layout(tmp_path):
    """The same development set twice (few and many training examples): items pair up, as a hand-made layout has it."""
    got = decided(tmp_path, smart(gain=4.0), TASKS[:1], {})
    manifest = Results.open(tmp_path).manifest("compare")
    arms = contrasts.difference(Results.open(tmp_path), manifest, "smart", "vanilla", manifest.columns[0])
    doubled = contrasts.measure(contrasts.mean_of([arms, arms]), list(SIX))
    assert doubled.differences == pytest.approx(got.interval.estimate, abs=3)
    once = contrasts.measure(arms, list(SIX))
    # not half: the items are the same
    assert (doubled.items, doubled.interaction) == pytest.approx((once.items, once.interaction))


def test_columns_of_one_task_are_named_by_their_titles(tmp_path):
    column = {"task": "one", "metric": "accuracy", "split": "dev", "ceiling": None}
    columns = [{**column, "id": f"one.{title}", "title": title} for title in ("few", "many")]
    changes = {"test": {"kind": "difference", "columns": [each["id"] for each in columns]}}
    got = decided(tmp_path, smart(gain=9.0), TASKS[:1], changes, columns=columns)
    assert list(got.per_task) == ["few", "many"]


def test_relative_error_is_the_ratio_of_errors(tmp_path):
    test = {"kind": "interaction", "against_tasks": ["two"], "relative_error": True}
    got = decided(tmp_path, smart(gain={"one": 12.0, "two": 3.0}), TASKS, {"test": test})
    errors = {(r, t): 100 - _accuracy(tmp_path, r, t) for r in ("smart", "vanilla") for t in ("one", "two")}
    per_task = {t: 100 * (1 - errors["smart", t] / errors["vanilla", t]) for t in ("one", "two")}
    both = np.mean(list(per_task.values()))  # the claim's own tasks are one and two
    assert got.interval.estimate == pytest.approx(both - per_task["two"])


def test_relative_errors_are_averaged_on_both_sides(tmp_path):
    about = {"tasks": ["one"], "size": None}
    test = {"kind": "interaction", "against_tasks": ["two", "three"], "relative_error": True}
    exams = [*TASKS, Exam("three", items=1500, base=0.8)]
    gain = {"one": 12.0, "two": 3.0, "three": 6.0}
    World(
        tmp_path, smart(gain=gain), exams, seeds=SIX, epochs=1, steps=2, extra={"claims": [claim(test=test, **about)]}
    ).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    errors = {(r, t): 100 - _accuracy(tmp_path, r, t) for r in ("smart", "vanilla") for t in gain}
    reduced = {t: 100 * (1 - errors["smart", t] / errors["vanilla", t]) for t in gain}
    assert got.interval.estimate == pytest.approx(reduced["one"] - (reduced["two"] + reduced["three"]) / 2)


def _accuracy(root, row, task) -> float:
    manifest = Results.open(root).manifest("compare")
    column = next(c for c in manifest.columns if c.task == task)
    return 100 * read_cell(Results.open(root), manifest, row, column).scores.mean()


def test_what_it_is_compared_with_is_not_there(tmp_path):
    got = decided(tmp_path, smart(), TASKS, {"test": {"kind": "interaction", "against_columns": []}})
    assert in_words(got) == "not run: the column that it is compared with is not in this experiment."


@pytest.mark.parametrize(
    ("gain", "expected"), [(8.0, "supported"), (-8.0, "contradicted"), (0.0, "no relevant effect")]
)
def test_combined_runs_are_held_against_their_own_parents(gain, expected, tmp_path):
    arms = [Arm("vanilla"), Arm("smart", "VOTE", gain=gain, combines="vanilla")]
    changes = {"test": {"kind": "difference", "against_parents": True}, "bound": 3.0}
    got = decided(tmp_path, arms, TASKS[:1], changes)
    assert got.words == expected
    manifest = Results.open(tmp_path).manifest("compare")
    column = manifest.columns[0]
    vote = read_cell(Results.open(tmp_path), manifest, "smart", column)
    parents = [np.mean([_hits(tmp_path, run_key("vanilla", TASKS[0], 4 * s + i)) for i in range(4)]) for s in SIX]
    assert got.interval.estimate == pytest.approx(100 * (vote.scores - parents).mean())


def _hits(root, key) -> float:
    frame = Results.open(root).predictions(key, "one", "dev")
    return (frame["label"] == frame["prediction"]).mean()


def test_parents_work_for_metrics_that_are_no_means(tmp_path):
    arms = [Arm("vanilla"), Arm("smart", "VOTE", gain=10.0, combines="vanilla")]
    exam = Exam("one", "matthews", items=500, base=0.7)
    got = decided(
        tmp_path, arms, [exam], {"test": {"kind": "difference", "against_parents": True}, "metric": "matthews"}
    )
    assert got.words == "supported"


VOTED = [Exam("one", items=3000, classes=3, base=0.7, votes=True)]
HARD, CLEAR = ["3/2/0", "3/1/1"], ["5/0/0", "4/1/0"]


@pytest.mark.parametrize(
    ("arm", "test", "expected"),
    [
        ({"gain": 10.0}, {"buckets": HARD + CLEAR, "each": True}, "supported"),
        ({"gain": -10.0}, {"buckets": HARD + CLEAR, "each": True}, "contradicted"),
        ({"contested": 20.0}, {"buckets": HARD, "against_buckets": CLEAR}, "supported"),
        ({"contested": -20.0}, {"buckets": HARD, "against_buckets": CLEAR}, "contradicted"),
        ({"gain": 1.0}, {"buckets": HARD, "against_buckets": CLEAR}, "inconclusive"),
    ],
)
def test_agreement(arm, test, expected, tmp_path):
    got = decided(tmp_path, smart(**arm), VOTED, {"test": {"kind": "agreement", **test}})
    assert got.words == expected
    if "against_buckets" in test:
        differences = [_gain_in_buckets(tmp_path, buckets) for buckets in (HARD, CLEAR)]
        assert got.interval.estimate == pytest.approx(differences[0] - differences[1])


def _gain_in_buckets(root, buckets) -> float:
    """Points of smart over vanilla on the items with these votes, from the files alone."""
    manifest, right = Results.open(root).manifest("compare"), {}
    for row in ("smart", "vanilla"):
        frames = pd.concat(Results.open(root).predictions(key, "one", "dev") for key in manifest.cells[row]["one"])
        votes = -np.sort(-frames[["votes_0", "votes_1", "votes_2"]].to_numpy(), axis=1)
        frames = frames[["/".join(map(str, each)) in buckets for each in votes]]
        right[row] = (frames["label"] == frames["prediction"]).mean()
    return 100 * (right["smart"] - right["vanilla"])


@pytest.mark.parametrize("contested", [2, 1])
def test_a_bucket_needs_two_items(contested, tmp_path):
    test = {"kind": "agreement", "buckets": ["3/2/0"], "each": True}
    exams = [Exam("one", items=40, classes=3, base=0.7, votes=True)]
    made = claim(tasks=["one"], size=None, test=test)
    World(tmp_path, smart(), exams, seeds=SIX, epochs=1, steps=2, extra={"claims": [made]}).write()
    for path in tmp_path.glob("runs/*/predictions/one.dev.parquet"):
        frame = pd.read_parquet(path)
        votes = np.tile([5, 0, 0], (len(frame), 1))
        votes[:contested] = [3, 2, 0]
        frame[["votes_0", "votes_1", "votes_2"]] = votes
        frame.to_parquet(path, index=False)
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    if contested == 2:
        assert got.status != "not run"
        assert list(got.per_task) == ["one, 3/2/0"]
    else:
        assert got.reason == "one has 1 items voted 3/2/0"


def test_divergence_from_votes_has_the_scaled_baseline_beside_it(tmp_path):
    changes = {
        "test": {"kind": "agreement", "buckets": HARD},
        "metric": "cross_entropy",
        "direction": "less",
    }
    got = decided(tmp_path, smart(contested=25.0), VOTED, changes)
    assert (got.unit, got.status) == ("nats", "supported")
    assert "Against the temperature-scaled baseline" in in_words(got)


def test_agreement_without_votes_is_not_run(tmp_path):
    got = decided(tmp_path, smart(), TASKS[:1], {"test": {"kind": "agreement", "buckets": HARD, "each": True}})
    assert got.reason == "one: its predictions hold no annotator votes"


@pytest.mark.parametrize(
    ("spreads", "size", "expected"),
    [
        ((0.3, 6.0), None, "supported"),
        ((1.0, 4.0), 40.0, "supported (smaller than claimed)"),
        ((6.0, 0.3), None, "contradicted"),
        ((3.0, 3.0), 25.0, "no relevant effect"),
        ((3.0, 3.0), 1.2, "inconclusive"),
    ],
)
def test_variance(spreads, size, expected, tmp_path):
    arms = [Arm("vanilla", seed_sd=spreads[1]), Arm("smart", "SMART", "smart", seed_sd=spreads[0])]
    changes = {"direction": "less", "test": {"kind": "variance", "columns": ["one.accuracy"]}}
    made = claim(**{**changes, "size": size, "tasks": ["one"], "min_seeds": 10})
    exam = Exam("one", items=2000)
    World(tmp_path, arms, [exam], seeds=range(20), epochs=1, steps=2, extra={"claims": [made]}).write()
    manifest = Results.open(tmp_path).manifest("compare")
    (got,) = decide_all(tmp_path, manifest)
    assert got.words == expected
    a, b = (
        read_cell(Results.open(tmp_path), manifest, row, manifest.columns[0]).scores for row in ("vanilla", "smart")
    )
    reference = variance_ratio_test(a, b, rng=np.random.default_rng(0))
    assert (got.interval.estimate, got.interval.p) == (pytest.approx(a.std(ddof=1) / b.std(ddof=1)), reference.p)
    assert "times the spread of smart is that of vanilla" in in_words(got)


def test_without_a_size_no_ratio_of_spreads_is_too_small_to_matter(tmp_path):
    arms = [Arm("vanilla", seed_sd=6.0), Arm("smart", "SMART", "smart", seed_sd=6.0)]
    test = {"kind": "variance", "columns": ["one.accuracy"]}
    made = claim(direction="less", test=test, size=None, tasks=["one"], min_seeds=10)
    exam = Exam("one", items=300)
    World(tmp_path, arms, [exam], seeds=range(60), epochs=1, steps=2, extra={"claims": [made]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert got.status == "inconclusive"
    assert 0.7 < got.equivalence[0] < 1 < got.equivalence[1] < 1.3


@pytest.mark.parametrize(
    ("paces", "changes", "expected"),
    [
        ((0.3, 0.1), {"size": 3.0, "margin": 0.5}, "supported"),
        ((0.5, 0.1), {"size": 3.0, "margin": 0.5}, "contradicted"),
        ((0.35, 0.1), {"size": 3.0, "margin": 0.5}, "inconclusive"),
        ((0.05, 0.1), {"size": 1.0, "direction": "less"}, "supported"),
        ((0.2, 0.1), {"size": 1.0, "direction": "less"}, "contradicted"),
    ],
)
def test_cost(paces, changes, expected, tmp_path):
    arms = [Arm("vanilla", pace=paces[1]), Arm("smart", pace=paces[0])]
    made = claim(**{"test": {"kind": "cost", "quantity": "seconds"}, "tasks": ["one"], "size": None, **changes})
    World(tmp_path, arms, [Exam("one", items=40)], seeds=SIX, extra={"claims": [made]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert got.words == expected
    assert got.interval.estimate == pytest.approx(paces[0] / paces[1], rel=0.03)


def test_an_interval_over_seeds_is_students():
    values = np.array([0.1, 0.4, 0.2, 0.3, 0.25])
    expected = stats.t.interval(0.95, 4, values.mean(), values.std(ddof=1) / np.sqrt(5))
    interval = over_seeds(values)
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.n_seeds == 5


def test_memory_is_decided_on_a_gpu_only(tmp_path):
    changes = {"test": {"kind": "cost", "quantity": "memory"}, "margin": 0.5}
    made = claim(tasks=["one"], **{**changes, "size": 2.0})
    for device in ("cpu", "cuda"):
        arms = [Arm("vanilla", device=device), Arm("smart", memory=2e9, device=device)]
        root = tmp_path / device
        World(root, arms, [Exam("one", items=40)], seeds=SIX, extra={"claims": [made]}).write()
        (got,) = decide_all(root, Results.open(root).manifest("compare"))
        assert got.words == {"cpu": "not run", "cuda": "supported"}[device]
    assert got.interval.estimate == pytest.approx(2.0)


def test_times_of_different_machines_are_not_compared(tmp_path):
    arms = [Arm("vanilla"), Arm("smart", device="cuda")]
    got = decided(tmp_path, arms, [Exam("one", items=40)], {"test": {"kind": "cost", "quantity": "seconds"}})
    assert got.reason == "its runs were made on different machines (cpu, 1 threads; cuda, 1 threads)"


def curve(*gains: float) -> list[Arm]:
    return [
        Arm("vanilla"),
        *(Arm(f"l@{x}", gain=g, curve="l", x=float(x)) for x, g in zip((1, 3, 10), gains, strict=True)),
    ]


@pytest.mark.parametrize(
    ("gains", "margin", "expected"),
    [
        ((2.0, 2.0, 2.0), 3.0, "supported"),
        ((0.0, 0.0, 12.0), 3.0, "contradicted"),
        ((0.0, 1.0, 2.0), 1.0, "inconclusive"),
    ],
)
def test_sweep(gains, margin, expected, tmp_path):
    test = {"kind": "sweep", "curve": "l", "between": [1, 10]}
    changes = {"contrast": {"a": "l@10", "b": "l@1"}, "test": test, "margin": margin}
    got = decided(tmp_path, curve(*gains), TASKS, changes)
    assert got.words == expected
    assert len(got.per_task) == 3
    narrower = decided(tmp_path, curve(*gains), TASKS, {**changes, "test": {**test, "between": [1, 3]}})
    (name,) = narrower.per_task
    assert name == "l@1 against l@3"
    differences = [_gain(tmp_path, "l@1", "l@3", task) for task in ("one", "two")]
    assert narrower.per_task[name].estimate == pytest.approx(np.mean(differences))
    assert "the farthest of 3 pairs" in got.estimand
    assert narrower.estimand.startswith("between l@1 and l@3 (all")  # it is the only pair


def test_two_rows_that_are_the_same(tmp_path):
    made = claim(tasks=["one"], size=None, test={"kind": "sweep"}, margin=0.01)
    World(tmp_path, smart(), TASKS[:1], seeds=SIX, epochs=1, steps=8, extra={"claims": [made]}).write()
    manifest = Results.open(tmp_path).manifest("compare")
    twins = replace(manifest, cells={**manifest.cells, "smart": manifest.cells["vanilla"]})
    (got,) = decide_all(tmp_path, twins)
    assert got.words == "supported"


@pytest.mark.parametrize(("early", "expected"), [(15.0, "supported"), (-15.0, "contradicted")])
def test_the_difference_after_an_early_epoch(early, expected, tmp_path):
    changes = {"test": {"kind": "epoch", "epoch": 1}}
    got = decided(tmp_path, smart(early=early), TASKS, changes, epochs=2)
    assert got.words == expected


def test_an_epoch_nobody_scored(tmp_path):
    got = decided(tmp_path, smart(), TASKS[:1], {"test": {"kind": "epoch", "epoch": 5}})
    assert got.status == "not run"
    assert "has no epoch 5; it has [1]" in got.reason


MEASURED = {"r_s": 1e-3, "distance": 0.2, "step_divergence": 0.05}


@pytest.mark.parametrize("quantity", ["r_s", "distance", "step_divergence"])
@pytest.mark.parametrize(("factor", "expected"), [(0.5, "supported"), (2.0, "contradicted"), (1.0, "inconclusive")])
def test_measured_quantities(quantity, factor, expected, tmp_path):
    arms = [
        Arm("vanilla", measured=MEASURED),
        Arm("smart", measured={**MEASURED, quantity: factor * MEASURED[quantity]}),
    ]
    radius = {"radius": 1e-2} if quantity == "r_s" else {}
    changes = {"direction": "less", "test": {"kind": "measured", "quantity": quantity, **radius}}
    got = decided(tmp_path, arms, [Exam("one", items=40)], changes)
    assert got.words == expected
    assert got.interval.estimate == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("factor", [3, 0])
def test_the_distance_is_that_at_the_end(factor, tmp_path):
    arms, exam = [Arm("vanilla", measured=MEASURED), Arm("smart", measured=MEASURED)], Exam("one", items=40)
    test = {"kind": "measured", "quantity": "distance"}
    made = claim(tasks=["one"], size=None, direction="less", test=test)
    World(tmp_path, arms, [exam], seeds=SIX, epochs=1, steps=8, extra={"claims": [made]}).write()
    for seed in SIX:
        path = tmp_path / "runs" / run_key("smart", exam, seed) / "measures.json"
        content = json.loads(path.read_text())
        content["moments"][-1]["distance"] *= factor
        path.write_text(json.dumps(content))
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    if factor:
        assert got.interval.estimate == pytest.approx(factor, rel=0.05)
    else:
        assert "measured no distance" in got.reason  # a ratio to 0 says nothing


def test_what_was_not_measured_is_named(tmp_path):
    got = decided(
        tmp_path, smart(), [Exam("one", items=40)], {"test": {"kind": "measured", "quantity": "r_s", "radius": 1e-2}}
    )
    assert "measured no r_s" in got.reason


@pytest.mark.parametrize(("logged", "expected"), [(0.14, "supported"), (2.0, "contradicted"), (0.2, "contradicted")])
def test_a_logged_part_stays_between(logged, expected, tmp_path):
    arms = [Arm("smart", parts=("task", "distillation"), logged=logged)]
    test = {"kind": "loss-between", "part": "distillation", "after": 0.5, "low": 0.01, "high": 0.04}
    changes = {"contrast": {"a": "smart", "b": "smart"}, "test": test}
    got = decided(tmp_path, arms, [Exam("one", items=40)], changes, steps=40, baseline_row=None)
    assert got.words == expected
    assert got.interval.estimate == pytest.approx(logged * (np.exp(-1) - np.exp(-2)), rel=0.1)


@pytest.mark.parametrize(("constant", "expected"), [(60.0, "supported"), (90.0, "contradicted")])
def test_a_published_score_is_reached(constant, expected, tmp_path):
    changes = {"test": {"kind": "constant", "value": constant}, "margin": 0.0}
    got = decided(tmp_path, smart(), TASKS[:1], changes)
    assert got.words == expected
    assert got.interval.estimate == pytest.approx(_accuracy(tmp_path, "smart", "one") - constant)


def test_selection_on_dev_flatters(tmp_path):
    """Small sets, many epochs of equal truth: the best on dev is luck, the holdout's best is not."""
    exam = Exam("one", items=120)
    world = World(tmp_path, smart(seed_sd=3.0), [exam], seeds=range(20), epochs=4, steps=8)
    made = claim(tasks=["one"], test={"kind": "selection", "best": "best-dev", "reference": "best-holdout"})
    replace(world, extra={"claims": [made]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert list(got.per_task) == ["smart (best-dev over best-holdout)", "vanilla (best-dev over best-holdout)"]
    assert all(interval.low > 0 for interval in got.per_task.values())
    assert got.interval.low < 0 < got.interval.high  # both gain from the choice, neither more than the other
    assert got.status == "inconclusive"
    assert "The two gains differ by" in in_words(got)


BEST = {
    "another on each task": ({"one": 15.0}, {"two": 15.0}, "supported"),
    "one on both": ({"one": 15.0, "two": 15.0}, {}, "contradicted"),
    "one on one task": ({"one": 15.0}, {}, "inconclusive"),
    "none": ({}, {}, "inconclusive"),
}


@pytest.mark.parametrize("case", BEST)
def test_no_row_is_the_best_on_all_tasks(case, tmp_path):
    first, second, expected = BEST[case]
    arms = [Arm("vanilla"), Arm("r1", gain=first), Arm("r2", gain=second)]
    changes = {"contrast": {"a": "r1", "b": "r2"}, "test": {"kind": "best-point", "rows": ["r1", "r2", "absent"]}}
    got = decided(tmp_path, arms, TASKS, changes)
    assert got.status == expected
    for name, interval in got.per_task.items():
        rival, _, row, _, task = name.split()
        assert interval.estimate == pytest.approx(_gain(tmp_path, rival, row, task))
    if expected == "supported":
        assert set(got.per_task) == {"r2 over r1 on two", "r1 over r2 on one"}
        clearest = {name: 2 * interval.p for name, interval in got.per_task.items()}  # Holm over two tasks
        assert got.p == pytest.approx(max(clearest.values()))
        assert got.interval == got.per_task[max(clearest, key=clearest.__getitem__)]
    if expected == "contradicted":
        ps = [_paired_p(tmp_path, "r1", "r2", task) for task in ("one", "two")]
        assert got.p == pytest.approx(2 * max(ps))  # it must win on both; either row could have


def _paired_p(root, a, b, task) -> float:
    manifest = Results.open(root).manifest("compare")
    column = next(c for c in manifest.columns if c.task == task)
    arms = contrasts.difference(Results.open(root), manifest, a, b, column)
    return combine([contrasts.measure(arms, list(SIX))], level=0.95).p


def test_the_best_row_needs_rivals_and_tasks(tmp_path):
    for rows, tasks in ((["vanilla", "absent"], TASKS), (["vanilla", "smart"], TASKS[:1])):
        got = decided(tmp_path / rows[1], smart(), tasks, {"test": {"kind": "best-point", "rows": rows}})
        assert got.reason == "the best point needs two rows and two tasks of this experiment"


NEEDED = {
    "agreement": {"buckets": HARD, "each": True},
    "interaction": {"against_tasks": ["one"]},
    "epoch": {"epoch": 1},
    "constant": {"value": 50.0},
    "selection": {"best": "best-dev", "reference": "best-holdout"},
}


@pytest.mark.parametrize("kind", ["difference", "interaction", "agreement", "sweep", "epoch", "constant", "selection"])
def test_too_few_seeds_are_counted(kind, tmp_path):
    test = {"kind": kind, **NEEDED.get(kind, {})}
    got = decided(tmp_path, smart(missing=(4, 5)), VOTED, {"test": test, "margin": 0.5})
    assert got.reason == "needs 5 seeds of both methods on every task, has 4"


def test_every_kind_has_a_judge():
    assert set(JUDGES) == set(get_args(Kind))


def test_every_verdict_says_which_data_it_rests_on(tmp_path):
    got = decided(tmp_path, smart(), TASKS[:1], {}, warnings=["Generated data, demonstration: nothing follows."])
    assert got.data == "generated data, profile demo"


@pytest.mark.parametrize(
    ("gain", "share", "expected"),
    [(0.0, 0.5, "supported"), (20.0, 0.01, "contradicted"), (0.0, 0.001, "contradicted")],
)
def test_changed_answers_against_a_share(gain, share, expected, tmp_path):
    """Two arms of the world answer alike but for chance; the interval is Student's over the seeds' shares."""
    exams = [Exam("one", items=800)]
    got = decided(tmp_path, smart(gain=gain), exams, {"direction": "less", "test": {"kind": "changed", "share": share}})
    manifest = Results.open(tmp_path).manifest("compare")
    a, b = (read_cell(Results.open(tmp_path), manifest, row, manifest.columns[0]) for row in ("smart", "vanilla"))
    assert got.status == expected
    assert got.interval.estimate == pytest.approx(100 * (a.outputs != b.outputs).mean())
    assert 0 <= got.p <= 1
    assert "4,800 answers that differ" in in_words(got)


@pytest.mark.parametrize(("items", "expected"), [(50, "inconclusive"), (1500, "supported")])
def test_two_identical_arms_have_the_exact_binomial_interval(items, expected, tmp_path):
    """Equal shares have no spread; 0 of n answers changed leaves shares up to 1 - 0.025^(1/n)."""
    made = claim(size=None, tasks=["one"], direction="less", test={"kind": "changed", "share": 0.001})
    World(tmp_path, smart(), [Exam("one", items=items)], seeds=SIX, epochs=1, extra={"claims": [made]}).write()
    path = tmp_path / "experiments" / "compare" / "0123abcd.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "cells": {**manifest["cells"], "smart": manifest["cells"]["vanilla"]}}))
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    n = len(SIX) * items
    assert (got.status, got.interval.estimate, got.interval.low) == (expected, 0.0, 0.0)
    assert got.interval.high == pytest.approx(100 * (1 - 0.025 ** (1 / n)))
    assert got.p == pytest.approx(binomtest(0, n, 0.001).pvalue)
    assert got.p >= (1 - 0.001) ** n  # the chance of 0 changed answers at the claimed share


def test_a_claim_about_another_model_is_not_decided(tmp_path):
    """The world's runs are of the model ``tiny``."""
    about = {"model": "bert-large-uncased", "tasks": ["one"], "size": None}
    for model, status in (("bert-large-uncased", "not run"), ("tiny", "supported")):
        made = claim(**{**about, "model": model})
        root = tmp_path / model
        World(root, smart(gain=20.0), [Exam("one", items=400)], seeds=SIX, epochs=1, extra={"claims": [made]}).write()
        (got,) = decide_all(root, Results.open(root).manifest("compare"))
        assert got.status == status
        assert ("these runs are of another model: tiny" in got.reason) == (status == "not run")
