"""The verb ``judge``: predictions of any program, from its options to :func:`analysis.judge`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import analysis
from analysis.predictions.page import check_folder
from benchmarks.errors import UsageError

if TYPE_CHECKING:
    from analysis.predictions import Judgement
    from benchmarks.cli.options import JudgeOptions


def judge_files(
    systems: Sequence[Path], baseline: str | None, options: JudgeOptions, out: Path | None = None
) -> Judgement:
    """Return the judgement of files.

    Args:
        systems: a file or folder each.
        baseline: the system that the others are compared with.
        options: how the files are read and compared.
        out: the folder that the judgement will be written to; checked before the files are read.
    Raises: UsageError, ResultsError: what cannot be compared or written, and the remedy.
    """
    if out is not None:
        inputs = [*systems, *(Path(place) for place in (baseline, options.labels) if place)]
        check_folder(out, inputs)
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
