"""Runs that build on others: planned with their parents, and computing what they say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import softmax
from test_engine_rules import Here

from analysis.schema import Manifest
from benchmarks.cli.display import Silent
from benchmarks.engine import schedule as engine
from benchmarks.engine.plan import make_plan
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import RunSpec, combined, method
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute
from benchmarks.training.job import Job, make_job


@dataclass(frozen=True)
class Grid:
    """An experiment made of given specs, as far as the engine asks."""

    given: tuple[RunSpec, ...]
    name: str = "grid"
    columns: tuple[TaskColumn, ...] = ()
    notes: tuple[str, ...] = ()

    def specs(self) -> Iterator[tuple[str, str, int, RunSpec]]:
        for number, spec in enumerate(self.given):
            yield f"row{number}", spec.task, spec.seed, spec

    def manifest(self, keys: Any, commands: Any) -> Manifest:
        return Manifest(name=self.name, title="", rows=(), columns=(), seeds=(), cells={}, grid="g")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    made.prepare()
    return made


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def base(little_bert: Path) -> RunSpec:
    return RunSpec(task="rte", model=str(little_bert), epochs=1, learning_rate=1e-3)


def do(specs: list[RunSpec], source: Source, store: Store) -> tuple[engine.Plan, Here]:
    plan = make_plan(Grid(tuple(specs)), source, store)  # type: ignore[arg-type]
    here = Here()
    summary = engine.run(plan, store, here, Silent())
    assert not summary.of("failed"), [outcome.message for outcome in summary.of("failed")]
    return plan, here


def logits(store: Store, key: str, split: str = "dev") -> np.ndarray:
    frame = pd.read_parquet(store.runs / key / "predictions" / f"rte.{split}.parquet")
    return frame[frame["epoch"] == frame["epoch"].max()].filter(like="logit_").to_numpy()


# --- the key ---


def test_other_parents_make_another_key_and_none_the_old_one(base: RunSpec, source: Source) -> None:
    parents = [replace(base, seed=seed) for seed in (1, 2, 3)]
    specs = [
        base,
        replace(base, init_from=parents[0]),
        replace(base, init_from=parents[1]),
        combined("vote", parents),
        combined("vote", parents[:2]),
        combined("average", parents),
    ]
    assert len({make_job(spec, source).key for spec in specs}) == len(specs)
    child = make_job(replace(base, init_from=parents[0]), source)
    assert child.parents == (make_job(parents[0], source).key,)


def test_a_spec_with_parents_survives_json(base: RunSpec) -> None:
    grandparent = replace(base, seed=9)
    for spec in (
        replace(base, init_from=replace(base, init_from=grandparent)),
        combined("vote", [base, replace(base, seed=1)]),
        replace(base, init_from="a" * 32),
    ):
        assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"combine": "vote"}, "set combine"),
        ({"combine": "vote", "parents": 1}, "at least two parents"),
        ({"parents": 2}, "set combine"),
        ({"combine": "vote", "parents": 2, "task": "cola"}, "share the child's task"),
        ({"combine": "vote", "parents": 2, "init_from": "0" * 32}, "cannot start from another"),
        ({"init_from": RunSpec(task="rte", model="another")}, "same model"),
    ],
)
def test_parents_that_do_not_fit_are_refused(base: RunSpec, change: dict[str, Any], complaint: str) -> None:
    if "parents" in change:
        change = {**change, "parents": tuple(replace(base, seed=seed) for seed in range(change["parents"]))}
    with pytest.raises(UsageError, match=complaint):
        replace(base, **change)


# --- combining ---


def test_a_vote_is_the_mean_of_its_parents_probabilities(base: RunSpec, source: Source, store: Store) -> None:
    parents = [replace(base, seed=seed) for seed in range(3)]
    plan, here = do([combined("vote", parents)], source, store)
    assert len(plan.jobs) == 4
    child = plan.cells["row0", "rte", 0]
    assert here.done[-1] == child
    keys = [make_job(parent, source).key for parent in parents]
    expected = np.mean([softmax(logits(store, key), axis=1) for key in keys], axis=0)
    assert np.allclose(softmax(logits(store, child), axis=1), expected, atol=1e-6)
    result = json.loads((store.runs / child / "result.json").read_text())
    assert list(result["scores"]["rte"]) == ["dev"]  # each parent's holdout is another one
    assert not list((store.root / "weights").glob("*")) if (store.root / "weights").exists() else True


def test_an_average_has_the_mean_weights_of_its_parents(base: RunSpec, source: Source, store: Store) -> None:
    parents = [replace(base, seed=seed, seed_subsample=0) for seed in (1, 2)]
    plan, _ = do([combined("average", parents)], source, store)
    keys = [make_job(parent, source).key for parent in parents]
    assert sorted(path.stem for path in (store.root / "weights").iterdir()) == sorted(keys)
    weights = [load_file(store.weights(key)) for key in keys]
    child = plan.jobs[plan.cells["row0", "rte", 1]]
    again = Store(store.root.parent / "again")
    again.prepare()
    mean = {name: (weights[0][name] + weights[1][name]) / 2 for name in weights[0]}
    for key in keys:  # parents that both have the mean already
        again.weights(key).parent.mkdir(exist_ok=True)
        save_file(mean, again.weights(key))
        (again.runs / key).symlink_to(store.runs / key)
    assert execute(child, again).state == "done"
    for split in ("dev", "holdout"):
        assert np.allclose(logits(again, child.key, split), logits(store, child.key, split), atol=1e-5)
    assert not np.allclose(logits(store, child.key), logits(store, keys[0]), atol=1e-3)


def test_parents_are_shared_and_done_once(base: RunSpec, source: Source, store: Store) -> None:
    parents = [replace(base, seed=seed, seed_subsample=0) for seed in (1, 2)]
    plan, here = do([parents[0], combined("vote", parents), combined("average", parents)], source, store)
    assert len(plan.jobs) == len(here.done) == len(set(here.done)) == 4
    titles = sorted(plan.titles.values())
    assert sum(title.endswith("(parent)") for title in titles) == 1
    _, here = do([combined("vote", parents), combined("average", parents)], source, store)
    assert not here.done


# --- starting from another run ---


def start_weights(model_key: Job, store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Return the weights with which a run begins to train."""
    from benchmarks.training import execute as running

    seen: dict[str, torch.Tensor] = {}

    def look(model: torch.nn.Module, *args: object, **options: object) -> torch.nn.Module:
        seen.update({name: value.clone() for name, value in model.state_dict().items()})
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "train", look)
        with pytest.raises(KeyboardInterrupt):
            execute(model_key, store)
    return seen


@pytest.mark.parametrize(("task", "head_too"), [("rte", True), ("cola", False), ("stsb", False)])
def test_a_run_starts_from_its_parents_weights(
    base: RunSpec, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch, task: str, head_too: bool
) -> None:
    child = replace(base, task=task, init_from=base, seed=5)
    plan = make_plan(Grid((child,)), source, store)  # type: ignore[arg-type]
    parent, mine = plan.jobs.values()
    assert parent.keep_weights
    assert execute(parent, store).state == "done"
    trained = load_file(store.weights(parent.key))
    found = start_weights(mine, store, monkeypatch)
    same = {name for name in found if name in trained and torch.equal(found[name], trained[name])}
    head = {name for name in found if name.startswith("classifier")}
    assert set(found) - head <= same
    assert (head <= same) == head_too


def test_a_finished_parent_without_weights_is_trained_again_and_must_reproduce_itself(
    base: RunSpec, source: Source, store: Store
) -> None:
    do([base], source, store)
    key = make_job(base, source).key
    before = (store.runs / key / "result.json").read_bytes()
    assert not store.weights(key).exists()
    _, here = do([replace(base, task="cola", init_from=base)], source, store)
    assert here.done[0] == key
    assert len(here.done) == 2
    assert store.weights(key).exists()
    assert (store.runs / key / "result.json").read_bytes() == before


def test_a_parent_that_does_not_reproduce_itself_fails_and_stays(base: RunSpec, source: Source, store: Store) -> None:
    do([base], source, store)
    key = make_job(base, source).key
    path = store.runs / key / "predictions" / "rte.dev.parquet"
    frame = pd.read_parquet(path)
    frame["logit_0"] += 1
    frame.to_parquet(path)
    plan = make_plan(Grid((replace(base, task="cola", init_from=base),)), source, store)  # type: ignore[arg-type]
    summary = engine.run(plan, store, Here(), Silent())
    messages = [outcome.message for outcome in summary.of("failed")]
    assert "differs from the finished run in rte.dev.parquet" in messages[0]
    assert messages[1].startswith("its parent (rte vanilla seed 0) is not done")
    assert not store.weights(key).exists()
    assert pd.read_parquet(path).equals(frame)


def test_weights_under_the_key_of_another_run_are_refused(base: RunSpec, source: Source, store: Store) -> None:
    seeds = [replace(base, seed=seed) for seed in (0, 1)]
    average = combined("average", seeds)
    do([average], source, store)
    one, other = (make_job(spec, source).key for spec in seeds)
    shutil.copy(store.weights(one), store.weights(other))
    store.remove(make_job(average, source).key)
    for child in (average, replace(base, task="cola", init_from=seeds[1])):
        outcome = execute(make_job(child, source), store)
        assert f"the weights {store.weights(other)} are of another run ({one}); delete the file, and" in outcome.message
    store.weights(other).unlink()  # as the message says
    store.remove(make_job(average, source).key)
    do([average], source, store)


def test_a_parent_may_be_given_by_its_key(base: RunSpec, source: Source, store: Store) -> None:
    do([base], source, store)
    key = make_job(base, source).key
    by_key, by_spec = (replace(base, task="cola", init_from=parent) for parent in (key, base))
    plans = [make_plan(Grid((spec,)), source, store) for spec in (by_key, by_spec)]  # type: ignore[arg-type]
    assert set(plans[0].jobs) == set(plans[1].jobs)
    with pytest.raises(UsageError, match="no finished run"):
        make_plan(Grid((replace(base, init_from="0" * 32),)), source, store)  # type: ignore[arg-type]


def test_plain_comparisons_have_no_parents(base: RunSpec, source: Source, store: Store) -> None:
    experiment = compare(tasks=("rte",), methods=(method("vanilla"),), seeds=(0, 1), settings={"model": base.model})
    plan = make_plan(experiment, source, store)
    assert [job.parents for job in plan.jobs.values()] == [(), ()]
    assert not any(job.keep_weights for job in plan.jobs.values())
