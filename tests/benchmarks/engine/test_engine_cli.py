"""The engine's verbs and options on the command line: runs, status --watch, plan --calibrate, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from stored_runs import reseal

from analysis.integrity import key_of
from analysis.schema import Manifest
from benchmarks.cli import app as cli
from benchmarks.engine import forecast as estimate
from benchmarks.engine import schedule as engine
from benchmarks.engine.forecast import Timings
from benchmarks.engine.plan import make_plan
from benchmarks.engine.timing import timed
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from smart_repro.numerics import NUMERICS

ROOT = Path(__file__).resolve().parents[3]


class Shell:
    """Runs ``smart-repro`` in this process and keeps what it printed."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = patch, capture

    def __call__(self, *words: object) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["smart-repro", *map(str, words)])
        self._capture.readouterr()
        code = cli.run_command(sys.argv[1:])
        printed = self._capture.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def results(little_bert: Path, glue: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """Make a results folder with three finished runs: two seeds, and one of another method."""
    store = Store(tmp_path / "results")
    store.prepare()
    spec = RunSpec(task="rte", model=str(little_bert), epochs=1, learning_rate=1e-3, max_steps=2)
    jobs = [
        make_job(each, Source("local", glue)) for each in (spec, replace(spec, seed=1), replace(spec, method="smart"))
    ]
    for job in jobs:
        assert execute(job, store).state == "done"
    return store.root, [job.key for job in jobs]


# --- runs ---


def test_runs_are_listed_and_chosen_by_what_they_are(shell: Shell, results: tuple[Path, list[str]]) -> None:
    root, keys = results
    code, out, _ = shell("runs", "list", "--results", root, "--json")
    assert code == 0
    rows = {row["key"]: row for row in json.loads(out)}
    assert set(rows) == set(keys)
    assert (rows[keys[1]]["seed"], rows[keys[2]]["method"], rows[keys[0]]["weights"]) == (1, "smart", "-")
    assert re.fullmatch(r"accuracy \d+\.\d", rows[keys[0]]["score"])
    _, out, _ = shell("runs", "list", "--results", root, "--json", "--only", "method=vanilla", "--only", "seed=1")
    assert [row["key"] for row in json.loads(out)] == [keys[1]]
    code, out, err = shell("runs", "list", "--results", root)
    assert all(key in out for key in keys)
    assert "3 finished runs, 0 others" in err


def test_a_run_is_shown_by_the_beginning_of_its_key(shell: Shell, results: tuple[Path, list[str]]) -> None:
    root, keys = results
    code, out, _ = shell("runs", "show", keys[0][:12], "--results", root)
    assert (code, out.split(":")[0]) == (0, f"Run {keys[0]}")
    code, out, _ = shell("runs", "show", keys[0][:12], "--json", "--results", root)
    assert (code, json.loads(out)["result"]["key"]) == (0, keys[0])
    lease = Store(root).take("f" * 32)
    assert lease is not None
    Store(root).fail(lease, "crash", "out of memory")
    _, out, _ = shell("runs", "show", "ffff", "--json", "--results", root)
    assert (json.loads(out)["state"], json.loads(out)["message"]) == ("failed", "out of memory")


def test_two_runs_are_compared(shell: Shell, results: tuple[Path, list[str]]) -> None:
    root, keys = results
    code, out, _ = shell("runs", "compare", keys[0], keys[2], "--results", root)
    assert code == 1
    assert "  method: vanilla | smart" in out
    assert "environment: the same" in out
    assert "predictions differ: rte.dev.parquet" in out
    code, out, _ = shell("runs", "compare", keys[0], keys[0], "--results", root)
    assert code == 0
    assert "predictions: the same, byte for byte" in out


def test_a_rerun_says_whether_a_run_reproduces(shell: Shell, results: tuple[Path, list[str]], glue: Path) -> None:
    root, keys = results
    words = ("runs", "rerun", keys[2], "--results", root, "--data-dir", glue)
    code, out, err = shell(*words)
    assert code == 0, err
    assert out.strip() == f"{keys[2]} is reproduced, byte for byte"
    path = root / "runs" / keys[2] / "predictions" / "rte.dev.parquet"
    frame = pd.read_parquet(path)
    frame["logit_0"] += 1e-3
    frame.to_parquet(path)
    code, out, err = shell(*words)
    assert (code, out) == (2, "")
    assert "predictions/rte.dev.parquet is not what integrity.json says" in err
    reseal(root / "runs" / keys[2])
    code, out, _ = shell(*words)
    assert code == 1
    assert out.splitlines() == [f"{keys[2]} differs in rte.dev.parquet", "scores: the same", "environment: the same"]
    about = root / "runs" / keys[2] / "environment.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "device": "cuda", "device_name": "NVIDIA H200"}))
    reseal(root / "runs" / keys[2])
    code, out, _ = shell(*words)
    assert "  device: cuda | cpu" in out.splitlines()
    assert pd.read_parquet(path).equals(frame)
    assert not list((root / "inflight").iterdir())


def test_a_rerun_of_a_run_with_other_numerics_compares_scores_alone(
    shell: Shell, results: tuple[Path, list[str]], glue: Path
) -> None:
    root, keys = results
    folder, other = root / "runs" / keys[2], NUMERICS + 1
    content = json.loads((folder / "spec.json").read_text())
    content |= {"numerics": other, "identity": {**content["identity"], "numerics": other}}
    content["key"] = key = key_of(content["identity"])
    (folder / "spec.json").write_text(json.dumps(content))
    folder = folder.rename(root / "runs" / key)
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "key": key}))
    path = folder / "predictions" / "rte.dev.parquet"
    frame = pd.read_parquet(path)
    frame["logit_0"] += 1e-3
    frame.to_parquet(path)
    reseal(folder)
    words = ("runs", "rerun", key, "--results", root, "--data-dir", glue)
    code, out, err = shell(*words)
    assert code == 0, err
    assert out.splitlines() == [f"{key}: made with numerics {other}; only scores are compared", "scores: the same"]
    code, _, err = shell(*words, "--keep-weights")
    assert code == 2
    assert f"was made with numerics {other}, which this version cannot repeat bit for bit" in err
    result = json.loads((folder / "result.json").read_text())
    result["scores"]["rte"]["dev"]["accuracy"] += 0.25
    (folder / "result.json").write_text(json.dumps(result))
    reseal(folder)
    code, out, _ = shell(*words)
    assert code == 1
    assert "  rte.dev.accuracy: " in out


def test_removing_asks_and_needs_a_yes(shell: Shell, results: tuple[Path, list[str]]) -> None:
    root, keys = results
    code, _, err = shell("runs", "remove", keys[0], "--results", root)
    assert code == 2
    assert "nothing was removed" in err
    assert Store(root).is_done(keys[0])
    code, _, _ = shell("runs", "remove", keys[0], keys[1], "--results", root, "--yes")
    assert code == 0
    assert Store(root).done_keys() == {keys[2]}


def test_a_run_at_work_is_not_removed(shell: Shell, results: tuple[Path, list[str]]) -> None:
    root, _ = results
    lease = Store(root).take("f" * 32)
    assert lease is not None
    code, _, err = shell("runs", "remove", "f" * 32, "--results", root, "--yes")
    assert code == 2
    assert "is being worked on" in err
    lease.release()
    assert shell("runs", "remove", "f" * 32, "--results", root, "--yes")[0] == 0
    assert not list((root / "inflight").iterdir())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["list", "--results", "nowhere"], "there are no runs in nowhere"),
        (["show", "zzz"], "no run begins with 'zzz'"),
        (["show", ""], "3 runs begin with ''"),
        (["remove", "zzz", "--yes"], "no run begins with 'zzz'"),
        (["list", "--only", "task"], "expected COLUMN=VALUE"),
        (["unpack", "missing.tar.gz"], "there is no file"),
        (["rerun", "KEY", "--data-dir", "nowhere"], "nowhere"),
        (["compare", "KEY", "zzz"], "no run begins with 'zzz'"),
    ],
)
def test_wrong_requests_are_one_clear_line(
    shell: Shell, results: tuple[Path, list[str]], words: list[str], complaint: str
) -> None:
    root, keys = results
    words = [keys[0] if word == "KEY" else word for word in words]
    where = [] if "--results" in words else ["--results", str(root)]
    code, _, err = shell("runs", *words, *where)
    assert code == 2
    assert complaint in err
    assert len(err.strip().splitlines()) == 1


# --- other executors and options ---


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--executor", "sge"], "no such executor; give local, ray, slurm"),
        (["--address", "auto"], "--address is for --executor ray"),
        (["--set", "init_from=0123"], "init_from must be the key of a finished run"),
    ],
)
def test_wrong_options_of_run_are_one_clear_line(
    shell: Shell, little_bert: Path, glue: Path, tmp_path: Path, options: list[str], complaint: str
) -> None:
    words = ["run", "compare", "--tasks", "rte", "--methods", "vanilla", "--model", str(little_bert)]
    code, _, err = shell(*words, "--data-dir", glue, "--results", tmp_path / "results", *options)
    assert code == 2
    assert complaint in err
    assert not (tmp_path / "results" / "runs").exists()


def test_without_ray_the_remedy_is_named(
    shell: Shell, little_bert: Path, glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "benchmarks.engine.ray", raising=False)
    words = ["run", "compare", "--tasks", "rte", "--methods", "vanilla", "--model", str(little_bert)]
    code, _, err = shell(*words, "--data-dir", glue, "--results", tmp_path / "r", "--executor", "ray")
    assert code == 2
    assert "pip install 'smart-repro[ray]'" in err


def test_status_is_shown_anew_while_something_runs(
    shell: Shell, results: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, keys = results
    store = Store(root)
    cells = {"row": {"rte": (keys[0], "f" * 32)}}
    store.write_manifest(Manifest("mine", "Mine", rows=(), columns=(), seeds=(0, 1), cells=cells, grid="g"))
    lease = store.take("f" * 32)
    assert lease is not None
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: (naps.append(seconds), lease.release()))
    code, out, _ = shell("status", "--watch", "--results", root)
    assert code == 0
    assert naps == [2.0]
    assert [line for line in out.splitlines() if line.startswith("mine")] == [
        "mine: 2 runs: 1 done, 1 running   (Mine)",
        "mine: 2 runs: 1 done, 1 to do   (Mine)",
    ]


# --- plans and forecasts ---


def test_a_plan_knows_the_time_from_finished_runs(shell: Shell, little_bert: Path, glue: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    words = [
        "plan",
        "compare",
        "--tasks",
        "rte",
        "--methods",
        "vanilla",
        "--seeds",
        "4",
        "--model",
        str(little_bert),
        "--data-dir",
        str(glue),
        "--results",
        str(store.root),
        "--workers",
        "2",
    ]
    _, out, _ = shell(*words)
    assert "nothing was timed here of vanilla on rte; add --calibrate" in out
    _, out, _ = shell(*words, "--json")
    plan = json.loads(out)
    assert plan["forecast"]["seconds"] is None
    spec = make_plan(*wanted(words), store).jobs[plan["keys"]["vanilla|rte|0"]]
    taken = {
        "preparation": 1.0,
        "training": 30.0,
        "updates": 10.0,
        "evaluation": 8.0,
        "predictions": 4.0,
        "memory": 2e9,
    }
    estimate.record(store, spec, replace(execute_nothing(spec.key), timing=taken))
    _, out, _ = shell(*words, "--json")
    forecast = json.loads(out)["forecast"]
    updates = plan["updates"] / 4
    each = 1.0 + updates * 3.0 + 48 * 2.0  # preparation, 3 s an update, 2 s for each predicted example
    assert forecast["seconds"] == pytest.approx(estimate.STARTUP + 4 * each / 2)
    assert forecast["memory"] == 2e9
    (store.root / "timings.jsonl").open("a").write('{"machine": "cut o')
    assert shell(*words)[0] == 0


def wanted(words: list[str]) -> tuple[object, Source]:
    """Return the experiment and the source that these words request."""
    from benchmarks.experiments.planning.request import Request

    options = dict(zip(words[2::2], words[3::2], strict=True))
    request = Request(
        name="compare",
        tasks=options["--tasks"],
        methods=options["--methods"],
        seeds=options["--seeds"],
        model=options["--model"],
        data_dir=Path(options["--data-dir"]),
    )
    experiment = request.experiment()
    return experiment, request.where(experiment)


def execute_nothing(key: str) -> engine.Outcome:
    return engine.Outcome(key, "done")


def test_another_methods_time_is_scaled_by_its_cost(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    store, source = Store(tmp_path), Source("local", glue)
    spec = RunSpec(task="rte", model=str(little_bert))
    taken = {"preparation": 1.0, "training": 3.0, "updates": 1.0, "evaluation": 2.0, "predictions": 1.0, "memory": 1.0}
    estimate.record(store, make_job(spec, source), replace(execute_nothing("k"), timing=taken))
    known = Timings.read(store)
    plain, smart = known.of(replace(spec, seed=7)), known.of(replace(spec, method="smart"))
    assert plain is not None
    assert smart is not None
    assert (plain.update, smart.update, smart.prediction) == (3.0, 9.0, 2.0)
    assert known.of(replace(spec, task="cola")) is None


def test_timing_a_few_updates_keeps_nothing(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    spec = RunSpec(task="rte", model=str(little_bert), epochs=9, batch_size=4)
    outcome = timed(make_job(spec, Source("local", glue)))
    assert outcome.state == "timed"
    assert outcome.timing is not None
    assert all(outcome.timing[name] > 0 for name in ("preparation", "training", "evaluation", "memory"))
    assert outcome.timing["training"] < 1.0  # one update of a very small model
    assert not list(tmp_path.iterdir())


# --- with real workers ---


def start(words: list[str]) -> subprocess.Popen[str]:
    script = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", script, *words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def long_grid(little_bert: Path, glue: Path, results: Path) -> list[str]:
    return [
        "compare",
        "--tasks",
        "rte",
        "--methods",
        "vanilla",
        "--seeds",
        "2",
        "--epochs",
        "60",
        "--model",
        str(little_bert),
        "--data-dir",
        str(glue),
        "--results",
        str(results),
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_the_runs_and_says_how_to_go_on(
    little_bert: Path, glue: Path, tmp_path: Path, number: signal.Signals
) -> None:
    results = tmp_path / "results"
    words = long_grid(little_bert, glue, results)
    words[words.index("60")] = "2000"
    process = start(["run", *words])
    until = time.monotonic() + 120
    while not list(results.glob("inflight/*/attempt-*/history.jsonl")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out.count("stopping: each run finishes its update") == 1
    assert " left" not in out
    assert "Interrupted; finished work is kept. Go on with:\n  smart-repro run compare" in err
    saved = list(results.glob("inflight/*/attempt-*/checkpoint.pt"))
    assert saved
    assert not list((results / "runs").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_calibrated_plan_gives_a_time_and_the_run_says_how_far_off_it_was(
    little_bert: Path, glue: Path, tmp_path: Path
) -> None:
    words = long_grid(little_bert, glue, tmp_path / "results")
    process = start(["plan", *words, "--calibrate"])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Timed a few updates of each of 1 kinds of run" in err
    assert re.search(r"Takes about \d+ s on this machine, \d at a time", out)
    assert not list((tmp_path / "results" / "runs").iterdir())
    process = start(["run", *words])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert re.search(r"2 runs done in \d+ s, 0 were done before; \d+ s were expected \([+-]\d+ %\)", out)
