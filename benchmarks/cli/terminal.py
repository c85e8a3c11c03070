"""Output to a terminal: control characters in stored texts are printed by name.

A task's title or an error message could otherwise move the cursor, colour the screen or rename the window. The suite's
own sequences (rich's colours and bars, clearing the screen) are not filtered.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

WIDTH_OF_FILES = 160  # characters in a line of output that is no terminal
# C0 but for tab and newline, DEL, C1, and the marks that turn the direction of writing
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Return a text with its control characters spelled out: ``\x1b``."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def note_line(note: str) -> str:
    """Return a note as a line of output: ``note: `` stands before it, except before a warning, which says so itself."""
    from benchmarks.tasks.sources import WARNING  # reads numpy

    return note if note.startswith(WARNING) else f"note: {note}"


def terminal_width() -> int:
    """Return the number of characters in a line of the terminal; :data:`WIDTH_OF_FILES` where output is no terminal."""
    return shutil.get_terminal_size((WIDTH_OF_FILES, 24)).columns


class Guarded:
    """A text stream that spells control characters out.

    Attributes:
        rich_proxied_file: the stream behind it, to which rich's consoles write their own sequences.
    """

    def __init__(self, stream: TextIO, *, bars: bool = False) -> None:
        self.rich_proxied_file = stream
        self._bars = bars  # of downloads, which libraries draw: each begins by going back to the start of the line

    def write(self, text: str) -> int:
        """Write a text with its control characters spelled out."""
        start = 1 if self._bars and text.startswith("\r") else 0
        self.rich_proxied_file.write(text[:start] + visible(text[start:]))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines as :meth:`write` does."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def guarded() -> Iterator[None]:
    """Guard standard output and standard error inside."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Guarded(out), Guarded(err, bars=True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
