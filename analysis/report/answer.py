"""Sentences of a report: one per comparison, a line per method, and the warnings that a reader needs first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.claims import (
    BELOW_SIZE,
    CONTRADICTED,
    IN_PART,
    INCONCLUSIVE,
    INERT,
    NO_EFFECT,
    NO_VERDICT,
    NOT_HERE,
    NOT_RUN,
    SUPPORTED,
    Verdict,
    counts_in_words,
)
from analysis.claims.floor import PILOT
from analysis.claims.quantity import quantity_of
from analysis.claims.words import ORDER as ORDER  # a public name of this module
from analysis.comparison import TOO_FEW
from analysis.report.set_up import several_environments
from analysis.results import Run
from analysis.schema import Manifest
from analysis.scores import METRICS
from analysis.strengths import unequal_strengths
from analysis.tables import digits_of, interval, kind_of, number, percent, probability, records, unit_of

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE, SAME, OPEN = "better", "worse", "identical", "inconclusive"
CHIPS = {BETTER: BETTER, WORSE: WORSE, SAME: "none"}
VERDICT_CHIPS = {SUPPORTED: BETTER, CONTRADICTED: WORSE, NO_EFFECT: "none", BELOW_SIZE: "none"}  # others: no colour
# The verdicts on a claim in words, as "How to read this page" lists them and the first screen uses them.
MEANINGS = {
    NOT_RUN: "not decided: too few seeds, or a run is missing",
    NOT_HERE: "this experiment lacks a task or the model that the claim is about, so none of its runs can decide it",
    INERT: "the two methods give (almost) the same answers, at least 99.9 %, so there is nothing to decide",
    NO_VERDICT: "the task is at the floor, or runs give (almost) one answer, so no method can be judged on it",
    IN_PART: "decided without the tasks at the floor, so this is no verdict on the whole claim",
    SUPPORTED: "the 95 % interval of the difference lies beyond 0 on the claimed side",
    CONTRADICTED: "the 95 % interval lies beyond 0 on the other side",
    NO_EFFECT: "the 90 % interval lies inside the bound, the largest difference that counts as irrelevant",
    BELOW_SIZE: "the difference is smaller than the claimed one (below one point), and the interval contains 0",
    INCONCLUSIVE: (
        "the interval contains 0 and is too wide to rule out a difference that matters, or it excludes 0 before Holm's "
        "correction for several comparisons, but not after it"
    ),
}
# The same where the claim is not about a difference: a ratio, a share, a value within a range.
MEANINGS_OF_VALUES = {
    SUPPORTED: "the 95 % interval lies wholly on the claimed side of the claimed value, or in the claimed range",
    CONTRADICTED: "the 95 % interval lies wholly on the other side, or outside the range",
    INCONCLUSIVE: "the interval reaches over the claimed value, or it does not after Holm's correction",
}
AT_FLOOR = (
    PILOT,
    "a task that plain fine-tuning has hardly learnt, so no method is judged on it: one of its runs gives (almost) one "
    "answer, or the lower 95 % end of the share learnt is below a third, where 0 % is the best constant answer and "
    "100 % the score that the paper prints (generated data is in no paper)",
)
COLLAPSE_RULE = (
    "A run has collapsed if fewer than five of its answers differ from its most frequent one (in a regression: if "
    "their standard deviation is below 5 % of the labels'). Collapsed runs stay in every mean, interval and verdict, "
    "and are counted; where one of plain fine-tuning collapsed, its task is at the floor."
)
CEILING_RULE = (
    "The ceiling is the score that the best possible rule has on average over all data sets made like this one; on "
    "these items chance may take its score, and those of all seeds, a little above it."
)
OUTSIDE = {TOO_FEW: "with too few seeds", PILOT: "at the floor", "near-constant": "with nearly constant answers"}
LIMITS = ("Generated data", "Profile ", "warning: ")  # notes of an experiment that limit what its numbers mean
# Name of a corpus in a text on what a model has seen -> tasks made from it.
CORPORA = {
    "SNLI": ("snli", "nli-mixture"),
    "MultiNLI": ("mnli", "mnli-mm", "hans", "nli-mixture"),
    "Quora": ("qqp",),
}
IN_SUMMARY = {BETTER: "better than", WORSE: "worse than", SAME: "identical with", OPEN: "not distinguishable from"}


@dataclass(frozen=True)
class Finding:
    """A comparison with the baseline: the verdict word and the sentence with its numbers."""

    row: str
    column: str
    verdict: str
    sentence: str

    @property
    def chip(self) -> str:
        """Colour class of the verdict on the page."""
        return CHIPS.get(self.verdict, OPEN)


@dataclass(frozen=True)
class Summary:
    """A method against the baseline over all columns."""

    title: str
    sentence: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]


def verdict(cell: Any) -> str:
    """Return the verdict word of a cell.

    It is "better", "worse" or "inconclusive", depending on whether the interval excludes 0 and on which side;
    "identical" where the interval is exactly 0; or the reason why nothing is decided (too few seeds, inert, a task at
    the floor, nearly constant answers).
    """
    if cell.undecided:
        return kind_of(cell.undecided)
    scoring = METRICS.get(cell.metric)
    sign = 1 if scoring is None or scoring.greater_is_better else -1
    if min(cell.low, cell.high) > 0:
        return BETTER if sign > 0 else WORSE
    if max(cell.low, cell.high) < 0:
        return WORSE if sign > 0 else BETTER
    return SAME if cell.low == cell.high == 0 else OPEN


def chip(cell: Any) -> str:
    """Return the colour class of a cell's difference on the page."""
    return CHIPS.get(verdict(cell), OPEN)


def finding(cell: Any, baseline: str) -> Finding:
    """Return the sentence of a cell that has a difference."""
    digits = digits_of(cell.metric)
    unit = unit_of(cell.metric)
    size = number(abs(cell.difference), digits)
    place = f"on {cell.column_title}{_metric_words(cell)}"
    baseline = _against(cell, baseline)
    relation = f"{size} {unit} {'above' if cell.difference > 0 else 'below'}" if float(size) else "level with"
    p = f"p {'' if cell.p < 0.001 else '= '}{probability(cell.p)}"
    basis = (
        f"{percent(cell.level)} interval {interval(cell)}; {p}; {plural(cell.n_pairs, 'seed')} × {cell.n_items:,} items"
    )
    word = verdict(cell)
    if cell.low == cell.high == 0:
        relation = "scored on every item as"
    if cell.undecided:
        word = f"no verdict, {cell.undecided}"
    return Finding(
        cell.row,
        cell.column,
        verdict(cell),
        f"{cell.row_title} is {relation} {baseline} {place} ({basis}): {word}.",
    )


def summaries(manifest: Manifest, cells: pd.DataFrame) -> list[Summary]:
    """Return a line per method other than the baseline, with its findings."""
    if manifest.baseline_row is None:
        return []
    baseline = manifest.row(manifest.baseline_row).title
    lines = []
    for row in manifest.rows:
        row_cells = [c for c in records(cells[cells["row"] == row.id]) if not math.isnan(c.difference)]
        if not row_cells or row.id == manifest.baseline_row:
            continue
        findings = tuple(finding(cell, baseline) for cell in row_cells)
        words = [*IN_SUMMARY, *(f.verdict for f in findings if f.verdict not in IN_SUMMARY)]
        counts = {word: sum(f.verdict == word for f in findings) for word in words}
        sentence = _summary(row.title, _against(row_cells[0], baseline), counts, row_cells)
        lines.append(Summary(row.title, sentence, counts, findings))
    return lines


def headline(verdicts: Sequence[Verdict], runs: Sequence[Run]) -> str:
    """Return how many claims have which verdict, with the data and model that they were decided on; "" without claims.

    Args:
        verdicts: the verdicts on the experiment's claims.
        runs: the finished runs.
    """
    if not verdicts:
        return ""
    data = next((v.data for v in verdicts if v.data), "")
    models = ", ".join(sorted({str(run.spec.get("model")) for run in runs}))
    basis = f" On {data}{f', model {models}' if models else ''}." if data else ""
    return f"{plural(len(verdicts), 'claim')}: {counts_in_words(verdicts)}.{basis}"


def chip_of(verdict: Verdict) -> str:
    """Return the colour class of a verdict on the page."""
    return VERDICT_CHIPS.get(verdict.counted_as, OPEN)


def sentence_of(*texts: str) -> str:
    """Return texts as sentences: each begins with a capital letter and ends with a full stop."""
    return " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in texts)


def warnings(manifest: Manifest, cells: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """Return everything that limits the meaning of the numbers, most important first."""
    return list(dict.fromkeys(_warnings(manifest, cells, runs)))


def remarks(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """Return facts about the experiment and its data that limit nothing: how it differs from a paper, which files."""
    return list(dict.fromkeys(_remarks(manifest, runs)))


def words_of(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Return the words that these verdicts use, each with its meaning."""
    words = list[tuple[str, str]]()
    for verdict in verdicts:
        meanings = MEANINGS if quantity_of(verdict.claim).is_difference else MEANINGS | MEANINGS_OF_VALUES
        if verdict.category in meanings and verdict.category not in dict(words):
            words.append((verdict.category, meanings[verdict.category]))
    is_floor = any(PILOT in reason for v in verdicts for reason in (v.reason, *v.excluded.values()))
    return [*words, AT_FLOOR] if is_floor else words


def diverged(manifest: Manifest, cells: pd.DataFrame) -> list[str]:
    """Return a warning about diverged runs, from the frame of :func:`analysis.curves.diverged`.

    It is a single sentence, because a sweep may have dozens of such runs.
    """
    titles = {row.id: row.title for row in manifest.rows}
    places = {column.id: column.title or column.task for column in manifest.columns}
    entries = []
    for row, arm in cells.groupby("row", sort=False):
        on = [f"{places[c.column]} ({c.diverged} of {plural(c.n_runs, 'run')})" for c in records(arm)]
        entries.append(f"{titles[str(row)]} on {' and '.join(on)}")
    subject = (
        "Diverged runs, whose training loss on the task ended above where it began (by over 3 standard errors), are in "
        "the means"
    )
    return [f"{subject}: {', '.join(entries)}."] if entries else []


def plural(n: int, noun: str) -> str:
    """Return a number with its noun: ``1 seed``, ``3 seeds``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _summary(title: str, baseline: str, counts: dict[str, int], cells: Sequence[Any]) -> str:
    """Return the counts of decided comparisons in words, followed by those that are not counted."""
    decided = {word: counts[word] for word in IN_SUMMARY if counts[word]}
    outside = ", ".join(
        f"{count} {OUTSIDE.get(word, word)}" for word, count in counts.items() if word not in IN_SUMMARY
    )
    total = sum(decided.values())
    if total == 1 and not outside:
        return f"{title} is {IN_SUMMARY[next(iter(decided))]} {baseline} on {cells[0].column_title}."
    parts = ", ".join(f"{IN_SUMMARY[word].rpartition(' ')[0]} on {count}" for word, count in decided.items())
    summary = f"{parts} of {plural(total, 'comparison')}" if total else "no comparison can be decided"
    return f"{title} against {baseline}: {summary}{f' (not counted: {outside})' if outside else ''}."


def _against(cell: Any, baseline: str) -> str:
    """Return the reference of the cell's difference; combined runs are compared with the runs they combine."""
    return str(cell.against) if cell.against.startswith("the mean") else baseline


def _rows(run: Run) -> str:
    """Return the number of examples a run was trained on."""
    rows = (run.data.get("rows") or {}).get("train", run.spec["max_train_samples"])
    return f"{int(rows):,}"


def _metric_words(cell: Any) -> str:
    scoring = METRICS.get(cell.metric)
    name = "" if cell.metric == "accuracy" else f" ({scoring.title if scoring else cell.metric})"
    return name + (f", {cell.split} split" if cell.split != "dev" else "")


def _warnings(manifest: Manifest, cells: pd.DataFrame, runs: Sequence[Run]) -> Iterable[str]:
    is_announced = any(text.startswith("Generated data") for text in manifest.warnings)
    if not is_announced and any(run.task.get("generated") for run in runs):
        yield (
            "Generated data, demonstration: these numbers say how the methods behave in a made-up world, "
            "nothing about real text."
        )
    yield from (text for text in manifest.warnings if text.startswith(LIMITS))
    yield from _seen_before(runs)
    subset = {str(run.spec.get("task")): run for run in runs if run.spec.get("max_train_samples")}
    if subset:
        sizes = ", ".join(f"{run.task.get('title', task)} {_rows(run)}" for task, run in subset.items())
        yield f"Subset data: trained on part of the training set ({sizes})."
    present = cells[cells["n_seeds"] > 0]
    few = [cell for cell in records(present) if kind_of(cell.undecided) == TOO_FEW]
    if few:
        fewest = min(few, key=lambda cell: cell.n_pairs)
        counted = fewest.undecided.removeprefix(f"{TOO_FEW}: ")
        yield f"Too few seeds in {plural(len(few), 'comparison')} (at least {counted}): nothing is decided there."
    for floor, column in present[present["floor"] != ""].groupby("floor", sort=False):
        names = ", ".join(dict.fromkeys(column["column_title"]))
        yield f"{names}: {floor}. No method is judged on it, so it has no mark; its numbers are a description."
    for title, arm in present[present["collapsed"] > 0].groupby("row_title", sort=False):
        counts = (f"{c.column_title} ({c.collapsed} of {plural(c.n_seeds, 'run')})" for c in records(arm))
        places = ", ".join(dict.fromkeys(counts))  # a task once: its metrics are columns of the same runs
        yield f"Collapsed runs of {title} give (almost) one answer to all items, and are in the mean: {places}."
    missing = cells[cells["missing"] > 0]
    if len(missing):
        total = plural(int(missing["missing"].sum()), "run")
        yield f"{total} of {plural(len(missing), 'cell')} missing: shown as missing, not estimated."
    unpaired = present[(present["n_pairs"] > 0) & (present["n_pairs"] < present["n_seeds"])]
    for cell in records(unpaired):
        places = f"{cell.row_title} on {cell.column_title}"
        yield f"{places}: {cell.n_seeds} seeds, of which {cell.n_pairs} are paired with a run of the baseline."
    yield from several_environments(manifest, runs)
    if mixed := _on_other_devices(manifest, runs):
        yield (
            f"Pairs made on different devices: {', '.join(mixed)}. The same seed gives other dropout masks on another "
            "device, so such a pair shares only its examples, their order and the initial head."
        )


def _seen_before(runs: Sequence[Run]) -> Iterable[str]:
    """Yield a warning for each text on what a model has seen, where the runs are on tasks from that data."""
    titles: dict[str, dict[str, str]] = {}
    for run in runs:
        text, task = str(run.model.get("contaminated") or ""), str(run.spec.get("task"))
        named = {own for corpus, tasks in CORPORA.items() if corpus in text for own in tasks}
        if text and (task in named or not named):
            titles.setdefault(text, {})[task] = str(run.task.get("title", task))
    for text, tasks in titles.items():
        yield f"Seen before: {text}; scores on such data ({', '.join(tasks.values())}) are too high."


def _remarks(manifest: Manifest, runs: Sequence[Run]) -> Iterable[str]:
    yield from (text for text in manifest.warnings if not text.startswith(LIMITS))
    configs = [(run.spec.get("method"), run.spec.get("method_config") or {}) for run in runs]
    note = unequal_strengths(
        (config["alpha"] for name, config in configs if name == "r-drop" and "alpha" in config),
        (config["lambda_s"] for _, config in configs if config.get("lambda_s")),
    )
    if note:  # manifests of older versions lack it
        yield note
    for run in runs:
        for note in run.data.get("notes") or ():
            yield f"{run.task.get('title', run.spec.get('task'))}: {note}"


def _on_other_devices(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """Return the cells with runs on another kind of device (CPU, CUDA) than their baseline runs, in words."""
    if manifest.baseline_row is None:
        return []
    devices_by_key = {run.key: (int(run.spec["seed"]), run.environment.get("device")) for run in runs}
    entries = []
    for column in manifest.distinct():
        base = dict(
            devices_by_key[key] for key in manifest.keys(manifest.baseline_row, column) if key in devices_by_key
        )
        for row in (row for row in manifest.rows if not row.combine):
            devices = dict(devices_by_key[key] for key in manifest.keys(row.id, column) if key in devices_by_key)
            count = sum(kind != base.get(seed, kind) for seed, kind in devices.items())
            if count:
                entries.append(f"{row.title} on {column.title} ({plural(count, 'seed')})")
    return entries
