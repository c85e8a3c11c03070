"""Checks of a method, task or experiment of another package: the promises that built-in ones keep.

The promises of a method are in :mod:`smart_repro.contract`; those of a task and of an experiment are below.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from analysis.schema import Manifest
from analysis.scores import METRICS
from benchmarks.errors import MissingData, UsageError
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.spec import RunSpec, parse_methods
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS, Classification, Split, Task
from benchmarks.tasks.sources import Source, load_split
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from smart_repro.contract import PROMISES, MethodContract
from smart_repro.methods import METHODS, build

KINDS = ("method", "task", "experiment")
Check = Callable[[], None]


class BrokenError(Exception):
    """A promise that is not kept; the message gives the observation and the remedy."""


@dataclass(frozen=True)
class Result:
    """Result of one check: the promise, and the reason why it is not kept, or "" if it is kept."""

    promise: str
    problem: str = ""


def check_plugin(name: str, source: Source) -> Iterator[Result]:
    """Yield the result of every check of ``NAME``, ``KIND:NAME`` or, of a method, ``NAME:option=value``.

    Args:
        name: name of the method, task or experiment.
        source: source of a task's data.
    Raises: UsageError: nothing has that name. MissingData: the data of a task are missing.
    """
    for promise, check in _checks(name, source):
        try:
            check()
        except MissingData:
            raise
        except Exception as error:
            kind = "" if isinstance(error, BrokenError | AssertionError | UsageError) else f"{type(error).__name__}: "
            yield Result(promise, f"{kind}{' '.join(str(error).split())}")
        else:
            yield Result(promise)


def _checks(name: str, source: Source) -> Iterable[tuple[str, Check]]:
    kind, colon, name_in_kind = name.partition(":")
    kinds, bare = ((kind,), name_in_kind) if colon and kind in KINDS else (KINDS, name)
    if "method" in kinds and bare.partition(":")[0].partition("[")[0] in METHODS:
        (choice,) = parse_methods(bare)
        contract = MethodContract(partial(build, choice.name, **dict(choice.options)))
        return [(promise, partial(check, contract)) for promise, check in PROMISES.items()]
    if "task" in kinds and bare in TASKS:
        return _task_checks(TASKS[bare], source)
    if "experiment" in kinds and bare in EXPERIMENTS:
        return _experiment_checks(bare)
    raise UsageError(
        f"no {' or '.join(kinds)} is called {bare!r}: give the name it is registered under, and its module with "
        "--import"
    )


# --- tasks ---


def _task_checks(task: Task, source: Source) -> list[tuple[str, Check]]:
    place = Source("generated") if task.generated else source
    splits = [split for split in task.splits if split in ("train", "dev", task.evaluated_on)]
    reading = [
        (f"{split} holds examples of the declared form", partial(_check_split, task, split, place)) for split in splits
    ]
    return [
        ("it is trained and scored on splits it has", partial(_check_splits, task)),
        ("its metrics fit what it predicts", partial(_check_metrics, task)),
        *reading,
        ("reading it again gives the same", partial(_check_again, task, splits, place)),
        ("two updates train and score it", partial(_check_run, task, place)),
    ]


def _check_splits(task: Task) -> None:
    _require(task.train_with is not None or "train" in task.splits, "sizes has no train split")
    _require(task.evaluated_on in task.splits, "sizes has neither dev nor test: nothing could be scored")


def _check_metrics(task: Task) -> None:
    _require(bool(task.metrics), "metrics is empty: name at least one")
    for name in task.metrics:
        _require(name in METRICS, f"no metric is called {name!r}; there are {', '.join(METRICS)}")
        is_classes = isinstance(task.head, Classification)
        _require(METRICS[name].is_regression != is_classes, f"{name} does not fit the head {task.head}")


def _check_split(task: Task, split: str, source: Source) -> None:
    rows = load_split(task, split, source)
    _require(len(rows) > 0, "there are no rows")
    _require(len(rows.texts) == len(task.text), f"{len(rows.texts)} text columns; declared are {', '.join(task.text)}")
    columns = {
        "labels": len(rows.labels),
        **{name: len(column) for name, column in zip(task.text, rows.texts, strict=True)},
    }
    for name, count in columns.items():
        _require(count == len(rows), f"{name} has {count:,} rows, ids {len(rows):,}")
    _require(len(set(rows.ids)) == len(rows), "ids are not unique")
    _require(all(isinstance(text, str) for column in rows.texts for text in column), "a text is no string")
    _check_labels(task, rows)


def _check_labels(task: Task, rows: Split) -> None:
    if rows.hidden:
        return
    if isinstance(task.head, Classification):
        n_classes = len(task.head.labels)
        _require(rows.labels.dtype.kind == "i", f"labels are {rows.labels.dtype}; class numbers are int64")
        _require(
            bool(((rows.labels >= 0) & (rows.labels < n_classes)).all()), f"labels must lie in 0 to {n_classes - 1}"
        )
        return
    _require(rows.labels.dtype.kind == "f", f"labels are {rows.labels.dtype}; numbers are float64")
    low, high = task.head.low, task.head.high
    fits = bool(((rows.labels >= low) & (rows.labels <= high)).all())
    _require(fits, f"labels must lie between {low:g} and {high:g}, as the head says")


def _check_again(task: Task, splits: Iterable[str], source: Source) -> None:
    for split in splits:
        first, second = (load_split(task, split, source).fingerprint for _ in range(2))
        _require(first == second, f"{split} differs between two readings: draw with a fixed seed")


def _check_run(task: Task, source: Source) -> None:
    spec = RunSpec(
        task=task.train_with or task.name,
        epochs=1,
        max_steps=2,
        max_train_samples=64,
        holdout=0,
        max_length=32,
        predict=(task.evaluated_on if not task.train_with else f"{task.name}:{task.evaluated_on}",),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.prepare()
        outcome = execute(make_job(spec, source), store)
    _require(outcome.state == "done", outcome.message)
    scores = (outcome.scores or {})[task.name][task.evaluated_on]
    not_finite = [name for name, value in scores.items() if not np.isfinite(value)]
    _require(not not_finite, f"{', '.join(not_finite)} of {task.evaluated_on} is no finite number")


# --- experiments ---


def _experiment_checks(name: str) -> list[tuple[str, Check]]:
    make = EXPERIMENTS[name]
    return [
        ("it is a function that takes nothing and says what it is", partial(_check_function, name)),
        ("it carries the name it is registered under", partial(_check_name, name)),
        ("rows, columns and claims have names of their own", lambda: _check_names(make())),
        ("its columns are metrics of splits that their tasks have", lambda: _check_columns(make())),
        ("claims and published numbers are about its rows and columns", lambda: _check_references(make())),
        ("every run can be", lambda: _check_specs(make())),
        ("made twice, it is the same", lambda: _check_twice(make)),
        ("its manifest reads back", lambda: _check_manifest(make())),
    ]


def _check_function(name: str) -> None:
    make = EXPERIMENTS[name]
    _require(callable(make) and not inspect.signature(make).parameters, "register a function without parameters")
    _require(bool(inspect.getdoc(make)), "its docstring is empty: `list experiments` shows the first line of it")
    _require(isinstance(make(), Experiment), "it returns no Experiment")


def _check_name(name: str) -> None:
    own_name = EXPERIMENTS[name]().name
    _require(own_name == name, f"its name is {own_name!r}, registered is {name!r}: reports are kept under the first")


def _check_names(experiment: Experiment) -> None:
    for noun, names in (
        ("row", [row.id for row in experiment.rows]),
        ("column", [column.id for column in experiment.columns]),
        ("claim", [claim.id for claim in experiment.claims]),
    ):
        repeated_names = sorted({name for name in names if names.count(name) > 1})
        _require(not repeated_names, f"two {noun}s are called {', '.join(repeated_names)}")
    rows = [row.id for row in experiment.rows]
    _require(
        experiment.baseline in rows, f"the baseline {experiment.baseline!r} is no row; there are {', '.join(rows)}"
    )


def _check_columns(experiment: Experiment) -> None:
    for column in experiment.columns:
        task = TASKS[column.task]
        _require(column.metric in METRICS, f"{column.id}: no metric is called {column.metric!r}")
        _require(column.split in task.splits, f"{column.id}: {task.name} has the splits {', '.join(task.splits)}")


def _check_references(experiment: Experiment) -> None:
    rows, columns = {row.id for row in experiment.rows}, {column.id for column in experiment.columns}
    for claim in experiment.claims:
        for statement in claim.statements:
            unknown_rows = sorted({statement.a, statement.b} - rows)
            _require(not unknown_rows, f"the claim {claim.id} is about {', '.join(unknown_rows)}, which is no row")
            unknown_tasks = sorted(set(statement.tasks) - set(experiment.tasks))
            _require(
                not unknown_tasks, f"the claim {claim.id} is about {', '.join(unknown_tasks)}, which is no task of it"
            )
    for cell in experiment.published:
        fits = cell.row in rows and cell.column in columns
        _require(fits, f"a published number is in {cell.row} | {cell.column}, which is no cell")


def _check_specs(experiment: Experiment) -> None:
    specs = [spec for *_, spec in experiment.specs()]
    _require(bool(specs), "it has no runs: give rows, columns and seeds")


def _check_twice(make: Callable[[], Experiment]) -> None:
    first, second = (list(make().specs()) for _ in range(2))
    _require(first == second, "its runs differ between two calls: draw with a fixed seed")


def _check_manifest(experiment: Experiment) -> None:
    keys = {(row, place, seed): "0" * 32 for row, place, seed, _ in experiment.specs()}
    manifest = experiment.manifest(keys, {})
    _require(Manifest.from_json(manifest.to_json()) == manifest, "what is stored of it reads back as something else")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise BrokenError(message)
