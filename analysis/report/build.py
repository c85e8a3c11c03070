"""Build ``reports/<name>/`` from a results folder: tables, figures and one self-contained page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import claims, curves, figures, schema, tables
from analysis.figures import redrawn
from analysis.figures.drawing import Study
from analysis.report.content import Content, content_of
from analysis.report.facts import FactTable
from analysis.report.grid import cell_runs
from analysis.report.methods_list import method_entries
from analysis.report.mistakes import collapsed_table
from analysis.report.order import question_of
from analysis.report.page.copies import copies
from analysis.report.page.data import page_data
from analysis.report.page.render import render
from analysis.report.power import power_table
from analysis.report.run_list import listed_runs, run_data, write_runs
from analysis.report.set_up import model_table, set_up
from analysis.report.sheets import answer_sheets, sheets
from analysis.report.summary import Summary, write_summary
from analysis.results import Results

if TYPE_CHECKING:
    import pandas as pd

CLAIM_HEADINGS = (
    "claim",
    "verdict",
    "p",
    "Holm's p",
    "corrected over",
    "numbers",
    "rule",
    "where",
    "reading",
    "tasks",
    "data",
    "id",
)


def write_report(
    results: str | Path | Results, name: str, look: str = "paper", methods: Mapping[str, str] | None = None
) -> Path:
    """Write ``results/reports/<name>/``: ``report.html``, ``table.{md,tex,csv}`` and ``figures/*.{png,pdf,svg}``.

    Every number is computed from the stored predictions of the newest manifest of that experiment. Runs are verified
    first; the report leaves damaged ones out and names them, as does ``results.damaged`` of a :class:`Results` value.

    Args:
        results: the results folder.
        name: name of the experiment.
        look: look of the figures' files: "paper", "talk" (larger) or "dark"; the page adapts to its reader's screen.
        methods: registered name of a method -> a sentence on it, for the page's list of its methods; the command line
            takes them from the registry.

    Returns:
        The path of ``report.html``.

    Raises:
        analysis.ResultsError: there is no such experiment, or one of its files cannot be read.
    """
    results = Results.open(results)
    content = content_of(results, name)
    folder = results.root / "reports" / name
    write_tables(content, folder)
    listed = listed_runs(content.manifest, content.cells, content.runs)
    write_runs(listed, folder / "runs.csv")
    write_summary(Summary.of(content.manifest, content.cells, content.verdicts, content.runs, content.card), folder)
    logged = {
        column.id: curves.logged(content.logs, content.manifest, column) for column in content.manifest.distinct()
    }
    panels = _draw(results, content, logged, folder / "figures", look)
    notes = [*content.warnings, *content.remarks]
    data = page_data(content.manifest, content.logs, logged, content.items.examples) | {
        "runs": run_data(listed),
        "cells": cell_runs(content.cells, content.runs),
        "has_folders": all((results.root / "runs" / run.key).is_dir() for run in content.runs),
        "copies": copies(content.manifest, content.cells, notes) if content.manifest.columns else {},
    }
    path = folder / "report.html"
    path.write_text(render(content, panels, data, method_entries(content.manifest, methods or {})), encoding="utf-8")
    return path


def _draw(
    results: Results, content: Content, logged: Mapping[str, pd.DataFrame], folder: Path, look: str
) -> list[dict[str, Any]]:
    """Write the figures, delete those of an earlier grid, and return the page's panels."""
    manifest, cells, logs = content.manifest, content.cells, content.logs
    files: list[Path] = []
    panels: list[dict[str, Any]] = []
    with figures.style():
        drawings = redrawn.drawings(Study(results, manifest, cells, logs))
        for sheet in (
            *answer_sheets(manifest, cells, question_of(content.verdicts)),
            *sheets(manifest, cells, logs, logged, drawings, content.items.mistakes),
        ):
            panels += sheet.on_page()
            files += sheet.save(folder, look)
    for obsolete in set(folder.glob("*.*")) - set(files):
        obsolete.unlink()
    return panels


def write_tables(content: Content, folder: Path) -> None:
    """Write ``table.*``, a file per further table, and ``claims.*``, each as Markdown, LaTeX and CSV; ``runs.csv``."""
    manifest, verdicts = content.manifest, content.verdicts
    if manifest.columns:
        notes = [*content.warnings, *content.remarks]
        tables.write_tables(content.cells, folder, caption=manifest.title, notes=notes)
    for table in content.extra:
        tables.write_plain(table.headings, table.lines, folder / table.name, table.title)
    if verdicts:
        tables.write_plain(CLAIM_HEADINGS, [_claim_line(v) for v in verdicts], folder / "claims", "Claims")
        text = json.dumps([claims.to_json(verdict) for verdict in verdicts], indent=1, ensure_ascii=False)
        (folder / "claims.json").write_text(text + "\n", encoding="utf-8")
    _write_further(_further_tables(content), folder / "tables")


def _claim_line(verdict: claims.Verdict) -> tuple[str, ...]:
    claim, sentence = verdict.claim, claims.in_words(verdict)
    numbers = sentence[len(verdict.words) + 2 :]
    ps = ["" if math.isnan(p) else tables.probability(p) for p in (verdict.p, verdict.holm)]
    details = (
        claim.table,
        schema.READING_WORDS.get(claim.reading, claim.reading),
        ", ".join(claim.tasks),
        verdict.data,
        claim.id,
    )
    rule = "; ".join(claims.rule_in_words(verdict))
    return (claim.sentence, verdict.words, *ps, verdict.family, numbers, rule, *details)


def _further_tables(content: Content) -> Iterator[FactTable]:
    """Yield the tables on the set-up, on detectable differences and on errors."""
    setup = set_up(content.manifest, content.runs)
    if setup is not None:
        yield setup.table()
        yield model_table(content.runs)
    yield power_table(content.cells)
    yield from collapsed_table(content.cells, content.titles)
    yield from (table for item in content.items.mistakes for table in item.tables)


def _write_further(fact_tables: Iterable[FactTable], folder: Path) -> None:
    """Write further tables, a file each, and delete those of an earlier grid."""
    files = {
        file
        for table in fact_tables
        for file in tables.write_plain(table.headings, table.lines, folder / table.name, table.title)
    }
    for obsolete in set(folder.glob("*.*")) - files:
        obsolete.unlink()
