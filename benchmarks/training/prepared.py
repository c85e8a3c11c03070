"""The data of a run: its splits, subsampled, without a holdout, tokenised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import DataError, UsageError
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS, Split, Task
from benchmarks.tasks.cache import encode_split
from benchmarks.tasks.pronouns.mentions import alignment_notes, mentions_of
from benchmarks.tasks.sources import Source, load_split
from benchmarks.tasks.subsample import holdout, mislabelled, outside, subsample, subsample_per_class
from benchmarks.tasks.transfer import Joined, join, joined
from benchmarks.training import models
from smart_repro.encoding import Encoded, Mixed
from smart_repro.hnn.options import HNN_HEADS
from smart_repro.mentions import encode_mentions

DRAWN = ("holdout", "tuning")  # splits that a run draws from its task's training rows: no file holds them


def places(run: RunSpec) -> list[tuple[str, str]]:
    """Return task and split of everything the run predicts; ``"mnli-mm:dev"`` is another task's, ``"dev"`` its own.

    Raises: UsageError: for a task that must not be scored after one of those the run was trained on.
    """
    entries = [entry.rpartition(":") for entry in run.predict]
    pairs = [(target, split) for task, _, split in entries for target in ([task] if task else run.tasks)]
    trained = trained_on(run)
    for task, _ in pairs:
        for excluded, reason in TASKS[task].not_after.items():
            if excluded in trained:
                raise UsageError(f"a run trained on {excluded} is never scored on {task}: {reason}; leave {task} out")
    return pairs


def trained_on(run: RunSpec) -> set[str]:
    """Return every task that the run's weights were trained on, including its parents' tasks."""
    return {*run.tasks, *(task for parent in run.needed for task in trained_on(parent))}


def head_for(run: RunSpec, task: str) -> str:
    """Return the trained task whose head predicts ``task``."""
    return next((candidate for candidate in (task, TASKS[task].train_with) if candidate in run.tasks), run.task)


def split_of(task: str, split: str, source: Source) -> Split:
    """Return a split, read once per process."""
    return split_in_memory(TASKS[task], split, source.kind, source.data_dir, tuple(sorted(source.data_files.items())))


@lru_cache(maxsize=16)
def split_in_memory(task: Task, split: str, kind: str, folder: Path | None, files: Any) -> Split:
    """Return a split, kept in memory for the next run. Raises: DataError: if it has no rows."""
    loaded = load_split(task, split, Source(kind, folder, dict(files)))
    if len(loaded) == 0:
        raise DataError(f"{task.name}: the {split} split is empty ({', '.join(loaded.sources) or 'generated'})")
    return loaded


@dataclass(frozen=True)
class Evaluated:
    """A split the run predicts.

    Attributes:
        head: the trained task whose head predicts it.
        joined: mapping from the trained classes to this task's, where they differ.
    """

    task: Task
    split: str
    rows: Split
    encoded: Encoded
    head: str
    joined: Joined | None = None

    def own_classes(self, logits: np.ndarray) -> np.ndarray:
        """Return logits over the classes of this task, made of those of the trained classes."""
        return join(logits, self.joined)

    @property
    def name(self) -> str:
        """``task.split``, the name of its predictions file."""
        return f"{self.task.name}.{self.split}"


@dataclass(frozen=True)
class Prepared:
    """The data of a run: the training set after subsampling and holdout, and every split it predicts.

    Attributes:
        special_ids: numbers of the tokenizer's special tokens, including those that no text contains.
    """

    train: Encoded | Mixed
    evaluated: list[Evaluated]
    sources: list[str]
    notes: list[str]
    special_ids: tuple[int, ...]


def prepare(run: RunSpec, source: Source) -> Prepared:
    """Read, subsample, split off a holdout, tokenise. Example numbers are rows of the complete training set.

    Each of several tasks is split as if it were alone: its holdout is the same when a run continues on it alone.
    """
    training_sets = {task: split_of(task, "train", source) for task in run.tasks}
    numbers = {(task, name): rows for task in run.tasks for name, rows in _cut(training_sets[task], run).items()}
    parts = {(task, name): training_sets[task].take(rows) for (task, name), rows in numbers.items()}
    tokenizer, length = models.tokenizer(run.model), models.kept_tokens(run.model, run.max_length)

    def encoded(place: tuple[str, str], split: Split) -> Encoded:
        if run.head in HNN_HEADS:
            mentions = mentions_of(TASKS[place[0]], split)
            return encode_mentions(tokenizer, mentions, split.labels, length, numbers.get(place))
        return encode_split(tokenizer, split, length, numbers.get(place))

    places_read = {place: parts[place] if place in parts else split_of(*place, source) for place in places(run)}
    evaluated = [
        Evaluated(TASKS[task], split, read, encoded((task, split), read), head, _joined(run, head, task))
        for (task, split), read in places_read.items()
        if len(read)
        for head in (head_for(run, task),)
    ]
    trained = {
        task: encoded((task, "train"), _trained_on(training_sets[task], numbers[task, "train"], run))
        for task in run.tasks
    }
    read_from = [*training_sets.values(), *places_read.values()]
    return Prepared(
        Mixed(trained) if run.with_tasks else trained[run.task],
        evaluated,
        sources=sorted({path for split in read_from for path in split.sources}),
        notes=sorted({note for split in read_from for note in split.notes} | _mention_notes(run, places_read)),
        special_ids=tuple(tokenizer.all_special_ids),
    )


def _trained_on(split: Split, rows: np.ndarray, run: RunSpec) -> Split:
    """Return the training examples, with wrong labels if the run has label noise; predicted examples stay clean."""
    if not run.label_noise:
        return split.take(rows)
    return mislabelled(split, rows, run.label_noise, run.seeds()["seed_subsample"])


def _joined(run: RunSpec, trained: str, evaluated: str) -> Joined | None:
    """Return the mapping from a head's classes to another task's; None for HNN, whose classes are the candidates."""
    return None if run.head in HNN_HEADS else joined(TASKS[trained], TASKS[evaluated])


def _mention_notes(run: RunSpec, splits: Mapping[tuple[str, str], Split]) -> set[str]:
    if run.head not in HNN_HEADS:
        return set()
    return {note for (task, _), split in splits.items() for note in alignment_notes(TASKS[task], split)}


def _cut(split: Split, run: RunSpec) -> dict[str, np.ndarray]:
    """Return the rows of a training set that are trained on, those held out, and those outside both to tune on."""
    seed = run.seeds()["seed_subsample"]
    if run.per_class is not None:
        rows = subsample_per_class(split, run.per_class, seed)
    else:
        rows = np.arange(len(split)) if run.max_train_samples is None else subsample(split, run.max_train_samples, seed)
    if run.holdout_rows:
        trained, held_out = rows, outside(len(split), rows, run.holdout_rows, seed)
        rows = np.concatenate([trained, held_out])
    else:
        trained, held_out = holdout(split, rows, run.holdout, seed)
    return {"train": trained, "holdout": held_out, "tuning": outside(len(split), rows, run.tuning_rows, seed)}
