"""The same experiment at three sizes: generated data on a tiny model, real data on a small one, the paper's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from analysis.schema import Claim, Interaction, Kind, Statement, with_columns
from benchmarks.errors import NotInProfileError
from benchmarks.experiments.planning.base import Experiment, MethodRow, Start, TaskColumn
from benchmarks.experiments.planning.demonstration import demonstrated, without_model
from benchmarks.tasks import TASKS
from smart_repro.hnn.options import HNN_HEADS
from smart_repro.registry import Registry

S = TypeVar("S", bound=Statement)

PROFILES: Registry[Callable[[Experiment], Experiment]] = Registry("profile", listing="smart-repro list profiles")

DEMO_SETTINGS = {
    "model": "tiny",
    "batch_size": 32,
    "learning_rate": 2e-3,
    "head_learning_rate": 2e-2,
    "epochs": 18,
    "evaluate_every": 3,
    "max_steps": 300,
}
SMALL_SETTINGS = {"model": "minilm", "batch_size": 16, "learning_rate": 5e-5, "epochs": 3, "max_train_samples": 2500}
SMALL_LONGEST = 256  # word pieces of a review: 512 would take most of a night on a laptop
# Settings that were chosen for a model: a profile that replaces the model drops them.
_OF_A_MODEL = (
    "model",
    "head",
    "head_dropout",
    "head_dropouts",
    "max_length",
    "accumulation",
    "head_learning_rate",
    "learning_rate",
)
_STAND_INS = {
    "snli": "demo-mnli",
    "scitail": "demo-rte",
    "imdb": "demo-sst2",
    "ag-news": "demo-cola",
    "dprd": "demo-wnli",
    "wsc": "demo-wnli",
    "wsc273": "demo-wnli",
}


def stand_in(task: str) -> str | None:
    """Return the generated task that replaces a data set in the demo, or None."""
    name = task if task.startswith("demo-") else _STAND_INS.get(task, f"demo-{task}")
    return name if name in TASKS else None


@PROFILES.register("demo")
def demo(experiment: Experiment) -> Experiment:
    """Use generated data and the project's own tiny model: no network, no download, minutes on two cores, 5 seeds."""
    experiment = _one_model(_adapted(experiment, "demo"))
    columns, missing = _generated(experiment)
    predict = {"predict": ("dev", "holdout", "train")}
    settings = {**predict, **experiment.settings, **DEMO_SETTINGS, **experiment.demo.settings}
    seeds = experiment.seeds if "demo" in experiment.adapt and len(experiment.seeds) == 10 else experiment.seeds[:5]
    on_generated = replace(
        experiment,
        rows=tuple(experiment.demo.row(_row_on_generated(row, experiment.trained)) for row in experiment.rows),
        columns=tuple(columns.values()),
        seeds=seeds,
        settings=settings,
        claims=tuple(_claim_on_generated(claim, columns) for claim in experiment.claims),
        missing=missing,
        unscored={},  # the generated test sets have labels
        profile="demo",
    )
    is_own = bool(experiment.columns) and all(TASKS[column.task].generated for column in experiment.columns)
    return on_generated if is_own else demonstrated(on_generated)  # one written for generated tasks keeps its text


@PROFILES.register("small")
def small(experiment: Experiment) -> Experiment:
    """Use the real data sets at 2,500 training examples on MiniLM-L6: a laptop overnight, a GPU in minutes."""
    experiment = _with_printed_head(_adapted(experiment, "small"))
    note = "Profile small: MiniLM-L6 on at most 2,500 training examples; compare directions with the paper, not levels."
    return replace(
        experiment,
        rows=tuple(replace(row, title=without_model(row.title)) for row in experiment.rows),
        settings={**experiment.settings, **SMALL_SETTINGS},
        notes=(*experiment.notes, note) if experiment.columns else experiment.notes,
        longest=SMALL_LONGEST,
        profile="small",
    )


@PROFILES.register("paper")
def paper(experiment: Experiment) -> Experiment:
    """Use the paper's own models on the whole data sets: hours to days on a GPU."""
    return replace(_adapted(experiment, "paper"), profile="paper")


def as_written(experiment: Experiment, profile: str | None) -> Experiment:
    """Return an experiment of a user's own under a profile: its tasks, rows, seeds and settings stay as they are.

    The profile, if one is named, gives the settings that the experiment does not set. If the experiment defines its own
    variant for the profile (``adapt``), that variant is used.
    """
    if profile is None:
        return experiment
    adapted = _adapted(experiment, profile)
    return replace(adapted, settings=filled(profile, adapted.settings), profile=profile)


def filled(profile: str | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's settings, completed by a profile's; a user's epochs remove the profile's limit of updates."""
    profile_settings = dict({"demo": DEMO_SETTINGS, "small": SMALL_SETTINGS}.get(profile or "", {}))
    if "epochs" in settings:
        profile_settings.pop("max_steps", None)
    return {**profile_settings, **settings}


def without_cut(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that a user sets over a profile's; a user's epochs remove the demo's limit of updates."""
    if "epochs" in settings and "max_steps" not in settings and usual.get("max_steps") == DEMO_SETTINGS["max_steps"]:
        return {"max_steps": None, **settings}
    return dict(settings)


def _adapted(experiment: Experiment, profile: str) -> Experiment:
    if profile in experiment.not_in:
        raise NotInProfileError(f"{experiment.name} has no profile {profile}: {experiment.not_in[profile]}")
    adapt = experiment.adapt.get(profile)
    return experiment if adapt is None else adapt(experiment)


def _one_model(experiment: Experiment) -> Experiment:
    """Give all rows the profile's model, and leave out rows that differ from an earlier row only in their model."""
    rows: dict[object, MethodRow] = {}
    missing = dict(experiment.missing)
    for row in experiment.rows:
        start = row.start and replace(row.start, settings=_without_model(row.start.settings))
        on_profile_model = replace(row, settings=_without_model(row.settings), start=start)
        start_identity = start and (start.method, start.tasks, tuple(sorted(start.settings.items(), key=str)))
        identity = (
            row.method,
            tuple(sorted(on_profile_model.settings.items(), key=str)),
            tuple(row.per_task.items()),
            row.combine,
            start_identity,
            row.curve,
            row.x,
            row.rate_of,
            f"{row.id}|*" in experiment.missing and row.id,
        )
        if identity in rows:
            missing[f"{row.id}|*"] = (
                f"differs from {rows[identity].id} in its model alone, and this profile has one model"
            )
        else:
            rows[identity] = on_profile_model
    remaining_ids = {row.id for row in rows.values()}
    return replace(
        experiment,
        rows=tuple(rows.values()),
        settings=_without_model(experiment.settings),
        task_settings={},
        published=tuple(number for number in experiment.published if number.row in remaining_ids),
        points=tuple(point for point in experiment.points if point.row in remaining_ids),
        missing=missing,
    )


def _without_model(settings: Mapping[str, Any]) -> dict[str, Any]:
    other_settings = {name: value for name, value in settings.items() if name not in _OF_A_MODEL}
    is_hnn = settings.get("head") in HNN_HEADS  # HNN is another system, not a setting for a model
    return {**other_settings, "head": settings["head"]} if is_hnn else other_settings


def _with_printed_head(experiment: Experiment) -> Experiment:
    """Give all rows the profile's model, and keep the printed settings of the task layer, which fit every encoder.

    SMART's dropout of 0.1 for the other tasks is the encoders' default, so it is not set.
    """
    adapted = _one_model(experiment)
    if not experiment.printed_head:
        return adapted
    rates = {name: value for name, value in experiment.settings.items() if name == "head_learning_rate"}
    starts = {row.id: row.start.settings.get("head_dropouts") for row in experiment.rows if row.start}
    rows = (
        replace(row, start=replace(row.start, settings={**row.start.settings, "head_dropouts": starts[row.id]}))
        if row.start and starts.get(row.id)
        else row
        for row in adapted.rows
    )
    return replace(
        adapted,
        rows=tuple(rows),
        settings={**adapted.settings, **rates},
        task_settings={
            task: {name: value for name, value in settings.items() if name in ("head_dropout", "epochs")}
            for task, settings in experiment.task_settings.items()
        },
    )


def _generated(experiment: Experiment) -> tuple[dict[str, TaskColumn], dict[str, str]]:
    """Return column id -> the column on generated data, and the reasons for missing cells under the new ids."""
    columns: dict[str, TaskColumn] = {}
    missing: dict[str, str] = {}
    for column in experiment.columns:
        task, trained = stand_in(column.task), stand_in(column.trained)
        if task is None or trained is None:
            missing[f"*|{column.id}"] = f"no generated task stands in for {column.task}"
            continue
        new = replace(column, task=task, trained_on=trained if column.trained_on else "")
        occupant = next((column_id for column_id, other in columns.items() if other.id == new.id), None)
        if occupant is not None:
            missing[f"*|{column.id}"] = f"{new.id} already stands in for {occupant}"
        else:
            columns[column.id] = new
    renamed = {
        **{column.task: columns[column_id].task for column_id, column in _by_id(experiment) if column_id in columns},
        **{column_id: new.id for column_id, new in columns.items()},
    }
    for name, reason in experiment.missing.items():
        row, _, place = name.partition("|")
        missing[f"{row}|{renamed.get(place, place)}"] = reason
    return columns, missing


def _by_id(experiment: Experiment) -> list[tuple[str, TaskColumn]]:
    return [(column.id, column) for column in experiment.columns]


def _row_on_generated(row: MethodRow, trained: tuple[str, ...]) -> MethodRow:
    """Rename the tasks of a row's choices and start to their stand-ins."""
    choices = {name: choice for task, choice in row.per_task.items() if (name := stand_in(task)) is not None}
    return replace(row, per_task=choices, start=row.start and _start_on_generated(row.start, trained))


def _start_on_generated(start: Start, trained: tuple[str, ...]) -> Start:
    """Remove stand-ins of data that the multi-task run must not train on: demo-mnli where it stands in for SNLI."""
    new = {stand_in(task) for task in trained if task not in start.tasks}
    return replace(start, tasks=tuple(name for task in start.tasks if (name := stand_in(task)) and name not in new))


def _claim_on_generated(claim: Claim, columns: Mapping[str, TaskColumn]) -> Claim:
    parts = tuple(_statement_on_generated(part, columns) for part in claim.parts)
    return replace(_statement_on_generated(claim, columns), parts=parts, model="")


def _statement_on_generated(statement: S, columns: Mapping[str, TaskColumn]) -> S:
    return replace(
        statement,
        tasks=_tasks_on_generated(statement.tasks, columns) or statement.tasks,
        test=_test_on_generated(statement.test, columns),
    )


def _test_on_generated(test: Kind, columns: Mapping[str, TaskColumn]) -> Kind:
    """Rename the columns and tasks of a test to their stand-ins; those without one are left out."""
    test = with_columns(test, {old: column.id for old, column in columns.items()})
    if isinstance(test, Interaction) and test.against_tasks is not None:
        return replace(test, against_tasks=_tasks_on_generated(test.against_tasks, columns))
    return test


def _tasks_on_generated(tasks: Iterable[str], columns: Mapping[str, TaskColumn]) -> tuple[str, ...]:
    generated = {column.task for column in columns.values()}
    names = (stand_in(task) for task in tasks)
    return tuple(dict.fromkeys(name for name in names if name is not None and name in generated))


__all__ = [
    "DEMO_SETTINGS",
    "PROFILES",
    "SMALL_SETTINGS",
    "as_written",
    "demo",
    "filled",
    "paper",
    "small",
    "stand_in",
    "without_cut",
]
