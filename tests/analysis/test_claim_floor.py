"""Which tasks can decide: learnt shares, constant baselines, inert contrasts, averages decided in part."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_claim_verdicts import claim
from world import Arm, Exam, World

from analysis.cells import Scored
from analysis.claims import decide_all, floor, in_words, to_json
from analysis.claims.averages import dominant, variance_shares
from analysis.claims.floor import Learnt, collapsed, constant_score, learnt, reference, references
from analysis.comparison import compare, fewest_seeds
from analysis.contrasts import identical_share
from analysis.interval import t_interval
from analysis.results import Results
from analysis.schema import Column
from analysis.scores import METRICS
from benchmarks.papers import published

SEEDS = range(6)


@pytest.mark.parametrize(
    ("metric", "labels", "expected"),
    [
        ("accuracy", [1, 1, 1, 0], 0.75),
        ("error_rate", [1, 1, 1, 0], 0.25),
        ("f1", [1, 1, 0, 0, 0], 2 * 2 / (2 + 5)),  # always 1: every label-1 item is hit, five are predicted
        ("matthews", [1, 1, 1, 0], 0.0),
        ("pearson", [1.0, 2.0, 4.0], 0.0),
    ],
)
def test_the_best_constant_answer(metric, labels, expected):
    assert constant_score(METRICS[metric], np.array(labels)) == pytest.approx(expected)
    assert np.isnan(constant_score(METRICS["cross_entropy"], np.array([0, 1])))


def measured(**changes) -> Learnt:
    values = {"baseline": "plain", "score": 83.6, "constant": 50.9, "reference": 92.9, "low": 82.0, "collapsed": 0}
    values |= {"n_seeds": 8, "is_own": False, "greater_is_better": True, "digits": 1}
    return Learnt(**{**values, **changes})


def test_the_learnt_share_is_what_the_baseline_has_above_a_constant_answer():
    assert measured().share == pytest.approx((83.6 - 50.9) / (92.9 - 50.9))
    assert not measured().is_floor
    lower_is_better = measured(score=20.0, constant=50.0, reference=5.8, low=22.0)
    assert (lower_is_better.share, lower_is_better.low_share) == pytest.approx((30 / 44.2, 28 / 44.2))
    assert np.isnan(measured(reference=50.9).share)  # nothing can be learnt above a constant answer


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"low": 50.9 + 42.0 / 3 - 0.1}, True),  # the lower end decides, not the estimate
        ({"low": 50.9 + 42.0 / 3 + 0.1}, False),
        ({"collapsed": 1}, True),
        ({"reference": float("nan")}, False),
    ],
)
def test_a_task_is_at_the_floor_where_the_lower_end_is_below_a_third(changes, expected):
    assert measured(**changes).is_floor is expected


def test_references_are_the_papers_own_numbers():
    with (Path(floor.__file__).parent / "references.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    for line in lines:
        printed = [
            number.value
            for number in published(line["table"])
            if (number.row, number.column, number.metric, number.split)
            == (line["row"], line["column"], line["printed_metric"], line["split"])
        ]
        assert printed == [float(line["value"])], line
    assert len(lines) == len(references()) == 21


def scored(outputs, labels) -> Scored:
    x, y = np.asarray(outputs), np.asarray(labels)
    none = np.zeros(len(x))
    return Scored((), tuple(range(len(x))), np.arange(len(y)), y, x, none, none)


def test_a_run_with_four_other_answers_has_collapsed():
    runs = [[1] * 20, [1] * 16 + [0] * 4, [1] * 15 + [0] * 5]
    assert collapsed(scored(runs, [0, 1] * 10), METRICS["accuracy"]).tolist() == [True, True, False]
    labels = np.linspace(0, 5, 20)
    runs = [np.full(20, 2.5), 2.5 + 0.04 * (labels - 2.5), 2.5 + 0.06 * (labels - 2.5)]
    assert collapsed(scored(runs, labels), METRICS["pearson"]).tolist() == [True, True, False]


def test_logits_of_one_class_have_collapsed():
    one_answer = np.tile([0.3, 2.0, 0.1], (20, 1)) + 0.01 * np.arange(20)[:, None]
    others = one_answer.copy()
    others[::3, 2] = 9.0  # seven answers
    outputs = np.stack([one_answer, others])
    found = collapsed(scored(outputs, np.arange(20) % 3), METRICS["cross_entropy"])
    assert found.tolist() == [True, False]


def test_identical_answers_are_counted_over_shared_seeds():
    a, b = scored([[0] * 2000, [1] * 2000], [0, 1] * 1000), scored([[0] * 2000, [1] * 1999 + [0]], [0, 1] * 1000)
    assert identical_share(a, b, "accuracy") == 1 - 1 / 4000
    assert identical_share(replace(a, seeds=(0, 5)), b, "accuracy") == 1.0
    labels = np.linspace(0, 5, 100)
    near = scored([labels + 1e-4], labels), scored([labels], labels)
    assert (identical_share(*near, "pearson"), identical_share(near[0], scored([labels + 1], labels), "pearson")) == (
        1,
        0,
    )
    with pytest.raises(ValueError, match="no seed"):
        identical_share(replace(a, seeds=(7, 8)), b, "accuracy")


TASKS = [Exam("one", items=800, base=0.7), Exam("two", items=800, base=0.7)]


def decided(root, arms, references, **changes):
    """Return the verdict on one and two where the paper's plain fine-tuning scores ``references`` (percent) on them."""
    printed = [{"row": "vanilla", "column": f"{task}.accuracy", "value": value} for task, value in references.items()]
    made = claim(**{"size": None, **changes})
    World(root, arms, TASKS, seeds=SEEDS, epochs=1, steps=2, extra={"claims": [made], "published": printed}).write()
    (verdict,) = decide_all(root, Results.open(root).manifest("compare"))
    return verdict


ARMS = [Arm("vanilla"), Arm("smart", "SMART", "smart", gain=9.0)]
LEARNT, FLOOR = 72.0, 160.0  # a paper's score that 70 % is near to, and one out of reach


def test_a_papers_average_with_a_task_at_the_floor_is_decided_in_part(tmp_path):
    got = decided(tmp_path, ARMS, {"one": LEARNT, "two": FLOOR})
    assert (got.words, got.counted_as) == ("in part: supported, on one alone of one, two", "in part")
    assert list(got.excluded) == ["two"]
    assert got.interval.estimate == got.per_task["one"].estimate
    assert "points on two" in in_words(got)
    assert "pilot at the floor: vanilla has learnt" in in_words(got)
    cells = compare(Results.open(tmp_path), Results.open(tmp_path).manifest("compare")).set_index(["row", "column"])
    assert cells.loc[("smart", "one.accuracy"), "undecided"] == ""
    assert cells.loc[("smart", "two.accuracy"), "undecided"].startswith("pilot at the floor: ")


def test_the_projects_own_claim_is_decided_on_the_other_tasks(tmp_path):
    got = decided(tmp_path, ARMS, {"one": LEARNT, "two": FLOOR}, partial=True)
    assert (got.words, got.in_part) == ("supported, on one alone of one, two", False)


def test_without_a_learnt_task_there_is_no_verdict(tmp_path):
    got = decided(tmp_path, ARMS, {"one": FLOOR, "two": FLOOR})
    assert (got.words, got.status) == ("no verdict", "no verdict")
    assert to_json(got)["excluded"].keys() == {"one", "two"}


def test_one_opposite_task_contradicts_every_even_with_another_at_the_floor(tmp_path):
    arms = [ARMS[0], replace(ARMS[1], gain=-9.0)]
    got = decided(tmp_path, arms, {"one": LEARNT, "two": FLOOR}, quantifier="every")
    assert (got.status, got.in_part) == ("contradicted", False)


def test_interactions_need_all_their_tasks(tmp_path):
    test = {"kind": "interaction", "against_tasks": ["two"]}
    got = decided(tmp_path, ARMS, {"one": FLOOR, "two": LEARNT}, tasks=["one"], test=test)
    assert got.status == "no verdict"
    assert got.reason.startswith("one: pilot at the floor")


def test_a_collapsed_baseline_is_a_floor_and_another_collapsed_arm_is_named(tmp_path):
    arms = [Arm("vanilla"), Arm("smart", "SMART", "smart", gain=-9.0, collapsed=(1, 4))]
    got = decided(tmp_path / "arm", arms, {}, tasks=["one"])
    assert got.status == "contradicted"
    assert "Collapsed, with (almost) one answer to all items: 2 of 6 runs of SMART on one." in in_words(got)
    got = decided(tmp_path / "base", [replace(ARMS[0], collapsed=(1,)), ARMS[1]], {}, tasks=["one"])
    assert got.status == "no verdict"
    assert "1 of 6 runs of vanilla give (almost) one answer" in in_words(got)


def test_generated_data_has_no_reference(tmp_path):
    decided(tmp_path, ARMS, {"one": FLOOR})
    manifest = Results.open(tmp_path).manifest("compare")
    column = manifest.columns[0]
    assert (reference(manifest, column), learnt(Results.open(tmp_path), manifest, column).is_floor) == (FLOOR, True)
    demo = replace(manifest, warnings=("Generated data, demonstration.",))
    assert np.isnan(reference(demo, column))
    assert reference(manifest, Column("x", "cola", "matthews")) == 54.7
    assert reference(manifest, Column("x", "snli", "accuracy", "test")) == 90.8


def test_inert_contrasts_are_no_verdicts(tmp_path):
    path = World(tmp_path, ARMS, TASKS, seeds=SEEDS, epochs=1, steps=2, extra={"claims": [claim()]}).write()
    manifest = Results.open(path).manifest("compare")
    twins = replace(manifest, cells={**manifest.cells, "smart": manifest.cells["vanilla"]})
    (got,) = decide_all(path, twins)
    assert (got.words, got.counted_as) == ("inert", "inert")
    assert "inert: 100.00 % of 4,800 answers are identical" in in_words(got)


def test_inert_on_one_task_and_at_the_floor_on_another_is_no_verdict(tmp_path):
    decided(tmp_path, ARMS, {"one": LEARNT, "two": FLOOR}, partial=True)
    manifest = Results.open(tmp_path).manifest("compare")
    smart = {**manifest.cells["smart"], "one": manifest.cells["vanilla"]["one"]}
    (got,) = decide_all(tmp_path, replace(manifest, cells={**manifest.cells, "smart": smart}))
    assert got.status == "no verdict"
    assert {task: reason.split(":")[0] for task, reason in got.excluded.items()} == {
        "one": "inert",
        "two": "pilot at the floor",
    }


def test_a_description_pairs_the_items_that_columns_share(tmp_path):
    column = {"task": "one", "metric": "accuracy", "split": "dev", "ceiling": None}
    columns = [{**column, "id": f"one.{title}", "title": title} for title in ("few", "many")]
    made = claim(tasks=["one"], size=None, test={"kind": "difference", "columns": [each["id"] for each in columns]})
    arms = [replace(ARMS[0], collapsed=(1,)), ARMS[1]]
    extra = {"claims": [made], "columns": columns}
    World(tmp_path, arms, TASKS[:1], seeds=SEEDS, epochs=1, steps=2, extra=extra).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert got.status == "no verdict"
    assert got.interval.se == pytest.approx(got.per_task["few"].se)  # the same items twice are no further evidence


def test_shares_of_an_average_are_those_of_the_variance():
    parts = {name: t_interval(1.0, variance, 20, 5, 100, "", 0.95) for name, variance in (("a", 3.0), ("b", 1.0))}
    assert variance_shares(parts) == pytest.approx({"a": 0.75, "b": 0.25})
    assert (dominant(variance_shares(parts)), dominant({"a": 0.5, "b": 0.5})) == ("a", "")
    assert variance_shares({"a": parts["a"]}) == {}


def test_a_papers_average_prints_its_shares(tmp_path):
    exams = [Exam("one", items=3000, base=0.7), Exam("two", items=60, base=0.7)]
    World(tmp_path, ARMS, exams, seeds=SEEDS, epochs=1, steps=2, extra={"claims": [claim()]}).write()
    (got,) = decide_all(tmp_path, Results.open(tmp_path).manifest("compare"))
    assert "Mostly two. Shares of the sum of the tasks' variances: one " in in_words(got)


@pytest.mark.parametrize(("asked", "expected"), [({}, 5), ({"min_seeds": 8}, 8), ({"min_seeds": 3}, 3)])
def test_a_comparison_needs_as_many_seeds_as_the_claims_about_it(tmp_path, asked, expected):
    World(tmp_path, ARMS, TASKS, epochs=1, steps=2, extra={"claims": [claim(**asked)]}).write()
    manifest = Results.open(tmp_path).manifest("compare")
    assert fewest_seeds(manifest, "smart") == expected
    smart = compare(Results.open(tmp_path), manifest).query("row == 'smart'")
    few = f"too few seeds: 3 of {expected}" if expected > 3 else ""
    assert smart["undecided"].tolist() == [few, few]
