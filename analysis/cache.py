"""Cache of table cells on disk: ``results/cache/<experiment>.json``, safe to delete, never stale.

A cached cell is used only if nothing it depends on has changed: the runs' prediction files (name, size, modification
time), the request, and the code that computes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from analysis.records import read_cells, with_digest
from analysis.results import Results
from analysis.table_cell import TableCell

CODE = (
    "cells.py",
    "claims/floor.py",
    "claims/inert.py",
    "claims/references.csv",
    "comparison.py",
    "contrasts.py",
    "crossed.py",
    "influence.py",
    "interval.py",
    "power.py",
    "records.py",
    "results.py",
    "run_fields.py",
    "scores.py",
    "table_cell.py",
)


class CellCache:
    """Cached cells of one experiment.

    ``save`` keeps the cells that were requested since the cache was opened, and drops all others.
    """

    def __init__(self, results: Results, name: str) -> None:
        self.path = results.root / "cache" / f"{name}.json"
        self._stored = read_cells(self.path)
        self._used: dict[str, TableCell] = {}

    def cell(self, content: Any, compute: Callable[[], TableCell]) -> TableCell:
        """Return the cell of that content, from the cache or computed by ``compute``."""
        key = hashlib.sha256(repr((code(), content)).encode()).hexdigest()[:32]
        stored = self._stored.get(key)
        self._used[key] = compute() if stored is None else TableCell.from_json(stored)
        return self._used[key]

    def save(self) -> None:
        """Write the cells by one rename; a folder without write permission is left unchanged."""
        if self._used.keys() == self._stored.keys():
            return
        partial = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):  # like benchmarks.store.files, which the analysis must not import
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = with_digest({key: cell.to_json() for key, cell in self._used.items()})
            try:
                partial.write_text(json.dumps(content), encoding="utf-8")
                os.replace(partial, self.path)
            finally:
                partial.unlink(missing_ok=True)


@lru_cache
def code() -> str:
    """Return the sha256 of the modules that compute a cell; another version of them recomputes all cells."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in CODE)).hexdigest()
