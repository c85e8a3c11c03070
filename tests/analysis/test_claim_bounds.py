"""The bound and the rule of a claim, as a report prints them, are those that decide it."""

from __future__ import annotations

import html
import json

import pytest
from world import Arm, Exam, World

from analysis.claims import Claim, Verdict, decide_all, multiplicity, rule_in_words
from analysis.claims.bounds import EACH_TASK
from analysis.claims.claim import Outcome
from analysis.claims.multiplicity import Family
from analysis.report import write_report
from analysis.results import Results

ARMS = (Arm("vanilla", "plain"), Arm("smart", "SMART", "smart"))
EXAMS = (Exam("one", items=200), Exam("two", "matthews", items=200))


def claim(**changes) -> dict:
    content = {
        "id": "c",
        "sentence": "SMART helps.",
        "contrast": {"a": "smart", "b": "vanilla"},
        "tasks": ["one", "two"],
    }
    return content | changes


def decided(root, *claims: dict, seeds=(0, 1, 2, 3, 4), **options):
    results = Results.open(
        World(root, ARMS, EXAMS, seeds, epochs=1, steps=4, extra={"claims": list(claims)}, **options).write()
    )
    return list(decide_all(results, results.manifest("compare")))


@pytest.mark.parametrize(
    ("changes", "bounds", "words"),
    [
        ({"size": 3.0}, {"one": 1.5, "two": 1.5}, "bound 1.5 points: an effect up to it counts as irrelevant"),
        ({"size": 0.4}, {}, "no bound: no effect counts as too small"),
        ({"bound": 0.25}, {"one": 0.25, "two": 0.25}, "bound 0.25 points: an effect up to it counts as irrelevant"),
        ({"tasks": ["two"]}, {"two": 1.0}, "bound 1 point: an effect up to it counts as irrelevant"),
        ({}, {"one": 0.5, "two": 0.5}, "bound 0.5 points: an effect up to it counts as irrelevant"),
        (
            {"partial": True},
            {"one": 0.5, "two": 1.0},
            "bound 0.5 points on one, 1 point on two: an effect up to it counts as irrelevant",
        ),
        (
            {"direction": "no less", "margin": 2.0},
            {"one": 2.0, "two": 2.0},
            "margin 2 points: a difference up to it counts as none",
        ),
    ],
)
def test_the_bound_is_named_with_its_value(tmp_path, changes, bounds, words):
    (verdict,) = decided(tmp_path, claim(**changes))
    assert verdict.bounds == bounds
    assert rule_in_words(verdict)[0] == words


def test_an_effect_beyond_the_named_bound_is_relevant(tmp_path):
    """The printed bound decides: a little above the farther end of the 90 % interval it holds, a little below not."""
    (verdict,) = decided(tmp_path, claim(bound=50.0))
    assert verdict.status == "no relevant effect"
    assert abs(verdict.equivalence[1]) < verdict.bounds["one"] == 50.0
    half = max(map(abs, verdict.equivalence))
    (narrow,) = decided(tmp_path / "narrow", claim(bound=half - 0.01))
    (wide,) = decided(tmp_path / "wide", claim(bound=half + 0.01))
    assert (narrow.status, wide.status) == ("inconclusive", "no relevant effect")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partial": True}, "each task has a verdict of its own, after Holm's correction over the tasks"),
        ({"quantifier": "average"}, "the mean over its tasks decides"),
        ({"quantifier": "every"}, "supported if each task supports it at its own 5 % level"),
        ({"quantifier": "any"}, "supported if one task supports it after Holm's correction over the tasks"),
    ],
)
def test_a_claim_on_several_tasks_says_what_they_must_show(tmp_path, changes, words):
    (verdict,) = decided(tmp_path, claim(**changes), seeds=(0, 1))
    assert rule_in_words(verdict)[1].startswith(words)
    assert verdict.status == "not run"  # the rule is fixed before the runs
    (single,) = decided(tmp_path / "one", claim(tasks=["one"], **changes))
    assert len(rule_in_words(single)) == 1


def test_the_page_prints_bound_and_rule_with_each_claim_and_in_the_answer(tmp_path):
    decided(tmp_path, claim(partial=True), claim(id="d", sentence="SMART hurts.", size=3.0, quantifier="every"))
    page = html.unescape(write_report(tmp_path, "compare").read_text(encoding="utf-8"))
    own = "bound 0.5 points on one, 1 point on two: an effect up to it counts as irrelevant; each task has a verdict"
    assert page.count(f"Rule: {own}") == 1
    assert f"<dt>Rule</dt><dd>{own[:1].upper()}{own[1:]}" in page
    other = "Rule: bound 0.5 points"  # generated data: the paper's size is no part of the page
    assert f"{other}: an effect up to it" not in page
    assert "Rule: bound 1.5 points: an effect up to it counts as irrelevant; supported if each task" in page
    how = page[page.index('id="words"') :]
    assert "Each task has a verdict of its own, after Holm's correction over the tasks" in how
    listed = (tmp_path / "reports" / "compare" / "claims.csv").read_text()
    assert own in listed
    stored = json.loads((tmp_path / "reports" / "compare" / "claims.json").read_text())
    assert stored[0]["bounds"] == {"one": 0.5, "two": 1.0}


def test_the_rule_of_a_primary_contrast_names_the_correction_over_its_family(tmp_path, monkeypatch):
    family = Family("3 primary contrasts", ("c", "p", "q"), (), True)
    monkeypatch.setattr(multiplicity, "families", lambda: (family,))
    last = "corrected by Holm over the 3 primary contrasts"
    (mean,) = decided(tmp_path / "mean", claim())
    assert rule_in_words(mean)[1:] == ("the mean over its tasks decides", last)
    (both,) = decided(tmp_path / "both", claim(partial=True))
    assert rule_in_words(both)[1:] == (EACH_TASK, last)  # both corrections decide
    (one,) = decided(tmp_path / "one", claim(partial=True, tasks=["one", "elsewhere"]))
    bound, *others = rule_in_words(one, {"one": "ONE"})
    assert (bound, others) == ("bound 0.5 points: an effect up to it counts as irrelevant", [last])
    (other,) = decided(tmp_path / "other", claim(id="exploratory"))
    assert last not in rule_in_words(other)


def test_the_bounds_of_several_tasks_have_their_titles(tmp_path):
    (verdict,) = decided(tmp_path, claim(partial=True))
    assert rule_in_words(verdict, {"one": "ONE"})[0].startswith("bound 0.5 points on ONE, 1 point on two: ")


def test_the_page_says_cannot_be_decided_here_and_that_its_colours_are_uncorrected(tmp_path):
    decided(tmp_path, claim(), claim(id="d", sentence="Elsewhere.", tasks=["one", "elsewhere"], reading="shared"))
    page = html.unescape(write_report(tmp_path, "compare").read_text(encoding="utf-8"))
    assert "<h3>1 claim that cannot be decided here</h3>" in page
    assert "Cannot be decided here: elsewhere with any metric is not in this experiment." in page
    assert "not run here</h3>" not in page
    assert "its colour is before any correction for several comparisons" in page
    assert '"better" and "worse" are before correction' in page
    assert "reading: shared masks" in page
    stored = json.loads((tmp_path / "reports" / "compare" / "claims.json").read_text())
    assert [each["status"] for each in stored][1] == "not run"


@pytest.mark.parametrize(("present", "words"), [("two", "not run"), ("elsewhere", "cannot be decided here")])
def test_a_partial_claim_waits_for_runs_of_its_tasks_that_the_experiment_has(tmp_path, present, words):
    asked = claim(partial=True, tasks=[present, "further"], contrast={"a": "smart", "b": "no-row"})
    (verdict,) = decided(tmp_path, asked)
    assert verdict.status == "not run"
    assert verdict.words_with({"one": "ONE"}) == verdict.short_words({}) == verdict.label == words


def test_words_for_people_have_titles_and_keep_every_qualifier():
    outcomes = {"one": Outcome("supported", 0.01, 0.02), "two": Outcome("contradicted", 0.01, 0.02)}
    asked = Claim.from_json(claim(tasks=["one", "two", "three"], partial=True))
    titles = {"one": "ONE", "two": "TWO"}
    open_one = Verdict(asked, "inconclusive", "as ids", outcomes=outcomes, tasks=("one", "two"))
    assert open_one.words_with(titles) == (
        "inconclusive (supported on ONE, contradicted on TWO), on ONE and TWO of its 3 tasks"
    )
    assert open_one.short_words(titles) == "inconclusive (supported on ONE, contradicted on TWO; 2 of 3 tasks)"
    alone = Verdict(asked, "supported", "smaller than claimed", tasks=("one",), family="9 claims of A")
    assert alone.short_words(titles) == "supported (smaller than claimed; exploratory; 1 of 3 tasks)"
    assert alone.words_with(titles | {"three": "3"}).endswith(", on ONE alone of ONE, TWO, 3")
    assert alone.words.endswith(", on one alone of one, two, three")
