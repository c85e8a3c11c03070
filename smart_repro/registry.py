"""Registries: mappings that are filled where each entry is defined, and by installed packages (entry points)."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib import metadata
from types import ModuleType
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownNameError(KeyError):
    """No entry has this name; the message suggests the most similar one."""

    def __str__(self) -> str:
        return str(self.args[0])


class PluginError(UnknownNameError):
    """An installed package has an unusable entry point; the message names the package and the remedy."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the most similar of ``names``, or "", as the end of an error message."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def plugins(group: str) -> dict[str, metadata.EntryPoint]:
    """Return the entry points of a group by name, from the metadata of installed packages; none is imported.

    Raises:
        PluginError: two packages offer the same name.
    """
    offered: dict[str, metadata.EntryPoint] = {}
    for entry_point in metadata.entry_points(group=group):
        earlier = offered.setdefault(entry_point.name, entry_point)
        if earlier != entry_point:
            raise PluginError(
                f"the packages {_package(earlier)} and {_package(entry_point)} both offer {entry_point.name!r} as "
                f"{group}: uninstall one of them"
            )
    return offered


class Registry(Mapping[str, T], Generic[T]):
    """Mapping from names to entries that refuses duplicates and suggests names for unknown ones.

    Installed packages may add entries by an entry point: ``name = "module:object"``, or ``name = "module"`` for a
    module that registers ``name`` itself. Each is imported when its name is first requested.

    Args:
        kind: singular noun for the entries (``"method"``), used in messages.
        listing: command that lists the entries, quoted in messages.
        entry_points: group in which packages offer entries; "" if they cannot.
    """

    def __init__(self, kind: str, listing: str = "", entry_points: str = "") -> None:
        self.kind = kind
        self.listing = listing
        self.group = entry_points
        self._entries: dict[str, T] = {}
        self._origins: dict[str, str] = {}

    def add(self, name: str, entry: T) -> T:
        """Register ``entry`` under ``name`` and return it.

        Raises:
            ValueError: the name belongs to another entry.
        """
        if name in self._entries and self._entries[name] is not entry:
            raise ValueError(f"{self.kind} {name!r} is already registered, as {self._entries[name]!r}")
        self._entries[name] = entry
        self._origins.setdefault(name, entry.__module__ if isinstance(entry, type) else _caller())
        return entry

    def replace(self, name: str, entry: T) -> T:
        """Enter ``entry`` under ``name`` in place of what is registered there."""
        self._entries[name] = entry
        return entry

    def origin(self, name: str) -> str:
        """Return the module that defines an entry: a class's own, else the one that registered it.

        Raises: UnknownNameError: there is no such entry.
        """
        entry = self[name]
        return self._origins.get(name) or str(getattr(entry, "__module__", ""))

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its argument, see :meth:`add`."""
        return lambda entry: self.add(name, entry)

    @property
    def registered(self) -> Mapping[str, T]:
        """Entries of modules imported so far, without those of plug-ins that were not requested."""
        return dict(self._entries)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            if name not in self._pending:
                raise UnknownNameError(self._unknown(name))
            self._load(name)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._pending

    def __iter__(self) -> Iterator[str]:
        for name in self._entries.keys() & self._pending.keys():
            self._load(name)
        return iter([*self._entries, *self._pending])

    def __len__(self) -> int:
        return len(self._entries.keys() | self._pending.keys())

    @cached_property
    def _pending(self) -> dict[str, metadata.EntryPoint]:
        """Name -> entry point of the group, for those that were not imported yet."""
        return plugins(self.group) if self.group else {}

    def _load(self, name: str) -> None:
        """Import the entry that a package offers under ``name``.

        Raises:
            PluginError: the import fails, or the entry point does not register ``name``.
        """
        entry_point, existing = self._pending[name], self._entries.get(name)
        offer = f"the package {_package(entry_point)} offers the {self.kind} {name!r}"
        try:
            loaded = entry_point.load()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise PluginError(
                f"{offer}, but importing {entry_point.value} fails ({type(error).__name__}: {reason}): repair or "
                "uninstall it"
            ) from error
        entry = self._entries.get(name) if isinstance(loaded, ModuleType) else loaded
        own_names = [
            registered_name
            for registered_name, value in self._entries.items()
            if value is entry and registered_name != name
        ]
        if entry is None or own_names:
            raise PluginError(
                f"{offer}, but {entry_point.value} registers {', '.join(map(repr, own_names)) or 'nothing'} instead: "
                "the entry point and the registered name must agree"
            )
        if existing is not None and not _holds(loaded, existing):
            raise PluginError(f"{offer}, which exists already: it needs another name; uninstall it until then")
        self._entries[name] = entry
        if not isinstance(entry, type):
            self._origins.setdefault(name, entry_point.module)
        del self._pending[name]

    def _unknown(self, name: str) -> str:
        hint = did_you_mean(name, self) or ";"
        remedy = f"`{self.listing}` shows them all" if self.listing else f"there are: {', '.join(self)}"
        return f"no {self.kind} named {name!r}{hint} {remedy}"


def _caller() -> str:
    """Return the name of the module outside the registries that makes this call."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).endswith(".registry"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def _package(entry_point: metadata.EntryPoint) -> str:
    return f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist is not None else "(unnamed)"


def _holds(loaded: object, entry: object) -> bool:
    """Return True if an entry point names ``entry`` or the module that holds it."""
    values = vars(loaded).values() if isinstance(loaded, ModuleType) else [loaded]
    return any(value is entry for value in values)
