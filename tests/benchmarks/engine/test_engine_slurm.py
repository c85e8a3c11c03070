"""The SLURM executor with submitit's processes on this machine: preempted and killed tasks, the same results."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("submitit", reason="the extra slurm is not installed")

from benchmarks.cli.display import Silent
from benchmarks.engine import schedule as engine
from benchmarks.engine import slurm
from benchmarks.engine.choose import Cluster, make_executor
from benchmarks.engine.executor import Settings
from benchmarks.engine.plan import make_plan
from benchmarks.engine.slurm import SlurmExecutor
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import method
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute


def experiment(little_bert: Path, seeds: tuple[int, ...], epochs: int) -> Experiment:
    settings = {"model": str(little_bert), "epochs": epochs, "learning_rate": 1e-3}
    return compare(tasks=("rte",), methods=(method("smart"),), seeds=seeds, settings=settings)


def is_task(process: psutil.Process) -> bool:
    try:
        return "submitit.core._submit" in process.cmdline()
    except psutil.Error:  # it has ended
        return False


def task_at_work(store: Store) -> psutil.Process | None:
    """Return the process of a task whose run has made ten updates; None before."""
    histories = [path for path in store.inflight.glob("*/attempt-*/history.jsonl") if path.read_text().count("\n") > 10]
    running = [process for process in psutil.Process().children(recursive=True) if is_task(process)]
    return running[0] if histories and running else None


def hit(store: Store, number: signal.Signals, count: int = 1) -> threading.Thread:
    """Send the task at work a signal as soon as there is one, so many times in all, each to another process."""

    def wait() -> None:
        until, process_ids = time.monotonic() + 150, set[int]()
        while len(process_ids) < count and time.monotonic() < until:
            process = task_at_work(store)
            if process is not None and process.pid not in process_ids:
                process_ids.add(process.pid)
                process.send_signal(number)
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGKILL], ids=["preempted", "killed"])
def test_a_task_that_is_cut_off_goes_on_bit_for_bit(
    number: signal.Signals, little_bert: Path, glue: Path, tmp_path: Path
) -> None:
    source, store = Source("local", glue), Store(tmp_path / "slurm")
    plan = make_plan(experiment(little_bert, (0,), epochs=15), source, store)
    (key,) = plan.jobs
    thread = hit(store, number)
    executor = SlurmExecutor(cluster="local")
    # a killed task left its last state behind; a preempted one writes it when the signal comes
    steps = {"checkpoint_steps": 5} if number == signal.SIGKILL else {"checkpoint_seconds": 0}
    summary = engine.run(plan, store, executor, Silent(), checkpoint=steps)
    thread.join()
    assert [outcome.state for outcome in summary.outcomes.values()] == ["done"]
    history = (store.runs / key / "history.jsonl").read_text()
    assert history.count('"event": "resume"') == 1
    straight = Store(tmp_path / "straight")
    straight.prepare()
    execute(plan.jobs[key], straight)
    for name in ("rte.dev.parquet", "rte.holdout.parquet"):
        files = [results.runs / key / "predictions" / name for results in (store, straight)]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_a_task_does_its_share_and_stops_on_request(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    """Three runs in an array of two: one fails to be done, one is asked to stop; the rest is left."""
    source, store = Source("local", glue), Store(tmp_path / "results")
    plan = make_plan(experiment(little_bert, (0, 1, 2), epochs=400), source, store)
    store.prepare()
    events = SlurmExecutor(array=2, cluster="local").execute(
        list(plan.jobs.values()), Settings(store.root), lambda: task_at_work(store) is not None
    )
    states = [event.outcome.state for event in events]
    assert states == ["interrupted"] * 3
    assert 1 <= len(list(store.inflight.glob("*/attempt-*/checkpoint.pt"))) <= 2


class _Task:
    """A submitted task as submitit shows it, with an end of the test's choice."""

    def __init__(self, share: slurm.Share, error: Exception | None = None) -> None:
        self.share, self.error = share, error

    def done(self) -> bool:
        return True

    def exception(self) -> Exception | None:
        return self.error

    def result(self) -> list[dict[str, Any]]:
        return [{"key": job["key"], "state": "done"} for job in self.share.jobs]


class _Cluster:
    """Ends every task at once; of the job with the key ``bad`` by its death."""

    def __init__(self, bad: str) -> None:
        self.bad, self.sizes = bad, list[list[int]]()

    def submit_array(self, shares: list[slurm.Share]) -> list[_Task]:
        self.sizes.append([len(share.jobs) for share in shares])
        lost = RuntimeError("Traceback\n  something\nslurmstepd: oom-kill event")
        return [_Task(s, lost if any(job["key"] == self.bad for job in s.jobs) else None) for s in shares]


def test_shares_are_even_and_a_task_that_keeps_dying_is_a_crash(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    plan = make_plan(experiment(little_bert, (0, 1, 2, 3, 4), epochs=1), Source("local", glue), store)
    store.prepare()
    bad = list(plan.jobs)[3]
    cluster = _Cluster(bad)
    tasks = slurm.Tasks(list(plan.jobs.values()), Settings(store.root), tmp_path / "slurm", cluster, array=4)
    outcomes = {}
    while tasks.at_work():
        outcomes |= {event.job.key: event.outcome for event in tasks.step()}
    assert cluster.sizes == [[2, 1, 1, 1], [1], [1]]
    assert [outcomes[key].state for key in plan.jobs] == ["done", "done", "done", "failed", "done"]
    assert outcomes[bad].message == "its task died 3 times: slurmstepd: oom-kill event"
    assert store.states([bad])[bad].state == "failed"


def test_settings_reach_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By submitit's own writer of batch files, with stand-ins for SLURM's commands on the path."""
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    cluster = Cluster(partition="gpu", minutes=90, array=50, sbatch={"account": "me", "gpus_per_node": 1})
    executor = make_executor("slurm", 7, 4 * 2.0**30, cluster)
    assert isinstance(executor, SlurmExecutor)
    assert executor.parallel([None] * 60) == 7  # type: ignore[list-item]
    submitit_executor = executor.submitit_executor(tmp_path / "work", 2)
    text = submitit_executor._executor._make_submission_file_text("true", "id")
    settings = dict(
        line.removeprefix("#SBATCH --").split("=", 1)
        for line in text.splitlines()
        if "#SBATCH --" in line and "=" in line
    )
    expected = {
        "partition": "gpu",
        "time": "90",
        "account": "me",
        "gpus-per-node": "1",
        "cpus-per-task": "2",
        "mem": "5GB",
    }
    assert {name: settings[name] for name in expected} == expected
    assert settings["signal"] == "USR2@90"
    make_executor("slurm", None, 0.0, cluster, is_used=True)
    with pytest.raises(UsageError, match=r"--executor slurm: .*colour"):
        make_executor("slurm", None, 0.0, Cluster(sbatch={"colour": "red"}), is_used=True)


def test_without_slurm_and_with_another_executors_options_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match='--executor slurm: Could not detect "srun"'):
        make_executor("slurm", None, 0.0, is_used=True)
    assert make_executor("slurm", None, 0.0).parallel([]) == 0  # a plan can be made anywhere
    with pytest.raises(UsageError, match="--partition is for --executor slurm"):
        make_executor("ray", None, 0.0, Cluster(partition="gpu"))
    with pytest.raises(UsageError, match="--executor sge: no such executor; give local, ray, slurm"):
        make_executor("sge", None, 0.0)
