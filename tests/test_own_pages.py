"""The pages on tasks and experiments of one's own are true: every command is given and prints what is shown.

``smart-repro`` is called in this process, everything else in a shell.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_tutorial import ROOT, difference, steps

from benchmarks.cli import app as cli
from benchmarks.experiments import EXPERIMENTS
from benchmarks.tasks import TASKS

PAGES = {"own-experiment.md": 10, "own-task.md": 4}  # page -> how many commands it has at least


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Enter an empty folder; what a page registers is forgotten afterwards."""
    for registry in (TASKS, EXPERIMENTS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(sys, "path", [*sys.path])
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tools / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield work
    for module in ("weather", "radius_study"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_prints_what_the_page_shows(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = steps((ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert len(page) >= PAGES[name]
    for step in page:
        if step.command.startswith("smart-repro "):
            words = shlex.split(step.command)[1:]
            code, expected = cli.run_command(words), 2 if "wrong.toml" in words else 0
            printed = "".join(capsys.readouterr())
        else:
            done = subprocess.run(["bash", "-c", step.command], cwd=folder, capture_output=True, text=True, check=False)
            code, expected, printed = done.returncode, 0, done.stdout + done.stderr
        assert code == expected, f"$ {step.command}\n{printed}"
        assert not (why := difference(step.shown, printed)), f"$ {step.command}\n{why}"
