"""Runs of several tasks: their folders, what starts from them, and the rows of the paper that do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from test_engine_parents import do, start_weights

from analysis import scores
from benchmarks.engine.plan import make_plan
from benchmarks.engine.timing import timed
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS, Experiment, narrowed
from benchmarks.experiments.planning import profiles
from benchmarks.experiments.planning.available import startable
from benchmarks.experiments.planning.cost import bill
from benchmarks.experiments.planning.method_rows import MULTITASK
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.training import execute as running
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.prepared import head_for, places, prepare

TABLES = ("smart-table4", "smart-table5", "smart-table7")


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def several(little_bert: Path) -> RunSpec:
    """RTE, CoLA and STS-B together: 54 examples each, 12 updates an epoch."""
    return RunSpec(
        task="rte", with_tasks=("cola", "stsb"), model=str(little_bert), epochs=2, learning_rate=1e-3, method="smart"
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    made.prepare()
    return made


# --- one run ---


def test_a_run_of_several_tasks_predicts_each_and_its_scores_recompute(
    several: RunSpec, source: Source, store: Store
) -> None:
    job = make_job(several, source)
    outcome = execute(job, store)
    assert outcome.state == "done", outcome.message
    folder = store.runs / job.key
    result, about = (json.loads((folder / f"{name}.json").read_text()) for name in ("result", "spec"))
    assert result["steps"] == 24
    assert set(about["with_tasks"]) == {"cola", "stsb"}
    assert about["with_tasks"]["stsb"]["kind"] == "regression"
    assert about["data"]["rows"]["train"] == 3 * 54
    for task in several.tasks:
        for split in ("dev", "holdout"):
            frame = pd.read_parquet(folder / "predictions" / f"{task}.{split}.parquet")
            last = frame[frame["epoch"] == 2]
            assert len(last) == {"dev": 30, "holdout": 6}[split]
            for metric in TASKS[task].metrics:
                again = scores.score(metric, last["label"].to_numpy(), last["prediction"].to_numpy())
                assert result["scores"][task][split][metric] == again


def test_an_interrupted_run_resumes_to_the_same_bytes(several: RunSpec, source: Source, tmp_path: Path) -> None:
    job, found = make_job(several, source), []
    calls = iter(range(1, 100))
    for name in ("whole", "stopped"):
        store = Store(tmp_path / name)
        store.prepare()
        if name == "stopped":
            assert execute(job, store, should_stop=lambda: next(calls) == 5).state == "interrupted"
        assert execute(job, store).state == "done"
        found.append({path.name: path.read_bytes() for path in (store.runs / job.key / "predictions").iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) == 6


def test_each_task_is_cut_as_it_is_alone(several: RunSpec, source: Source) -> None:
    """So that the holdout of a run that continues on one task was not trained on before."""
    together = prepare(replace(several, max_train_samples=40, seed=3), source)
    for task in several.tasks:
        alone = prepare(replace(several, task=task, with_tasks=(), max_train_samples=40, seed=3), source)
        assert np.array_equal(alone.train.ids, together.train.tasks[task].ids)
        mine = {each.name: each.rows.ids for each in together.evaluated if each.task.name == task}
        assert mine == {each.name: each.rows.ids for each in alone.evaluated}


def test_the_key_knows_the_tasks_and_a_single_task_keeps_the_key_it_had(several: RunSpec, source: Source) -> None:
    alone = replace(several, with_tasks=())
    assert "with_tasks" not in alone.canonical()
    assert "head_dropouts" not in alone.canonical()
    specs = [
        alone,
        several,
        replace(several, with_tasks=("cola",)),
        replace(several, with_tasks=("stsb", "cola")),
        replace(several, head_dropouts=(("cola", 0.05),)),
    ]
    assert len({make_job(spec, source).key for spec in specs}) == len(specs)
    assert RunSpec.from_json(json.loads(json.dumps(specs[-1].to_json()))) == specs[-1]
    assert several.title == "rte+cola+stsb smart seed 0"


def test_a_newer_version_of_any_task_makes_another_key(
    several: RunSpec, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_job(several, source).key
    monkeypatch.setitem(TASKS._entries, "stsb", replace(TASKS["stsb"], version=TASKS["stsb"].version + 1))
    assert make_job(several, source).key != before


def test_head_dropout_can_differ_by_task(several: RunSpec) -> None:
    model = running.new_model(replace(several, head="mean", head_dropout=0.2, head_dropouts=(("cola", 0.05),)))
    assert {task: model.tasks[task].dropout.p for task in several.tasks} == {"rte": 0.2, "cola": 0.05, "stsb": 0.2}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"with_tasks": ("rte",)}, "a task stands twice in rte, rte"),
        ({"with_tasks": "cola"}, "with_tasks must be names in brackets, got 'cola'"),
        ({"head_dropouts": (("mnli", 0.3),)}, "head_dropouts is for tasks that are trained together"),
        ({"with_tasks": (), "head_dropouts": (("rte", 0.3),)}, "name them in with_tasks"),
        ({"init_from": "a" * 32}, "starts from the model itself"),
        ({"measure": True}, "is not measured"),
    ],
)
def test_what_several_tasks_cannot_be_is_refused(several: RunSpec, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        replace(several, **change)


def test_an_entry_of_predict_without_a_task_means_each_trained_one() -> None:
    run = RunSpec(task="rte", with_tasks=("mnli", "sst2"), predict=("dev", "mnli-mm:dev"))
    assert places(run) == [("rte", "dev"), ("mnli", "dev"), ("sst2", "dev"), ("mnli-mm", "dev")]
    assert [head_for(run, task) for task in ("rte", "mnli-mm", "scitail")] == ["rte", "mnli", "rte"]


# --- what starts from it ---


@pytest.mark.parametrize(("task", "own_head"), [("rte", True), ("cola", True), ("stsb", True), ("mrpc", False)])
def test_a_run_takes_over_the_encoder_and_its_own_tasks_head(
    several: RunSpec, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch, task: str, own_head: bool
) -> None:
    """A task the multi-task run did not have gets a new head, although its labels are as many (MRPC)."""
    from benchmarks.training import parents

    parent = make_job(several, source)
    assert execute(replace(parent, keep_weights=True), store).state == "done"
    kept = load_file(store.weights(parent.key))
    assert sum("word_embeddings" in name for name in kept) == 1  # the encoder is kept once
    child = RunSpec(task=task, model=several.model, init_from=several, seed=7)
    model = running.new_model(child)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    parents.start_from(model, child, several, store.weights(parent.key))
    for name, value in model.state_dict().items():
        if name.startswith("classifier"):
            expected = kept[f"tasks.{task}.{name}"] if own_head else fresh[name]
        else:
            expected = kept[f"tasks.rte.{name}"]
        assert torch.equal(value, expected), name
    assert any(not torch.equal(fresh[name], kept[f"tasks.rte.{name}"]) for name in fresh if "encoder" in name)


def test_the_plan_has_the_parent_first_and_keeps_its_weights(several: RunSpec, source: Source, store: Store) -> None:
    child = RunSpec(task="cola", model=several.model, init_from=several, epochs=1)
    plan, here = do([child, replace(child, task="stsb")], source, store)
    parent = make_job(several, source).key
    assert here.done[0] == parent
    assert len(here.done) == 3
    assert plan.titles[parent] == "rte+cola+stsb smart seed 0 (parent)"
    assert store.weights(parent).is_file()
    assert not store.weights(plan.cells["row0", "cola", 0]).exists()
    assert (plan.updates[parent], plan.predictions[parent]) == (24, 2 * 3 * 36)
    weights = start_weights(plan.jobs[plan.cells["row0", "cola", 0]], _elsewhere(store), pytest.MonkeyPatch())
    assert torch.equal(weights["classifier.weight"], load_file(store.weights(parent))["tasks.cola.classifier.weight"])


def _elsewhere(store: Store) -> Store:
    """Make a store with the same parents' weights and nothing finished."""
    other = Store(store.root.parent / "elsewhere")
    other.prepare()
    (other.root / "weights").symlink_to(store.root / "weights")
    return other


def test_it_can_be_timed_and_its_cost_is_that_of_its_updates(several: RunSpec, source: Source) -> None:
    outcome = timed(make_job(several, source))
    assert outcome.state == "timed"
    assert outcome.timing
    assert outcome.timing["training"] > 0


# --- the paper's rows ---


def in_profile(name: str, profile: str) -> Experiment:
    return profiles.PROFILES[profile](EXPERIMENTS[name]())


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("profile", ["demo", "small", "paper"])
def test_each_seed_starts_from_its_own_multi_task_run(name: str, profile: str) -> None:
    experiment = in_profile(name, profile)
    rows = {row.id: row for row in experiment.rows}
    started = set()
    for row, _, seed, spec in experiment.specs():
        start = spec.init_from
        assert (start is not None) == row.startswith("mt-dnn")
        if isinstance(start, RunSpec):
            started.add(row)
            assert start.seed == seed
            assert (start.model, start.head) == (spec.model, spec.head)
            assert len(start.tasks) >= 3
            assert start.choice == (spec.choice if "mt-dnn-smart[" in row else rows["mt-dnn"].method)
            assert {each.generated for each in map(TASKS.__getitem__, start.tasks)} == {profile == "demo"}
    assert len(started) == len([row for row in rows if row.startswith("mt-dnn")]) >= 3


def test_the_three_tables_share_their_multi_task_runs() -> None:
    for profile, alike in (("small", TABLES), ("paper", TABLES), ("demo", TABLES[1:])):
        starts = [
            {spec.init_from for *_, spec in in_profile(name, profile).specs() if spec.init_from} for name in alike
        ]
        assert all(set.intersection(*starts) == each for each in starts if len(each) == min(map(len, starts)))


def test_on_the_papers_data_mnli_has_its_own_head_dropout() -> None:
    start = next(spec.init_from for *_, spec in EXPERIMENTS["smart-table5"]().specs() if spec.init_from)
    assert isinstance(start, RunSpec)
    assert start.tasks == MULTITASK
    assert (start.head_dropout, start.head_dropouts) == (0.1, (("mnli", 0.3),))
    small = in_profile("smart-table5", "small").rows[1].start
    assert small is not None
    assert small.settings == {"head_dropouts": (("mnli", 0.3),)}  # the head is the paper's, whatever the encoder


def test_in_the_demo_no_multi_task_run_has_seen_what_stands_for_a_new_domain() -> None:
    for name in ("smart-table5", "smart-table7"):
        for *_, spec in in_profile(name, "demo").specs():
            if isinstance(spec.init_from, RunSpec):
                assert spec.task not in spec.init_from.tasks
    for *_, spec in in_profile("smart-table4", "demo").specs():
        assert spec.init_from is None or spec.task in spec.init_from.tasks


def test_rows_whose_multi_task_data_are_missing_say_so_and_the_others_run(
    glue: Path, little_bert: Path, store: Store
) -> None:
    source = Source("local", glue)
    settings = {"model": str(little_bert), "head": "mean"}
    experiment = startable(narrowed(in_profile("smart-table4", "small"), tasks=("rte",), settings=settings), source)
    reasons = {row.id: experiment.reason(row.id, experiment.columns[0]) for row in experiment.rows}
    assert {row for row, reason in reasons.items() if not reason} == {"vanilla", "smart[shared]", "smart[independent]"}
    assert reasons["mt-dnn"].startswith("its multi-task run needs mnli, rte, qnli, sst2, mrpc: ")
    assert len(make_plan(experiment, source, store).jobs) == 15


def test_the_bill_counts_a_multi_task_run_once_by_arithmetic() -> None:
    """RTE alone, one seed: MT-DNN's 904,862 training examples less a tenth, in batches of 32 of one task, 3 epochs."""
    whole = EXPERIMENTS["smart-table4"]()
    rows = tuple(row for row in whole.rows if row.id in ("mt-dnn", "mt-dnn-smart-v0[shared]"))
    one = replace(narrowed(whole, tasks=("rte",), seeds=(0,)), rows=rows)
    (entry,) = bill([one])
    kept = [TASKS[task].sizes["train"] - round(0.1 * TASKS[task].sizes["train"]) for task in MULTITASK]
    together = 3 * sum(-(-size // 32) for size in kept)
    rte = 3 * 71
    assert entry.runs == 3
    assert entry.updates == together + 2 * rte
    assert entry.units == 3 * together + 3 * rte + 9 * rte


def test_the_bench_takes_the_same_updates_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.speed import multitask

    monkeypatch.setitem(multitask.DEMO_SETTINGS, "max_train_samples", 40)
    found = multitask.measure(("demo-rte", "demo-sst2"), "vanilla", epochs=3)
    assert len(found) == 2
    assert all(0.2 < ratio < 5 for ratio in found)
