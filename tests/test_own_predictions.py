"""The page docs/own-predictions.md is true: its Python runs, and its commands print what it shows."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from benchmarks.cli import app as cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own-predictions.md"


def test_the_page_runs_from_its_first_line_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(python|console|pycon)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert [kind for kind, _ in blocks] == ["python", "console", "console", "pycon"]
    for kind, text in blocks:
        if kind == "python":
            exec(text, {})
        elif kind == "console":
            command, shown = text.removeprefix("$ smart-repro ").split("\n", 1)
            assert cli.run_command(shlex.split(command)) == 0
            assert capsys.readouterr().out == shown
        else:
            examples = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
            assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples).failed == 0
