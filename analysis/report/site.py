"""The front page of results folders: every report with its verdicts, all claims, and the scores of all methods."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
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


@dataclass(frozen=True)
class _Line:
    """A method of a table of scores, with the experiments that have its runs.

    Attributes:
        method: title of the method.
        scores: the score on each task, by the task's heading.
        reports: the experiments.
    """

    method: str
    scores: Mapping[str, Mapping[str, Any]]
    reports: Sequence[Report]


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
    """Yield a table of methods and tasks for each set of reports on the same data with the same model.

    Reports that share no task have a table each, so that few cells are empty. The task of most methods comes first,
    and the best mean on it.
    """
    groups: dict[str, list[Report]] = {}
    for report in reports:
        if report.summary.cells:
            groups.setdefault(report.summary.group, []).append(report)
    for group, members in groups.items():
        for connected in _connected(members):
            lines: list[_Line] = []
            for line in (line for report in connected for line in _lines(report)):
                _add(lines, line)
            counts = Counter(task for line in lines for task in line.scores)
            tasks = [task for task, _ in counts.most_common()]
            yield {"group": group, "tasks": tasks, "lines": sorted(lines, key=partial(_rank, task=tasks[0]))}


def _rank(line: _Line, task: str) -> float:
    """Return the place of a line by its mean on a task; lines without one come last."""
    return -line.scores[task]["rank"] if task in line.scores else math.inf


def _connected(reports: Sequence[Report]) -> list[list[Report]]:
    """Return the reports in sets: two are in one set if they share a task, or a chain of reports does."""
    sets: list[tuple[set[str], list[Report]]] = []
    for report in reports:
        tasks = {score["task"] for score in report.summary.cells}
        joined = [group for group in sets if group[0] & tasks]
        sets = [group for group in sets if not group[0] & tasks]
        sets.append((tasks.union(*(group[0] for group in joined)), [*chain(*(group[1] for group in joined)), report]))
    return [members for _, members in sets]


def _lines(report: Report) -> Iterator[_Line]:
    """Yield a line per method of one report."""
    by_row: dict[str, dict[str, Any]] = {}
    for score in report.summary.cells:
        by_row.setdefault(score["row"], {})[score["task"]] = score
    for scores in by_row.values():
        yield _Line(next(iter(scores.values()))["method"], scores, [report])


def _add(lines: list[_Line], line: _Line) -> None:
    """Add a line, or its experiment to the line that has the same runs."""
    for number, other in enumerate(lines):
        shared = other.scores.keys() & line.scores.keys()
        if shared and all(_is_same(other.scores[task], line.scores[task]) for task in shared):
            lines[number] = _Line(other.method, {**line.scores, **other.scores}, [*other.reports, *line.reports])
            return
    lines.append(line)


def _is_same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Return True if two scores are of the same runs and beside the same reference."""
    return all(a[name] == b[name] for name in ("runs", "difference", "interval"))
