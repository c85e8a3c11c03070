"""Selected rows of ``analysis.load`` give what the experiment's own cells give; ambiguous selections are refused."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import errors, figures, frames
from analysis.comparison import compare
from analysis.records import ResultsError
from analysis.results import Results

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def runs(small_world: Path) -> pd.DataFrame:
    return analysis.load(small_world).query("split == 'dev'")


def on(runs: pd.DataFrame, method: str, task: str = "demo-rte") -> pd.DataFrame:
    return runs[(runs["method"] == method) & (runs["task"] == task)]


@pytest.mark.parametrize(
    ("task", "metric"), [("demo-rte", "accuracy"), ("demo-cola", "matthews"), ("demo-stsb", "pearson")]
)
def test_cells_and_contrasts_are_those_of_the_experiment(small_world, runs, task, metric):
    own = (
        compare(Results.open(small_world), Results.open(small_world).manifest("compare"))
        .query("task == @task")
        .set_index("row")
    )
    found = frames.cells(runs.query("metric == @metric"), baseline="vanilla").query("task == @task").set_index("row")
    ids = {"vanilla": "vanilla", "smart": "smart-shared", "r-drop": "r-drop"}
    assert set(found.index) == set(ids)
    for method, row in ids.items():
        for name in ("mean", "sd", "n_seeds", "n_items", "difference", "low", "high", "p", "collapsed"):
            np.testing.assert_equal(found.loc[method, name], own.loc[row, name], err_msg=f"{row} {name}")
    mine = runs[runs["metric"] == metric]
    interval = frames.contrast(on(mine, "r-drop", task), on(mine, "vanilla", task))
    assert (interval.low, interval.high, interval.n_seeds) == (own.loc["r-drop", "low"], own.loc["r-drop", "high"], 2)


def test_the_baseline_comes_first_whatever_the_order_of_rows(runs):
    backwards = runs.query("task == 'demo-rte'").iloc[::-1]
    manifest = frames.experiment(backwards, baseline="vanilla")
    assert manifest.rows[0].id == "vanilla"
    assert manifest.keys("smart", manifest.columns[0]) == list(on(runs, "smart").sort_values("seed")["key"])


def test_outputs_are_the_stored_logits_of_each_seed(small_world, runs):
    rows = on(runs, "smart")
    outputs = frames.outputs(rows.sample(frac=1, random_state=0))
    assert outputs.seeds == (0, 1, 2)
    for seed, key in rows[["seed", "key"]].itertuples(index=False):
        stored = Results.open(small_world).predictions(key, "demo-rte", "dev")
        np.testing.assert_array_equal(outputs.logits[seed], stored[["logit_0", "logit_1"]])
    assert errors.confusion(outputs).sum() == pytest.approx(300)
    assert set(frames.holdouts(rows)) == {0, 1, 2}


def test_updates_and_curves_hold_every_selected_run(small_world, runs):
    rows = on(runs, "smart")
    updates = frames.updates(pd.concat([rows, rows]))
    assert len(updates) == sum(len(Results.open(small_world).history(key)) for key in rows["key"])
    assert set(updates["seed"]) == {0, 1, 2}
    curve = frames.curve(rows, parts=["task", "bregman"])
    assert set(curve["part"]) == {"task", "bregman"}
    last = updates.query("step == step.max()")
    assert curve.query("part == 'task'")["mean"].iloc[-1] == pytest.approx(last["task"].mean())


def test_arms_by_a_setting(runs):
    rows = runs.query("task == 'demo-rte'")
    names = [row.id for row in frames.experiment(rows, by=["method", "learning_rate"]).rows]
    assert names == [
        f"{m} {lr}" for m, lr in rows[["method", "learning_rate"]].drop_duplicates().itertuples(index=False)
    ]


def test_plots_draw_the_selection(runs):
    cells = frames.cells(runs.query("task == 'demo-rte'"), baseline="vanilla")
    with figures.style():
        _, (ax,) = figures.panels(1, 6.0, 3.0)
        assert figures.plot_scores(cells, ax) is ax
    drawn = [dots.get_offsets()[:, 0] for dots in ax.collections]  # a row's dots, one a seed
    assert len(drawn) == len(cells)
    for x, scores in zip(drawn, cells["scores"], strict=True):
        np.testing.assert_allclose(np.sort(x), np.sort(scores))


@pytest.mark.parametrize(
    ("select", "says"),
    [
        (
            lambda r: frames.contrast(on(r, "smart"), on(r, "vanilla", "demo-cola")),
            r"a is demo-rte\.dev, accuracy, b is demo-cola",
        ),
        (
            lambda r: frames.contrast(r[r["method"] == "smart"], on(r, "vanilla")),
            "rows of 3 tasks, splits or metrics",
        ),
        (
            lambda r: frames.contrast(on(r, "smart").query("seed == 0"), on(r, "vanilla").query("seed == 1")),
            "no seed was run by both",
        ),
        (lambda r: frames.outputs(on(r, r["method"])), "seed 0 occurs twice; the two runs differ in method"),
        (lambda r: frames.cells(on(r, r["method"]), by="model"), "seed 0 occurs twice; .* name it in by="),
        (lambda r: frames.cells(r, by="colour"), "no column .colour. for by="),
        (lambda r: frames.cells(r, baseline="bert"), "no arm named 'bert'; there are: "),
        (lambda r: frames.cells(r.query("seed == 99")), "no runs selected"),
        (lambda r: frames.outputs(on(r, "smart").drop(columns="results")), "no column 'results'"),
        (lambda r: frames.cells(pd.concat([r, r.assign(results="elsewhere")])), "rows of several results folders"),
    ],
)
def test_an_ambiguous_selection_is_refused_with_what_to_do(runs, select, says):
    with pytest.raises(ResultsError, match=says):
        select(runs)


def test_the_page_on_notebooks_prints_what_it_shows(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = ROOT / "docs" / "notebooks.md"
    done = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted >= 10
    assert done.failed == 0
