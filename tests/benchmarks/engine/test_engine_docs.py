"""The commands of docs/clusters.md do what the page says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MARK = "<!-- executed by tests/benchmarks/engine/test_engine_docs.py -->"


def commands(page: str) -> list[str]:
    """Return the command lines of the marked blocks."""
    blocks = re.findall(rf"{re.escape(MARK)}\n```sh\n(.*?)```", page, flags=re.DOTALL)
    return [line for block in blocks for line in block.strip().splitlines()]


def smart_repro(words: list[str], folder: Path) -> str:
    """Return the output of the command, which must succeed."""
    script = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_page_work(little_bert: Path, glue: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    shutil.copytree(glue, tmp_path / "glue_data")
    found = [shlex.split(line) for line in commands((ROOT / "docs" / "clusters.md").read_text())]
    assert [words[1:3] for words in found] == [
        ["run", "compare"],
        ["status"],
        ["runs", "list"],
        ["runs", "pack"],
        ["runs", "unpack"],
        ["status", "--results"],
    ]
    small = ["--model", str(little_bert), "--epochs", "1"]  # what the page leaves to the reader's patience
    printed = [smart_repro(words[1:] + (small if words[1] == "run" else []), tmp_path) for words in found]
    assert "4 runs done" in printed[0]
    assert "compare: 4 runs: 4 done" in printed[1]
    assert printed[2].count("vanilla") == printed[2].count("smart") == 2
    assert "Packed 4 runs" in printed[3]
    assert "4 new runs, 0 were here already, 1 new tables" in printed[4]
    assert "compare: 4 runs: 4 done" in printed[5]
    predictions = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.parquet")}
        for root in (tmp_path / "results" / "runs", tmp_path / "elsewhere" / "runs")
    ]
    assert len(predictions[0]) == 8
    assert predictions[0] == predictions[1]
