"""What a run reads: its splits, subsampled, with a holdout kept aside, tokenised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.errors import DataError
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS, Split, Task
from benchmarks.tasks.cache import encode_split
from benchmarks.tasks.sources import Source, load_split
from benchmarks.tasks.subsample import holdout, subsample, subsample_per_class
from benchmarks.transfer import Joined, join, joined
from smart_repro.encoding import Encoded


def places(run: RunSpec) -> list[tuple[str, str]]:
    """Task and split of everything the run predicts; ``"mnli-mm:dev"`` is another task's split."""
    named = [entry.rpartition(":") for entry in run.predict]
    return [(task or run.task, split) for task, _, split in named]


def split_of(task: str, split: str, source: Source) -> Split:
    """A split, read once per process."""
    return _cached_split(task, split, source.kind, source.data_dir, tuple(sorted(source.data_files.items())))


@lru_cache(maxsize=16)
def _cached_split(task: str, split: str, kind: str, folder: Path | None, files: Any) -> Split:
    loaded = load_split(TASKS[task], split, Source(kind, folder, dict(files)))
    if len(loaded) == 0:
        raise DataError(f"{task}: the {split} split is empty ({', '.join(loaded.sources) or 'generated'})")
    return loaded


@dataclass(frozen=True)
class Evaluated:
    """A split the run predicts; ``joined``: how the trained classes make up this task's, where they differ."""

    task: Task
    split: str
    rows: Split
    encoded: Encoded
    joined: Joined | None = None

    def own_classes(self, logits: np.ndarray) -> np.ndarray:
        return join(logits, self.joined)

    @property
    def name(self) -> str:
        return f"{self.task.name}.{self.split}"


@dataclass(frozen=True)
class Prepared:
    """What a run reads: the training set after subsampling and holdout, and every split it predicts."""

    train: Encoded
    evaluated: list[Evaluated]
    sources: list[str]
    notes: list[str]


def prepare(run: RunSpec, source: Source) -> Prepared:
    """Read, subsample, keep a holdout aside, tokenise. Example numbers are rows of the whole training set."""
    seed = run.seeds()["seed_subsample"]
    whole = split_of(run.task, "train", source)
    if run.per_class is not None:
        rows = subsample_per_class(whole, run.per_class, seed)
    else:
        rows = np.arange(len(whole)) if run.max_train_samples is None else subsample(whole, run.max_train_samples, seed)
    kept, aside = holdout(whole, rows, run.holdout, seed)
    numbers = {(run.task, "train"): kept, (run.task, "holdout"): aside}
    own = {place: whole.take(chosen) for place, chosen in numbers.items()}
    tokenizer = models.tokenizer(run.model)

    def encoded(place: tuple[str, str], split: Split) -> Encoded:
        return encode_split(tokenizer, split, run.max_length, numbers.get(place))

    found = {place: own[place] if place in own else split_of(*place, source) for place in places(run)}
    evaluated = [
        Evaluated(TASKS[task], split, read, encoded((task, split), read), joined(TASKS[run.task], TASKS[task]))
        for (task, split), read in found.items()
        if len(read)
    ]
    read_from = [whole, *found.values()]
    return Prepared(
        encoded((run.task, "train"), own[run.task, "train"]),
        evaluated,
        sources=sorted({path for split in read_from for path in split.sources}),
        notes=sorted({note for split in read_from for note in split.notes}),
    )
