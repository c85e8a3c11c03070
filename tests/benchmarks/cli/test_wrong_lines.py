"""Hundreds of wrong command lines: exit code 2, one line that says what is wrong, no traceback, nothing created."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from benchmarks.cli import app as cli
from tests.benchmarks.cli.wrong_lines import VALID, Line, lines

LINES = lines()
SECONDS = 5.0  # of processor time that one line may take; most take milliseconds


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMART_REPRO_DATA", "")
    monkeypatch.setenv("SMART_REPRO_CACHE", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def title(line: Line) -> str:
    return " ".join(line.words)[:90] or "nothing"


@pytest.mark.parametrize("line", LINES, ids=title)
def test_a_wrong_line_is_refused_in_one_line_and_creates_nothing(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in line.files.items():
        (tmp_path / name).write_text(content)
    started = time.process_time()
    code = cli.run_command(list(line.words))
    out, err = capsys.readouterr()
    err = re.sub(r"(?m)^\S+smart-repro\.toml: importing .*\n", "", err)  # said before a file's code is run
    assert code == 2, (code, out, err)
    assert out == ""
    assert err.startswith("smart-repro: ")
    assert len(err.strip().splitlines()) == 1, err
    assert len(err) < 1500, err
    assert line.names in err, err
    assert "Traceback" not in err
    assert "internal error" not in err
    assert not any(text in err for text in ("not supported between", "unhashable", "object is not", "NoneType")), err
    assert {path.name for path in tmp_path.iterdir()} == set(line.files) | ({"__pycache__"} & _children(tmp_path))
    assert time.process_time() - started < SECONDS


def _children(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_there_are_300_of_them() -> None:
    assert len(LINES) >= 300


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_the_lines_they_are_made_from_are_right(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*VALID[verb], *(["--dry-run"] if verb == "run" else [])]
    assert cli.run_command(words) == 0, capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
