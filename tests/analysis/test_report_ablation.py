"""What the parts of a method do: every sentence is computed from logs and answers, and changes with them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.curves import read_logs
from analysis.report.ablation import PartAnswer, _share, _times, part_answers
from analysis.report.build import write_report
from analysis.results import Results
from tests.analysis.world import Arm, Exam, World, run_key

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
EXAM = Exam("demo-rte", items=100)
SEEDS = (0, 1)
R_S = {"lambda_s": 2.0, "epsilon": 1e-5, "dropout": "independent"}
D_BREG = {"mu": 0.5, "teacher": "ema"}
OPTIONS: dict[str, dict[str, Any]] = {
    "vanilla": {},
    "none": {**R_S, "direction": "none"},
    "random": {**R_S, "direction": "random"},
    "ascent": {**R_S, "direction": "ascent"},
    "bregman": D_BREG,
    "smart": {**R_S, **D_BREG, "dropout": "shared", "direction": "ascent"},
    "released": {"lambda_s": 2.0},
}
LOGGED: dict[str, dict[str, float]] = {
    "vanilla": {},
    "none": {"smoothness": 0.02, "max_abs_delta": 0.0},
    "random": {"smoothness": 0.03, "max_abs_delta": 1e-5},
    "ascent": {"smoothness": 0.04, "max_abs_delta": 1e-5},
    "bregman": {"bregman": 0.4},
    "smart": {"smoothness": 3e-9, "bregman": 0.4, "max_abs_delta": 1e-5},
    "released": {"smoothness": 0.07, "max_abs_delta": 0.5},
}
METHODS = {"none": "smoothness", "random": "smoothness", "ascent": "smoothness", "released": "smart-released"}


def make_world(root: Path, *, copies: dict[str, str], options: dict[str, dict[str, Any]] | None = None) -> Path:
    """Write a results folder; ``copies`` names rows that give the same answers as another."""
    arms = [Arm(id, id.upper(), METHODS.get(id, id), seed_sd=8.0) for id in OPTIONS]
    World(root, arms, [EXAM], seeds=SEEDS, steps=4).write()
    for id in OPTIONS:
        for seed in SEEDS:
            folder = root / "runs" / run_key(id, EXAM, seed)
            content = json.loads((folder / "spec.json").read_text())
            content["spec"]["method_config"] = {**OPTIONS, **(options or {})}[id]
            (folder / "spec.json").write_text(json.dumps(content))
            lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
            lines = [line if "event" in line else {**line, **LOGGED[id]} for line in lines]
            (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            source = root / "runs" / run_key(copies.get(id, id), EXAM, seed)
            if source != folder:
                shutil.copytree(source / "predictions", folder / "predictions", dirs_exist_ok=True)
                result, copied = (json.loads((each / "result.json").read_text()) for each in (folder, source))
                (folder / "result.json").write_text(json.dumps({**result, "scores": copied["scores"]}))
    return root


def sentences(root: Path, name: str = "compare") -> dict[str, tuple[str, ...]]:
    results = Results(root)
    manifest = results.manifest(name)
    found: tuple[PartAnswer, ...] = part_answers(results, manifest, read_logs(results, manifest))
    return {part.question: part.sentences for part in found}


CHANGE, DIRECTION, TERMS, SIZE = (
    "Does the perturbation change what the model answers?",
    "Does the direction of the perturbation matter?",
    "Through which of its two terms does SMART act?",
    "How large is the perturbation?",
)


def test_each_question_has_a_sentence_with_the_numbers_of_the_runs(tmp_path: Path) -> None:
    found = sentences(make_world(tmp_path, copies={"none": "ascent", "smart": "bregman"}))
    assert list(found) == [CHANGE, DIRECTION, TERMS, SIZE]
    assert found[CHANGE] == (
        "No, in ASCENT beside no perturbation, on demo-rte: 0 of 200 answers differ; R_s averages 0.04 with the ascent "
        "and 0.02 with no perturbation, so 50 % of it comes from the dropout masks.",
    )
    (direction,) = found[DIRECTION]
    assert direction.startswith("Yes, in ASCENT beside a random direction, on demo-rte: ")
    assert "R_s averages 0.04 with the ascent and 0.03 with a random direction." in direction
    # with their weights: 2 * 3e-9 beside 0.5 * 0.4
    assert found[TERMS] == (
        "Through D_Breg alone: SMART at a radius of 1e-05, on demo-rte: R_s averages 6e-09 and D_Breg 0.2, both with "
        "their weights, so R_s is less than 0.001 % of the two, and 0 of 200 answers differ from those of BREGMAN.",
    )
    assert found[SIZE] == (
        "In RELEASED, on demo-rte, the largest element of the perturbation averages 0.5: 50,000 times the radius of "
        "1e-05 of the other rows.",
    )


def test_the_answers_decide_whether_something_changed(tmp_path: Path) -> None:
    root = make_world(tmp_path, copies={"random": "ascent"})
    results = Results(root)
    a, b = (
        [results.predictions(run_key(id, EXAM, seed), EXAM.task, "dev")["prediction"] for seed in SEEDS]
        for id in ("smart", "bregman")
    )
    n_changed = sum(int((x != y).sum()) for x, y in zip(a, b, strict=True))
    found = sentences(root)
    assert n_changed > 0
    (terms,) = found[TERMS]
    assert terms.startswith("Not through D_Breg alone: SMART at a radius")
    assert f"and {n_changed} of 200 answers differ from those of BREGMAN." in terms
    assert found[CHANGE][0].startswith("Yes, ")
    assert found[DIRECTION][0].startswith("No, ")


def test_equal_answers_beside_an_r_s_of_size_do_not_make_it_d_breg_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOGGED, "smart", {"smoothness": 0.1, "bregman": 0.4, "max_abs_delta": 1e-5})
    (terms,) = sentences(make_world(tmp_path, copies={"smart": "bregman"}))[TERMS]
    assert terms.startswith("Not through D_Breg alone: ")
    assert "R_s is 50 % of the two, and 0 of 200 answers differ" in terms


@pytest.mark.parametrize("change", [{"teacher": "theta0"}, {"mu": 1.0}])
def test_another_teacher_or_weight_is_not_the_method_without_r_s(tmp_path: Path, change: dict[str, Any]) -> None:
    found = sentences(make_world(tmp_path, copies={}, options={"bregman": {**D_BREG, **change}}))
    assert found[TERMS][0].endswith("no row here has D_Breg alone, so their answers are not compared.")


def test_rows_that_differ_in_more_than_the_direction_are_not_compared(tmp_path: Path) -> None:
    found = sentences(make_world(tmp_path, copies={}, options={"none": {**R_S, "direction": "none", "lambda_s": 3.0}}))
    assert CHANGE not in found
    assert DIRECTION in found


def test_rows_with_other_settings_of_training_are_not_compared(tmp_path: Path) -> None:
    root = make_world(tmp_path, copies={})
    for seed in SEEDS:
        path = root / "runs" / run_key("ascent", EXAM, seed) / "spec.json"
        path.write_text(path.read_text().replace('"batch_size": 16', '"batch_size": 32'))
    assert CHANGE not in sentences(root)


def test_a_record_that_stands_for_several_updates_counts_as_many(tmp_path: Path) -> None:
    root = make_world(tmp_path, copies={})
    for seed in SEEDS:
        path = root / "runs" / run_key("released", EXAM, seed) / "history.jsonl"
        path.write_text(
            '{"step": 3, "updates": 3, "max_abs_delta": 0.2}\n{"step": 4, "updates": 1, "max_abs_delta": 1.0}\n'
        )
    assert "averages 0.4: 40,000 times" in sentences(root)[SIZE][0]


def test_the_page_gives_the_sentences_below_the_table(tmp_path: Path) -> None:
    root = make_world(tmp_path, copies={"none": "ascent", "smart": "bregman"})
    page = write_report(root, "compare").read_text(encoding="utf-8")
    below = page.partition('id="table"')[2].partition("</section>")[0]
    for question, (sentence, *_) in sentences(root).items():
        assert f"<strong>{question}</strong> {sentence}" in below


def test_ratios_and_shares_have_two_digits_and_no_power_of_ten() -> None:
    assert [_times(ratio) for ratio in (98_039.2, 1.44, 12.6, 9.96)] == ["98,000", "1.4", "13", "10"]
    assert [_share(share) for share in (0.0, 2.8e-7, 9.9e-6, 1.2e-5, 0.112)] == [
        "0 %",
        "less than 0.001 %",
        "less than 0.001 %",
        "0.0012 %",
        "11 %",
    ]


@pytest.mark.parametrize("min_seeds", [2, 5])
def test_the_answers_about_the_parts_come_first_where_the_claim_has_no_verdict(tmp_path: Path, min_seeds: int) -> None:
    root = make_world(tmp_path, copies={"none": "ascent", "smart": "bregman"})
    (path,) = (root / "experiments" / "compare").glob("*.json")
    manifest = json.loads(path.read_text())
    contrast = {"a": "ascent", "b": "vanilla"}
    claim = {"id": "c", "sentence": "It helps.", "contrast": contrast, "tasks": ["demo-rte"], "min_seeds": min_seeds}
    path.write_text(json.dumps({**manifest, "claims": [claim]}))
    page = write_report(root, "compare").read_text(encoding="utf-8")
    card = page.partition('id="answer"')[2].partition("</section>")[0]
    is_run = min_seeds <= len(SEEDS)
    assert (CHANGE in card) != is_run
    assert page.count(f"<strong>{CHANGE}</strong>") == 1
    if not is_run:
        assert card.index(CHANGE) < card.index("It helps.")


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published runs are in the repository alone")
def test_the_published_ablation_answers_its_questions() -> None:
    found = sentences(PUBLISHED, "what-drives-smart")
    shared, independent = found[TERMS]
    assert shared.startswith("Through D_Breg alone: SMART [shared masks] at a radius of 1e-05")
    assert "0 of 8,344 answers differ from those of D_Breg, teacher ema" in shared
    assert independent.startswith("Not through D_Breg alone: SMART [independent masks]")
    (change,) = found[CHANGE]
    assert change.startswith("No, in R_s [independent masks], ascent beside no perturbation")
    share = re.search(r"so ([\d.]+) % of it comes from the dropout masks", change)
    assert share is not None
    assert 99 < float(share[1]) < 101
    assert "SMART as released" in found[SIZE][0]
