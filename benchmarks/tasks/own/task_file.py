"""Own tasks as a file: ``--data task.toml`` holds one task, or several under ``[[task]]``; paths are relative to it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import MissingData, UsageError
from benchmarks.tasks.own.choices import Choices
from smart_repro.registry import did_you_mean

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "data": str,
    "dev": str,
    "test": str,
    "text": (str, list),
    "label": str,
    "group": str,
    "name": str,
    "bad_rows": str,
    "split_seed": int,
    "regression": bool,
    "metric": (str, list),
}
_KIND_WORDS: Mapping[type | tuple[type, ...], str] = {
    str: "a text",
    (str, list): "a text or a list of texts",
    int: "a whole number",
    bool: "true or false",
}


def read_task_file(path: Path, hub: bool) -> tuple[Choices, ...]:
    """Return the tasks that a file describes.

    Raises: UsageError: naming the file, and the key or value that is wrong. MissingData: there is no such file.
    """
    content = read_toml(path)
    if "column" in content:  # a study file, whose columns may be tasks on own data
        columns = [column for column in content["column"] if isinstance(column, dict) and "data" in column]
        if not columns:
            raise UsageError(f"{path}: a study without own data; run it with smart-repro run {path}")
        tables = [{key: value for key, value in column.items() if key in KINDS} for column in columns]
        return tuple(described(f"{path}", path.parent, table, hub) for table in tables)
    tables = content.pop("task", None)
    if tables is None:
        return (described(f"{path}", path.parent, content, hub),)
    if content:
        raise UsageError(f"{path}: {next(iter(content))} stands outside [[task]]: move it into one of them")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: task must be a list of tables, each headed [[task]]")
    return tuple(described(f"{path}", path.parent, table, hub) for table in tables)


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds. Raises UsageError: it is none. MissingData: there is no such file."""
    if not path.is_file():
        raise MissingData(f"{path}: there is no such file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}, line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x}); convert it"
        ) from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}; correct it") from error


def described(place: str, folder: Path, table: Mapping[str, Any], hub: bool) -> Choices:
    """Return own data as a table of a file describes them.

    Args:
        place: the file and its table, for messages.
        folder: what paths in the table are relative to.
        table: the keys and values.
        hub: whether a place that is no path is a data set of the hub.
    Raises: UsageError: naming the key or value that is wrong.
    """
    for key, value in table.items():
        kind = KINDS.get(key)
        if kind is None:
            suggestion = did_you_mean(key, KINDS) or f"; there are {', '.join(KINDS)}"
            raise UsageError(f"{place}: no key {key!r} of a task{suggestion}")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise UsageError(f"{place}: {key} = {value!r} is of the wrong kind: give {_KIND_WORDS[kind]}")
    for key in ("data", "text", "label"):
        if key not in table:
            raise UsageError(f"{place}: a task needs {key}")
    for key in ("data", "dev", "test"):
        if not str(table.get(key, "?")).strip():
            raise UsageError(f'{place}: {key} = "": give the name of a file or folder')
    places: dict[str, Any] = {key: _placed(folder, table[key], hub) for key in ("data", "dev", "test") if key in table}
    try:
        return Choices(
            text=_words(table["text"]),
            label=table["label"],
            metrics=_words(table.get("metric", ())),
            hub=hub,
            **{key: table[key] for key in ("group", "name", "bad_rows", "split_seed", "regression") if key in table},
            **places,
        )
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from error


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def _placed(folder: Path, place: str, hub: bool) -> str:
    """Return a path as seen from the folder; a hub id stays one where no such path exists."""
    local = folder / Path(place).expanduser()
    return place if hub and not local.exists() else str(local)
