"""The bound and the rule of a claim, as a report prints them, are those that decide it."""

from __future__ import annotations

import html
import json

import pytest
from world import Arm, Exam, World

from analysis.claims import decide_all, rule_in_words
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
