"""What is run, what is tried again, what is waited for: the engine with an executor that works in this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from stored_runs import stored_run

from benchmarks.cli.display import Silent
from benchmarks.engine import schedule as engine
from benchmarks.engine.executor import Finished, Progress, Schedule, Settings
from benchmarks.engine.plan import Plan, make_plan
from benchmarks.engine.schedule import Summary
from benchmarks.engine.status import status
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import RunSpec, method
from benchmarks.store import leases
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training import execute as running
from benchmarks.training import prepared
from benchmarks.training.execute import execute
from benchmarks.training.job import Job, Outcome


class Here:
    """An executor without processes."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def parallel(self, jobs: Sequence[Job]) -> int:
        return 1

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        schedule = Schedule(jobs)
        while (job := schedule.next()) is not None:
            self.done.append(job.key)
            outcome = execute(job, Store(settings.results), should_stop=should_stop, **settings.checkpoint)
            yield from schedule.finish(job, outcome)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    made.prepare()
    return made


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


@pytest.fixture
def experiment(little_bert: Path) -> Experiment:
    settings = {"model": str(little_bert), "epochs": 1, "learning_rate": 1e-3, "max_steps": 2}
    return compare(tasks=("rte",), methods=(method("vanilla"), method("smart")), seeds=(0,), settings=settings)


def run(experiment: Experiment, source: Source, store: Store, **options: bool) -> tuple[Plan, Summary]:
    plan = make_plan(experiment, source, store)
    return plan, engine.run(plan, store, Here(), Silent(), **options)


def states(experiment: Experiment, source: Source, store: Store) -> list[str]:
    return [state.state for state in make_plan(experiment, source, store).states.values()]


# --- what is tried again ---


def break_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the first training fail and the others succeed."""
    errors = [error]
    real = running.train

    def train(*args: object, **options: object) -> object:
        if errors:
            raise errors.pop()
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "train", train)


def test_a_crash_is_tried_again_by_the_next_run(
    experiment: Experiment, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_once(monkeypatch, OSError("the disk is full"))
    _, summary = run(experiment, source, store)
    assert [outcome.state for outcome in summary.outcomes.values()] == ["failed", "done"]
    assert states(experiment, source, store) == ["failed", "done"]
    entry = status(store.root)[0]
    assert (entry["done"], entry["failed"]) == (1, 1)
    assert "crash: OSError: the disk is full" in entry["details"][0]["detail"]
    _, summary = run(experiment, source, store)
    assert [outcome.state for outcome in summary.outcomes.values()] == ["done"]
    assert states(experiment, source, store) == ["done", "done"]


@pytest.mark.parametrize(
    "error", [running.NonFiniteLossError("nan"), running.MissingSignalError("0"), UsageError("data"), ValueError("no")]
)
def test_what_would_fail_again_is_tried_only_when_asked_for(
    experiment: Experiment, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    break_once(monkeypatch, error)
    run(experiment, source, store)
    _, summary = run(experiment, source, store)
    assert not summary.outcomes
    assert states(experiment, source, store) == ["failed", "done"]
    _, summary = run(experiment, source, store, retry_failed=True)
    assert [outcome.state for outcome in summary.outcomes.values()] == ["done"]


def test_a_run_that_failed_elsewhere_since_it_was_planned_is_not_tried_again(
    experiment: Experiment, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(experiment, source, store)
    break_once(monkeypatch, running.NonFiniteLossError("the loss is nan"))
    run(experiment, source, store)
    summary = engine.run(plan, store, Here(), Silent())
    assert {outcome.state for outcome in summary.outcomes.values()} == {"failed", "skipped"}
    assert "the loss is nan" in summary.of("failed")[0].message


# --- interruption ---


def test_an_interrupted_grid_leaves_the_rest_and_is_resumed(
    experiment: Experiment, source: Source, store: Store
) -> None:
    """What Ctrl-C asks for: the run at work saves its state, no other is begun."""

    class Interrupting(Here):
        def execute(self, jobs: Sequence[Job], *rest: object) -> Iterator[Progress | Finished]:
            yield from super().execute(jobs[:1], rest[0], lambda: True)  # type: ignore[arg-type]

    plan = make_plan(experiment, source, store)
    summary = engine.run(plan, store, Interrupting(), Silent())
    assert [outcome.state for outcome in summary.outcomes.values()] == ["interrupted"]
    assert summary.error is None
    found = make_plan(experiment, source, store)
    assert [state.detail for state in found.states.values()] == ["interrupted, will be resumed", ""]
    run(experiment, source, store)
    history = (store.runs / next(iter(plan.jobs)) / "history.jsonl").read_text().splitlines()
    assert '{"event": "resume", "step": 1}' in history


def test_an_error_that_is_none_of_ours_gives_the_run_back(
    experiment: Experiment, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a notebook: the process lives on, so its lease would look alive for ever."""
    monkeypatch.setattr(running, "train", lambda *args, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    job = next(iter(make_plan(experiment, source, store).jobs.values()))
    with pytest.raises(KeyboardInterrupt):
        execute(job, store)
    assert store.states([job.key])[job.key].state == "todo"


# --- runs of other processes ---


def test_run_waits_for_a_run_that_somebody_else_finishes(experiment: Experiment, source: Source, store: Store) -> None:
    plan = make_plan(experiment, source, store)
    key = next(iter(plan.jobs))
    lease = store.take(key)
    assert lease is not None

    def finish() -> None:
        time.sleep(1.0)
        attempt = store.attempt(lease)
        (attempt / "result.json").write_text("{}")
        store.publish(lease, attempt)

    thread = threading.Thread(target=finish)
    thread.start()
    summary = engine.run(plan, store, Here(), Silent())
    thread.join()
    assert summary.outcomes[key].state == "skipped"
    assert (store.runs / key / "result.json").read_text() == "{}"
    assert states(experiment, source, store) == ["done", "done"]


def test_run_takes_over_what_somebody_else_gives_up(experiment: Experiment, source: Source, store: Store) -> None:
    plan = make_plan(experiment, source, store)
    key = next(iter(plan.jobs))
    lease = store.take(key)
    assert lease is not None
    threading.Timer(1.0, lease.release).start()
    summary = engine.run(plan, store, Here(), Silent())
    assert {outcome.state for outcome in summary.outcomes.values()} == {"done"}


def test_a_run_that_was_taken_over_in_mid_training_publishes_nothing(
    experiment: Experiment, source: Source, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = next(iter(make_plan(experiment, source, store).jobs.values()))

    def steal() -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(leases, "alive", lambda path, heartbeats: False)
            thief = store.take(job.key)
            assert thief is not None
            (store.attempt(thief) / "mine").write_text("")
        return True

    outcome = execute(job, store, should_stop=steal)
    assert outcome.state == "busy"
    assert not store.is_done(job.key)
    (attempt,) = (store.inflight / job.key).glob("attempt-*")
    assert (attempt / "mine").exists()
    assert not (attempt / "checkpoint.pt").exists()
    assert store.failure(job.key) is None


# --- data and disk ---


def test_data_that_change_after_planning_stop_the_run(
    experiment: Experiment, source: Source, store: Store, glue: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "glue"
    shutil.copytree(glue, folder)
    plan = make_plan(experiment, Source("local", folder), store)
    lines = (folder / "RTE" / "dev.tsv").read_text().splitlines()
    (folder / "RTE" / "dev.tsv").write_text("\n".join(lines[:-1]) + "\n")
    prepared.split_in_memory.cache_clear()
    summary = engine.run(plan, store, Here(), Silent())
    assert all("changed since this run was planned" in outcome.message for outcome in summary.of("failed"))
    assert len(summary.of("failed")) == 2
    assert not store.done_keys()


def test_a_disk_without_room_is_refused_before_training(store: Store) -> None:
    with pytest.raises(UsageError, match="MiB left: free some"):
        store.prepare(disk=1e21)


def test_what_killed_processes_left_of_finished_runs_is_swept(store: Store) -> None:
    done = stored_run(store.runs)
    for name in (done, "failed", "going"):
        (store.inflight / name / "attempt-1").mkdir(parents=True)
    (store.inflight / ".gone-1").mkdir()
    store.sweep()
    assert sorted(path.name for path in store.inflight.iterdir()) == ["failed", "going"]


# --- the order of jobs ---


def job(key: str, *parents: str) -> Job:
    return Job(key, RunSpec(task="rte"), Source("generated"), parents)


def drained(schedule: Schedule, outcome_of: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Do what is ready, in order; a job's outcome is given, else done."""
    found = {}
    while (each := schedule.next()) is not None:
        outcome = Outcome(each.key, outcome_of.get(each.key, "done"), "because")
        found |= {
            event.job.key: (event.outcome.state, event.outcome.message) for event in schedule.finish(each, outcome)
        }
    return found


def test_parents_come_before_their_children_and_each_job_once() -> None:
    jobs = [job("d", "b", "c"), job("a"), job("b", "a"), job("c", "a"), job("e", "not-in-this-grid")]
    assert list(drained(Schedule(jobs), {})) == ["a", "e", "b", "c", "d"]


@pytest.mark.parametrize("state", ["failed", "busy", "interrupted"])
def test_children_end_with_a_parent_that_is_not_done(state: str) -> None:
    found = drained(Schedule([job("a"), job("b", "a"), job("c", "b", "x"), job("x"), job("d")]), {"a": state})
    assert {key: found[key][0] for key in "abcdx"} == {"a": state, "b": state, "c": state, "d": "done", "x": "done"}
    assert found["b"][1] == "its parent (rte vanilla seed 0) is not done: because"


def test_a_job_that_was_put_back_comes_next() -> None:
    schedule = Schedule([job("a"), job("b")])
    first = schedule.next()
    assert first is not None
    schedule.put_back(first)
    assert schedule.next() == first


def test_a_job_survives_json(source: Source) -> None:
    parent = RunSpec(task="rte", seed=3)
    whole = Job("k", RunSpec(task="rte", init_from=parent), source, ("p",), keep_weights=True, retry=True)
    assert Job.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert replace(whole, retry=False) != whole
