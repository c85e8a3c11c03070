"""Methods from elsewhere: their source is in the key of their runs, and what they draw is the same in a rerun."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.integrity import inspect
from benchmarks.spec import RunSpec
from benchmarks.tasks.sources import Source
from benchmarks.training import job
from benchmarks.training.job import Identities, make_job, plugin_sources
from smart_repro.methods import METHODS, Method
from smart_repro.registry import Registry

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a method whose class is of this module."""

    class Renamed(Method):
        name = "renamed"

    monkeypatch.setitem(METHODS._entries, "renamed", Renamed)
    monkeypatch.setattr(job, "_source_digest", lambda module: f"digest of {module}")
    return "renamed"


def test_only_runs_that_use_a_plug_in_have_its_source_in_their_key(renamed: str) -> None:
    source = Source("generated")
    own, others = RunSpec(task="demo-rte", method=renamed), RunSpec(task="demo-rte")
    assert plugin_sources(own) == {__name__: f"digest of {__name__}"}
    assert plugin_sources(others) == {}
    assert dict(Identities(source).of(own).extra) == {"plugins": f"{__name__}=digest of {__name__}"}
    assert dict(Identities(source).of(others).extra) == {}
    child = RunSpec(task="demo-rte", method=renamed, init_from=own)
    assert set(Identities(source).of(child).extra) == {"parents", "plugins"}


def test_another_source_is_another_key(renamed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, source = RunSpec(task="demo-rte", method=renamed), Source("generated")
    before = make_job(run, source).key
    monkeypatch.setattr(job, "_source_digest", lambda module: "edited")
    assert make_job(run, source).key != before


def test_a_registry_knows_the_module_that_defines_an_entry() -> None:
    registry: Registry[object] = Registry("thing")
    registry.add("class", Method)
    registry.add("value", object())
    assert (registry.origin("class"), registry.origin("value")) == ("smart_repro.methods.base", __name__)


def smart_repro(folder: Path, *words: str) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    script = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; main()"
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_the_documented_mixout_is_reproduced_by_rerun_and_by_check(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "extending.md").read_text()
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", page, re.S) if "mixout-after" in each]
    (tmp_path / "mixout.py").write_text(code)
    grid = ["compare", "--tasks", "demo-rte", "--methods", "vanilla,mixout-after", "--set", "max_steps=8"]
    plugin = ["--import", "mixout"]
    status, _, err = smart_repro(tmp_path, "run", *grid, "--seeds", "1", *plugin, "--quiet")
    assert status == 0, err
    folders = {
        json.loads((f / "spec.json").read_text())["spec"]["method"]: f for f in (tmp_path / "results/runs").iterdir()
    }
    assert all(inspect(folder).state == "verified" for folder in folders.values())
    status, out, err = smart_repro(tmp_path, "runs", "rerun", folders["mixout-after"].name)
    assert (status, out.strip()) == (0, f"{folders['mixout-after'].name} is reproduced, byte for byte"), err
    assert "importing mixout, as when the run was made" in err
    status, _, err = smart_repro(tmp_path, "check", *grid, "--seeds", "3", *plugin, "--baseline", "b.json", "--update")
    assert status == 0, err
    status, out, err = smart_repro(tmp_path, "check", *grid, "--seeds", "3", *plugin, "--baseline", "b.json")
    assert status == 0, out + err
    assert "mixout-after" in out
