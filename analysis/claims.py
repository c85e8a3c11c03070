"""A verdict per claim of a paper, by the rule that was fixed before the runs (docs/statistics.md).

In this order: **supported** (the interval lies beyond 0 in the claimed direction; "smaller than claimed" where its
    far end
stays below the paper's size), **contradicted** (beyond 0 the other way), **no relevant effect** (the 90 % interval lies
inside the bound), else **inconclusive**. A claim with too few seeds is **not run**.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from analysis.comparison import Scored, read_cell
from analysis.crossed import Components, combine, components
from analysis.descriptive import equivalence, holm
from analysis.interval import Interval
from analysis.load import Column, Manifest, ResultsError
from analysis.scores import METRICS

SUPPORTED, CONTRADICTED, NO_EFFECT = "supported", "contradicted", "no relevant effect"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
SMALLER = "smaller than claimed"
LEVEL = 0.95
SMALLEST_BOUND = 0.5  # points: no difference below it matters, whatever a paper claims


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says, in a form that runs can decide.

    Attributes:
        id: short name, unique among all claims.
        sentence: the claim as the paper means it, in words.
        table: where the paper makes it.
        contrast: ``{"a": row, "b": row}``: a is claimed to differ from b.
        tasks: the tasks it speaks about.
        metric: in which metric; "" means each task's first.
        direction: "greater" or "less": how a's metric compares with b's.
        size: the paper's difference in points, on average or per task; None where it gives none.
        quantifier: "average" (the mean over tasks), "every" (each task by itself) or "any" (at least one).
        bound: points within which a difference does not matter; None: the larger of 0.5 and half the size.
        reading: which reading of the method it speaks about.
        min_seeds: fewest seeds both arms need.
    """

    id: str
    sentence: str
    contrast: Mapping[str, str]
    tasks: Sequence[str]
    table: str = ""
    metric: str = ""
    direction: str = "greater"
    size: float | None = None
    quantifier: str = "average"
    bound: float | None = None
    reading: str = ""
    min_seeds: int = 5

    def __post_init__(self) -> None:
        allowed = {"direction": ("greater", "less"), "quantifier": tuple(RULES)}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"claim {self.id!r}: {name} must be one of {', '.join(values)}; got {getattr(self, name)!r}"
                )
        if not self.tasks or set(self.contrast) != {"a", "b"}:
            raise ValueError(f"claim {self.id!r} needs tasks and a contrast with the rows 'a' and 'b'")
        if self.size is not None and self.size < 0:
            raise ValueError(f"claim {self.id!r}: size is how much, direction says which way; got {self.size}")

    @property
    def relevant(self) -> float:
        """The bound in points."""
        return self.bound if self.bound is not None else max(SMALLEST_BOUND, (self.size or 0.0) / 2)


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a claim. Intervals are a - b in points, unadjusted, whatever the claimed direction.

    Attributes:
        status: supported, contradicted, no relevant effect, inconclusive or not run.
        suffix: "smaller than claimed" or "".
        interval: of the mean over tasks; None where nothing was run.
        per_task: one interval per task that was run.
        equivalence: the 90 % interval that "no relevant effect" looks at, of the mean over tasks.
        reason: why it was not run.
        n_seeds: seeds both arms have.
    """

    claim: Claim
    status: str
    suffix: str = ""
    interval: Interval | None = None
    per_task: Mapping[str, Interval] = field(default_factory=dict)
    equivalence: tuple[float, float] | None = None
    reason: str = ""
    n_seeds: int = 0

    @property
    def words(self) -> str:
        """``supported (smaller than claimed)``."""
        return self.status + (f" ({self.suffix})" if self.suffix else "")


def read_claim(raw: Mapping[str, Any]) -> Claim:
    """A claim from a manifest; fields this version does not know are ignored. Raises ResultsError."""
    known = {f.name for f in fields(Claim)}
    try:
        return Claim(**{k: v for k, v in raw.items() if k in known and v is not None})
    except (TypeError, ValueError) as error:
        raise ResultsError(f"the manifest's claim {raw.get('id', '?')!r} cannot be read: {error}") from error


def decide_all(results: str | Path, manifest: Manifest) -> list[Verdict]:
    """A verdict for every claim of the manifest, in its order."""
    return [decide(results, manifest, read_claim(raw)) for raw in manifest.claims]


def decide(results: str | Path, manifest: Manifest, claim: Claim) -> Verdict:
    """The verdict of one claim from the stored predictions of both rows, at the seeds both have on every task."""
    try:
        pairs = {task: _pair(results, manifest, claim, task) for task in claim.tasks}
    except ResultsError as error:
        return Verdict(claim, NOT_RUN, reason=str(error))
    seeds = [s for s in manifest.seeds if all(s in a.seeds and s in b.seeds for a, b, _ in pairs.values())]
    if len(seeds) < claim.min_seeds:
        reason = f"needs {claim.min_seeds} seeds of both methods on every task, has {len(seeds)}"
        return Verdict(claim, NOT_RUN, reason=reason, n_seeds=len(seeds))
    parts = {task: _in_points(a, b, column, seeds) for task, (a, b, column) in pairs.items()}
    return judge(claim, parts)


def judge(claim: Claim, parts: Mapping[str, Components]) -> Verdict:
    """The rule itself: from each task's components (a - b, in points) to the verdict."""
    per_task = {task: combine([part], level=LEVEL) for task, part in parts.items()}
    mean = combine(list(parts.values()), level=LEVEL)
    sign = 1.0 if claim.direction == "greater" else -1.0
    status, suffix = RULES[claim.quantifier](claim, mean, list(per_task.values()), sign)
    narrow = mean.at(0.90)
    return Verdict(claim, status, suffix, mean, per_task, (narrow.low, narrow.high), n_seeds=mean.n_seeds)


def _average(claim: Claim, mean: Interval, tasks: list[Interval], sign: float) -> tuple[str, str]:
    low, high = _towards(mean, sign)
    if low > 0:
        return SUPPORTED, SMALLER if claim.size is not None and high < claim.size else ""
    if high < 0:
        return CONTRADICTED, ""
    return (NO_EFFECT if equivalence(mean, claim.relevant).holds else INCONCLUSIVE), ""


def _every(claim: Claim, mean: Interval, tasks: list[Interval], sign: float) -> tuple[str, str]:
    """Supported: each task at its own 5 % (intersection-union, no correction). One task the other way contradicts;
    as any of them may, these are corrected (Holm)."""
    ends = [_towards(task, sign) for task in tasks]
    if all(low > 0 for low, _ in ends):
        return SUPPORTED, SMALLER if claim.size is not None and any(high < claim.size for _, high in ends) else ""
    if any(p <= 1 - LEVEL and high < 0 for p, (_, high) in zip(holm([t.p for t in tasks]), ends, strict=True)):
        return CONTRADICTED, ""
    return (NO_EFFECT if _all_equivalent(tasks, claim) else INCONCLUSIVE), ""


def _any(claim: Claim, mean: Interval, tasks: list[Interval], sign: float) -> tuple[str, str]:
    """Supported: at least one task after Holm's correction. Contradicted only if every task lies the other way."""
    ends = [_towards(task, sign) for task in tasks]
    adjusted = holm([task.p for task in tasks])
    found = [high for p, (low, high) in zip(adjusted, ends, strict=True) if p <= 1 - LEVEL and low > 0]
    if found:
        return SUPPORTED, SMALLER if claim.size is not None and max(found) < claim.size else ""
    if all(high < 0 for _, high in ends):
        return CONTRADICTED, ""
    return (NO_EFFECT if _all_equivalent(tasks, claim) else INCONCLUSIVE), ""


RULES = {"average": _average, "every": _every, "any": _any}


def in_words(verdict: Verdict) -> str:
    """The verdict with its numbers in one sentence, without the claim's own words."""
    from analysis.tables import number

    claim = verdict.claim
    if verdict.interval is None:
        return f"{verdict.words}: {verdict.reason}."
    shown = [(f"on {task}", i) for task, i in verdict.per_task.items()]
    if claim.quantifier == "average" and len(shown) > 1:
        shown = [(f"on average over {len(shown)} tasks", verdict.interval)]
    measured = "; ".join(
        f"{number(i.estimate, 1, True)} points {where} (95 % interval {number(i.low)} to {number(i.high)})"
        for where, i in shown
    )
    paper = (
        f", the paper's is {number(claim.size if claim.direction == 'greater' else -claim.size, 1, True)}"
        if claim.size
        else ""
    )
    basis = f"{verdict.n_seeds} seeds × {verdict.interval.n_items:,} items"
    return f"{verdict.words}: {measured}{paper}; {basis}."


def _towards(interval: Interval, sign: float) -> tuple[float, float]:
    """Both ends with the claimed direction as the positive one."""
    return (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)


def _all_equivalent(tasks: list[Interval], claim: Claim) -> bool:
    return all(equivalence(task, claim.relevant).holds for task in tasks)


def _pair(results: str | Path, manifest: Manifest, claim: Claim, task: str) -> tuple[Scored, Scored, Column]:
    column = next((c for c in manifest.columns if c.task == task and claim.metric in ("", c.metric)), None)
    if column is None:
        raise ResultsError(f"{task} with {claim.metric or 'any metric'} is not in this experiment")
    cells = []
    for row in (claim.contrast["a"], claim.contrast["b"]):
        try:
            cells.append(read_cell(results, manifest, row, column))
        except ResultsError as error:
            raise ResultsError(f"{row} on {task}: {manifest.reason(row, column) or error}") from error
    if list(cells[0].ids) != list(cells[1].ids):
        raise ResultsError(f"{task}: the two methods were scored on different items")
    return cells[0], cells[1], column


def _in_points(a: Scored, b: Scored, column: Column, seeds: Sequence[int]) -> Components:
    x, y = (scored.outputs[[scored.seeds.index(s) for s in seeds]] for scored in (a, b))
    parts = components(x, y, metric=column.metric, labels=a.labels)
    scale = METRICS[column.metric].scale
    return Components(
        parts.differences * scale, parts.items * scale**2, parts.both * scale**2, parts.n_items, parts.method
    )


def not_decidable(verdict: Verdict) -> str:
    """A remark for inconclusive verdicts: how wide the interval is against what was claimed; "" for the others."""
    interval, size = verdict.interval, verdict.claim.size
    if verdict.status != INCONCLUSIVE or interval is None or size is None or math.isnan(interval.se):
        return ""
    half = (interval.high - interval.low) / 2
    return f"The interval is ±{half:.1f} points wide; the claimed difference is {size:.1f}." if half > size else ""
