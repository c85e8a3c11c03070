"""Systems to compare, by name: files, folders, frames and arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.predictions import files
from analysis.predictions.files import examples
from analysis.predictions.systems import Labels, System, of_array, of_frame, read_array, read_labels
from analysis.records import ResultsError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of reading; see :func:`analysis.predictions.judge`."""

    metric: str | None = None
    labels: Any = None
    groups: Any = None
    classes: Sequence[str] | None = None
    filter_name: str | None = None


def named(sources: Sequence[Any]) -> dict[str, Any]:
    """Return the systems by name: of a path its last part, or all of it where two would have the same name."""
    paths = [Path(source) if isinstance(source, str | Path) else None for source in sources]
    stems = [_stem(path) if path is not None else f"system {place}" for place, path in enumerate(paths, 1)]
    names = [
        str(path) if path is not None and stems.count(stem) > 1 else stem
        for stem, path in zip(stems, paths, strict=True)
    ]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ResultsError(f"{twice[0]} is given twice: a system cannot be compared with itself")
    return dict(zip(names, sources, strict=True))


def with_baseline(systems: Mapping[str, Any], baseline: Any) -> tuple[dict[str, Any], str]:
    """Return the systems and the name of the baseline, which is added where it is a further file.

    Raises: ResultsError: no system, or the baseline is none of them and no file.
    """
    by_name = dict(systems)
    if isinstance(baseline, str) and not baseline.strip():
        raise ResultsError("the baseline's name is empty: give a file, or one of the systems")
    if not by_name:
        raise ResultsError("a comparison needs two systems: give two files, or a file and a baseline")
    if baseline is None:
        return by_name, list(by_name)[-1]
    for name, source in by_name.items():
        is_path = isinstance(source, str | Path) and isinstance(baseline, str | Path)
        if source is baseline or name == baseline or (is_path and Path(source) == Path(baseline)):
            return by_name, name
    if isinstance(baseline, str | Path) and not Path(baseline).exists():
        raise ResultsError(f"the baseline {baseline} is no file and none of the systems: {', '.join(by_name)}")
    added = named([*by_name.values(), baseline])
    return {**by_name, list(added)[-1]: baseline}, list(added)[-1]


def read_all(systems: Mapping[str, Any], options: Options) -> tuple[list[System], str | None]:
    """Return the systems and the metric's name: as given, or as lm-evaluation-harness's files need it.

    Raises: ResultsError: names file or field, what is wrong and the remedy.
    """
    if options.groups is not None and options.labels is None:
        raise ResultsError("groups= stands beside labels=, of arrays: give files and frames a column 'group' instead")
    labels = None if options.labels is None else read_labels(options.labels, options.groups)
    read = [_read(name, source, options, labels) for name, source in systems.items()]
    _refuse_idle(read, options)
    _refuse_unanswered(read, labels)
    names = {system.score_name for system in read if system.scores is None and system.score_name}
    return read, next(iter(names)) if names else options.metric


def _refuse_idle(systems: Sequence[System], options: Options) -> None:
    """Refuse options that would change nothing. Raises ResultsError."""
    if options.labels is not None and all(system.has_own_labels for system in systems):
        raise ResultsError(
            "every system has labels of its own, so --labels would change nothing: leave it out, or the column 'label'"
        )
    if options.filter_name is not None and not any(system.score_name for system in systems):
        raise ResultsError("--filter is for files of lm-evaluation-harness (--log_samples), and none is: leave it out")


def _refuse_unanswered(systems: Sequence[System], labels: Labels | None) -> None:
    """Refuse labels of items that no system answers. Raises ResultsError."""
    if labels is None or labels.ids is None:
        return
    answered = {item for system in systems for item in system.ids}
    if unanswered := [item for item in labels.ids if item not in answered]:
        raise ResultsError(
            f"{len(unanswered):,} of {len(labels.ids):,} ids with a label are answered by no system: "
            f"{examples(unanswered)}; add their predictions, or remove them from the labels"
        )


def _read(name: str, source: Any, options: Options, labels: Labels | None) -> System:
    if isinstance(source, np.ndarray | list | tuple):
        return of_array(name, np.asarray(source), labels, options.classes)
    if not isinstance(source, str | Path):
        frame = files.text_frame(source, name)
        return of_frame(name, frame, "", labels)
    path = Path(source)
    if path.suffix.lower() == files.ARRAY:
        return of_array(name, read_array(path), labels, options.classes)
    frame, score_name = files.read_system(path, metric=options.metric, filter_name=options.filter_name)
    return of_frame(name, frame, score_name, labels)


def _stem(path: Path) -> str:
    name = path.name if path.is_dir() else re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
    return name if path.is_dir() else Path(name).stem
