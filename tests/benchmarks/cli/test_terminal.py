"""Control characters of stored texts never reach the terminal, and what is printed can be given to a shell."""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

import pytest
from rich.console import Console
from stored_runs import reseal, stored_run

from analysis.tables import comment, latex
from benchmarks.cli.actions import hint
from benchmarks.cli.app import run_command
from benchmarks.cli.terminal import Guarded, guarded, note_line, visible
from benchmarks.options import command

EVIL = "\x1b]0;title\x07\x1b[2J\r\x9b31m\u202edab"


def test_control_characters_are_spelled_out_and_text_stays() -> None:
    assert visible(EVIL) == r"\x1b]0;title\x07\x1b[2J\r\x9b31m\u202edab"
    text = "ε = 1e-5\tµ\nзвук 🙂"
    assert visible(text) == text


def test_a_warning_says_so_itself_and_other_notes_are_called_notes() -> None:
    assert note_line("WARNING: rte has only 2 dev items here") == "WARNING: rte has only 2 dev items here"
    assert note_line("R_s acts") == "note: R_s acts"


def test_streams_are_guarded_but_for_sequences_of_our_own() -> None:
    out = io.StringIO()
    stream = Guarded(out)
    print(EVIL, file=stream)
    Console(file=stream, force_terminal=True, color_system="standard").print("[bold]own[/bold]")  # type: ignore[arg-type]
    printed = out.getvalue()
    assert visible(EVIL) in printed
    assert "\x1b[1mown" in printed


def test_bars_of_downloads_go_back_to_the_start_of_their_line() -> None:
    out = io.StringIO()
    Guarded(out, bars=True).write("\r 10%\r")
    assert out.getvalue() == "\r 10%\\r"


def test_the_streams_are_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(ValueError, match="x"), guarded():
        raise ValueError("x")
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize(
    "words",
    [["status"], ["runs", "list"], ["runs", "show", "KEY"], ["runs", "verify"], ["runs", "compare", "KEY", "KEY"]],
)
def test_no_verb_prints_what_a_stored_text_asks_of_the_terminal(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = stored_run(tmp_path / "runs")
    for name, change in (
        ("environment.json", {"device": EVIL}),
        ("result.json", {"source": EVIL, "scores": {EVIL: {"dev": {EVIL: 0.5}}}}),
    ):
        path = tmp_path / "runs" / key / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}, ensure_ascii=False))
    reseal(tmp_path / "runs" / key)
    failed = tmp_path / "inflight" / ("f" * 32)
    failed.mkdir(parents=True)
    (failed / "failure.json").write_text(json.dumps({"kind": EVIL, "message": EVIL}, ensure_ascii=False))
    run_command([*(key if word == "KEY" else word for word in words), "--results", str(tmp_path)])
    printed = "".join(capsys.readouterr())
    assert printed == visible(printed)


def test_the_next_command_is_one_a_shell_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("runs", "unpack", "it's; rm -rf $HOME/a b.tar.gz")
    hint(False, command(*words), "on the other machine")
    line = capsys.readouterr().err.strip().removeprefix("Next: ")
    assert shlex.split(line, comments=True) == ["smart-repro", *words]


@pytest.mark.parametrize("character", ["\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\x1b"])
def test_no_character_of_a_note_ends_a_tex_comment_or_line(character: str) -> None:
    assert latex(f"a{character}b") == "a b"
    assert comment(f"note{character}evil") == "% note evil"
