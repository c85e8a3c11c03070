"""``judge``: the interval is the deciding one whatever the form of the input, and the verdicts follow the rules."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as oracle

import analysis
from analysis.comparison import compare
from analysis.crossed import Sample, layout, unpaired_interval
from analysis.results import Results
from analysis.significance import crossed_interval, holm
from tests.analysis.predictions.studies import NAMES, answers, frame, samples, write

ROOT = Path(__file__).parents[3]
ENDS = ("estimate", "low", "high", "p", "df")


@pytest.fixture
def labels(rng):
    return rng.integers(0, 3, 200)


@pytest.fixture
def runs(rng, labels):
    return answers(labels, 0.85, rng), answers(labels, 0.7, rng)


def expected(runs, labels, metric="accuracy"):
    interval = crossed_interval(*runs, metric=metric, labels=labels)
    return [interval.estimate * 100, interval.low * 100, interval.high * 100, interval.p, interval.df]


def ends(judgement, place=0):
    return [getattr(judgement.comparisons[place].interval, name) for name in ENDS]


# ---- the interval


@pytest.mark.parametrize("experiment", ["what-drives-sda", pytest.param("together", marks=pytest.mark.slow)])
def test_published_runs_give_the_published_intervals_to_the_last_digit(experiment, tmp_path):
    results = Results.open(ROOT / "results" / "published")
    manifest = results.manifest(experiment)
    cells = compare(results, manifest)
    compared = 0
    for column in manifest.columns:
        here = cells[cells["column"] == column.id]
        for cell in here.itertuples():
            folder = tmp_path / f"{column.task}-{cell.Index}"
            folder.mkdir()
            for seed, key in zip(cell.seeds, cell.keys, strict=True):
                stored = results.folder(key) / "predictions" / f"{column.task}.{column.split}.parquet"
                (folder / f"seed-{seed}.parquet").symlink_to(stored.resolve())
        base = next(cell for cell in here.itertuples() if cell.row == manifest.baseline_row)
        for cell in here.itertuples():
            if math.isnan(cell.difference) or cell.against.startswith("the mean"):
                continue
            sides = [tmp_path / f"{column.task}-{each.Index}" for each in (cell, base)]
            interval = analysis.judge(*sides, metric=column.metric).comparisons[0].interval
            assert (interval.estimate, interval.low, interval.high, interval.p) == (
                cell.difference,
                cell.low,
                cell.high,
                cell.p,
            )
            compared += 1
    assert compared >= 7


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_form_of_file_gives_the_deciding_interval(ending, runs, labels, tmp_path):
    paths = [write(frame(each, labels), tmp_path / f"{name}{ending}") for each, name in zip(runs, "ab", strict=True)]
    judgement = analysis.judge(*paths)
    assert ends(judgement) == pytest.approx(expected(runs, labels))
    assert (judgement.baseline, judgement.comparisons[0].name) == ("b", "a")
    assert judgement.comparisons[0].verdict == "better"


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy", "matthews"])
def test_other_metrics_of_classes(metric, runs, labels):
    judgement = analysis.judge(*(frame(each, labels) for each in runs), metric=metric)
    assert ends(judgement) == pytest.approx(expected(runs, labels, metric))
    score = {
        "macro_f1": lambda y, p: oracle.f1_score(y, p, average="macro"),
        "balanced_accuracy": oracle.balanced_accuracy_score,
        "matthews": oracle.matthews_corrcoef,
    }[metric]
    assert judgement.cells[0].scores == pytest.approx([100 * score(labels, run) for run in runs[0]])


def test_f1_of_a_named_class(runs, labels):
    judgement = analysis.judge(*(frame(each, labels) for each in runs), positive="good")
    binary = tuple((each == 1).astype(int) for each in runs)
    assert ends(judgement) == pytest.approx(expected(binary, (labels == 1).astype(int), "f1"))
    assert judgement.study.title == "F1 of good"
    with pytest.raises(analysis.ResultsError, match="say --positive"):
        analysis.judge(*(frame(each, labels) for each in runs), metric="f1")


@pytest.mark.parametrize("metric", [None, "spearman", "rmse"])
def test_numbers_are_a_regression(metric, rng):
    labels = rng.uniform(0, 5, 80).round(2)
    runs = [labels + size * rng.normal(size=(5, 80)) for size in (0.5, 1.0)]
    judgement = analysis.judge(*runs, labels=labels, metric=metric)
    name = metric or "pearson"
    interval = crossed_interval(*runs, metric=name, labels=labels)
    scale = 1 if name == "rmse" else 100
    found = judgement.comparisons[0]
    assert [found.interval.estimate, found.interval.low] == pytest.approx(
        [interval.estimate * scale, interval.low * scale]
    )
    assert judgement.study.metric.name == name
    assert found.verdict == "better"  # of rmse, less is
    if name == "rmse":
        assert found.interval.estimate < 0
        assert judgement.bound is None


def test_arrays_and_logits(runs, labels, rng, tmp_path):
    logits = [np.eye(3)[each] * 3 + rng.random((*each.shape, 3)) for each in runs]
    for place, (classes, floats) in enumerate(zip(runs, logits, strict=True)):
        np.save(tmp_path / f"{place}.npy", classes)
        np.save(tmp_path / f"logits-{place}.npy", floats)
    np.save(tmp_path / "labels.npy", labels)
    by_class = analysis.judge(tmp_path / "0.npy", tmp_path / "1.npy", labels=tmp_path / "labels.npy")
    by_logit = analysis.judge(tmp_path / "logits-0.npy", tmp_path / "logits-1.npy", labels=labels)
    named = analysis.judge(*runs, labels=NAMES[labels], classes=list(NAMES))
    for judgement in (by_class, by_logit, named):
        assert ends(judgement) == pytest.approx(expected(runs, labels))
    assert named.study.classes == tuple(NAMES)
    columns = {f"logit_{name}": [] for name in NAMES}
    rows = frame(runs[0], labels).drop(columns="prediction")
    for place, name in enumerate(NAMES):
        columns[f"logit_{name}"] = logits[0][..., place].reshape(-1)
    assert ends(analysis.judge(rows.assign(**columns), frame(runs[1], labels))) == pytest.approx(expected(runs, labels))


def test_pickled_arrays_are_not_read(labels, tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(analysis.ResultsError, match="without Python objects"):
        analysis.judge(tmp_path / "a.npy", np.zeros((2, 200), dtype=int), labels=labels)


def test_a_folder_has_a_file_per_seed(runs, labels, tmp_path):
    for name, each in zip("ab", runs, strict=True):
        (tmp_path / name).mkdir()
        for seed, rows in frame(each, labels).groupby("seed"):
            write(rows.drop(columns="seed"), tmp_path / name / f"run_seed{seed}.csv")
    assert ends(analysis.judge(tmp_path / "a", tmp_path / "b")) == pytest.approx(expected(runs, labels))
    (tmp_path / "a" / "run_seed0.csv").rename(tmp_path / "a" / "first.csv")
    with pytest.raises(analysis.ResultsError, match="nothing says its seed"):
        analysis.judge(tmp_path / "a", tmp_path / "b")


def test_the_order_of_items_seeds_and_columns_changes_nothing(runs, labels, rng):
    shuffled = frame(runs[1], labels).sample(frac=1, random_state=1)[["prediction", "seed", "id", "label"]]
    assert ends(analysis.judge(frame(runs[0], labels), shuffled)) == pytest.approx(expected(runs, labels))


def test_ids_are_text_and_labels_may_stand_apart(runs, labels, tmp_path):
    tables = [frame(each, labels) for each in runs]
    for rows in tables:
        rows["id"] = np.tile([f"{i:03d}" for i in range(200)], 5)
    alone = tables[0][tables[0].seed == 0][["id", "label"]].sample(frac=1, random_state=0)
    paths = [write(r.drop(columns="label"), tmp_path / f"{n}.csv") for r, n in zip(tables, "ab", strict=True)]
    judgement = analysis.judge(*paths, labels=write(alone, tmp_path / "labels.csv"))
    assert ends(judgement) == pytest.approx(expected(runs, labels))


def test_the_last_epoch_of_each_seed_counts(runs, labels):
    tables = [frame(each, labels) for each in runs]
    early = tables[0].assign(epoch=1, prediction="bad")
    late = tables[0].assign(epoch=2 + tables[0].seed)  # early stopping: every seed ends elsewhere
    judgement = analysis.judge(pd.concat([late, early]), tables[1])
    assert ends(judgement) == pytest.approx(expected(runs, labels))
    (note,) = judgement.notes
    assert "the last epochs of system 1 differ (seed 0: 2, seed 1: 3, seed 2: 4" in note
    assert not analysis.judge(pd.concat([late.assign(epoch=2), early]), tables[1]).notes


def test_names_that_look_like_numbers_stay_names(runs, labels):
    names = np.array(["007", "7", "7.5"])
    judgement = analysis.judge(*(frame(each, labels, names) for each in runs), metric="accuracy")
    assert ends(judgement) == pytest.approx(expected(runs, labels))
    whole = [frame(each, labels, np.array(["0", "1", "2"])) for each in runs]
    whole[0]["prediction"] += ".0"
    assert ends(analysis.judge(*whole)) == pytest.approx(expected(runs, labels))


# ---- seeds and groups


def test_other_seeds_are_two_samples(runs, labels, rng):
    more = np.concatenate([runs[1], answers(labels, 0.7, rng, 3)])
    judgement = analysis.judge(runs[0], more, labels=labels)
    found = judgement.comparisons[0]
    assert found.interval.method == "two samples of seeds on the same items"
    assert found.interval.estimate == pytest.approx(100 * ((runs[0] == labels).mean() - (more == labels).mean()))
    assert any("different seeds" in note for note in judgement.notes)
    assert "5 and 8 seeds, not paired" in judgement.sentences[0]


def test_where_items_do_not_vary_two_samples_are_welchs(rng):
    a, b = rng.normal(0.8, 0.02, 6), rng.normal(0.7, 0.01, 9)
    interval = unpaired_interval(*(Sample(x, np.repeat(x[:, None], 40, axis=1)) for x in (a, b)))
    test = stats.ttest_ind(a, b, equal_var=False)
    assert (interval.df, interval.p) == pytest.approx((test.df, test.pvalue))
    assert (interval.low, interval.high) == pytest.approx(tuple(test.confidence_interval()))


def test_one_seed_is_items_only(runs, labels):
    judgement = analysis.judge(runs[0][:1], runs[1][:1], labels=labels)
    found = judgement.comparisons[0]
    assert (found.verdict, math.isnan(found.holm)) == ("items only", True)
    d = 100 * ((runs[0][0] == labels) * 1.0 - (runs[1][0] == labels))
    assert found.interval.se == pytest.approx(d.std(ddof=1) / math.sqrt(200))
    several = analysis.judge(runs[0], runs[1][:1], labels=labels)
    assert several.comparisons[0].verdict == "items only"


def test_copies_of_one_run_are_items_only(runs, labels):
    copies = np.repeat(runs[0][:1], 6, axis=0), np.repeat(runs[1][:1], 6, axis=0)
    for a, b, copied in ((copies[0], copies[1], "system 1"), (runs[0], copies[1], "system 2")):
        found = analysis.judge(a, b, labels=labels).comparisons[0]
        assert (found.verdict, math.isnan(found.holm)) == ("items only", True)
        assert f"all 6 seeds of {copied} give the same answers, as copies of one run do" in found.reason


def test_few_seeds_decide_nothing(runs, labels):
    judgement = analysis.judge(runs[0][:4], runs[1][:4], labels=labels)
    assert judgement.comparisons[0].verdict == "no verdict"
    assert judgement.comparisons[0].reason == "too few seeds: 4 of 5"


def test_groups_take_the_place_of_items(runs, labels):
    """Against the cluster-robust variance written out, of one seed."""
    groups = np.arange(200) // 8
    found = analysis.judge(runs[0][:1], runs[1][:1], labels=labels, groups=groups).comparisons[0].interval
    d = 100 * ((runs[0][0] == labels) * 1.0 - (runs[1][0] == labels))
    sums = np.array([(d[groups == g] - d.mean()).sum() for g in range(25)])
    assert found.se == pytest.approx(math.sqrt(25 / 24 * (sums**2).sum()) / 200)
    assert (found.df, found.n_items) == (24, 25)
    alone = analysis.judge(*runs, labels=labels, groups=np.arange(200))
    assert ends(alone) == pytest.approx(expected(runs, labels))


def test_large_groups_count_as_what_they_are(rng):
    """Against the delete-one-group jackknife, group by group."""
    groups = np.repeat(np.arange(22), [60, 30, *[4] * 20])
    d = rng.normal(size=(1, 170)) + rng.normal(size=22)[groups]
    part = layout(d, groups)
    without = np.array([d[0, groups != g].mean() for g in range(22)])
    pseudo = d.mean() + 21 * (d.mean() - without)
    assert part.items == pytest.approx(((pseudo - pseudo.mean()) ** 2).sum() / (21 * 22))
    assert part.n_items == int(170**2 / (60**2 + 30**2 + 20 * 16))


@pytest.mark.parametrize(("n_groups", "verdict"), [(19, "no verdict"), (20, "better")])
def test_under_20_groups_nothing_is_decided(n_groups, verdict, runs, labels):
    judgement = analysis.judge(*(frame(each, labels, group=np.arange(200) % n_groups) for each in runs))
    assert judgement.comparisons[0].verdict == verdict
    assert judgement.comparisons[0].reason == ("" if n_groups == 20 else "too few groups: 19 of 20")
    assert judgement.frame["undecided"][0] == judgement.comparisons[0].reason


# ---- verdicts


def test_holm_over_all_comparisons(runs, labels, rng):
    third = answers(labels, 0.72, rng)
    judgement = analysis.judge({"a": runs[0], "b": third, "base": runs[1]}, labels=labels)
    p_values = [each.interval.p for each in judgement.comparisons]
    assert [each.holm for each in judgement.comparisons] == pytest.approx(holm(p_values))
    assert [each.name for each in judgement.comparisons] == ["a", "b"]


def test_what_is_decided_alone_may_not_be_after_holm(labels):
    for seed in range(200):
        rng = np.random.default_rng(seed)
        base, a, b = (answers(labels, accuracy, rng) for accuracy in (0.7, 0.74, 0.7))
        alone = analysis.judge(a, base, labels=labels).comparisons[0]
        if 0.027 < alone.interval.p < 0.05 and alone.verdict == "better":
            both = analysis.judge({"a": a, "b": b, "base": base}, labels=labels).comparisons[0]
            assert both.holm == pytest.approx(min(1, 2 * alone.interval.p))
            assert both.verdict == "not decided"
            return
    pytest.fail("no such study among 200")


def test_the_baseline_is_the_last_or_the_named_one(runs, labels, tmp_path):
    paths = [write(frame(each, labels), tmp_path / f"{n}.csv") for each, n in zip(runs, "ab", strict=True)]
    last = analysis.judge(*paths)
    for baseline in ("a", paths[0], str(paths[0])):
        first = analysis.judge(*paths, baseline=baseline)
        assert first.baseline == "a"
        assert first.comparisons[0].interval.estimate == -last.comparisons[0].interval.estimate
        assert first.comparisons[0].verdict == "worse"
    further = analysis.judge(paths[0], baseline=paths[1])
    assert ends(further) == ends(last)


def test_equal_answers_are_inert_and_a_constant_baseline_decides_nothing(runs, labels):
    same = analysis.judge({"a": runs[0], "b": runs[0]}, labels=labels).comparisons[0]
    assert (same.verdict, same.identical) == ("no verdict", 1.0)
    assert same.reason.startswith("inert")
    constant = analysis.judge(runs[0], np.zeros_like(runs[1]), labels=labels)
    assert constant.comparisons[0].verdict == "no verdict"
    assert "give (almost) one answer" in constant.comparisons[0].reason
    assert any("one answer to all items" in note for note in constant.notes)


def test_a_reference_makes_the_floor_known(labels, rng):
    a, b = answers(labels, 0.55, rng), answers(labels, 0.42, rng)
    assert analysis.judge(a, b, labels=labels).comparisons[0].verdict == "better"
    judged = analysis.judge(a, b, labels=labels, reference=90.0)
    assert judged.comparisons[0].verdict == "no verdict"
    assert judged.comparisons[0].reason.startswith("pilot at the floor")
    guess = answers(labels, 0.34, rng)
    notes = analysis.judge(a, guess, labels=labels).notes
    assert any("not clearly better than the best constant" in note for note in notes)


def test_an_average_over_classes_needs_five_labels_of_each(labels, runs):
    rare = np.where((labels == 2) & (np.cumsum(labels == 2) > 4), 1, labels)
    judged = analysis.judge(*runs, labels=rare, metric="balanced_accuracy").comparisons[0]
    assert (judged.verdict, judged.reason) == ("no verdict", "too few labels of a class: 4 of 5 (2)")
    assert analysis.judge(*runs, labels=rare).comparisons[0].verdict == "better"


def test_no_relevant_difference_needs_a_bound_around_the_interval(labels, rng):
    base = answers(labels, 0.8, rng)
    other = base.copy()
    other[:, :3] = (other[:, :3] + 1) % 3
    wide = analysis.judge(other, base, labels=labels, bound=8.0)
    assert wide.comparisons[0].verdict in ("no relevant difference", "better", "worse")
    assert analysis.judge(base, other, labels=labels, bound=8.0).bound == 8.0
    assert analysis.judge(base, other, labels=labels).bound == 0.5
    assert analysis.judge(base, other, labels=labels, metric="macro_f1").bound == 1.0


# ---- lm-evaluation-harness


def test_samples_of_lm_eval_are_item_scores(rng, tmp_path):
    a, b = rng.integers(0, 2, 120).astype(float), rng.integers(0, 2, 120).astype(float)
    judgement = analysis.judge(samples(a, tmp_path / "a.jsonl"), samples(b, tmp_path / "b.jsonl"))
    found = judgement.comparisons[0]
    assert (found.verdict, judgement.study.title) == ("items only", "acc")
    assert found.interval.estimate == pytest.approx(100 * (a - b).mean())
    assert found.interval.se == pytest.approx(100 * (a - b).std(ddof=1) / math.sqrt(120))


def test_a_filter_must_be_chosen_where_there_are_two(rng, tmp_path):
    scores = rng.integers(0, 2, 60).astype(float)
    filters = ("strict-match", "flexible-extract")
    paths = [samples(x, tmp_path / f"{n}.jsonl", filters) for x, n in ((scores, "a"), (1 - scores, "b"))]
    with pytest.raises(analysis.ResultsError, match=r"2 filters \(strict-match, flexible-extract\)"):
        analysis.judge(*paths)
    judgement = analysis.judge(*paths, filter_name="strict-match")
    assert judgement.cells[0].mean == pytest.approx(100 * scores.mean())
    with pytest.raises(analysis.ResultsError, match="no filter 'loose'"):
        analysis.judge(*paths, filter_name="loose")


def test_a_metric_of_lm_eval_by_its_name(rng, tmp_path):
    acc, norm = rng.integers(0, 2, 60).astype(float), rng.integers(0, 2, 60).astype(float)
    pairs = [[i % 2, int(x)] for i, x in enumerate(acc)]
    paths = [samples(acc, tmp_path / f"{n}.jsonl", acc_norm=norm, mcc=pairs) for n in "ab"]
    assert analysis.judge(*paths, metric="acc_norm").cells[0].mean == pytest.approx(100 * norm.mean())
    matthews = analysis.judge(*paths, metric="mcc")
    assert matthews.study.metric.name == "matthews"
    assert matthews.cells[0].mean == pytest.approx(100 * oracle.matthews_corrcoef(*zip(*pairs, strict=True)))
    with pytest.raises(analysis.ResultsError, match="no metric 'bleu'"):
        analysis.judge(*paths, metric="bleu")


# ---- what is shown


def test_json_words_notebook_and_files_say_the_same(runs, labels, tmp_path):
    tables = {"<b>new</b>": frame(runs[0], labels), "plain": frame(runs[1], labels)}
    judgement = analysis.judge(tables)
    content = json.loads(json.dumps(judgement.to_json()))
    comparison = content["comparisons"][0]
    assert comparison["verdict"] == "better"
    assert comparison["low"] == judgement.comparisons[0].interval.low
    assert comparison["sentence"] in str(judgement)
    shown = judgement._repr_html_()
    assert "&lt;b&gt;new&lt;/b&gt;" in shown
    assert "<b>new" not in shown
    page = judgement.write(tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert "<b>new" not in text
    assert text.count("<svg") == 2
    assert "paper" not in text
    assert json.loads((tmp_path / "out" / "judge.json").read_text(encoding="utf-8")) == content
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "judge.html",
        "judge.json",
        "table.md",
        "table.tex",
        "table.csv",
        "figures",
    }
    assert "better" in judgement.to_markdown()
    assert list(judgement.frame["row"]) == ["<b>new</b>", "plain"]


def test_answers_outside_the_labels_count_as_wrong_and_are_named(runs, labels):
    rows = frame(runs[0], labels)
    rows.loc[:9, "prediction"] = "I cannot say"
    judgement = analysis.judge({"a": rows, "b": frame(runs[1], labels)})
    assert any("I cannot say" in note and "10 of a" in note for note in judgement.notes)
    assert judgement.cells[0].scores[0] == pytest.approx(
        100 * (rows[rows.seed == 0].prediction == rows[rows.seed == 0].label).mean()
    )


def test_torch_is_never_imported(tmp_path, runs, labels):
    paths = [str(write(frame(each, labels), tmp_path / f"{n}.csv")) for each, n in zip(runs, "ab", strict=True)]
    judged = f"analysis.judge(*{paths!r}).write({str(tmp_path / 'out')!r})"
    code = f"import sys, analysis; {judged}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_frame_without_seeds_is_one_run(runs, labels):
    rows = [frame(each[:1], labels).drop(columns="seed") for each in runs]
    assert analysis.judge(*rows).comparisons[0].verdict == "items only"
    assert isinstance(rows[0], pd.DataFrame)
