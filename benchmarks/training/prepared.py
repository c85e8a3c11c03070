"""What a run reads: its splits, subsampled, with a holdout kept aside, tokenised."""

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


def places(run: RunSpec) -> list[tuple[str, str]]:
    """Task and split of all the run predicts; ``"mnli-mm:dev"`` is another task's, ``"dev"`` each trained one's.

    Raises: UsageError: for a task that must not be scored after one of those the run was trained on.
    """
    named = [entry.rpartition(":") for entry in run.predict]
    found = [(each, split) for task, _, split in named for each in ([task] if task else run.tasks)]
    seen = trained_on(run)
    for task, _ in found:
        for other, reason in TASKS[task].not_after.items():
            if other in seen:
                raise UsageError(f"a run trained on {other} is never scored on {task}: {reason}; leave {task} out")
    return found


def trained_on(run: RunSpec) -> set[str]:
    """Return every task the run's weights have seen, its parents' included."""
    return {*run.tasks, *(task for parent in run.needed for task in trained_on(parent))}


def judge(run: RunSpec, task: str) -> str:
    """The trained task whose head predicts ``task``."""
    return next((each for each in (task, TASKS[task].train_with) if each in run.tasks), run.task)


def split_of(task: str, split: str, source: Source) -> Split:
    """A split, read once per process."""
    return _cached_split(TASKS[task], split, source.kind, source.data_dir, tuple(sorted(source.data_files.items())))


@lru_cache(maxsize=16)
def _cached_split(task: Task, split: str, kind: str, folder: Path | None, files: Any) -> Split:
    loaded = load_split(task, split, Source(kind, folder, dict(files)))
    if len(loaded) == 0:
        raise DataError(f"{task.name}: the {split} split is empty ({', '.join(loaded.sources) or 'generated'})")
    return loaded


@dataclass(frozen=True)
class Evaluated:
    """A split the run predicts.

    Attributes:
        head: the trained task whose head predicts it.
        joined: how the trained classes make up this task's, where they differ.
    """

    task: Task
    split: str
    rows: Split
    encoded: Encoded
    head: str
    joined: Joined | None = None

    def own_classes(self, logits: np.ndarray) -> np.ndarray:
        return join(logits, self.joined)

    @property
    def name(self) -> str:
        return f"{self.task.name}.{self.split}"


@dataclass(frozen=True)
class Prepared:
    """What a run reads: the training set after subsampling and holdout, and every split it predicts.

    Attributes:
        special_ids: numbers of the tokenizer's special tokens, whether texts contain them or not.
    """

    train: Encoded | Mixed
    evaluated: list[Evaluated]
    sources: list[str]
    notes: list[str]
    special_ids: tuple[int, ...]


def prepare(run: RunSpec, source: Source) -> Prepared:
    """Read, subsample, keep a holdout aside, tokenise. Example numbers are rows of the whole training set.

    Of several tasks each is cut as it is alone, so that a holdout stays one when the run is continued on its task.
    """
    wholes = {task: split_of(task, "train", source) for task in run.tasks}
    numbers = {(task, name): rows for task in run.tasks for name, rows in _cut(wholes[task], run).items()}
    own = {(task, name): wholes[task].take(chosen) for (task, name), chosen in numbers.items()}
    tokenizer, length = models.tokenizer(run.model), models.kept_tokens(run.model, run.max_length)

    def encoded(place: tuple[str, str], split: Split) -> Encoded:
        if run.head in HNN_HEADS:
            mentions = mentions_of(TASKS[place[0]], split)
            return encode_mentions(tokenizer, mentions, split.labels, length, numbers.get(place))
        return encode_split(tokenizer, split, length, numbers.get(place))

    found = {place: own[place] if place in own else split_of(*place, source) for place in places(run)}
    evaluated = [
        Evaluated(TASKS[task], split, read, encoded((task, split), read), head, _joined(run, head, task))
        for (task, split), read in found.items()
        if len(read)
        for head in [judge(run, task)]
    ]
    trained = {
        task: encoded((task, "train"), _trained_on(wholes[task], numbers[task, "train"], run)) for task in run.tasks
    }
    read_from = [*wholes.values(), *found.values()]
    return Prepared(
        Mixed(trained) if run.with_tasks else trained[run.task],
        evaluated,
        sources=sorted({path for split in read_from for path in split.sources}),
        notes=sorted({note for split in read_from for note in split.notes} | _mention_notes(run, found)),
        special_ids=tuple(tokenizer.all_special_ids),
    )


def _trained_on(whole: Split, rows: np.ndarray, run: RunSpec) -> Split:
    """Return the training examples, with wrong labels where the run asks for them; those it predicts stay clean."""
    if not run.label_noise:
        return whole.take(rows)
    return mislabelled(whole, rows, run.label_noise, run.seeds()["seed_subsample"])


def _joined(run: RunSpec, trained: str, evaluated: str) -> Joined | None:
    """How the classes of one task make up another's; HNN's are always the two classes of candidates."""
    return None if run.head in HNN_HEADS else joined(TASKS[trained], TASKS[evaluated])


def _mention_notes(run: RunSpec, found: Mapping[tuple[str, str], Split]) -> set[str]:
    if run.head not in HNN_HEADS:
        return set()
    return {note for (task, _), split in found.items() for note in alignment_notes(TASKS[task], split)}


def _cut(whole: Split, run: RunSpec) -> dict[str, np.ndarray]:
    """Return the rows of a training set that are trained on, those kept aside, and those outside both to tune on."""
    seed = run.seeds()["seed_subsample"]
    if run.per_class is not None:
        rows = subsample_per_class(whole, run.per_class, seed)
    else:
        rows = np.arange(len(whole)) if run.max_train_samples is None else subsample(whole, run.max_train_samples, seed)
    if run.holdout_rows:
        kept, aside = rows, outside(len(whole), rows, run.holdout_rows, seed)
        rows = np.concatenate([kept, aside])
    else:
        kept, aside = holdout(whole, rows, run.holdout, seed)
    return {"train": kept, "holdout": aside, "tuning": outside(len(whole), rows, run.tuning_rows, seed)}
