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
    """Data in another form than expected; the message names the file, the line, the expected form and the remedy."""


class NotInProfileError(UsageError):
    """An experiment that a profile does not have; in a group it is left out, which is not a failure."""


class MissingData(DataError):  # noqa: N818  (the name describes the state)
    """Data that do not exist, as opposed to data that exist and are damaged."""
