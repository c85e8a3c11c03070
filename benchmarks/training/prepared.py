"""What a run reads: its splits, subsampled, with a holdout kept aside, tokenised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import DataError
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS, Split, Task
from benchmarks.tasks.cache import encode_split
from benchmarks.tasks.sources import Source, load_split
from benchmarks.tasks.subsample import holdout, outside, subsample, subsample_per_class
from benchmarks.tasks.transfer import Joined, join, joined
from benchmarks.training import models
from smart_repro.encoding import Encoded, Mixed


def places(run: RunSpec) -> list[tuple[str, str]]:
    """Task and split of all the run predicts; ``"mnli-mm:dev"`` is another task's, ``"dev"`` each trained one's."""
    named = [entry.rpartition(":") for entry in run.predict]
    return [(each, split) for task, _, split in named for each in ([task] if task else run.tasks)]


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
    """What a run reads: the training set after subsampling and holdout, and every split it predicts."""

    train: Encoded | Mixed
    evaluated: list[Evaluated]
    sources: list[str]
    notes: list[str]


def prepare(run: RunSpec, source: Source) -> Prepared:
    """Read, subsample, keep a holdout aside, tokenise. Example numbers are rows of the whole training set.

    Of several tasks each is cut as it is alone, so that a holdout stays one when the run is continued on its task.
    """
    wholes = {task: split_of(task, "train", source) for task in run.tasks}
    numbers = {(task, name): rows for task in run.tasks for name, rows in _cut(wholes[task], run).items()}
    own = {(task, name): wholes[task].take(chosen) for (task, name), chosen in numbers.items()}
    tokenizer = models.tokenizer(run.model)

    def encoded(place: tuple[str, str], split: Split) -> Encoded:
        return encode_split(tokenizer, split, run.max_length, numbers.get(place))

    found = {place: own[place] if place in own else split_of(*place, source) for place in places(run)}
    evaluated = [
        Evaluated(TASKS[task], split, read, encoded((task, split), read), head, joined(TASKS[head], TASKS[task]))
        for (task, split), read in found.items()
        if len(read)
        for head in [judge(run, task)]
    ]
    trained = {task: encoded((task, "train"), own[task, "train"]) for task in run.tasks}
    read_from = [*wholes.values(), *found.values()]
    return Prepared(
        Mixed(trained) if run.with_tasks else trained[run.task],
        evaluated,
        sources=sorted({path for split in read_from for path in split.sources}),
        notes=sorted({note for split in read_from for note in split.notes}),
    )


def _cut(whole: Split, run: RunSpec) -> dict[str, np.ndarray]:
    """Return the rows of a training set that are trained on, those kept aside, and those outside both to tune on."""
    seed = run.seeds()["seed_subsample"]
    if run.per_class is not None:
        rows = subsample_per_class(whole, run.per_class, seed)
    else:
        rows = np.arange(len(whole)) if run.max_train_samples is None else subsample(whole, run.max_train_samples, seed)
    kept, aside = holdout(whole, rows, run.holdout, seed)
    return {"train": kept, "holdout": aside, "tuning": outside(len(whole), rows, run.tuning_rows, seed)}
