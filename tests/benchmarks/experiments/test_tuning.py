"""Equal tuning budgets: as many trials for every arm, on other seeds, judged on the holdout; then the winners."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.base import narrowed
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from benchmarks.experiments.planning.tuning import SEEDS, trials, tuned, tuning


def small_table():
    whole = PROFILES["small"](EXPERIMENTS["smart-table1"]())
    return narrowed(whole, tasks=("rte", "mrpc"))


@pytest.mark.parametrize(
    "name", ["smart-table1", "smart-table1-large", "smart-table3", "sda-table2", "what-drives-smart"]
)
def test_every_arm_has_twelve_different_trials(name: str) -> None:
    experiment = EXPERIMENTS[name]()
    for row in experiment.rows:
        tried = trials(row, experiment.settings)
        assert len(tried) == 12
        alone = replace(experiment, rows=tuple(trial.row for trial in tried), missing={}, seeds=(0,))
        place = experiment.places[0]
        assert len({alone.spec(each, place, 0) for each in alone.rows}) == 12


def test_the_rates_are_the_papers_grid() -> None:
    rates = {
        trial.row.settings["learning_rate"]
        for trial in trials(EXPERIMENTS["smart-table1"]().rows[0], {"learning_rate": 3e-5})
    }
    assert sorted(rates) == pytest.approx([1e-5, 2e-5, 3e-5, 5e-5])


def test_trials_use_their_own_seeds_and_see_the_holdout_only() -> None:
    grid = tuning(small_table())
    specs = [spec for *_, spec in grid.specs()]
    assert len(specs) == 3 * 12 * 2 * 3
    assert {spec.seed for spec in specs} == set(SEEDS)
    assert {spec.predict for spec in specs} == {("holdout",)}


def finished(results: Path, best: dict[tuple[str, str], int]) -> None:
    """A results folder in which the given trial wins for each arm and task."""
    grid = tuning(small_table())
    keys = {}
    for row, task, seed, _ in grid.specs():
        key = f"{row}-{task}-{seed}".replace("[", "_").replace("]", "_").replace("#", "_")
        keys[row, task, seed] = key
        arm, _, number = row.partition("#")
        folder = results / "runs" / key
        folder.mkdir(parents=True)
        value = 0.9 if best[arm, task] == int(number) else 0.5 + seed / 1000
        scores = {task: {"holdout": {"accuracy": value, "f1": 1 - value}}}
        for name, content in (("result", {"scores": scores}), ("spec", {}), ("environment", {})):
            (folder / f"{name}.json").write_text(json.dumps(content))
    manifest = results / "experiments" / grid.name / "g.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps(grid.manifest(keys, {}).to_json()))


def test_the_winner_on_the_holdout_is_what_is_confirmed(tmp_path: Path) -> None:
    experiment = small_table()
    best = {
        (row.id, task): 3 * i + j for i, row in enumerate(experiment.rows) for j, task in enumerate(("rte", "mrpc"))
    }
    finished(tmp_path, best)
    chosen = tuned(experiment, tmp_path)
    assert chosen.tuned == {row.id: {task: best[row.id, task] for task in ("rte", "mrpc")} for row in experiment.rows}
    for row in chosen.rows:
        for task in ("rte", "mrpc"):
            wanted = trials(next(r for r in experiment.rows if r.id == row.id), experiment.settings)[
                best[row.id, task]
            ].row
            spec = chosen.spec(row, task, 0)
            assert spec.learning_rate == wanted.settings["learning_rate"]
            assert spec.batch_size == wanted.settings.get("batch_size", 16)
            assert dict(spec.options).get("lambda_s", 1.0) == dict(wanted.method.options).get("lambda_s", 1.0)
            assert "dev" in spec.predict


def test_tuning_that_is_missing_or_would_leak_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was not tuned"):
        tuned(small_table(), tmp_path)
    with pytest.raises(UsageError, match="tuned on"):
        tuned(replace(small_table(), seeds=(100,)), tmp_path)
    with pytest.raises(UsageError, match="no holdout"):
        tuning(EXPERIMENTS["smart-table5"]())
    with pytest.raises(UsageError, match="nothing to tune"):
        tuning(EXPERIMENTS["smart-sensitivity"]())


def test_the_options_reach_the_experiment() -> None:
    request = Request(name="smart-table1", tasks="rte", tune=True)
    experiment, _ = request.found()
    assert experiment.name == request.title == "smart-table1-tuning"
    assert request.command("run").endswith("--tune")
