"""The hooks before a commit run the tools of CI, by the rules of pyproject.toml; the newest versions are tried too."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests import newest as newest_tool

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


def test_the_newest_versions_are_tried_with_the_tested_torch() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    newest = tox["testenv:newest"]
    assert newest["deps"] == f"torch=={newest_tool.tested()['torch']}"
    assert newest["constraints"] == ""
    assert "tox -e newest" in (ROOT / ".github" / "workflows" / "newest.yml").read_text(encoding="utf-8")


def test_packages_of_other_versions_are_listed() -> None:
    before, now = {"a": "1.0", "b": "2.0", "d": "1"}, {"a": "1.0", "b": "2.1", "c-d": "3"}
    assert newest_tool.differences(before, now) == ["b 2.0 -> 2.1", "c-d (new) -> 3"]
    assert newest_tool.normalised("Ruamel.yaml_clib") == "ruamel-yaml-clib"


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
