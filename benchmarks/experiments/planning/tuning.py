"""Equal tuning: every arm of an experiment gets the same number of trials, on separate seeds and examples.

The first grid (``--tune``) has a row per arm and trial: three learning rates by two values of an axis that acts. When
the command is given again, the grid grows by one rate for all arms until the best rate of every arm is not at its end.
The second grid (``--tuned``) is the experiment itself, each arm with its best trial on each task; its seeds, 0 to 9 at
most, are not used for tuning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import TUNING_ROWS, Experiment, MethodRow, TaskColumn
from benchmarks.experiments.planning.trial_results import TrialResults
from benchmarks.spec import MethodChoice, method
from smart_repro.methods import METHODS

SEEDS = (100, 101)
FIRST_RATES = (-1, 0, 1)  # powers of 2 that the experiment's learning rate is multiplied by
WIDEST = 4  # the largest power: 1/16 to 16 times the rate

Options = Mapping[str, Any]


def _ball(epsilon: float) -> Options:
    """Return a ball's options, with noise and step in the paper's proportions to the radius."""
    return {"epsilon": epsilon, "sigma": epsilon, "eta": 100 * epsilon}


# Second axis of an arm: the first of these options that its method has and uses, and that its row does not fix.
AXES: Mapping[str, tuple[Options, Options]] = {
    "epsilon": (_ball(1e-5), _ball(1e-2)),  # the paper's radius, with hardly any effect, and one with an effect
    "K": ({"K": 1}, {"K": 5}),  # SDA's teacher size
    "alpha": ({"alpha": 0.1}, {"alpha": 1.0}),  # R-Drop: ends of its grid
    "mu": ({"mu": 0.3}, {"mu": 3.0}),  # D_Breg alone
    "eta": ({"eta": 1e-3}, {"eta": 1e-2}),  # SMART as released, which has no ball
    "lambda_r": ({"lambda_r": 0.1}, {"lambda_r": 1.0}),  # R3F
}
_ATTACKS = {"pgd", "freeat", "freelb"}
_STEPS: tuple[Options, Options] = ({"alpha": 0.04}, {"alpha": 0.2})  # the attacks' ascent step
_BATCH = (1.0, 2.0)  # multiples of the batch size, the second axis of methods without such an option


@dataclass(frozen=True)
class Trial:
    """One setting of an arm: the power of 2 on its learning rate, its value on the second axis, and the row."""

    power: int
    axis: str
    value: str
    row: MethodRow


def trials(row: MethodRow, settings: Mapping[str, Any], powers: tuple[int, ...] = FIRST_RATES) -> list[Trial]:
    """Return the settings of an arm, in a fixed order.

    Args:
        row: the arm.
        settings: settings that all rows share; rates and batch sizes are multiples of them.
        powers: powers of 2 that multiply the learning rate.
    """
    shared = {"learning_rate": 2e-5, "batch_size": 16, **settings, **row.settings}
    fixed = {name for choice in (row.method, *row.per_task.values()) for name, _ in choice.options}
    axis, values = axis_of(row.method, shared["batch_size"], fixed)
    return [_trial(row, shared, power, axis, value) for power in powers for value in values]


def axis_of(choice: MethodChoice, batch_size: int, fixed: Collection[str]) -> tuple[str, tuple[Options, Options]]:
    """Return the name of the second axis of a method, and its two values as options of it (or a batch size).

    Args:
        choice: the method.
        batch_size: the arm's batch size.
        fixed: options that the row sets, which are not tuned.
    """
    options = {option.name for option in fields(METHODS[choice.name].Config)}
    if choice.name in _ATTACKS and "alpha" not in fixed:
        return "alpha", _STEPS
    acting = options - {"eta"} if "epsilon" in options else options  # in a ball the step may have no effect
    if dict(choice.options).get("direction") == "none":
        acting = acting - {"epsilon"}
    name = next((axis for axis in AXES if axis in acting and not {axis, *AXES[axis][0]}.intersection(fixed)), None)
    if name is not None:
        return name, AXES[name]
    small, large = (max(1, int(batch_size * factor)) for factor in _BATCH)
    return "batch_size", ({"batch_size": small}, {"batch_size": large})


def _trial(row: MethodRow, shared: Mapping[str, Any], power: int, axis: str, value: Options) -> Trial:
    changed: dict[str, Any] = {"learning_rate": shared["learning_rate"] * 2.0**power}
    choices = {"": row.method, **row.per_task}
    if axis == "batch_size":
        changed |= value
    else:
        choices = {task: _with(choice, value) for task, choice in choices.items()}
    words = f"{2.0**power:g}x,{axis}={value[axis]:g}"
    tried = replace(
        row,
        id=f"{row.id}#{words}",
        title=f"{row.title}, trial {words}",
        method=choices.pop(""),
        per_task=choices,
        settings={**row.settings, **changed},
        published="",
    )
    return Trial(power, axis, f"{value[axis]:g}", tried)


def tuning(experiment: Experiment, results: Path = Path("results")) -> Experiment:
    """Return the grid of all trials, with equal trials for every arm; finished trials may extend its learning rates.

    Raises: UsageError: for an experiment whose rows are points of a curve, or that trains on several sizes of a task.
    """
    return _grid(experiment, _powers(experiment, results))


def _grid(experiment: Experiment, powers: tuple[int, ...]) -> Experiment:
    if any(row.curve for row in experiment.rows):
        raise UsageError(f"{experiment.name} sweeps settings itself: there is nothing to tune")
    if any(column.variant for column in experiment.columns):
        raise UsageError(f"{experiment.name} trains a task in several ways: tune in one of them, with `compare`")
    rows = [trial.row for row in _arms(experiment) for trial in trials(row, experiment.settings, powers)]
    count = len(powers) * len(_BATCH)
    return replace(
        experiment,
        name=f"{experiment.name}-tuning",
        title=f"{experiment.title}: tuning, {count} trials an arm",
        rows=tuple(rows),
        columns=_on_tuning_rows(experiment),
        seeds=SEEDS,
        baseline=rows[0].id,
        settings={**experiment.settings, "predict": ("tuning",), "tuning_rows": TUNING_ROWS},
        published=(),
        points=(),
        omitted=(),
        tables=(),
        claims=(),
        notes=(
            f"Every arm has {count} trials on seeds {' and '.join(map(str, SEEDS))}, scored on up to {TUNING_ROWS:,} "
            "training examples that the runs of that seed do not draw; no score of dev or test is computed.",
        ),
        layout="tuning",
    )


def _powers(experiment: Experiment, results: Path) -> tuple[int, ...]:
    """Return the rates of the grid: one more on each side where a finished grid has a winner at its end."""
    powers: tuple[int, ...] = FIRST_RATES
    while True:
        grid = _grid(experiment, powers)
        scores = TrialResults.read(grid, results)
        if scores is None:
            return powers
        winners = {trial.power for best in _winners(experiment, powers, scores).values() for trial in best.values()}
        low, high = (end in winners and abs(end) < WIDEST for end in (powers[0], powers[-1]))
        if not low and not high:
            return powers
        powers = (*([powers[0] - 1] if low else []), *powers, *([powers[-1] + 1] if high else []))


def tuned(experiment: Experiment, results: Path) -> Experiment:
    """Return the experiment with each arm's best trial on each task, by its mean score over the tuning seeds.

    Raises: UsageError: the tuning grid was not run to its end, its best rate is not inside, an axis changes nothing,
        or the experiment would reuse a tuning seed.
    """
    overlap = sorted(set(experiment.seeds) & set(SEEDS))
    if overlap:
        raise UsageError(f"seeds {overlap} were tuned on: confirm on others, such as --seeds 10")
    powers = _powers(experiment, results)
    grid = _grid(experiment, powers)
    scores = TrialResults.read(grid, results)
    if scores is None:
        raise UsageError(
            f"{experiment.name} was not tuned to the end in {results}: its grid has {len(powers)} learning rates; run "
            "the same command with --tune"
        )
    winners = _winners(experiment, powers, scores)
    for row in _arms(experiment):
        _refuse_idle_axis(row, trials(row, experiment.settings, powers), grid, scores)
    rows = {row.id: row for row in experiment.rows}
    confirmed = {arm: _confirmed(rows[arm], best) for arm, best in winners.items()}
    confirmed |= {row.id: at_rate(row, winners[row.rate_of]) for row in experiment.rows if row.rate_of in winners}
    winning_trials = {
        arm: {task: trial.row.id.partition("#")[2] for task, trial in best.items()} for arm, best in winners.items()
    }
    notes = [_budget_note(row, trials(row, experiment.settings, powers), grid, scores) for row in _arms(experiment)]
    return replace(
        experiment,
        rows=tuple(confirmed.get(row.id, row) for row in experiment.rows if row.combine or row.id in confirmed),
        tuned=winning_trials,
        notes=(*experiment.notes, *notes),
    )


def _winners(experiment: Experiment, powers: tuple[int, ...], scores: TrialResults) -> dict[str, dict[str, Trial]]:
    """Return arm -> trained task -> best trial, the first of equals; the first column of a task decides."""
    columns = {column.trained: column for column in reversed(_on_tuning_rows(experiment))}
    return {
        row.id: {
            task: max(trials(row, experiment.settings, powers), key=lambda trial: scores.mean(trial.row.id, column))
            for task, column in columns.items()
        }
        for row in _arms(experiment)
    }


def _refuse_idle_axis(row: MethodRow, tried: list[Trial], grid: Experiment, scores: TrialResults) -> None:
    """Refuse an arm whose second axis changes no prediction at any rate: it has only half as many distinct trials.

    Raises: UsageError: with the remedy.
    """
    for column in grid.columns:
        distinct = len({scores.predictions(trial.row.id, column) for trial in tried})
        if distinct <= len(tried) // 2:
            raise UsageError(
                f"{row.id} has {distinct} distinct trials of {len(tried)} on {column.task}: {tried[0].axis} changes no "
                f"prediction. Fix it in the row, as in --methods '{row.method.name}:{tried[0].axis}={tried[0].value}', "
                "and the next axis is tuned"
            )


def _budget_note(row: MethodRow, tried: list[Trial], grid: Experiment, scores: TrialResults) -> str:
    """Return the cost of tuning an arm and the margin of its best trial, per task."""
    margins = []
    for column in grid.columns:
        by_predictions = {scores.predictions(t.row.id, column): scores.mean(t.row.id, column) for t in tried}
        best, second = sorted(by_predictions.values(), reverse=True)[:2]
        margins.append(f"{column.id.partition('.')[0]} {column.metric} {100 * (best - second):.1f}")
    passes = sum(scores.forward_passes(trial.row.id) for trial in tried)
    distinct = min(len({scores.predictions(trial.row.id, column) for trial in tried}) for column in grid.columns)
    return (
        f"{row.title}: tuned with {distinct} distinct trials x {len(grid.seeds)} seeds, {passes:,.0f} forward passes "
        f"over a batch; ahead of the second-best trial by {', '.join(margins)} points."
    )


def _confirmed(row: MethodRow, best: Mapping[str, Trial]) -> MethodRow:
    return replace(
        row,
        per_task={task: trial.row.per_task.get(task, trial.row.method) for task, trial in best.items()},
        by_task={task: trial.row.settings for task, trial in best.items()},
    )


def at_rate(row: MethodRow, best: Mapping[str, Trial]) -> MethodRow:
    """Return a row that is not tuned, at the learning rate that another was tuned to on each task."""
    rates = {task: {"learning_rate": trial.row.settings["learning_rate"]} for task, trial in best.items()}
    return replace(row, by_task=rates)


def _arms(experiment: Experiment) -> tuple[MethodRow, ...]:
    return tuple(
        row
        for row in experiment.rows
        if not row.combine and not row.rate_of and f"{row.id}|*" not in experiment.missing
    )


def _on_tuning_rows(experiment: Experiment) -> tuple[TaskColumn, ...]:
    """Return every trained task's columns, on the rows outside the drawn ones; borrowed tasks have none."""
    columns = [replace(c, split="tuning", published="") for c in experiment.columns if c.task == c.trained]
    return tuple({column.id: column for column in columns}.values())


def _with(choice: MethodChoice, changes: Options) -> MethodChoice:
    return method(choice.name, **{**dict(choice.options), **changes})
