"""What an update of a run costs, in forward passes over one batch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from benchmarks.spec import RunSpec
from smart_repro.methods import METHODS, build


def cost(run: RunSpec) -> float:
    """Of an update, in forward passes over one batch; a plain one is 3."""
    return _cost(run.method, run.options)


@lru_cache(maxsize=4096)
def _cost(method: str, options: tuple[tuple[str, Any], ...]) -> float:
    return METHODS[method].cost(build(method, **dict(options)).config)
