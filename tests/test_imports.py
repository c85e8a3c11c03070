"""Imports point downwards only: the core has never heard of the suite, and the analysis reads files alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "smart_repro": {"benchmarks", "analysis"},
    "analysis": {"smart_repro", "benchmarks", "torch", "transformers", "accelerate"},
}
# what of the analysis the suite may use; its command line and report verbs may use the rest
PURE = {
    *("analysis.schema", "analysis.records", "analysis.run_fields", "analysis.integrity", "analysis.results"),
    *("analysis.scores", "analysis.power", "analysis.claims", "analysis.drift"),
}
REPORTING = {"actions.py", "check.py", "export.py"}
# the one file of the core that hands over to the suite, when the command is run
COMMAND = "_command.py"
# optional packages and the only file that may name them
EXTRAS = {
    "peft": "smart_repro/methods/lora.py",
    "ray": "benchmarks/engine/ray.py",
    "tensorboard": "benchmarks/training/tracking.py",
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


@pytest.mark.parametrize("package", FORBIDDEN)
def test_nothing_below_imports_what_is_above(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in files(package)
        for line, module in imports(path)
        if top(module) in FORBIDDEN[package] and path.name != COMMAND
    ]
    assert files(package)
    assert not found, found


def test_the_suite_uses_only_the_pure_part_of_the_analysis() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in files("benchmarks")
        if path.name not in REPORTING
        for line, module in imports(path)
        if top(module) == "analysis" and not any(module == pure or module.startswith(f"{pure}.") for pure in PURE)
    ]
    assert not found, found


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
    with pytest.raises(AssertionError, match=r"imports benchmarks\.spec"):
        test_nothing_below_imports_what_is_above("smart_repro")
