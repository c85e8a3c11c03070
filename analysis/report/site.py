"""The front page of results folders: every report with its verdicts, all claims, and the scores of all methods."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.records import ResultsError
from analysis.report.answer import plural
from analysis.report.page.script import TABLES, script_of
from analysis.report.page.stylesheet import stylesheet
from analysis.report.remedy import duration
from analysis.report.summary import FILE, Summary, read_summary
from analysis.results import Results
from analysis.schema import Manifest

TEMPLATE = Path(__file__).with_name("site.html")


@dataclass(frozen=True)
class Report:
    """A written report: its summary and the link to its page."""

    summary: Summary
    link: str


def write_index(results: str | Path | Results, *others: str | Path | Results) -> Path:
    """Write ``results/reports/index.html``: every report with verdicts and cost, its claims, and a leaderboard.

    It reads the summaries that reports left beside their pages, and no run.

    Args:
        results: the results folder that gets the page.
        others: further results folders whose reports it lists, such as the published runs.

    Returns:
        The path of the page.

    Raises:
        analysis.ResultsError: a manifest cannot be read.
    """
    import jinja2
    from markupsafe import Markup

    folders = [Results.open(folder) for folder in (results, *others)]
    path = folders[0].root / "reports" / "index.html"
    entries, reports = [], []
    for folder in folders:
        for name in folder.experiments():
            report = _report(folder, name, path.parent)
            reports.extend([report] if report else [])
            entries.append(_entry(folder, folder.manifest(name), report))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(plural=plural, duration=duration)
    script, script_hash = script_of(TABLES)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        entries=entries,
        claims=list(_claims(reports)),
        boards=list(_boards(reports)),
        css=stylesheet(),
        script=Markup(script),
        script_hash=script_hash,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _report(results: Results, name: str, place: Path) -> Report | None:
    """Return a written report with its link from ``place``; None where there is none, or an older one."""
    folder = results.root / "reports" / name
    if not (folder / "report.html").is_file():
        return None
    link = quote(Path(os.path.relpath(folder / "report.html", place)).as_posix())
    try:
        return Report(read_summary(folder / FILE), link)
    except ResultsError:
        return None


def _entry(results: Results, manifest: Manifest, report: Report | None) -> dict[str, Any]:
    keys = manifest.all_keys()
    return {
        "name": manifest.name,
        "title": manifest.title,
        "profile": manifest.profile or "own grid",
        "methods": len(manifest.rows),
        "tasks": len({column.task for column in manifest.columns}),
        "seeds": len(manifest.seeds),
        "done": sum(results.is_done(key) for key in keys),
        "runs": len(keys),
        "n_claims": len(manifest.claims),
        "counts": report.summary.counts if report else {},
        "seconds": report.summary.seconds if report else 0.0,
        "report": report.link if report else "",
    }


def _claims(reports: Sequence[Report]) -> Iterator[dict[str, Any]]:
    """Yield every claim of every report, with the link to it."""
    for report in reports:
        for claim in report.summary.claims:
            yield {**claim, "report": report.link, "title": report.summary.title}


def _boards(reports: Sequence[Report]) -> Iterator[dict[str, Any]]:
    """Yield a table of methods and tasks for each set of reports on the same data with the same model."""
    groups: dict[str, list[Report]] = {}
    for report in reports:
        if report.summary.scores:
            groups.setdefault(report.summary.group, []).append(report)
    for group, members in groups.items():
        tasks = list(dict.fromkeys(score["task"] for report in members for score in report.summary.scores))
        lines = [line for report in members for line in _lines(report, tasks)]
        lines.sort(key=lambda line: -max(cell["mean"] for cell in line["cells"] if cell))
        yield {"group": group, "tasks": tasks, "lines": lines}


def _lines(report: Report, tasks: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a line per method of one report."""
    by_row: dict[str, dict[str, Any]] = {}
    for score in report.summary.scores:
        by_row.setdefault(score["row"], {})[score["task"]] = score
    for scores in by_row.values():
        method = next(iter(scores.values()))["method"]
        yield {
            "method": method,
            "cells": [scores.get(task) for task in tasks],
            "seconds": report.summary.method_seconds.get(method),
            "report": report.link,
            "title": report.summary.title,
        }
