"""Studies in which a paper is right: how often the rule says the opposite, or that there is nothing.

Every sized claim on differences is judged in studies whose true differences are the printed ones, on the real numbers
of items, with the spread that a plan of profile ``small`` assumes. What the rule reads of a study is drawn itself: for
normal effects the seeds' differences and the mean squares of the two-way layout are independent, and the latter are
chi-squared, so no answer to an item is drawn. Columns are independent of each other. ``-s`` prints the tables.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pytest
from test_experiments import claims, columns_of, first_column, printed_differences

from analysis.claims import BELOW_SIZE, CONTRADICTED, INCONCLUSIVE, NO_EFFECT, SUPPORTED, rule
from analysis.claims.parts import conjunction
from analysis.crossed import Components, summed
from analysis.schema import AtEpoch, Claim, Difference, Interaction
from benchmarks.engine.spread import spread_of
from benchmarks.experiments import Experiment
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.tasks import TASKS

STUDIES, LIMIT = 400, 0.05
SMALL = {"model": "minilm", "max_train_samples": 2_500}  # runs of profile small, of which some spreads were measured
STATUSES = (SUPPORTED, BELOW_SIZE, INCONCLUSIVE, NO_EFFECT, CONTRADICTED)
POINTS = 100.0
Cell = tuple[float, TaskColumn, float]  # weight in the statement's contrast, column, true difference a - b in points
Drawn = list[Components]  # one per study


def items_of(task: str, split: str) -> int:
    """Labelled rows of an official split; of a task put together from others, of theirs."""
    found = TASKS[task]
    parts = found.parts.get(split)
    return found.sizes[split] if not parts else sum(items_of(part, split) for part in parts)


def drawn(column: TaskColumn, difference: float, n_seeds: int, rng: np.random.Generator) -> Drawn:
    """Draw the components of every study's difference in one column, in points.

    Seed s differs by ``difference + seed_s + mean(item) + mean(interaction_s)``; the mean squares over items and of the
    residual are those of n - 1 and (S - 1)(n - 1) degrees of freedom.
    """
    n = items_of(column.task, column.split)
    noise, _ = spread_of(column.task, column.metric, n, **SMALL)
    seed, item, both = (POINTS * value for value in (noise.seed, noise.item, noise.interaction))
    shape = (STUDIES, n_seeds)
    differences = difference + rng.normal(0, math.hypot(seed, both / math.sqrt(n)), shape)
    differences += rng.normal(0, item / math.sqrt(n), (STUDIES, 1))
    df = (n - 1, (n_seeds - 1) * (n - 1))
    between = (item**2 + both**2 / n_seeds) / n * rng.chisquare(df[0], STUDIES) / df[0]
    residual = both**2 / (n_seeds * n) * rng.chisquare(df[1], STUDIES) / df[1]
    return [
        Components(d, float(i), float(r), n, "drawn") for d, i, r in zip(differences, between, residual, strict=True)
    ]


def printed_cells(experiment: Experiment, claim: Claim) -> list[Cell]:
    """Return the cells of a statement, with the size where the paper's text alone has the difference."""
    by_id = {column.id: column for column in experiment.columns}
    test, ids = claim.test, columns_of(experiment, claim)
    sign = 1 if claim.direction == "greater" else -1  # as of printed_differences

    def cells(names: Sequence[str], weight: float, epoch: int | None = None) -> list[Cell]:
        values = printed_differences(experiment, claim, names, epoch)
        if values is None:
            assert len(names) == 1, claim.id
            assert claim.size is not None, claim.id
            values = [claim.size]
        return [(weight, by_id[name], sign * value) for name, value in zip(names, values, strict=True)]

    if isinstance(test, AtEpoch):
        return cells(ids, 1.0, test.epoch) + (cells(ids, -1.0, 6) if test.against_last else [])
    if isinstance(test, Interaction):
        others = test.against_columns or [first_column(experiment, task) for task in test.against_tasks or ()]
        return cells(ids, 1 / len(ids)) + cells(others, -1 / len(others))
    return cells(ids, 1.0)


def parts_of(
    experiment: Experiment, claim: Claim, n_seeds: int, rng: np.random.Generator
) -> list[dict[str, Components]]:
    """Return the rule's input in each study: a contrast per column, or one contrast over all of them."""
    cells = printed_cells(experiment, claim)
    if isinstance(claim.test, Difference):
        columns = {column.id: drawn(column, value, n_seeds, rng) for _, column, value in cells}
        return [dict(zip(columns, study, strict=True)) for study in zip(*columns.values(), strict=True)]
    contrasts = [[part.times(w) for part in drawn(c, value, n_seeds, rng)] for w, c, value in cells]
    return [{"contrast": summed(study, "drawn")} for study in zip(*contrasts, strict=True)]


def judged(experiment: Experiment, claim: Claim, n_seeds: int, rng: np.random.Generator) -> Counter[str]:
    """How often each status is reached: of the whole sentence where all its parts can be drawn."""
    metrics = {column.id: column.metric for column in experiment.columns}
    statements = [claim.of_part(part) for part in claim.statements]
    studies = zip(*(parts_of(experiment, each, n_seeds, rng) for each in statements), strict=True)
    counts: Counter[str] = Counter()
    for study in studies:
        verdicts = [
            rule.judge(each, parts, metrics={name: metrics[name] for name in parts if name in metrics})
            for each, parts in zip(statements, study, strict=True)
        ]
        counts[(conjunction(claim, verdicts) if claim.parts else verdicts[0]).status] += 1
    assert counts.keys() <= set(STATUSES)
    return counts


def sized() -> Iterator[tuple[Experiment, Claim]]:
    """Return the claims on differences of scores of which at least one statement has a size."""
    for experiment, claim in claims():
        kinds = {type(part.test) for part in claim.statements}
        if kinds <= {Difference, Interaction, AtEpoch} and any(part.size is not None for part in claim.statements):
            yield experiment, claim


def kind_of(claim: Claim) -> str:
    return f"{claim.kind}, {claim.quantifier if not claim.parts else f'{len(claim.statements)} parts'}"


@cache
def rates(n_seeds: int) -> dict[str, tuple[Claim, dict[str, float]]]:
    """Claim -> the share of studies that reach each status."""
    found = {}
    for number, (experiment, claim) in enumerate(sized()):
        counts = judged(experiment, claim, n_seeds, np.random.default_rng([20261129, n_seeds, number]))
        found[claim.id] = (claim, {status: counts[status] / STUDIES for status in STATUSES})
    return found


def print_tables(n_seeds: int) -> None:
    found = rates(n_seeds)
    print(f"\n{n_seeds} seeds, {STUDIES} studies a claim, percent of studies")
    print(f"{'claim':42} {'kind':24} {'size':>6} " + " ".join(f"{status[:11]:>11}" for status in STATUSES))
    for id, (claim, shares) in found.items():
        size = "" if claim.size is None else f"{claim.size:.2f}"
        print(f"{id:42} {kind_of(claim):24} {size:>6} " + " ".join(f"{100 * shares[s]:11.1f}" for s in STATUSES))
    for kind in dict.fromkeys(kind_of(claim) for claim, _ in found.values()):
        of_kind = [shares for claim, shares in found.values() if kind_of(claim) == kind]
        most = Counter(max(shares, key=lambda status: shares[status]) for shares in of_kind)
        words = ", ".join(f"{most[status]} {status}" for status in STATUSES if most[status])
        print(f"{kind}: {len(of_kind)} claims; in most studies: {words}")


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [5, 10])
def test_where_a_paper_is_right_its_claim_is_rarely_refuted(n_seeds: int) -> None:
    """In at most 5 % of studies, beyond two Monte Carlo errors: "contradicted" or "no relevant effect"."""
    print_tables(n_seeds)
    wrong = {id: shares[CONTRADICTED] + shares[NO_EFFECT] for id, (_, shares) in rates(n_seeds).items()}
    assert len(wrong) >= 60
    assert {id: rate for id, rate in wrong.items() if rate - 2 * math.sqrt(rate * (1 - rate) / STUDIES) > LIMIT} == {}


def test_seeds_drawn_are_the_fewest_that_the_claims_allow() -> None:
    assert {claim.min_seeds for _, claim in sized()} == {5}
