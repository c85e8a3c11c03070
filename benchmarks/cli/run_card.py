"""Cards that ``smart-repro show`` prints: one of a finished run, and one of all settings that a run can have."""

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

_SHOWN_ELSEWHERE = ("task", "method", "options", "seed", "method_config")  # in the title or an entry of their own


def run_content(folder: Path) -> dict[str, Any]:
    """Return the content of a finished run's JSON files: ``spec``, ``environment`` and ``result``.

    Raises:
        ResultsError: a file is missing or damaged.
    """
    return {part: read_json(folder / f"{part}.json") for part in ("spec", "environment", "result")}


def run_entries(content: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the title of a run's card and its entries, scores first.

    Args:
        content: result of :func:`run_content`.
    """
    stored, environment, result = (content[part] for part in ("spec", "environment", "result"))
    spec, defaults = stored["spec"], _defaults()
    choice = MethodChoice(spec["method"], tuple(sorted(spec.get("options", {}).items())))
    changed = {
        name: _as_json(value)
        for name, value in spec.items()
        if name not in _SHOWN_ELSEWHERE and name in defaults and value != defaults[name] and value is not None
    }
    entries = {
        "scores": {f"{task} {split}": _scores(values) for task, split, values in _splits(result["scores"])},
        "settings": changed,
        "settings of the method": dict(spec.get("method_config") or {}),
        "left out when published": list(stored.get("published", {}).get("left_out", [])),
        "training": f"{result.get('steps', 0):,} updates in {result['seconds']:,.1f} s",
        "data": dict(stored.get("fingerprints", {}).get("data", {})),
        "weights at the start": stored.get("fingerprints", {}).get("weights"),
        "environment": {name: value for name, value in environment.items() if value not in (None, "")},
    }
    return f"Run {stored['key']}: {choice.label} on {spec['task']}, seed {spec['seed']}", entries


def settings_entries() -> list[dict[str, str]]:
    """Return name, default and meaning of every setting that ``--set`` takes, in the order of the specification."""
    meanings = dict(_comments(inspect.getsource(RunSpec).splitlines()))
    return [
        {"setting": name, "default": _as_argument(default), "meaning": meanings.get(name, "")}
        for name, default in _defaults().items()
        if name in SETTINGS
    ]


def settings_text(rows: Iterable[Mapping[str, str]]) -> str:
    """Return the rows of :func:`settings_entries` as aligned lines below a heading."""
    lines = [f"{row['setting']:<20} {row['default']:<18} {row['meaning']}".rstrip() for row in rows]
    return "\n".join(["Settings of a run (--set NAME=VALUE), with their defaults", "", *lines])


def _defaults() -> dict[str, Any]:
    """Return each field of a run with its default, in JSON's types; None for a field without one."""
    return {
        field.name: _as_json(None if field.default is MISSING else field.default)
        for field in fields(RunSpec)
        if field.init
    }


def _comments(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield name and comment of each field in the source of a dataclass: the comments are the help texts."""
    for line in lines:
        if match := re.fullmatch(r" {4}(\w+): .*?  # (.*)", line):
            yield match[1], match[2].replace("``", "")


def _as_json(value: Any) -> Any:
    """Return a value with the type it has after being stored as JSON, so that both can be compared."""
    return list(value) if isinstance(value, tuple) else value


def _as_argument(value: Any) -> str:
    """Return a default in the form that the command line accepts."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _splits(scores: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, float]]]:
    """Yield task, split and scores (metric -> score) of a run's nested scores."""
    return ((task, split, values) for task, splits in scores.items() for split, values in splits.items())


def _scores(values: Mapping[str, float]) -> str:
    """Return scores in the units of the tables (mostly percent): ``accuracy 87.30``."""
    return ", ".join(f"{METRICS[name].title} {METRICS[name].scale * value:.2f}" for name, value in values.items())
