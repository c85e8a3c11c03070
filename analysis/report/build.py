"""From a results folder to ``reports/<name>/``: tables, figures and one self-contained page."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import claims, curves, figures, redrawn, tables
from analysis.comparison import compare
from analysis.load import Column, Log, Manifest, Run, is_done, latest_manifest, read_run
from analysis.report import answer
from analysis.report.agreement import Agreement, agreement_of, read_arms, read_held
from analysis.report.data import examples_of, page_data, run_line, to_script
from analysis.report.facts import FactTable, fact_tables
from analysis.report.mistakes import MATRICES, Mistakes, collapsed_table, mistakes_of
from analysis.report.sight import power_table
from analysis.scores import METRICS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HERE = Path(__file__).parent
CHIPS = {
    claims.SUPPORTED: "better",
    claims.CONTRADICTED: "worse",
    claims.NO_EFFECT: "none",
    claims.INCONCLUSIVE: "inconclusive",
    claims.NOT_RUN: "inconclusive",
}
_PAPER = "Hollow diamonds: the paper's points, on the paper's own data and model."
READING = {
    "sweep": f"Line: mean over seeds. Band: smallest to largest seed. {_PAPER}",
    "agreement": f"Mark: mean over seeds. Line: smallest to largest seed. {_PAPER}",
    "selection": "Mark: mean over seeds. Line: smallest to largest seed.",
    "box": "Box: quartiles over seeds. Whiskers: to the farthest seed. Dot: one seed. Hollow: the paper's.",
    "boundary": "Colour: the probability of class 1. Line: the boundary. Cross: a training point with a wrong label.",
    "tuning": "What the best of N trials is expected to score: longer tuning looks better by this alone.",
    "mechanism": "Line: mean over seeds. Band: smallest to largest seed.",
}
CROWDED = 12  # methods: with more, curves in one panel cannot be told apart; the page's explorer still shows them
MANY_CELLS = 400  # of a table: with more, differences alone are drawn; every seed's score is in table.csv
PANEL = 3.45  # inches: one panel of a page's figure grid, so that its text stays readable on a telephone


def write_report(results: Path | str, name: str) -> Path:
    """Write ``results/reports/<name>/``: ``report.html``, ``table.{md,tex,csv}`` and ``figures/*.{png,pdf,svg}``.

    Every number comes from the stored predictions of the newest manifest of that experiment.

    Returns: the path of ``report.html``.
    Raises: analysis.ResultsError: no such experiment, or a file of it cannot be read.
    """
    results = Path(results)
    manifest = latest_manifest(results, name)
    runs = [read_run(results, key) for key in manifest.all_keys() if is_done(results, key)]
    cells = compare(results, manifest)
    verdicts = claims.decide_all(results, manifest)
    logs = curves.read_logs(results, manifest)
    notes = answer.warnings(manifest, cells, runs) + disagreements(cells, runs)
    folder = results / "reports" / name
    extra = fact_tables(results, manifest)
    items = by_item(results, manifest, runs)
    collapsed = collapsed_table(cells, {row.id: row.title for row in manifest.rows})
    of_errors = [power_table(cells), *collapsed, *(table for each in items.mistakes for table in each.tables)]
    write_all_tables(manifest, cells, extra, verdicts, folder, notes)
    write_further(of_errors, folder / "tables")
    write_runs(runs, folder / "runs.csv")
    with figures.style():
        drawings = redrawn.drawings(redrawn.Study(results, manifest, cells, logs))
        files = [
            file
            for stem, figure in [
                *paper_figures(manifest, cells, logs),
                *((d.name, _alone(d)) for d in [*drawings, *reliability_panels(manifest, items.mistakes)]),
            ]
            for file in figures.save(figure, folder / "figures" / stem)
        ]
        reliable = list(reliability_panels(manifest, items.mistakes))
        panels = [*map(_redrawn_panel, drawings), *page_panels(manifest, cells, logs), *map(_redrawn_panel, reliable)]
    for old in set((folder / "figures").glob("*.*")) - set(files):
        old.unlink()  # of an earlier grid: nothing on the page speaks of it any more
    data = page_data(manifest, runs, logs, items.examples)
    page = render(manifest, cells, verdicts, runs, notes, panels, items, extra, data)
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def paper_figures(manifest: Manifest, cells: pd.DataFrame, logs: dict[str, Log]) -> Iterator[tuple[str, Figure]]:
    """The figures that are written as files: all columns side by side, for a paper."""
    drawn = [column for column in manifest.columns if _of(cells, column)["n_seeds"].any()]
    if not drawn:
        return
    tall, beside = _size(manifest)
    if len(cells) <= MANY_CELLS:
        yield "scores", _grid(drawn, tall, beside, lambda c, ax: figures.plot_scores(_of(cells, c), ax))
    compared = [column for column in drawn if _of(cells, column)["difference"].notna().any()]
    if compared:
        yield "differences", _grid(compared, tall, beside, lambda c, ax: figures.plot_differences(_of(cells, c), ax))
    titles = {row.id: row.title for row in manifest.rows}
    distinct = manifest.distinct()
    for column in [c for c in drawn if c in distinct] if len(titles) <= CROWDED else ():
        curves_of = list(_parts(logs, manifest, column))
        if curves_of:
            figure, axes = figures.panels(len(curves_of), PANEL, 2.5, (0.6, figures.room_after(list(titles.values()))))
            for (part, curve), ax in zip(curves_of, axes, strict=True):
                _draw_part(curve, ax, titles).set_title(f"{column.title or column.task}: {part}")
            yield f"loss-parts-{redrawn.plain(column.title or column.task)}", figure


def page_panels(manifest: Manifest, cells: pd.DataFrame, logs: dict[str, Log]) -> Iterator[dict[str, Any]]:
    """The page's figures, one small SVG each: ``section title svg``; the page lays them out to its width."""
    tall, beside = _size(manifest)
    for column in manifest.columns:
        here = _of(cells, column)
        if here["difference"].notna().any():
            yield _panel("differences", column.id, _title(column), figures.plot_differences, here, tall,
                         _alt_differences(here), beside)  # fmt: skip
    for column in manifest.columns:
        here = _of(cells, column)
        if here["n_seeds"].any() and len(cells) <= MANY_CELLS:
            yield _panel(
                "scores", column.id, _title(column), figures.plot_scores, here, tall, _alt_scores(here), beside
            )
    titles = {row.id: row.title for row in manifest.rows}
    for column in manifest.columns if len(titles) <= CROWDED else ():
        curve = curves.epochs(logs, manifest, column)
        if len(curve) and curve["epoch"].nunique() > 1:
            draw = partial(figures.plot_curves, titles=titles, x="epoch", ylabel=_unit(column))
            alt = f"{_title(column)} after each epoch, by method, with the range over seeds."
            beside = (0.5, figures.room_after(list(titles.values())))
            yield _panel("epochs", column.id, _title(column), draw, curve, 2.3, alt, beside)


def render(
    manifest: Manifest,
    cells: pd.DataFrame,
    verdicts: Sequence[claims.Verdict],
    runs: Sequence[Run],
    notes: Sequence[str],
    panels: Sequence[dict[str, Any]],
    items: Items,
    extra: Sequence[FactTable],
    data: dict[str, Any],
) -> str:
    """The page as text. Everything in it is escaped but the SVG drawn here and the page's own style and script."""
    import jinja2
    from markupsafe import Markup

    script = (HERE / "page.js").read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": tables.number,
        "plural": answer.plural,
        "first_upper": lambda text: text[:1].upper() + text[1:],
    }
    by_cell = {(cell.row, cell.column): cell for cell in tables.records(cells)}
    return environment.get_template("page.html").render(
        manifest=manifest,
        runs=runs,
        summaries=answer.summaries(manifest, cells),
        notes=notes,
        cells=by_cell,
        headings={c.id: _title(c) for c in manifest.columns},
        panels=panels,
        verdict=answer.verdict,
        mean_and_spread=tables.mean_and_spread,
        interval=tables.interval,
        digits_of=tables.digits_of,
        long_table=tables.lines(cells),
        long_headings=tables.HEADINGS,
        environments=environments(runs),
        sources=data_sources(runs),
        verdicts=verdicts,
        headline=answer.headline(verdicts, runs),
        agreements=items.agreements,
        mistakes=items.mistakes,
        power=power_table(cells),
        collapsed=collapsed_table(cells, {row.id: row.title for row in manifest.rows}),
        extra=extra,
        reading_of_figure=READING.get(manifest.layout, READING["sweep"]),
        claim_words=claims.in_words,
        not_decidable=claims.not_decidable,
        chips=CHIPS,
        data=data,
        data_json=Markup(to_script(data)),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        facts=facts(manifest, runs),
        css=(HERE / "style.css").read_text(encoding="utf-8"),
    )


@dataclass(frozen=True)
class Items:
    """What the report says item by item: examples to browse, agreement, and mistakes, per classification task."""

    examples: dict[str, Any]
    agreements: list[Agreement]
    mistakes: list[Mistakes]


def by_item(results: Path, manifest: Manifest, runs: Sequence[Run]) -> Items:
    """Per classification task: the items methods differ on, agreement where there are votes, and where they err.

    Of the baseline and the first other methods, together at most :data:`CROWDED`: nobody browses more side by side.
    """
    rows = sorted(manifest.rows, key=lambda row: row.id != manifest.baseline_row)[:CROWDED]
    found = Items({}, [], [])
    by_key = {run.key: run for run in runs}
    for column in _one_per_task(manifest.columns):
        if column.metric in ("pearson", "spearman"):
            continue
        arms = read_arms(results, manifest, column, column.split, rows)
        if not arms or next(iter(arms.values())).logits.shape[2] < 2:
            continue
        held = read_held(results, manifest, column, list(arms)[:MATRICES])
        run = next((by_key[key] for row in arms for key in manifest.keys(row, column) if key in by_key), None)
        mistakes = mistakes_of(results, manifest, column, arms, held, run)
        found.mistakes.append(mistakes)
        if len(arms) > 1:
            found.examples[column.task] = examples_of(arms, mistakes)
        agreement = agreement_of(results, manifest, column, arms)
        found.agreements.extend([agreement] if agreement else [])
    return found


def write_all_tables(
    manifest: Manifest,
    cells: pd.DataFrame,
    extra: Sequence[FactTable],
    verdicts: Sequence[claims.Verdict],
    folder: Path,
    notes: list[str],
) -> None:
    """``table.*``, a file per further table, and ``claims.*``: each as Markdown, LaTeX and CSV."""
    if manifest.columns:
        tables.write_tables(cells, folder, caption=manifest.title, notes=notes)
    for each in extra:
        tables.write_plain(each.headings, each.lines, folder / each.name, each.title)
    if verdicts:
        tables.write_plain(CLAIM_HEADINGS, [_claim_line(v) for v in verdicts], folder / "claims", "Claims")


def write_further(some: Sequence[FactTable], folder: Path) -> None:
    """Tables on errors, a file each; those of an earlier grid go."""
    files = {
        file for each in some for file in tables.write_plain(each.headings, each.lines, folder / each.name, each.title)
    }
    for old in set(folder.glob("*.*")) - files:
        old.unlink()


CLAIM_HEADINGS = ("claim", "verdict", "numbers", "where", "reading", "tasks", "data", "id")


def _claim_line(verdict: claims.Verdict) -> tuple[str, ...]:
    claim, told = verdict.claim, claims.in_words(verdict)
    numbers = told[len(verdict.words) + 2 :]
    return (claim.sentence, verdict.words, numbers, claim.table, claim.reading, ", ".join(claim.tasks), verdict.data,
            claim.id)  # fmt: skip


def write_runs(runs: Sequence[Run], path: Path) -> None:
    """The run list as CSV, keys in full."""
    names = ("key", "task", "method", "settings", "seed", "updates", "seconds", "commit", "device")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([names, *(run_line(run) for run in runs)])


def disagreements(cells: pd.DataFrame, runs: Sequence[Run], tolerance: float = 1e-6) -> list[str]:
    """Runs whose stored score is not what their stored predictions give: a sign of an edited or mixed-up folder."""
    stored = {run.key: run.result.get("scores", {}) for run in runs}
    found = []
    for cell in tables.records(cells):
        scale = METRICS[cell.metric].scale if cell.metric in METRICS else 100.0
        for key, value in zip(cell.keys, cell.scores, strict=True):
            was = stored.get(key, {}).get(cell.task, {}).get(cell.split, {}).get(cell.metric)
            if was is not None and abs(was - value / scale) > tolerance:
                found.append(
                    f"Run {key[:12]}: result.json says {cell.metric} {was:.6f} on {cell.task}.{cell.split}, "
                    f"its predictions give {value / scale:.6f}; the latter is shown."
                )
    return found


def environments(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The distinct environments of the runs: their text and how many runs each has."""
    counted: dict[str, int] = {}
    for run in runs:
        text = json.dumps(run.environment, indent=1, sort_keys=True)
        counted[text] = counted.get(text, 0) + 1
    return [{"text": text, "runs": n} for text, n in counted.items()]


def data_sources(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Per training task: its title, sources, rows and data fingerprints."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        task = str(run.spec.get("task"))
        found.setdefault(
            task,
            {
                "task": task,
                "title": run.task.get("title", task),
                "sources": [str(s) for s in run.data.get("sources") or ()],
                "rows": run.data.get("rows") or {},
                "fingerprints": (run.fingerprints.get("data") or {}),
            },
        )
    return list(found.values())


def facts(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """What the page is about, in a few words each: profile, data, model, seeds, runs."""
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


def _panel(
    section: str,
    about: str,
    title: str,
    draw: Any,
    frame: pd.DataFrame,
    tall: float,
    alt: str,
    margins: tuple[float, float],
    below: float = 0.0,
) -> dict[str, Any]:
    from markupsafe import Markup, escape

    figure, axes = figures.panels(1, PANEL, tall, margins, titled=False, below=below)
    draw(frame, axes[0])
    name = "f" + hashlib.sha256(f"{section}|{about}".encode()).hexdigest()[:8]
    svg = _unique_ids(figures.to_svg(figure), name)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    return {"section": section, "title": title, "svg": Markup(svg), "alt": alt}


def reliability_panels(manifest: Manifest, mistakes: Sequence[Mistakes]) -> Iterator[redrawn.Drawing]:
    """A reliability diagram per classification task."""
    titles = {row.id: row.title for row in manifest.rows}
    for each in mistakes if len(manifest.rows) * len(manifest.columns) <= MANY_CELLS else ():
        draw = partial(figures.plot_reliability, titles=titles)
        alt = f"Accuracy against confidence on {each.task}; on the dotted line confidence is honest."
        yield redrawn.Drawing(f"reliability-{redrawn.plain(each.task)}", each.task, alt, each.bins, draw, 3.2,
                              below=0.25 + 0.16 * each.bins["row"].nunique() / 2, section="reliability")  # fmt: skip


def _redrawn_panel(drawing: redrawn.Drawing) -> dict[str, Any]:
    d = drawing
    return _panel(d.section, d.name, d.title, d.draw, d.frame, d.height, d.alt, _margins(d), d.below)


def _alone(drawing: redrawn.Drawing) -> Figure:
    """One of the paper's panels as a figure of its own."""
    figure, axes = figures.panels(1, PANEL + 0.4, drawing.height + 0.2, _margins(drawing), below=drawing.below)
    drawing.draw(drawing.frame, axes[0]).set_title(drawing.title)
    return figure


def _margins(drawing: redrawn.Drawing) -> tuple[float, float]:
    left = figures.room_for(drawing.left) if drawing.left else 0.6
    return left, figures.room_after(drawing.beside) if drawing.beside else 0.15


def _unique_ids(svg: str, prefix: str) -> str:
    """Ids that nothing refers to go, the others get the figure's name: pages hold many figures, ids must differ."""
    used = set(re.findall(r"[\"(]#([\w.-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r"([\"(])#([\w.-]+)", rf"\1#{prefix}-\2", svg)


def _grid(columns: Sequence[Column], tall: float, beside: tuple[float, float], draw: Any) -> Figure:
    figure, axes = figures.panels(len(columns), PANEL, tall, beside)
    for column, ax in zip(columns, axes, strict=True):
        draw(column, ax).set_title(_title(column))
    return figure


def _size(manifest: Manifest) -> tuple[float, tuple[float, float]]:
    """Height of a panel with a line per method, and the room beside it: for names, or for the interval in words."""
    names = [row.title for row in manifest.rows] + ["\u221210.0 (\u221210.0 to \u221210.0)"]
    return 0.4 * len(manifest.rows) + 0.85, (figures.room_for(names), 0.15)


def _parts(logs: dict[str, Log], manifest: Manifest, column: Column) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each logged loss part of a task by its readable name."""
    parts = curves.logged(logs, manifest, column)
    return ((figures.PARTS.get(str(name), str(name)), curve) for name, curve in parts.groupby("part", sort=False))


def _draw_part(curve: pd.DataFrame, ax: Axes, titles: dict[str, str]) -> Axes:
    loss = curve["part"].iloc[0] in curves.LOSS_PARTS
    return figures.plot_curves(curve, ax, titles, x="step", ylabel="nats, unweighted" if loss else "", log=True)


def _one_per_task(columns: Sequence[Column]) -> list[Column]:
    """Each task's first column: curves belong to runs, whatever metric is read from them."""
    return list({c.task: c for c in reversed(columns)}.values())[::-1]


def _of(cells: pd.DataFrame, column: Column) -> pd.DataFrame:
    return cells[cells["column"] == column.id]


def _title(column: Column) -> str:
    known = METRICS.get(column.metric)
    metric = known.title if known else column.metric
    return f"{column.title or column.task}, {metric}" + (f" ({column.split})" if column.split != "dev" else "")


def _unit(column: Column) -> str:
    known = METRICS.get(column.metric)
    return "nats" if known is not None and known.scale == 1.0 else "%"


def _alt_differences(cells: pd.DataFrame) -> str:
    told = [
        f"{c.row_title} {tables.number(c.difference, tables.digits_of(c.metric), signed=True)} ({tables.interval(c)})"
        for c in tables.records(cells)
        if c.n_pairs
    ]
    return f"Differences to the baseline with 95 % intervals on {cells['column_title'].iloc[0]}: {'; '.join(told)}."


def _alt_scores(cells: pd.DataFrame) -> str:
    told = [f"{c.row_title} {tables.mean_and_spread(c)}" for c in tables.records(cells)]
    return f"Scores of every seed and their mean on {cells['column_title'].iloc[0]}: {'; '.join(told)}."
