"""What a power cut or a bad disk leaves of a run: it goes on with its whole record, or starts anew and says why."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.integrity import VERIFIED, inspect
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks.sources import Source
from benchmarks.training import execute as execution
from benchmarks.training.execute import execute
from benchmarks.training.job import Job, make_job
from benchmarks.training.recorder import Recorder
from smart_repro.checkpoint import Checkpoint

STOP = 7  # of 8 updates; the first epoch ends with the fourth


@pytest.fixture(scope="module")
def job(little_bert: Path, glue: Path) -> Job:
    spec = RunSpec(task="rte", method="vanilla", model=str(little_bert), epochs=2, learning_rate=1e-3)
    return make_job(spec, Source("local", glue))


def contents(store: Store, key: str) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Predictions, and the history without the notes of resuming and starting anew."""
    folder = store.runs / key
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    predictions = {path.name: path.read_bytes() for path in (folder / "predictions").iterdir()}
    return predictions, [row for row in rows if row.get("event") not in ("resume", "restart")]


def notes(store: Store, key: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (store.runs / key / "history.jsonl").read_text().splitlines()]
    return [row for row in rows if row.get("event") in ("resume", "restart")]


@pytest.fixture(scope="module")
def whole(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    store = Store(tmp_path_factory.mktemp("whole"))
    assert execute(job, store).state == "done"
    return contents(store, job.key)


@pytest.fixture(scope="module")
def stopped(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a results folder with the run stopped after update 7."""
    store, calls = Store(tmp_path_factory.mktemp("stopped")), iter(range(1, 100))
    assert execute(job, store, should_stop=lambda: next(calls) == STOP).state == "interrupted"
    return store.root


@pytest.fixture
def store(stopped: Path, tmp_path: Path) -> Store:
    """Return a copy of it that may be damaged."""
    shutil.copytree(stopped, tmp_path / "results")
    return Store(tmp_path / "results")


def work(store: Store) -> Path:
    (attempt,) = store.inflight.glob("*/attempt-*")
    return attempt


def test_what_is_whole_is_gone_on_from(job: Job, store: Store, whole: object) -> None:
    assert execute(job, store).state == "done"
    assert contents(store, job.key) == whole
    assert notes(store, job.key) == [{"event": "resume", "step": STOP}]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def garble_a_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\xff\x00" + lines[2][2:], *lines[3:]]))


def change_a_number(path: Path) -> None:
    first, second, *lines = path.read_text().splitlines(keepends=True)
    row = json.loads(second)
    path.write_text("".join([first, json.dumps({**row, "loss": 10 * row["loss"]}) + "\n", *lines]))


def change_an_answer(path: Path) -> None:
    table = pq.read_table(path)
    answers = table["prediction"].to_numpy().copy()
    answers[0] = 1 - answers[0]
    pq.write_table(table.set_column(table.column_names.index("prediction"), "prediction", pa.array(answers)), path)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("history.jsonl", change_a_number, "the history before the checkpoint is not what was written"),
        ("epochs/rte.dev.1.parquet", change_an_answer, "rte.dev.1.parquet are not what was written"),
        ("history.jsonl", empty, "0 of the 7 updates"),
        ("history.jsonl", halve, "of the 7 updates"),
        ("history.jsonl", garble_a_line, "6 of the 7 updates"),
        ("history.jsonl", Path.unlink, "0 of the 7 updates"),
        ("epochs/rte.dev.1.parquet", empty, "rte.dev.1.parquet"),
        ("epochs/rte.dev.1.parquet", halve, "rte.dev.1.parquet"),
        ("epochs/rte.dev.1.parquet", Path.unlink, "rte.dev.1.parquet"),
        ("checkpoint.pt", empty, "no digest"),
        ("checkpoint.pt", halve, "no digest"),
        ("checkpoint.pt", flip_a_bit, "does not match its digest"),
    ],
)
def test_a_run_that_lost_a_part_starts_anew_and_says_why(
    job: Job, store: Store, whole: object, name: str, damage: Callable[[Path], None], reason: str
) -> None:
    damage(work(store) / name)
    assert execute(job, store).state == "done"
    assert contents(store, job.key) == whole
    (note,) = notes(store, job.key)
    assert (note["event"], note["step"]) == ("restart", 0)
    assert reason in note["reason"]


def test_a_history_cut_anywhere_loses_nothing(job: Job, store: Store, whole: object, tmp_path: Path) -> None:
    """Cut within what the checkpoint counts on, the run starts anew; the last line's end alone is no loss."""
    content, rng = (work(store) / "history.jsonl").read_bytes(), random.Random(0)
    for number, cut in enumerate([*(rng.randrange(len(content)) for _ in range(4)), len(content) - 1]):
        again = Store(tmp_path / str(number))
        shutil.copytree(store.root, again.root)
        (work(again) / "history.jsonl").write_bytes(content[:cut])
        assert execute(job, again).state == "done"
        assert contents(again, job.key) == whole, cut
        assert [note["event"] for note in notes(again, job.key)] == (
            ["resume"] if cut == len(content) - 1 else ["restart"]
        )


def test_the_note_stays_when_a_run_started_anew_is_stopped_again(job: Job, store: Store, whole: object) -> None:
    empty(work(store) / "checkpoint.pt")
    calls = iter(range(1, 100))
    assert execute(job, store, should_stop=lambda: next(calls) == 5).state == "interrupted"
    assert execute(job, store).state == "done"
    assert contents(store, job.key) == whole
    assert [(note["event"], note["step"]) for note in notes(store, job.key)] == [("restart", 0), ("resume", 5)]


class PowerCutError(Exception):
    """Stands for it."""


def test_a_power_cut_between_log_and_checkpoint_loses_nothing(
    job: Job, tmp_path: Path, whole: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, calls = Store(tmp_path), []
    make_durable = Recorder.make_durable

    def cut(recorder: Recorder) -> None:
        make_durable(recorder)
        calls.append(recorder.step)
        if recorder.step == 5:
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "make_durable", cut)
        assert execute(job, store, checkpoint_steps=1).state == "failed"
    assert calls == [1, 2, 3, 4, 5]
    assert execute(replace(job, retry=True), store).state == "done"
    assert contents(store, job.key) == whole
    assert notes(store, job.key) == [{"event": "resume", "step": 4}]


def test_a_run_whose_record_vanished_while_it_trained_is_not_done(job: Job, store: Store) -> None:
    def remove(event: dict[str, Any]) -> None:
        empty(work(store) / "history.jsonl")

    outcome = execute(job, store, report=remove)
    assert outcome.state == "failed"
    assert "of the 8 updates" in outcome.message
    assert not store.is_done(job.key)


@pytest.mark.parametrize(
    ("name", "damage"), [("history.jsonl", change_a_number), ("epochs/rte.dev.1.parquet", change_an_answer)]
)
def test_a_run_whose_record_changed_while_it_trained_is_not_done(
    job: Job, store: Store, name: str, damage: Callable[[Path], None]
) -> None:
    outcome = execute(job, store, report=lambda event: damage(work(store) / name))
    assert outcome.state == "failed"
    assert "not what was written: give the command again to record it anew" in outcome.message
    assert not store.is_done(job.key)


def test_a_checkpoint_of_a_version_without_digests_of_the_record_is_used(job: Job, store: Store, whole: object) -> None:
    checkpoint = Checkpoint(work(store) / "checkpoint.pt")
    state = checkpoint.load()
    assert state is not None
    del state["reports"]
    checkpoint.save(state)
    assert execute(job, store).state == "done"
    assert contents(store, job.key) == whole
    assert notes(store, job.key) == [{"event": "resume", "step": STOP}]


def test_a_result_cut_short_is_made_again(job: Job, store: Store, whole: object) -> None:
    (work(store) / "result.json").write_text("")
    assert execute(job, store).state == "done"
    assert contents(store, job.key) == whole


# --- recorded to its end, and killed before it was published ---


@pytest.fixture(scope="module")
def unpublished(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a results folder with the attempt recorded and sealed, with a checkpoint before its last update."""
    store = Store(tmp_path_factory.mktemp("unpublished"))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            execute(job, store, checkpoint_steps=1)
    return store.root


def test_a_recorded_attempt_is_published_without_training(
    job: Job, unpublished: Path, whole: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(unpublished, tmp_path / "results")
    monkeypatch.setattr(execution, "train", lambda *_, **__: pytest.fail("it trained again"))
    store = Store(tmp_path / "results")
    assert execute(job, store).state == "done"
    assert contents(store, job.key) == whole


def keep_the_first_epoch(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows // 2), path)


def raise_the_score(path: Path) -> None:
    result = json.loads(path.read_text())
    result["scores"]["rte"]["dev"]["accuracy"] = 0.999
    path.write_text(json.dumps(result))


def copy_beside(path: Path) -> None:
    shutil.copy(path, path.with_name("rte.test.parquet"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("predictions", shutil.rmtree),
        ("predictions/rte.dev.parquet", Path.unlink),
        ("predictions/rte.dev.parquet", halve),
        ("predictions/rte.dev.parquet", keep_the_first_epoch),
        ("predictions/rte.dev.parquet", copy_beside),
        ("history.jsonl", halve),
        ("result.json", raise_the_score),
        ("environment.json", Path.unlink),
        ("integrity.json", Path.unlink),
    ],
)
def test_a_recorded_attempt_that_was_damaged_is_trained_again(
    job: Job, unpublished: Path, whole: object, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(unpublished, tmp_path / "results")
    store = Store(tmp_path / "results")
    damage(work(store) / name)
    outcome = execute(job, store)
    assert outcome.state == "done", outcome.message
    assert contents(store, job.key) == whole
    assert inspect(store.runs / job.key).state == VERIFIED
    assert json.loads((store.runs / job.key / "result.json").read_text())["scores"] == outcome.scores
