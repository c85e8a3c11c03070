"""Build ``reports/<name>/`` from a results folder: tables, figures and one self-contained page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import claims, curves, figures, tables
from analysis.comparison import compare
from analysis.figures import redrawn
from analysis.figures.drawing import Study
from analysis.parts import is_part
from analysis.report import answer
from analysis.report.ablation import part_answers
from analysis.report.agreement import Agreement, agreement_of, read_arms, read_held
from analysis.report.card import Card, card_of, drawn_methods, found, titles_of
from analysis.report.copies import copies
from analysis.report.data import examples_of, page_data, to_script
from analysis.report.facts import FactTable, fact_tables
from analysis.report.grid import cell_runs, grid_of
from analysis.report.methods_list import MethodEntry, method_entries
from analysis.report.mistakes import Mistakes, collapsed_table, mistakes_of
from analysis.report.order import decided_first, deciding_tasks_first, question_of
from analysis.report.own_data import MEANINGS as OWN_MEANINGS
from analysis.report.own_data import own_answers
from analysis.report.power import power_table
from analysis.report.run_list import NUMBERS, listed_runs, run_data, write_runs
from analysis.report.script import PAGE, TABLES, script_of
from analysis.report.set_up import environment_table, environments, model_table, set_up
from analysis.report.sheets import CONFUSED, CROWDED, EpochLayout, answer_sheets, epoch_layout, sheets
from analysis.report.stylesheet import stylesheet
from analysis.report.summary import Summary, write_summary
from analysis.report.unpublished import without_published
from analysis.results import Results, Run
from analysis.schema import Column, Manifest
from analysis.scores import METRICS

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template
    from markupsafe import Markup

FOLDER = Path(__file__).parent
SHOWN = 5  # scores listed by name that contradict their predictions; in a mixed-up folder all of them do
_PAPER = "Hollow diamonds: the paper's points, on the paper's own data and model."
_SEEDS = "Line: mean over seeds. Band: smallest to largest seed."
READING = {
    "sweep": f"{_SEEDS} {_PAPER}",
    "agreement": f"Mark: mean over seeds. Line: smallest to largest seed. {_PAPER}",
    "selection": "Mark: mean over seeds. Line: smallest to largest seed.",
    "box": "Box: quartiles over seeds. Whiskers: to the farthest seed. Dot: one seed. Hollow: the paper's.",
    "boundary": "Colour: the probability of class 1. Line: the boundary. Cross: a training point with a wrong label.",
    "tuning": "Expected score of the best of N trials: longer tuning alone makes a method look better.",
    "mechanism": _SEEDS,
    "radius": f"{_SEEDS} Dotted: the paper's radius of 1e-5. Level line: the baseline.",
    "levels": f"{_SEEDS} Holdout, dev and test keep their labels.",
}
READING_OF_EPOCHS = {
    EpochLayout.TOGETHER: _SEEDS,
    EpochLayout.APART: f"{_SEEDS} A panel for each method; the means of the others are grey.",
    EpochLayout.MEANS: "Line: mean over seeds; bands are left out, as those of so many methods would hide one another.",
}
STUDIES = ("radius", "levels")  # layouts of the project's own: no paper draws them


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
    manifest = results.manifest(name)
    damage = results.leave_out_damaged(manifest.all_keys())
    runs = results.finished(manifest)
    cells = compare(results, manifest)
    verdicts: list[claims.Verdict] = claims.decide_all(results, manifest)
    own = own_answers(results, manifest, cells, runs)
    if manifest.is_generated or any(run.task.get("generated") for run in runs):
        manifest, cells, verdicts = without_published(manifest, cells, verdicts)
    manifest, cells = deciding_tasks_first(manifest, cells)
    logs = curves.read_logs(results, manifest)
    divergence = answer.diverged(manifest, curves.diverged(logs, manifest))
    notes = answer.warnings(manifest, cells, runs) + divergence + disagreements(cells, runs) + damage_notes(damage)
    remarks = answer.remarks(manifest, runs)
    folder = results.root / "reports" / name
    extra = fact_tables(results, manifest)
    items = by_item(results, manifest, runs)
    write_all_tables(manifest, cells, extra, verdicts, folder, notes + remarks)
    write_further(_further_tables(manifest, runs, cells, items), folder / "tables")
    listed = listed_runs(manifest, cells, runs)
    write_runs(listed, folder / "runs.csv")
    card = replace(card_of(results, manifest, cells, verdicts, runs, own), parts=part_answers(results, manifest, logs))
    write_summary(Summary.of(manifest, cells, verdicts, runs, card), folder)
    logged = {column.id: curves.logged(logs, manifest, column) for column in manifest.distinct()}
    files: list[Path] = []
    panels: list[dict[str, Any]] = []
    with figures.style():
        drawings = redrawn.drawings(Study(results, manifest, cells, logs))
        for sheet in (
            *answer_sheets(manifest, cells, question_of(verdicts)),
            *sheets(manifest, cells, logs, logged, drawings, items.mistakes),
        ):
            panels += sheet.on_page()
            files += sheet.save(folder / "figures", look)
    for obsolete in set((folder / "figures").glob("*.*")) - set(files):
        obsolete.unlink()  # a figure of an earlier grid, which the page no longer shows
    data = page_data(manifest, logs, logged, items.examples) | {
        "runs": run_data(listed),
        "cells": cell_runs(cells, runs),
        "has_folders": all((results.root / "runs" / run.key).is_dir() for run in runs),
        "copies": copies(manifest, cells, notes + remarks) if manifest.columns else {},
    }
    listed_methods = method_entries(manifest, methods or {})
    page = render(manifest, cells, verdicts, runs, (notes, remarks), panels, items, extra, data, card, listed_methods)
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _further_tables(manifest: Manifest, runs: Sequence[Run], cells: pd.DataFrame, items: Items) -> Iterator[FactTable]:
    """Yield the tables on the set-up, on detectable differences and on errors."""
    setup = set_up(manifest, runs)
    if setup is not None:
        yield setup.table()
        yield model_table(runs)
    yield power_table(cells)
    yield from collapsed_table(cells, {row.id: row.title for row in manifest.rows})
    yield from (table for item in items.mistakes for table in item.tables)


def render(
    manifest: Manifest,
    cells: pd.DataFrame,
    verdicts: Sequence[claims.Verdict],
    runs: Sequence[Run],
    texts: tuple[Sequence[str], Sequence[str]],
    panels: Sequence[dict[str, Any]],
    items: Items,
    extra: Sequence[FactTable],
    data: dict[str, Any],
    card: Card,
    methods: Sequence[MethodEntry],
) -> str:
    """Return the page as text.

    Everything in it is escaped, except the SVG drawn by :mod:`analysis.figures` and the page's own style and script.
    ``texts`` are the warnings and the remarks.
    """
    summaries = answer.summaries(manifest, cells)
    titles = {row.id: row.title for row in manifest.rows}
    content = {
        "manifest": manifest,
        "runs": runs,
        "card": card,
        "methods": methods,
        "summaries": summaries,
        "notes": texts[0],
        "remarks": texts[1],
        "setup": set_up(manifest, runs),
        "has_ceiling": any(column.ceiling is not None for column in manifest.columns),
        "environment_table": environment_table(runs),
        "model_table": model_table(runs),
        "meanings": [*OWN_MEANINGS.items()] if card.is_own else [*answer.MEANINGS.items(), answer.AT_FLOOR],
        "grid": grid_of(manifest, cells) if manifest.columns else None,
        "panels": panels,
        "looks": figures.looks(titles),
        "long_table": _long_table(cells),
        "environments": environments(runs),
        "sources": data_sources(runs),
        "verdicts": decided_first(verdicts),
        "quantifiers": answer.sentence_of(*dict.fromkeys(filter(None, map(claims.quantifier_in_words, verdicts)))),
        "titles": titles,
        "names": titles_of(manifest),
        "headline": answer.headline(verdicts, runs),
        "agreements": items.agreements,
        "mistakes": items.mistakes,
        "covered": items.note,
        "drawn_confusions": CONFUSED,
        "most_curves": CROWDED,
        "drawn_methods": drawn_methods(manifest, verdicts),
        "power": power_table(cells),
        "collapsed": collapsed_table(cells, titles),
        "extra": extra,
        "is_study": manifest.layout in STUDIES,
        "reading_of_figure": _reading_of_figure(manifest),
        "reading_of_epochs": READING_OF_EPOCHS[epoch_layout(manifest)],
        "data": data,
        "facts": facts(manifest, runs),
    }
    return _page().render(**content, **_assets(data))


def _long_table(cells: pd.DataFrame) -> FactTable:
    """Return the table with a line per task and method, without columns that are empty in every line."""
    lines = tuple(map(tuple, tables.lines(cells)))
    return FactTable("long", "All numbers", tuple(tables.HEADINGS), lines).without_empty()


def _reading_of_figure(manifest: Manifest) -> str:
    """Return the explanation of the experiment's figure, without the paper's points if there are none."""
    text = READING.get(manifest.layout, READING["sweep"])
    return text if manifest.published or manifest.points else text.replace(f" {_PAPER}", "")


def _page() -> Template:
    """Return the page's template with the functions it calls to format values."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        number=tables.number,
        plural=answer.plural,
        code=code,
        first_upper=lambda text: text[:1].upper() + text[1:],
    )
    environment.globals.update(
        claim_words=claims.in_words,
        not_decidable=claims.not_decidable,
        chip_of=answer.chip_of,
        found=found,
        rule_in_words=claims.rule_in_words,
        numbers_of_runs=NUMBERS,
        colour_names=figures.variables(),
        marker_path=figures.marker_path,
        collapse_rule=answer.COLLAPSE_RULE,
        ceiling_rule=answer.CEILING_RULE,
    )
    return environment.get_template("page.html")


def _assets(data: dict[str, Any]) -> dict[str, Any]:
    """Return the page's style, script and data, with the hash that lets a browser run this script only."""
    from markupsafe import Markup

    script, script_hash = script_of(TABLES, PAGE)
    return {
        "data_json": Markup(to_script(data)),
        "script": Markup(script),
        "script_hash": script_hash,
        "css": stylesheet(),
    }


def code(text: str) -> Markup:
    """Return a text with its `quoted` parts as code; everything is escaped."""
    from markupsafe import Markup, escape

    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a quote that is not closed
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


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


def write_all_tables(
    manifest: Manifest,
    cells: pd.DataFrame,
    extra: Sequence[FactTable],
    verdicts: Sequence[claims.Verdict],
    folder: Path,
    notes: list[str],
) -> None:
    """Write ``table.*``, a file per further table, and ``claims.*``, each as Markdown, LaTeX and CSV."""
    if manifest.columns:
        tables.write_tables(cells, folder, caption=manifest.title, notes=notes)
    for table in extra:
        tables.write_plain(table.headings, table.lines, folder / table.name, table.title)
    if verdicts:
        tables.write_plain(CLAIM_HEADINGS, [_claim_line(v) for v in verdicts], folder / "claims", "Claims")
        text = json.dumps([claims.to_json(verdict) for verdict in verdicts], indent=1, ensure_ascii=False)
        (folder / "claims.json").write_text(text + "\n", encoding="utf-8")


def write_further(fact_tables: Iterable[FactTable], folder: Path) -> None:
    """Write further tables, a file each, and delete those of an earlier grid."""
    files = {
        file
        for table in fact_tables
        for file in tables.write_plain(table.headings, table.lines, folder / table.name, table.title)
    }
    for obsolete in set(folder.glob("*.*")) - files:
        obsolete.unlink()


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


def _claim_line(verdict: claims.Verdict) -> tuple[str, ...]:
    claim, sentence = verdict.claim, claims.in_words(verdict)
    numbers = sentence[len(verdict.words) + 2 :]
    ps = ["" if math.isnan(p) else tables.probability(p) for p in (verdict.p, verdict.holm)]
    details = (claim.table, claim.reading, ", ".join(claim.tasks), verdict.data, claim.id)
    rule = "; ".join(claims.rule_in_words(verdict))
    return (claim.sentence, verdict.words, *ps, verdict.family, numbers, rule, *details)


def disagreements(cells: pd.DataFrame, runs: Sequence[Run], tolerance: float = 1e-6) -> list[str]:
    """Return runs whose stored score differs from that of their predictions: the folder was edited or mixed up."""
    stored = {run.key: run.result.get("scores", {}) for run in runs}
    sentences = []
    for cell in tables.records(cells):
        scale = METRICS[cell.metric].scale if cell.metric in METRICS else 100.0
        for key, value in zip(cell.keys, cell.scores, strict=True):
            stored_score = stored.get(key, {}).get(cell.task, {}).get(cell.split, {}).get(cell.metric)
            if stored_score is not None and abs(stored_score - value / scale) > tolerance:
                sentences.append(
                    f"Run {key[:12]}: result.json says {cell.metric} {stored_score:.6f} on {cell.task}.{cell.split}, "
                    f"its predictions give {value / scale:.6f}; the report uses the latter."
                )
    more = len(sentences) - SHOWN
    return (
        sentences if more <= 0 else [*sentences[:SHOWN], f"The same holds of {answer.plural(more, 'further score')}."]
    )


def damage_notes(damage: dict[str, str]) -> list[str]:
    """Return a note for each damaged run or part, the first :data:`SHOWN` by name."""
    notes = [
        f"{'Part' if is_part(key) else 'Run'} {key[:12]} is damaged and left out: {message}"
        for key, message in sorted(damage.items())
    ]
    more = len(notes) - SHOWN
    return notes if more <= 0 else [*notes[:SHOWN], f"The same holds of {answer.plural(more, 'further run')}."]


def data_sources(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the title, sources, rows and data fingerprints of each training task."""
    by_task: dict[str, dict[str, Any]] = {}
    for run in runs:
        task = str(run.spec.get("task"))
        by_task.setdefault(
            task,
            {
                "task": task,
                "title": run.task.get("title", task),
                "sources": [str(s) for s in run.data.get("sources") or ()],
                "rows": run.data.get("rows") or {},
                "fingerprints": (run.fingerprints.get("data") or {}),
            },
        )
    return list(by_task.values())


def facts(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """Return the facts at the head of the page, in a few words each: profile, data, model, seeds, runs."""
    models = sorted({str(run.spec.get("model")) for run in runs})
    sources = sorted({str(run.result.get("source")) for run in runs if run.result.get("source")})
    return [
        f"profile {manifest.profile}" if manifest.profile else "own grid",
        *(f"{source} data" for source in sources),
        *(f"model {model}" for model in models),
        answer.plural(len(manifest.rows), "method"),
        answer.plural(len({c.task for c in manifest.columns}), "task"),
        answer.plural(len(manifest.seeds), "seed"),
        f"{len(runs):,} of {len(manifest.all_keys()):,} runs done",
    ]


def _one_per_task(columns: Sequence[Column]) -> list[Column]:
    """Return each task's first column: curves belong to runs, whatever the metric."""
    return list({c.task: c for c in reversed(columns)}.values())[::-1]
