"""Cost of an update of a run, in forward passes over one batch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from benchmarks.spec import RunSpec
from benchmarks.training.instruments import ASCENT_STEPS, PROBE
from smart_repro.methods import METHODS, build


def cost(run: RunSpec) -> float:
    """Return the cost of one update in forward passes over one batch; a plain update costs 3."""
    return _cost(run.method, run.options)


def smoothness_cost(run: RunSpec) -> float:
    """Return the cost of recording R_s at the end of a run, in forward passes over one batch of its size.

    At each radius: a clean pass, one and its backward pass (2) to the embeddings in each ascent step, and a last one.
    """
    passes = 2.0 + 3.0 * ASCENT_STEPS
    return len(run.smoothness_radii) * passes * PROBE / run.batch_size


@lru_cache(maxsize=4096)
def _cost(method: str, options: tuple[tuple[str, Any], ...]) -> float:
    return METHODS[method].cost(build(method, **dict(options)).config)
