"""A user's own grid as a value, built from the options of ``compare`` or from a study file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.schema import Claim, Contrast
from analysis.schema.constants import OVER
from benchmarks.errors import UsageError
from benchmarks.experiments.planning import own_data
from benchmarks.experiments.planning.base import Experiment, MethodRow, TaskColumn, essential
from benchmarks.experiments.planning.compare import grid_of, method_row
from benchmarks.experiments.planning.profiles import DEMO_SETTINGS, without_cut
from benchmarks.spec import GridPoint, MethodGrid
from benchmarks.tasks import TASKS
from benchmarks.tasks.own import Choices, OwnTask

DEFAULT_SEEDS = (0, 1, 2, 3, 4)
DIRECTION_WORDS = {
    "greater": "scores higher than",
    "less": "scores lower than",
    "no less": "scores at most {margin} lower than",
    "no greater": "scores at most {margin} higher than",
    "the same": "scores within {margin} of",
}
QUANTIFIER_WORDS = {"average": "on average over", "every": "on every one of", "any": "on at least one of"}


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """A row of a study file: one method, or a method for every combination of its options' values.

    Attributes:
        methods: the method with one or several values per option.
        id, title: names of a single row; "": derived from the method, its options and the settings.
        settings: fields of the row's runs.
    """

    methods: MethodGrid
    id: str = ""
    title: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyColumn:
    """One task, of the suite or on own data, with its metrics.

    Attributes:
        metrics: names of metrics; (): all metrics of the task.
        split: the scored split; "": the split that papers report.
        settings: fields of its runs; they replace the study's, and a row's settings replace them.
        choices: the description of own data; None: a task of the suite.
    """

    task: str
    metrics: tuple[str, ...] = ()
    split: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    choices: Choices | None = None


@dataclass(frozen=True, kw_only=True)
class StudyClaim:
    """A statement about two rows; fields as in :class:`analysis.schema.Claim`.

    Attributes:
        than: id of the row it is compared with; "": the baseline.
        tasks: tasks that the claim covers; (): all tasks of the study.
    """

    row: str
    direction: str = "greater"
    than: str = ""
    tasks: tuple[str, ...] = ()
    metric: str = ""
    quantifier: str = "average"
    size: float | None = None
    margin: float | None = None
    min_seeds: int = 5
    sentence: str = ""
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Rows, columns, seeds, settings and claims of a grid.

    Attributes:
        name: name of the study and of its folder in the results.
        baseline: id of a row; "": the first row.
        settings: fields that all runs share; :func:`usual_settings` gives the others.
    """

    name: str
    rows: tuple[StudyRow, ...]
    columns: tuple[StudyColumn, ...]
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    title: str = ""
    description: str = ""
    baseline: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[StudyClaim, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The columns' tasks, in order."""
        return tuple(dict.fromkeys(column.task for column in self.columns))

    def own_tasks(self) -> tuple[OwnTask, ...]:
        """Return the tasks on own data, known by their names from here on. Raises UsageError, DataError."""
        return own_data.entered((column.choices for column in self.columns if column.choices is not None), self.name)

    def method_rows(self) -> tuple[MethodRow, ...]:
        """Return the rows of the table. Raises UsageError: a method refuses an option, or two rows have one id."""
        rows: dict[str, tuple[MethodRow, GridPoint]] = {}
        for described in self.rows:
            points = described.methods.points()
            if len(points) > 1 and (described.id or described.title):
                raise UsageError(
                    f"{described.id or described.title} would name {len(points)} rows: leave id and title out where "
                    "options have several values"
                )
            for point in points:
                row = _row(described, point)
                earlier = rows.get(row.id)
                if earlier is not None and not _is_same(earlier[0], row):
                    raise UsageError(f"two rows are called {row.id}: give one of them another id")
                if earlier is None or point.curve is not None:
                    rows[row.id] = row, point
        return tuple(row for row, _ in rows.values())

    def experiment(self) -> Experiment:
        """Return the grid as an experiment. Raises UsageError, UnknownNameError, DataError."""
        own_names = {task.name for task in self.own_tasks()}
        rows = self.method_rows()
        usual = usual_settings(self.tasks, bool(own_names), self.settings)
        settings = {**usual, **self.settings}
        columns = {column.id: column for described in self.columns for column in _columns(described)}
        experiment = grid_of(
            name=self.name,
            title=self.title,
            rows=tuple(replace(row, settings=without_cut(row.settings, usual)) for row in rows),
            columns=tuple(columns.values()),
            seeds=self.seeds,
            settings=settings,
        )
        shared = {
            described.task: {
                **experiment.task_settings.get(described.task, {}),
                **without_cut(described.settings, usual),
            }
            for described in self.columns
        }
        return replace(
            experiment,
            baseline=self.baseline or experiment.baseline,
            task_settings={task: changes for task, changes in shared.items() if changes},
            claims=tuple(self._claims()),
            notes=(self.description,) if self.description else (),
        )

    def _claims(self) -> Iterable[Claim]:
        """Yield the claims in the form that decides them."""
        first = self.baseline or self.method_rows()[0].id
        for number, claim in enumerate(self.claims, start=1):
            tasks, than = claim.tasks or self.tasks, claim.than or first
            yield Claim(
                id=claim.id or f"{self.name}-{number}",
                sentence=claim.sentence or sentence(claim, tasks, than),
                contrast=Contrast(claim.row, than),
                tasks=tasks,
                metric=claim.metric,
                direction=claim.direction,
                quantifier=claim.quantifier,
                size=claim.size,
                margin=claim.margin,
                min_seeds=claim.min_seeds,
            )


def usual_settings(tasks: Iterable[str], has_own: bool, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return default settings of a grid, chosen for its data and model; the user's settings replace them.

    On generated tasks with the model tiny they are the settings of the profile demo, without its limit of updates if
    the user sets the number of epochs.
    """
    model = settings.get("model")
    is_generated = all(TASKS[task].generated for task in tasks)
    defaults = dict(DEMO_SETTINGS) if is_generated and (model or "tiny") == "tiny" else {}
    if "epochs" in settings:
        defaults.pop("max_steps", None)
    if has_own:
        defaults |= own_data.settings(model)
    return defaults if is_generated else {**defaults, "model": "minilm"}


def sentence(claim: StudyClaim, tasks: tuple[str, ...], than: str) -> str:
    """Return a claim in words."""
    margin = "" if claim.margin is None else f"{claim.margin:g}"
    words = DIRECTION_WORDS[claim.direction].format(margin=margin)
    place = f"{QUANTIFIER_WORDS[claim.quantifier]} {', '.join(tasks)}" if len(tasks) > 1 else f"on {tasks[0]}"
    return f"{claim.row} {words} {than} {place}."


def _row(described: StudyRow, point: GridPoint) -> MethodRow:
    row = method_row(point)
    marks = "".join(f" {name}={value}" for name, value in described.settings.items())
    name = described.id or f"{row.id}{marks}"
    head, over, axis = row.curve.rpartition(OVER)
    curve = f"{head}{marks}{over}{axis}" if row.curve else ""
    return replace(row, id=name, title=described.title or name, settings=described.settings, curve=curve)


def _is_same(row: MethodRow, reference: MethodRow) -> bool:
    contents = (
        (method_row.method.name, essential(method_row.method), dict(method_row.settings))
        for method_row in (row, reference)
    )
    return next(contents) == next(contents)


def _columns(described: StudyColumn) -> Iterable[TaskColumn]:
    task = TASKS[described.task]
    for metric in described.metrics or task.metrics:
        yield TaskColumn(task.name, metric, described.split or task.evaluated_on)
