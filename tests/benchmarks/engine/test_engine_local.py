"""The local pool: where workers go, and what happens when they die."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from benchmarks.cli.display import Silent
from benchmarks.engine import local, machine
from benchmarks.engine import schedule as engine
from benchmarks.engine.executor import RETRIES
from benchmarks.engine.local import LocalExecutor
from benchmarks.engine.machine import Gpu, worker_environment, workers_per_gpu
from benchmarks.engine.plan import make_plan
from benchmarks.engine.schedule import Summary
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import RunSpec, method
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.job import Job

GIB = 2.0**30


def jobs(count: int, threads: int = 1) -> list[Job]:
    return [Job(f"k{i}", RunSpec(task="rte", seed=i, threads=threads), Source("generated")) for i in range(count)]


def places(monkeypatch: pytest.MonkeyPatch, gpus: list[Gpu], cores: int, executor: LocalExecutor, count: int) -> list:
    monkeypatch.setattr(local, "gpus", lambda: gpus)
    monkeypatch.setattr(machine, "usable_cores", lambda: cores)
    return executor.places(jobs(count))


def test_a_gpu_takes_as_many_runs_as_fit_into_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 64)
    assert workers_per_gpu(Gpu("0", 80 * GIB), 3 * GIB, 1) == int(80 * 0.9 / 3.6)
    assert workers_per_gpu(Gpu("0", 8 * GIB), 30 * GIB, 1) == 1, "it is tried at least"
    assert workers_per_gpu(Gpu("0", 80 * GIB), 0.0, 1) == 1, "nothing is known of the memory it needs"
    monkeypatch.setattr(machine, "usable_cores", lambda: 16)
    assert workers_per_gpu(Gpu("0", 80 * GIB), 0.1 * GIB, 4) == 4, "each run needs a core"


def test_workers_keep_their_memory_unless_the_user_has_a_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setenv("MALLOC_TOP_PAD_", "0")
    monkeypatch.setenv("PYTHONPATH", "mine")
    found = worker_environment()
    assert (found["MALLOC_TRIM_THRESHOLD_"], found["MALLOC_TOP_PAD_"]) == ("1073741824", "0")
    root = str(Path(machine.__file__).resolve().parents[2])
    assert found["PYTHONPATH"].split(os.pathsep) == [root, "mine"], "a worker has the packages of its parent"


def test_workers_are_dealt_to_all_gpus_before_any_gets_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    unequal = [Gpu("0", 8 * GIB), Gpu("1", 4 * GIB)]
    executor = LocalExecutor(None, memory=2 * GIB)
    assert places(monkeypatch, unequal, 64, executor, 10) == ["0", "1", "0"]
    assert places(monkeypatch, unequal, 64, executor, 2) == ["0", "1"]
    assert places(monkeypatch, unequal, 64, LocalExecutor(5, 2 * GIB), 10) == ["0", "1", "0", "0", "1"]


def test_on_a_cpu_there_is_a_worker_per_core_and_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert places(monkeypatch, [], 8, LocalExecutor(), 20) == [None] * 8
    assert places(monkeypatch, [], 8, LocalExecutor(), 3) == [None] * 3
    assert places(monkeypatch, [], 8, LocalExecutor(2), 20) == [None] * 2
    assert LocalExecutor().places(jobs(20, threads=4)) == [None] * 2
    assert LocalExecutor().parallel([]) == 0


def test_on_a_cpu_no_more_workers_than_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_memory", lambda: 10 * GIB)
    assert places(monkeypatch, [], 8, LocalExecutor(None, memory=2 * GIB), 20) == [None] * 4  # 10 % are left alone
    assert places(monkeypatch, [], 8, LocalExecutor(6, memory=2 * GIB), 20) == [None] * 6, "the user's word counts"
    assert places(monkeypatch, [], 8, LocalExecutor(None, memory=20 * GIB), 20) == [None], "it is tried at least"


def test_a_containers_limits_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    free = psutil.virtual_memory().available
    assert machine.usable_memory() == pytest.approx(free, rel=0.5), "no limit"
    (tmp_path / "memory.current").write_text("3000000\n")
    (tmp_path / "memory.stat").write_text("anon 2000000\ninactive_file 400000\nactive_file 500000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.usable_memory() == pytest.approx(free, rel=0.5)
    (tmp_path / "memory.max").write_text("5000000\n")
    assert machine.usable_memory() == 2_400_000, "files in the cache make room"
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # of joblib, which also reads affinity and quotas
    assert machine.usable_cores() == 1


# --- real workers that die ---

# imported by the workers: a run of seed 1 takes its worker with it, always or only the first time
DEADLY = """
import os, signal
from pathlib import Path
from benchmarks.training import execute as run

original = run.train
mark = Path(os.environ["DEADLY"])

def train(model, method, data, config, **options):
    if config.seed_order == 1 and (os.environ["HOW"] == "always" or not mark.exists()):
        mark.open("a").write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return original(model, method, data, config, **options)

run.train = train
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["once", "always"])
def test_a_run_whose_worker_dies_is_tried_again_and_at_last_counts_as_crashed(
    little_bert: Path, glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEADLY", str(tmp_path / "mark"))
    monkeypatch.setenv("HOW", how)
    store, source = Store(tmp_path / "results"), Source("local", glue)
    settings = {"model": str(little_bert), "epochs": 1, "learning_rate": 1e-3}
    wanted = compare(tasks=("rte",), methods=(method("vanilla"),), seeds=(0, 1, 2), settings=settings)

    def run() -> tuple[dict[int, str], Summary]:
        plan = make_plan(wanted, source, store)
        summary = engine.run(plan, store, LocalExecutor(2), Silent(), plugins=("deadly",))
        return {plan.jobs[key].spec.seed: outcome.state for key, outcome in summary.outcomes.items()}, summary

    states, summary = run()
    deaths = len((tmp_path / "mark").read_text())
    if how == "once":
        assert states == {0: "done", 1: "done", 2: "done"}
        assert deaths == 1
        return
    assert states == {0: "done", 1: "failed", 2: "done"}
    assert deaths == RETRIES + 1
    assert "its worker died 3 times (exit status -9" in summary.of("failed")[0].message
    assert [s.detail[:5] for s in make_plan(wanted, source, store).states.values() if s.state == "failed"] == ["crash"]
    monkeypatch.setenv("HOW", "once")
    assert run()[0] == {1: "done"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_that_cannot_start_end_the_command(
    little_bert: Path, glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not each of ten thousand runs is to be tried with workers that die at once."""
    store, source = Store(tmp_path / "results"), Source("local", glue)
    wanted = compare(
        tasks=("rte",), methods=(method("vanilla"),), seeds=tuple(range(50)), settings={"model": str(little_bert)}
    )
    plan = make_plan(wanted, source, store)
    with pytest.raises(RuntimeError, match="the workers cannot start"):
        engine.run(plan, store, LocalExecutor(1), Silent(), plugins=("no_such_module",))
    assert not store.done_keys()
