"""What a report says in words: a sentence per comparison, a line per method, and the warnings a reader needs first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.claims import CONTRADICTED, INCONCLUSIVE, NO_EFFECT, NOT_RUN, SUPPORTED, Verdict
from analysis.results import Run
from analysis.schema import Manifest
from analysis.scores import METRICS
from analysis.tables import digits_of, interval, number, records

if TYPE_CHECKING:
    import pandas as pd

FEW_SEEDS = 5  # the fewest a claim may rest on (docs/statistics.md)
ORDER = (SUPPORTED, CONTRADICTED, NO_EFFECT, INCONCLUSIVE)
TOLD = 2  # methods whose summary is in the first sentences: more stand right below
BETTER, WORSE, SAME, OPEN = "better", "worse", "identical", "inconclusive"
IN_SUMMARY = {BETTER: "better than", WORSE: "worse than", SAME: "identical with", OPEN: "not distinguishable from"}


@dataclass(frozen=True)
class Finding:
    """One comparison with the baseline: the verdict word and the sentence that carries its numbers."""

    row: str
    column: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Summary:
    """One method against the baseline over all columns."""

    title: str
    sentence: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]


def verdict(cell: Any) -> str:
    """Better, worse or inconclusive: whether the interval leaves 0 out, and on which side; identical where no item of
    any seed is scored differently. One seed says nothing of other seeds: its interval, over items alone, decides
    nothing."""
    if cell.n_pairs == 1:
        return SAME if cell.low == cell.high == 0 else OPEN
    known = METRICS.get(cell.metric)
    sign = 1 if known is None or known.greater_is_better else -1
    if min(cell.low, cell.high) > 0:
        return BETTER if sign > 0 else WORSE
    if max(cell.low, cell.high) < 0:
        return WORSE if sign > 0 else BETTER
    return SAME if cell.low == cell.high == 0 else OPEN


def finding(cell: Any, baseline: str) -> Finding:
    """The sentence of one cell that has a difference."""
    digits = digits_of(cell.metric)
    unit = "points" if digits == 1 else "nats"
    size = number(abs(cell.difference), digits)
    where = f"on {cell.column_title}{_metric_words(cell)}"
    baseline = _against(cell, baseline)
    relation = f"{size} {unit} {'above' if cell.difference > 0 else 'below'}" if float(size) else "level with"
    basis = (
        f"{cell.level:.0%} interval {interval(cell)}, {plural(cell.n_pairs, 'seed')} × {cell.n_items:,} items".replace(
            "%", " %"
        )
    )
    what = verdict(cell)
    if what == SAME:
        relation = "scored on every item as"
    return Finding(cell.row, cell.column, what, f"{cell.row_title} is {relation} {baseline} {where} ({basis}): {what}.")


def summaries(manifest: Manifest, cells: pd.DataFrame) -> list[Summary]:
    """A line per method that is not the baseline, with its findings."""
    if manifest.baseline_row is None:
        return []
    baseline = manifest.row(manifest.baseline_row).title
    found = []
    for row in manifest.rows:
        here = [c for c in records(cells[cells["row"] == row.id]) if not math.isnan(c.difference)]
        if not here or row.id == manifest.baseline_row:
            continue
        findings = tuple(finding(cell, baseline) for cell in here)
        counts = {v: sum(f.verdict == v for f in findings) for v in IN_SUMMARY}
        told = _summary(row.title, _against(here[0], baseline), counts, here)
        found.append(Summary(row.title, told, counts, findings))
    return found


def headline(verdicts: Sequence[Verdict], runs: Sequence[Run], compared: Sequence[Summary] = ()) -> str:
    """What was claimed and found, and on which data, in a few sentences: the first thing on the page.

    Args:
        compared: the methods' summaries; the first of them tell what was found where no claim is decided.
    """
    if not verdicts:
        return ""
    counts = [(word, sum(v.status == word for v in verdicts)) for word in (*ORDER, NOT_RUN)]
    told = ", ".join(f"{n} {word}" for word, n in counts if n)
    data = next((v.data for v in verdicts if v.data), "")
    models = ", ".join(sorted({str(run.spec.get("model")) for run in runs}))
    where = f" On {data}{f', model {models}' if models else ''}." if data else ""
    claims = f"{plural(len(verdicts), 'claim')}: {told}"
    if any(v.status != NOT_RUN for v in verdicts):  # the decided claims stand below and tell what they are about
        return f"{claims}.{where}"
    found = " ".join(["Found:", *(each.sentence for each in compared[:TOLD])]) if compared else ""
    return " ".join(
        f"Claimed: {verdicts[0].claim.sentence} {found}{where} {claims}; the first: {verdicts[0].reason}.".split()
    )


def warnings(manifest: Manifest, cells: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """Everything that limits what the numbers mean, most important first."""
    return list(dict.fromkeys(_warnings(manifest, cells, runs)))


def diverged(manifest: Manifest, cells: pd.DataFrame) -> list[str]:
    """What to say of runs that ran away, from the frame of :func:`analysis.curves.diverged`: one sentence, since a
    sweep may have dozens of them."""
    titles = {row.id: row.title for row in manifest.rows}
    sums = cells.groupby("row", sort=False)[["diverged", "n_runs"]].sum()
    told = [f"{titles[str(row)]} ({some} of {plural(total, 'run')})" for row, some, total in sums.itertuples()]
    what = "Diverged runs, whose training loss on the task ended above where it began, are in the means"
    return [f"{what}: {', '.join(told)}."] if told else []


def plural(n: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _summary(title: str, baseline: str, counts: dict[str, int], cells: Sequence[Any]) -> str:
    total = sum(counts.values())
    if total == 1:
        outcome = IN_SUMMARY[max(counts, key=lambda v: counts[v])]
        return f"{title} is {outcome} {baseline} on {cells[0].column_title}."
    parts = [f"{word} on {counts[word]}" for word in IN_SUMMARY if counts[word]]
    return f"{title} against {baseline}: {', '.join(parts)} of {total} comparisons."


def _against(cell: Any, baseline: str) -> str:
    """What the cell's difference is to: combined runs are compared with the runs they combine."""
    return str(cell.against) if cell.against.startswith("the mean") else baseline


def _rows(run: Run) -> str:
    """How many examples a run was trained on."""
    rows = (run.data.get("rows") or {}).get("train", run.spec["max_train_samples"])
    return f"{int(rows):,}"


def _metric_words(cell: Any) -> str:
    known = METRICS.get(cell.metric)
    name = "" if cell.metric == "accuracy" else f" ({known.title if known else cell.metric})"
    return name + (f", {cell.split} split" if cell.split != "dev" else "")


def _warnings(manifest: Manifest, cells: pd.DataFrame, runs: Sequence[Run]) -> Iterable[str]:
    told = any(text.startswith("Generated data") for text in manifest.warnings)
    if not told and any(run.task.get("generated") for run in runs):
        yield (
            "Generated data, demonstration: these numbers say how the methods behave in a made-up world, "
            "nothing about real text."
        )
    yield from manifest.warnings
    for text in dict.fromkeys(str(run.model.get("contaminated") or "") for run in runs):
        if text:
            yield f"Contaminated model: {text}"
    subset = {str(run.spec.get("task")): run for run in runs if run.spec.get("max_train_samples")}
    if subset:
        sizes = ", ".join(f"{task} {_rows(run)}" for task, run in subset.items())
        yield f"Subset data: trained on part of the training set ({sizes})."
    for run in runs:
        for note in run.data.get("notes") or ():
            yield f"{run.task.get('title', run.spec.get('task'))}: {note}"
    present = cells[cells["n_seeds"] > 0]
    few = present[present["n_seeds"] < FEW_SEEDS]
    if len(few):
        least = int(few["n_seeds"].min())
        yield f"Few seeds: {plural(least, 'seed')} in the smallest cell; a claim needs at least {FEW_SEEDS}."
    for title, arm in present[present["collapsed"] > 0].groupby("row_title", sort=False):
        where = ", ".join(f"{c.column_title} ({c.collapsed} of {plural(c.n_seeds, 'run')})" for c in records(arm))
        yield f"Collapsed runs of {title} predict the same for every item, and are in the mean: {where}."
    missing = cells[cells["missing"] > 0]
    if len(missing):
        total = plural(int(missing["missing"].sum()), "run")
        yield f"{total} of {plural(len(missing), 'cell')} missing: shown as missing, not estimated."
    unpaired = present[(present["n_pairs"] > 0) & (present["n_pairs"] < present["n_seeds"])]
    for cell in records(unpaired):
        where = f"{cell.row_title} on {cell.column_title}"
        yield f"{where}: {cell.n_seeds} seeds are shown, {cell.n_pairs} of them have a partner in the baseline."
    if mixed := _on_other_devices(manifest, runs):
        yield (
            f"Pairs made on different devices: {', '.join(mixed)}. There one seed draws other dropout masks, so what "
            "such a pair shares is its examples, their order and the first head."
        )


def _on_other_devices(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """The cells with runs on another kind of device (CPU, CUDA) than their partners in the baseline, in words."""
    if manifest.baseline_row is None:
        return []
    known = {run.key: (int(run.spec["seed"]), run.environment.get("device")) for run in runs}
    told = []
    for column in manifest.distinct():
        base = dict(known[key] for key in manifest.keys(manifest.baseline_row, column) if key in known)
        for row in (row for row in manifest.rows if not row.combine):
            own = dict(known[key] for key in manifest.keys(row.id, column) if key in known)
            count = sum(kind != base.get(seed, kind) for seed, kind in own.items())
            if count:
                told.append(f"{row.title} on {column.title} ({plural(count, 'seed')})")
    return told
