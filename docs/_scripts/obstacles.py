"""What keeps a claim of a paper open: its model, its data, its size, tasks at the floor, arms that cannot differ.

``needs(experiment, claim)`` is the part of an experiment that a claim needs; ``beyond_small`` and ``in_small`` yield
obstacles in words, before and in the profile small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from functools import lru_cache
from typing import Any

from published import PUBLISHED

from analysis.claims import SCORED
from analysis.claims.floor import learnt
from analysis.power import of_mean, seeds_needed
from analysis.schema import Claim, Statement
from analysis.schema.kinds import Agreement, AtEpoch, Cost, Difference, LossBetween, Measured, NearConstant, Sweep
from analysis.scores import METRICS
from benchmarks.engine.spread import spread_of
from benchmarks.experiments import Experiment
from benchmarks.experiments.planning.base import MethodRow, TaskColumn
from benchmarks.experiments.planning.method_notes import is_weak
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.studies.balls import ACTING
from benchmarks.spec import MethodChoice
from benchmarks.tasks import TASKS
from smart_repro.methods import build
from smart_repro.methods.bregman import BregmanConfig

ABSENT = {  # splits of which the authors had no file that the profile small could use
    ("qqp", "train"),
    ("qqp", "dev"),
    ("mnli", "test"),
    ("mnli-mm", "dev"),
    ("scitail", "train"),
    ("scitail", "test"),
    ("anli-r1", "test"),
    ("anli-r2", "train"),
    ("anli-r2", "test"),
    ("anli-r3", "train"),
    ("anli-r3", "dev"),
    ("anli-r3", "test"),
    ("anli", "dev"),
    ("anli", "test"),
    ("fever-nli", "train"),
    ("nli-mixture", "train"),
    ("dbpedia", "train"),
    ("dbpedia", "test"),
    ("yelp-polarity", "train"),
    ("yelp-polarity", "test"),
    ("yelp-full", "test"),
}
WHOLE = {"cola", "sst2", "mrpc", "stsb", "rte", "wnli", "imdb"}  # whose training set they had whole
PRESUMED = {"rte"}  # at the floor until runs show otherwise: docs/pilot.md
ABOUT_SIZE = ("training data are few", "on the whole of")  # words of claims about the size of training sets
BALL = {
    "epsilon",
    "sigma",
    "eta",
    "ascent_steps",
    "direction",
    "site",
    "norm_scope",
    "ascent",
    "p",
}  # options that shape a perturbation alone
BY_ANSWERS = (*SCORED, Difference, AtEpoch, NearConstant)  # kinds that equal answers decide; not ratios, not costs


# --- the part of an experiment that a claim needs ---


def needs(experiment: Experiment, claim: Claim) -> Experiment:
    """Return the experiment with the rows and columns of the claim's statements, and its baseline, alone."""
    rows = {row for statement in claim.statements for row in rows_of(experiment, statement)} | {experiment.baseline}
    places = {column.id for statement in claim.statements for column in columns_of(experiment, statement)}
    kept = tuple(row for row in experiment.rows if row.id in rows)
    columns = tuple(column for column in experiment.columns if column.id in places)
    return replace(experiment, rows=kept or experiment.rows, columns=columns or experiment.columns)


def rows_of(experiment: Experiment, statement: Statement) -> list[str]:
    """Return the ids of the rows that a statement compares."""
    test = statement.test
    rows = [statement.a, statement.b, *getattr(test, "rows", ())]
    if other := getattr(test, "against_contrast", None):
        rows += [other.a, other.b]
    if isinstance(test, Sweep) and test.between:
        low, high = test.between
        rows += [r.id for r in experiment.rows if r.curve == test.curve and r.x is not None and low <= r.x <= high]
    return rows


def columns_of(experiment: Experiment, statement: Statement) -> list[TaskColumn]:
    """Return the columns that a statement reads: those it names, else the first of each task with its metric."""
    test = statement.test
    named = (*(getattr(test, "columns", None) or ()), *(getattr(test, "against_columns", None) or ()))
    found = [column for column in experiment.columns if column.id in named]
    tasks = (
        *(() if getattr(test, "columns", None) else statement.tasks),
        *(getattr(test, "against_tasks", None) or ()),
    )
    for task in tasks:
        of_task = [c for c in experiment.columns if c.task == task and statement.metric in ("", c.metric)]
        found += of_task[:1]
    return found


# --- obstacles ---


def beyond_small(experiment: Experiment, claim: Claim) -> Iterator[str]:
    """Yield why the profile small cannot decide a claim."""
    if claim.model:
        yield f"another model ({claim.model})"
    if any(isinstance(statement.test, Cost) and statement.test.quantity == "memory" for statement in claim.statements):
        yield "memory is measured on a GPU alone"
    if any(isinstance(statement.test, LossBetween) for statement in claim.statements):
        yield "another model (a level of its loss)"
    if reason := experiment.not_in.get("small"):
        yield reason
        return
    if any(words in claim.sentence for words in ABOUT_SIZE):
        yield "the profile small cuts the training sets"
    used = needs(experiment, claim)
    if absent := _titles(place[0] for column in used.columns for place in _places(column) if place in ABSENT):
        yield f"no data at hand of {absent}"
    small = PROFILES["small"](experiment)
    rows = {row.id for row in small.rows if f"{row.id}|*" not in small.missing}
    if {claim.a, claim.b} - rows and not claim.model:
        yield "another model (rows that differ in its size)"
    kept = {column.id for column in small.columns if f"*|{column.id}" not in small.missing}
    if left_out := [
        column.id for column in used.columns if column.id not in kept and not column.task.startswith("wnli")
    ]:
        yield f"the profile small leaves out {', '.join(left_out)}"


def at_paper_size(experiment: Experiment) -> Iterator[str]:
    """Yield which whole training sets the authors did not have, for a claim that needs the paper's own size."""
    trained = [task for column in experiment.columns for task in (column.trained, *_started_on(experiment))]
    if parts := _titles(task for task in trained if task not in WHOLE and (task, "train") not in ABSENT):
        yield f"only a part at hand of {parts}"


def in_small(experiment: Experiment, claim: Claim) -> Iterator[str]:
    """Yield what keeps a claim open in the profile small: arms that cannot differ, the floor, votes, seeds."""
    if is_inert(experiment, claim):
        yield "presumably inert: R_s is expected to be too weak there"
    scored = [s for s in claim.statements if not isinstance(s.test, Cost | Measured | LossBetween)]
    tasks = [column.task for statement in scored for column in columns_of(experiment, statement)]
    if low := _titles(task for task in tasks if task in at_the_floor()):
        others = "; --tasks takes others" if experiment.columns_for is not None else ""
        yield f"at the floor: {low}{others}"
    if presumed := _titles(task for task in tasks if task in PRESUMED - at_the_floor()):
        yield f"presumed at the floor: {presumed}"
    if any(isinstance(s.test, Agreement) for s in scored) and "mnli" in tasks:
        yield "votes at hand of a sixth of MNLI's items"


def is_inert(experiment: Experiment, claim: Claim) -> bool:
    """Return True if answers decide the claim's first statement, and its rows differ in an R_s that is too weak."""
    if not isinstance(claim.test, BY_ANSWERS):
        return False
    rows = {row.id: row for row in experiment.rows}
    compared = [rows[name] for name in dict.fromkeys(rows_of(experiment, claim)) if name in rows]
    return len(compared) > 1 and len({_acting(row) for row in compared}) == 1


def _acting(row: MethodRow) -> str:
    """Return what of a row's method and settings can change an answer: without an R_s that is too weak to act."""
    choices = {"": row.method, **row.per_task}
    parts = [(task, _acting_part(choice)) for task, choice in choices.items()]
    return repr((parts, sorted(row.settings.items()), row.start))


def _acting_part(choice: MethodChoice) -> tuple[str, dict[str, Any]]:
    built = build(choice.name, **dict(choice.options)).config
    config = asdict(built)
    if choice.name not in ("smart", "smoothness"):
        return choice.name, config
    if is_weak(built):
        if choice.name == "smoothness":
            return "vanilla", asdict(build("vanilla").config)
        return "bregman", {field.name: config[field.name] for field in fields(BregmanConfig)}
    if config["dropout"] == "independent" and config["epsilon"] <= ACTING / 100:  # the masks act, the ball does not
        return choice.name, {name: value for name, value in config.items() if name not in BALL}
    return choice.name, config


def seeds_for(experiment: Experiment, claim: Claim) -> tuple[float, int | None] | None:
    """Return the smallest claimed size that runs must show, and the seeds that show it four times out of five.

    The seeds are None where no number is enough. None: the claim states no size of a difference in percent.
    """
    found: list[tuple[float, int | None]] = []
    spec = next(spec for *_, spec in experiment.specs())
    for statement in claim.statements:
        columns = columns_of(experiment, statement)
        items = [TASKS[column.task].sizes.get(column.split, 0) for column in columns]
        is_plain = isinstance(statement.test, Difference) and statement.quantifier == "average"
        if not is_plain or not statement.size or not items or not all(items):
            continue
        if any(METRICS[column.metric].scale != 100 for column in columns):
            continue
        noises = [
            spread_of(column.task, column.metric, n, spec.model, spec.max_train_samples)[0]
            for column, n in zip(columns, items, strict=True)
        ]
        found.append((statement.size, seeds_needed(statement.size / 100, sum(items), of_mean(items, noises))))
    return max(found, key=lambda pair: float("inf") if pair[1] is None else pair[1]) if found else None


@lru_cache
def at_the_floor() -> frozenset[str]:
    """Return the tasks that plain fine-tuning has not learnt in the published runs."""
    found = set()
    for name in PUBLISHED.experiments():
        manifest = PUBLISHED.manifest(name)
        for column in manifest.columns:
            measured = learnt(PUBLISHED, manifest, column) if "@" not in column.id else None
            if measured is not None and measured.is_floor:
                found.add(column.task)
    return frozenset(found)


# --- small helpers ---


def _places(column: TaskColumn) -> Iterator[tuple[str, str]]:
    """Yield the task and split of the files that a column needs."""
    yield column.trained, "train"
    yield column.task, column.split


def _started_on(experiment: Experiment) -> tuple[str, ...]:
    """Return the tasks of the multi-task runs that rows start from."""
    return tuple(task for row in experiment.rows if row.start for task in row.start.tasks)


def _titles(tasks: Any) -> str:
    return ", ".join(dict.fromkeys(TASKS[task].title for task in tasks))
