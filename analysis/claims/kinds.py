"""Judges of claims that stored predictions decide: differences, interactions, agreement, curves, selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from analysis import contrasts, errors
from analysis.cells import seeded
from analysis.claims import rule
from analysis.claims.claim import CONTRADICTED, INCONCLUSIVE, LEVEL, NATS, POINTS, SUPPORTED, OutOfReachError, Verdict
from analysis.claims.over_columns import judge_columns
from analysis.claims.words import in_groups, interval_text
from analysis.contrasts import Arm
from analysis.crossed import Components, combine, layout
from analysis.descriptive import holm
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import (
    Agreement,
    AtEpoch,
    BestPoint,
    Claim,
    Column,
    Difference,
    Interaction,
    Manifest,
    NearConstant,
    Selection,
    Sweep,
)
from analysis.scores import METRICS, per_item
from analysis.selection import selected


@dataclass(frozen=True)
class Case:
    """A claim with the results that decide it."""

    results: Results
    manifest: Manifest
    claim: Claim

    def columns(self, ids: Sequence[str] | None = None, tasks: Sequence[str] | None = None) -> list[Column]:
        """Return the columns with these ids; without ids, the first matching column of each of the (claim's) tasks.

        Raises:
            ResultsError: the experiment has no such column; the message gives the planner's reason.
        """
        if ids is None:
            return [self.column(task) for task in (self.claim.tasks if tasks is None else tasks)]
        columns = {column.id: column for column in self.manifest.columns}
        missing = [name for name in ids if name not in columns]
        if missing or not ids:
            reason = self.manifest.reasons_missing.get(f"*|{missing[0]}", "") if missing else ""
            subject = missing[0] if missing else "the column that it is compared with"
            raise OutOfReachError(f"{subject} is not in this experiment" + (f": {reason}" if reason else ""))
        return [columns[name] for name in ids]

    def column(self, task: str) -> Column:
        """Return the task's first column with the claim's metric.

        Raises:
            ResultsError: the experiment has no such column.
        """
        metric = self.claim.metric
        column = next((c for c in self.manifest.columns if c.task == task and metric in ("", c.metric)), None)
        if column is None:
            raise OutOfReachError(f"{task} with {metric or 'any metric'} is not in this experiment")
        return column

    def on_complete_tasks(self) -> Case:
        """Return the case restricted to tasks with every seed in both rows, where the claim is ``partial``.

        If the experiment has all tasks but none of them is complete, the case is returned unchanged and the fewest
        seeds decide.

        Raises:
            ResultsError: no task is complete and one is not in the experiment; the message lists what is missing.
        """
        lacks = self.incomplete_tasks()
        complete = [task for task in self.claim.tasks if task not in lacks]
        present = {column.task for column in self.manifest.columns}
        if complete:
            return replace(self, claim=replace(self.claim, tasks=tuple(complete)))
        if lacks.keys() <= present:
            return self
        error = ResultsError if present & lacks.keys() else OutOfReachError
        raise error(f"no task has all runs of both methods: {in_groups(lacks)}")

    def incomplete_tasks(self) -> dict[str, str]:
        """Return what each incomplete task lacks, where the claim is ``partial``; such a task is left out."""
        lacks = {task: self._lacks(task) for task in self.claim.tasks} if self.claim.partial else {}
        return {task: missing for task, missing in lacks.items() if missing}

    def _lacks(self, task: str) -> str:
        """Return what is missing from the runs of a task, or ""."""
        try:
            column = self.column(task)
        except ResultsError:
            return "not in this experiment" + (f" with {self.claim.metric}" if self.claim.metric else "")
        for row in (self.claim.a, self.claim.b):
            done = {s for s, key in seeded(self.results, self.manifest, row, column) if self.results.is_done(key)}
            if not set(self.manifest.seeds) <= done:
                return f"{row} has {len(done)} of {len(self.manifest.seeds)} seeds"
        return ""

    def difference(self, column: Column, epoch: int | str = "last") -> list[Arm]:
        """Return the claim's contrast in one column."""
        return contrasts.difference(self.results, self.manifest, self.claim.a, self.claim.b, column, epoch)

    def seeds(self, arms: Sequence[Arm]) -> list[int]:
        """Return the seeds that all arms have.

        Raises:
            ResultsError: there are fewer seeds than the claim needs.
        """
        seeds = contrasts.shared_seeds(self.manifest, arms)
        self.enough(len(seeds))
        return seeds

    def enough(self, seeds: int) -> None:
        """Check that there are as many seeds as the claim needs.

        Raises:
            ResultsError: there are fewer.
        """
        if seeds < self.claim.min_seeds:
            raise ResultsError(f"needs {self.claim.min_seeds} seeds of both methods on every task, has {seeds}")


def difference(case: Case, test: Difference) -> Verdict:
    """Decide row a against row b, or against the parents of row a's combined runs, over columns."""
    columns = case.columns(test.columns)
    arms = {
        _name(column, columns): contrasts.against_parents(case.results, case.manifest, case.claim.a, column)
        if test.against_parents
        else case.difference(column)
        for column in columns
    }
    return _over_columns(case, arms)


def _over_columns(case: Case, arms: dict[str, list[Arm]]) -> Verdict:
    metrics = [METRICS[contrast[0].column.metric] for contrast in arms.values()]
    if len({(metric.scale, metric.greater_is_better) for metric in metrics}) > 1:
        names = ", ".join(dict.fromkeys(metric.title for metric in metrics))
        raise ResultsError(f"there is no mean over {names}: their units or directions differ")
    seeds = case.seeds([arm for contrast in arms.values() for arm in contrast])
    return judge_columns(case.results, case.manifest, case.claim, arms, seeds, _unit(arms))


def interaction(case: Case, test: Interaction) -> Verdict:
    """Decide a contrast of contrasts: against other tasks, other columns, or other rows."""
    claim = case.claim
    columns = case.columns(test.columns)
    first = [case.difference(column) for column in columns]
    if test.against_contrast is not None:
        reference = replace(case, claim=replace(claim, contrast=test.against_contrast))
        second = [reference.difference(column) for column in columns]
        estimand = f"more than {reference.claim.a} against {reference.claim.b}"
    else:
        reference_columns = _reference_columns(case, test)
        second = [case.difference(column) for column in reference_columns]
        estimand = f"more on {_list(columns)} than on {_list(reference_columns)}"
    seeds = case.seeds([arm for arms in first + second for arm in arms])
    if test.relative_error:
        sides = [(1 / len(first), arms) for arms in first] + [(-1 / len(second), arms) for arms in second]
        part = contrasts.relative_errors(sides, seeds)
        estimand = f"{estimand.removeprefix('more ')} in relative reduction of the error (percent)"
    else:
        part = contrasts.measure(contrasts.mean_of(first) + contrasts.mean_of(second, -1.0), seeds)
    return replace(rule.judge(claim, {estimand: part}), estimand=estimand)


def _reference_columns(case: Case, test: Interaction) -> list[Column]:
    """Return the columns of the second difference of an interaction."""
    if test.against_columns is not None:
        return case.columns(test.against_columns)
    columns = replace(case, claim=replace(case.claim, metric="")).columns(tasks=test.against_tasks or ())
    if not columns:
        raise ResultsError("the column that it is compared with is not in this experiment")
    return columns


def agreement(case: Case, test: Agreement) -> Verdict:
    """Decide a difference on items grouped by the agreement of their annotators.

    The difference is tested in each bucket, or in some buckets against others. A divergence from the votes is also
    reported against the temperature-scaled baseline, because any smoothing lowers it.
    """
    claim, metric = case.claim, METRICS[case.claim.metric or "accuracy"]
    columns = replace(case, claim=replace(claim, metric="")).columns()
    pairs = _at_common_seeds(case, {column.task: _pair_with_votes(case, column) for column in columns})
    unit = NATS if metric.scale == 1.0 else POINTS
    if test.each:
        cells = {
            f"{task}, {bucket}": _in_buckets(pair, [bucket], pair.differences(metric.name))
            for task, pair in pairs.items()
            for bucket in test.buckets
        }
        return rule.judge(
            replace(claim, quantifier="every"), cells, metrics=dict.fromkeys(cells, metric.name), unit=unit
        )
    parts = {task: _by_agreement(pair, test, pair.differences(metric.name)) for task, pair in pairs.items()}
    verdict = rule.judge(claim, parts, metrics=dict.fromkeys(parts, metric.name), unit=unit)
    estimand = f"on items voted {_words(test.buckets)}"
    if test.against_buckets:
        estimand = f"more {estimand} than on {_words(test.against_buckets)}"
    remark = _against_scaled(case, test, pairs, metric.name) if metric.uses == "logits" else ""
    return replace(verdict, estimand=estimand, remark=remark)


@dataclass(frozen=True)
class _Pair:
    """Both arms on one task at the same seeds, with annotator votes."""

    a: errors.Outputs
    b: errors.Outputs
    buckets: np.ndarray
    column: Column

    def differences(self, metric: str, b: errors.Outputs | None = None) -> np.ndarray:
        """Return ``(seeds, items)`` score differences; metrics on logits are scored against the votes."""
        sides = []
        for side in (self.a, b or self.b):
            if METRICS[metric].uses == "logits":
                assert side.votes is not None
                # Items without votes are in no bucket, but their scores are computed too: avoid a division by 0.
                votes = np.maximum(side.votes, 1e-300)
                sides.append(np.stack([per_item(metric, votes, run) for run in side.logits]))
            else:
                sides.append(side.right.astype(np.float64))
        difference: np.ndarray = METRICS[metric].scale * (sides[0] - sides[1])
        return difference


def _pair_with_votes(case: Case, column: Column) -> _Pair:
    """Read both arms of the claim in one column, with the votes of the items' annotators."""
    sides = []
    for row in (case.claim.a, case.claim.b):
        scored = contrasts.read_row(case.results, case.manifest, row, column)
        outputs = errors.read_outputs(
            case.results, dict(zip(scored.seeds, scored.keys, strict=True)), column.task, column.split
        )
        if outputs.votes is None:
            raise ResultsError(f"{column.task}: its predictions hold no annotator votes")
        sides.append(outputs)
    a, b = sides
    if not np.array_equal(a.ids, b.ids):
        raise ResultsError(f"{column.task}: the two methods were scored on different items")
    assert a.votes is not None
    return _Pair(a, b, errors.agreement(a.votes), column)


def _at_common_seeds(case: Case, pairs: dict[str, _Pair]) -> dict[str, _Pair]:
    """Return the pairs at the seeds that both arms have on every task.

    Raises:
        ResultsError: there are fewer seeds than the claim needs.
    """
    sides = [side for pair in pairs.values() for side in (pair.a, pair.b)]
    common_seeds = [s for s in case.manifest.seeds if all(s in side.seeds for side in sides)]
    case.enough(len(common_seeds))
    return {
        task: replace(pair, a=errors.at_seeds(pair.a, common_seeds), b=errors.at_seeds(pair.b, common_seeds))
        for task, pair in pairs.items()
    }


def _by_agreement(pair: _Pair, test: Agreement, d: np.ndarray) -> Components:
    """Return the difference on some buckets, minus that on the reference buckets where the test has them."""
    part = _in_buckets(pair, test.buckets, d)
    if not test.against_buckets:
        return part
    return contrasts.joined([part, _in_buckets(pair, test.against_buckets, d).times(-1.0)])


def _in_buckets(pair: _Pair, buckets: Sequence[str], d: np.ndarray) -> Components:
    """Return the components of the differences ``d`` ``(seeds, items)`` on the items of these buckets."""
    is_member = np.isin(pair.buckets, buckets)
    if is_member.sum() < 2:
        raise ResultsError(f"{pair.column.task} has {int(is_member.sum())} items voted {_words(buckets)}")
    return layout(d[:, is_member])


def _against_scaled(case: Case, test: Agreement, pairs: dict[str, _Pair], metric: str) -> str:
    """Return a sentence on the difference from the temperature-scaled baseline, the mean over tasks."""
    parts = []
    for pair in pairs.values():
        keys = dict(seeded(case.results, case.manifest, case.claim.b, pair.column))
        try:
            scaled = errors.rescaled(pair.b, errors.read_holdouts(case.results, keys, pair.column.task))
        except KeyError:
            return "Its baseline could not be scaled by a temperature: it has no predictions on the holdout."
        parts.append(_by_agreement(pair, test, pair.differences(metric, scaled)))
    interval = combine(parts, level=LEVEL)
    return f"Against the temperature-scaled baseline: {interval_text('on the same items', interval, NATS)}."


def sweep(case: Case, test: Sweep) -> Verdict:
    """Decide that a setting hardly matters: for all pairs of rows, of points of a curve, or for a and b.

    Raises:
        ResultsError: fewer than two of the rows are in the experiment.
    """
    claim, rows = case.claim, list(test.rows or (case.claim.a, case.claim.b))
    if test.between is not None:
        low, high = test.between
        rows = [
            row.id
            for row in case.manifest.rows
            if row.curve == test.curve and row.x is not None and low <= row.x <= high
        ]
    if len(rows) < 2:
        raise ResultsError(f"fewer than two rows of {test.curve} are in this experiment")
    columns, parts = case.columns(), {}
    arms = {
        row: [Arm(1.0, contrasts.read_row(case.results, case.manifest, row, c), c) for c in columns] for row in rows
    }
    seeds = case.seeds([arm for row_arms in arms.values() for arm in row_arms])
    for a, b in combinations(rows, 2):
        contrasts_by_column = [[x, *contrasts.weighted([y], -1.0)] for x, y in zip(arms[a], arms[b], strict=True)]
        parts[f"{a} against {b}"] = combine(
            [contrasts.measure(contrasts.mean_of(contrasts_by_column), seeds)], level=LEVEL
        )
    intervals = list(parts.values())
    widest = max(intervals, key=lambda interval: max(abs(interval.low), abs(interval.high)))
    name = next(name for name, interval in parts.items() if interval is widest)
    margin = rule.margin_of(claim, [column.metric for column in columns])
    status = rule.flat(intervals, margin)
    verdict = replace(rule.verdict(claim, widest, parts, status), p=rule.flat_p(intervals, margin, status))
    estimand = f"between {name.replace(' against ', ' and ')}"
    if len(parts) > 1:
        estimand += f", the farthest of {len(parts)} pairs"
    return replace(verdict, estimand=f"{estimand} (all must lie within {margin:g})")


def best_point(case: Case, test: BestPoint) -> Verdict:
    """Decide that no row is the best on all tasks.

    Supported: every row is beaten on some task (Holm over the row's comparisons; no correction over rows, because all
    rows must be beaten). Contradicted: one row beats every other row on every task (Bonferroni over rows).

    Raises:
        ResultsError: the experiment has fewer than two of the rows, or of the tasks.
    """
    columns = case.columns()
    ids = {row.id for row in case.manifest.rows}
    rows = [row for row in test.rows if row in ids]
    if len(rows) < 2 or len(columns) < 2:
        raise ResultsError("the best point needs two rows and two tasks of this experiment")
    arms = {
        (row, column.id): Arm(_gain(column), contrasts.read_row(case.results, case.manifest, row, column), column)
        for row in rows
        for column in columns
    }
    seeds = case.seeds(list(arms.values()))
    ahead = {
        (row, rival, column.task): combine(
            [contrasts.measure([arms[rival, column.id], *contrasts.weighted([arms[row, column.id]], -1.0)], seeds)],
            level=LEVEL,
        )
        for row in rows
        for rival in rows
        if rival != row
        for column in columns
    }
    return _best_point_verdict(case.claim, rows, ahead)


def _best_point_verdict(claim: Claim, rows: Sequence[str], ahead: Mapping[tuple[str, str, str], Interval]) -> Verdict:
    """Return the verdict from ``(row, rival, task)`` -> how much better the rival is than the row."""
    beaten, best = {}, {}
    for row in rows:
        comparisons = {key: interval for key, interval in ahead.items() if key[0] == row}
        adjusted = holm([interval.p if interval.estimate > 0 else 1.0 for interval in comparisons.values()])
        beaten[row] = min(zip(map(float, adjusted), comparisons, strict=True))
        best[row] = max(interval.p if interval.estimate < 0 else 1.0 for interval in comparisons.values())
    status, p = INCONCLUSIVE, max(p for p, _ in beaten.values())
    if p <= 1 - LEVEL:
        status = SUPPORTED
    elif min(best.values()) * len(rows) <= 1 - LEVEL:
        status, p = CONTRADICTED, min(best.values()) * len(rows)
    per_task = {f"{rival} over {row} on {task}": ahead[row, rival, task] for _, (row, rival, task) in beaten.values()}
    interval = ahead[max(beaten.values())[1]]
    row, rival, task = max(beaten.values())[1]
    estimand = (
        f"of {rival} over {row} on {task}, the least clear of {len(rows)} rows that must each be beaten on a task"
    )
    return replace(rule.verdict(claim, interval, per_task, status), p=p, estimand=estimand)


def at_epoch(case: Case, test: AtEpoch) -> Verdict:
    """Decide the difference after ``epoch``, or how much it exceeds the difference after the last epoch."""
    columns = case.columns()
    arms = {_name(column, columns): case.difference(column, test.epoch) for column in columns}
    if test.against_last:
        arms = {
            _name(column, columns): [*arms[_name(column, columns)], *contrasts.weighted(case.difference(column), -1.0)]
            for column in columns
        }
    return _over_columns(case, arms)


def near_constant(case: Case, test: NearConstant) -> Verdict:
    """Decide whether row a comes within the margin of a published score, by row a's interval minus that constant."""
    claim = case.claim
    (column,) = case.columns()
    arm = Arm(1.0, contrasts.read_row(case.results, case.manifest, claim.a, column), column)
    part = contrasts.measure([arm], case.seeds([arm]))
    shifted = replace(part, differences=part.differences - test.value)
    interval, margin = combine([shifted], level=LEVEL), claim.margin or 0.0
    low, high = (interval.low, interval.high) if claim.sign > 0 else (-interval.high, -interval.low)
    status = SUPPORTED if low > -margin else CONTRADICTED if high < -margin else INCONCLUSIVE
    estimand = f"from {test.value:g}, of which it must come within {margin:g}"
    p = rule.p_of_shift(interval, -claim.sign * margin)
    return replace(rule.verdict(claim, interval, {column.task: interval}, status), estimand=estimand, p=p)


def selection(case: Case, test: Selection) -> Verdict:
    """Decide the gain from choosing the epoch on dev instead of on the holdout.

    Supported: both rows gain, and they gain different amounts.
    """
    claim, columns = case.claim, case.columns()
    gains = {row: _selection_gain(case, test, row, columns) for row in (claim.a, claim.b)}
    interaction_arms = gains[claim.a] + contrasts.weighted(gains[claim.b], -1.0)
    seeds = case.seeds(interaction_arms)
    parts = {row: combine([contrasts.measure(arms, seeds)], level=LEVEL) for row, arms in gains.items()}
    gain_difference = combine([contrasts.measure(interaction_arms, seeds)], level=LEVEL)
    margin = rule.margin_of(claim, [column.metric for column in columns])
    measure = rule.Measure(1.0, None, margin)
    status, _ = rule.settle("every", gain_difference, list(parts.values()), measure)
    if status == SUPPORTED and gain_difference.low <= 0 <= gain_difference.high:
        status = CONTRADICTED if rule.flat([gain_difference], margin) == SUPPORTED else INCONCLUSIVE
    named_parts = {f"{row} ({test.best} over {test.reference})": interval for row, interval in parts.items()}
    verdict = rule.verdict(replace(claim, quantifier="every", partial=False), gain_difference, named_parts, status)
    text = interval_text("between the methods", gain_difference, POINTS)
    return replace(verdict, remark=f"The two gains differ by {text}.")


def _selection_gain(case: Case, test: Selection, row: str, columns: Sequence[Column]) -> list[Arm]:
    """Return the arms of one row's gain from the choice of the epoch, as a mean over columns."""
    return contrasts.mean_of(
        [
            [
                Arm(weight, selected(case.results, case.manifest, row, column, choice), column)
                for weight, choice in ((_gain(column), test.best), (-_gain(column), test.reference))
            ]
            for column in columns
        ]
    )


def _gain(column: Column) -> float:
    """Return 1 where a greater score is better, else -1."""
    return 1.0 if METRICS[column.metric].greater_is_better else -1.0


def _name(column: Column, columns: Sequence[Column]) -> str:
    """Return a column's short name: its task, or its title where the claim covers several columns of a task."""
    columns_of_task = [candidate for candidate in columns if candidate.task == column.task]
    return column.task if len(columns_of_task) == 1 else column.title or column.id


def _unit(arms: dict[str, list[Arm]]) -> str:
    return NATS if METRICS[next(iter(arms.values()))[0].column.metric].scale == 1.0 else POINTS


def _list(columns: Sequence[Column]) -> str:
    return ", ".join(column.title or column.task for column in columns)


def _words(buckets: Sequence[str]) -> str:
    return " or ".join(buckets)
