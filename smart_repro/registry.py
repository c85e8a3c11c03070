"""Names for things: a mapping that is filled where each thing is defined and that helps those who mistype."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownNameError(KeyError):
    """A name nobody registered; the message suggests the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Mapping[str, T], Generic[T]):
    """``registry[name]`` with a duplicate check on the way in and a suggestion on the way out.

    Args:
        kind: what the entries are, in the singular (``"method"``): used in messages.
        listing: the command that lists them, quoted in messages.
    """

    def __init__(self, kind: str, listing: str = "") -> None:
        self.kind = kind
        self.listing = listing
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Enter ``entry`` under ``name``. Raises ValueError if the name is taken by something else."""
        if name in self._entries and self._entries[name] is not entry:
            raise ValueError(f"{self.kind} {name!r} is already registered, as {self._entries[name]!r}")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of :meth:`add`."""
        return lambda entry: self.add(name, entry)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self._unknown(name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._entries, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        shown = f"`{self.listing}` shows them all" if self.listing else f"there are: {', '.join(self._entries)}"
        return f"no {self.kind} named {name!r}{hint} {shown}"
