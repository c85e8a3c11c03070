"""Cells of tables, kept on disk: ``results/cache/<experiment>.json``, safe to delete, never stale.

A cell is found again only where nothing it was computed from has changed: the runs' prediction files (name, size, time
of writing), what is asked of them, and the code that computes it.
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
    """The cells of one experiment. ``save`` keeps those that were asked for since it was opened, and no others."""

    def __init__(self, results: Results, name: str) -> None:
        self.path = results.root / "cache" / f"{name}.json"
        self._known = read_cells(self.path)
        self._used: dict[str, TableCell] = {}

    def cell(self, content: Any, compute: Callable[[], TableCell]) -> TableCell:
        """The cell of that content: kept, or computed now."""
        key = hashlib.sha256(repr((code(), content)).encode()).hexdigest()[:32]
        kept = self._known.get(key)
        self._used[key] = compute() if kept is None else TableCell.from_json(kept)
        return self._used[key]

    def save(self) -> None:
        """Write the cells, whole; a folder that cannot be written is left without them."""
        if self._used.keys() == self._known.keys():
            return
        partial = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):  # as benchmarks.store.files does, which the analysis must not import
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = with_digest({key: cell.to_json() for key, cell in self._used.items()})
            try:
                partial.write_text(json.dumps(content), encoding="utf-8")
                os.replace(partial, self.path)
            finally:
                partial.unlink(missing_ok=True)


@lru_cache
def code() -> str:
    """The sha256 of the modules that compute a cell: another version computes it again."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in CODE)).hexdigest()
