"""A command line as a value: from options to an experiment and a data source, and back to a command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmarks import options
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS, GROUPS, Experiment, narrowed
from benchmarks.experiments.planning import own_data, tuning
from benchmarks.experiments.planning.available import available, data_warnings, startable
from benchmarks.experiments.planning.columns import on_tasks
from benchmarks.experiments.planning.demonstration import renewed
from benchmarks.experiments.planning.departures import departures
from benchmarks.experiments.planning.groups import members
from benchmarks.experiments.planning.method_notes import method_notes, own_grid_notes
from benchmarks.experiments.planning.profiles import PROFILES, as_written, filled, stand_in, without_cut
from benchmarks.experiments.planning.study import DEFAULT_SEEDS, Study, StudyColumn, StudyRow, usual_settings
from benchmarks.experiments.planning.study_file import NAME, is_study_file, read_study, stored_name
from benchmarks.experiments.planning.typed import names_in, parse_seeds, parse_settings
from benchmarks.options import GridOptions, TuningOptions
from benchmarks.spec import MethodGrid, parse_grids
from benchmarks.spec_checks import field_problem
from benchmarks.tasks import TASKS
from benchmarks.tasks.own import OwnTask
from benchmarks.tasks.sources import Source, parse_data_files, resolve_source
from benchmarks.training import models
from smart_repro.methods import METHODS

_OF_A_RUN = ("data", "dev", "test", "source", "data_dir", "data_file", "plugins")  # options that `runs rerun` needs
_NAMED = ("model", "layers", "max_train_samples", "epochs")  # settings of a run that have options of their own
_OPTIONS = tuple(field.name for field in (*fields(GridOptions), *fields(TuningOptions)))


@dataclass(frozen=True, kw_only=True)
class Request(TuningOptions, GridOptions):
    """The name of an experiment with the options that ``plan``, ``run``, ``reproduce`` and ``check`` share, as typed.

    Attributes:
        name: an experiment, a group of them, or ``compare``.
        results: the results folder; None: ``results``.
    """

    name: str
    results: Path | None = None

    @property
    def title(self) -> str:
        """The name under which results are kept."""
        name = self.grid_name or stored_name(self.name) or ""
        return f"{name}-tuning" if self.tune else name

    def study(self) -> Study:
        """Return the user's own grid. Raises UsageError, also if the request is for another experiment."""
        if is_study_file(self.name):
            return self._of_file()
        if self.name == "compare":
            return self._compare()
        raise UsageError(f"{self.name} is no grid of your own: only compare and study files are studies")

    def experiment(self) -> Experiment:
        """Return the requested experiment. Raises UsageError or UnknownNameError with the remedy."""
        if self.name == "compare":
            return self.study().experiment()
        if is_study_file(self.name):
            return narrowed(
                self.study().experiment(),
                tasks=names_in(self.tasks),
                methods=self.methods,
                seeds=() if self.seeds is None else parse_seeds(self.seeds),
            )
        self._check_name()
        if option := own_data.first_option(self):
            raise UsageError(f"{option} is for a comparison on own data: smart-repro run compare {option} ...")
        if is_plug_in(self.name):
            return self._plug_in()
        profile = self.profile or "demo"
        if profile == "demo" and self.data_dir:
            raise UsageError(
                "--data-dir contradicts the profile demo, whose data are generated; use --profile small or paper"
            )
        published = EXPERIMENTS[self.name]()
        if published.columns_for is not None and (tasks := names_in(self.tasks)):
            published = on_tasks(published, _real_names(tasks, published, profile))
        profiled_experiment = PROFILES[profile](published)
        selection = narrowed(
            profiled_experiment,
            tasks=self._tasks_of(published, profiled_experiment, profile),
            methods=self.methods,
            seeds=() if self.seeds is None else parse_seeds(self.seeds),
            settings=without_cut(self.changed(), profiled_experiment.settings),
        )
        return renewed(selection) if profile == "demo" else selection

    def _plug_in(self) -> Experiment:
        """Return an experiment of another package as it was written: a profile fills only what it leaves open."""
        if self.profile is not None:
            PROFILES[self.profile]
        experiment = as_written(EXPERIMENTS[self.name](), self.profile)
        if experiment.columns_for is not None and (tasks := names_in(self.tasks)):
            experiment = on_tasks(experiment, tasks)
        return narrowed(
            experiment,
            tasks=names_in(self.tasks),
            methods=self.methods,
            seeds=() if self.seeds is None else parse_seeds(self.seeds),
            settings=without_cut(self.changed(), experiment.settings),
        )

    def checked_experiment(self) -> Experiment:
        """Return the experiment after a check of all its runs; no data are read.

        Raises: UsageError, UnknownNameError: for an impossible run, more layers than the model has, or options for the
            source of the data that contradict each other.
        """
        experiment = self.experiment()
        self.where(experiment)
        _check_models(experiment)
        return experiment

    def each(self) -> list[Request]:
        """Return a request per experiment: this one, or one for each member of the group that it names."""
        if self.name not in GROUPS:
            return [self]
        self._check_name()
        return [replace(self, name=name) for name in members(self.name)]

    def found(self) -> tuple[Experiment, Source]:
        """Return the experiment, without the columns whose data are missing, and the source of its data.

        A task that is requested by name must keep at least one column.

        Raises: UsageError, DataError.
        """
        experiment = self.checked_experiment()
        source = self.where(experiment)
        required_tasks = experiment.tasks if self.tasks is not None else ()
        experiment = startable(available(experiment, source, required_tasks), source)
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
            *method_notes(experiment),
            *(own_grid_notes(experiment) if self.name == "compare" or is_study_file(self.name) else ()),
            *data_warnings(experiment, source),
        )
        return replace(experiment, notes=notes), source

    def where(self, experiment: Experiment) -> Source:
        """Return the source of the experiment's data. Raises UsageError if the options contradict each other."""
        own_tasks = self.own_tasks()
        suite_tasks = [task for task in experiment.trained if TASKS[task].own is None and not TASKS[task].generated]
        if own_tasks and not suite_tasks:
            return own_data.source(own_tasks)
        files = parse_data_files(self.data_file or [])
        _check_files(files)
        if all(TASKS[task].generated for task in experiment.trained):
            return resolve_source(
                "generated" if self.source is None and not self.data_dir else self.source, self.data_dir
            )
        source = resolve_source(self.source, self.data_dir, files, default_dir=self.default_data_dir)
        return own_data.beside(source, own_tasks) if own_tasks else source

    def own_tasks(self) -> tuple[OwnTask, ...]:
        """Return the tasks on own data that the options describe, and register them by name.

        Raises: UsageError, DataError: with the option, or the file and row, the fault and the remedy.
        """
        return self.study().own_tasks() if is_study_file(self.name) else own_data.own_tasks(self)

    def changed(self) -> dict[str, Any]:
        """Return the settings of a run that the options set. Raises UsageError for a value that no run can have."""
        from_options = {name: value for name in _NAMED if (value := getattr(self, name)) is not None}
        settings = parse_settings(self.settings or [])
        repeated_names = sorted(from_options.keys() & settings.keys())
        if repeated_names:
            flag = options.flags(GridOptions)[repeated_names[0]]
            raise UsageError(f"{flag} and --set {repeated_names[0]} say the same twice: leave one of them out")
        for name, value in from_options.items():
            if problem := field_problem({name: value}):
                raise UsageError(f"{options.flags(GridOptions)[name]} {value}: {problem}")
        return {**from_options, **settings}

    def command(self, verb: str, *further: str) -> str:
        """Return a command line that makes this request again.

        Args:
            verb: the verb of the command.
            *further: words of options that are not part of the request.
        """
        words = options.words(self, _OPTIONS)
        return options.command(verb, self.name, *words, *options.results_words(self.results), *further)

    def rerun(self) -> str:
        """Return a command line that does one finished run again, ``KEY``, and compares predictions."""
        words = [*options.words(self, _OF_A_RUN)]
        if is_study_file(self.name) and any(column.choices for column in self.study().columns):
            words = ["--data", self.name, *words]
        return options.command("runs", "rerun", "KEY", *words, *options.results_words(self.results))

    def _check_name(self) -> None:
        if self.grid_name:
            raise UsageError("--name is for a grid of your own (compare); a published table keeps its name")

    def _tasks_of(self, published: Experiment, experiment: Experiment, profile: str) -> tuple[str, ...]:
        """Return the tasks to keep, in the profile's names; they may be typed in the paper's."""
        tasks = []
        for typed in names_in(self.tasks):
            task = stand_in(typed) or typed if profile == "demo" else typed
            if task not in experiment.tasks:
                pairs = {task: stand_in(task) for task in published.tasks} if profile == "demo" else {}
                names = [
                    f"{task} (here {pairs[task]})" if pairs.get(task) else task for task in pairs or experiment.tasks
                ]
                raise UsageError(f"--tasks {typed}: {self.name} has no such task; it has {', '.join(names)}")
            tasks.append(task)
        return tuple(tasks)

    def _of_file(self) -> Study:
        """Return the study of a file; typed settings replace the file's."""
        if option := own_data.first_option(self):
            raise UsageError(f"{option} stands beside {self.name}, which describes its data whole: write it there")
        if self.profile is not None:
            PROFILES[self.profile]
        study = read_study(Path(self.name), hub=self.source == "hub")
        typed = self.changed()
        columns = (
            replace(column, settings={name: value for name, value in column.settings.items() if name not in typed})
            for column in study.columns
        )
        return replace(
            study,
            name=self._own_name(study.name),
            columns=tuple(columns),
            settings=filled(self.profile, {**study.settings, **typed}),
        )

    def _compare(self) -> Study:
        if self.profile is not None:
            raise UsageError("compare takes no --profile: name --tasks, --methods and --model yourself")
        own_tasks = self.own_tasks()
        if not (self.tasks or own_tasks) or not self.methods:
            raise UsageError(
                "compare needs --tasks (or --data, for own data) and --methods, for example --tasks rte,cola --methods "
                "vanilla,smart"
            )
        tasks = tuple(task.name for task in own_tasks) or names_in(self.tasks)
        described = own_data.choices(self) if own_tasks else ()
        columns = tuple(StudyColumn(task=choices.task_name, choices=choices) for choices in described)
        typed = self.changed()
        return Study(
            name=self._own_name("compare"),
            rows=tuple(StudyRow(methods=grid) for grid in self._method_grids()),
            columns=columns or tuple(StudyColumn(task=TASKS[task].name) for task in tasks),
            seeds=DEFAULT_SEEDS if self.seeds is None else parse_seeds(self.seeds),
            settings={**usual_settings(tasks, bool(own_tasks), typed), **typed},
        )

    def _method_grids(self) -> list[MethodGrid]:
        assert self.methods is not None
        return [MethodGrid(name) for name in METHODS] if self.methods == "all" else parse_grids(self.methods)

    def _own_name(self, name: str) -> str:
        """Return the name of a user's own grid. Raises UsageError: it is no folder name, or an experiment has it."""
        if self.grid_name is None:
            return name
        if not NAME.fullmatch(self.grid_name):
            raise UsageError(
                f"--name {self.grid_name}: give letters, digits, dots, dashes and underscores: a folder is named so"
            )
        if self.grid_name in {*EXPERIMENTS, *GROUPS}:
            raise UsageError(f"--name {self.grid_name}: that is a published experiment; give your grid another name")
        return self.grid_name


def is_plug_in(name: str) -> bool:
    """Return True if an experiment comes from another package. Raises UnknownNameError: there is none."""
    return not EXPERIMENTS.origin(name).startswith("benchmarks.")


def _real_names(tasks: tuple[str, ...], experiment: Experiment, profile: str) -> tuple[str, ...]:
    """Return the experiment's names of tasks: in the demo, a generated task is also a name of the task it replaces."""
    originals = {stand_in(task): task for task in reversed(experiment.tasks)} if profile == "demo" else {}
    return tuple(originals.get(task, task) or task for task in tasks)


def _check_files(files: Iterable[tuple[str, str]]) -> None:
    """Refuse ``--data-file`` for an unknown task, or for a split that the task does not have."""
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
