"""Own data on the command line: tasks, source and default settings from the options, and notes on the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import options
from benchmarks.errors import UsageError
from benchmarks.experiments.planning import cost
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.planning.profiles import DEMO_SETTINGS, SMALL_SETTINGS
from benchmarks.options import DataOptions, GridOptions, OwnOptions
from benchmarks.spec import RunSpec
from benchmarks.tasks.own import Choices, OwnTask, define, enter, read_task_file
from benchmarks.tasks.own.task_file import read_toml
from benchmarks.tasks.sources import WARNING, Source
from benchmarks.training import models
from benchmarks.training.prepared import split_of

if TYPE_CHECKING:
    from benchmarks.tasks import Split

_PLACES = ("data", "dev", "test")
_COLUMNS = tuple(field.name for field in fields(OwnOptions))
_OF_A_MODEL = ("batch_size", "learning_rate", "head_learning_rate")
SHORTEST = 4e-3  # updates times learning rate; with less, baselines stayed at the score of a constant answer
MEASURED_ROWS = 5000  # rows of a split whose lengths in word pieces are measured, to count the texts that are cut


def first_option(request: DataOptions) -> str:
    """Return the flag of the first option on own data that the request sets, or "" if it sets none."""
    for name in (*_PLACES, *_COLUMNS):
        if getattr(request, name, None) not in (None, False):
            return options.flags(GridOptions)[name]
    return ""


def own_tasks(request: GridOptions) -> tuple[OwnTask, ...]:
    """Return the tasks on own data that the options describe, and register them by name; () without ``data``.

    Raises: UsageError, DataError.
    """
    if request.data is None:
        if option := first_option(request):
            raise UsageError(f"{option} says something of own data: name them with --data FILE")
        return ()
    _check_other_sources(request, getattr(request, "tasks", None))
    return entered(choices(request), request.data)


def entered(described: Iterable[Choices], origin: str) -> tuple[OwnTask, ...]:
    """Return the described tasks, and register them by name.

    Args:
        described: descriptions of own data, which are not read yet.
        origin: the file or option that holds the descriptions, for messages.
    Raises: UsageError, DataError.
    """
    tasks = tuple(map(define, described))
    names = [task.name for task in tasks]
    if repeated_name := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"{origin}: two tasks are called {repeated_name}: give each a name of its own")
    enter(task.definition for task in tasks)
    return tasks


def source_of_run(request: DataOptions, spec: RunSpec) -> Source | None:
    """Return where the own data of a finished run lie, which the run itself defines; None: it is on none.

    A study file may describe own data beside tasks of the suite: it fits runs of both.

    Raises: UsageError: no ``data`` for a run on own data, ``data`` for one that is on none, options that contradict
        each other, or a file that describes no such task.
    """
    if not spec.definitions:
        if request.data is not None and not _is_study(request.data):
            raise UsageError(
                f"--data {request.data}: the run is on {spec.task}, which is no own data: leave --data out"
            )
        return None
    if request.data is None:
        options_needed = spec.definitions[0].place_options
        raise UsageError(f"the run is on own data ({spec.task}): say where they lie: {options_needed}")
    return _locations(request, request.data, spec.definitions[0].name)


def _locations(request: DataOptions, data: str, task: str) -> Source:
    if not _is_study(data):
        _check_other_sources(request, None)
    hub = request.source == "hub"
    if _is_task_file(data):
        tasks = read_task_file(Path(data), hub)
        described = next((task_choices for task_choices in tasks if task_choices.task_name == task), None)
        if described is None:
            names = ", ".join(task_choices.task_name for task_choices in tasks)
            raise UsageError(f"{data} describes {names}, and no task called {task}, which the run is on")
        places = described.locations
    else:
        files = {"train": data, "dev": request.dev, "test": request.test}
        places = tuple((split, file) for split, file in files.items() if file is not None)
    return Source("hub" if hub else "local", None, {(task, split): Path(place) for split, place in places})


def source(tasks: Iterable[OwnTask]) -> Source:
    """Return the source of these tasks' data: the hub or local files."""
    listed = list(tasks)
    files = {place: path for task in listed for place, path in task.files.items()}
    return Source("hub" if any(task.hub for task in listed) else "local", None, files)


def beside(suite_source: Source, tasks: Iterable[OwnTask]) -> Source:
    """Return the source of a grid that has the suite's tasks and tasks on own data."""
    return replace(suite_source, data_files={**suite_source.data_files, **source(tasks).data_files})


def settings(model: str | None) -> Mapping[str, Any]:
    """Return learning rates and batch size for own data: those of the profile with this model; {} for other models."""
    name = model or "minilm"
    fitting = {"tiny": DEMO_SETTINGS, "minilm": SMALL_SETTINGS}.get(name, {})
    return {field: fitting[field] for field in _OF_A_MODEL if field in fitting}


def notes(tasks: Iterable[OwnTask], experiment: Experiment) -> tuple[str, ...]:
    """Return notes on own data that belong in the plan and the report, such as texts that are cut."""
    lines: list[str] = []
    for task in tasks:
        lines += task.remarks
        spec = next((spec for *_, spec in experiment.specs() if spec.task == task.name), None)
        if spec is not None:
            place = source([task])
            splits = {split: split_of(task.name, split, place) for split in task.definition.splits}
            lines += _cut_texts(task.name, splits, spec.model, spec.max_length)
            lines += short_training(task.name, spec)
    if any(spec.model == "tiny" for *_, spec in experiment.specs()) and lines:
        lines.append(
            f"{WARNING}the model tiny knows a few hundred invented words: it shows that the command works, not what a "
            "method does on your texts; use --model minilm or your own"
        )
    return tuple(lines)


def short_training(name: str, spec: RunSpec) -> Iterable[str]:
    """Yield that runs are short: Adam moves a weight by about the learning rate in an update, and by no more."""
    count = cost.updates(spec)
    if spec.model != "tiny" and count * spec.learning_rate < SHORTEST:
        yield (
            f"{WARNING}{name}: a run makes {count:,} updates at a learning rate of {spec.learning_rate:g}, few to "
            "learn a task in; where the baseline does not learn it nothing is decided: raise --epochs or --set "
            "learning_rate=..."
        )


def _cut_texts(name: str, splits: Mapping[str, Split], model: str, max_length: int) -> Iterable[str]:
    """Yield a note on texts longer than ``max_length``; another check notes a model with fewer positions."""
    if models.kept_tokens(model, max_length) < max_length:
        return
    tokenizer = models.tokenizer(model)
    counts = []
    for split, rows in splits.items():
        columns = [column[:MEASURED_ROWS] for column in rows.texts]
        encoded = tokenizer(*columns, truncation=False, padding=False, return_attention_mask=False, verbose=False)
        longer = sum(len(tokens) > max_length for tokens in encoded["input_ids"])
        if longer:
            counts.append(f"{longer:,} of {'the first ' * (len(rows) > MEASURED_ROWS)}{len(columns[0]):,} in {split}")
    if counts:
        yield f"{name}: texts cut at {max_length} word pieces: {', '.join(counts)} (--set max_length=... reads more)."


def choices(request: GridOptions) -> tuple[Choices, ...]:
    """Return own data as the options describe them. Raises UsageError, MissingData."""
    assert request.data is not None
    hub = request.source == "hub"
    if _is_task_file(request.data):
        other_options = [name for name in ("dev", "test", *_COLUMNS) if getattr(request, name) not in (None, False)]
        if other_options:
            flag = options.flags(GridOptions)[other_options[0]]
            raise UsageError(f"{flag} stands beside {request.data}, which describes its tasks whole: write it there")
        return read_task_file(Path(request.data), hub)
    if not request.text or not request.label:
        missing = "--text COLUMN" if not request.text else "--label COLUMN"
        raise UsageError(f"--data {request.data} needs {missing}: say which columns hold the text and the label")
    return (
        Choices(
            data=request.data,
            dev=request.dev,
            test=request.test,
            text=tuple(request.text),
            label=request.label,
            group=request.group,
            name=request.task_name,
            bad_rows="error" if request.bad_rows is None else request.bad_rows,
            split_seed=request.split_seed or 0,
            regression=request.regression,
            metrics=() if request.metric is None else tuple(name.strip() for name in request.metric.split(",")),
            hub=hub,
        ),
    )


def _is_task_file(place: str) -> bool:
    return place.endswith(".toml")


def _is_study(place: str) -> bool:
    """Return True if a file describes a grid, which may have tasks of the suite beside those on own data."""
    return _is_task_file(place) and "column" in read_toml(Path(place))


def _check_other_sources(request: DataOptions, tasks: str | None) -> None:
    """Refuse other options on the source of the examples beside --data. Raises UsageError."""
    for option, value in (("--data-dir", request.data_dir), ("--data-file", request.data_file), ("--tasks", tasks)):
        if value:
            raise UsageError(
                f"--data and {option} exclude each other: --data is one file or folder of your own with any columns, "
                "--data-dir a folder with the official files of the suite's --tasks, --data-file one such file for one "
                "split"
            )
    if request.source == "generated":
        raise UsageError("--data and --source generated exclude each other: leave one of them out")
