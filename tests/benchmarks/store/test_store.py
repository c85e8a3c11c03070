"""The run store: whole folders or none, one owner at a time, the first finisher wins."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from stored_runs import stored_run

from benchmarks.errors import UsageError
from benchmarks.store import leases
from benchmarks.store.leases import Heartbeats, LeaseLostError, acquire, alive
from benchmarks.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    made.prepare()
    return made


def test_a_run_folder_appears_whole_and_the_work_folder_goes(store: Store) -> None:
    lease = store.take("k")
    assert lease is not None
    attempt = store.attempt(lease)
    (attempt / "result.json").write_text("{}")
    assert not store.is_done("k")
    store.publish(lease, attempt)
    assert store.is_done("k")
    assert {path.name for path in (store.runs / "k").iterdir()} == {"result.json", "integrity.json"}
    assert not (store.inflight / "k").exists()


def test_a_living_owner_keeps_others_out(store: Store) -> None:
    assert store.take("k") is not None
    assert store.take("k") is None
    assert store.states(["k"])["k"].state == "running"


def test_two_hundred_threads_give_one_owner(store: Store) -> None:
    owners = []
    threads = [
        threading.Thread(target=lambda: owners.append(acquire(store.inflight / "k", store.heartbeats)))
        for _ in range(200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(owner is not None for owner in owners) == 1


def test_a_work_folder_that_goes_while_it_is_being_made_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process made it before us and, its run done, removed it before we looked."""
    mkdir, met = os.mkdir, []

    def taken_once(path: str | Path, *rest: Any) -> None:
        if Path(path).name == "k" and not met:
            met.append(path)
            raise FileExistsError(path)
        mkdir(path, *rest)

    monkeypatch.setattr(os, "mkdir", taken_once)
    lease = acquire(store.inflight / "k", store.heartbeats)
    assert met
    assert lease is not None
    assert alive(lease.path, store.heartbeats)
    lease.release()


def test_what_a_dead_process_left_is_taken_over_and_resumed(store: Store) -> None:
    script = (
        "from benchmarks.store.store import Store; from pathlib import Path; import os\n"
        f"store = Store(Path({str(store.root)!r})); lease = store.take('k'); attempt = store.attempt(lease)\n"
        "(attempt / 'checkpoint.pt').write_text('saved'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3])
    assert store.states(["k"])["k"].state == "todo"
    lease = store.take("k")
    assert lease is not None
    assert lease.number == 2
    assert (store.attempt(lease) / "checkpoint.pt").read_text() == "saved"


def test_an_owner_that_slept_through_a_takeover_publishes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = store.take("k")
    assert sleeper is not None
    stale = store.attempt(sleeper)
    (stale / "result.json").write_text('{"by": "sleeper"}')
    monkeypatch.setattr(
        leases, "alive", lambda path, heartbeats: False
    )  # as seen from a machine on which the sleeper looks dead
    second = store.take("k")
    assert second is not None
    with pytest.raises(LeaseLostError):
        sleeper.check()
    second.release()
    with pytest.raises(LeaseLostError):
        store.publish(sleeper, stale)
    assert not store.is_done("k")


def test_the_first_finisher_wins(store: Store) -> None:
    lease = store.take("k")
    assert lease is not None
    attempt = store.attempt(lease)
    (attempt / "result.json").write_text('{"by": "second"}')
    (store.runs / "k").mkdir()
    (store.runs / "k" / "result.json").write_text("first")
    store.publish(lease, attempt)
    assert (store.runs / "k" / "result.json").read_text() == "first"
    assert not (store.inflight / "k").exists()


def test_a_lease_of_another_host_dies_when_its_heartbeat_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lease-1.json"
    content = {"host": "elsewhere", "boot": "x", "pid": 1, "started": 0.0, "heartbeat": 4}
    path.write_text(json.dumps(content))
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    heartbeats = Heartbeats()
    assert alive(path, heartbeats)
    clock[0] += leases.PATIENCE - 1
    assert alive(path, heartbeats)
    path.write_text(json.dumps({**content, "heartbeat": 5}))
    clock[0] += leases.PATIENCE - 1
    assert alive(path, heartbeats)
    clock[0] += leases.PATIENCE + 1
    assert not alive(path, heartbeats)
    assert alive(path, Heartbeats())  # another observer has not waited yet


def test_a_process_id_used_again_is_not_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "lease-1.json"
    owner = {**leases.this_process(), "heartbeat": 0}
    path.write_text(json.dumps(owner))
    assert alive(path, Heartbeats())
    path.write_text(json.dumps({**owner, "started": 1.0, "ticks": 1 if owner["ticks"] else None}))
    assert not alive(path, Heartbeats())


def test_without_start_ticks_the_time_of_the_start_tells_owners_apart(tmp_path: Path) -> None:
    path = tmp_path / "lease-1.json"
    owner = leases.this_process()
    del owner["ticks"]  # as before ticks were recorded
    path.write_text(json.dumps({**owner, "heartbeat": 0}))
    assert alive(path, Heartbeats())
    path.write_text(json.dumps({**owner, "heartbeat": 0, "started": 1.0}))
    assert not alive(path, Heartbeats())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_an_owner_lives_on_when_the_clock_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lease-1.json"
    path.write_text(json.dumps({**leases.this_process(), "heartbeat": 0}))
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600)
    assert alive(path, Heartbeats())


def test_a_failure_is_kept_with_its_reason(store: Store) -> None:
    lease = store.take("k")
    assert lease is not None
    store.attempt(lease)
    store.fail(lease, "non-finite", "the loss is nan")
    state = store.states(["k"])["k"]
    assert (state.state, state.detail) == ("failed", "non-finite: the loss is nan")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        Store(blocker / "results").prepare()
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir()
        locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(UsageError, match="Permission denied"):
            Store(locked / "results").prepare()


@pytest.mark.parametrize("name", ["runs", "weights"])
def test_a_folder_on_another_disk_is_refused_before_training(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rename, other = os.rename, store.root / name
    other.mkdir(exist_ok=True)

    def within_a_disk(source: Path, target: Path) -> None:
        if (Path(source).parent == other) != (Path(target).parent == other):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target)

    monkeypatch.setattr(os, "rename", within_a_disk)
    with pytest.raises(UsageError, match=f"{name} is on another disk than .*inflight"):
        store.prepare()
    assert not list(store.inflight.iterdir())


# --- damage ---


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, '{"host": 1}', b"\xff\xfe"])
def test_a_damaged_lease_is_nobodys(store: Store, content: str | bytes) -> None:
    lease = store.take("k")
    assert lease is not None
    assert lease.is_held
    lease.path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert not lease.is_held
    assert store.states(["k"])["k"].state == "todo"
    second = store.take("k")
    assert second is not None
    assert second.number == 2
    second.release()
    store.remove("k")
    assert not (store.inflight / "k").exists()


def test_a_lease_with_any_flipped_bit_is_nobodys_or_says_the_same(store: Store) -> None:
    lease = store.take("k")
    assert lease is not None
    before = lease.path.read_bytes()
    for number in range(0, 8 * len(before), 7):
        changed = bytearray(before)
        changed[number // 8] ^= 1 << number % 8
        lease.path.write_bytes(changed)
        owner = leases.holder(store.inflight / "k", store.heartbeats)
        assert owner is None or {name: owner.get(name) for name in lease.identity} == lease.identity
    lease.path.write_bytes(before)
    assert lease.is_held
    lease.release()


def test_a_damaged_failure_tells_nothing_and_the_run_is_tried_again(store: Store) -> None:
    lease = store.take("k")
    assert lease is not None
    store.fail(lease, "non-finite", "the loss was NaN")
    path = store.inflight / "k" / "failure.json"
    assert store.states(["k"])["k"].state == "failed"
    path.write_text(path.read_text().replace("NaN", "NaM"))
    assert store.states(["k"])["k"].state == "todo"


def test_a_full_disk_ends_a_run_with_one_line_and_it_goes_on_when_there_is_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = store.take("k")
    assert lease is not None

    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            store.fail(lease, "crash", "the disk is full")
        lease.release()
    assert [path.name for path in (store.inflight / "k").iterdir()] == ["lease-1.json"]


def test_what_an_attempt_left_half_written_is_not_gone_on_with(store: Store) -> None:
    lease = store.take("k")
    assert lease is not None
    attempt = store.attempt(lease)
    (attempt / "epochs").mkdir()
    for name in ("epochs/a.1.parquet", "epochs/.a.2.parquet.half", ".result.json.half", "checkpoint.partial"):
        (attempt / name).write_text("x")
    lease.release()
    second = store.take("k")
    assert second is not None
    again = store.attempt(second)
    assert [str(path.relative_to(again)) for path in again.rglob("*") if path.is_file()] == ["epochs/a.1.parquet"]


def test_a_run_is_removed_from_a_folder_without_work_in_flight(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.runs / "k").mkdir(parents=True)
    (store.runs / "k" / "spec.json").write_text("damaged")
    store.remove("k")
    assert not store.done_keys()


def test_work_beside_a_damaged_run_outlives_the_sweep_and_the_removal_of_the_run(store: Store) -> None:
    key = stored_run(store.runs)
    work = store.inflight / key / "attempt-1" / "checkpoint.pt"
    work.parent.mkdir(parents=True)
    work.write_text("saved")
    (store.runs / key / "result.json").unlink()
    store.sweep()
    store.remove(key)
    assert (store.done_keys(), work.read_text()) == (set(), "saved")
    assert store.states([key])[key].detail == "interrupted, will be resumed"
    stored_run(store.runs)
    store.sweep()
    assert not work.exists()
