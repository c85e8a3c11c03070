"""The Ray executor on one machine: the same results as the local one, deaths retried, failures reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.cli.display import Silent
from benchmarks.engine import schedule as engine
from benchmarks.engine.plan import make_plan
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import method
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ray = pytest.importorskip("ray", reason="the extra ray is not installed")

ROOT = Path(__file__).resolve().parents[3]

# imported by the Ray workers: a run of seed 1 dies with its worker the first time it trains, one of seed 2 raises
FAULTS = """
import os, signal
from pathlib import Path
from benchmarks.training import execute as run

original = run.train

def train(model, method, data, config, *, checkpoint, **options):
    once = Path(os.environ["FAULTS"]) / "died"
    if config.seed_order == 1 and checkpoint.path.exists() and not once.exists():
        once.touch()
    if config.seed_order == 2:
        raise RuntimeError("this run is not well")
    if config.seed_order == 1 and not once.exists():
        def due(step, real=checkpoint.due):
            if step == 6:
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return real(step)
        checkpoint.due = due
    return original(model, method, data, config, checkpoint=checkpoint, **options)

run.train = train
"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "engine_faults.py").write_text(FAULTS)
    yield folder
    ray.shutdown()


def experiment(little_bert: Path, seeds: tuple[int, ...], epochs: int = 4) -> Experiment:
    settings = {"model": str(little_bert), "epochs": epochs, "learning_rate": 1e-3}
    return compare(tasks=("rte",), methods=(method("smart"),), seeds=seeds, settings=settings)


def test_a_killed_worker_is_retried_a_raising_run_is_reported_and_the_rest_completes(
    little_bert: Path, glue: Path, tmp_path: Path, faults: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.engine.ray import RayExecutor

    monkeypatch.setenv("FAULTS", str(faults))
    monkeypatch.setenv("PYTHONPATH", str(faults))
    source, store = Source("local", glue), Store(tmp_path / "ray")
    plan = make_plan(experiment(little_bert, (0, 1, 2, 3)), source, store)
    summary = engine.run(
        plan, store, RayExecutor(), Silent(), plugins=("engine_faults",), checkpoint={"checkpoint_steps": 1}
    )
    outcomes = {plan.jobs[key].spec.seed: outcome for key, outcome in summary.outcomes.items()}
    assert (faults / "died").exists()
    assert {seed: outcome.state for seed, outcome in outcomes.items()} == {0: "done", 1: "done", 2: "failed", 3: "done"}
    assert outcomes[2].message == "RuntimeError: this run is not well"
    keys = {job.spec.seed: key for key, job in plan.jobs.items()}
    assert '{"event": "resume", "step": 5}' in (store.runs / keys[1] / "history.jsonl").read_text()
    local = Store(tmp_path / "local")
    local_plan = make_plan(experiment(little_bert, (1,)), source, local)
    local.prepare()
    from benchmarks.training.execute import execute

    execute(next(iter(local_plan.jobs.values())), local)
    for name in ("rte.dev.parquet", "rte.holdout.parquet"):
        files = [each.runs / keys[1] / "predictions" / name for each in (store, local)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_ctrl_c_lets_ray_tasks_save_their_state(little_bert: Path, glue: Path, tmp_path: Path, faults: Path) -> None:
    from benchmarks.engine.ray import RayExecutor

    source, store = Source("local", glue), Store(tmp_path / "results")
    wanted = experiment(little_bert, (0,), epochs=400)
    plan = make_plan(wanted, source, store)

    def interrupt() -> None:
        until = time.monotonic() + 120
        while not list(store.inflight.glob("*/attempt-*/history.jsonl")) and time.monotonic() < until:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    summary = engine.run(plan, store, RayExecutor(), Silent())
    thread.join()
    assert summary.interrupted
    assert [outcome.state for outcome in summary.outcomes.values()] == ["interrupted"]
    assert list(store.inflight.glob("*/attempt-*/checkpoint.pt"))


def test_nothing_of_ray_is_left_when_the_command_ends(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    """The command as docs/clusters.md has it, on a Ray of its own."""
    words = [
        "run",
        "compare",
        "--tasks",
        "rte",
        "--methods",
        "vanilla",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--model",
        str(little_bert),
        "--data-dir",
        str(glue),
        "--results",
        str(tmp_path / "results"),
        "--executor",
        "ray",
    ]
    before = raylets()
    script = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 runs done" in done.stdout
    until = time.monotonic() + 20
    while raylets() - before and time.monotonic() < until:
        time.sleep(0.5)
    assert not raylets() - before


def raylets() -> set[int]:
    """Process ids of Ray's daemons on this machine."""
    return {process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == "raylet"}
