"""The page as text: the template, filled with what the report shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import claims, figures, tables
from analysis.claims.words import numbers_in_words
from analysis.report import answer
from analysis.report.card.content import READINGS
from analysis.report.card.differences import drawn_methods, mark_of
from analysis.report.card.sentences import found, titles_of
from analysis.report.content import Content
from analysis.report.facts import FactTable
from analysis.report.grid import grid_of
from analysis.report.methods_list import MethodEntry
from analysis.report.mistakes import collapsed_table
from analysis.report.order import decided_first, question_of
from analysis.report.own_data import MEANINGS as OWN_MEANINGS
from analysis.report.page.data import to_script
from analysis.report.page.script import PAGE, TABLES, script_of
from analysis.report.page.stylesheet import stylesheet
from analysis.report.power import power_table
from analysis.report.run_list import NUMBERS
from analysis.report.set_up import environment_table, environments, model_table, set_up
from analysis.report.sheets import CONFUSED, CROWDED, EpochLayout, epoch_layout
from analysis.results import Run
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template
    from markupsafe import Markup

FOLDER = Path(__file__).parent
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


def render(
    content: Content, panels: Sequence[dict[str, Any]], data: dict[str, Any], methods: Sequence[MethodEntry]
) -> str:
    """Return the page as text.

    Everything in it is escaped, except the SVG drawn by :mod:`analysis.figures` and the page's own style and script.

    Args:
        content: what is shown.
        panels: the drawn figures (:meth:`analysis.report.sheets.Sheet.on_page`).
        data: what the page's script draws and filters.
        methods: the list of the page's methods.
    """
    manifest, runs, cells, verdicts = content.manifest, content.runs, content.cells, content.verdicts
    card, items = content.card, content.items
    summaries = answer.summaries(manifest, cells)
    values = {
        "manifest": manifest,
        "runs": runs,
        "card": card,
        "is_led_by_parts": card.is_led_by_parts,
        "methods": methods,
        "summaries": summaries,
        "notes": content.warnings,
        "remarks": content.remarks,
        "setup": set_up(manifest, runs),
        "has_ceiling": any(column.ceiling is not None for column in manifest.columns),
        "environment_table": environment_table(runs),
        "model_table": model_table(runs),
        "meanings": [*OWN_MEANINGS.items()] if card.is_own else [*answer.MEANINGS.items(), answer.AT_FLOOR],
        "grid": grid_of(manifest, cells) if manifest.columns else None,
        "panels": panels,
        "looks": figures.looks(content.titles),
        "long_table": _long_table(cells),
        "environments": environments(runs),
        "sources": data_sources(runs),
        "verdicts": decided_first(verdicts),
        "quantifiers": answer.sentence_of(*dict.fromkeys(filter(None, map(claims.quantifier_in_words, verdicts)))),
        "titles": content.titles,
        "names": titles_of(manifest),
        "headline": answer.headline(verdicts, runs),
        "agreements": items.agreements,
        "mistakes": items.mistakes,
        "covered": items.note,
        "drawn_confusions": CONFUSED,
        "most_curves": CROWDED,
        "mark": mark_of(question_of(verdicts)),
        "drawn_methods": drawn_methods(manifest, verdicts),
        "power": power_table(cells),
        "collapsed": collapsed_table(cells, content.titles),
        "extra": content.extra,
        "is_study": manifest.layout in STUDIES,
        "reading_of_figure": _reading_of_figure(manifest),
        "reading_of_epochs": READING_OF_EPOCHS[epoch_layout(manifest)],
        "data": data,
        "facts": facts(manifest, runs),
    }
    return _page().render(**values, **_assets(data))


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
        claim_numbers=numbers_in_words,
        task_titles=lambda claim, titles: [titles.get(task, task) for task in claim.tasks],
        not_decidable=claims.not_decidable,
        chip_of=answer.chip_of,
        found=found,
        readings=READINGS,
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
