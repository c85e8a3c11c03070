"""A grid of one's own as a value: what ``compare`` asks for, and what a study file says."""

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
    """One method, or one for every combination of its options' values, with settings of its own.

    Attributes:
        id, title: names of a single row; "": made from the method, its options and the settings.
    """

    methods: MethodGrid
    id: str = ""
    title: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyColumn:
    """One task, of the suite or on own data, with the metrics it is scored by.

    Attributes:
        metrics: (): all of the task's.
        split: "": the one that is reported.
        settings: fields of its runs, over those of the study and below those of a row.
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
        than: the row it is compared with; "": the baseline.
        tasks: (): all of the study.
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
        name: of the folder in the results.
        baseline: id of a row; "": the first.
        settings: fields that all runs share; what is not set here is as :func:`usual_settings` has it.
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
    """Return the settings of a grid that its user leaves open: those that fit its data and model.

    On generated tasks with the model tiny they are the demonstration's, whose limit of updates never cuts epochs that
    the user sets.
    """
    model = settings.get("model")
    is_generated = all(TASKS[task].generated for task in tasks)
    usual = dict(DEMO_SETTINGS) if is_generated and (model or "tiny") == "tiny" else {}
    if "epochs" in settings:
        usual.pop("max_steps", None)
    if has_own:
        usual |= own_data.settings(model)
    return usual if is_generated else {**usual, "model": "minilm"}


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
