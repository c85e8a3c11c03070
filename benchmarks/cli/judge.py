"""The verb ``judge``: predictions of any program, from its options to :func:`analysis.judge`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import analysis
from benchmarks.errors import UsageError

if TYPE_CHECKING:
    from analysis.predictions import Judgement
    from benchmarks.cli.options import JudgeOptions


def judge_files(systems: Sequence[Path], baseline: str | None, options: JudgeOptions) -> Judgement:
    """Return the judgement of files. Raises UsageError, ResultsError: what cannot be compared, and the remedy."""
    for name, value in (("--bound", options.bound), ("--reference", options.reference)):
        if value is not None and not math.isfinite(value):
            raise UsageError(f"{name} must be a finite number, got {value}")
    return analysis.judge(
        *systems,
        baseline=baseline,
        metric=options.metric,
        positive=options.positive,
        labels=options.labels,
        classes=_names(options.classes),
        filter_name=options.filter_name,
        bound=options.bound,
        reference=options.reference,
    )


def _names(text: str | None) -> list[str] | None:
    """Return comma-separated names. Raises UsageError: an empty one, or one twice."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise UsageError(f"--classes {text}: names must differ and none may be empty")
    return names
