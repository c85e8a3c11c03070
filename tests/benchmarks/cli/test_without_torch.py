"""Help, listings and cards of built-in names answer at once: none of them imports torch, pandas or scipy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# One process does all of it: what is measured is that nothing on the way asks for a heavy package.
_SCRIPT = """
import contextlib, io, json, sys
from benchmarks.cli import app

def run(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app.run_command(words)
    return code, out.getvalue(), err.getvalue()

outcomes = {}
for kind in ("methods", "tasks", "experiments", "claims", "profiles", "models"):
    code, out, err = outcomes[f"list {kind}"] = run("list", kind, "--json")
    run("list", kind)
    for row in json.loads(out) if code == 0 else []:
        name = row.get("name", row.get("id"))
        if name not in ("smart", "sda", "controls", "compare") or kind == "methods":  # groups have no card
            outcomes[f"show {name}"] = run("show", f"{kind[:-1]}:{name}")
for words in (["--help"], ["--version"], ["plan", "--help"], ["runs", "--help"], ["show", "spec"], ["status"]):
    outcomes[" ".join(words)] = run(*words)
heavy = [name for name in ("torch", "pandas", "scipy", "transformers", "matplotlib") if name in sys.modules]
print(json.dumps([outcomes, heavy]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """Exit code, output and errors of every command, in a process where importing torch is an error."""
    poisoned = tmp_path_factory.mktemp("poisoned")
    (poisoned / "torch").mkdir()
    (poisoned / "torch" / "__init__.py").write_text("raise ImportError('a listing asked for torch')\n")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=tmp_path_factory.mktemp("empty"),
        env={**os.environ, "PYTHONPATH": f"{poisoned}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, heavy = json.loads(done.stdout)
    assert heavy == []
    return found


def test_every_listing_card_and_help_page_answers_without_torch(outcomes: dict[str, list[object]]) -> None:
    assert len(outcomes) > 150  # methods, tasks, experiments and claims, each on a card of its own
    failed = {words: result for words, result in outcomes.items() if result[0] != (2 if words == "status" else 0)}
    assert failed == {}
    assert "asked for torch" not in json.dumps(outcomes)


def test_no_card_shows_a_python_value(outcomes: dict[str, list[object]]) -> None:
    for words, (_, text, _) in outcomes.items():
        if words.startswith("show ") and words != "show spec":
            body = str(text).partition("\n\n")[2]
            for trace in ("Hub(", "Tsv(", "{'", "['", "('", "mappingproxy", "MethodChoice(", "<function"):
                assert trace not in body, (words, trace)


def test_every_name_that_a_listing_shows_is_whole_in_its_table() -> None:
    """A name is copied from the listing: no width of the terminal may break it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "60"}
    words = [sys.executable, "-m", "benchmarks.cli.app", "list", "claims", "--experiment", "smart-table3"]
    run = lambda *more: subprocess.run([*words, *more], env=environment, capture_output=True, text=True, check=True)  # noqa: E731
    table = run().stdout.splitlines()
    names = [row["id"] for row in json.loads(run("--json").stdout)]
    assert names
    assert all(any(line.startswith(f"{name} ") for line in table) for name in names)
