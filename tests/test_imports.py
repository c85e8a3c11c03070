"""Imports point downwards only: the core has never heard of the suite, and the analysis reads files alone."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# optional packages and the only file that may name them
EXTRAS = {
    "peft": "smart_repro/methods/lora.py",
    "ray": "benchmarks/engine/ray.py",
    "submitit": "benchmarks/engine/slurm.py",
    "tensorboard": "benchmarks/training/tracking.py",
    "wandb": "benchmarks/training/tracking.py",
    "mlflow": "benchmarks/training/tracking.py",
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full module name of everything a file imports, inside functions too; relative imports resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else node.module or ""
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def top(module: str) -> str:
    return module.split(".")[0]


def test_the_rooms_import_downwards_only() -> None:
    """The contracts stand in pyproject.toml; `tox -e lint` prints them."""
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("import-linter is not installed")
    run = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_optional_packages_are_named_in_one_file_each() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for package in ("smart_repro", "benchmarks", "analysis")
        for path in files(package)
        for line, module in imports(path)
        if top(module) in EXTRAS and str(path.relative_to(ROOT)) != EXTRAS[top(module)]
    ]
    assert not found, found


def test_the_walk_sees_imports_in_functions_and_relative_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    folder = tmp_path / "smart_repro" / "methods"
    folder.mkdir(parents=True)
    path = folder / "x.py"
    lines = ["from .base import a", "from ..models import b", "def f():", "    import benchmarks.spec"]
    path.write_text("\n".join([*lines, "    from analysis import load"]))
    assert [module for _, module in imports(path)] == [
        "smart_repro.methods.base.a",
        "smart_repro.models.b",
        "benchmarks.spec",
        "analysis.load",
    ]
