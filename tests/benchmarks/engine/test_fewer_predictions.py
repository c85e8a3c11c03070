"""Dev is predicted after the last epoch only, unless a claim needs more: same scores, and no run is done twice."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from test_engine_parents import do

from analysis.integrity import numerics_of
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Manifest
from analysis.selection import selected
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.spec import Identity, RunSpec, combined, run_key
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
HISTORY = {"selection-bias", "sda-fig5"}  # claims on the best epoch, and on the first


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    made.prepare()
    return made


@pytest.fixture
def every(little_bert: Path) -> RunSpec:
    """Make a run that predicts all splits after each epoch, as all runs did."""
    return RunSpec(task="rte", method="smart", model=str(little_bert), epochs=3, predict=("dev", "holdout", "train"))


@pytest.fixture
def fewer(every: RunSpec) -> RunSpec:
    return replace(every, predict_each=("holdout",))


def frame(store: Store, key: str, split: str) -> pd.DataFrame:
    return pd.read_parquet(store.runs / key / "predictions" / f"rte.{split}.parquet")


def test_the_last_epoch_is_the_same_and_dev_has_no_other(
    every: RunSpec, fewer: RunSpec, source: Source, store: Store
) -> None:
    old, new = (execute(make_job(spec, source), store) for spec in (every, fewer))
    assert old.key != new.key
    assert new.scores == old.scores
    for split, epochs in (("dev", [3]), ("holdout", [1, 2, 3]), ("train", [3])):
        was, now = (frame(store, outcome.key, split) for outcome in (old, new))
        assert sorted(now["epoch"].unique()) == epochs
        pd.testing.assert_frame_equal(now, was[was["epoch"].isin(epochs)].reset_index(drop=True))
    assert new.timing is not None
    assert new.timing["predictions"] == 30 + 3 * 6 + 54
    events = [json.loads(line) for line in (store.runs / new.key / "history.jsonl").read_text().splitlines()]
    scored = [set(event["scores"]["rte"]) for event in events if event.get("event") == "epoch"]
    assert scored == [{"holdout"}, {"holdout"}, {"dev", "holdout", "train"}]


def test_an_interrupted_run_of_fewer_predictions_ends_as_if_it_was_not(
    fewer: RunSpec, source: Source, tmp_path: Path
) -> None:
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    for each in (whole, broken):
        each.prepare()
    job, calls = make_job(fewer, source), iter(range(1_000))
    assert execute(job, whole).state == "done"
    assert execute(job, broken, should_stop=lambda: next(calls) == 6).state == "interrupted"
    assert execute(job, broken).state == "done"
    for split in ("dev", "holdout", "train"):
        pd.testing.assert_frame_equal(frame(whole, job.key, split), frame(broken, job.key, split))


def test_a_run_without_holdout_is_evaluated_once(fewer: RunSpec, source: Source, store: Store) -> None:
    spec = replace(fewer, holdout=0.0, predict=("dev",))
    plan, _ = do([spec], source, store)
    key = make_job(spec, source).key
    assert frame(store, key, "dev")["epoch"].unique().tolist() == [3]
    assert plan.predictions[key] == 30


def test_the_plan_counts_what_is_predicted(every: RunSpec, fewer: RunSpec, source: Source, store: Store) -> None:
    plan, _ = do([every, fewer], source, store)
    counts = [plan.predictions[make_job(spec, source).key] for spec in (every, fewer)]
    assert counts == [3 * (30 + 6) + 54, 30 + 3 * 6 + 54]


def test_a_finished_run_that_predicted_more_is_not_done_again(
    every: RunSpec, fewer: RunSpec, source: Source, store: Store
) -> None:
    parents = [replace(every, seed=seed) for seed in (0, 1)]
    _, first = do([*parents, combined("vote", parents)], source, store)
    assert len(first.done) == 3
    again = [replace(fewer, seed=seed) for seed in (0, 1, 2)]
    plan, second = do([*again, combined("vote", again[:2])], source, store)
    assert second.done == [make_job(again[2], source).key]
    assert set(plan.cells.values()) == {*first.done, *second.done}
    reverse, third = do([every, replace(every, seed=2)], source, store)
    assert third.done == [make_job(replace(every, seed=2), source).key]  # dev's epochs are not there yet
    assert reverse.counts()["todo"] == 1


def test_choosing_an_epoch_needs_runs_that_predicted_it(fewer: RunSpec, source: Source, store: Store) -> None:
    experiment = replace(EXPERIMENTS["smart-table1"](), seeds=(0,))
    plan, _ = do([fewer], source, store)
    (column,) = [column for column in experiment.columns if column.id == "rte.accuracy"]
    cells = {"vanilla": {"rte": list(plan.cells.values())}}
    manifest = Manifest("n", "t", rows=(), columns=(), seeds=(0,), cells=cells)
    for how in ("best-dev", "best-holdout"):
        with pytest.raises(ResultsError, match="predicted dev after its last epoch only"):
            selected(Results.open(store.root), manifest, "vanilla", column, how)  # type: ignore[arg-type]
    assert selected(Results.open(store.root), manifest, "vanilla", column, "last").scores.shape == (1,)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", PROFILES)
def test_only_claims_on_epochs_predict_dev_after_each(profile: str) -> None:
    complete = set()
    for name in EXPERIMENTS:
        experiment = EXPERIMENTS[name]()
        if profile in experiment.not_in:
            continue
        specs = [spec for *_, spec in PROFILES[profile](experiment).specs() if not spec.combine]
        if any(spec.predict_each is None for spec in specs):
            complete.add(name)
        assert all(spec.predict_each in (None, ("holdout",)) for spec in specs)
    assert complete - {"regression"} == HISTORY


def test_every_published_run_keeps_its_key() -> None:
    """The key is computed anew from what the run's folder says about spec, data, weights, code and parents."""
    numerics = Counter[int]()
    results = Results(PUBLISHED)
    for key in results.run_keys():
        content = json.loads((results.folder(key) / "spec.json").read_text())
        values = {name: value for name, value in content["spec"].items() if name != "method_config"}
        prints = content["fingerprints"]
        parents = {"parents": ",".join(prints["parents"])} if prints["parents"] else {}
        identity = Identity(
            prints["data"],
            prints["weights"],
            content["task"]["version"],
            content["method"]["version"],
            parents,
            numerics_of(content),
        )
        assert run_key(RunSpec.from_json(values), identity) == key
        numerics[numerics_of(content)] += 1
    assert numerics[1] == 394  # of the pilot
    assert numerics.total() == len(results.run_keys())
