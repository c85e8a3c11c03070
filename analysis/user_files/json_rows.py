"""Objects of JSON lines, or of one JSON list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.records import ResultsError


def objects(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each object with its number: that of the line, or the place in the list.

    Raises: ResultsError: naming the file and the line.
    """
    for number, value in _list(path, text) if text.lstrip().startswith("[") else _lines(path, text):
        if not isinstance(value, dict):
            raise ResultsError(f'{path}, line {number}: no JSON object; each row must be one: {{"name": value, ...}}')
        yield number, value


def _lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = _reason(error)
                raise ResultsError(
                    f"{path}, line {number}: not JSON ({reason}); one object a line is expected"
                ) from None


def _list(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    try:
        yield from enumerate(json.loads(text), start=1)
    except (ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path}: not JSON ({_reason(error)}); give a list of objects, or one object a line"
        ) from None


def _reason(error: Exception) -> str:
    """Return what is wrong with a text, at which character of its line."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, character {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
