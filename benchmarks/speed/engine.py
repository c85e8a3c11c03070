"""Time the engine.

``python -m benchmarks.speed.engine plan overhead grid workers kills --model FOLDER --data-dir FOLDER``.

- ``plan``: plan and status over 10,000 runs (warm functions)
- ``overhead``: what the store adds to a run
- ``grid``: 10,000 runs that do nothing, through the executor (``--executor ray`` too); counts what was done twice
- ``workers``: 20 equal small runs with one worker and with two, alternating; the ratio of their times
- ``kills``: a small grid killed ``--kills`` times at random moments against an undisturbed one, byte for byte

Without ``--model`` and ``--data-dir``: the demonstration's model and generated data.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cli.display import Silent
from benchmarks.engine import schedule as engine
from benchmarks.engine.choose import make_executor
from benchmarks.engine.plan import make_plan
from benchmarks.engine.status import status
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.planning.compare import compare
from benchmarks.spec import method
from benchmarks.store.files import write_json
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source

# a plug-in that workers import: their runs then train nothing and only record that they were done
NOTHING = """
import os
from benchmarks.training import execute as run
from benchmarks.store.files import write_json

def nothing(job, store, folder, checkpoint, report, should_stop):
    descriptor = os.open(os.environ["DONE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{job.key}\\n".encode())
    os.close(descriptor)
    timing = {"updates": 0, "predictions": 0}
    write_json(folder / "result.json", {"key": job.key, "scores": {}, "timing": timing})

run.train_and_record = nothing
"""


def main() -> None:
    """Do the requested parts and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=sorted(PARTS))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--executor", default="local", choices=["local", "ray"])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8, help="of the runs of `workers` and `kills`")
    options = parser.parse_args()
    if options.data_dir:
        options.data_dir = options.data_dir.resolve()
    if Path(options.model).is_dir():
        options.model = str(Path(options.model).resolve())
    home = Path.cwd()
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
            os.chdir(folder)  # the folder of the plug-in
            try:
                print(json.dumps({"part": part, **PARTS[part](options, Path(folder))}), flush=True)
            finally:
                os.chdir(home)


def plan(options: Any, folder: Path) -> dict[str, Any]:
    """Time planning and status over many runs."""
    store, experiment, source = Store(folder / "results"), grid(options, options.runs), source_of(options)
    store.prepare()
    small = grid(options, 2)
    make_plan(small, source, store)  # reads the data
    cpu = time.process_time()
    planned, first = timed(lambda: make_plan(experiment, source, store))
    cpu = time.process_time() - cpu
    for number, key in enumerate(planned.jobs):
        if number % 2:
            (store.runs / key).mkdir()
    store.write_manifest(experiment.manifest(planned.cells, {}))
    _, half_done = timed(lambda: make_plan(experiment, source, store))
    _, status_seconds = timed(lambda: status(store.root))
    return {
        "runs": len(planned.jobs),
        "plan_s": first,
        "plan_cpu_s": cpu,
        "plan_half_done_s": half_done,
        "status_s": status_seconds,
    }


def overhead(options: Any, folder: Path) -> dict[str, Any]:
    """Time the store's work for one run: lease, attempt, publication."""
    store = Store(folder / "results")
    store.prepare()
    seconds = [timed(partial(_publish, store, f"run{i}"))[1] for i in range(200)]
    return {"runs": 200, "mean_ms": 1000 * statistics.fmean(seconds), "median_ms": 1000 * statistics.median(seconds)}


def _publish(store: Store, key: str) -> None:
    lease = store.take(key)
    assert lease is not None
    attempt = store.attempt(lease)
    (attempt / "predictions").mkdir()
    for name in ("spec.json", "environment.json", "result.json"):
        write_json(attempt / name, {"key": key, "content": "x" * 2000})
    (attempt / "history.jsonl").write_text("".join(f'{{"step": {step}, "loss": 0.5}}\n' for step in range(1, 700)))
    for name in ("predictions/a.parquet", "predictions/b.parquet"):
        rows = range(700)
        columns = {
            "id": [f"dev-{row}" for row in rows],
            "epoch": [1] * 700,
            "label": [0] * 700,
            "prediction": [1] * 700,
        }
        pq.write_table(pa.table({**columns, "logit_0": [row / 7 for row in rows]}), attempt / name)
    store.publish(lease, attempt)


def nothing(options: Any, folder: Path) -> dict[str, Any]:
    """Time many runs that do nothing, and count lost and repeated ones."""
    (folder / "do_nothing.py").write_text(NOTHING)
    os.environ["DONE_LOG"] = str(folder / "done.log")
    store, experiment, source = Store(folder / "results"), grid(options, options.runs), source_of(options)
    executor = make_executor(options.executor, None, 0.0)
    planned = make_plan(experiment, source, store)
    summary, seconds = timed(lambda: engine.run(planned, store, executor, Silent(), plugins=("do_nothing",)))
    done = Counter((folder / "done.log").read_text().split())
    return {
        "executor": options.executor,
        "runs": len(planned.jobs),
        "seconds": seconds,
        "done": len(summary.of("done")),
        "lost": len(set(planned.jobs) - store.done_keys()),
        "twice": sum(count > 1 for count in done.values()),
        "left_in_flight": len(list(store.inflight.iterdir())),
    }


def workers(options: Any, folder: Path) -> dict[str, Any]:
    """Time 20 equal runs with one worker and with two, alternating."""
    source, experiment = source_of(options), grid(options, 20, epochs=options.epochs)
    times: dict[int, list[float]] = {1: [], 2: []}
    for number in range(options.rounds):
        for count in (1, 2) if number % 2 == 0 else (2, 1):
            store = Store(folder / f"{number}-{count}")
            planned = make_plan(experiment, source, store)
            executor = make_executor("local", count, 0.0)
            summary, seconds = timed(partial(engine.run, planned, store, executor, Silent()))
            assert len(summary.of("done")) == 20
            times[count].append(seconds)
    ratios = [two / one for one, two in zip(times[1], times[2], strict=True)]
    return {"one_s": times[1], "two_s": times[2], "ratios": ratios, "ratio": statistics.median(ratios)}


def kills(options: Any, folder: Path) -> dict[str, Any]:
    """Kill a small grid at random moments and compare its predictions with those of an uninterrupted one."""
    rng, done, resumed, grids = random.Random(0), 0, list[int](), 0
    _child(options, folder / "whole").wait()
    expected_predictions = _predictions(folder / "whole")
    assert expected_predictions
    while done < options.kills:
        results, grids = folder / f"killed-{grids}", grids + 1
        while done < options.kills:
            began, process = time.time(), _child(options, results)
            while process.poll() is None and not _saved_since(results, began):
                time.sleep(0.05)
            time.sleep(2 * rng.random())
            if process.poll() is not None:
                break
            _kill(process, workers_too=bool(done % 2))
            done += 1
        assert _child(options, results).wait() == 0
        assert _predictions(results) == expected_predictions, f"grid {grids} differs"
        lines = [line for path in results.glob("runs/*/history.jsonl") for line in path.read_text().splitlines()]
        resumed += [json.loads(line)["step"] for line in lines if '"resume"' in line]
    in_mid_run = sum(step > 1 for step in resumed)
    return {"kills": done, "grids": grids, "resumed": len(resumed), "in_mid_run": in_mid_run, "different": 0}


def _child(options: Any, results: Path) -> subprocess.Popen[bytes]:
    """Start the grid in a separate process, which has workers."""
    settings = json.dumps({"model": options.model, "data_dir": str(options.data_dir or ""), "epochs": options.epochs})
    home = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": home}
    script = "import sys; from benchmarks.speed.engine import small_grid; small_grid(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", script, settings, str(results)], env=environment)


def small_grid(settings: str, results: str) -> None:
    """Do four runs with two workers and save their state after every update."""
    values = json.loads(settings)
    options = argparse.Namespace(**{**values, "data_dir": Path(values["data_dir"]) if values["data_dir"] else None})
    store = Store(Path(results))
    planned = make_plan(grid(options, 4, epochs=options.epochs), source_of(options), store)
    engine.run(planned, store, make_executor("local", 2, 0.0), Silent(), checkpoint={"checkpoint_steps": 1})


def _saved_since(results: Path, since: float) -> bool:
    """Return whether a run has saved its state since then, so that it is being trained."""
    for path in results.glob("inflight/*/attempt-*/checkpoint.pt"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime > since:
                return True
    return False


def _kill(process: subprocess.Popen[bytes], *, workers_too: bool) -> None:
    family = psutil.Process(process.pid).children(recursive=True)
    for member in family if workers_too else []:
        member.kill()
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, "workers outlived their parent"


def _predictions(results: Path) -> dict[str, bytes]:
    return {str(path.relative_to(results)): path.read_bytes() for path in results.glob("runs/*/predictions/*.parquet")}


def grid(options: Any, runs: int, epochs: int = 1) -> Experiment:
    """Return an experiment of so many runs of two methods on one task."""
    settings = {"model": options.model, "epochs": epochs, "learning_rate": 1e-3, "batch_size": 4}
    task = "rte" if options.data_dir else "demo-rte"
    methods = (method("vanilla"), method("smart"))
    return compare(tasks=(task,), methods=methods, seeds=tuple(range(runs // 2)), settings=settings)


def source_of(options: Any) -> Source:
    """Return the source of the grid's examples."""
    return Source("local", options.data_dir) if options.data_dir else Source("generated")


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Call ``action``; return its result and the seconds it took."""
    began = time.perf_counter()
    result = action()
    return result, time.perf_counter() - began


PARTS: dict[str, Callable[[Any, Path], dict[str, Any]]] = {
    "plan": plan,
    "overhead": overhead,
    "grid": nothing,
    "workers": workers,
    "kills": kills,
}

if __name__ == "__main__":
    main()
