"""The first screen: the claim's own contrast, each reading, what would decide, no paper's number on made-up data."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from world import Arm, Exam, World

from analysis import claims
from analysis.comparison import compare
from analysis.crossed import Components
from analysis.descriptive import holm
from analysis.power import noise_of, power
from analysis.report import write_index, write_report
from analysis.report.answer import MEANINGS, ORDER, warnings, words_of
from analysis.report.card.content import card_of
from analysis.report.card.differences import alt_of, forest_of
from analysis.report.card.open_claim import remedy_of
from analysis.report.card.sentences import effect_of, found
from analysis.report.grid import grid_of
from analysis.report.identical import identical_sentences
from analysis.report.order import question_of
from analysis.report.remedy import cost_in_words, deciding_seeds, duration, more_runs
from analysis.report.set_up import environment_table, model_table, set_up, several_environments
from analysis.report.site import Report, _boards
from analysis.report.summary import Summary, read_summary
from analysis.results import Results
from analysis.tables import number, probability

FIVE = (0, 1, 2, 3, 4)
COORDINATES = re.compile(r' (?:d|x|y|transform|viewBox)="[^"]*"')  # of a figure: their digits are no scores
ARMS = (
    Arm("vanilla", "plain"),
    Arm("smart[shared]", "SMART [shared]", "smart", "shared", gain=7.0),
    Arm("smart[independent]", "SMART [independent]", "smart", "independent", gain=0.3),
    Arm("r-drop", "R-Drop", "r-drop"),
)


def claim(name: str, a: str, b: str, reading: str = "", sentence: str = "SMART helps.", **changes) -> dict:
    content = {"id": name, "sentence": sentence, "contrast": {"a": a, "b": b}, "tasks": ["rte", "sst2"], "table": "T"}
    return content | {"reading": reading} | changes


BOTH = (
    claim("first", "smart[shared]", "r-drop", "shared", size=2.4),
    claim("other", "smart[shared]", "vanilla", sentence="Another thing."),
    claim("second", "smart[independent]", "r-drop", "independent", size=2.4),
)


def study(root: Path, some: tuple[dict, ...] = BOTH, **changes):
    exams = (Exam("rte", items=200, base=0.86), Exam("sst2", items=200, base=0.86))
    published = [
        {"row": row, "column": "rte.accuracy", "value": value}
        for row, value in (("smart[shared]", 71.5), ("r-drop", 66.1), ("vanilla", 63.2))
    ]
    options = {
        "seeds": FIVE,
        "generated": False,
        "name": "study",
        "extra": {"claims": list(some), "published": published},
    }
    results = Results.open(World(root, ARMS, exams, **(options | changes)).write())
    manifest = results.manifest("study")
    return results, manifest, compare(results, manifest), claims.decide_all(results, manifest)


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    return study(tmp_path_factory.mktemp("card"))


def test_the_sentence_is_about_the_claims_own_two_rows(decided):
    results, manifest, cells, verdicts = decided
    card = card_of(results, manifest, cells, verdicts, results.finished(manifest))
    assert (card.claim, card.source) == ("SMART helps.", "T")
    assert [reading.name for reading in card.readings] == ["shared masks", "independent masks"]
    interval = verdicts[0].interval
    assert card.readings[0].sentence.startswith(
        f"SMART [shared] is {number(interval.estimate)} points above R-Drop on average over 2 tasks "
        f"(95 % interval {number(interval.low)} to {number(interval.high)}; p "
    )
    assert card.readings[0].word == verdicts[0].words
    assert card.basis == "local data; model tiny; rte, sst2; 5 seeds, 40 runs"


def test_the_first_claim_that_was_run_is_the_answer_whatever_its_outcome(decided):
    verdicts = decided[3]
    waiting = replace(verdicts[0], status="not run", per_task={}, interval=None)
    assert [v.claim.id for v in question_of(verdicts)] == ["first", "second"]
    assert [v.claim.id for v in question_of([waiting, verdicts[1], waiting])] == ["other"]
    assert [v.claim.id for v in question_of([waiting])] == ["first"]
    assert question_of([]) == []


def test_the_figure_has_the_verdicts_intervals_their_mean_and_the_papers_difference(decided):
    _, manifest, cells, verdicts = decided
    forest = forest_of(manifest, cells, question_of(verdicts))
    frame = forest.frame
    assert forest.titles == {"smart[shared]": "SMART [shared]", "smart[independent]": "SMART [independent]"}
    assert (forest.quantity, forest.claimed) == ("difference in points", (0.0,))
    shared = frame[frame["series"] == "smart[shared]"]
    assert shared["place"].tolist() == ["rte", "sst2", "mean of 2 tasks"]
    intervals = [*verdicts[0].per_task.values(), verdicts[0].interval]
    assert shared["difference"].tolist() == [each.estimate for each in intervals]
    assert shared["high"].tolist() == [each.high for each in intervals]
    assert shared["published"].iloc[0] == pytest.approx(71.5 - 66.1)
    assert math.isnan(shared["published"].iloc[1])
    assert shared["published"].iloc[2] == 2.4


@pytest.mark.parametrize(
    ("test", "quantity", "claimed"),
    [
        ({"kind": "changed", "share": 0.3}, "changed answers, %", (30.0,)),
        ({"kind": "variance", "columns": ["rte.accuracy"]}, "ratio: spread over seeds", (1.0,)),
    ],
)
def test_a_share_or_a_ratio_is_drawn_and_explained_as_one(test, quantity, claimed, tmp_path):
    """The figure is about the claimed value instead of 0, and the card's words do not speak of a difference."""
    one = claim("one", "smart[shared]", "vanilla", size=None, tasks=["rte"], direction="less", test=test)
    _, manifest, cells, verdicts = study(tmp_path / "runs", (one,))
    forest = forest_of(manifest, cells, verdicts)
    assert (forest.quantity, forest.claimed) == (quantity, claimed)
    assert forest.frame["place"].tolist() == ["rte"]
    assert forest.frame["difference"].tolist() == [verdicts[0].interval.estimate]
    assert alt_of(forest).startswith(f"{quantity[:1].upper()}{quantity[1:]} with 95 % intervals, one scale: SMART")
    ((word, meaning),) = words_of(verdicts)
    assert word == verdicts[0].category
    assert ("difference" in meaning) == (word == claims.NO_EFFECT)
    page = write_report(tmp_path / "runs", "study")
    text = page.read_text(encoding="utf-8")
    assert quantity in html.unescape(text)
    assert "difference in value" not in text
    assert "difference in times" not in text
    (caption,) = re.findall(r"<figcaption>Effect on each task <small>(.*?)</small>", text)
    assert caption.startswith("Mark: estimate.")


def test_an_open_verdict_says_how_many_seeds_would_decide(tmp_path):
    single = claim("open", "smart[independent]", "vanilla", size=2.0, tasks=["rte"])
    results, manifest, _, (verdict,) = study(tmp_path, (single,))
    assert verdict.status == claims.INCONCLUSIVE
    words, more = remedy_of(results, manifest, verdict)
    assert words.endswith("would decide a true difference of 2.0 points (80 % chance).")
    needed = 5 + more
    assert f"About {more:,} more seed" in words
    from analysis import contrasts

    arms = contrasts.difference(results, manifest, "smart[independent]", "vanilla", manifest.columns[0])
    noise = noise_of(contrasts.measure(arms, FIVE))
    assert power(2.0, needed, 200, noise) >= 0.8 > power(2.0, needed - 1, 200, noise)


def test_too_few_seeds_show_differences_as_a_description(tmp_path):
    results, manifest, cells, verdicts = study(tmp_path, (claim("few", "smart[shared]", "vanilla"),), seeds=(0, 1, 2))
    frame = forest_of(manifest, cells, verdicts).frame
    assert frame["place"].tolist() == ["rte", "sst2"]
    assert all(frame["undecided"] != "")
    words, more = remedy_of(results, manifest, verdicts[0])
    assert words.startswith("About 2 more seeds would decide")
    assert more == 2


def test_more_seeds_have_a_command_and_the_time_that_the_runs_took(decided):
    results, manifest, *_ = decided
    runs = results.finished(manifest)
    asked = replace(manifest, commands={"run": "smart-repro run study --seeds 5 --results 'a b'"})
    seconds = sum(float(run.result["seconds"]) for run in runs)
    words, command = more_runs(asked, runs, 10)  # three times the runs that were made
    assert words == f"10 more seeds of all methods: about {duration(2 * seconds)} of computing"
    assert command == "smart-repro reproduce study --results 'a b' --seeds 15"
    assert more_runs(replace(manifest, commands={}), runs, 10) == ("", "")
    assert more_runs(replace(asked, seeds=(3, 7)), runs, 10) == ("", "")


def test_the_time_of_more_seeds_includes_the_missing_runs_and_the_cells_without_any(decided):
    results, manifest, *_ = decided
    runs = results.finished(manifest)  # of 12.5 s each, in 8 cells of 5 seeds
    asked = replace(manifest, commands={"run": "smart-repro run study"})
    first, *others = [keys for cells in manifest.cells.values() for keys in cells.values()]
    without = {first[0], first[1], *others[-1]}  # two runs of a cell, and a whole cell
    words, _ = more_runs(asked, [run for run in runs if run.key not in without], 1)
    assert words == f"1 more seed of all methods and 7 missing runs: about {duration((8 + 7) * 12.5)} of computing"
    assert more_runs(asked, [], 1)[0].endswith("and 40 missing runs: no finished run has a time")


def test_the_effect_is_the_interval_of_the_verdict(decided):
    *_, verdicts = decided
    interval = verdicts[0].interval
    assert effect_of(verdicts[0]) == (
        f"{number(interval.estimate, signed=True)} points (95 % interval {number(interval.low)} to "
        f"{number(interval.high)})"
    )
    assert effect_of(replace(verdicts[0], interval=None)) == ""  # two tasks, never pooled


EACH = (
    claim("each", "smart[shared]", "vanilla", quantifier="every"),
    claim("each-independent", "smart[independent]", "vanilla", "independent", quantifier="every"),
    claim("backwards", "vanilla", "smart[shared]", sentence="SMART harms.", quantifier="every"),
    claim("any", "smart[shared]", "vanilla", sentence="SMART helps somewhere.", quantifier="any"),
    claim("own", "smart[shared]", "vanilla", sentence="Does SMART help?", partial=True),
)


@pytest.fixture(scope="module")
def on_each(tmp_path_factory):
    return study(tmp_path_factory.mktemp("each"), EACH)


def test_the_effect_of_a_claim_on_each_task_is_that_of_the_task_that_decides(on_each):
    *_, verdicts = on_each
    by_id = {verdict.claim.id: verdict for verdict in verdicts}
    titles = {"rte": "RTE", "sst2": "SST-2", "smart[shared]": "SMART"}
    for name, verdict in by_id.items():
        tasks = list(verdict.per_task)
        adjusted = dict(zip(tasks, holm([value.p for value in verdict.per_task.values()]), strict=True))
        support = {t: math.copysign(-math.log(v.p), v.estimate) for t, v in verdict.per_task.items()}
        best = max(support, key=lambda t: support[t])
        task = best if name in ("any", "own") else min(support, key=lambda t: support[t])
        value = verdict.per_task[task]
        p = adjusted[task]
        assert effect_of(verdict, titles) == (
            f"{titles[task]}: {number(value.estimate, signed=True)} points (95 % interval {number(value.low)} to "
            f"{number(value.high)}), Holm's p {'' if p < 0.001 else '= '}{probability(p)} over 2 tasks"
        )
        assert effect_of(verdict, titles).partition(": ")[2] in found(verdict, titles)
    assert by_id["backwards"].status == "contradicted"
    assert "is contradicted by " in found(by_id["backwards"], titles)
    assert "after Holm's correction: " in found(by_id["backwards"], titles)
    assert by_id["each-independent"].status == "inconclusive"
    assert " not support the claim at the 5 % level, least " in found(by_id["each-independent"], titles)
    assert by_id["each"].status == by_id["any"].status == by_id["own"].status == "supported"


def test_the_card_counts_the_other_claims_by_verdict_and_names_the_contradicted_ones(on_each):
    results, manifest, cells, verdicts = on_each
    card = card_of(results, manifest, cells, verdicts, results.finished(manifest))
    assert card.undecided == (
        'Contradicted: "SMART harms".',
        "3 further claims: 2 supported, 1 contradicted.",
    )
    independent = [replace(v, claim=replace(v.claim, reading="independent")) for v in verdicts]
    named = card_of(results, manifest, cells, independent, results.finished(manifest)).undecided[0]
    assert named == 'Contradicted: "SMART harms" (independent masks).'


def test_methods_with_the_same_answers_are_named_first(decided):
    results, manifest, *_ = decided
    cells = {**manifest.cells, "r-drop": manifest.cells["vanilla"]}
    twins = replace(manifest, cells=cells)
    (sentence,) = identical_sentences(results, twins, compare(results, twins))
    assert sentence == '"plain" and "R-Drop" gave the same answer to every item in all 10 paired runs.'
    assert identical_sentences(results, manifest, compare(results, manifest)) == []


def test_the_words_of_the_verdicts_are_explained(decided):
    *_, verdicts = decided
    floor = replace(verdicts[0], status="no verdict", reason="pilot at the floor: plain has learnt 3 % of the task")
    assert [word for word, _ in words_of([floor])] == ["no verdict", "pilot at the floor"]
    assert set(MEANINGS) == {claims.NOT_RUN, claims.NOT_HERE, claims.INERT, *ORDER}
    assert "before Holm's correction" in MEANINGS["inconclusive"]


def test_the_set_up_names_what_runs_share_and_in_what_methods_differ(decided):
    results, manifest, *_ = decided
    runs = results.finished(manifest)
    rates = {"smart": 0.002}
    changed = [replace(r, spec={**r.spec, "learning_rate": rates.get(r.spec["method"], 1e-5)}) for r in runs]
    setup = set_up(manifest, changed)
    assert "learning rate" not in dict(setup.shared)
    assert dict(setup.shared)["model"] == "tiny"
    assert setup.methods.headings == ("method", "learning rate", "options")
    assert [line[:2] for line in setup.methods.lines][:2] == [("plain", "1e-5"), ("SMART [shared]", "0.002")]
    assert set_up(manifest, []) is None
    both = [replace(run, environment={**run.environment, "device": "cuda"}) for run in runs[:3]] + runs[3:]
    table = environment_table(both)
    assert table.headings == ("environment", "runs", "device")
    assert sorted(line[1:] for line in table.lines) == [("3", "cuda"), ("37", "cpu")]


def test_the_model_can_be_cited_with_its_revision_or_the_digest_of_its_weights(decided, tmp_path):
    results, manifest, *_ = decided
    runs = results.finished(manifest)
    assert model_table(runs).without_empty().headings == ("model", "SHA-256 of the weights", "runs")
    assert model_table(runs).lines == (("tiny", "", "c" * 64, "40"),)
    some = [replace(run, model={"name": "someone/bert", "revision": "0ff1ce"}) for run in runs[:3]] + runs[3:]
    assert model_table(some).lines[0] == ("someone/bert", "0ff1ce", "c" * 64, "3")
    study(tmp_path)
    page = write_report(tmp_path, "study").read_text(encoding="utf-8")
    setup = page[page.index('id="setup"') : page.index('id="runs"')]
    assert f'<td class="text">{"c" * 64}</td>' in setup
    assert "as the runs record no revision of a hub" in setup


def test_runs_of_several_environments_are_a_warning_that_says_how_many_and_what_differs(decided):
    results, manifest, cells, _ = decided
    runs = results.finished(manifest)
    assert not [text for text in warnings(manifest, cells, runs) if "environment" in text]
    changes = [{"device": "cuda", "git": "1"}, {"torch": "9.9", "git": "2"}, {"git": "3"}]
    mixed = [
        replace(run, environment={**run.environment, **changes[n]}) if n < 3 else run for n, run in enumerate(runs)
    ]
    (text,) = [text for text in warnings(manifest, cells, mixed) if "environment" in text]
    assert text.startswith("Several environments: the 40 runs were made in 4 environments, which differ in ")
    assert "the kind of device (cuda, cpu)" in text
    assert "the commit of the code (4 commits)" in text
    assert "the version of torch (" in text
    assert "9.9" in text
    assert "Python" not in text
    assert "The same seed may give slightly different numbers" in text
    code_alone = [replace(run, environment={**run.environment, "git": run.key[:2]}) for run in runs]
    (text,) = [text for text in warnings(manifest, cells, code_alone) if "environment" in text]
    assert "may give slightly different" not in text


def test_a_pilot_at_the_floor_has_one_explanation_for_generated_and_real_data(tmp_path):
    texts = set()
    for generated in (True, False):
        root = tmp_path / str(generated)
        study(root, generated=generated)
        page = html.unescape(write_report(root, "study").read_text(encoding="utf-8"))
        texts.add(re.search(r"<dt>pilot at the floor</dt><dd>(.*?)</dd>", page).group(1))
    (text,) = texts
    assert "generated data is in no paper" in text
    assert "below a third" in text


@pytest.mark.parametrize("generated", [True, False])
def test_no_number_of_a_paper_stands_beside_generated_data(tmp_path, generated):
    study(tmp_path, generated=generated)
    page = html.unescape(write_report(tmp_path, "study").read_text(encoding="utf-8"))
    words = COORDINATES.sub("", page)
    table = (tmp_path / "reports" / "study" / "table.csv").read_text()
    for text in ("71.5", "66.1", "63.2", "paper's is +2.4"):
        assert (text in words) != generated, text
    assert ("71.5" in table) != generated
    assert page.index("What was found") < page.index("SMART helps.") < page.index("<svg ") < page.index('id="claims"')


def test_many_tasks_are_the_lines_of_the_table(tmp_path):
    exams = [Exam(f"t{n}", items=40) for n in range(8)]
    arms = (Arm("vanilla", "plain"), Arm("smart", "SMART", "smart", missing=(1,)))
    results = Results.open(World(tmp_path, arms, exams, seeds=(0, 1), epochs=1, steps=4).write())
    manifest = results.manifest("compare")
    cells = compare(results, manifest)
    grid = grid_of(manifest, cells)
    assert (grid.corner, grid.headings, grid.wide) == ("task", ("plain", "SMART"), False)
    assert [title for title, _ in grid.lines] == [f"t{n}, accuracy" for n in range(8)]
    means = {(cell.row, cell.column): cell.mean for cell in cells.itertuples()}
    assert [line[1].sort for _, line in grid.lines] == [means[("smart", f"t{n}.accuracy")] for n in range(8)]
    assert grid.n == "n = 2 seeds a cell, except where a note says otherwise"
    assert ("a", "1 of 2 seeds") in grid.notes
    narrow = grid_of(replace(manifest, columns=manifest.columns[:2]), cells)
    assert (narrow.corner, len(narrow.headings)) == ("method", 2)


def test_the_site_lists_the_reports_of_several_folders(tmp_path):
    study(tmp_path / "own")
    study(tmp_path / "own" / "published", generated=True, name="study")
    for root in (tmp_path / "own", tmp_path / "own" / "published"):
        write_report(root, "study")
    page = write_index(tmp_path / "own", tmp_path / "own" / "published").read_text(encoding="utf-8")
    assert 'href="study/report.html"' in page
    assert 'href="../published/reports/study/report.html"' in page
    assert page.count('id="board-') == 2  # generated and real data never stand in one table
    summary = json.loads((tmp_path / "own" / "reports" / "study" / "summary.json").read_text())
    assert sum(each["n"] for each in summary["counts"].values()) == len(summary["claims"]) == 3
    assert summary["runs"] == [40, 40]


def boards(root: Path) -> list[dict]:
    paths = sorted((root / "reports").glob("*/summary.json"))
    return list(_boards([Report(read_summary(path), f"{path.parent.name}/report.html") for path in paths]))


def test_runs_that_experiments_share_stand_once_and_the_best_mean_on_the_first_task_comes_first(tmp_path):
    study(tmp_path)
    exams = (Exam("rte", items=200, base=0.86),)
    World(tmp_path, ARMS[:2], exams, seeds=FIVE, generated=False, name="part").write()
    World(tmp_path, ARMS[:1], (Exam("other", items=40),), generated=False, name="apart").write()
    for name in ("study", "part", "apart"):
        write_report(tmp_path, name)
    apart, joint = boards(tmp_path)
    assert (apart["tasks"], len(apart["lines"])) == (["other, accuracy"], 1)
    assert joint["tasks"] == ["rte, accuracy", "sst2, accuracy"]
    found = {line.method: [report.summary.name for report in line.reports] for line in joint["lines"]}
    assert len(joint["lines"]) == len(ARMS)
    assert sorted(found["plain"]) == sorted(found["SMART [shared]"]) == ["part", "study"]
    assert found["R-Drop"] == ["study"]
    means = [line.scores["rte, accuracy"]["mean"] for line in joint["lines"]]
    assert means == sorted(means, reverse=True)


def on_devices(runs, devices: dict[str, str]):
    """Return the runs as if those of a method had been made on a device, and took as long as it takes."""
    return [
        replace(
            run,
            environment={**run.environment, "device": devices[run.spec["method"]]},
            result={**run.result, "seconds": 100.0 if devices[run.spec["method"]] == "cpu" else 10.0},
        )
        for run in runs
    ]


def test_times_on_different_devices_are_never_averaged_or_compared(decided):
    results, manifest, *_ = decided
    runs = results.finished(manifest)
    keys = {row.id: {k for ks in manifest.cells[row.id].values() for k in ks} for row in manifest.rows}
    arms = {"R-Drop": keys["r-drop"]}
    apart = on_devices(runs, {"vanilla": "cpu", "smart": "cpu", "r-drop": "cuda"})
    assert cost_in_words(arms, "plain", keys["vanilla"], apart) == (
        "No mean time is given: the runs were made on several kinds of devices (CPU, GPU)."
    )
    cpu, gpu = (on_devices(runs, dict.fromkeys(("vanilla", "smart", "r-drop"), device)) for device in ("cpu", "cuda"))
    mixed = [a if a.spec["task"] == "rte" else b for a, b in zip(cpu, gpu, strict=True)]
    text = cost_in_words(arms, "plain", keys["vanilla"], mixed)
    assert "On the CPU, a run of R-Drop took 100.0 s (1.0 times as long), one of plain 100.0 s." in text
    assert "On the GPU, a run of R-Drop took 10.0 s (1.0 times as long), one of plain 10.0 s." in text
    assert "55" not in text
    score = Summary.of(manifest, decided[2], decided[3], mixed, card_of(*decided, mixed)).cells[0]
    assert score["seconds"] == {"CPU": 100.0}


def test_a_warning_on_seen_data_names_its_tasks_and_stands_on_no_other_page(decided):
    results, manifest, cells, _ = decided
    text = "the model has seen Quora question pairs"
    runs = [replace(run, model={**run.model, "contaminated": text}) for run in results.finished(manifest)]
    assert not [note for note in warnings(manifest, cells, runs) if note.startswith("Seen before")]
    pairs = [replace(run, spec={**run.spec, "task": "qqp"}, task={"title": "QQP"}) for run in runs[:1]]
    assert f"Seen before: {text}; scores on such data (QQP) are too high." in warnings(manifest, cells, pairs + runs)
    other = [replace(run, model={**run.model, "contaminated": "seen the whole web"}) for run in runs]
    assert [note for note in warnings(manifest, cells, other) if note.startswith("Seen before: seen the whole web")]


def test_several_environments_say_whether_a_comparison_mixes_them(decided):
    results, manifest, *_ = decided
    runs = results.finished(manifest)

    def warning(changed) -> str:
        return " ".join(
            several_environments(
                manifest,
                [replace(r, environment={**r.environment, "torch": "9"}) if changed(r) else r for r in runs],
            )
        )

    assert "Each compared pair of runs (one seed of two methods) was made in one environment." in warning(
        lambda run: run.spec["seed"] == 0
    )
    mixed = warning(lambda run: run.spec["method"] == "r-drop" and run.spec["task"] == "rte")
    assert "R-Drop with plain on rte" in mixed
    assert "15 mix two environments" in mixed  # with plain, and with SMART in two readings by the claims
    assert "sst2" not in mixed


def test_a_value_that_one_environment_lacks_and_another_leaves_empty_is_no_difference(decided):
    results, manifest, *_ = decided
    first, *others = results.finished(manifest)
    assert (
        several_environments(manifest, [replace(first, environment={**first.environment, "gpu": None}), *others]) == []
    )


def test_a_mean_above_the_ceiling_has_a_note_that_says_why(tmp_path):
    exams = (Exam("low", items=200, base=0.86, ceiling=0.5), Exam("high", items=200, base=0.6, ceiling=0.99))
    results = Results.open(World(tmp_path, ARMS[:2], exams).write())
    manifest = results.manifest("compare")
    grid = grid_of(manifest, compare(results, manifest))
    (mark,) = [mark for mark, text in grid.notes if text.startswith("above the ceiling")]
    marked = {(title, cell.heading) for title, line in grid.lines for cell in line if mark in cell.marks.split()}
    assert marked == {("plain", "low, accuracy"), ("SMART [shared]", "low, accuracy")}


def test_a_badge_holds_titles_and_no_ids(decided):
    verdict = replace(decided[3][0], excluded={"rte": "at the floor"})
    assert verdict.words.endswith(", on sst2 alone of rte, sst2")
    assert verdict.words_with({"sst2": "SST-2"}) == verdict.words.replace(
        "sst2 alone of rte, sst2", "SST-2 alone of its 2 tasks"
    )
    assert decided[3][0].words_with({}) == decided[3][0].words


def test_tasks_that_vary_together_over_seeds_need_more_of_them():
    wave = np.array([3.0, -3.0, 2.0, -2.0, 0.0])

    def needed(second: np.ndarray) -> int | None:
        parts = [Components(1.0 + wave, 0.0, 0.0, 2000, ""), Components(1.0 + second, 0.0, 0.0, 2000, "")]
        return deciding_seeds(parts, 1.0)

    alone = deciding_seeds([Components(1.0 + wave, 0.0, 0.0, 2000, "")], 1.0)
    assert needed(wave) == alone  # the mean over both varies as each does
    assert needed(-wave) == 2  # it does not vary at all
    assert needed(np.array([2.0, 2.0, -3.0, -3.0, 2.0])) < alone
