"""The cards of a run and of the settings that a run can have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from analysis.records import read_json
from analysis.scores import METRICS
from benchmarks.spec import MethodChoice, RunSpec
from benchmarks.spec_checks import SETTINGS

_IN_TITLE = ("task", "method", "options", "seed", "method_config")


def run_content(folder: Path) -> dict[str, Any]:
    """Return everything a finished run's folder says about it: ``spec``, ``environment`` and ``result``."""
    return {part: read_json(folder / f"{part}.json") for part in ("spec", "environment", "result")}


def run_entries(content: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the title of a run's card and its entries, scores first.

    Args:
        content: as :func:`run_content` gives it.
    """
    stored, environment, result = (content[part] for part in ("spec", "environment", "result"))
    spec, defaults = stored["spec"], _defaults()
    choice = MethodChoice(spec["method"], tuple(sorted(spec.get("options", {}).items())))
    changed = {
        name: _short(value)
        for name, value in spec.items()
        if name not in _IN_TITLE and name in defaults and value != defaults[name] and value is not None
    }
    entries = {
        "scores": {f"{task} {split}": _scores(values) for task, split, values in _splits(result["scores"])},
        "settings": changed,
        "of the method": dict(spec.get("method_config") or {}),
        "training": f"{result.get('steps', 0):,} updates in {result['seconds']:,.1f} s",
        "data": dict(stored.get("fingerprints", {}).get("data", {})),
        "weights at the start": stored.get("fingerprints", {}).get("weights"),
        "made with": {name: value for name, value in environment.items() if value not in (None, "")},
    }
    return f"Run {stored['key']}: {choice.label} on {spec['task']}, seed {spec['seed']}", entries


def settings_entries() -> list[dict[str, str]]:
    """Return name, default and meaning of every setting that ``--set`` takes, in the order of the specification."""
    meanings = dict(_comments(inspect.getsource(RunSpec).splitlines()))
    return [
        {"setting": name, "default": _shown(default), "meaning": meanings.get(name, "")}
        for name, default in _defaults().items()
        if name in SETTINGS
    ]


def settings_text(rows: Iterable[Mapping[str, str]]) -> str:
    """Return the settings as aligned lines."""
    lines = [f"{row['setting']:<20} {row['default']:<18} {row['meaning']}".rstrip() for row in rows]
    return "\n".join(["Settings of a run (--set NAME=VALUE), with their defaults", "", *lines])


def _defaults() -> dict[str, Any]:
    """Return each field of a run with its default, in JSON's types; None for a field without one."""
    return {
        field.name: _short(None if field.default is MISSING else field.default)
        for field in fields(RunSpec)
        if field.init
    }


def _comments(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if match := re.fullmatch(r" {4}(\w+): .*?  # (.*)", line):
            yield match[1], match[2].replace("``", "")


def _short(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    """Return a default as the command line spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _splits(scores: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, float]]]:
    return ((task, split, values) for task, splits in scores.items() for split, values in splits.items())


def _scores(values: Mapping[str, float]) -> str:
    """Return scores in the units of the tables: ``accuracy 87.3``."""
    return ", ".join(f"{METRICS[name].title} {METRICS[name].scale * value:.2f}" for name, value in values.items())
