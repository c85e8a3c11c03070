"""Sources of examples: the user's files, the hub, or a generator; never one silently in place of another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.errors import DataError, MissingData, UsageError
from benchmarks.tasks.base import Classification, Layout, Split, Task
from benchmarks.tasks.cache import cached_split
from benchmarks.tasks.locate import check_folder, find_files, layout_of
from benchmarks.tasks.records import read_files
from smart_repro.registry import did_you_mean

KINDS = ("local", "hub", "generated")
VARIABLE = "SMART_REPRO_DATA"
WARNING = "WARNING: "  # begins a note that the plan repeats
FEW = 20  # dev items; with fewer, one item changes the score by more than most published differences


@dataclass(frozen=True)
class Source:
    """A place to read examples from.

    Attributes:
        kind: "local", "hub" or "generated".
        data_dir: the folder with the data sets, for "local".
        data_files: (task, split) -> a file that is read instead of what the folder or the hub has.
    """

    kind: str
    data_dir: Path | None = None
    data_files: Mapping[tuple[str, str], Path] = field(default_factory=dict)


def resolve_source(
    kind: str | None = None,
    data_dir: str | Path | None = None,
    data_files: Mapping[tuple[str, str], Path] | None = None,
    *,
    default_dir: str | Path | None = None,
) -> Source:
    """Return the source that a command line means; the hub only where it is named.

    A data folder (given, or in SMART_REPRO_DATA) is read alone. Without one only generated tasks and named files can be
    read: :func:`load_split` says how to name the rest.

    Args:
        kind: "local", "hub" or "generated"; None: decided by the other arguments.
        data_dir: the data folder.
        data_files: (task, split) -> file.
        default_dir: the data folder of a file of defaults, used if neither option nor environment names one.

    Raises: UsageError: if the options contradict each other.
    """
    files = dict(data_files or {})
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no source named {kind!r}{did_you_mean(kind, KINDS)}; there are {', '.join(KINDS)}")
    variable = os.environ.get(VARIABLE)
    origin = "--data-dir" if data_dir else VARIABLE
    folder = data_dir or variable or (default_dir if kind in (None, "local") and not files else None)
    if kind == "generated" and not data_dir:
        return Source(kind, None, files)  # SMART_REPRO_DATA may stay set: nothing is read from it
    if kind in ("hub", "generated"):
        if folder:
            raise UsageError(f"--source {kind} contradicts {origin} {folder} (local files only); leave one of them out")
        return Source(kind, None, files)
    if folder:
        check_folder(Path(folder))
        return Source("local", Path(folder), files)
    if kind == "local" and not files:
        raise UsageError(f"--source local needs --data-dir, {VARIABLE} or --data-file")
    return Source("local", None, files)


def parse_data_files(options: Iterable[str]) -> dict[tuple[str, str], Path]:
    """Parse ``["mnli:train=PATH", ...]`` into a mapping.

    Raises: UsageError: if one does not have that form or a split is named twice.
    """
    files: dict[tuple[str, str], Path] = {}
    for option in options:
        name, equals, path = option.partition("=")
        task, colon, split = name.partition(":")
        if not (equals and colon and task and split and path):
            raise UsageError(f"--data-file {option}: expected TASK:SPLIT=PATH, as in mnli:train=train.jsonl")
        if (task, split) in files:
            raise UsageError(f"--data-file names {task}:{split} twice: {files[task, split]} and {path}")
        files[task, split] = Path(path)
    return files


def load_split(task: Task, split: str, source: Source) -> Split:
    """Load one split of a task from ``source``; a generated task is always generated.

    Raises: DataError: naming file and line, the expected form and the remedy. MissingData: if there are no files.
    """
    if task.generate is not None:
        return task.generate(split)
    if task.read is not None:
        rows = task.read(split, source.data_files, source.kind == "hub")
        return rows.with_notes(*use_notes(task, split, rows))
    if split not in task.splits:
        remedy = f"; it is evaluated by runs of {task.train_with}" if task.train_with and split == "train" else ""
        raise DataError(f"{task.name} has no {split} split, it has {', '.join(task.splits)}{remedy}")
    if source.kind == "generated":
        raise DataError(f"{task.name} is real data; use --data-dir or --source hub, or a task demo-*")
    rows = _load_parts(task, split, source) if split in task.parts else _load_one(task, split, source)
    return rows.with_notes(*size_notes(task, split, rows), *use_notes(task, split, rows))


def _load_one(task: Task, split: str, source: Source) -> Split:
    named = source.data_files.get((task.name, split))
    if named is not None:
        return _read(task, layout_of(task, named, split), [named], split)
    if source.kind == "hub":
        from benchmarks.tasks.hub import load_from_hub

        return load_from_hub(task, split)
    if source.data_dir is None:
        raise MissingData(
            f"{task.name} {split}: nothing says where its data are; give --data-dir FOLDER (or set {VARIABLE}), "
            f"--data-file {task.name}:{split}=PATH, or --source hub"
        )
    layout, files, notes = find_files(task, split, source.data_dir)
    rows = _read(task, layout, files, split)
    return rows.with_notes(*notes)


def _read(task: Task, layout: Layout, files: Sequence[Path], split: str) -> Split:
    return cached_split(task, split, files, lambda: read_files(task, layout, files, split))


def _load_parts(task: Task, split: str, source: Source) -> Split:
    """Load a split made of other tasks' splits of that name. Missing parts are named in a note."""
    from benchmarks.tasks.registry import TASKS

    loaded: dict[str, Split] = {}
    missing: dict[str, str] = {}
    for name in task.parts[split]:
        try:
            loaded[name] = load_split(TASKS[name], split, source)
        except MissingData as error:
            missing[name] = str(error)
    if not loaded:
        raise MissingData(f"{task.name}: no part of its {split} split is there. " + " ".join(missing.values()))
    return replace(
        concatenate(loaded),
        notes=(
            *(f"WITHOUT {name}, which is not there" for name in missing),
            *(f"{name}: {note}" for name, rows in loaded.items() for note in rows.notes),
        ),
    )


def concatenate(parts: Mapping[str, Split]) -> Split:
    """Concatenate splits of tasks with the same columns and classes; ids get the task's name in front."""
    splits = list(parts.values())
    classes = max((rows.votes.shape[1] for rows in splits if rows.votes is not None), default=0)
    votes = [np.zeros((len(rows), classes), np.int16) if rows.votes is None else rows.votes for rows in splits]
    reasons = sorted({reason for rows in splits for reason in rows.left_out})
    return Split(
        ids=[f"{name}:{row_id}" for name, rows in parts.items() for row_id in rows.ids],
        texts=tuple([text for rows in splits for text in rows.texts[i]] for i in range(len(splits[0].texts))),
        labels=np.concatenate([rows.labels for rows in splits]),
        votes=np.concatenate(votes) if classes else None,
        sources=tuple(source for rows in splits for source in rows.sources),
        extra={"part": np.concatenate([np.full(len(rows), name, dtype=object) for name, rows in parts.items()])},
        left_out={reason: sum(rows.left_out.get(reason, 0) for rows in splits) for reason in reasons},
    )


def size_notes(task: Task, split: str, rows: Split) -> list[str]:
    """Return a note where a split has fewer or more rows than the official one."""
    official = task.sizes.get(split)
    if official is None or official == len(rows):
        return []
    if len(rows) < official:
        return [f"a SUBSET: {len(rows):,} of {official:,} official rows"]
    return [f"{len(rows):,} rows, more than the official {official:,}"]


def use_notes(task: Task, split: str, rows: Split) -> list[str]:
    """Return warnings about a split: one class only, hardly any dev items, rows without a text."""
    notes = []
    empty = sum(not all(map(str.strip, texts)) for texts in zip(*rows.texts, strict=True))
    if empty:
        notes.append(f"{empty:,} row{'s' * (empty > 1)} with an empty text")
    if split in ("train", "dev") and isinstance(task.head, Classification) and len(np.unique(rows.labels)) == 1:
        label = task.head.labels[int(rows.labels[0])]
        notes.append(f"{WARNING}every row of the {split} split of {task.name} is labelled {label!r}")
    if split == "dev" and len(rows) < FEW:
        notes.append(f"{WARNING}{task.name} has only {len(rows)} dev items here; a score on them says next to nothing")
    return notes
