"""What an experiment is: rows x columns x seeds as a value, with the published numbers and claims beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from typing import Any

from benchmarks import models
from benchmarks.errors import UsageError
from benchmarks.spec import MethodChoice, RunSpec
from benchmarks.tasks import TASKS
from smart_repro.methods import build
from smart_repro.registry import Registry

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """A line of the table: a method, and what it changes in the run beside the method."""

    id: str
    title: str
    method: MethodChoice
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""  # the row's name in the paper's table


@dataclass(frozen=True)
class Column:
    """A number per row: a task's metric on a split."""

    task: str
    metric: str
    split: str = "dev"
    published: str = ""  # the column's name in the paper's table
    published_metric: str = ""

    @property
    def id(self) -> str:
        return f"{self.task}.{self.metric}" + ("" if self.split == "dev" else f".{self.split}")


@dataclass(frozen=True)
class Number:
    """A published number, placed in our table."""

    row: str
    column: str
    metric: str
    split: str
    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A table to be filled.

    Attributes:
        settings: fields of :class:`RunSpec` all runs share.
        missing: "row|column" (either may be ``*``) -> why there is no run.
        notes: what a reader must know; shown with every table.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]
    baseline: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: tuple[Number, ...] = ()
    claims: tuple[Mapping[str, Any], ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    profile: str | None = None
    layout: str = "methods-by-tasks"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The columns' tasks, in order."""
        return tuple(dict.fromkeys(column.task for column in self.columns))

    @property
    def trained(self) -> tuple[str, ...]:
        """The tasks that are trained: a column such as mnli-mm is filled by the runs of another task."""
        return tuple(dict.fromkeys(_trained(task) for task in self.tasks))

    def specs(self) -> Iterator[tuple[str, str, int, RunSpec]]:
        """Row id, task, seed and spec of every run, in the order they are best done: all rows of a seed together."""
        for seed in self.seeds:
            for task in self.trained:
                for row in self.rows:
                    yield row.id, task, seed, self.spec(row, task, seed)

    def spec(self, row: Row, task: str, seed: int) -> RunSpec:
        """The run behind one cell and seed."""
        settings = {"max_length": TASKS[task].max_length, **self.settings, **row.settings}
        settings.setdefault("head", models.resolve(settings.get("model", "tiny")).head)
        borrowed = [c for c in self.columns if c.task != task and _trained(c.task) == task]
        wanted = [*settings.pop("predict", ("dev", "holdout")), *(c.split for c in self.columns if c.task == task)]
        wanted += [f"{c.task}:{c.split}" for c in borrowed]
        settings["predict"] = tuple(dict.fromkeys(wanted))
        try:
            return RunSpec(task=task, method=row.method.name, options=essential(row.method), seed=seed, **settings)
        except TypeError as error:
            raise UsageError(f"{error}: `smart-repro show spec` lists what can be set") from error

    def manifest(self, keys: Mapping[tuple[str, str, int], str], commands: Mapping[str, str]) -> dict[str, Any]:
        """The table's frame for the analysis: which run fills which cell."""
        generated = [task for task in self.tasks if TASKS[task].generated]
        warnings = list(self.notes)
        if generated:
            warnings.insert(
                0, f"Generated data, demonstration: nothing about the papers follows ({', '.join(generated)})."
            )
        return {
            "schema": SCHEMA,
            "name": self.name,
            "title": self.title,
            "profile": self.profile,
            "grid": self.grid_hash(keys),
            "rows": [
                {
                    "id": r.id,
                    "title": r.title,
                    "method": r.method.name,
                    "reading": dict(r.method.options).get("dropout", ""),
                }
                for r in self.rows
            ],
            "columns": [self._column(column) for column in self.columns],
            "seeds": list(self.seeds),
            "cells": {
                r.id: {
                    t: [keys[r.id, _trained(t), s] for s in self.seeds if (r.id, _trained(t), s) in keys]
                    for t in self.tasks
                }
                for r in self.rows
            },
            "baseline_row": self.baseline,
            "published": [asdict(number) for number in self.published],
            "claims": [dict(claim) for claim in self.claims],
            "layout": self.layout,
            "warnings": warnings,
            "reasons_missing": dict(self.missing),
            "commands": dict(commands),
        }

    def grid_hash(self, keys: Mapping[tuple[str, str, int], str]) -> str:
        """Names the grid: other rows, columns, seeds or runs make another."""
        content = [[*cell, key] for cell, key in sorted(keys.items())] + [column.id for column in self.columns]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]

    def _column(self, column: Column) -> dict[str, Any]:
        task = TASKS[column.task]
        ceiling = task.ceiling.get(column.metric) if column.split == "dev" else None
        return {
            "id": column.id,
            "task": column.task,
            "metric": column.metric,
            "split": column.split,
            "title": task.name if task.generated else task.title,
            "ceiling": ceiling,
        }


def essential(choice: MethodChoice) -> tuple[tuple[str, Any], ...]:
    """The options that differ from the method's defaults, so that a run has one key however it was typed.

    Raises: UsageError: for an option or value the method refuses.
    """
    try:
        config = build(choice.name, **dict(choice.options)).config
    except ValueError as error:
        raise UsageError(str(error)) from error
    changed = {option.name: getattr(config, option.name) for option in fields(config)}
    defaults = {option.name: option.default for option in fields(config)}
    return tuple(
        sorted((name, _like(value, defaults[name])) for name, value in changed.items() if value != defaults[name])
    )


def _like(value: Any, default: Any) -> Any:
    """3 where the default is 1.0 means 3.0."""
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _trained(task: str) -> str:
    return TASKS[task].train_with or task


# Each takes nothing and gives the experiment as published; profiles transform it. `compare` is made from options.
EXPERIMENTS: Registry[Callable[[], Experiment]] = Registry("experiment", listing="smart-repro list experiments")


def narrowed(experiment: Experiment, *, tasks: tuple[str, ...] = (), methods: tuple[MethodChoice, ...] = (),
             seeds: tuple[int, ...] = (), settings: Mapping[str, Any] | None = None) -> Experiment:  # fmt: skip
    """The same experiment on fewer tasks, rows or seeds, or with other settings.

    Raises: UsageError: for a task or method the experiment does not have.
    """
    rows, columns = experiment.rows, experiment.columns
    if tasks:
        for task in tasks:
            if task not in experiment.tasks:
                raise UsageError(f"{experiment.name} has no task {task!r}; it has {', '.join(experiment.tasks)}")
        columns = tuple(column for column in columns if column.task in tasks)
    if methods:
        wanted = {choice.name if not choice.options else choice.label for choice in methods}
        rows = tuple(r for r in rows if {r.id, r.method.name, r.method.label} & wanted)
        unknown = wanted - {name for r in rows for name in (r.id, r.method.name, r.method.label)}
        if unknown:
            have = ", ".join(r.id for r in experiment.rows)
            raise UsageError(f"{experiment.name} has no row {', '.join(sorted(unknown))}; it has {have}")
    baseline = experiment.baseline if experiment.baseline in {r.id for r in rows} else rows[0].id
    return replace(
        experiment,
        rows=rows,
        columns=columns,
        seeds=seeds or experiment.seeds,
        settings={**experiment.settings, **(settings or {})},
        baseline=baseline,
    )
