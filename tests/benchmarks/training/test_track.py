"""``--track NAME``: what a tracker's own reader reads is what the histories hold; the runs know nothing of it."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainingArguments

from benchmarks.cli import app as cli
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training import tracking
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.tracking import check, tracked
from smart_repro.hf import MethodTrainer

Scalars = dict[tuple[str, int], float]
NAMES = {
    "loss": "loss",
    "lr": "learning_rate",
    "gradient_norm": "grad_norm",
    "task": "task",
    "smoothness": "smoothness",
    "bregman": "bregman",
}


def scalars(folder: Path) -> Scalars:
    """(tag, step) -> value of everything below the folder; a repeated step would be an error."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    points = [(tag, event.step, event.value) for tag in reader.Tags()["scalars"] for event in reader.Scalars(tag)]
    assert len({(tag, step) for tag, step, _ in points}) == len(points)
    return {(tag, step): value for tag, step, value in points}


def expected(history: Path, train: str = "train/", dev: str = "eval/") -> Iterator[tuple[tuple[str, int], float]]:
    for row in map(json.loads, history.read_text().splitlines()):
        if row.get("event") == "epoch":
            for metric, value in row["scores"]["rte"].get("dev", {}).items():  # after the last epoch
                yield (f"{dev}rte.dev_{metric}", row["step"]), value
        elif "event" not in row:
            yield from (
                ((f"{train}{tracker_name}", row["step"]), row[name])
                for name, tracker_name in NAMES.items()
                if name in row
            )


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
    folders = sorted(path for path in (results / "tensorboard").iterdir() if not path.name.startswith("."))
    assert [folder.name.rpartition(".")[0] for folder in folders] == ["rte_smart_seed_0", "rte_vanilla_seed_0"]
    for folder in folders:
        (run,) = (results / "runs").glob(f"{folder.name.rpartition('.')[2]}*")
        expected_points = dict(expected(run / "history.jsonl"))
        points = scalars(folder)
        assert {tag for tag, _ in expected_points} >= {
            "train/loss",
            "train/learning_rate",
            "train/task",
            "eval/rte.dev_accuracy",
        }
        assert ("train/bregman" in {tag for tag, _ in expected_points}) == ("smart" in folder.name)
        assert {place: points[place] for place in expected_points} == pytest.approx(expected_points, rel=1e-6)
        assert not [path for path in run.rglob("*") if "tfevents" in path.name]


def wandb_records(content: bytes) -> Iterator[Any]:
    """Yield the messages of an offline file, by W&B's own message types; wandb 0.31 reads these files in Go only.

    A file is a log of LevelDB's: a header of 7 bytes, then blocks of 32 KiB of records (checksum, length, kind).
    """
    from wandb.proto.wandb_internal_pb2 import Record

    place, parts = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        if place + 7 + length > len(content):
            return  # is being written
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            yield Record.FromString(parts)
            parts = b""


def wandb_scalars(folder: Path) -> Scalars:
    """(key, step) -> value of the offline file, once W&B's own process has written its end."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    until, records, points = time.monotonic() + 60, list[Any](), Scalars()
    while not records or records[-1].WhichOneof("record_type") != "exit":
        assert time.monotonic() < until, "the file has no end"
        time.sleep(0.1)
        records = list(wandb_records(file.read_bytes()))
    for record in records:
        values = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
        for name, value in values.items():
            if not name.startswith("_"):
                assert (name, int(values["_step"])) not in points
                points[name, int(values["_step"])] = float(value)
    return points


def mlflow_scalars(folder: Path) -> Scalars:
    from mlflow import MlflowClient

    client = MlflowClient(tracking.mlflow_store(folder))
    experiment = client.get_experiment_by_name(tracking.PROJECT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["batch_size"] == "4"
    entries = [entry for name in run.data.metrics for entry in client.get_metric_history(run.info.run_id, name)]
    points = {(entry.key, entry.step): entry.value for entry in entries}
    assert len(points) == len(entries)
    return points


@pytest.mark.parametrize(
    ("tracker", "read", "prefixes"),
    [
        ("tensorboard", lambda folder: scalars(next(folder.glob("rte*"))), ("train/", "eval/")),
        pytest.param("wandb", wandb_scalars, ("train/", "eval/"), marks=pytest.mark.slow),
        pytest.param("mlflow", mlflow_scalars, ("", "eval_"), marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_is_followed_without_gap_or_repetition(
    tracker: str,
    read: Callable[[Path], Scalars],
    prefixes: tuple[str, str],
    little_bert: Path,
    glue: Path,
    tmp_path: Path,
) -> None:
    pytest.importorskip(tracker, reason=f"the extra {tracker} is not installed")
    store = Store(tmp_path / "results")
    store.prepare()
    spec = RunSpec(task="rte", model=str(little_bert), epochs=4, batch_size=4)
    job = make_job(spec, Source("local", glue))
    events: list[dict[str, Any]] = []
    with tracked(tracker, store, job, events.append) as report:
        outcome = execute(job, store, report=report, should_stop=lambda: bool(events), checkpoint_steps=7)
    assert outcome.state == "interrupted"
    part = read(store.root / tracker)
    with tracked(tracker, store, job, events.append) as report:
        assert execute(job, store, report=report).state == "done"
    whole = read(store.root / tracker)
    expected_points = dict(expected(store.runs / job.key / "history.jsonl", *prefixes))
    assert {place: whole[place] for place in expected_points} == pytest.approx(expected_points, rel=1e-6)
    assert 0 < len(part) < len(whole)
    assert part.items() <= whole.items()


def test_a_tracker_that_fails_ends_the_tracking_and_not_the_run(
    little_bert: Path, glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("no space left\non device")

    monkeypatch.setitem(tracking._OPENERS, "tensorboard", broken)
    store = Store(tmp_path / "results")
    store.prepare()
    job = make_job(RunSpec(task="rte", model=str(little_bert), max_steps=2), Source("local", glue))
    with tracked("tensorboard", store, job, lambda event: None) as report:
        assert execute(job, store, report=report).state == "done"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "tracked" in line]
    assert line == f"{job.spec.title} is not tracked any further, but goes on: tensorboard: no space left on device"


def test_the_trainers_own_callback_writes_the_same_names(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(little_bert)
    rows = [{**tokenizer("the dog sees a cat ."), "labels": number % 2} for number in range(8)]
    arguments = TrainingArguments(
        str(tmp_path / "trainer"),
        max_steps=2,
        logging_steps=1,
        eval_strategy="epoch",
        per_device_train_batch_size=4,
        report_to=["tensorboard"],
        use_cpu=True,
        save_strategy="no",
    )
    data = Dataset.from_list(rows)
    model = AutoModelForSequenceClassification.from_pretrained(little_bert)
    MethodTrainer(
        model,
        arguments,
        method="smart",
        train_dataset=data,
        eval_dataset={"rte.dev": data},
        processing_class=tokenizer,
        compute_metrics=lambda output: {"accuracy": float(np.mean(output.predictions.argmax(1) == output.label_ids))},
    ).train()
    trainer_names = set()
    for file in tmp_path.rglob("*tfevents*"):
        reader = EventAccumulator(str(file.parent))
        reader.Reload()
        trainer_names |= set(reader.Tags()["scalars"])
    row = {"step": 1, "loss": 1.0, "lr": 1e-3, "gradient_norm": 1.0, "task": 0.5, "smoothness": 0.1, "bregman": 0.1}
    epoch = {"event": "epoch", "step": 1, "scores": {"rte": {"dev": {"accuracy": 0.5}}}}
    from transformers.integrations.integration_utils import rewrite_logs

    suite_names = {name for line in (row, epoch) for name in rewrite_logs(dict(tracking.scalars(line)))}
    assert suite_names <= trainer_names


def test_a_tracker_that_is_not_there_is_named_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    check("")
    check("tensorboard")
    with pytest.raises(UsageError, match="--track comet: no such tracker; give tensorboard, wandb, mlflow"):
        check("comet")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the package tensorboard: pip install 'smart-repro\[tensorboard\]'"):
        check("tensorboard")
