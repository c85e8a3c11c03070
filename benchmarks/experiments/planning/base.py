"""The experiment as a value: rows x columns x seeds, with the published numbers and claims."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.schema import SELECTIONS, Claim, Column, Fact, Manifest, Omission, Point, Published, Row
from benchmarks.errors import UsageError
from benchmarks.spec import MethodChoice, RunSpec, combined, parse_methods, pieces
from benchmarks.tasks import TASKS
from benchmarks.training.models import MODELS
from smart_repro.declarations import configure, methods
from smart_repro.registry import Registry

TUNING_ROWS = 2_000  # rows that score a trial: standard error of an accuracy about 1 point (2.3 for a holdout of 250)
MEMBERS = 4  # runs combined by a VOTE or AVG (SDA, section 4.2): replicate r combines runs 4r to 4r + 3


@dataclass(frozen=True)
class Times:
    """A setting of a row or column as a multiple of the experiment's setting, whatever the profile's value of it is."""

    factor: float


@dataclass(frozen=True)
class Start:
    """A multi-task run that a row's runs start from; both have the same seed.

    Attributes:
        method: method of its training.
        tasks: tasks of its training.
        settings: fields of its spec that differ from those all rows share; settings of columns and rows do not apply.
    """

    method: MethodChoice
    tasks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodRow:
    """A row of the table: a method, and further settings of its runs.

    Attributes:
        id: name of the row.
        title: name in tables.
        method: the method of its runs.
        settings: fields of the spec that its runs change, values or :class:`Times`.
        published: name of the row in the paper's table.
        at: suffix of the paper's column names for this row (``" lambda=0.5"``).
        per_task: trained task -> its method, where the paper chose the method by data set.
        by_task: trained task -> its settings, which override all others.
        curve: name of the curve that the row is a point of, at ``x``.
        x: place on the curve.
        combine: "vote" or "average": each run combines ``MEMBERS`` finished runs of the row's method.
        start: the multi-task run that its runs start from; None: they start from the pre-trained weights.
        seeds: number of the experiment's first seeds that it has; None: all of them.
        rate_of: id of the row whose tuned learning rate it uses; it is not tuned itself.
    """

    id: str
    title: str
    method: MethodChoice
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""
    at: str = ""
    per_task: Mapping[str, MethodChoice] = field(default_factory=dict)
    by_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curve: str = ""
    x: float | None = None
    combine: str = ""
    start: Start | None = None
    seeds: int | None = None
    rate_of: str = ""

    def to_schema(self) -> Row:
        """Return the row as the manifest holds it."""
        reading = str(dict(self.method.options).get("dropout", ""))
        x = self.x if self.curve else None
        return Row(self.id, self.title, self.method.name, reading, curve=self.curve, x=x, combine=self.combine)


@dataclass(frozen=True)
class TaskColumn:
    """A number per row: a task's metric on a split.

    Attributes:
        task, metric, split: the scored task, the metric, and the split.
        published, published_metric, published_split: the paper's names for them, where they differ.
        trained_on: the task whose runs fill the column; default the task itself, or its ``train_with``.
        settings: fields of the spec that its runs change, values or :class:`Times`.
        variant: mark that distinguishes two columns of one task, metric and split (``"1 %"``).
    """

    task: str
    metric: str
    split: str = "dev"
    published: str = ""
    published_metric: str = ""
    published_split: str = ""
    trained_on: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def id(self) -> str:
        """Name of the column: task, metric, split and variant."""
        split = "" if self.split == "dev" else f".{self.split}"
        return f"{self.task}.{self.metric}{split}" + (f"@{self.variant}" if self.variant else "")

    @property
    def trained(self) -> str:
        """Task that its runs are trained on."""
        return self.trained_on or TASKS[self.task].train_with or self.task

    @property
    def place(self) -> str:
        """Name of the runs that fill the column; columns with the same place share their runs."""
        return f"{self.trained}@{self.variant}" if self.settings else self.trained

    def to_schema(self) -> Column:
        """Return the column as the manifest holds it."""
        task = TASKS[self.task]
        title = task.name if task.generated else task.title
        return Column(
            self.id,
            self.task,
            self.metric,
            self.split,
            title=f"{title} ({self.variant})" if self.variant else title,
            ceiling=task.ceiling.get(self.metric) if self.split == "dev" else None,
            trained_on=self.trained,
            published_as=self.published,
        )


@dataclass(frozen=True)
class DemoVariant:
    """What is different in an experiment's profile demo.

    Attributes:
        settings: fields of :class:`RunSpec` that replace those of the profile.
        options: method -> options of it that are set in every row that has this method.
        note: the reason, for the reader; shown with every table.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""

    def row(self, row: MethodRow) -> MethodRow:
        """Return a row with the options of its method."""
        choice = row.method
        changed = {**dict(choice.options), **self.options.get(choice.name, {})}
        return replace(row, method=MethodChoice(choice.name, tuple(sorted(changed.items()))))


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A table to be filled.

    Attributes:
        name, title: name on the command line, and title of the table.
        rows, columns, seeds: the axes of the table.
        baseline: id of the row that the others are compared with.
        settings: fields of :class:`RunSpec` that all runs share.
        task_settings: trained task -> fields that differ there, for all rows.
        published: published numbers at cells of the table.
        points: published points of a curve, bar or box that are not cells of the table.
        omitted: published numbers without a cell, with the reason.
        tables: the published tables (``benchmarks/papers``) whose numbers are in ``published``, ``points`` or
            ``omitted``.
        claims: the claims that it decides.
        missing: "row|column" (either may be ``*``) -> the reason why there is no run.
        unscored: "row|column" -> the reason why a cell has runs but no score (hidden test labels).
        notes: facts that a reader must know; shown with every table.
        profile: the profile that the experiment was adapted to.
        layout: form in the paper: methods-by-tasks, sweep, epochs, losses, box, agreement, selection, data-sets,
            boundary, mechanism.
        selections: the ways to choose the epoch that its figure compares.
        facts: counts of data sets, where the experiment is their comparison.
        tuned: row id -> task -> the trial that tuning chose, such as ``1x,epsilon=0.01``.
        longest: most word pieces of an example on any task.
        each_epoch: True if a claim or figure needs every split's predictions after each epoch. Otherwise runs predict
            the holdout after each epoch and all other splits after the last one: predictions took up to 60 % of a
            plain run.
        not_in: profile -> the reason why the experiment does not exist in it.
        adapt: profile -> function that changes the experiment before the profile's own rules.
        demo: what differs in the profile demo from the profile's own rules.
        printed_head: True if profile small keeps the papers' printed settings of the task layer (learning rate, dropout
            on CoLA and MNLI) and of IMDb's epochs. It is False for control studies whose runs were made without them.
        columns_for: function that makes the columns of a task; with it ``--tasks`` accepts any classification task.
        has_portable_claims: True if its claims name no task, so that they apply to such tasks.
        compute: for an experiment without fine-tuning runs: function that does it, writes into a folder and returns a
            text for the terminal.
    """

    name: str
    title: str
    rows: tuple[MethodRow, ...]
    columns: tuple[TaskColumn, ...]
    seeds: tuple[int, ...]
    baseline: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    task_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    points: tuple[Point, ...] = ()
    omitted: tuple[Omission, ...] = ()
    tables: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    unscored: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    profile: str | None = None
    layout: str = "methods-by-tasks"
    selections: tuple[str, ...] = SELECTIONS
    facts: tuple[Fact, ...] = ()
    tuned: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    longest: int | None = None
    each_epoch: bool = False
    not_in: Mapping[str, str] = field(default_factory=dict)
    adapt: Mapping[str, Callable[[Experiment], Experiment]] = field(default_factory=dict)
    demo: DemoVariant = field(default_factory=DemoVariant)
    printed_head: bool = True
    columns_for: Callable[[str], tuple[TaskColumn, ...]] | None = None
    has_portable_claims: bool = False
    compute: Callable[[Experiment, Path], str] | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of the columns, in order."""
        return tuple(dict.fromkeys(column.task for column in self.columns))

    @property
    def trained(self) -> tuple[str, ...]:
        """Tasks that are trained: a column such as mnli-mm is filled by the runs of another task."""
        return tuple(dict.fromkeys(column.trained for column in self.columns))

    @property
    def places(self) -> tuple[str, ...]:
        """Trainings per row and seed: a task, or ``task@variant`` where columns change the run."""
        return tuple(dict.fromkeys(column.place for column in self.columns))

    def specs(self) -> Iterator[tuple[str, str, int, RunSpec]]:
        """Yield row id, place, seed and spec of every run, in the best order: all rows of a seed together."""
        for seed in self.seeds:
            for place in self.places:
                for row in self.rows:
                    if self.is_run(row, place) and seed in self.seeds_of(row):
                        yield row.id, place, seed, self.spec(row, place, seed)

    def seeds_of(self, row: MethodRow) -> tuple[int, ...]:
        """Return the seeds of a row's runs."""
        return self.seeds[: row.seeds]

    def is_run(self, row: MethodRow, place: str) -> bool:
        """Return whether the row has runs at a place: False if every column of it has a reason."""
        return any(not self.reason(row.id, column) for column in self.columns if column.place == place)

    def reason(self, row: str, column: TaskColumn) -> str:
        """Return the reason why a cell has no runs, or ""."""
        names = [f"{r}|{c}" for r in (row, "*") for c in (column.id, column.task, "*")]
        return next((self.missing[name] for name in names if name in self.missing), "")

    def spec(self, row: MethodRow, place: str, seed: int) -> RunSpec:
        """Return the run of one cell and seed.

        Raises: UsageError: no run can have these settings.
        """
        if row.combine:
            member_row = replace(row, combine="")
            return combined(row.combine, [self.spec(member_row, place, MEMBERS * seed + i) for i in range(MEMBERS)])
        columns = [column for column in self.columns if column.place == place]
        task = columns[0].trained
        shared = {**self.settings, **self.task_settings.get(task, {})}
        shared |= _multiplied(columns[0].settings, shared)
        settings = self._completed({**shared, **_multiplied(row.settings, shared)}, (task,))
        settings |= _multiplied(row.by_task.get(task, {}), shared)
        if row.start is not None:
            settings["init_from"] = self.start(row.start, seed)
        settings.setdefault("predict_each", self._predict_each)
        predicted = list(settings.pop("predict", ("dev", "holdout")))
        if settings.get("holdout") == 0 and not settings.get("holdout_rows"):
            predicted = [split for split in predicted if split != "holdout"]
        predicted = [split for split in predicted if split in ("holdout", *TASKS[task].splits)]
        predicted += [c.split if c.task == task else f"{c.task}:{c.split}" for c in columns]
        settings["predict"] = tuple(dict.fromkeys(predicted))
        method = row.per_task.get(task, row.method)
        try:
            return RunSpec(task=task, method=method.name, options=essential(method), seed=seed, **settings)
        except TypeError as error:
            raise UsageError(f"{error}: `smart-repro show spec` lists what can be set") from error

    def start(self, start: Start, seed: int) -> RunSpec:
        """Return the run of several tasks that a row's run of this seed starts from."""
        settings = self._completed({**self.settings, **start.settings}, start.tasks)
        settings.setdefault("predict_each", self._predict_each)
        predicted = [split for split in settings.pop("predict", ("dev", "holdout")) if split != "train"]
        first, *further_tasks = start.tasks
        return RunSpec(
            task=first,
            with_tasks=tuple(further_tasks),
            method=start.method.name,
            options=essential(start.method),
            seed=seed,
            predict=tuple(predicted),
            **settings,
        )

    @property
    def _predict_each(self) -> tuple[str, ...] | None:
        return None if self.each_epoch else ("holdout",)

    def _completed(self, settings: Mapping[str, Any], tasks: tuple[str, ...]) -> dict[str, Any]:
        """Add the settings that depend on the tasks and the model, where they are not set."""
        longest = max(TASKS[task].max_length for task in tasks)
        completed = {"max_length": longest, "head": default_head(settings.get("model", "tiny")), **settings}
        if self.longest is not None:
            completed["max_length"] = min(self.longest, completed["max_length"])
        return completed

    def manifest(self, keys: Mapping[tuple[str, str, int], str], commands: Mapping[str, str]) -> Manifest:
        """Return the table's frame for the analysis: which run fills which cell."""
        generated = [task for task in self.tasks if TASKS[task].generated]
        warnings = self.notes
        if generated:
            names = ", ".join(generated)
            warnings = (f"Generated data, demonstration: nothing about the papers follows ({names}).", *warnings)
        return Manifest(
            name=self.name,
            title=self.title,
            rows=tuple(row.to_schema() for row in self.rows),
            columns=tuple(column.to_schema() for column in self.columns),
            seeds=self.seeds,
            cells={row.id: self._cells(row, keys) for row in self.rows},
            baseline_row=self.baseline or None,
            profile=self.profile,
            grid=self.grid_hash(keys),
            published=self.published,
            points=self.points,
            omitted=self.omitted,
            claims=self.claims,
            layout=self.layout,
            warnings=warnings,
            reasons_missing={**self.unscored, **self.missing},
            commands=dict(commands),
            selections=self.selections,
            facts=self.facts,
            tuned=self.tuned,
        )

    def grid_hash(self, keys: Mapping[tuple[str, str, int], str]) -> str:
        """Return the name of the grid, which depends on rows, columns, seeds and runs."""
        content = [[*cell, key] for cell, key in sorted(keys.items())] + [column.id for column in self.columns]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]

    def _cells(self, row: MethodRow, keys: Mapping[tuple[str, str, int], str]) -> dict[str, tuple[str, ...]]:
        """Return the run keys by task, or by column where the column is a variant of its task."""
        return {
            column.id if column.variant else column.task: tuple(
                keys[row.id, column.place, seed] for seed in self.seeds if (row.id, column.place, seed) in keys
            )
            for column in self.columns
        }


def _multiplied(settings: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {spec_field.name: spec_field.default for spec_field in fields(RunSpec)}
    multiplied = {}
    for name, value in settings.items():
        if isinstance(value, Times):
            base = shared.get(name, defaults[name])
            value = None if base is None else base * value.factor
        multiplied[name] = value
    return multiplied


def default_head(model: str) -> str:
    """Return the model's pooling of a text unless the spec gives another; no model is read for it."""
    return _registered_head(model) if model in MODELS else "pooler"


@lru_cache
def _registered_head(model: str) -> str:
    return MODELS[model]().head  # for minilm this looks for an installed package: too slow to repeat for every run


def essential(choice: MethodChoice) -> tuple[tuple[str, Any], ...]:
    """Return the options that differ from the method's defaults, so that equal runs have equal keys.

    Raises: UsageError: for an option or value the method refuses.
    """
    try:
        config = configure(methods()[choice.name], dict(choice.options))
    except ValueError as error:
        raise UsageError(str(error)) from error
    changed = {option.name: getattr(config, option.name) for option in fields(config)}
    defaults = {option.name: option.default for option in fields(config)}
    return tuple(
        sorted((name, _like(value, defaults[name])) for name, value in changed.items() if value != defaults[name])
    )


def _like(value: Any, default: Any) -> Any:
    """Return a whole number as float where the default is a float."""
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


# Functions without arguments that return the experiment as published; profiles transform it. `compare` needs options.
EXPERIMENTS: Registry[Callable[[], Experiment]] = Registry(
    "experiment", listing="smart-repro list experiments", entry_points="smart_repro.experiments"
)


def narrowed(
    experiment: Experiment,
    *,
    tasks: tuple[str, ...] = (),
    methods: str | None = None,
    seeds: tuple[int, ...] = (),
    settings: Mapping[str, Any] | None = None,
) -> Experiment:
    """Return the experiment with fewer tasks, rows or seeds, or with other settings.

    Args:
        experiment: the experiment.
        tasks: names of tasks; empty: all.
        settings: settings that replace those of the experiment and of its tasks, but not what a row or column is about.
        seeds: seeds of all rows.
        methods: names of rows or methods, by commas: a row's own name (``vanilla``, ``bregman:ema``) is that row alone;
            a method (``smart``, ``smart:lambda_s=3``) every row that has it. "all" keeps all rows.
    Raises: UsageError: for a task, row or method the experiment does not have.
    """
    rows, columns = experiment.rows, experiment.columns
    if tasks:
        for task in tasks:
            if task not in experiment.tasks:
                raise UsageError(f"{experiment.name} has no task {task!r}; it has {', '.join(experiment.tasks)}")
        columns = tuple(column for column in columns if column.task in tasks)
    if methods is not None and methods != "all":
        rows = _chosen(experiment, methods)
    if seeds:
        rows = tuple(replace(row, seeds=None) for row in rows)
    baseline = experiment.baseline if experiment.baseline in {r.id for r in rows} else next((r.id for r in rows), "")
    changed = settings or {}
    return replace(
        experiment,
        rows=rows,
        columns=columns,
        seeds=seeds or experiment.seeds,
        settings={**experiment.settings, **changed},
        task_settings={
            task: {name: value for name, value in task_changes.items() if name not in changed}
            for task, task_changes in experiment.task_settings.items()
        },
        longest=None if "max_length" in changed else experiment.longest,
        baseline=baseline,
    )


def _chosen(experiment: Experiment, text: str) -> tuple[MethodRow, ...]:
    """Return the rows that ``text`` names, in table order."""
    ids = {row.id for row in experiment.rows}
    names = pieces(text)
    row_ids, other_names = [name for name in names if name in ids], [name for name in names if name not in ids]
    methods = {choice.label for choice in parse_methods(",".join(other_names))} if other_names or not row_ids else set()
    rows = tuple(r for r in experiment.rows if r.id in row_ids or {r.method.name, r.method.label} & methods)
    invalid = methods - {name for r in rows for name in (r.method.name, r.method.label)}
    if invalid:
        have = ", ".join(r.id for r in experiment.rows)
        raise UsageError(f"{experiment.name} has no row {', '.join(sorted(invalid))}; it has {have}")
    return rows
