"""The first sentence on own data: each verdict where the truth asks for it, with what would decide where none can."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from world import Arm, Exam, World

from analysis import contrasts
from analysis.comparison import compare
from analysis.crossed import combine
from analysis.power import noise_of, power
from analysis.report.build import write_report
from analysis.report.own_data import own_answers
from analysis.report.remedy import larger_study
from analysis.results import Results

FIVE = (0, 1, 2, 3, 4)


def own_world(root: Path, gain: float, group: int | None = None, **changes) -> Path:
    """Make a results folder on own data; ``gain`` in points, ``group``: number of groups of items."""
    exam = changes.pop("exam", Exam("own-notes", items=changes.pop("items", 1500)))
    arms = [Arm("vanilla", "vanilla"), Arm("smart[shared]", "smart[shared]", "smart", "shared", gain=gain)]
    folder = World(root, arms, [exam], **{"seeds": FIVE, "generated": False, **changes}).write()
    for path in folder.glob("runs/*/spec.json"):
        content = json.loads(path.read_text())
        content["task"]["own"] = {
            "rows": {"train": 900, "dev": exam.items},
            "classes": exam.classes if exam.classes > 1 else None,
            "group": "author" if group else None,
            "verdict_split": "dev",
            "named_class": None,
        }
        path.write_text(json.dumps(content))
    if group:
        for path in folder.glob("runs/*/predictions/*.parquet"):
            frame = pd.read_parquet(path)
            frame.assign(group=[f"g{i % group}" for i in range(len(frame))]).to_parquet(path, index=False)
    return folder


def answer(folder: Path):
    results = Results.open(folder)
    manifest = results.manifest("compare")
    (found,) = own_answers(results, manifest, compare(results, manifest), results.finished(manifest))
    return found


@pytest.mark.parametrize(("gain", "verdict", "end"), [(6.0, "helps", ": helps."), (-6.0, "hurts", ": hurts.")])
def test_a_large_difference_helps_or_hurts(tmp_path, gain, verdict, end):
    found = answer(own_world(tmp_path, gain))
    assert found.verdict == verdict
    assert found.sentence.startswith("On your data (own-notes: n = 1,500 dev items, 2 classes), smart[shared] changes ")
    assert found.sentence.endswith(end)


def test_the_numbers_are_those_of_the_deciding_interval(tmp_path):
    folder = own_world(tmp_path, 6.0)
    results = Results.open(folder)
    manifest = results.manifest("compare")
    arms = contrasts.difference(results, manifest, "smart[shared]", "vanilla", manifest.columns[0])
    interval = combine([contrasts.measure(arms, FIVE)])
    sentence = answer(folder).sentence
    assert f"by +{interval.estimate:.1f} points" in sentence
    assert f"(95 % interval {interval.low:.1f} to {interval.high:.1f})" in sentence


def test_a_lower_error_helps(tmp_path):
    found = answer(own_world(tmp_path, 8.0, exam=Exam("own-scores", "rmse", items=800, classes=1, noise=1.2)))
    assert found.verdict == "helps"
    assert "a number to predict" in found.sentence
    assert " by −" in found.sentence
    assert "points" not in found.sentence


def test_a_narrow_interval_around_nothing_excludes_a_difference(tmp_path):
    found = answer(own_world(tmp_path, 0.0, items=60_000, seed_sd=0.02))
    assert found.verdict == "no difference that matters"
    largest = float(found.sentence.split("larger than ")[1].split(" points")[0])
    assert 0 < largest <= 0.5


def test_what_would_decide_has_the_power_it_promises(tmp_path):
    folder = own_world(tmp_path, 1.5, items=300)
    found = answer(folder)
    assert found.verdict == "not decided"
    words = found.sentence.split("about ")[1]
    results = Results.open(folder)
    manifest = results.manifest("compare")
    arms = contrasts.difference(results, manifest, "smart[shared]", "vanilla", manifest.columns[0])
    part = contrasts.measure(arms, FIVE)
    size, noise = max(abs(combine([part]).estimate), 0.5), noise_of(part)
    assert f"with 80 % chance, if the true difference is {size:.1f} points" in words
    seeds = 5 + int(words.split(" more seed")[0].replace(",", ""))
    assert power(size, seeds, 300, noise) >= 0.8 > power(size, seeds - 1, 300, noise)
    if "more dev items" in words:
        items = int(words.split(" or ")[1].split(" more dev")[0].replace(",", ""))
        assert power(size, 5, 300 + items, noise) >= 0.8


def test_seeds_that_would_decide_come_with_a_command_to_paste(tmp_path):
    folder = own_world(tmp_path, 1.5, items=300, extra={"commands": {"run": "smart-repro run compare --data n.csv"}})
    more = answer(folder).more_seeds
    page = write_report(folder, "compare").read_text()
    assert f"smart-repro reproduce compare --data n.csv --seeds {5 + more}</pre>" in page
    assert f"{more:,} more seeds of all methods: about " in page


def test_where_neither_seeds_nor_items_alone_would_do_both_are_named(tmp_path):
    folder = own_world(tmp_path, 0.6, items=300, seed_sd=0.6)
    results = Results.open(folder)
    manifest = results.manifest("compare")
    arms = contrasts.difference(results, manifest, "smart[shared]", "vanilla", manifest.columns[0])
    part = contrasts.measure(arms, FIVE)
    noise = noise_of(part)
    found = larger_study(part, 1.0, 5)
    assert found is not None
    times = found[0] // 5
    assert found == (5 * times, 300 * times)
    assert power(1.0, *found, noise) >= 0.8 > power(1.0, 5 * (times - 1), 300 * (times - 1), noise)
    assert larger_study(part, 0.001, 5) is None
    sentence = answer(folder).sentence
    if "alone would show" in sentence:
        assert " seeds with " in sentence


def test_below_five_seeds_nothing_is_decided_and_the_sentence_counts_them(tmp_path):
    found = answer(own_world(tmp_path, 8.0, seeds=(0, 1, 2)))
    assert found.verdict == "not decided"
    assert "not decided, too few seeds: 3 of 5; about 2 more seeds would decide" in found.sentence


def test_groups_widen_the_interval_and_under_20_of_them_decide_nothing(tmp_path):
    few, many = (answer(own_world(tmp_path / str(n), 8.0, group=n)) for n in (10, 40))
    assert few.verdict == "not decided"
    assert "not decided, too few groups: 10 of 20." in few.sentence
    assert many.verdict == "helps"
    assert "dev items in groups of 'author'" in many.sentence


def test_a_baseline_that_does_not_beat_a_constant_answer_allows_no_verdict(tmp_path):
    found = answer(own_world(tmp_path, 20.0, exam=Exam("own-notes", items=1500, base=0.5)))
    assert found.verdict == "not decided"
    assert "nothing is decided about smart[shared]: vanilla scores" in found.sentence
    assert "the best constant answer" in found.sentence
    assert re.search(r"scores [\d.]+ \(lower end of its 95 % interval [\d.]+\)", found.sentence)
    assert "the baseline has not learnt the task" in found.sentence
    assert "Train longer (--epochs), at a higher rate" in found.sentence


def test_seeds_are_not_offered_where_the_baseline_has_learnt_nothing(tmp_path):
    found = answer(own_world(tmp_path, 20.0, exam=Exam("own-notes", items=1500, base=0.5), seeds=(0, 1, 2)))
    assert "too few seeds: 3 of 5, and vanilla scores" in found.sentence
    assert "more seed" not in found.sentence


def test_cost_and_changed_answers_stand_below(tmp_path):
    folder = own_world(tmp_path, 6.0)
    details = answer(folder).details
    assert "A run of smart[shared] took 12.5 s (1.0 times as long), one of vanilla 12.5 s." in details
    key = Results.open(folder).manifest("compare").cells["vanilla"]["own-notes"][0]
    path = folder / "runs" / key / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": 37.5}))
    uneven = "No ratio: equal runs took very different times, up to 3.0 times as long, as the machine did other work."
    assert uneven in answer(folder).details
    mended, broken = (float(details.split(f" {word} ")[1].split(" ")[0]) for word in ("mends", "makes"))
    change = float(answer(folder).sentence.split("by +")[1].split(" ")[0])
    assert 100 * (mended - broken) / 1500 == pytest.approx(change, abs=0.06)


def test_the_page_starts_with_the_sentence_and_speaks_of_no_paper(tmp_path):
    page = write_report(own_world(tmp_path, 6.0), "compare").read_text()
    body = page.split("<body>")[1].split("<script")[0]
    assert body.index("What was found") < body.index("On your data") < body.index("is better than vanilla")
    for word in ("paper", "demonstration", "Generated data", "Claimed"):
        assert word not in body, word


def test_other_data_get_no_such_sentence(tmp_path):
    arms = [Arm("vanilla"), Arm("smart", gain=6.0)]
    results = Results.open(World(tmp_path, arms, [Exam("demo-rte")], seeds=FIVE).write())
    manifest = results.manifest("compare")
    cells = compare(results, manifest)
    assert own_answers(results, manifest, cells, results.finished(manifest)) == []
    assert np.isfinite(cells["difference"].iloc[1])


def test_a_mean_over_classes_with_a_rare_one_is_not_decided(tmp_path):
    """As `judge` has it: fewer than five labels of a class are no sample of it."""
    folder = own_world(tmp_path, 6.0, exam=Exam("own-notes", "macro_f1", items=400, classes=3))
    for path in folder.glob("runs/*/predictions/*.parquet"):
        frame = pd.read_parquet(path)
        frame[["label", "prediction"]] = frame[["label", "prediction"]].replace(2, 0)
        frame.loc[frame["id"].isin(frame["id"].unique()[:4]), "label"] = 2  # in every epoch
        frame.to_parquet(path, index=False)
    found = answer(folder)
    assert (found.verdict, found.chip) == ("not decided", "inconclusive")
    assert found.sentence.endswith(": not decided, too few labels of a class: 4 of 5.")


def test_a_task_with_two_metrics_is_named_once_among_collapsed_runs(tmp_path):
    arms = [Arm("vanilla"), Arm("smart", "SMART", "smart", collapsed=(1, 4))]
    exams = [Exam("own-notes", items=400), Exam("own-notes", "macro_f1", items=400)]
    page = write_report(Results.open(World(tmp_path, arms, exams, seeds=FIVE).write()), "compare").read_text()
    shown, _, data = page.partition('<script type="application/json"')
    sentence = "Collapsed runs of SMART give (almost) one answer to all items, and are in the mean: "
    assert shown.count(sentence) == 1
    assert data.count(sentence) == 2  # with the notes of the copies for LaTeX and Markdown
    assert "in the mean: own-notes (2 of 5 runs)." in page
