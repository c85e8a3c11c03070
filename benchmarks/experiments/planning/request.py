"""A command line as a value: from options to an experiment and a data source, and back to a command."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from analysis.schema import SPLITS
from benchmarks import options
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS, GROUPS, Experiment, narrowed
from benchmarks.experiments.planning import own_data, tuning
from benchmarks.experiments.planning.available import available, data_warnings, startable
from benchmarks.experiments.planning.columns import on_tasks
from benchmarks.experiments.planning.compare import compare
from benchmarks.experiments.planning.departures import departures
from benchmarks.experiments.planning.groups import members
from benchmarks.experiments.planning.profiles import DEMO_SETTINGS, PROFILES, stand_in
from benchmarks.options import GridOptions, TuningOptions
from benchmarks.spec import MethodChoice, parse_grid, parse_value
from benchmarks.spec_checks import LARGEST_SEED, SETTINGS, field_problem
from benchmarks.tasks import TASKS
from benchmarks.tasks.own import OwnTask
from benchmarks.tasks.sources import Source, parse_data_files, resolve_source
from benchmarks.training import models
from smart_repro.methods import METHODS
from smart_repro.registry import did_you_mean

_OF_A_RUN = ("data", "dev", "test", "source", "data_dir", "data_file", "plugins")  # what `runs rerun` needs to know
_NAMED = ("model", "layers", "max_train_samples", "epochs")  # settings of a run with options of their own
_OPTIONS = tuple(field.name for field in (*fields(GridOptions), *fields(TuningOptions)))
SEEDS_AT_MOST = 10_000


@dataclass(frozen=True, kw_only=True)
class Request(TuningOptions, GridOptions):
    """The options ``plan``, ``run``, ``reproduce`` and ``check`` share, as typed, and the experiment they are about.

    Attributes:
        name: an experiment, a group of them, or ``compare``.
        results: the results folder; None: ``results``.
    """

    name: str
    results: Path | None = None

    @property
    def title(self) -> str:
        """The name under which results are kept."""
        return f"{self.name}-tuning" if self.tune else self.grid_name or self.name

    def experiment(self) -> Experiment:
        """Return the experiment asked for. Raises UsageError or UnknownNameError with what to do."""
        if self.name == "compare":
            return self._compare()
        self._check_name()
        if option := own_data.first_option(self):
            raise UsageError(f"{option} is for a comparison on own data: smart-repro run compare {option} ...")
        profile = self.profile or "demo"
        if profile == "demo" and self.data_dir:
            raise UsageError(
                "--data-dir contradicts the profile demo, whose data are generated; use --profile small or paper"
            )
        published = EXPERIMENTS[self.name]()
        if published.columns_for is not None and (tasks := _names(self.tasks)):
            published = on_tasks(published, _real_names(tasks, published, profile))
        whole = PROFILES[profile](published)
        return narrowed(
            whole,
            tasks=self._tasks_of(published, whole, profile),
            methods=self.methods,
            seeds=() if self.seeds is None else parse_seeds(self.seeds),
            settings=self.changed(),
        )

    def checked_experiment(self) -> Experiment:
        """Return the experiment after every run of it was looked at; no data are read.

        Raises: UsageError, UnknownNameError: for a run that cannot be, a model that has not so many layers, or a source
            of data that cannot be meant.
        """
        experiment = self.experiment()
        self.where(experiment)
        _check_models(experiment)
        return experiment

    def each(self) -> list[Request]:
        """One request per experiment: itself, or one for every member of the group it names."""
        if self.name not in GROUPS:
            return [self]
        self._check_name()
        return [replace(self, name=name) for name in members(self.name)]

    def found(self) -> tuple[Experiment, Source]:
        """Return the experiment and where its data come from, without the columns whose data are not there.

        Of a task that is asked for by name at least one column must be there.

        Raises: UsageError, DataError.
        """
        experiment = self.checked_experiment()
        source = self.where(experiment)
        asked = experiment.tasks if self.tasks is not None else ()
        experiment = startable(available(experiment, source, asked), source)
        if self.tune and self.tuned:
            raise UsageError("--tune makes the trials, --tuned uses them: give one after the other")
        if self.tune:
            experiment = tuning.tuning(experiment, self.results or Path("results"))
        elif self.tuned:
            experiment = tuning.tuned(experiment, self.results or Path("results"))
        notes = (
            *experiment.notes,
            *own_data.notes(self.own_tasks(), experiment),
            *departures(experiment),
            *data_warnings(experiment, source),
        )
        return replace(experiment, notes=notes), source

    def where(self, experiment: Experiment) -> Source:
        """Return where the experiment's data come from. Raises UsageError if the options contradict each other."""
        if own := self.own_tasks():
            return own_data.source(own)
        files = parse_data_files(self.data_file or [])
        _check_files(files)
        if all(TASKS[task].generated for task in experiment.trained):
            return resolve_source(
                "generated" if self.source is None and not self.data_dir else self.source, self.data_dir
            )
        return resolve_source(self.source, self.data_dir, files, default_dir=self.default_data_dir)

    def own_tasks(self) -> tuple[OwnTask, ...]:
        """Return the tasks on own data that the options describe, known by their names from here on.

        Raises: UsageError, DataError: naming the option, or the file and row, what is wrong and the remedy.
        """
        return own_data.own_tasks(self)

    def changed(self) -> dict[str, Any]:
        """Return the settings of a run that the options name. Raises UsageError for a value that no run can have."""
        named = {name: value for name in _NAMED if (value := getattr(self, name)) is not None}
        settings = parse_settings(self.settings or [])
        twice = sorted(named.keys() & settings.keys())
        if twice:
            flag = options.flags(GridOptions)[twice[0]]
            raise UsageError(f"{flag} and --set {twice[0]} say the same twice: leave one of them out")
        for name, value in named.items():
            if problem := field_problem({name: value}):
                raise UsageError(f"{options.flags(GridOptions)[name]} {value}: {problem}")
        return {**named, **settings}

    def command(self, verb: str, *further: str) -> str:
        """Return a command line that asks for the same.

        Args:
            verb: the verb of the command.
            *further: words of options that are no part of the request.
        """
        words = options.words(self, _OPTIONS)
        return options.command(verb, self.name, *words, *options.results_words(self.results), *further)

    def rerun(self) -> str:
        """Return a command line that does one finished run again, ``KEY``, and compares predictions byte for byte."""
        words = options.words(self, _OF_A_RUN)
        return options.command("runs", "rerun", "KEY", *words, *options.results_words(self.results))

    def _check_name(self) -> None:
        if self.grid_name:
            raise UsageError("--name is for a grid of your own (compare); a published table keeps its name")

    def _tasks_of(self, published: Experiment, experiment: Experiment, profile: str) -> tuple[str, ...]:
        """Return the tasks to keep, in the profile's names; they may be typed in the paper's."""
        tasks = []
        for typed in _names(self.tasks):
            task = stand_in(typed) or typed if profile == "demo" else typed
            if task not in experiment.tasks:
                pairs = {task: stand_in(task) for task in published.tasks} if profile == "demo" else {}
                names = [
                    f"{task} (here {pairs[task]})" if pairs.get(task) else task for task in pairs or experiment.tasks
                ]
                raise UsageError(f"--tasks {typed}: {self.name} has no such task; it has {', '.join(names)}")
            tasks.append(task)
        return tuple(tasks)

    def _compare(self) -> Experiment:
        if self.profile is not None:
            raise UsageError("compare takes no --profile: name --tasks, --methods and --model yourself")
        own = self.own_tasks()
        if not (self.tasks or own) or not self.methods:
            raise UsageError(
                "compare needs --tasks (or --data, for own data) and --methods, for example --tasks rte,cola --methods "
                "vanilla,smart"
            )
        tasks = tuple(task.name for task in own) or _names(self.tasks)
        if self.grid_name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", self.grid_name):
            raise UsageError(
                f"--name {self.grid_name}: give letters, digits, dots, dashes and underscores: a folder is named so"
            )
        if self.grid_name in {*EXPERIMENTS, *GROUPS}:
            raise UsageError(f"--name {self.grid_name}: that is a published experiment; give your grid another name")
        demo = all(TASKS[task].generated for task in tasks)
        base = {**DEMO_SETTINGS} if demo and (self.model or "tiny") == "tiny" else {}
        base |= own_data.settings(self.model) if own else {}
        return compare(
            tasks=tasks,
            methods=tuple(map(MethodChoice, METHODS)) if self.methods == "all" else tuple(parse_grid(self.methods)),
            seeds=parse_seeds("5" if self.seeds is None else self.seeds),
            settings={**base, **({} if demo else {"model": "minilm"}), **self.changed()},
            name=self.title,
        )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of ``"5"`` (five, from 0), ``"3,7"`` (these) or ``"10-19"`` (a range).

    Raises: UsageError: for another form, and for more or larger seeds than a grid can have.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        return _range(text, 0, int(text) - 1)
    seeds: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
        if match is None:
            raise UsageError(f"--seeds {text}: expected a number of seeds (5), a list (3,7) or a range (10-19)")
        seeds += _range(text, int(match[1]), int(match[2] or match[1]))
    if not seeds:
        raise UsageError(f"--seeds {text}: there is no seed in it; give a number of seeds (5) or a list (3,7)")
    return tuple(dict.fromkeys(seeds))


def _range(text: str, first: int, last: int) -> tuple[int, ...]:
    if last < first:
        raise UsageError(f"--seeds {text}: at least one seed is needed, and a range goes upwards (10-19)")
    if last - first >= SEEDS_AT_MOST:
        raise UsageError(f"--seeds {text}: more than {SEEDS_AT_MOST:,} seeds; give fewer")
    if last > LARGEST_SEED:
        raise UsageError(f"--seeds {text}: a seed is at most {LARGEST_SEED:,}; give a smaller one")
    return tuple(range(first, last + 1))


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Return ``["batch_size=32"]`` as fields of a run.

    Raises: UsageError: for another form, an unknown field, a field named twice, or a value that no run can have.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in SETTINGS:
            near = did_you_mean(name, SETTINGS)
            raise UsageError(f"--set {text}: expected NAME=VALUE with one of {', '.join(sorted(SETTINGS))}{near}")
        if name in settings:
            raise UsageError(f"--set {text}: {name} is set twice; leave one of them out")
        settings[name] = _setting(name, value)
        if problem := field_problem({name: settings[name]}):
            raise UsageError(f"--set {text}: {problem}")
    return settings


def _setting(name: str, text: str) -> Any:
    if name in ("predict", "predict_each"):
        return _splits(text)
    if name in ("model", "init_from"):  # a name or a key, even where it is spelled with digits alone
        return text.strip()
    value = parse_value(text)
    if name == "with_tasks":
        return value if isinstance(value, tuple) else _names(str(value))
    return value


def _splits(text: str) -> tuple[str, ...] | None:
    """Return ``"dev,train"``, ``"('dev', 'train')"`` or ``"none"`` as splits. Raises UsageError for other names."""
    value = parse_value(text)
    if value is None:
        return None
    splits = value if isinstance(value, tuple) else _names(str(value))
    for split in splits:
        if str(split).rpartition(":")[2] not in SPLITS:
            raise UsageError(f"--set predict={text}: {split!r} is no split: give some of {', '.join(SPLITS)}")
    return tuple(map(str, splits))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _real_names(tasks: tuple[str, ...], experiment: Experiment, profile: str) -> tuple[str, ...]:
    """Return tasks as the experiment names them: a generated task for the one it stands for, where it has that."""
    originals = {stand_in(task): task for task in reversed(experiment.tasks)} if profile == "demo" else {}
    return tuple(originals.get(task, task) or task for task in tasks)


def _check_files(files: Iterable[tuple[str, str]]) -> None:
    """Refuse ``--data-file`` for a task or split that there is not."""
    for task, split in files:
        if split not in TASKS[task].splits:
            raise UsageError(
                f"--data-file {task}:{split}: {task} has no split of that name, it has {', '.join(TASKS[task].splits)}"
            )


def _check_models(experiment: Experiment) -> None:
    """Refuse more encoder layers than a model has; every run of the experiment is looked at."""
    for model, layers in {(spec.model, spec.layers) for *_, spec in experiment.specs()}:
        available = models.layers(model)
        if layers is not None and available is not None and layers > available:
            raise UsageError(f"--layers {layers}: the model {model} has {available} layers; give at most that many")
