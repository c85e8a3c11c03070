"""Tasks as values: the format of their data, their scoring and their sources."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from analysis.schema import SPLITS
from benchmarks.definition import Definition
from smart_repro.hnn.mention import Mention


@dataclass(frozen=True)
class Classification:
    """A label out of ``labels``; the position of a name is its class index."""

    labels: tuple[str, ...]

    @property
    def num_outputs(self) -> int:
        """Number of classes."""
        return len(self.labels)


@dataclass(frozen=True)
class Regression:
    """A number between ``low`` and ``high``, kept on its own scale."""

    low: float
    high: float

    @property
    def num_outputs(self) -> int:
        """One output, the predicted number."""
        return 1


Head = Classification | Regression


@dataclass(frozen=True)
class Hub:
    """A task's place on the Hugging Face hub, with the names of its columns.

    Attributes:
        repo: the data set's id.
        config: its configuration ("subset").
        splits: split names of the task -> the hub's.
        columns: text columns of the task -> the hub's, where they differ; hub columns joined by "+" become one text.
        label: the label column.
        id: the column that names an example; None: its row number is its name.
        votes: the column of annotator labels, where there is one.
        labels: label names in the hub's order, for copies that store integers without their names.
        breaks: line breaks are written as backslash and n.
    """

    repo: str
    config: str | None = None
    splits: dict[str, str] = field(default_factory=lambda: {"train": "train", "dev": "validation", "test": "test"})
    columns: dict[str, str] = field(default_factory=dict)
    label: str = "label"
    id: str | None = None
    votes: str | None = None
    labels: tuple[str, ...] = ()
    breaks: bool = False


class Record(NamedTuple):
    """One example as a reader yields it: strings, not yet checked against the task."""

    line: int  # in the file, from 1: what an error message quotes
    id: str | None  # None: the row number is used
    texts: tuple[str, ...]
    label: str | float | None  # a class by name, or a number to predict; None: not in the file
    votes: tuple[str, ...] = ()  # the annotators' labels
    pair_id: str = ""  # the name that other data sets use for it, where that is not the id


class Layout(Protocol):
    """One form that a task's files come in: their names, and the way to read one of them.

    Attributes:
        overlapping: several files of a split may repeat each other's rows, so repeated rows are dropped and counted;
            False where the files are consecutive pieces of one table.
        identifying: the ids name an example in every file; False where they number the rows of one file.
        distinctive: the file names identify the data set, so a file is accepted in any folder.
    """

    @property
    def overlapping(self) -> bool:
        """Several files of a split may repeat each other's rows."""

    @property
    def identifying(self) -> bool:
        """The ids identify an example in every file."""

    @property
    def distinctive(self) -> bool:
        """The file names identify the data set."""

    def find(self, folder: Path, split: str) -> list[Path]:
        """Return the files of a split in this folder, in name order; empty if there are none."""

    def expects(self, split: str) -> str | None:
        """Return the file name that a message quotes; None if this layout has no such split."""

    def reads(self, path: Path) -> bool:
        """Return whether a file given by the user (``--data-file``) can be in this layout, by its name."""

    def read(self, path: Path, split: str, left_out: Counter[str]) -> Iterator[Record]:
        """Yield the rows of one file; rows that are dropped are counted in ``left_out``, by reason."""


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a task, in columns.

    Attributes:
        ids: one name per example, unique in the split.
        texts: one list of strings per text column of the task.
        labels: ``(n,)`` int64 class indices (-1: hidden), or float64 targets (nan: hidden).
        votes: ``(n, classes)`` annotator counts, or None where the data set has none; a row of zeros: unknown.
        sources: the files or the hub revision of the rows.
        notes: facts that a reader of the results must know, such as dropped or repeated rows, with counts.
        extra: further columns of length n that analyses use, such as the item types of generated tasks.
        left_out: rows of the files that are not in this split, counted by reason.
    """

    ids: list[str]
    texts: tuple[list[str], ...]
    labels: np.ndarray
    votes: np.ndarray | None = None
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def twins(self) -> np.ndarray | None:
        """``(n,)`` group name of each row, where groups must stay together; None: every row is its own group."""
        return self.extra.get("twins")

    @property
    def hidden(self) -> bool:
        """True if the labels are not published (the test sets of a leaderboard)."""
        is_hidden = np.isnan(self.labels) if self.labels.dtype.kind == "f" else self.labels < 0
        return len(self) > 0 and bool(is_hidden.all())

    def take(self, rows: np.ndarray) -> Split:
        """Return the rows with these numbers, in this order."""
        return Split(
            ids=[self.ids[i] for i in rows],
            texts=tuple([column[i] for i in rows] for column in self.texts),
            labels=self.labels[rows],
            votes=None if self.votes is None else self.votes[rows],
            sources=self.sources,
            notes=self.notes,
            extra={name: column[rows] for name, column in self.extra.items()},
            left_out=self.left_out,
        )

    def with_notes(self, *notes: str) -> Split:
        """Return the same rows with further notes."""
        noted = replace(self, notes=(*self.notes, *notes))
        if "fingerprint" in vars(self):
            vars(noted)["fingerprint"] = self.fingerprint  # does not depend on notes, and hashing takes time
        return noted

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the examples (texts, labels, votes, in order), independent of the source they were read from."""
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
        name: the name on the command line.
        title: the name that papers print.
        head: the kind of prediction, with its classes or its range.
        text: names of the text columns, one or two.
        metrics: names in :mod:`benchmarks.tasks.metrics`, in the order the papers give them; the first is the headline.
        sizes: official rows per split, to recognise a partial copy; its keys are the task's splits.
        hub: the data set for ``--source hub``.
        folders: usual folder names for ``--data-dir`` (compared without case and punctuation).
        layouts: the forms its files come in, the preferred one first.
        spelling: spelling of a label in files -> its name, where they differ: ``{"0": "not_entailment"}``.
        parts: for a task made of other tasks: split -> their names.
        train_with: the task whose runs evaluate this one; it has no training data of its own.
        generate: for generated tasks: ``generate(split) -> Split``; needs neither a folder nor a network.
        mention: function from a row's texts to a pronoun with candidates; None where a task has none.
        has_twins: rows with one pair id differ in a word: a holdout or subset has all of them or none.
        not_after: task -> the reason why a run trained on it is never scored on this one.
        version: number that is increased whenever the same files would give different examples.
        max_length: word pieces a pair is cut to, unless the spec gives another length.
        paper: the papers' tables that use it.
        licence: the licence that the authors state.
        own: the definition of a task on a user's own data.
        read: for such a task: ``read(split, files, hub) -> Split``, with ``files`` as a source's ``data_files``.
    """

    name: str
    title: str
    head: Head
    text: tuple[str, ...]
    metrics: tuple[str, ...]
    sizes: dict[str, int] = field(default_factory=dict)
    hub: Hub | None = None
    folders: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    spelling: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    train_with: str | None = None
    generate: Callable[[str], Split] | None = None
    mention: Callable[..., Mention | None] | None = None
    has_twins: bool = False
    not_after: dict[str, str] = field(default_factory=dict)
    version: int = 1
    max_length: int = 128
    paper: str = ""
    licence: str = ""
    ceiling: dict[str, float] = field(default_factory=dict)  # metric -> best reachable score on dev, for generated data
    own: Definition | None = None
    read: Callable[[str, Mapping[tuple[str, str], Path], bool], Split] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}", self.name):
            raise ValueError(
                f"a task cannot be named {self.name!r}: its files are named after it, so use letters, digits and "
                ". _ + -, at most 60"
            )

    @property
    def generated(self) -> bool:
        """True if the examples are generated."""
        return self.generate is not None

    @property
    def splits(self) -> tuple[str, ...]:
        """The task's splits, in the order of SPLITS."""
        names = {**self.sizes, **self.parts}
        return tuple(split for split in SPLITS if split in names)

    @property
    def evaluated_on(self) -> str:
        """The reported split: dev, or test if there is no dev (the text classification sets) or the user gave one."""
        if self.own is not None:
            return self.own.verdict_split
        return "test" if "dev" not in self.splits and "test" in self.splits else "dev"
