"""The tutorial and the page on own data are true: every command is given, in one shell, and prints what is shown.

In a page's output ``...`` stands for anything (alone on a line: for any lines); times and keys match any, and decimal
numbers match within a tenth of their value or three points, since another machine trains a little differently.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"tutorial.md": 15, "own-data.md": 7}  # page -> how many commands it has at least
_MARK = "@@ end of a command @@"


@dataclass(frozen=True)
class Step:
    """A command of the page, and what it shows below it."""

    command: str
    shown: str


def steps(page: str) -> list[Step]:
    """Return the commands of all console blocks, in order; a line that begins with ``>`` continues the one above."""
    found: list[tuple[list[str], list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", page, flags=re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif re.match(r">( |$)", line):
                found[-1][0].append(line[2:])
            else:
                found[-1][1].append(line)
    return [Step("\n".join(command), "\n".join(shown)) for command, shown in found]


def pattern(shown: str) -> str:
    """Return the regular expression of an output; its groups are the decimal numbers."""
    free = {
        r"(?m)^\.\.\.\n": r"(?:[^\n]*\n)*?",
        r"\.\.\.": r".*?",
        r"\b[0-9a-f]{32}\b": r"[0-9a-f]{32}",
        r"\d+ (?:h|min|s)\b(?: \d+ (?:min|s)\b)?": r"\d+ (?:h|min|s)(?: \d+ (?:min|s))?",
        r"[-+−]?\d+\.\d+(?:e[-+]\d+)?": r"([-+−]?\d+\.\d+(?:e[-+]\d+)?)",
        r" {2,}": r" {2,}",
    }
    parts, place = [], 0
    for match in re.finditer("|".join(f"({each.replace('(?m)', '')})" for each in free), shown, flags=re.M):
        parts += [re.escape(shown[place : match.start()]), list(free.values())[match.lastindex - 1]]  # type: ignore[operator]
        place = match.end()
    return "".join([*parts, re.escape(shown[place:])])


def difference(shown: str, printed: str) -> str:
    """Why the output is not what the page shows; "" if it is."""
    match = re.fullmatch(pattern(shown.strip("\n") + "\n"), printed.strip("\n") + "\n")
    if match is None:
        return f"the page shows\n{shown}\nprinted was\n{printed}"
    wanted = re.findall(r"[-+−]?\d+\.\d+(?:e[-+]\d+)?", shown)
    for one, other in zip(wanted, match.groups(), strict=True):
        a, b = (float(text.replace("−", "-")) for text in (one, other))
        if abs(a - b) > 0.1 * abs(a) + (3.0 if abs(a) >= 1 else 0.1):
            return f"the page shows {one} where {other} was printed:\n{printed}"
    return ""


def executed(folder: Path, commands: list[str]) -> list[tuple[str, int]]:
    """Run all commands in one shell; return what each prints (both streams) and its exit status."""
    tools = folder / "bin"
    tools.mkdir()
    code = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; main()"
    (tools / "smart-repro").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -c "{code}" "$@"\n')
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')  # a link would lose its environment
    for tool in tools.iterdir():
        tool.chmod(0o755)
    (folder / "work").mkdir()
    script = "".join(f'{command}\necho "{_MARK}$?"\n' for command in commands)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "agg",
        "SMART_REPRO_CACHE": "off",
        "SMART_REPRO_DATA": "",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder / "work",
        env=environment,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    pieces = re.split(rf"{_MARK}(\d+)\n", done.stdout)
    return [(printed, int(status)) for printed, status in zip(pieces[::2], pieces[1::2], strict=False)]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute of one core; more where others compete for it
@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_prints_what_the_page_shows(tmp_path: Path, name: str) -> None:
    page = steps((ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert len(page) >= PAGES[name]
    found = executed(tmp_path, [step.command for step in page])
    assert len(found) == len(page)
    for step, (printed, status) in zip(page, found, strict=True):
        assert status == 0, f"$ {step.command}\n{printed}"
        assert not (why := difference(step.shown, printed)), f"$ {step.command}\n{why}"


def test_the_comparison_sees_what_differs() -> None:
    shown = "run 1: accuracy 82.3 (2 s)\n...\nkey 0123456789abcdef0123456789abcdef, 3 runs\n"
    other = "run 1: accuracy 80.0 (1 min 4 s)\nmore\nand more\nkey ffffffffffffffffffffffffffffffff, 3 runs\n"
    assert not difference(shown, other)
    assert "shows 82.3 where 50.0" in difference(shown, other.replace("80.0", "50.0"))
    for what, instead in (("3 runs", "4 runs"), ("accuracy", "loss"), ("key", "KEY")):
        assert "printed was" in difference(shown, other.replace(what, instead))


def test_the_parser_keeps_documents_typed_at_the_prompt() -> None:
    page = "```console\n$ cat > a <<'END'\n> one\n>\n> two\n> END\n$ cat a\none\n```\ntext\n```sh\n$ no\n```\n"
    assert steps(page) == [Step("cat > a <<'END'\none\n\ntwo\nEND", ""), Step("cat a", "one")]
