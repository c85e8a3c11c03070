"""Sections of a report on single items: examples to browse, annotators' agreement, and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.report.agreement import Agreement, agreement_of, read_arms, read_held
from analysis.report.mistakes import Mistakes, mistakes_of
from analysis.report.page.data import examples_of
from analysis.report.sheets import CROWDED
from analysis.results import Results, Run
from analysis.schema import Column, Manifest
from analysis.scores import METRICS


@dataclass(frozen=True)
class Items:
    """Sections of the report on items, per classification task: examples to browse, agreement, and mistakes.

    ``note`` says which methods they cover, where they do not cover all.
    """

    examples: dict[str, Any]
    agreements: list[Agreement]
    mistakes: list[Mistakes]
    note: str = ""


def by_item(results: Results, manifest: Manifest, runs: Sequence[Run]) -> Items:
    """Return, per classification task, the items methods differ on, their agreement (with votes), and the mistakes.

    These cover the baseline and the first other methods, at most :data:`CROWDED` together, as more cannot be compared
    side by side.
    """
    rows = sorted(manifest.rows, key=lambda row: row.id != manifest.baseline_row)[:CROWDED]
    items = Items({}, [], [], _covered(len(manifest.rows)))
    by_key = {run.key: run for run in runs}
    for column in _one_per_task(manifest.columns):
        if column.metric in METRICS and METRICS[column.metric].is_regression:
            continue
        arms = read_arms(results, manifest, column, column.split, rows)
        if not arms or next(iter(arms.values())).logits.shape[2] < 2:
            continue
        holdouts = read_held(results, manifest, column, arms)
        run = next((by_key[key] for row in arms for key in manifest.keys(row, column) if key in by_key), None)
        mistakes = mistakes_of(results, manifest, column, arms, holdouts, run)
        items.mistakes.append(mistakes)
        if len(arms) > 1:
            items.examples[column.task] = examples_of(arms, mistakes)
        agreement = agreement_of(results, manifest, column, arms)
        items.agreements.extend([agreement] if agreement else [])
    return items


def _covered(n_methods: int) -> str:
    """Return which methods the sections on items cover; "" where they cover all."""
    if n_methods <= CROWDED:
        return ""
    return (
        f"This section has the first {CROWDED} of {n_methods} methods, the baseline and those that follow it in the "
        "table, as more cannot be compared side by side. The predictions of the others are with their runs."
    )


def _one_per_task(columns: Sequence[Column]) -> list[Column]:
    """Return each task's first column: curves belong to runs, whatever the metric."""
    return list({c.task: c for c in reversed(columns)}.values())[::-1]
