"""Files that appear whole: a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def partial_path(path: Path) -> Path:
    """Return a hidden name beside ``path`` that no other process uses."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name to write to; the file takes the place of ``path`` at the end, and is removed after an error."""
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, sort_keys=False) + "\n")
