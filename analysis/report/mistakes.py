"""The page's section on errors: slices, confusion, calibration, collapsed runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import errors
from analysis.calibration import expected_calibration_error, reliability, temperature
from analysis.errors import Outputs
from analysis.report.facts import FactTable
from analysis.results import Results, Run
from analysis.schema import Column, Manifest
from analysis.tables import number

if TYPE_CHECKING:
    import pandas as pd

MATRICES = 6  # methods whose calibration and confusion are shown
WIDEST = 10  # classes: a wider matrix is no table to read


@dataclass(frozen=True)
class Mistakes:
    """One task.

    Attributes:
        tables: slices against the baseline, calibration, and how labels were confused.
        bins: ``row low high n confidence accuracy`` of the reliability diagram, seeds pooled.
        masks: slice -> which items are in it.
        told: which slices there are, in a sentence.
        names: of the labels.
        texts: ``id text_0 [text_1]`` in the items' order, or None.
    """

    task: str
    tables: tuple[FactTable, ...]
    bins: pd.DataFrame
    masks: Mapping[str, np.ndarray]
    told: str
    names: Sequence[str]
    texts: pd.DataFrame | None


def mistakes_of(
    results: Results,
    manifest: Manifest,
    column: Column,
    arms: Mapping[str, Outputs],
    held: Mapping[str, errors.Holdouts],
    run: Run | None,
) -> Mistakes:
    """Everything about one task's errors.

    Args:
        arms, held: per row the outputs on the scored split, and each seed's holdout.
        run: any run on the task, for its label names and fingerprint.
    """
    first, titles = next(iter(arms.values())), {row.id: row.title for row in manifest.rows}
    names = (run.task.get("labels") if run else None) or [str(c) for c in range(first.logits.shape[2])]
    fingerprint = str((run.fingerprints.get("data") or {}).get(f"{column.task}.{column.split}", "")) if run else ""
    told = results.texts(column.task, column.split, fingerprint)
    told = _in_order(told, first.ids) if told is not None else None
    names = names if len(names) == first.logits.shape[2] else [str(c) for c in range(first.logits.shape[2])]
    masks = errors.slices(told, first.labels.tolist(), names)
    base = manifest.baseline_row if manifest.baseline_row in arms else None
    found = [_slices(column, titles, arms, base, masks)] if base is not None and len(arms) > 1 else []
    found.append(_calibration(column, titles, arms, held))
    if len(names) <= WIDEST:
        found += [_confusion(column, titles[row], outputs, names) for row, outputs in list(arms.items())[:MATRICES]]
    words = (
        "Slices by label, length, lexical overlap and negation."
        if told is not None
        else "Slices by label alone: the texts of these items are not in this results folder."
    )
    return Mistakes(
        column.task, tuple(table for table in found if table.lines), bins_of(arms), masks, words, names, told
    )


def bins_of(arms: Mapping[str, Outputs]) -> pd.DataFrame:
    """The reliability diagram's frame: seeds pooled, a row's bins one after another."""
    import pandas as pd

    parts = [
        reliability(np.tile(outputs.labels, len(outputs.seeds)), np.concatenate(list(outputs.logits))).assign(row=row)
        for row, outputs in list(arms.items())[:MATRICES]
    ]
    return pd.concat(parts, ignore_index=True)


def collapsed_table(cells: pd.DataFrame, titles: Mapping[str, str]) -> list[FactTable]:
    """Cells with collapsed runs, and the mean without them; nothing where no run collapsed."""
    lines = tuple(
        (
            titles[c["row"]],
            str(c["column"]),
            f"{c['collapsed']} of {c['n_seeds']}",
            number(c["mean"]),
            number(c["mean_without"]),
        )
        for c in errors.collapsed(cells).to_dict("records")
    )
    headings = ("method", "column", "collapsed runs", "mean", "mean without them")
    return [FactTable("collapsed", "Runs that predict the same for every item", headings, lines)] if lines else []


def _slices(
    column: Column, titles: Mapping[str, str], arms: Mapping[str, Outputs], base: str, masks: Mapping[str, np.ndarray]
) -> FactTable:
    lines = []
    for row, outputs in arms.items():
        common = [seed for seed in outputs.seeds if seed in arms[base].seeds]
        if row == base or not common:
            continue
        a, b = errors.at_seeds(outputs, common), errors.at_seeds(arms[base], common)
        for found in errors.by_slice(a, b, masks).to_dict("records"):
            low, high, ours, theirs = (number(100 * found[name]) for name in ("low", "high", "a", "b"))
            change = number(100 * found["difference"], 1, signed=True)
            name, items = str(found["slice"]), f"{found['n']:,}"
            lines.append((titles[row], name, items, ours, theirs, change, f"{low} to {high}"))
    headings = ("method", "slice", "items", "accuracy (%)", "baseline (%)", "difference", "95 % interval")
    return FactTable(f"slices-{column.task}", f"{column.task}: accuracy by slice", headings, tuple(lines))


def _calibration(
    column: Column, titles: Mapping[str, str], arms: Mapping[str, Outputs], held: Mapping[str, errors.Holdouts]
) -> FactTable:
    lines = []
    for row, outputs in list(arms.items())[:MATRICES]:
        raw = [expected_calibration_error(outputs.labels, run) for run in outputs.logits]
        holdouts = held.get(row, {})
        pairs = [
            (run, holdouts[seed]) for seed, run in zip(outputs.seeds, outputs.logits, strict=True) if seed in holdouts
        ]
        warmth = [temperature(*own) for _, own in pairs]
        scaled = [
            expected_calibration_error(outputs.labels, run / t) for (run, _), t in zip(pairs, warmth, strict=True)
        ]
        lines.append((titles[row], _mean(raw), _mean(scaled), number(float(np.mean(warmth)), 2) if warmth else ""))
    headings = ("method", "ECE (%)", "ECE after temperature scaling (%)", "temperature (fit on the holdout)")
    return FactTable(f"calibration-{column.task}", f"{column.task}: calibration", headings, tuple(lines))


def _confusion(column: Column, title: str, outputs: Outputs, names: list[str]) -> FactTable:
    counts = errors.confusion(outputs)
    lines = tuple((str(name), *(number(n) for n in line)) for name, line in zip(names, counts, strict=True))
    stem = "".join(c if c.isalnum() else "-" for c in f"confusion-{column.task}-{title}").strip("-")
    return FactTable(
        stem, f"{column.task}: {title}, mean over seeds", ("label", *(f"called {n}" for n in names)), lines
    )


def _mean(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {number(100 * float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return number(100 * float(np.mean(values))) + spread


def _in_order(told: pd.DataFrame, ids: np.ndarray) -> pd.DataFrame | None:
    """The texts in the items' order, or None where one is missing."""
    by_id = told.set_index("id")
    return by_id.loc[ids].reset_index() if by_id.index.is_unique and by_id.index.isin(ids).sum() == len(ids) else None
