"""The hooks before a commit run the tools of CI: the same versions, with the rules of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOOK_REPOSITORIES = {"ruff": "https://github.com/astral-sh/ruff-pre-commit"}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Return the tools' settings."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_pre_commit_pins_the_versions_of_the_constraints() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"- repo: (\S+)\n\s+rev: v(\S+)", hooks))
    constraints = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert pinned == {url: constraints[tool] for tool, url in HOOK_REPOSITORIES.items()}


def test_docstrings_are_imperative_and_names_conventional(settings: dict[str, Any]) -> None:
    lint = settings["ruff"]["lint"]
    assert {"D", "D401", "N"} <= set(lint["select"])
    assert lint["pydocstyle"]["convention"] == "google"
    assert not [rule for rule in lint["ignore"] if rule.startswith(("D1", "D4", "N")) and rule not in ("D105", "D107")]


def test_the_packages_are_typed_strictly(settings: dict[str, Any]) -> None:
    mypy = settings["mypy"]
    assert mypy["strict"]
    assert mypy["packages"] == ["smart_repro", "benchmarks", "analysis"]
    assert not [override for override in mypy["overrides"] if override.get("ignore_errors")]
