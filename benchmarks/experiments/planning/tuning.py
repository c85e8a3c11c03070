"""Equal tuning: every arm of an experiment gets the same 12 trials, on seeds of its own, judged on the holdout.

The first grid (``--tune``) has a row per arm and trial. The second (``--tuned``) is the experiment itself, each arm
with the trial that won on each task; its seeds, 0 to 9 at most, were never tuned on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.results import Results, load_manifest
from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import Experiment, MethodRow, TaskColumn
from benchmarks.spec import MethodChoice, method
from smart_repro.methods import METHODS

SEEDS = (100, 101, 102)
RATES = (1 / 3, 2 / 3, 1.0, 5 / 3)  # of the experiment's rate: of 3e-5, the paper's 1e-5, 2e-5, 3e-5 and 5e-5
# What an arm tunes beside its rate: three values each, so that all arms have 12 trials. The first that it has counts.
SECOND: Mapping[str, tuple[float, float, float]] = {
    "lambda_s": (1.0, 3.0, 5.0),  # SMART's grid
    "lambda_d": (0.5, 1.0, 1.5),  # around the paper's 1
    "mu": (0.3, 1.0, 3.0),
    "alpha": (0.1, 0.5, 1.0),  # R-Drop's grid; for the adversarial baselines alpha is the ascent step
}
_BATCH = (0.5, 1.0, 2.0)  # of the experiment's batch size, for methods without a weight to tune
_ATTACKS = {"pgd", "freeat", "freelb"}
_ASCENT = (0.04, 0.1, 0.2)


@dataclass(frozen=True)
class Trial:
    """One setting of an arm."""

    number: int
    row: MethodRow


def trials(row: MethodRow, settings: Mapping[str, Any]) -> list[Trial]:
    """The 12 settings of an arm, in a fixed order.

    Args:
        settings: what all rows share; rates and batch sizes are multiples of those.
    """
    shared = {"learning_rate": 2e-5, "batch_size": 16, **settings, **row.settings}
    found: list[Trial] = []
    for factor in RATES:
        for name, value in _second(row.method.name, shared["batch_size"]):
            changed: dict[str, Any] = {"learning_rate": shared["learning_rate"] * factor}
            choices = {"": row.method, **row.per_task}
            if name == "batch_size":
                changed["batch_size"] = int(value)
            else:
                choices = {task: _with(choice, name, value) for task, choice in choices.items()}
            number = len(found)
            tried = replace(
                row,
                id=f"{row.id}#{number}",
                title=f"{row.title}, trial {number}",
                method=choices.pop(""),
                per_task=choices,
                settings={**row.settings, **changed},
                published="",
            )
            found.append(Trial(number, tried))
    return found


def tuning(experiment: Experiment) -> Experiment:
    """The grid of all trials: every arm alike, scored on the holdout alone.

    Raises: UsageError: for an experiment whose rows are points of a curve, or that sets no holdout aside.
    """
    if any(row.curve for row in experiment.rows):
        raise UsageError(f"{experiment.name} sweeps settings itself: there is nothing to tune")
    rows = [trial.row for row in _arms(experiment) for trial in trials(row, experiment.settings)]
    if any(column.settings.get("holdout") == 0 for column in experiment.columns):
        raise UsageError(f"{experiment.name} trains on every example it may: it has no holdout to tune on")
    return replace(
        experiment,
        name=f"{experiment.name}-tuning",
        title=f"{experiment.title}: tuning, 12 trials an arm",
        rows=tuple(rows),
        columns=_on_holdout(experiment),
        seeds=SEEDS,
        baseline=rows[0].id,
        settings={**experiment.settings, "predict": ("holdout",)},
        published=(),
        points=(),
        omitted=(),
        tables=(),
        claims=(),
        notes=("Tuning seeds 100 to 102, scored on the holdout; no score of dev or test is computed.",),
        layout="tuning",
    )


def tuned(experiment: Experiment, results: Path) -> Experiment:
    """The experiment with each arm's best trial on each task, by its mean holdout score over the tuning seeds.

    Raises: UsageError: if the tuning grid was not run to its end, or the experiment would reuse a tuning seed.
    """
    overlap = sorted(set(experiment.seeds) & set(SEEDS))
    if overlap:
        raise UsageError(f"seeds {overlap} were tuned on: confirm on others, such as --seeds 10")
    grid = tuning(experiment)
    scores = _scores(grid, Results(results))
    rows, chosen = [], {}
    for row in _arms(experiment):
        best = {
            column.trained: _best(trials(row, experiment.settings), column, scores)
            for column in reversed(grid.columns)  # the first column of a task decides
        }
        chosen[row.id] = {task: trial.number for task, trial in best.items()}
        rows.append((row, best))
    kept = tuple(row for row in experiment.rows if row.combine) + tuple(_confirmed(row, best) for row, best in rows)
    order = [row.id for row in experiment.rows]
    return replace(
        experiment,
        rows=tuple(sorted(kept, key=lambda row: order.index(row.id))),
        tuned=chosen,
        notes=(*experiment.notes, "Every arm was tuned with 12 trials on the holdout, on seeds of its own."),
    )


def _best(tried: list[Trial], column: TaskColumn, scores: Mapping[tuple[str, str], float]) -> Trial:
    return max(tried, key=lambda trial: scores[trial.row.id, column.id])


def _confirmed(row: MethodRow, best: Mapping[str, Trial]) -> MethodRow:
    return replace(
        row,
        per_task={task: trial.row.per_task.get(task, trial.row.method) for task, trial in best.items()},
        by_task={task: trial.row.settings for task, trial in best.items()},
    )


def _arms(experiment: Experiment) -> tuple[MethodRow, ...]:
    return tuple(row for row in experiment.rows if not row.combine and f"{row.id}|*" not in experiment.missing)


def _on_holdout(experiment: Experiment) -> tuple[TaskColumn, ...]:
    """Every trained task's columns, on the holdout; columns of borrowed tasks have none."""
    own = [replace(c, split="holdout", published="") for c in experiment.columns if c.task == c.trained]
    return tuple({column.id: column for column in own}.values())


def _scores(grid: Experiment, results: Results) -> dict[tuple[str, str], float]:
    """(row, column) -> mean holdout score, greater being better."""
    from analysis.scores import METRICS

    manifest = _manifest(grid, results)
    columns, found = {column.id: column for column in manifest.columns}, {}
    for row in grid.rows:
        for column in grid.columns:
            sign = 1.0 if METRICS[column.metric].greater_is_better else -1.0
            values = [_score(results, key, column) for key in manifest.keys(row.id, columns[column.id])]
            found[row.id, column.id] = sign * float(np.mean(values))
    return found


def _score(results: Results, key: str, column: TaskColumn) -> float:
    from analysis.scores import score

    if not results.is_done(key):
        raise UsageError(f"the tuning run {key} is not done: run the same command with --tune again")
    stored = results.run(key).result["scores"][column.task]["holdout"]
    if column.metric in stored:
        return float(stored[column.metric])
    last = results.predictions(key, column.task, "holdout")
    return score(column.metric, last["label"].to_numpy(), last["prediction"].to_numpy())


def _manifest(grid: Experiment, results: Results) -> Manifest:
    """The newest manifest that has all trials."""
    for path in reversed(results.grids(grid.name)):
        manifest = load_manifest(path)
        rows, columns = {row.id for row in manifest.rows}, {column.id for column in manifest.columns}
        if rows >= {row.id for row in grid.rows} and columns >= {column.id for column in grid.columns}:
            return manifest
    raise UsageError(
        f"{grid.name.removesuffix('-tuning')} was not tuned in {results.root}: run the same command with --tune"
    )


def _second(name: str, batch: int) -> Iterator[tuple[str, float]]:
    if name in _ATTACKS:
        yield from (("alpha", value) for value in _ASCENT)
        return
    options = {option.name for option in fields(METHODS[name].Config)}
    known = next((option for option in SECOND if option in options), None)
    if known is None:
        yield from (("batch_size", max(1, int(batch * factor))) for factor in _BATCH)
    else:
        yield from ((known, value) for value in SECOND[known])


def _with(choice: MethodChoice, name: str, value: float) -> MethodChoice:
    return method(choice.name, **{**dict(choice.options), name: value})
