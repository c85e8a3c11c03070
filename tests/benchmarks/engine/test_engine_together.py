"""Several processes on one results folder: every run is done exactly once, and who lost a run publishes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]


def python(script: str, *words: object, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start a Python process that imports the packages of this checkout, with pipes for input and output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], env=environment, cwd=cwd, text=True, **pipes
    )


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def start_together(processes: list[subprocess.Popen[str]]) -> None:
    """Give the word to go when all have loaded what they need."""
    assert [read(process) for process in processes] == ["ready"] * len(processes)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


# --- the store alone, without any training ---

TAKE_ALL = """
import json, os, random, sys
from pathlib import Path
from benchmarks.store.store import Store

store, log = Store(Path(sys.argv[1])), sys.argv[2]
keys = [f"run{i}" for i in range(150)]
random.Random(sys.argv[3]).shuffle(keys)
print("ready", flush=True)
sys.stdin.readline()
for key in keys:
    lease = None if store.is_done(key) else store.take(key)
    if lease is None:
        continue
    attempt = store.attempt(lease)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{key}\\n".encode())
    os.close(descriptor)
    (attempt / "result.json").write_text(json.dumps({"by": os.getpid()}))
    store.publish(lease, attempt)
"""


@pytest.mark.parametrize("orders", [["a", "a"], ["a", "a", "b", "c"]])
def test_processes_at_once_do_every_run_exactly_once(tmp_path: Path, orders: list[str]) -> None:
    """Two in the same order meet at every run; four in any order meet anywhere."""
    store, log = Store(tmp_path / "results"), tmp_path / "log"
    store.prepare()
    together = [python(TAKE_ALL, store.root, log, order) for order in orders]
    start_together(together)
    for process in together:
        process.communicate(timeout=120)
    assert [process.returncode for process in together] == [0] * len(orders)
    assert Counter(log.read_text().split()) == {f"run{i}": 1 for i in range(150)}
    assert store.done_keys() == {f"run{i}" for i in range(150)}
    assert not list(store.inflight.iterdir())
    workers = {(store.runs / key / "result.json").read_text() for key in store.done_keys()}
    assert len(workers) > 1, "one of them did it all: they were not at work together"


# An owner on "this" machine, and a taker that looks at it from another one: it can only watch the heartbeat.
OWNER = """
import sys
from pathlib import Path
from benchmarks.store import leases
from benchmarks.store.store import Store

leases.HEARTBEAT = 0.1
store = Store(Path(sys.argv[1]))
lease = store.take("k")
attempt = store.attempt(lease)
(attempt / "result.json").write_text('{"by": "owner"}')
print("ready", flush=True)
sys.stdin.readline()
try:
    store.publish(lease, attempt)
    print("published")
except leases.LeaseLostError as error:
    print(type(error).__name__)
"""

TAKER = """
import sys, time
from pathlib import Path
from benchmarks.store import leases
from benchmarks.store.store import Store

here = leases.this_process()
leases.this_process = lambda: {**here, "host": "another"}
leases.PATIENCE = 1.0
store = Store(Path(sys.argv[1]))
until = time.monotonic() + float(sys.argv[2])
while (lease := store.take("k")) is None and time.monotonic() < until:
    time.sleep(0.1)
print("nothing" if lease is None else "taken", flush=True)
if lease:
    attempt = store.attempt(lease)
    (attempt / "result.json").write_text('{"by": "taker"}')
    sys.stdin.readline()
    store.publish(lease, attempt)
    print("published")
"""


def go_on(process: subprocess.Popen[str]) -> str:
    return process.communicate("go\n", timeout=30)[0].strip()


@pytest.mark.parametrize("wakes", ["after the new owner has published", "while the new owner is at work"])
def test_a_stopped_owner_that_wakes_after_its_run_was_taken_publishes_nothing(tmp_path: Path, wakes: str) -> None:
    store = Store(tmp_path)
    store.prepare()
    owner = python(OWNER, tmp_path)
    assert read(owner) == "ready"
    os.kill(owner.pid, signal.SIGSTOP)
    taker = python(TAKER, tmp_path, 60)
    assert read(taker) == "taken"
    if wakes.startswith("after"):
        assert go_on(taker) == "published"
    os.kill(owner.pid, signal.SIGCONT)
    assert go_on(owner) == "LeaseLostError"
    if wakes.startswith("while"):
        assert go_on(taker) == "published"
    assert (store.runs / "k" / "result.json").read_text() == '{"by": "taker"}'
    assert not list(store.inflight.iterdir())


def test_an_owner_whose_heart_beats_keeps_its_run_from_another_machine(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    owner = python(OWNER, tmp_path)
    assert read(owner) == "ready"
    taker = python(TAKER, tmp_path, 4)
    assert read(taker) == "nothing"
    assert go_on(owner) == "published"
    taker.communicate(timeout=30)


# --- whole grids ---

GRID = """
import sys
from pathlib import Path
from benchmarks.engine import schedule as engine
from benchmarks.engine.plan import make_plan
from benchmarks.cli.display import Silent
from benchmarks.engine.local import LocalExecutor
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import method
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source

model, data, results = sys.argv[1:4]
experiment = compare(tasks=("rte", "cola"), methods=(method("vanilla"), method("smart")), seeds=(0, 1),
    settings={"model": model, "epochs": 3, "batch_size": 4, "learning_rate": 1e-3})
store, source = Store(Path(results)), Source("local", Path(data))
plan = make_plan(experiment, source, store)
print("ready", flush=True)
sys.stdin.readline()
engine.run(plan, store, LocalExecutor(1), Silent(), plugins=("count_runs",))
print(make_plan(experiment, source, store).counts()["done"])
"""

# imported by every worker: writes down who trains what
COUNT_RUNS = """
import os
from benchmarks.training import execute as run

original = run.train_and_record

def counted(job, *args, **options):
    descriptor = os.open("trained.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{job.key} {os.getpid()}\\n".encode())
    os.close(descriptor)
    return original(job, *args, **options)

run.train_and_record = counted
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("commands", [2, 4])
def test_run_commands_at_once_train_every_run_exactly_once(
    little_bert: Path, glue: Path, tmp_path: Path, commands: int
) -> None:
    """Each command ends only when all runs are done, whoever did them."""
    (tmp_path / "count_runs.py").write_text(COUNT_RUNS)
    together = [python(GRID, little_bert, glue, tmp_path / "results", cwd=tmp_path) for _ in range(commands)]
    start_together(together)
    assert [process.communicate(timeout=600)[0].strip() for process in together] == ["8"] * commands
    lines = [line.split() for line in (tmp_path / "trained.log").read_text().splitlines()]
    assert Counter(Counter(key for key, _ in lines).values()) == {1: 8}
    assert len({worker for _, worker in lines}) > 1, "one worker did it all: they were not at work together"
    results = [json.loads(path.read_text()) for path in (tmp_path / "results" / "runs").glob("*/result.json")]
    assert len({result["key"] for result in results}) == 8
    assert not list((tmp_path / "results" / "inflight").iterdir())
