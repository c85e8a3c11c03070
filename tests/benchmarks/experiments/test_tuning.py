"""Equal tuning budgets: as many distinct trials for every arm, on other seeds and examples; then the winners."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.records import ResultsError
from benchmarks.engine.plan import make_plan
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning import trial_results
from benchmarks.experiments.planning.base import Experiment, narrowed
from benchmarks.experiments.planning.compare import compare
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from benchmarks.experiments.planning.tuning import SEEDS, axis_of, trials, tuned, tuning
from benchmarks.spec import RunSpec, method, parse_methods
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.tasks.subsample import order, outside
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.prepared import prepare

Score = Callable[[str, str, float, str], float]  # arm, task, multiple of the rate, second axis


def small_table() -> Experiment:
    whole = PROFILES["small"](EXPERIMENTS["smart-table1"]())
    return narrowed(whole, tasks=("rte", "mrpc"))


@pytest.mark.parametrize(
    "name", ["smart-table1", "smart-table1-large", "smart-table3", "sda-table2", "what-drives-smart"]
)
def test_every_arm_has_six_different_trials(name: str) -> None:
    experiment = EXPERIMENTS[name]()
    for row in experiment.rows:
        tried = trials(row, experiment.settings)
        assert len(tried) == 6
        alone = replace(experiment, rows=tuple(trial.row for trial in tried), missing={}, seeds=(0,))
        place = experiment.places[0]
        assert len({alone.spec(each, place, 0) for each in alone.rows}) == 6


@pytest.mark.parametrize(
    ("choice", "axis"),
    [
        (method("vanilla"), "batch_size"),
        (method("smart"), "epsilon"),
        (method("smart", dropout="independent"), "epsilon"),
        (method("smart", epsilon=0.1), "mu"),
        (method("smart-released"), "eta"),
        (method("smoothness", direction="none"), "batch_size"),
        (method("sda"), "K"),
        (method("sda", K=5), "batch_size"),
        (method("r-drop"), "alpha"),
        (method("bregman"), "mu"),
        (method("pgd"), "alpha"),
    ],
)
def test_the_second_axis_acts_and_is_not_what_the_row_fixes(choice, axis) -> None:
    name, values = axis_of(choice, 16, dict(choice.options))
    assert name == axis
    assert values[0] != values[1]


def test_a_wider_ball_comes_with_its_step() -> None:
    _, (narrow, wide) = axis_of(method("smart"), 16, ())
    assert narrow == {"epsilon": 1e-5, "sigma": 1e-5, "eta": pytest.approx(1e-3)}  # the paper's
    assert wide == {"epsilon": 1e-2, "sigma": 1e-2, "eta": pytest.approx(1.0)}


def test_trials_use_seeds_and_examples_of_their_own(tmp_path: Path) -> None:
    grid = tuning(small_table(), tmp_path)
    specs = [spec for *_, spec in grid.specs()]
    assert len(specs) == 3 * 6 * 2 * 2
    assert {spec.seed for spec in specs} == set(SEEDS)
    assert {(spec.predict, spec.tuning_rows) for spec in specs} == {(("tuning",), 2_000)}
    rates = {spec.learning_rate for spec in specs}
    assert sorted(rates) == pytest.approx([2.5e-5, 5e-5, 1e-4])


def test_the_examples_that_score_a_trial_are_outside_all_drawn_ones(little_bert: Path, glue: Path) -> None:
    run = RunSpec(
        task="rte", model=str(little_bert), max_train_samples=40, tuning_rows=15, predict=("tuning", "holdout"), seed=7
    )
    data = prepare(run, Source("local", glue))
    ids = {each.split: set(each.rows.ids) for each in data.evaluated}
    trained = {str(number) for number in data.train.ids}
    assert len(ids["tuning"]) == 15
    assert len(trained | ids["holdout"]) == 40
    assert not ids["tuning"] & (trained | ids["holdout"])
    other = prepare(replace(run, method="smart", batch_size=4), Source("local", glue))
    assert {each.split: set(each.rows.ids) for each in other.evaluated} == ids  # the same for every arm and trial


def test_rows_outside_are_all_there_are_where_fewer_are_left() -> None:
    drawn = np.sort(order(50, 3)[:45])
    assert sorted([*outside(50, drawn, 100, 3), *drawn]) == list(range(50))
    assert outside(50, drawn, 2, 3).shape == (2,)
    assert outside(50, drawn, 0, 3).shape == (0,)


def test_a_task_whose_examples_are_all_drawn_cannot_be_tuned(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    experiment = compare(
        tasks=("rte",),
        methods=tuple(parse_methods("vanilla")),
        seeds=(0,),
        settings={"model": str(little_bert), "max_train_samples": 50},
    )
    with pytest.raises(UsageError, match=r"rte: its runs draw 50 of 60 .* leaves 10 to tune on"):
        make_plan(tuning(experiment, tmp_path), Source("local", glue), Store(tmp_path))


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read folders that hold scores and predictions only, as :func:`finish` writes them."""
    monkeypatch.setattr(trial_results, "damaged", lambda results, keys: {})


def finish(results: Path, score: Score, experiment: Experiment | None = None, *, idle: str = "") -> Experiment:
    """Make a results folder in which the due grid is done, with these scores; the arm ``idle`` ignores its axis."""
    grid = tuning(experiment or small_table(), results)
    keys = {}
    for row, task, seed, _ in grid.specs():
        arm, _, words = row.partition("#")
        rate, _, second = words.partition(",")
        key = f"{row}-{task}-{seed}".replace("/", "_")
        keys[row, task, seed] = key
        folder = results / "runs" / key
        (folder / "predictions").mkdir(parents=True, exist_ok=True)
        value = score(arm, task, float(rate.removesuffix("x")), second) + seed / 1e6
        scores = {task: {"tuning": {"accuracy": value, "f1": 1 - value}}}
        (folder / "result.json").write_text(
            json.dumps({"schema": 1, "key": key, "scores": scores, "seconds": 1.0, "steps": 10})
        )
        same = hash((arm, task, seed, rate, "" if arm == idle else second)) % 2**31
        predictions = np.random.default_rng(same).integers(0, 2, 50)
        ids = [str(number) for number in range(50)]
        columns = {"id": ids, "epoch": np.full(50, 3), "label": np.zeros(50, int), "prediction": predictions}
        table = pa.table(columns)
        pq.write_table(table, folder / "predictions" / f"{task}.tuning.parquet")
    manifest = results / "experiments" / grid.name / f"{len(grid.rows)}.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps(grid.manifest(keys, {}).to_json()))
    os.utime(manifest, (len(grid.rows), len(grid.rows)))
    return grid


def inside(arm: str, task: str, rate: float, second: str) -> float:
    """Let the middle rate and the second value of the axis win."""
    wins_second = second in ("epsilon=0.01", "batch_size=32")
    return 0.9 if rate == 1 and wins_second else 0.6 + 0.1 * (rate == 1) + 0.01 * wins_second


@pytest.mark.usefixtures("unverified")
def test_the_winner_is_what_is_confirmed(tmp_path: Path) -> None:
    experiment = small_table()
    finish(tmp_path, inside)
    chosen = tuned(experiment, tmp_path)
    assert chosen.tuned == {
        "vanilla": dict.fromkeys(("rte", "mrpc"), "1x,batch_size=32"),
        **{f"smart[{each}]": dict.fromkeys(("rte", "mrpc"), "1x,epsilon=0.01") for each in ("shared", "independent")},
    }
    for row in chosen.rows:
        for task in ("rte", "mrpc"):
            spec = chosen.spec(row, task, 0)
            assert spec.learning_rate == pytest.approx(5e-5)
            assert spec.batch_size == (32 if row.id == "vanilla" else 16)
            assert dict(spec.options).get("epsilon", 1e-5) == (1e-5 if row.id == "vanilla" else 1e-2)
            assert spec.tuning_rows == 0
            assert "dev" in spec.predict
    notes = [note for note in chosen.notes if "distinct trials" in note]
    start = "plain fine-tuning: tuned with 6 distinct trials x 2 seeds, 720 forward passes"
    assert notes[0].startswith(start)  # 24 runs x 10 x 3
    assert "2,160 forward passes" in notes[1]  # SMART: 9 an update
    assert "rte accuracy 20.0" in notes[0]  # 0.9 against 0.7


@pytest.mark.usefixtures("unverified")
def test_the_grid_grows_for_all_arms_until_the_best_rate_is_inside(tmp_path: Path) -> None:
    def best_at_four(arm: str, task: str, rate: float, second: str) -> float:
        best = 4.0 if (arm, task) == ("vanilla", "rte") else 1.0
        return 0.9 - 0.1 * abs(np.log2(rate / best)) + (0.01 if second.endswith(("32", "0.01")) else 0)

    sizes = [len(finish(tmp_path, best_at_four).rows) for _ in range(3)]
    assert sizes == [3 * 6, 3 * 8, 3 * 10]  # 2x, then 4x wins for one arm on one task: 8x is tried by all
    assert len(tuning(small_table(), tmp_path).rows) == 30
    assert tuned(small_table(), tmp_path).tuned["vanilla"]["rte"] == "4x,batch_size=32"


@pytest.mark.usefixtures("unverified")
def test_a_winner_at_the_end_of_the_grid_is_not_confirmed(tmp_path: Path) -> None:
    finish(tmp_path, lambda arm, task, rate, second: 0.5 - 0.1 * rate)
    with pytest.raises(UsageError, match=r"not tuned to the end .* its grid has 4 learning rates"):
        tuned(small_table(), tmp_path)


@pytest.mark.usefixtures("unverified")
def test_an_axis_that_changes_no_prediction_is_refused(tmp_path: Path) -> None:
    finish(tmp_path, inside, idle="smart[shared]")
    with pytest.raises(UsageError, match=r"smart\[shared\] has 3 distinct trials of 6 on rte: epsilon changes no"):
        tuned(small_table(), tmp_path)


def test_a_trial_runs_and_is_scored_on_its_own_rows(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    run = RunSpec(task="rte", model=str(little_bert), epochs=2, max_train_samples=30, tuning_rows=20, seed=100)
    run = replace(run, predict=("tuning",), predict_each=("holdout",))
    store = Store(tmp_path)
    store.prepare()
    outcome = execute(make_job(run, Source("local", glue)), store)
    assert outcome.state == "done"
    table = pq.read_table(store.runs / outcome.key / "predictions" / "rte.tuning.parquet").to_pandas()
    assert (len(table), set(table["epoch"])) == (20, {2})


def test_a_damaged_trial_is_named(tmp_path: Path) -> None:
    finish(tmp_path, inside)
    with pytest.raises(ResultsError, match=r"spec.json does not exist: `smart-repro runs remove"):
        tuned(small_table(), tmp_path)


def test_tuning_that_is_missing_or_would_leak_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not tuned to the end"):
        tuned(small_table(), tmp_path)
    with pytest.raises(UsageError, match="tuned on"):
        tuned(replace(small_table(), seeds=(100,)), tmp_path)
    with pytest.raises(UsageError, match="in several ways"):
        tuning(EXPERIMENTS["smart-table5"](), tmp_path)
    with pytest.raises(UsageError, match="nothing to tune"):
        tuning(EXPERIMENTS["smart-sensitivity"](), tmp_path)


def test_the_options_reach_the_experiment() -> None:
    request = Request(name="smart-table1", tasks="rte", tune=True)
    experiment, _ = request.found()
    assert experiment.name == request.title == "smart-table1-tuning"
    assert request.command("run").endswith("--tune")


@pytest.mark.parametrize(("name", "tune"), [("equal-budgets", True), ("epsilon-choice", False)])
def test_rows_to_tune_on_are_planned_where_the_data_are_files(name: str, tune: bool, tmp_path: Path) -> None:
    rows = "".join(f"a good film {number}\t1\na bad film {number}\t0\n" for number in range(200))
    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text("sentence\tlabel\n" + rows)
    files = tuple(f"sst2:{split}={tmp_path / split}.tsv" for split in ("train", "dev"))
    request = Request(name=name, tasks="sst2", tune=tune, profile="small", max_train_samples=200, data_file=files)
    experiment, source = request.found()
    assert {column.split for column in experiment.columns} == {"tuning"}
    plan = make_plan(experiment, source, Store(tmp_path / "results"))
    assert len(plan.jobs) == len(experiment.rows) * len(experiment.seeds)
