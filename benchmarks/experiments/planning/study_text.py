"""Studies written as TOML: the inverse of :mod:`study_file`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.experiments.planning.study import Study, StudyClaim, StudyColumn, StudyRow
from benchmarks.tasks.own import Choices

_CLAIM_KEYS = {"direction": "is", "tasks": "on", "quantifier": "over"}


def write_study(study: Study, path: Path, plugins: Iterable[str] = ()) -> None:
    """Write a study file; own data are named relative to its folder.

    Args:
        study: what is written.
        path: the file.
        plugins: modules that must be imported first, which are named in a comment.
    Raises: OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(study_text(study, path.parent, plugins), encoding="utf-8")


def study_text(study: Study, folder: Path, plugins: Iterable[str] = ()) -> str:
    """Return a study as TOML, with paths relative to ``folder``."""
    imports = [f"# Needs --import {module}" for module in plugins]
    top = _present(
        name=study.name,
        title=study.title,
        description=study.description,
        seeds=list(study.seeds),
        baseline=study.baseline,
    )
    blocks = [
        "\n".join(["# A study of smart-repro; `smart-repro show study` explains the keys.", *imports]),
        _lines(top),
        "\n".join(["[settings]", _lines(study.settings)]) if study.settings else "",
        *("\n".join(["[[row]]", _lines(_row(row))]) for row in study.rows),
        *("\n".join(["[[column]]", _lines(_column(column, folder))]) for column in study.columns),
        *("\n".join(["[[claim]]", _lines(_claim(claim))]) for claim in study.claims),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _row(row: StudyRow) -> dict[str, Any]:
    options = {name: list(values) if len(values) > 1 else values[0] for name, values in row.methods.options}
    return _present(method=row.methods.name, options=options, id=row.id, title=row.title, settings=row.settings)


def _column(column: StudyColumn, folder: Path) -> dict[str, Any]:
    if column.choices is not None:
        return {**_own(column.choices, folder), **_present(settings=column.settings)}
    return _present(task=column.task, metric=list(column.metrics), split=column.split, settings=column.settings)


def _own(choices: Choices, folder: Path) -> dict[str, Any]:
    places = {
        split: _relative(place, folder)
        for split, place in (("data", choices.data), ("dev", choices.dev), ("test", choices.test))
        if place
    }
    return {
        **places,
        "text": list(choices.text),
        "label": choices.label,
        "name": choices.task_name,
        "bad_rows": choices.bad_rows,
        "split_seed": choices.split_seed,
        **_present(group=choices.group, regression=choices.regression, metric=list(choices.metrics)),
    }


def _relative(place: str, folder: Path) -> str:
    """Return a path as seen from a folder; what is no path here is the id of a data set."""
    path = Path(place).expanduser()
    return Path(os.path.relpath(path, folder)).as_posix() if path.exists() else place


def _claim(claim: StudyClaim) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(claim)}
    changed = {name: value for name, value in vars(claim).items() if value != defaults[name]}
    return {
        _CLAIM_KEYS.get(name, name): list(value) if isinstance(value, tuple) else value
        for name, value in changed.items()
    }


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, False, [], {}, ())}


def _lines(table: Mapping[str, Any]) -> str:
    return "\n".join(f"{_key(name)} = {_value(value)}" for name, value in table.items())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _string(name)


def _value(value: Any) -> str:
    """Return a value as TOML spells it; None is the word none, which the reader of study files understands."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(entry)}" for name, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value) if isinstance(value, int | float) else _string(str(value))


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
