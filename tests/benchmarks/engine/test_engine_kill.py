"""Killed at any moment, a run goes on and ends with the same bytes; so does a whole grid."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.store.store import Store

ROOT = Path(__file__).resolve().parents[3]


def python(script: str, *words: object, **options: Any) -> subprocess.Popen[str]:
    """Start a Python process in a separate session that imports the packages of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.Popen(command, env=environment, start_new_session=True, text=True, **options)


def contents(results: Path) -> dict[str, bytes]:
    """Every prediction file below a results folder, and every history without the lines that tell of a resume."""
    runs = results / "runs"
    found = {str(path.relative_to(runs)): path.read_bytes() for path in sorted(runs.rglob("*.parquet"))}
    for path in sorted(runs.rglob("history.jsonl")):
        lines = [line for line in path.read_text().splitlines() if '"resume"' not in line]
        found[str(path.relative_to(runs))] = "\n".join(lines).encode()
    return found


def resumes(results: Path) -> list[int]:
    """Return the updates after which runs were resumed."""
    lines = [line for path in (results / "runs").rglob("history.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line)["step"] for line in lines if '"resume"' in line]


# --- one run, killed before each of its file operations in turn ---

# A parent that has loaded everything and trained nothing forks a child for each attempt. The child dies by SIGKILL
# before its n-th operation on files; another one then does the run to its end.
SWEEP = """
import json, os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
import accelerate, transformers, safetensors.torch
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

model, data, results, moments = sys.argv[1:5]
spec = RunSpec(task="rte", method="smart", model=model, epochs=2, learning_rate=1e-3, max_steps=7)
job = make_job(spec, Source("local", Path(data)))
OPERATIONS = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}


def attempt(store, die_at):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    counter = [0]

    def hook(event, args):
        if event in OPERATIONS and (event != "open" or str(args[0]).startswith(results)):
            counter[0] += 1
            if counter[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    outcome = execute(job, store, checkpoint_steps=1)
    Path(results, "operations").write_text(str(counter[0]))
    os._exit(0 if outcome.state in ("done", "skipped") else 1)


def fresh(name):
    store = Store(Path(results) / name)
    store.prepare()
    return store


assert attempt(fresh("whole"), 0) == 0
operations = int(Path(results, "operations").read_text())
print("operations", operations, flush=True)
for moment in json.loads(moments):
    deaths = [int(share * operations) + 1 for share in moment]
    store = fresh("-".join(map(str, moment)))
    codes = [attempt(store, death) for death in deaths]
    codes.append(attempt(store, 0))
    print(json.dumps({"moment": moment, "deaths": deaths, "codes": codes}), flush=True)
"""


def sweep(model: Path, data: Path, results: Path, moments: list[tuple[float, ...]]) -> Iterator[dict[str, Any]]:
    """Kill at each of these moments (shares of a run's operations; several: the resumed run is killed too)."""
    results.mkdir()
    process = python(SWEEP, model, data, results, json.dumps(moments), stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=1500)
    first, *lines = output.splitlines()
    assert process.returncode == 0
    assert int(first.split()[1]) > 50
    whole = contents(results / "whole")
    assert len(whole) == 3
    for line, moment in zip(map(json.loads, lines), moments, strict=True):
        folder = results / "-".join(map(str, moment))
        assert line["codes"][0] == -signal.SIGKILL
        assert line["codes"][-1] == 0
        assert contents(folder) == whole, line
        Store(folder).sweep()  # as the next `run` does: a kill after publishing leaves the work folder
        assert not list((folder / "inflight").iterdir()), line
        yield {**line, "resumed": resumes(folder)}


def test_a_run_killed_before_any_file_operation_ends_with_the_same_bytes(
    little_bert: Path, glue: Path, tmp_path: Path
) -> None:
    rng = random.Random(0)
    moments = [(0.0,), (0.3,), (0.97,), (0.99,), (rng.random(), rng.random() / 2)]
    found = list(sweep(little_bert, glue, tmp_path / "results", moments))
    assert any(0 < step < 7 for each in found for step in each["resumed"])


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_the_same_at_twenty_moments_of_a_run_and_twice_in_a_row(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    moments: list[tuple[float, ...]] = [(i / 20,) for i in range(20)]
    moments += [(rng.random(), rng.random() / 2) for _ in range(4)]
    found = list(sweep(little_bert, glue, tmp_path / "results", moments))
    assert {step for each in found for step in each["resumed"]} == set(range(1, 7))


# --- a grid of worker processes, killed at random moments ---

GRID = """
import json, sys
from pathlib import Path
from benchmarks.engine import schedule as engine
from benchmarks.engine.plan import make_plan
from benchmarks.cli.display import Silent
from benchmarks.engine.local import LocalExecutor
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import method
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source

model, data, results, epochs = sys.argv[1:5]
experiment = compare(tasks=("rte", "cola"), methods=(method("vanilla"), method("smart")), seeds=(0,),
    settings={"model": model, "epochs": int(epochs), "batch_size": 1, "learning_rate": 1e-3})
store = Store(Path(results))
plan = make_plan(experiment, Source("local", Path(data)), store)
summary = engine.run(plan, store, LocalExecutor(2), Silent(), checkpoint={"checkpoint_steps": 1})
sys.exit(0 if make_plan(experiment, Source("local", Path(data)), store).counts()["done"] == 4 else 1)
"""


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill the parent and its workers, as the end of a batch job does."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def kill_parent(process: subprocess.Popen[str]) -> None:
    """Kill the parent alone: its workers must notice and end by themselves."""
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "workers outlived their parent"


def at_work(results: Path, since: float = 0.0) -> bool:
    """Whether some run has saved its state since then."""
    saved = 0.0
    for path in (results / "inflight").glob("*/attempt-*/checkpoint.pt"):
        with contextlib.suppress(FileNotFoundError):
            saved = max(saved, path.stat().st_mtime)
    return saved > since


def disturbed(words: tuple[object, ...], results: Path, kills: int, rng: random.Random) -> int:
    """Start the grid and kill it, in turn whole and the parent alone, up to so often; then let it end."""
    done = 0
    while done < kills:
        began, process = time.time(), python(GRID, *words)
        if rng.random() < 0.8:  # while runs are trained; else at any moment of the start
            until = time.monotonic() + 120
            while process.poll() is None and not at_work(results, began) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(2 * rng.random())
        else:
            time.sleep(8 * rng.random())
        if process.poll() is not None:
            break
        (kill_group if done % 2 else kill_parent)(process)
        done += 1
    assert python(GRID, *words).wait(timeout=900) == 0
    return done


KILLS = 6


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_grids_killed_at_six_random_moments_end_with_the_same_bytes(
    little_bert: Path, glue: Path, tmp_path: Path
) -> None:
    epochs, rng, kills, resumed = 8, random.Random(2), 0, []
    assert python(GRID, little_bert, glue, tmp_path / "whole", epochs).wait(timeout=900) == 0
    whole = contents(tmp_path / "whole")
    assert len(whole) == 4 * 3  # dev, holdout and history of four runs
    for number in range(KILLS):
        results = tmp_path / f"killed-{number}"
        kills += disturbed((little_bert, glue, results, epochs), results, KILLS - kills, rng)
        resumed += resumes(results)
        assert contents(results) == whole
        assert not list((results / "inflight").iterdir())
        if kills == KILLS:
            break
    print(f"{kills} kills in {number + 1} grids; resumed after updates {sorted(resumed)}")
    assert kills == KILLS
    assert len([step for step in resumed if step > 1]) >= 2


def test_workers_end_when_only_their_parent_is_killed(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = python(GRID, little_bert, glue, results, 200)
    until = time.monotonic() + 120
    while not at_work(results):
        assert process.poll() is None
        assert time.monotonic() < until, "no run began"
        time.sleep(0.1)
    kill_parent(process)
    assert not any((results / "runs").iterdir())
