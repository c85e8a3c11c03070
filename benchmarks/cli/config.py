"""``smart-repro.toml``: defaults of command line options, for a folder and what lies below it.

The command line wins over the environment, and that over the file. Every option can stand in it under its own name,
with underscores; ``[set]`` holds settings of a run. Paths in the file are relative to it. ``import`` runs code, so it
counts only in a file of the user's own, in the current folder or at the root of its git repository.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import cyclopts.config

from benchmarks.errors import UsageError
from smart_repro.registry import did_you_mean

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import Argument, ArgumentCollection

NAME = "smart-repro.toml"
_OWN = ("data", "dev", "test")  # own data, which replace the suite's
_SOURCES = ("source", "data_dir", "data_file", *_OWN)  # each of them determines where data come from
# `check` compares fixed runs with a baseline: no file of defaults may change these runs or reuse stored ones.
_NOT_CHECKED = frozenset(
    ["results", "profile", "tasks", "methods", "seeds", "model", "layers", "max_train_samples", "epochs", "set", "name"]
)
# Options that describe own data: applied to `compare` only, and only if the command line names no other tasks.
_OWN_TASK = frozenset([*_OWN, "text", "label", "group", "task_name", "bad_rows", "split_seed", "regression", "metric"])
_NO_OPTIONS = ("config", "default_data_dir", "help", "version")
_LISTS = ("tasks", "methods")  # comma-separated on the command line, a list in the file


@dataclass(frozen=True)
class Config:
    """A file of defaults: its path (None: there is no file) and its values."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file and its settings, in one line."""
        settings = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        return f"{self.path}: {settings or 'empty'}" if self.path else f"none ({NAME} here or in a folder above)"

    @property
    def data_dir(self) -> Path | None:
        """The data folder it names."""
        folder = self.values.get("data_dir")
        return None if folder is None or self.path is None else self.path.parent / Path(folder).expanduser()

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give the options of one command the file's values where they were not typed; cyclopts calls it."""
        if self.path is None:
            return
        names = {name for argument in arguments for name in _option_names(argument)}
        values = {name: value for name, value in self.values.items() if name in names}
        values = self._applicable(values, commands, arguments)
        if "import" in values:
            values = self._with_import(values, arguments)
        resolved = {name: self._value(name, value, arguments) for name, value in values.items()}
        for command in reversed(commands):  # without its commands as keys, cyclopts drops options named like one: data
            resolved = {command: resolved}
        provider = cyclopts.config.Dict(resolved, source=str(self.path))
        provider(app, commands, arguments)

    def _applicable(
        self, values: dict[str, Any], commands: tuple[str, ...], arguments: ArgumentCollection
    ) -> dict[str, Any]:
        """Return the values of options that this command line does not set.

        The options in ``_SOURCES`` belong together: if the command line or the environment sets one of them, the file's
        values for all of them are ignored. The file's ``data_dir`` has a lower rank, so it does not exclude generated
        data.
        """
        from benchmarks.tasks.sources import VARIABLE

        typed = {name for argument in arguments if argument.tokens for name in _option_names(argument)}
        folder = values.pop("data_dir", None)
        if typed & set(_SOURCES) or os.environ.get(VARIABLE):
            values = {name: value for name, value in values.items() if name not in _SOURCES}
        elif folder is not None and values.get("source", "local") == "local":
            values = {name: value for name, value in values.items() if name != "source"}
            values["default_data_dir"] = folder
        if commands[:1] == ("check",):
            return {name: value for name, value in values.items() if name not in _NOT_CHECKED | _OWN_TASK}
        experiment = next((argument.tokens[0].value for argument in arguments if _is_name(argument)), "")
        if experiment.endswith(".toml"):  # a study file defines its runs itself
            return {
                name: value for name, value in values.items() if name not in (_NOT_CHECKED - {"results"}) | _OWN_TASK
            }
        inapplicable = "profile" if experiment == "compare" else "name"  # an option of the other kind of grid
        if experiment != "compare" or "tasks" in typed or "data" not in typed | values.keys():
            values = {name: value for name, value in values.items() if name not in _OWN_TASK}
        elif "data" in values:
            values.pop("tasks", None)
        return {name: value for name, value in values.items() if name != inapplicable}

    def _with_import(self, values: dict[str, Any], arguments: ArgumentCollection) -> dict[str, Any]:
        """Return the values, without ``import`` if the file is not trusted to run code; print which modules and why."""
        if any(argument.tokens for argument in arguments if "import" in _option_names(argument)):
            return values  # typed ones win
        assert self.path is not None
        reason = distrusted(self.path)
        modules = values["import"] if isinstance(values["import"], list) else [values["import"]]
        names = ", ".join(map(str, modules))
        if reason is None:
            print(f"{self.path}: importing {names}", file=sys.stderr)
            return values
        print(f"{self.path}: import = {names} is not heeded: {reason}; give --import {names}", file=sys.stderr)
        return {name: value for name, value in values.items() if name != "import"}

    def _value(self, name: str, value: Any, arguments: ArgumentCollection) -> Any:
        """Return a value as the command line would give it: lists joined, paths as seen from the file."""
        if name == "set" and isinstance(value, Mapping):
            return [f"{setting}={item}" for setting, item in value.items()]
        if name in _LISTS and isinstance(value, list):
            return ",".join(map(str, value))
        if name == "seeds" and isinstance(value, list):
            return ",".join(map(str, value)) + ","  # a list names the seeds, however many; a number counts them
        if name == "data_file" and isinstance(value, list | str):
            return [self._file(str(item)) for item in ([value] if isinstance(value, str) else value)]
        argument = next(argument for argument in arguments if name in _option_names(argument))
        is_path = Path in (argument.hint, *get_args(argument.hint))
        if name in _OWN and isinstance(value, str) and self._placed(value).exists():  # else it is the id of a data set
            return str(self._placed(value))
        if isinstance(value, str) and (is_path or (name == "model" and value.startswith((".", "~")))):
            return str(self._placed(value))
        return value

    def _file(self, text: str) -> str:
        """Return ``TASK:SPLIT=PATH`` with the path as seen from the file."""
        split, equals, path = text.partition("=")
        return f"{split}={self._placed(path)}" if equals and path else text

    def _placed(self, path: str) -> Path:
        assert self.path is not None
        return self.path.parent / Path(path).expanduser()


def distrusted(path: Path) -> str | None:
    """Return the reason why a file may not name code to import, or None if it may."""
    current = Path.cwd().resolve()
    root = next((folder for folder in (current, *current.parents) if (folder / ".git").exists()), current)
    if path.resolve().parent not in (current, root):
        return "the file lies neither in this folder nor at the root of its git repository"
    if hasattr(os, "geteuid") and path.stat().st_uid != os.geteuid():
        return "the file is another user's"
    return None


def find(folder: Path) -> Path | None:
    """Return the file in this folder, or in the nearest one above that has it."""
    return next((path for place in (folder, *folder.parents) if (path := place / NAME).is_file()), None)


def read(path: Path, names: Callable[[], set[str]]) -> Config:
    """Return the defaults that a file sets; the command that has an option checks its value.

    Args:
        path: the file.
        names: function that returns all option names, see :func:`option_names`.
    Raises: UsageError: naming the file, and the key that is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}; correct it, or remove it") from error
    options = names() if content else set()
    for name in content:
        if name not in options:
            hint = did_you_mean(name, options) or f"; there are {', '.join(sorted(options))}"
            raise UsageError(f"{path}: no option {name!r}{hint}")
    return Config(path.resolve(), content)


def option_names(app: App) -> set[str]:
    """Return the names of all options of all commands, as a file spells them."""
    return {name for command in _commands(app) for name in _own_names(command)} - set(_NO_OPTIONS)


def _own_names(command: App) -> Iterator[str]:
    if command.default_command is not None:
        for argument in command.assemble_argument_collection():
            yield from _option_names(argument)


def _commands(app: App) -> Iterator[App]:
    yield app
    for name in app:
        if not name.startswith("-"):
            yield from _commands(app[name])


def _option_names(argument: Argument) -> list[str]:
    return [name.removeprefix("--").replace("-", "_") for name in argument.names if name.startswith("--")]


def _is_name(argument: Argument) -> bool:
    """Return whether this is the typed positional argument that names the experiment."""
    return argument.field_info.name == "experiment" and not _option_names(argument) and bool(argument.tokens)
