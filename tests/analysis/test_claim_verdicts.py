"""One results folder with known truth per verdict, suffix and quantifier; and the rule itself on components."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from world import Arm, Exam, World, run_key

from analysis.claims import decide_all, in_words, judge, not_decidable
from analysis.claims.rule import Measure, bound_of, inside, settle
from analysis.claims.words import in_groups
from analysis.crossed import Components
from analysis.interval import t_interval
from analysis.report.card.sentences import found
from analysis.results import Results
from analysis.schema import Claim, SchemaError, against


def claim(**changes) -> dict:
    return {
        "id": "c",
        "sentence": "SMART beats BERT.",
        "table": "SMART Table 1",
        "contrast": {"a": "smart", "b": "vanilla"},
        "tasks": ["one", "two"],
        "metric": "accuracy",
        "direction": "greater",
        "size": 5.0,
        "quantifier": "average",
        "bound": None,
        "reading": "shared",
        "min_seeds": 5,
    } | changes


def part(estimate: float, se: float, n_items: int = 1000, seeds: int = 6) -> Components:
    """Make a task whose interval is about ``estimate`` ± 2 ``se``; all its variance comes from items."""
    return Components(np.full(seeds, estimate), se**2, 0.0, n_items, "made up")


def verdict_of(quantifier: str, *estimates_and_errors: tuple[float, float], **changes) -> tuple[str, str]:
    tasks = [f"t{i}" for i in range(len(estimates_and_errors))]
    made = Claim.from_json(claim(tasks=tasks, quantifier=quantifier, **changes))
    got = judge(made, {t: part(*e) for t, e in zip(tasks, estimates_and_errors, strict=True)})
    return got.status, got.suffix


@pytest.mark.parametrize(
    ("quantifier", "tasks", "expected"),
    [
        ("average", [(4.0, 1.0)], ("supported", "")),
        ("average", [(2.0, 0.5)], ("supported", "smaller than claimed")),
        ("average", [(-2.0, 0.5)], ("contradicted", "")),
        ("average", [(0.2, 0.5)], ("no relevant effect", "")),
        ("average", [(1.0, 2.0)], ("inconclusive", "")),
        ("average", [(0.0, 1.7)], ("inconclusive", "")),  # half the claimed size is not excluded: 1.7 * 1.96 > 2.5
        ("average", [(9.0, 1.0), (-1.0, 1.0)], ("supported", "")),  # the mean counts, not each task
        ("every", [(4.0, 1.0), (6.0, 1.0)], ("supported", "")),
        ("every", [(4.0, 1.0), (2.0, 0.5)], ("supported", "smaller than claimed")),  # one task's far end is below 5
        ("every", [(4.0, 1.0), (1.0, 1.0)], ("inconclusive", "")),
        ("every", [(9.0, 1.0), (-4.0, 1.0)], ("contradicted", "")),
        ("every", [(0.0, 1.0), (-2.1, 1.0)], ("inconclusive", "")),  # p = 0.036 alone, 0.072 after Holm
        ("every", [(0.2, 0.5), (-0.3, 0.5)], ("no relevant effect", "")),
        ("any", [(4.0, 1.0), (0.0, 1.0)], ("supported", "")),
        ("any", [(4.0, 1.0), (2.0, 0.5)], ("supported", "")),  # the farthest end reaches 5
        ("any", [(2.0, 0.5), (0.0, 1.0)], ("supported", "smaller than claimed")),
        ("any", [(2.05, 1.0), (0.0, 1.0)], ("inconclusive", "")),  # p = 0.04 alone, 0.08 after Holm
        ("any", [(-4.0, 1.0), (-3.0, 1.0)], ("contradicted", "")),
        ("any", [(-4.0, 1.0), (1.0, 2.0)], ("inconclusive", "")),
        ("any", [(0.2, 0.5), (-0.3, 0.5)], ("no relevant effect", "")),
    ],
)
def test_the_rule(quantifier, tasks, expected):
    assert verdict_of(quantifier, *tasks) == expected


@pytest.mark.parametrize("quantifier", ["average", "every", "any"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-2.0, 0.0)])
def test_an_interval_that_ends_at_0_lies_on_neither_side(quantifier, low, high):
    interval = replace(t_interval((low + high) / 2, 0.25, 1000, 6, 1000, "made up", 0.95), low=low, high=high, p=0.01)
    status, _ = settle(quantifier, interval, [interval], Measure(1.0, None, None))
    assert status == "inconclusive"


def test_a_range_contains_its_ends():
    interval = t_interval(1.0, 0.25, 1000, 6, 1000, "made up", 0.95)
    assert inside(interval, interval.low, interval.high) == "supported"
    assert inside(interval, interval.high, 9.0) == "inconclusive"
    assert inside(interval, interval.high + 0.1, 9.0) == "contradicted"


@pytest.mark.parametrize(
    ("quantifier", "tasks", "expected"),
    [
        ("average", [(-0.1, 0.2)], "below the claimed size"),  # one-sided end -0.1 + 1.65 * 0.2 = 0.23 < 0.5
        ("average", [(0.1, 0.2)], "below the claimed size"),  # 0.43 < 0.5
        ("average", [(0.2, 0.2)], "inconclusive"),  # 0.53 > 0.5
        ("average", [(0.5, 0.3)], "inconclusive"),  # as published: never below
        ("average", [(0.4, 0.01)], "supported"),  # it does not hold 0
        ("average", [(-0.4, 0.1)], "contradicted"),
        ("every", [(0.6, 0.2), (-0.1, 0.2)], "below the claimed size"),
        ("every", [(0.6, 0.2), (0.15, 0.2)], "inconclusive"),  # 0.48 alone; 0.54 corrected over two tasks
        ("any", [(0.0, 0.2), (0.3, 0.3)], "inconclusive"),
        ("any", [(0.0, 0.2), (-0.1, 0.2)], "below the claimed size"),
    ],
)
def test_a_size_below_a_point_has_no_bound_but_can_be_missed(quantifier, tasks, expected):
    assert verdict_of(quantifier, *tasks, size=0.5)[0] == expected


def test_nothing_is_below_a_size_in_nats():
    made = Claim.from_json(claim(tasks=["t"], size=0.5))
    assert judge(made, {"t": part(-0.1, 0.2)}, unit="nats").status == "inconclusive"


def test_nearly_constant_answers_give_no_verdict():
    withheld = replace(part(9.0, 1.0), near_constant="near-constant: in 2 of 6 seed pairs a run has few answers")
    for quantifier in ("average", "every", "any"):
        made = Claim.from_json(claim(tasks=["t"], quantifier=quantifier))
        got = judge(made, {"t": withheld})
        assert (got.status, got.reason) == ("no verdict", withheld.near_constant)
    same = Claim.from_json(claim(tasks=["t"], direction="the same", margin=20.0))
    assert judge(same, {"t": withheld}).status == "no verdict"  # equivalence included
    assert in_words(got).startswith(
        "no verdict: near-constant: in 2 of 6 seed pairs a run has few answers. As a description"
    )


@pytest.mark.parametrize(("outlier", "expected"), [(40.0, "no verdict"), (5.0, "supported")])
def test_a_verdict_must_stay_without_constant_runs(outlier, expected):
    """Seed 0 alone makes the spread too large for a verdict: without it the difference is clear."""
    seeds = np.array([outlier, 4.0, 5.0, 4.5, 5.5, 5.0])
    made = Components(seeds, 0.01, 0.0, 1000, "made up", constant_seeds=(0,))
    got = judge(Claim.from_json(claim(tasks=["t"], size=None)), {"t": made})
    assert got.status == expected
    if expected == "no verdict":
        assert got.reason == (
            "near-constant: in 1 of 6 seed pairs a run gives one answer to all items; with them it would be "
            "inconclusive, without them supported"
        )


def test_any_is_contradicted_with_the_largest_p():
    made = Claim.from_json(claim(tasks=["t0", "t1"], quantifier="any", size=None))
    got = judge(made, {"t0": part(-4.0, 1.0), "t1": part(-3.0, 1.0)})
    assert got.status == "contradicted"
    assert got.p == got.per_task["t1"].p > got.per_task["t0"].p


def test_one_task_with_constant_runs_is_enough_to_withhold_a_verdict():
    seeds = np.array([40.0, 4.0, 5.0, 4.5, 5.5, 5.0])
    made = Components(seeds, 0.01, 0.0, 1000, "made up", constant_seeds=(0,))
    got = judge(Claim.from_json(claim(size=None, quantifier="every")), {"one": part(9.0, 1.0), "two": made})
    assert got.status == "no verdict"


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([(4.0, 1.0), (4.0, 1.0)], "supported on 2 of 2 tasks"),
        ([(4.0, 1.0), (1.0, 1.0)], "supported on 1 of 2 tasks"),
        ([(2.1, 1.0), (1.0, 1.0)], "inconclusive"),  # p = 0.036 alone, 0.072 after Holm
        ([(-4.0, 1.0), (1.0, 1.0)], "contradicted on 1 of 2 tasks"),
        ([(-4.0, 1.0), (4.0, 1.0)], "inconclusive (supported on t1, contradicted on t0)"),
        ([(0.0, 0.2), (0.1, 0.2)], "no relevant effect on 2 of 2 tasks"),
        ([(0.0, 0.2), (1.0, 1.0)], "inconclusive"),
    ],
)
def test_the_projects_own_claims_are_decided_per_task_and_never_pooled(tasks, words):
    names = [f"t{i}" for i in range(len(tasks))]
    made = Claim.from_json(claim(tasks=names, size=None, partial=True))
    got = judge(made, {t: part(*e) for t, e in zip(names, tasks, strict=True)})
    assert (got.words, got.interval) == (words, None)
    ps = [outcome.p for outcome in got.outcomes.values()]
    assert [outcome.adjusted for outcome in got.outcomes.values()] == pytest.approx(
        [min(1.0, 2 * min(ps)) if p == min(ps) else max(p, min(1.0, 2 * min(ps))) for p in ps]
    )


def test_less_means_the_other_way():
    assert verdict_of("average", (-4.0, 1.0), direction="less") == ("supported", "")
    assert verdict_of("average", (4.0, 1.0), direction="less") == ("contradicted", "")
    assert verdict_of("average", (-2.0, 0.5), direction="less") == ("supported", "smaller than claimed")


@pytest.mark.parametrize(
    ("changes", "metrics", "unit", "bound"),
    [
        ({"size": 5.0}, ["accuracy"], "points", 2.5),
        ({"size": 1.0}, ["accuracy"], "points", 0.5),
        ({"size": 0.1}, ["accuracy"], "points", None),  # half of it would need 670,000 items
        ({"size": None}, ["accuracy"], "points", 0.5),
        ({"size": None}, ["matthews"], "points", 1.0),
        ({"size": None}, ["f1", "pearson"], "points", 1.0),
        ({"size": None}, ["matthews", "accuracy"], "points", 0.5),
        ({"size": 0.1, "bound": 0.3}, ["accuracy"], "points", 0.3),
        ({"size": 0.1}, ["cross_entropy"], "nats", None),
        ({"size": 0.1, "bound": 0.02}, ["cross_entropy"], "nats", 0.02),
    ],
)
def test_the_bound_is_half_the_size_or_half_a_point_or_as_declared(changes, metrics, unit, bound):
    assert bound_of(Claim.from_json(claim(**changes)), metrics, unit) == bound


def test_a_declared_bound_decides():
    assert verdict_of("average", (0.0, 0.5), bound=0.6) == ("inconclusive", "")
    assert verdict_of("average", (0.0, 0.5), bound=1.0) == ("no relevant effect", "")


def test_a_claim_without_a_size_has_no_suffix():
    assert verdict_of("average", (2.0, 0.5), size=None) == ("supported", "")


WORLDS = {
    "supported": ({"gain": 6.0}, {}, "supported"),
    "smaller": ({"gain": 5.0}, {"size": 20.0}, "supported (smaller than claimed)"),
    "contradicted": ({"gain": -6.0}, {}, "contradicted"),
    "no effect": ({"gain": 0.0}, {"size": 10.0}, "no relevant effect"),
    "inconclusive": ({"gain": 0.5}, {"size": 1.0}, "inconclusive"),
    "not run": ({"gain": 6.0, "missing": (4, 5)}, {}, "not run"),
    "every": ({"gain": 8.0}, {"quantifier": "every"}, "supported"),
    "every fails": ({"gain": {"one": 20.0, "two": -15.0}}, {"quantifier": "every"}, "contradicted"),
    "any": ({"gain": {"one": 12.0, "two": 0.0}}, {"quantifier": "any"}, "supported"),
    "one task": ({"gain": {"two": 8.0}}, {"tasks": ["two"]}, "supported"),
}


@pytest.mark.parametrize("name", WORLDS)
def test_every_verdict_comes_out_as_constructed(name, tmp_path):
    arm, changes, expected = WORLDS[name]
    arms = [Arm("vanilla"), Arm("smart", "SMART", "smart", **arm)]
    exams = [Exam("one", items=1500, base=0.7), Exam("two", items=1500, base=0.7)]
    World(tmp_path, arms, exams, seeds=range(6), epochs=1, steps=2, extra={"claims": [claim(**changes)]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert got.words == expected
    assert in_words(got).startswith(expected)
    if expected == "not run":
        assert got.reason == "needs 5 seeds of both methods on every task, has 4"


def test_a_claim_about_rows_nobody_ran_says_which(tmp_path):
    World(tmp_path, [Arm("vanilla")], [Exam("one", items=30)], extra={"claims": [claim(tasks=["one"])]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert in_words(got) == "not run: smart on one: not run."


def test_a_verdicts_sentence_has_its_numbers():
    made = Claim.from_json(claim(tasks=["t"]))
    got = judge(made, {"t": part(4.0, 1.0)})
    assert in_words(got) == (
        "supported: +4.0 points on t (95 % interval 2.0 to 6.0; p < 0.001), the paper's is +5.0; 6 seeds × 1,000 items."
    )


def test_an_inconclusive_verdict_says_when_the_interval_is_wider_than_the_claim():
    made = Claim.from_json(claim(tasks=["t"], size=1.0))
    assert not_decidable(judge(made, {"t": part(0.5, 1.0)})).startswith("The interval is ±2.0 points wide")
    assert not_decidable(judge(made, {"t": part(4.0, 1.0)})) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantifier": "most"}, "quantifier must be one of average, every, any; got 'most'"),
        ({"direction": "up"}, "direction must be one of greater, less"),
        ({"contrast": {"a": "x"}}, "claim.contrast lacks b"),
        ({"tasks": []}, "needs at least one task"),
        ({"size": -1.0}, "must be 0 or more"),
    ],
)
def test_a_claim_that_cannot_be_decided_is_refused(changes, message):
    with pytest.raises(SchemaError, match=message):
        Claim.from_json(claim(**changes))


def test_claims_are_frozen():
    made = Claim(id="c", sentence="s", contrast=against("x", "y"), tasks=("t",))
    with pytest.raises(AttributeError):
        made.size = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("direction", "estimate", "error", "expected"),
    [
        ("no less", 0.0, 0.2, "supported"),  # within -0.5
        ("no less", -0.2, 0.1, "supported"),  # significantly less, but not by what matters
        ("no less", 2.0, 0.2, "supported"),
        ("no less", -0.3, 0.2, "inconclusive"),
        ("no less", -2.0, 0.2, "contradicted"),
        ("no greater", 0.2, 0.1, "supported"),
        ("no greater", 2.0, 0.2, "contradicted"),
        ("the same", 0.1, 0.1, "supported"),
        ("the same", 0.3, 0.4, "inconclusive"),
        ("the same", 2.0, 0.2, "contradicted"),
        ("the same", -2.0, 0.2, "contradicted"),
    ],
)
def test_that_nothing_changes_is_held_against_the_bound(direction, estimate, error, expected):
    assert verdict_of("average", (estimate, error), direction=direction, size=None, margin=0.5) == (expected, "")


def test_that_nothing_changes_is_for_an_average_difference_alone():
    for changes in ({"quantifier": "every"}, {"test": {"kind": "cost", "quantity": "seconds"}}):
        with pytest.raises(SchemaError, match="is allowed for an average difference of two rows only"):
            Claim.from_json(claim(direction="no less", margin=0.5, **changes))


def narrowed(root, missing_on_two: tuple[int, ...], **changes):
    """Make a claim about one, two and three, in an experiment without three."""
    exams = [Exam(name, items=1500, base=0.7) for name in ("one", "two")]
    made = claim(**{"tasks": ["one", "two", "three"], "size": None, "partial": True, **changes})
    arms = [Arm("vanilla"), Arm("smart", "SMART", "smart", gain={"one": 9.0, "two": -9.0})]
    World(root, arms, exams, seeds=range(6), epochs=1, steps=2, extra={"claims": [made]}).write()
    for seed in missing_on_two:
        shutil.rmtree(root / "runs" / run_key("smart", exams[1], seed))
    (got,) = decide_all(root, Results.open(root).manifest("compare"))
    return got


def test_a_partial_claim_rests_on_its_complete_tasks_and_names_them(tmp_path):
    got = narrowed(tmp_path, missing_on_two=(5,))  # five seeds would be enough, but two is not complete
    assert got.words == "supported, on one alone of one, two, three"
    assert in_words(got).startswith("supported, on one alone of one, two, three: +")
    assert (list(got.per_task), got.n_seeds, list(got.claim.tasks)) == (["one"], 6, ["one", "two", "three"])


def test_a_partial_claim_with_two_of_three_tasks_has_a_verdict_for_each(tmp_path):
    got = narrowed(tmp_path, missing_on_two=())
    assert got.words == "inconclusive (supported on one, contradicted on two), on one and two of one, two, three"
    assert {task: outcome.status for task, outcome in got.outcomes.items()} == {
        "one": "supported",
        "two": "contradicted",
    }
    assert in_words(got).count("after Holm over 2 tasks): ") == 2
    assert "on average" not in in_words(got)


def test_tasks_that_are_left_out_have_the_reason(tmp_path):
    got = narrowed(tmp_path, missing_on_two=(5,))
    assert got.left_out == {"two": "smart has 5 of 6 seeds", "three": "not in this experiment with accuracy"}
    sentence = found(got, {"two": "Two"})
    assert sentence.endswith("Left out: Two (smart has 5 of 6 seeds); three (not in this experiment with accuracy).")
    assert narrowed(tmp_path / "all", missing_on_two=(), tasks=["one", "two"]).left_out == {}


def test_tasks_with_the_same_reason_are_named_together():
    assert in_groups({"a": "x", "b": "y", "c": "x"}) == "a, c (x); b (y)"


def test_a_papers_claim_waits_for_all_its_tasks(tmp_path):
    got = narrowed(tmp_path, missing_on_two=(), partial=False)
    assert got.words == "not run"
    assert got.reason == "three with accuracy is not in this experiment"


def test_a_partial_claim_without_a_complete_task_says_what_each_lacks(tmp_path):
    got = narrowed(tmp_path, missing_on_two=(5,), contrast={"a": "smart", "b": "r-drop"})
    assert got.words == "not run"
    assert got.reason == (
        "no task has all runs of both methods: one (r-drop has 0 of 6 seeds); two (smart has 5 of 6 seeds); "
        "three (not in this experiment with accuracy)"
    )


def test_fewer_seeds_than_the_claim_needs_do_not_decide_a_part(tmp_path):
    assert narrowed(tmp_path, missing_on_two=(), min_seeds=8).words == "not run"


def test_only_an_average_can_be_decided_on_some_tasks():
    for changes in ({"quantifier": "every"}, {"test": {"kind": "difference", "columns": ["one.accuracy"]}}):
        with pytest.raises(SchemaError, match="only an average over tasks"):
            Claim.from_json(claim(partial=True, **changes))
