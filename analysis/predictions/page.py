"""An outcome as a page, as a fragment for notebooks, and as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.predictions.files import examples
from analysis.predictions.outcome import HEADINGS, Outcome
from analysis.records import ResultsError
from analysis.tables import number, write_plain

if TYPE_CHECKING:
    from markupsafe import Markup

    from analysis.report.sheets import Sheet

TEMPLATE = Path(__file__).with_name("judge.html")
PAGE = "judge.html"


def check_folder(folder: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse a folder where writing an outcome could replace files of another origin, among them the inputs.

    Raises: ResultsError.
    """
    if not folder.is_dir():
        return
    target = folder.resolve()
    stored = next((path for path in inputs if path.exists() and path.resolve().is_relative_to(target)), None)
    if stored is not None:
        raise ResultsError(f"{folder} holds the input {stored}, which could be replaced: give another folder")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if names and PAGE not in names:
        raise ResultsError(
            f"{folder} holds files that no earlier judgement wrote ({examples(names)}): give a new or empty folder"
        )


def write(outcome: Outcome, folder: Path) -> Path:
    """Write page, JSON, tables and figures into a folder; return the page.

    Raises: ResultsError: it cannot be made a folder, or holds other files than those of an earlier judgement.
    """
    from analysis import figures

    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be made a folder ({error.strerror}): give another place") from None
    text = json.dumps(outcome.to_json(), indent=1, ensure_ascii=False)
    (folder / "judge.json").write_text(text + "\n", encoding="utf-8")
    write_plain(HEADINGS, outcome.lines, folder / "table", outcome.basis)
    with figures.style():
        sheets = _sheets(outcome)
        panels = [panel for sheet in sheets for panel in sheet.on_page()]
        for sheet in sheets:
            sheet.save(folder / "figures")
    path = folder / PAGE
    path.write_text(render(outcome, panels), encoding="utf-8")
    return path


def render(outcome: Outcome, panels: Sequence[dict[str, Any]]) -> str:
    """Return the page as text; everything in it is escaped but the figures drawn here and the page's own style."""
    import jinja2
    from markupsafe import Markup

    from analysis.report.page.stylesheet import stylesheet  # imported here: it loads matplotlib

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    study = outcome.study
    facts = [study.title, f"{study.n_items:,} items", f"{len(study.runs)} systems", f"baseline {outcome.baseline}"]
    if study.n_groups is not None:
        facts.insert(2, f"{study.n_groups:,} groups")
    compared_systems = (
        outcome.comparisons[0].name if len(outcome.comparisons) == 1 else f"{len(outcome.comparisons)} systems"
    )
    bound = "" if outcome.bound is None else f"{number(outcome.bound, 2)} {study.metric.unit}"
    methods = ", ".join(dict.fromkeys(comparison.interval.method for comparison in outcome.comparisons))
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"{study.title}: {compared_systems} against {outcome.baseline}",
        facts=facts,
        answers=Markup(_answers(outcome)),
        table=Markup(_table(outcome)),
        panels=panels,
        method=f"Here: {methods}.",
        bound=bound,
        css=stylesheet(),
        version=_version(),
    )


def fragment(outcome: Outcome) -> str:
    """Return verdicts and table as HTML, for a notebook."""
    from markupsafe import escape

    sentences = zip(outcome.comparisons, outcome.sentences, strict=True)
    lines = [
        f"<p><strong>{escape(comparison.verdict)}</strong>: {escape(sentence)}</p>"
        for comparison, sentence in sentences
    ]
    lines += [f"<p><em>{escape(note)}</em></p>" for note in outcome.notes]
    return f"<div><p>{escape(outcome.basis)}</p>{''.join(lines)}{_table(outcome)}</div>"


def _sheets(outcome: Outcome) -> list[Sheet]:
    from analysis.report.sheets import of_cells

    return list(of_cells(outcome.manifest, outcome.frame))


def _answers(outcome: Outcome) -> Markup:
    from markupsafe import Markup

    item = Markup(
        '<li><div class="head"><span class="chip {}">{}</span><strong>{} against {}</strong></div><p>{}</p></li>'
    )
    items = Markup("").join(
        item.format(comparison.chip, comparison.verdict, comparison.name, comparison.baseline, sentence)
        for comparison, sentence in zip(outcome.comparisons, outcome.sentences, strict=True)
    )
    notes = Markup("").join(Markup("<li>{}.</li>").format(note[:1].upper() + note[1:]) for note in outcome.notes)
    warnings = Markup('<ul class="warnings">{}</ul>').format(notes) if notes else Markup("")
    return Markup('<ol class="answers">{}</ol>{}').format(items, warnings)


def _table(outcome: Outcome) -> Markup:
    from markupsafe import Markup

    head = Markup("").join(Markup('<th class="text" scope="col">{}</th>').format(name) for name in HEADINGS)
    body = Markup("").join(
        Markup('<tr><th class="text" scope="row">{}</th>{}</tr>').format(
            line[0], Markup("").join(Markup('<td class="text">{}</td>').format(text) for text in line[1:])
        )
        for line in outcome.lines
    )
    return Markup('<div class="scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        head, body
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("smart-repro")
    except PackageNotFoundError:
        return ""
