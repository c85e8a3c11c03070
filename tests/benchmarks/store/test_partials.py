"""What a killed writer leaves is swept away, a living one's is not; names are short and stay below their folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.records import NAME_BYTES, ResultsError, short_name
from analysis.results import Results
from benchmarks.errors import UsageError
from benchmarks.store import files
from benchmarks.store.files import partial_path, replacing, sweep_partials, write_json
from benchmarks.store.store import Store
from benchmarks.tasks.base import Classification, Task

ROOT = Path(__file__).resolve().parents[3]
LEAVE = """
import sys
from pathlib import Path
from benchmarks.store.files import partial_path
for name in sys.argv[1:]:
    partial_path(Path(name)).write_text("half")
partial_path(Path(sys.argv[1]).parent / "folder").mkdir()
"""


def leave(*paths: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", LEAVE, *map(str, paths)], check=True, env=environment)


def test_what_a_dead_process_left_half_written_goes_at_the_next_start(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    places = [store.runs, store.inflight, store.inflight / "k", tmp_path / "experiments" / "e", tmp_path / "weights"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    leave(*(place / "file.json" for place in places))
    mine = partial_path(store.runs / "mine.json")
    mine.write_text("of a living process")
    assert len([path for place in places for path in place.glob(".*")]) == len(places) + 2
    store.sweep()
    assert [path for place in places for path in place.glob(".*")] == [mine]


def test_another_machines_files_stay_and_those_before_a_restart_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = partial_path(tmp_path / "x")
    path.write_text("half")
    host, boot = files.machine_name().split("-")
    monkeypatch.setattr(files, "machine_name", lambda: f"{'0' * 8}-{boot}")
    sweep_partials(tmp_path)
    assert path.exists()
    monkeypatch.setattr(files, "machine_name", lambda: f"{host}-{'0' * 8}")
    sweep_partials(tmp_path)
    assert not path.exists()


def fail_halfway(path: Path) -> None:
    path.write_text("half")
    raise OSError("the disk is full")


def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(OSError, match="the disk is full"), replacing(path) as partial:
        fail_halfway(partial)
    assert path.read_text() == '{\n "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a", "x" * NAME_BYTES, "x" * 500, "ж" * 300])
def test_names_are_short_and_stay_apart(name: str, tmp_path: Path) -> None:
    short = short_name(name)
    assert len(short.encode()) <= NAME_BYTES
    assert (short == name) == (len(name.encode()) <= NAME_BYTES)
    assert short_name(name + "y") != short
    assert len(partial_path(tmp_path / f"{short}.json").name.encode()) < 200


@pytest.mark.parametrize("name", ["../../x", "a/b", "/tmp/x", ".", "..", ".hidden", "", "x" * 101, "a\nb"])
def test_names_that_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name of an experiment"):
        Store(tmp_path).manifests(name)
    with pytest.raises(ResultsError, match="no experiment named"):
        Results(tmp_path).manifest(name)
    with pytest.raises(ValueError, match="a task cannot be named"):
        Task(name, "title", Classification(("a", "b")), ("text",), ("accuracy",))
