"""Power of a planned grid: for each claim the smallest difference that its seeds and items can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.engine.run_spread import measured_on, measured_parts
from benchmarks.engine.spread import ASSUMED, spread_of
from benchmarks.tasks import TASKS

if TYPE_CHECKING:
    from analysis.crossed import Components
    from analysis.power import Noise
    from analysis.schema import Claim
    from benchmarks.engine.plan import Plan
    from benchmarks.experiments.planning.base import TaskColumn

POINTS = 100  # points in a fraction
OF_RUNS = "of the finished runs, with what their tasks share over seeds"
SAMENESS = ("no less", "no greater", "the same")
_DEFAULT = {"model": "tiny", "max_train_samples": None, "learning_rate": None}


class NoForecastError(Exception):
    """A claim whose power cannot be forecast, with the reason that the plan prints."""


def claim_lines(plan: Plan) -> list[str]:
    """Return the lines of a plan on its claims: differences between two rows each, the other kinds together.

    A forecast that cannot be made is a line with the reason.
    """
    origins: dict[str, dict[str, None]] = {}
    plain = [claim for claim in plan.experiment.claims if claim.plain]
    lines = [f"  {claim.id}: {claim_line(plan, claim, origins)}" for claim in plain]
    lines += _further_lines(plan)
    lines += _own_lines(plan, origins)
    if not lines:
        return []
    return ["", "What this grid can decide:", *lines, *_origin_lines(origins), ""]


def claim_line(plan: Plan, claim: Claim, origins: dict[str, dict[str, None]] | None = None) -> str:
    """Return the line of a plan on a claim about the difference of two rows.

    Args:
        plan: the planned grid.
        claim: the claim.
        origins: receives origin of the assumed spread -> the tasks.
    """
    n_seeds = _seeds(plan, claim)
    try:
        columns = _columns(plan, claim)
        if n_seeds < max(claim.min_seeds, 2):
            return f"{n_seeds} of {max(claim.min_seeds, 2)} seeds: cannot be decided"
        origins = {} if origins is None else origins
        parts, open_ones = measured_on(plan, claim)
        if parts:
            origins.setdefault(OF_RUNS, {}).update(dict.fromkeys(parts))
            deciding = [column for column in columns if column.task in parts]
            place = f"on {', '.join(parts)}: " if len(deciding) < len(columns) else ""
            return place + _forecast_from(parts, claim, n_seeds, deciding, open_ones)
        noises = [_noise(plan, column, origins) for column in columns]
        return _forecast(claim, n_seeds, columns, [plan.items[column.id] for column in columns], noises)
    except NoForecastError as reason:
        return str(reason)
    except (ArithmeticError, ValueError) as error:
        return f"no forecast: {error}"


def _own_lines(plan: Plan, origins: dict[str, dict[str, None]]) -> list[str]:
    """Return the smallest difference that the grid can show on each own-data task, on its first metric."""
    from analysis.claims.claim import FEWEST_SEEDS
    from analysis.power import in_words
    from analysis.scores import METRICS

    lines, n_seeds = [], len(plan.experiment.seeds)
    for column in {column.task: column for column in reversed(plan.experiment.columns)}.values():
        definition = TASKS[column.task].own
        if definition is None or column.id not in plan.items:
            continue
        title = f"  {column.task}, {METRICS[column.metric].title}"
        few = f"; a verdict needs {FEWEST_SEEDS} seeds" if n_seeds < FEWEST_SEEDS else ""
        if n_seeds < 2 or METRICS[column.metric].scale != 100 or definition.group:
            reason = (
                "two seeds are needed"
                if n_seeds < 2
                else "groups vary by themselves"
                if definition.group
                else "its unit is that of the labels"
            )
            lines.append(f"{title}: no forecast ({reason}){few}")
            continue
        n_items = plan.items[column.id]
        lines.append(f"{title}: {in_words(None, n_seeds, [n_items], [_own_noise(plan, column, origins)])}{few}")
    return lines


def _own_noise(plan: Plan, column: TaskColumn, origins: dict[str, dict[str, None]]) -> Noise:
    """Return the noise of a method's difference to the baseline on own data: of the finished runs, else assumed."""
    from analysis.power import noise_of, pooled
    from analysis.schema import Claim, against

    baseline = plan.experiment.baseline
    differences = [
        Claim(id=row.id, sentence="", contrast=against(row.id, baseline), tasks=(column.task,), metric=column.metric)
        for row in plan.experiment.rows
        if row.id != baseline
    ]
    parts = [part for claim in differences for part in measured_parts(plan, claim).values()]
    if not parts:
        return _noise(plan, column, origins)
    origins.setdefault(OF_RUNS, {})[column.task] = None
    return pooled([noise_of(part).times(1 / POINTS) for part in parts])


def _forecast(
    claim: Claim,
    n_seeds: int,
    columns: list[TaskColumn],
    items: list[int],
    noises: list[Noise],
    open_ones: Sequence[str] = (),
) -> str:
    """Return the forecast of a claim, at the level that the corrections over claims and tasks leave for it.

    Where tasks are tested one by one, the one that the report counts seeds on is forecast: of the open ones, if known.
    """
    from analysis.claims.deciding import correction_of, hardest_or_easiest, is_per_task
    from analysis.power import in_words, smallest_difference

    correction = correction_of(claim, len(columns))
    after = f" ({correction.words})" if correction.words else ""
    if claim.direction in SAMENESS:
        return _sameness(claim, n_seeds, items, noises, correction.level) + after
    if not is_per_task(claim) or len(columns) == 1:
        return in_words(claim.size, n_seeds, items, noises, level=correction.level) + after
    by_task = {column.task: at for at, column in enumerate(columns)}
    smallest = {
        task: smallest_difference(n_seeds, items[at], noises[at], level=correction.level)
        for task, at in by_task.items()
        if task in open_ones or not open_ones
    }
    task = hardest_or_easiest(claim, smallest)
    words = in_words(claim.size, n_seeds, [items[by_task[task]]], [noises[by_task[task]]], level=correction.level)
    extreme = "least" if claim.quantifier == "every" else "most"
    quantifier = "each" if claim.is_project_claim else claim.quantifier
    return f"{quantifier} of {len(columns)} tasks; {task}, the {extreme} certain, {correction.words}: {words}"


def _forecast_from(
    parts: Mapping[str, Components], claim: Claim, n_seeds: int, columns: list[TaskColumn], open_ones: Sequence[str]
) -> str:
    """Return the forecast of a claim whose rows have runs: from their components, as the report counts seeds."""
    from analysis.claims.deciding import is_per_task
    from analysis.power import noise_of, noise_of_mean

    if not is_per_task(claim):
        n_items, noise = noise_of_mean(list(parts.values()))
        return _forecast(claim, n_seeds, columns, [n_items], [noise.times(1 / POINTS)])
    items = [parts[column.task].n_items for column in columns]
    noises = [noise_of(parts[column.task]).times(1 / POINTS) for column in columns]
    return _forecast(claim, n_seeds, columns, items, noises, open_ones)


def _sameness(claim: Claim, n_seeds: int, items: list[int], noises: list[Noise], level: float = 0.95) -> str:
    """Return the smallest margin within which equal arms are shown to lie (80 % power, 90 % interval uncorrected)."""
    from analysis.power import INDEPENDENT, of_mean, smallest_difference

    chance = 0.9 if claim.direction == "the same" else 0.8  # both ends have to lie inside
    one_sided = 1 - 2 * (1 - level)
    margin = 100 * smallest_difference(n_seeds, sum(items), of_mean(items, noises), chance, level=one_sided)
    assumption = INDEPENDENT if len(items) > 1 else ""
    seeds_and_items = f"{n_seeds} seeds × {sum(items):,} items"
    words = f"{seeds_and_items} exclude differences from about {margin:.1f} points (80 % power{assumption})"
    assert claim.margin is not None  # a claim of sameness always states its margin
    return f"{words}: {'enough' if margin <= claim.margin else 'too few'} for the margin of {claim.margin:.2g}"


def _columns(plan: Plan, claim: Claim) -> list[TaskColumn]:
    """Return the column of each of the claim's tasks.

    Raises: NoForecastError: one is missing, or its scores cannot be had or are no percentages.
    """
    from analysis.scores import METRICS

    experiment = plan.experiment
    by_task = {
        task: next((c for c in experiment.columns if c.task == task and claim.metric in ("", c.metric)), None)
        for task in claim.tasks
    }
    columns = [column for column in by_task.values() if column is not None and not _unscored(plan, claim, column)]
    absent = [task for task, column in by_task.items() if column is None or _unscored(plan, claim, column)]
    if absent and not (claim.partial and columns):
        reasons = {reason for column in by_task.values() if column and (reason := _unscored(plan, claim, column))}
        raise NoForecastError("; ".join(["cannot be decided without " + ", ".join(absent), *sorted(reasons)]))
    in_nats = [column.metric for column in columns if METRICS[column.metric].scale != 100]
    if in_nats:
        raise NoForecastError(f"no forecast: {in_nats[0]} is no percentage")
    return columns


def _unscored(plan: Plan, claim: Claim, column: TaskColumn) -> str:
    """Return the reason why one of the claim's rows has no score in the column, or ""."""
    experiment = plan.experiment
    rows = {row.id for row in experiment.rows}
    for row in (claim.a, claim.b):
        if row not in rows:
            return f"the row {row} is left out"
        names = [f"{r}|{c}" for r in (row, "*") for c in (column.id, column.task, "*")]
        reason = next((experiment.unscored[name] for name in names if name in experiment.unscored), "")
        if reason or (reason := experiment.reason(row, column)):
            return reason
    return "" if column.id in plan.items else "its items cannot be counted before the runs"


def _noise(plan: Plan, column: TaskColumn, origins: dict[str, dict[str, None]]) -> Noise:
    spec = next((plan.jobs[key].spec for cell, key in plan.cells.items() if cell[1] == column.place), None)
    settings: Mapping[str, Any] = _DEFAULT if spec is None else {name: getattr(spec, name) for name in _DEFAULT}
    noise, origin = spread_of(column.task, column.metric, plan.items[column.id], **settings)
    words = f"{column.task} {column.metric}" if origin == ASSUMED else column.task
    origins.setdefault(origin, {})[words] = None
    return noise


def _seeds(plan: Plan, claim: Claim) -> int:
    """Return the number of seeds that both rows of a claim have."""
    experiment = plan.experiment
    rows = [row for row in experiment.rows if row.id in (claim.a, claim.b)]
    return min(len(experiment.seeds_of(row)) for row in rows) if rows else len(experiment.seeds)


def _further_lines(plan: Plan) -> list[str]:
    further = [claim for claim in plan.experiment.claims if not claim.plain]
    short = [claim for claim in further if _seeds(plan, claim) < claim.min_seeds]
    lines = [f"  {claim.id}: {_seeds(plan, claim)} of {claim.min_seeds} seeds: cannot be decided" for claim in short]
    rest = [f"{claim.id} ({claim.kind})" for claim in further if claim not in short]
    return [*lines, f"  no forecast for claims of other kinds: {', '.join(rest)}"] if rest else lines


def _origin_lines(origins: Mapping[str, Mapping[str, None]]) -> list[str]:
    as_accuracy = "; Matthews counts as twice accuracy, any other metric as accuracy"
    return [
        f"  Spread {origin}: {', '.join(tasks)}{as_accuracy if origin == ASSUMED else ''}"
        for origin, tasks in origins.items()
    ]
