"""Errors that a user can correct. The command line prints their message, without a traceback, and exits with 2."""

from __future__ import annotations

from collections.abc import Iterable


class UsageError(Exception):
    """A request that cannot be carried out as given: the message says what, where and what to do."""


class Mistakes(UsageError):  # noqa: N818  (several errors at once)
    """Several mistakes of one file: each has a line of its own, which the command line prints."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(self.lines))


class DataError(UsageError):
    """Data that cannot be read as what it claims to be: names the file, the line, what was expected and the remedy."""


class NotInProfileError(UsageError):
    """An experiment that a profile does not have; in a group it is left out, and nothing has failed."""


class MissingData(DataError):  # noqa: N818  (it reads as what it is; it ends up in no other package)
    """Data that do not exist, as opposed to data that exist and are damaged."""
