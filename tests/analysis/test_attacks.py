"""What a hostile reader tried: arms that do not fit together, seeds that differ between tasks, runs that diverged."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_claim_kinds import HARD, MEASURED, SIX, TASKS, VOTED, decided, smart
from test_claim_verdicts import claim
from world import Arm, Exam, World, run_key, write_json

from analysis import errors, tables
from analysis.claims import decide_all, in_words
from analysis.comparison import compare
from analysis.crossed import crossed_interval
from analysis.records import ResultsError
from analysis.results import Results

SMALL = [Exam("one", items=40), Exam("two", items=40)]


def lose(root, row: str, exam: Exam, seed: int) -> None:
    """Stand for a run that was not finished."""
    folder = root / "runs" / run_key(row, exam, seed)
    folder.rename(folder.with_name(f".{folder.name}"))


def verdict(root, manifest="compare"):
    (got,) = decide_all(root, Results.open(root).manifest(manifest))
    return got


def world(root, arms, exams, **changes):
    made = claim(**{"tasks": [exam.task for exam in exams], "size": None, **changes})
    return World(root, arms, exams, seeds=SIX, epochs=1, steps=8, extra={"claims": [made]}).write()


@pytest.mark.parametrize(
    "changes",
    [
        {"test": {"kind": "cost", "quantity": "seconds"}, "size": 1.0, "direction": "less"},
        {"test": {"kind": "measured", "quantity": "distance"}, "direction": "less"},
    ],
)
@pytest.mark.parametrize("lost", [(5,), (5, 0)])
def test_ratios_over_tasks_take_the_seeds_that_all_tasks_have(changes, lost, tmp_path):
    """Once a crash (tasks with 6 and 5 seeds), or a silent mean of seed 5 here and seed 4 there (5 and 5)."""
    half = {**MEASURED, "distance": 0.1}
    arms = [Arm("vanilla", measured=MEASURED), Arm("smart", pace=0.05, measured=half)]
    root = world(tmp_path, arms, SMALL, **changes, min_seeds=4)
    for seed, exam in zip(lost, SMALL, strict=False):
        lose(root, "smart", exam, seed)
    got = verdict(root)
    assert (got.status, got.n_seeds) == ("supported", 6 - len(lost))
    if "distance" in changes["test"].values():
        at = [s for s in SIX if s not in lost]
        logs = [np.log(distance(root, "smart", e, s) / distance(root, "vanilla", e, s)) for e in SMALL for s in at]
        assert np.log(got.interval.estimate) == pytest.approx(np.mean(logs))


def distance(root, row: str, exam: Exam, seed: int) -> float:
    return Results.open(root).measures(run_key(row, exam, seed))["moments"][-1]["distance"]


def test_agreement_over_tasks_takes_the_seeds_that_all_tasks_have(tmp_path):
    exams = [replace(VOTED[0], task=name, items=600) for name in ("one", "two")]
    changes = {"test": {"kind": "agreement", "buckets": HARD}, "metric": "cross_entropy", "direction": "less"}
    root = world(tmp_path, smart(contested=25.0), exams, **changes)
    lose(root, "smart", exams[0], 5)
    assert verdict(root).n_seeds == 5


def test_agreement_refuses_arms_on_other_items(tmp_path):
    """The same number of items in another order would pair answers of different items."""
    about = {"test": {"kind": "agreement", "buckets": HARD, "each": True}}
    exam = replace(VOTED[0], items=600)
    root = world(tmp_path, smart(), [exam], **about)
    for seed in SIX:
        path = root / "runs" / run_key("smart", exam, seed) / "predictions" / "one.dev.parquet"
        pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False)
    assert in_words(verdict(root)) == "not run: one: the two methods were scored on different items."


def test_slices_and_contested_items_refuse_arms_that_do_not_pair():
    made = errors.Outputs(np.array(["a", "b", "c", "d"]), np.zeros(4, int), np.zeros((2, 4, 2)), (0, 1))
    mask = np.array([True, True, False, False])
    for other in (replace(made, ids=made.ids[::-1]), replace(made, seeds=(1, 0))):
        with pytest.raises(ValueError, match="same items and seeds"):
            errors.by_slice(made, other, {"some": mask})
        with pytest.raises(ValueError, match="same items and seeds"):
            errors.interaction(made, other, mask)


def test_a_run_that_diverged_is_named_and_gives_no_number(tmp_path):
    exam = Exam("one", "pearson", items=60, classes=1)
    root = world(tmp_path, smart(), [exam], metric="pearson")
    path = root / "runs" / run_key("smart", exam, 2) / "predictions" / "one.dev.parquet"
    table = pq.read_table(path)
    column = pa.array(np.full(table.num_rows, np.nan))  # as a run writes them: numbers, not missing values
    pq.write_table(table.set_column(table.column_names.index("prediction"), "prediction", column), path)
    told = f"run {run_key('smart', exam, 2)[:12]} predicted numbers that are not finite on one.dev"
    assert verdict(root).reason == f"smart on one: {told}"
    cells = compare(Results.open(root), Results.open(root).manifest("compare")).set_index("row")
    assert (cells.loc["smart", "n_seeds"], cells.loc["smart", "reason"]) == (0, told)


@pytest.mark.parametrize("metric", ["accuracy", "cross_entropy"])
def test_a_classifier_with_logits_that_are_not_finite_is_named_although_its_answers_are(tmp_path, metric):
    """The largest of NaN logits is the first: such a run answers class 0 everywhere and would be scored."""
    exam = Exam("one", metric, items=60)
    root = world(tmp_path, smart(), [exam], metric=metric)
    path = root / "runs" / run_key("smart", exam, 2) / "predictions" / "one.dev.parquet"
    table = pq.read_table(path)
    column = pa.array(np.full(table.num_rows, np.nan, np.float32))
    pq.write_table(table.set_column(table.column_names.index("logit_1"), "logit_1", column), path)
    told = f"run {run_key('smart', exam, 2)[:12]} predicted numbers that are not finite on one.dev"
    assert verdict(root).reason == f"smart on one: {told}"
    with pytest.raises(ResultsError, match=told):
        errors.read_outputs(Results.open(root), {2: run_key("smart", exam, 2)}, "one", "dev")


def test_labels_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="labels must be finite"):
        crossed_interval(np.zeros((2, 3)), np.ones((2, 3)), metric="pearson", labels=[1.0, np.nan, 2.0])


def test_flattery_of_an_error_rate_is_a_lower_error(tmp_path):
    """The best epoch on dev has the lowest error there: choosing by it flatters as much as by accuracy."""
    about = {"test": {"kind": "selection", "best": "best-dev", "reference": "best-holdout"}}
    gains = {}
    for metric in ("accuracy", "error_rate"):
        exam = Exam("one", metric, items=120)
        made = claim(tasks=["one"], metric=metric, **about)
        root = tmp_path / metric
        World(root, smart(seed_sd=3.0), [exam], seeds=range(8), epochs=2, steps=4, extra={"claims": [made]}).write()
        gains[metric] = [interval.estimate for interval in verdict(root).per_task.values()]
    assert gains["accuracy"] == pytest.approx(gains["error_rate"])
    assert max(gains["accuracy"]) > 0


def test_relative_errors_of_the_same_items_are_added_item_by_item(tmp_path):
    """A column against itself differs by nothing, and is certain of it; as independent items it would not be."""
    test = {
        "kind": "interaction",
        "against_columns": ["again"],
        "columns": ["one.accuracy"],
        "relative_error": True,
    }
    root = world(tmp_path, smart(gain=5.0), TASKS[:1], test=test)
    path = root / "experiments" / "compare" / "0123abcd.json"
    raw = json.loads(path.read_text())
    raw["columns"].append({**raw["columns"][0], "id": "again"})
    write_json(path, raw)
    got = verdict(root).interval
    assert (got.estimate, got.low, got.high) == (0.0, 0.0, 0.0)


def test_points_and_nats_or_errors_and_accuracies_have_no_mean(tmp_path):
    for other in ("cross_entropy", "error_rate"):
        exams = [Exam("one", items=60), Exam("two", other, items=60)]
        got = decided(tmp_path / other, smart(), exams, {"metric": ""})
        assert got.reason.startswith("there is no mean over accuracy, ")


def test_a_row_that_begins_with_a_bracket_is_no_option_of_the_line_before():
    r"""LaTeX reads ``\\ [text]`` as a length and ``\\*`` as a command."""
    assert tables.latex("[shared] SMART*") == "{[}shared] SMART{*}"
