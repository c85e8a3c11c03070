"""Reading result folders: what is there comes out, what is wrong is named with its file and a remedy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import analysis
from analysis import frames
from analysis.records import ResultsError
from analysis.results import DamagedRunsWarning, Results, load_manifest


def first_key(results: Path) -> str:
    return Results.open(results).manifest("compare").cells["vanilla"]["demo-rte"][0]


def test_load_is_one_row_per_run_task_split_and_metric(small_world):
    frame = analysis.load(small_world)
    runs = 3 * 3 * 3 - 3  # arms x tasks x seeds, less the arm's missing seed on three tasks
    assert len(frame) == runs * 2  # dev and holdout
    assert not frame.duplicated(["key", "task", "split", "metric"]).any()
    assert {"method", "seed", "model", "train_task", "generated", "config.lambda_s", "seconds", "learning_rate"} <= set(
        frame
    )
    one = frame[(frame["key"] == first_key(small_world)) & (frame["split"] == "dev")].iloc[0]
    stored = Results.open(small_world).run(one["key"]).result["scores"]["demo-rte"]["dev"]["accuracy"]
    assert one["score"] == stored


def test_the_runs_of_an_experiment_come_with_their_rows(small_world):
    everything, frame = analysis.load(small_world), analysis.load(small_world, experiment="compare")
    cells = Results.open(small_world).manifest("compare").cells
    planned = {(row, key) for row, by_task in cells.items() for keys in by_task.values() for key in keys}
    there = set(everything["key"])
    assert set(zip(frame["row"], frame["key"], strict=True)) == {(row, key) for row, key in planned if key in there}
    assert "row" not in everything
    assert (
        frame.drop(columns="row")
        .sort_values(["key", "split"])
        .reset_index(drop=True)
        .equals(everything[everything["key"].isin(frame["key"])].sort_values(["key", "split"]).reset_index(drop=True))
    )
    assert list(frames.cells(frame.query("split == 'dev'"), baseline="vanilla")["row"].unique()) == list(cells)


def test_damaged_runs_are_left_out_of_an_experiment_with_a_warning(small_world, tmp_path):
    shutil.copytree(small_world, tmp_path / "results")
    results = Results.open(tmp_path / "results")
    broken = first_key(small_world)
    (results.root / "runs" / broken / "predictions" / "demo-rte.dev.parquet").write_bytes(b"PAR1")
    for experiment in ("compare", None, "compare"):
        with pytest.warns(DamagedRunsWarning, match=rf"damaged and left out: {broken}\. .* cannot be read .*: `smart-"):
            frame = analysis.load(results, experiment)
        assert set(analysis.load(small_world, experiment)["key"]) - set(frame["key"]) == {broken}


def test_predictions_come_by_epoch(small_world):
    key = first_key(small_world)
    everything = Results.open(small_world).predictions(key, "demo-rte", "dev", epoch="all")
    assert len(everything) == 3 * 300
    assert set(Results.open(small_world).predictions(key, "demo-rte", "dev")["epoch"]) == {3}
    assert set(Results.open(small_world).predictions(key, "demo-rte", "dev", epoch=1)["epoch"]) == {1}


def test_history_counts_a_resumed_step_once(tmp_path):
    folder = tmp_path / "runs" / "k"
    folder.mkdir(parents=True)
    lines = [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 9.0},
        {"event": "resume", "step": 1},
        {"step": 2, "loss": 2.0},
    ]
    (folder / "history.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    assert Results.open(tmp_path).history("k")["loss"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: analysis.load(w, experiment="comparee"), "no experiment named 'comparee'.*there are: compare"),
        (lambda w: analysis.load(w / "nowhere"), "nowhere/runs is not a folder: .*run an experiment first"),
        (lambda w: Results.open(w).manifest("comparee"), "no experiment named 'comparee'.*there are: compare"),
        (lambda w: Results.open(w).run("feed"), "feed does not exist.*smart-repro status"),
        (
            lambda w: Results.open(w).predictions(first_key(w), "demo-rte", "test"),
            "test.parquet does not exist: the run stored demo-rte.dev",
        ),
        (
            lambda w: Results.open(w).predictions(first_key(w), "demo-rte", "dev", epoch=9),
            r"no epoch 9; it has \[1, 2, 3\]",
        ),
        (lambda w: Results.open(w).predictions(first_key(w), "demo-rte", "dev", columns=["logit_7"]), "has no logit_7"),
    ],
)
def test_what_is_missing_is_named(call, message, small_world):
    with pytest.raises(ResultsError, match=message):
        call(small_world)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "bad.json is not JSON"),
        ("[]", "bad.json holds a list"),
        ('{"schema": 99}', "schema 99 was written by a newer version of smart-repro .*update it"),
        ('{"schema": 1}', "bad.json: manifest lacks name, title, rows, .*plan the experiment again"),
    ],
)
def test_a_broken_manifest_is_named(text, message, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ResultsError, match=message):
        load_manifest(tmp_path / "bad.json")


def test_a_broken_predictions_file_is_named(tmp_path):
    path = tmp_path / "runs" / "k" / "predictions" / "t.dev.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(ResultsError, match=r"t\.dev\.parquet cannot be read .*run the experiment again"):
        Results.open(tmp_path).predictions("k", "t", "dev")


def test_importing_analysis_loads_nothing_heavy():
    code = (
        "import sys, analysis, analysis.scores, analysis.significance; "
        "heavy = {'torch', 'pandas', 'scipy.stats', 'matplotlib', 'seaborn', 'smart_repro', 'benchmarks'}; "
        "heavy &= set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
