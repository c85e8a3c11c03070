"""Plug-ins of an installed wheel: methods, tasks and experiments, listed, planned and trained, in workers too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tiny-plugin"
version = "1.0"

[project.entry-points."smart_repro.methods"]
half-loss = "tiny_plugin.methods:HalfLoss"

[project.entry-points."smart_repro.tasks"]
tiny-task = "tiny_plugin.tasks:TASK"

[project.entry-points."smart_repro.experiments"]
tiny-grid = "tiny_plugin.experiments:tiny_grid"

[tool.hatch.build.targets.wheel]
packages = ["tiny_plugin"]
"""
_METHODS = '''"""Half the loss."""

from smart_repro.methods import Loss, Method, register


@register("half-loss")
class HalfLoss(Method):
    paper = "none, a test of 2026"
    equation = "L / 2"

    def loss(self, model, batch):
        whole = super().loss(model, batch)
        return Loss(whole.total / 2, whole.parts)
'''
_TASKS = '''"""Sixteen sentences, told apart by one word."""

import numpy as np

from benchmarks.tasks import Classification, Split, Task, register


def generate(split):
    rows = range({"train": 24, "dev": 8}[split])
    texts = [f"the raven is {'sunny' if row % 2 else 'icy'}" for row in rows]
    return Split([f"{split}{row}" for row in rows], (texts,), np.array([row % 2 for row in rows]))


TASK = register(
    Task("tiny-task", "Tiny", Classification(("no", "yes")), ("sentence",), ("accuracy",),
         sizes={"train": 24, "dev": 8}, generate=generate)
)
'''
_EXPERIMENTS = '''"""Half the loss against the whole."""

from benchmarks.experiments import EXPERIMENTS, Experiment, MethodRow, TaskColumn
from benchmarks.spec import method


@EXPERIMENTS.register("tiny-grid")
def tiny_grid():
    """Half the loss against the whole, on the tiny task."""
    return Experiment(
        name="tiny-grid",
        title="Tiny",
        rows=(
            MethodRow("vanilla", "whole", method("vanilla")),
            MethodRow("half-loss", "half", method("half-loss")),
        ),
        columns=(TaskColumn("tiny-task", "accuracy"),),
        seeds=(0,),
        baseline="vanilla",
        settings={"model": "tiny", "epochs": 1, "batch_size": 8},
    )
'''
_MODULES = {"__init__": "", "methods": _METHODS, "tasks": _TASKS, "experiments": _EXPERIMENTS}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the plug-in installed from a wheel."""
    project, wheels = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("wheels")
    (project / "pyproject.toml").write_text(_PROJECT)
    (project / "tiny_plugin").mkdir()
    for name, text in _MODULES.items():
        (project / "tiny_plugin" / f"{name}.py").write_text(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(project)], check=True
    )
    (wheel,) = wheels.glob("*.whl")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder), str(wheel)], check=True)
    return folder


def smart_repro(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from smart_repro._command import main; main()", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wheel_offers_methods_tasks_and_experiments_to_every_listing(site: Path, tmp_path: Path) -> None:
    for kind, name in (("methods", "half-loss"), ("tasks", "tiny-task"), ("experiments", "tiny-grid")):
        done = smart_repro(site, tmp_path, "list", kind, "--json")
        assert done.returncode == 0, done.stderr
        assert [row["name"] for row in json.loads(done.stdout)].count(name) == 1
    for name, text in (("half-loss", "L / 2"), ("task:tiny-task", "no, yes"), ("experiment:tiny-grid", "runs: 2")):
        done = smart_repro(site, tmp_path, "show", name)
        assert done.returncode == 0, done.stderr
        assert text in done.stdout


def test_its_experiment_runs_in_workers(site: Path, tmp_path: Path) -> None:
    """Two runs in processes of their own, which know method and task by the installed package alone."""
    done = smart_repro(site, tmp_path, "run", "tiny-grid", "--profile", "paper", "--workers", "1", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/result.json")]
    specs = [json.loads(path.read_text())["spec"] for path in tmp_path.glob("results/runs/*/spec.json")]
    assert len(results) == 2
    assert {(spec["task"], spec["method"]) for spec in specs} == {("tiny-task", "vanilla"), ("tiny-task", "half-loss")}
    assert all("accuracy" in result["scores"]["tiny-task"]["dev"] for result in results)


def test_without_the_wheel_none_of_them_exists(tmp_path: Path) -> None:
    done = smart_repro(tmp_path, tmp_path, "plan", "tiny-grid")
    assert (done.returncode, "no experiment named 'tiny-grid'" in done.stderr) == (2, True)
