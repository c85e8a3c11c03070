"""Claims that stored predictions decide: differences, contrasts of contrasts, agreement, curves, selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from analysis import contrasts, errors
from analysis.cells import seeded
from analysis.claims import rule
from analysis.claims.claim import LEVEL, NATS, POINTS, Verdict
from analysis.claims.over_columns import judge_columns
from analysis.claims.words import measured
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
    """A claim with the results it is decided from."""

    results: Results
    manifest: Manifest
    claim: Claim

    def columns(self, ids: Sequence[str] | None = None, tasks: Sequence[str] | None = None) -> list[Column]:
        """Return the columns of these ids; without ids, the first column that fits of each of the (claim's) tasks.

        Raises: ResultsError: a column is not in this experiment, with the planner's reason.
        """
        if ids is None:
            return [self.column(task) for task in (self.claim.tasks if tasks is None else tasks)]
        columns = {column.id: column for column in self.manifest.columns}
        missing = [name for name in ids if name not in columns]
        if missing or not ids:
            reason = self.manifest.reasons_missing.get(f"*|{missing[0]}", "") if missing else ""
            what = missing[0] if missing else "what it is compared with"
            raise ResultsError(f"{what} is not in this experiment" + (f": {reason}" if reason else ""))
        return [columns[name] for name in ids]

    def column(self, task: str) -> Column:
        """The task's first column with the claim's metric."""
        metric = self.claim.metric
        found = next((c for c in self.manifest.columns if c.task == task and metric in ("", c.metric)), None)
        if found is None:
            raise ResultsError(f"{task} with {metric or 'any metric'} is not in this experiment")
        return found

    def on_complete_tasks(self) -> Case:
        """The case on those of its tasks for which both rows have every seed, where the claim is ``partial``.

        Where no task is complete and none is left out, the fewest seeds decide, as for any other claim.

        Raises: ResultsError: no task is complete, with what each lacks.
        """
        lacking = {task: self._lacks(task) for task in self.claim.tasks} if self.claim.partial else {}
        whole = [task for task, lack in lacking.items() if not lack]
        there = {column.task for column in self.manifest.columns}
        if whole:
            return replace(self, claim=replace(self.claim, tasks=tuple(whole)))
        if lacking.keys() <= there:
            return self
        raise ResultsError(f"none of its tasks is complete: {'; '.join(lacking.values())}")

    def _lacks(self, task: str) -> str:
        try:
            column = self.column(task)
        except ResultsError as error:
            return str(error)
        for row in (self.claim.a, self.claim.b):
            done = {s for s, key in seeded(self.results, self.manifest, row, column) if self.results.is_done(key)}
            if not set(self.manifest.seeds) <= done:
                return f"{row} on {task} has {len(done)} of {len(self.manifest.seeds)} seeds"
        return ""

    def difference(self, column: Column, epoch: int | str = "last") -> list[Arm]:
        """The claim's contrast in one column."""
        return contrasts.difference(self.results, self.manifest, self.claim.a, self.claim.b, column, epoch)

    def seeds(self, arms: Sequence[Arm]) -> list[int]:
        """The seeds all arms have. Raises ResultsError: fewer than the claim needs."""
        found = contrasts.shared_seeds(self.manifest, arms)
        self.enough(len(found))
        return found

    def enough(self, seeds: int) -> None:
        """Raises ResultsError: fewer seeds than the claim needs."""
        if seeds < self.claim.min_seeds:
            raise ResultsError(f"needs {self.claim.min_seeds} seeds of both methods on every task, has {seeds}")


def difference(case: Case, test: Difference) -> Verdict:
    """Decide row a against row b, or against the runs that each run of row a combines, over columns."""
    columns = case.columns(test.columns)
    arms = {
        _name(column, columns): contrasts.against_parents(case.results, case.manifest, case.claim.a, column)
        if test.against_parents
        else case.difference(column)
        for column in columns
    }
    return _over_columns(case, arms)


def _over_columns(case: Case, arms: dict[str, list[Arm]]) -> Verdict:
    metrics = [METRICS[each[0].column.metric] for each in arms.values()]
    if len({(metric.scale, metric.greater_is_better) for metric in metrics}) > 1:
        names = ", ".join(dict.fromkeys(metric.title for metric in metrics))
        raise ResultsError(f"there is no mean over {names}: their units or directions differ")
    seeds = case.seeds([arm for each in arms.values() for arm in each])
    return judge_columns(case.results, case.manifest, case.claim, arms, seeds, _unit(arms))


def interaction(case: Case, test: Interaction) -> Verdict:
    """Decide a contrast of contrasts: against other tasks, other columns, or other rows."""
    claim = case.claim
    columns = case.columns(test.columns)
    first = [case.difference(column) for column in columns]
    if test.against_contrast is not None:
        other = replace(case, claim=replace(claim, contrast=test.against_contrast))
        second = [other.difference(column) for column in columns]
        what = f"more than {other.claim.a} against {other.claim.b}"
    else:
        others = _others(case, test)
        second = [case.difference(column) for column in others]
        what = f"more on {_list(columns)} than on {_list(others)}"
    seeds = case.seeds([arm for arms in first + second for arm in arms])
    if test.relative_error:
        sides = [(1 / len(first), arms) for arms in first] + [(-1 / len(second), arms) for arms in second]
        part = contrasts.relative_errors(sides, seeds)
        what = f"{what.removeprefix('more ')} in relative reduction of the error (percent)"
    else:
        part = contrasts.measure(contrasts.mean_of(first) + contrasts.mean_of(second, -1.0), seeds)
    return replace(rule.judge(claim, {what: part}), what=what)


def _others(case: Case, test: Interaction) -> list[Column]:
    if test.against_columns is not None:
        return case.columns(test.against_columns)
    columns = replace(case, claim=replace(case.claim, metric="")).columns(tasks=test.against_tasks or ())
    if not columns:
        raise ResultsError("what it is compared with is not in this experiment")
    return columns


def _times(part: Components, weight: float) -> Components:
    return Components(
        part.differences * weight, part.items * weight**2, part.both * weight**2, part.n_items, part.method
    )


def agreement(case: Case, test: Agreement) -> Verdict:
    """Decide the difference on items by how far their annotators agree: in each bucket, or in some against others.

    A divergence from the votes is shown against the temperature-scaled baseline as well: any smoothing lowers it.
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
    found = rule.judge(claim, parts, metrics=dict.fromkeys(parts, metric.name), unit=unit)
    what = f"on items voted {_words(test.buckets)}"
    if test.against_buckets:
        what = f"more {what} than on {_words(test.against_buckets)}"
    beside = _against_scaled(case, test, pairs, metric.name) if metric.uses == "logits" else ""
    return replace(found, what=what, beside=beside)


@dataclass(frozen=True)
class _Pair:
    """Both arms on one task at the same seeds, with votes."""

    a: errors.Outputs
    b: errors.Outputs
    buckets: np.ndarray
    column: Column

    def differences(self, metric: str, b: errors.Outputs | None = None) -> np.ndarray:
        """``(seeds, items)``; metrics on logits are scored against the votes."""
        sides = []
        for side in (self.a, b or self.b):
            if METRICS[metric].uses == "logits":
                assert side.votes is not None
                counted = np.maximum(
                    side.votes, 1e-300
                )  # items without votes are in no bucket, but must not divide by 0
                sides.append(np.stack([per_item(metric, counted, run) for run in side.logits]))
            else:
                sides.append(side.right.astype(np.float64))
        return METRICS[metric].scale * (sides[0] - sides[1])


def _pair_with_votes(case: Case, column: Column) -> _Pair:
    sides = []
    for row in (case.claim.a, case.claim.b):
        scored = contrasts.reading(case.results, case.manifest, row, column)
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
    """The pairs at the seeds that both arms have on every task. Raises ResultsError: fewer than the claim needs."""
    sides = [side for pair in pairs.values() for side in (pair.a, pair.b)]
    common = [s for s in case.manifest.seeds if all(s in side.seeds for side in sides)]
    case.enough(len(common))
    return {
        task: replace(pair, a=errors.at_seeds(pair.a, common), b=errors.at_seeds(pair.b, common))
        for task, pair in pairs.items()
    }


def _by_agreement(pair: _Pair, test: Agreement, d: np.ndarray) -> Components:
    """The difference on some buckets, minus that on others where the test has them."""
    part = _in_buckets(pair, test.buckets, d)
    if not test.against_buckets:
        return part
    return contrasts.joined([part, _in_buckets(pair, test.against_buckets, d).times(-1.0)])


def _in_buckets(pair: _Pair, buckets: Sequence[str], d: np.ndarray) -> Components:
    is_member = np.isin(pair.buckets, buckets)
    if is_member.sum() < 2:
        raise ResultsError(f"{pair.column.task} has {int(is_member.sum())} items voted {_words(buckets)}")
    return layout(d[:, is_member])


def _against_scaled(case: Case, test: Agreement, pairs: dict[str, _Pair], metric: str) -> str:
    parts = []
    for pair in pairs.values():
        keys = dict(seeded(case.results, case.manifest, case.claim.b, pair.column))
        try:
            scaled = errors.rescaled(pair.b, errors.read_holdouts(case.results, keys, pair.column.task))
        except KeyError:
            return "Its baseline could not be scaled by a temperature: no predictions on the holdout are here."
        parts.append(_by_agreement(pair, test, pair.differences(metric, scaled)))
    interval = combine(parts, level=LEVEL)
    return f"Against the temperature-scaled baseline: {measured('on the same items', interval, NATS)}."


def sweep(case: Case, test: Sweep) -> Verdict:
    """Decide that a setting hardly matters: all pairs of rows, of points of a curve, or a and b."""
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
    arms = {row: [Arm(1.0, contrasts.reading(case.results, case.manifest, row, c), c) for c in columns] for row in rows}
    seeds = case.seeds([arm for each in arms.values() for arm in each])
    for a, b in combinations(rows, 2):
        both = [[x, *contrasts.weighted([y], -1.0)] for x, y in zip(arms[a], arms[b], strict=True)]
        parts[f"{a} against {b}"] = combine([contrasts.measure(contrasts.mean_of(both), seeds)], level=LEVEL)
    found = list(parts.values())
    widest = max(found, key=lambda interval: max(abs(interval.low), abs(interval.high)))
    name = next(name for name, interval in parts.items() if interval is widest)
    margin = rule.margin_of(claim, [column.metric for column in columns])
    status = rule.flat(found, margin)
    verdict = replace(rule.verdict(claim, widest, parts, status), p=rule.flat_p(found, margin, status))
    what = f"between {name.replace(' against ', ' and ')}"
    if len(parts) > 1:
        what += f", the farthest of {len(parts)} pairs"
    return replace(verdict, what=f"{what} (all must lie within {margin:g})")


def best_point(case: Case, test: BestPoint) -> Verdict:
    """Decide whether no row is the best on all tasks.

    Supported: every row is beaten somewhere (Holm over its comparisons; all rows must be, so no correction over rows).
    Contradicted: one row beats every other on every task (Bonferroni over rows).
    """
    columns = case.columns()
    ids = {row.id for row in case.manifest.rows}
    rows = [row for row in test.rows if row in ids]
    if len(rows) < 2 or len(columns) < 2:
        raise ResultsError("the best point needs two rows and two tasks of this experiment")
    arms = {
        (row, column.id): Arm(_gain(column), contrasts.reading(case.results, case.manifest, row, column), column)
        for row in rows
        for column in columns
    }
    seeds = case.seeds(list(arms.values()))
    ahead = {
        (row, other, column.task): combine(
            [contrasts.measure([arms[other, column.id], *contrasts.weighted([arms[row, column.id]], -1.0)], seeds)],
            level=LEVEL,
        )
        for row in rows
        for other in rows
        if other != row
        for column in columns
    }
    return _best_point_verdict(case.claim, rows, ahead)


def _best_point_verdict(claim: Claim, rows: Sequence[str], ahead: Mapping[tuple[str, str, str], Interval]) -> Verdict:
    """The verdict from ``(row, other, task)`` -> by how much the other is better than the row."""
    beaten, best = {}, {}
    for row in rows:
        own = {key: interval for key, interval in ahead.items() if key[0] == row}
        adjusted = holm([interval.p if interval.estimate > 0 else 1.0 for interval in own.values()])
        beaten[row] = min(zip(map(float, adjusted), own, strict=True))
        best[row] = max(interval.p if interval.estimate < 0 else 1.0 for interval in own.values())
    status, p = rule.INCONCLUSIVE, max(p for p, _ in beaten.values())
    if p <= 1 - LEVEL:
        status = rule.SUPPORTED
    elif min(best.values()) * len(rows) <= 1 - LEVEL:
        status, p = rule.CONTRADICTED, min(best.values()) * len(rows)
    per_task = {f"{other} over {row} on {task}": ahead[row, other, task] for _, (row, other, task) in beaten.values()}
    interval = ahead[max(beaten.values())[1]]
    row, other, task = max(beaten.values())[1]
    what = f"of {other} over {row} on {task}, the least clear of {len(rows)} rows that must each be beaten on a task"
    return replace(rule.verdict(claim, interval, per_task, status), p=p, what=what)


def at_epoch(case: Case, test: AtEpoch) -> Verdict:
    """Decide the difference after ``epoch`` instead of after the last one, or by how much more it is."""
    columns = case.columns()
    arms = {_name(column, columns): case.difference(column, test.epoch) for column in columns}
    if test.against_last:
        arms = {
            _name(column, columns): [*arms[_name(column, columns)], *contrasts.weighted(case.difference(column), -1.0)]
            for column in columns
        }
    return _over_columns(case, arms)


def near_constant(case: Case, test: NearConstant) -> Verdict:
    """Decide whether row a comes within the margin of a published score: its own interval against that constant."""
    claim = case.claim
    (column,) = case.columns()
    arm = Arm(1.0, contrasts.reading(case.results, case.manifest, claim.a, column), column)
    part = contrasts.measure([arm], case.seeds([arm]))
    shifted = replace(part, differences=part.differences - test.value)
    interval, margin = combine([shifted], level=LEVEL), claim.margin or 0.0
    low, high = (interval.low, interval.high) if claim.sign > 0 else (-interval.high, -interval.low)
    status = rule.SUPPORTED if low > -margin else rule.CONTRADICTED if high < -margin else rule.INCONCLUSIVE
    what = f"from {test.value:g}, of which it must come within {margin:g}"
    p = rule.p_of_shift(interval, -claim.sign * margin)
    return replace(rule.verdict(claim, interval, {column.task: interval}, status), what=what, p=p)


def selection(case: Case, test: Selection) -> Verdict:
    """Decide what choosing the epoch on dev adds to choosing it on the holdout: more than nothing for both rows, and
    not by the same amount."""
    claim, columns = case.claim, case.columns()
    gains = {row: _selection_gain(case, test, row, columns) for row in (claim.a, claim.b)}
    interaction_arms = gains[claim.a] + contrasts.weighted(gains[claim.b], -1.0)
    seeds = case.seeds(interaction_arms)
    parts = {row: combine([contrasts.measure(arms, seeds)], level=LEVEL) for row, arms in gains.items()}
    apart = combine([contrasts.measure(interaction_arms, seeds)], level=LEVEL)
    margin = rule.margin_of(claim, [column.metric for column in columns])
    measure = rule.Measure(1.0, None, margin)
    status, _ = rule.settle("every", apart, list(parts.values()), measure)
    if status == rule.SUPPORTED and apart.low <= 0 <= apart.high:
        status = rule.CONTRADICTED if rule.flat([apart], margin) == rule.SUPPORTED else rule.INCONCLUSIVE
    named = {f"{row} ({test.best} over {test.reference})": interval for row, interval in parts.items()}
    verdict = rule.verdict(replace(claim, quantifier="every", partial=False), apart, named, status)
    return replace(verdict, beside=f"The two gains differ by {measured('between the methods', apart, POINTS)}.")


def _selection_gain(case: Case, test: Selection, row: str, columns: Sequence[Column]) -> list[Arm]:
    """Arms of one row's gain by the choice of the epoch, the mean over columns."""
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
    """1 where a greater score is the better one, else -1."""
    return 1.0 if METRICS[column.metric].greater_is_better else -1.0


def _name(column: Column, columns: Sequence[Column]) -> str:
    """A column's short name: its task, or its title where the claim speaks of several of one task."""
    same = [other for other in columns if other.task == column.task]
    return column.task if len(same) == 1 else column.title or column.id


def _unit(arms: dict[str, list[Arm]]) -> str:
    return NATS if METRICS[next(iter(arms.values()))[0].column.metric].scale == 1.0 else POINTS


def _list(columns: Sequence[Column]) -> str:
    return ", ".join(column.title or column.task for column in columns)


def _words(buckets: Sequence[str]) -> str:
    return " or ".join(buckets)
