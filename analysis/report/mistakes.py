"""The report's section on errors: slices, confusion, calibration, collapsed runs."""

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
from analysis.tables import heading, number, records

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 10  # classes: a larger confusion matrix is not readable


@dataclass(frozen=True)
class Mistakes:
    """Errors on one task.

    Attributes:
        task: name of the task.
        tables: slices against the baseline, calibration, and confusion of labels.
        bins: ``row low high n confidence accuracy`` of the reliability diagram, seeds pooled.
        masks: slice -> ``(items,)`` booleans.
        slice_note: sentence on which slices there are.
        names: names of the labels.
        texts: ``id text_0 [text_1]`` in the items' order, or None.
        confusions: mean counts over seeds, a row per label and a column per answer, by row of the table; empty where
            there are too many classes.
    """

    task: str
    tables: tuple[FactTable, ...]
    bins: pd.DataFrame
    masks: Mapping[str, np.ndarray]
    slice_note: str
    names: Sequence[str]
    texts: pd.DataFrame | None
    confusions: Mapping[str, pd.DataFrame]


def mistakes_of(
    results: Results,
    manifest: Manifest,
    column: Column,
    arms: Mapping[str, Outputs],
    holdouts: Mapping[str, errors.Holdouts],
    run: Run | None,
) -> Mistakes:
    """Return the errors on one task.

    Args:
        results: the results folder.
        manifest: the experiment.
        column: a column of the task.
        arms: outputs on the scored split, by row.
        holdouts: holdout of each seed, by row.
        run: any run on the task, for its label names and fingerprint.
    """
    first, titles = next(iter(arms.values())), {row.id: row.title for row in manifest.rows}
    names = (run.task.get("labels") if run else None) or [str(c) for c in range(first.logits.shape[2])]
    fingerprint = str((run.fingerprints.get("data") or {}).get(f"{column.task}.{column.split}", "")) if run else ""
    texts = results.texts(column.task, column.split, fingerprint)
    texts = _in_order(texts, first.ids) if texts is not None else None
    names = names if len(names) == first.logits.shape[2] else [str(c) for c in range(first.logits.shape[2])]
    masks = errors.slices(texts, first.labels.tolist(), names)
    base = manifest.baseline_row if manifest.baseline_row in arms else None
    sections = [_slices(column, titles, arms, base, masks)] if base is not None and len(arms) > 1 else []
    sections.append(_calibration(column, titles, arms, holdouts))
    confusions = confusions_of(arms, names) if len(names) <= WIDEST else {}
    sections += [_confusion(column, titles[row], counts) for row, counts in confusions.items()]
    slice_note = (
        "Slices by label, length, lexical overlap and negation."
        if texts is not None
        else "Slices by label only: the texts of these items are not in this results folder."
    )
    return Mistakes(
        column.task,
        tuple(table for table in sections if table.lines),
        bins_of(arms),
        masks,
        slice_note,
        names,
        texts,
        confusions,
    )


def bins_of(arms: Mapping[str, Outputs]) -> pd.DataFrame:
    """Return the frame of the reliability diagram: seeds pooled, the bins of each row one after another."""
    import pandas as pd

    parts = [
        reliability(np.tile(outputs.labels, len(outputs.seeds)), np.concatenate(list(outputs.logits))).assign(row=row)
        for row, outputs in arms.items()
    ]
    return pd.concat(parts, ignore_index=True)


def collapsed_table(cells: pd.DataFrame, titles: Mapping[str, str]) -> list[FactTable]:
    """Return the cells with collapsed runs and the mean without them; empty where no run collapsed."""
    names = {cell.column: heading(cell) for cell in records(cells)}
    lines = tuple(
        (
            titles[c["row"]],
            names[c["column"]],
            f"{c['collapsed']} of {c['n_seeds']}",
            number(c["mean"]),
            number(c["mean_without"]),
        )
        for c in errors.collapsed(cells).to_dict("records")
    )
    headings = ("method", "column", "collapsed runs", "mean", "mean without them")
    return [FactTable("collapsed", "Collapsed runs", headings, lines)] if lines else []


def _slices(
    column: Column, titles: Mapping[str, str], arms: Mapping[str, Outputs], base: str, masks: Mapping[str, np.ndarray]
) -> FactTable:
    lines = []
    for row, outputs in arms.items():
        common = [seed for seed in outputs.seeds if seed in arms[base].seeds]
        if row == base or not common:
            continue
        a, b = errors.at_seeds(outputs, common), errors.at_seeds(arms[base], common)
        for line in errors.by_slice(a, b, masks).to_dict("records"):
            low, high, accuracy_a, accuracy_b = (number(100 * line[name]) for name in ("low", "high", "a", "b"))
            change = number(100 * line["difference"], 1, signed=True)
            name, items = str(line["slice"]), f"{line['n']:,}"
            lines.append((titles[row], name, items, accuracy_a, accuracy_b, change, f"{low} to {high}"))
    headings = ("method", "slice", "items", "accuracy (%)", "baseline (%)", "difference", "95 % interval")
    return FactTable(f"slices-{column.task}", f"{column.task}: accuracy by slice", headings, tuple(lines))


def _calibration(
    column: Column, titles: Mapping[str, str], arms: Mapping[str, Outputs], holdouts: Mapping[str, errors.Holdouts]
) -> FactTable:
    lines = []
    for row, outputs in arms.items():
        raw = [expected_calibration_error(outputs.labels, run) for run in outputs.logits]
        by_seed = holdouts.get(row, {})
        pairs = [
            (run, by_seed[seed]) for seed, run in zip(outputs.seeds, outputs.logits, strict=True) if seed in by_seed
        ]
        temperatures = [temperature(*holdout) for _, holdout in pairs]
        scaled = [
            expected_calibration_error(outputs.labels, run / t) for (run, _), t in zip(pairs, temperatures, strict=True)
        ]
        lines.append(
            (titles[row], _mean(raw), _mean(scaled), number(float(np.mean(temperatures)), 2) if temperatures else "")
        )
    headings = ("method", "ECE (%)", "ECE after temperature scaling (%)", "temperature (fit on the holdout)")
    return FactTable(f"calibration-{column.task}", f"{column.task}: calibration", headings, tuple(lines))


def confusions_of(arms: Mapping[str, Outputs], names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the mean counts over seeds of each label's answers, by row."""
    import pandas as pd

    return {
        row: pd.DataFrame(errors.confusion(outputs), index=list(names), columns=list(names))
        for row, outputs in arms.items()
    }


def _confusion(column: Column, title: str, counts: pd.DataFrame) -> FactTable:
    lines = tuple((str(name), *(number(n) for n in line)) for name, line in zip(counts, counts.to_numpy(), strict=True))
    stem = "".join(c if c.isalnum() else "-" for c in f"confusion-{column.task}-{title}").strip("-")
    return FactTable(
        stem, f"{column.task}: {title}, mean over seeds", ("label", *(f"called {n}" for n in counts)), lines
    )


def _mean(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {number(100 * float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return number(100 * float(np.mean(values))) + spread


def _in_order(texts: pd.DataFrame, ids: np.ndarray) -> pd.DataFrame | None:
    """Return the texts in the items' order, or None where one is missing."""
    by_id = texts.set_index("id")
    return by_id.loc[ids].reset_index() if by_id.index.is_unique and by_id.index.isin(ids).sum() == len(ids) else None
