"""What a task is: a value that says how its data look, how they are scored and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import numpy as np


@dataclass(frozen=True)
class Classification:
    """A label out of ``labels``; the position of a name is its class index."""

    labels: tuple[str, ...]

    @property
    def num_outputs(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Regression:
    """A number between ``low`` and ``high``, kept on its own scale."""

    low: float
    high: float

    @property
    def num_outputs(self) -> int:
        return 1


Head = Classification | Regression


@dataclass(frozen=True)
class Hub:
    """Where a task lies on the Hugging Face hub; ``splits`` maps our split names to the hub's."""

    repo: str
    config: str | None = None
    splits: dict[str, str] = field(default_factory=lambda: {"train": "train", "dev": "validation", "test": "test"})
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a task, in columns.

    Attributes:
        ids: one name per example, unique in the split.
        texts: one list of strings per text column of the task.
        labels: ``(n,)`` int64 class indices (-1: hidden), or float64 targets (nan: hidden).
        votes: ``(n, classes)`` annotator counts, or None where the data set has none.
        sources: the files or the hub revision the rows came from.
        notes: what a reader of the results must know, such as dropped or repeated rows, with counts.
        extra: further columns of length n that analyses use (the generated world's item types, say).
    """

    ids: list[str]
    texts: tuple[list[str], ...]
    labels: np.ndarray
    votes: np.ndarray | None = None
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Split:
        """The given rows, in the given order."""
        return Split(
            ids=[self.ids[i] for i in rows],
            texts=tuple([column[i] for i in rows] for column in self.texts),
            labels=self.labels[rows],
            votes=None if self.votes is None else self.votes[rows],
            sources=self.sources,
            notes=self.notes,
            extra={name: column[rows] for name, column in self.extra.items()},
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the examples themselves (texts, labels, votes, in order): the same by whichever route they were read."""
        digest = sha256()
        for column in self.texts:
            digest.update("\x1f".join(column).encode())
            digest.update(b"\x1e")
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        if self.votes is not None:
            digest.update(np.ascontiguousarray(self.votes, dtype=np.int64).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Task:
    """A data set with its scoring. Registered with :func:`benchmarks.tasks.register`.

    Attributes:
        name: as typed on the command line.
        title: as papers print it.
        head: what the model has to produce.
        text: names of the text columns, one or two.
        metrics: names in :mod:`benchmarks.metrics`, in the order the papers give them; the first is the headline.
        sizes: official rows per split (what a partial copy is compared with).
        hub: where to load it with ``--source hub``.
        folders: usual folder names for ``--data-dir`` (compared without case).
        reader: reads one split from a folder: ``reader(task, folder, split) -> Split | None`` (None: no such file).
        generate: for generated tasks: ``generate(split) -> Split``; needs neither a folder nor a network.
        version: raised whenever the same files would give other examples.
        max_length: word pieces a pair is cut to, unless the spec says otherwise.
        paper: where the papers use it.
        licence: as the authors state it.
    """

    name: str
    title: str
    head: Head
    text: tuple[str, ...]
    metrics: tuple[str, ...]
    sizes: dict[str, int] = field(default_factory=dict)
    hub: Hub | None = None
    folders: tuple[str, ...] = ()
    reader: Callable[..., Split | None] | None = None
    generate: Callable[[str], Split] | None = None
    version: int = 1
    max_length: int = 128
    paper: str = ""
    licence: str = ""
    ceiling: dict[str, float] = field(default_factory=dict)  # metric -> best reachable score on dev, where it is known

    @property
    def generated(self) -> bool:
        return self.generate is not None
