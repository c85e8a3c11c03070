"""``--track tensorboard``: the event files hold what the histories hold, and the runs know nothing of it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.cli import app as cli
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.tracking import check, folder_name, tracked


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """(tag, step) -> value of everything below the folder; a repeated step would be an error."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    found = [(tag, event.step, event.value) for tag in reader.Tags()["scalars"] for event in reader.Scalars(tag)]
    assert len({(tag, step) for tag, step, _ in found}) == len(found)
    return {(tag, step): value for tag, step, value in found}


def expected(history: Path) -> Iterator[tuple[tuple[str, int], float]]:
    for row in map(json.loads, history.read_text().splitlines()):
        if row.get("event") == "epoch":
            for metric, value in row["scores"]["rte"].get("dev", {}).items():  # after the last epoch
                yield (f"dev/rte {metric}", row["step"]), value
        elif "event" not in row:
            for name in ("loss", "lr", "task", "smoothness", "bregman", "gradient_norm"):
                if name in row:
                    yield (f"train/{name}", row["step"]), row[name]


def test_worker_processes_write_what_the_history_has(
    little_bert: Path, glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    words = [
        "run",
        "compare",
        "--tasks",
        "rte",
        "--methods",
        "vanilla,smart",
        "--seeds",
        "1",
        "--epochs",
        "2",
        "--model",
        str(little_bert),
        "--data-dir",
        str(glue),
        "--results",
        str(results),
        "--workers",
        "2",
        "--track",
        "tensorboard",
    ]
    monkeypatch.setattr(sys, "argv", ["smart-repro", *words])
    assert cli.run_command(sys.argv[1:]) == 0
    assert f"tensorboard --logdir {results / 'tensorboard'}" in capfd.readouterr().err
    folders = sorted((results / "tensorboard").iterdir())
    assert [folder.name.rpartition(".")[0] for folder in folders] == ["rte_smart_seed_0", "rte_vanilla_seed_0"]
    for folder in folders:
        (run,) = (results / "runs").glob(f"{folder.name.rpartition('.')[2]}*")
        wanted = dict(expected(run / "history.jsonl"))
        found = scalars(folder)
        assert {tag for tag, _ in wanted} >= {"train/loss", "train/lr", "train/task", "dev/rte accuracy"}
        assert ("train/bregman" in {tag for tag, _ in wanted}) == ("smart" in folder.name)
        assert {place: found[place] for place in wanted} == pytest.approx(wanted, rel=1e-6)
        assert not [path for path in run.rglob("*") if "tfevents" in path.name]


def test_an_interrupted_run_is_followed_without_gap_or_repetition(
    little_bert: Path, glue: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    spec = RunSpec(task="rte", model=str(little_bert), epochs=4, batch_size=4)
    job = make_job(spec, Source("local", glue))
    seen: list[dict[str, Any]] = []
    with tracked("tensorboard", store, job, seen.append) as report:
        outcome = execute(job, store, report=report, should_stop=lambda: bool(seen), checkpoint_steps=7)
    assert outcome.state == "interrupted"
    part = scalars(store.root / "tensorboard" / folder_name(job))
    with tracked("tensorboard", store, job, seen.append) as report:
        assert execute(job, store, report=report).state == "done"
    whole = scalars(store.root / "tensorboard" / folder_name(job))
    wanted = dict(expected(store.runs / job.key / "history.jsonl"))
    assert {place: whole[place] for place in wanted} == pytest.approx(wanted, rel=1e-6)
    assert 0 < len(part) < len(whole)
    assert part.items() <= whole.items()


def test_a_tracker_that_is_not_there_is_named_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    check("")
    check("tensorboard")
    with pytest.raises(UsageError, match="--track wandb: no such tracker; give tensorboard"):
        check("wandb")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the package tensorboard: pip install 'smart-repro\[tensorboard\]'"):
        check("tensorboard")
