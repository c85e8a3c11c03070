"""``smart-repro.toml``: defaults of command line options, for a folder and what lies below it.

The command line wins over the environment, and that over the file. Paths in the file are relative to it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from smart_repro.registry import did_you_mean

NAME = "smart-repro.toml"
_DATA = "SMART_REPRO_DATA"
_NOT_CHECKED = ("results", "model", "seeds")  # `check` has runs of its own, which today's code must do
_PLACES = ("--source", "--data-dir", "--data-file")  # together they say where data come from
# key of the file -> what it may be; each is the option of that name
KEYS: dict[str, type | tuple[type, ...]] = {
    "results": str,
    "data_dir": str,
    "source": str,
    "model": str,
    "seeds": (str, int),
    "workers": int,
    "executor": str,
    "address": str,
    "track": str,
    "checkpoint_steps": int,
    "checkpoint_minutes": (int, float),
    "quiet": bool,
    "import": list,
}


@dataclass(frozen=True)
class Config:
    """A file of defaults: where it lies (None: there is none) and what it says."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file and its settings, in one line."""
        shown = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        return f"{self.path}: {shown or 'empty'}" if self.path else f"none ({NAME} here or in a folder above)"


def find(folder: Path) -> Path | None:
    """The file in this folder, or in the nearest one above that has it."""
    return next((path for place in (folder, *folder.parents) if (path := place / NAME).is_file()), None)


def read(path: Path) -> Config:
    """The defaults a file sets. Raises UsageError naming the file, and the key that is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for name, value in content.items():
        if name not in KEYS:
            hint = did_you_mean(name, KEYS) or f"; there are {', '.join(KEYS)}"
            raise UsageError(f"{path}: no option {name!r}{hint}")
        wanted = KEYS[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            kinds = " or ".join(kind.__name__ for kind in (wanted if isinstance(wanted, tuple) else (wanted,)))
            raise UsageError(f"{path}: {name} must be a {kinds}, got {value!r}")
    return Config(
        path.resolve(), {name: _placed(name, value, path.resolve().parent) for name, value in content.items()}
    )


def _placed(name: str, value: Any, folder: Path) -> Any:
    """Paths as seen from the file, whatever folder the command is given in."""
    is_path = name in ("results", "data_dir") or (name == "model" and value.startswith("."))
    return str(folder / Path(value).expanduser()) if is_path else value


def in_front(words: Sequence[str]) -> list[str]:
    """The command line with ``--config F`` before the verb, wherever it was typed."""
    for place, word in enumerate(words):
        if word == "--config" and place + 1 < len(words):
            return [word, words[place + 1], *words[:place], *words[place + 2 :]]
        if word.startswith("--config="):
            return [word, *words[:place], *words[place + 1 :]]
    return list(words)


def defaults(config: Config, command: Any, words: Sequence[str]) -> dict[str, Any]:
    """The file's values as a click ``default_map`` of a group of commands.

    Where data come from is one question: if the command line or the environment says anything about it, the file is
    not asked. Else its ``data_dir`` counts as ``SMART_REPRO_DATA`` does, so that it does not stand in the way of
    generated data.
    """
    values = dict(config.values)
    folder, source = values.pop("data_dir", None), values.pop("source", None)
    asked = any(word.split("=")[0] in _PLACES for word in words) or os.environ.get(_DATA)
    if folder and not asked and source in (None, "local"):
        os.environ[_DATA] = folder
    elif source and not asked:
        values["source"] = source
    return _for_group(values, command)


def _for_group(values: Mapping[str, Any], group: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found[name] = _for_group(values, command)
            continue
        keys = {
            option.lstrip("-").replace("-", "_"): each.name
            for each in command.params
            for option in each.opts
            if option.startswith("--")
        }
        found[name] = {
            keys[key]: value
            for key, value in values.items()
            if key in keys and not (name == "check" and key in _NOT_CHECKED)
        }
    return found
