"""Reading stored files: one JSON object each, with an error that names the file and the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = 1


class ResultsError(ValueError):
    """A result folder that cannot be read: names the file, what is wrong and what to do."""


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object that a run's folder holds. Raises ResultsError naming the file; also for a newer schema."""
    value = read_object(path)
    if value.get("schema", SCHEMA) > SCHEMA:
        raise ResultsError(
            f"{path} has schema {value['schema']}, this version reads up to {SCHEMA}: update smart-repro"
        )
    return value


def read_object(path: Path) -> dict[str, Any]:
    """One JSON object. Raises ResultsError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"{path} does not exist: the folder was not written by smart-repro, or was edited") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not JSON ({error}): delete its folder and run the experiment again") from error
    if not isinstance(value, dict):
        raise ResultsError(f"{path} holds a {type(value).__name__}, not an object: it was not written by smart-repro")
    return value
