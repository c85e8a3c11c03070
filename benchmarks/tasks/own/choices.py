"""Choices of a user for own data: place, columns and metrics, before they are compared with the data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from analysis.scores import METRICS
from benchmarks.errors import UsageError
from smart_repro.registry import did_you_mean

BAD_ROWS = ("error", "drop")
MOST_SPLIT_SEED = 2**63
CLASS_METRICS = ("accuracy", "macro_f1", "balanced_accuracy", "matthews", "f1")
NUMBER_METRICS = ("pearson", "spearman", "rmse")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Own data as a user describes it.

    Attributes:
        data: a file, a folder or, with ``hub``, the id of a data set on the hub (``NAME`` or ``NAME:CONFIG``).
        dev, test: files with further splits.
        text: the text columns, one or two.
        label, group: columns.
        name: of the task; None: ``own-`` and the stem of ``data``.
        regression: whether the label is a number to predict.
        metrics: as typed: names, and ``f1:CLASS``; (): the usual ones.
    """

    data: str
    text: tuple[str, ...]
    label: str
    dev: str | None = None
    test: str | None = None
    group: str | None = None
    name: str | None = None
    bad_rows: str = "error"
    split_seed: int = 0
    regression: bool = False
    metrics: tuple[str, ...] = ()
    hub: bool = False

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise UsageError(problem)

    @property
    def task_name(self) -> str:
        """The name of the task: as given, or made from that of the data."""
        if self.name is not None:
            return self.name
        stem = Path(self.data.partition(":")[0] if self.hub else self.data).name
        stem = re.sub(r"\.(csv|tsv|jsonl|ndjson|json|parquet|arrow)(\.gz)?$", "", stem.lower())
        return f"own-{re.sub(r'[^a-z0-9]+', '-', stem).strip('-')[:50] or 'data'}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(dict.fromkeys([*self.text, self.label, *([self.group] if self.group else [])]))

    @property
    def locations(self) -> tuple[tuple[str, str], ...]:
        """Split -> where it lies; that of ``data`` is called train, also where it holds several splits."""
        locations = (("train", self.data), ("dev", self.dev), ("test", self.test))
        return tuple((split, place) for split, place in locations if place is not None)

    def metric_names(self) -> tuple[tuple[str, ...], str | None]:
        """Return the metrics' names, and the class that ``f1:CLASS`` names."""
        if not self.metrics:
            return (("pearson", "rmse") if self.regression else ("accuracy", "macro_f1")), None
        named = [metric.partition(":")[2] for metric in self.metrics if metric.startswith("f1:")]
        names = tuple("f1_named" if metric.startswith("f1:") else metric for metric in self.metrics)
        return names, named[0] if named else None

    def _problem(self) -> str:
        if not 1 <= len(self.text) <= 2:
            return f"--text names {len(self.text)} columns: give one, or two for pairs of texts (--text A --text B)"
        if empty := next((split for split, place in self.locations if not place.strip()), ""):
            flag = "--data" if empty == "train" else f"--{empty}"
            return f"{flag} is empty: give a file or folder, or leave it out (is a variable of the shell not set?)"
        if "" in self.columns or self.group == "":
            return "--text, --label and --group need a column's name, got an empty one"
        if len(self.columns) < len(self.text) + 1 + (self.group is not None):
            named = ", ".join([*self.text, self.label, *([] if self.group is None else [self.group])])
            return f"--text, --label and --group name a column twice ({named})"
        if not 0 <= self.split_seed < MOST_SPLIT_SEED:
            return f"--split-seed {self.split_seed}: give a whole number from 0 to {MOST_SPLIT_SEED - 1:,}"
        if self.bad_rows not in BAD_ROWS:
            return f"--bad-rows {self.bad_rows}: give {' or '.join(BAD_ROWS)}"
        if self.name is not None and not _NAME.fullmatch(self.name):
            return f"--task-name {self.name}: give at most 60 small letters, digits and dashes"
        return self._metric_problem()

    def _metric_problem(self) -> str:
        if "" in self.metrics:
            return "--metric has an empty name: give names with commas between them, or leave it out"
        fitting = NUMBER_METRICS if self.regression else CLASS_METRICS
        if sum(metric.startswith("f1:") for metric in self.metrics) > 1:
            return "--metric: F1 of one class only can be asked for (f1:CLASS)"
        for metric in self.metrics:
            name = metric.partition(":")[0]
            if metric == "f1":
                return "--metric f1: say of which class, as in f1:spam; or give macro_f1"
            if name not in fitting or (":" in metric and name != "f1"):
                alternative = "a number is predicted" if self.regression else "classes are predicted"
                kind = f": {alternative}" if name in METRICS else did_you_mean(name, fitting)
                return f"--metric {metric}{kind}; there are {', '.join(fitting)}"
        if len(set(self.metrics)) < len(self.metrics):
            return f"--metric {','.join(self.metrics)} names one twice"
        return ""
