"""Two copies of one run, made on two machines or published in two forms: the same run if its results are the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from analysis.parts.forms import differing_predictions, fullness
from analysis.records import read_json

_TOLERANCE = 1e-9  # of a score: rounding differences of sums between machines


def have_same_results(first: Path, second: Path) -> bool:
    """Return True if two run folders of one key have the same predictions, scores and measures.

    Predictions are compared in the forms of both copies. Times, environments and histories may differ.

    Raises:
        ResultsError: a file cannot be read.
    """
    scores = [dict(_scores(read_json(folder / "result.json")["scores"])) for folder in (first, second)]
    return (
        scores[0].keys() == scores[1].keys()
        and all(abs(scores[0][name] - scores[1][name]) <= _TOLERANCE for name in scores[0])
        and _measures(first) == _measures(second)
        and not differing_predictions(first, second)
    )


@cache
def fuller_copy(first: Path, second: Path) -> Path | None:
    """Return the copy of a run with more logits, else the first one; None if they have different results.

    Args:
        first: an unpacked run folder, whose content never changes.
        second: another one.

    Raises:
        ResultsError: a file cannot be read.
    """
    if not have_same_results(first, second):
        return None
    return second if fullness(second) > fullness(first) else first


def _scores(stored: dict[str, dict[str, dict[str, float]]]) -> Iterator[tuple[tuple[str, str, str], float]]:
    for task, splits in stored.items():
        for split, metrics in splits.items():
            yield from (((task, split, metric), value) for metric, value in metrics.items())


def _measures(folder: Path) -> dict[str, Any]:
    path = folder / "measures.json"
    return read_json(path) if path.is_file() else {}
