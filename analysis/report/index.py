"""The front page of a results folder: every experiment with its state and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.results import Results
from analysis.schema import Manifest

FOLDER = Path(__file__).parent


def write_index(results: str | Path | Results) -> Path:
    """Write ``results/reports/index.html``, which links to every report.

    Returns:
        The path of the page.

    Raises:
        analysis.ResultsError: a manifest cannot be read.
    """
    import jinja2

    results = Results.open(results)
    entries = [_entry(results, results.manifest(name)) for name in results.experiments()]
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True)
    css = (FOLDER / "style.css").read_text(encoding="utf-8")
    path = results.root / "reports" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(environment.get_template("index.html").render(entries=entries, css=css), encoding="utf-8")
    return path


def _entry(results: Results, manifest: Manifest) -> dict[str, Any]:
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
        "claims": [claim.sentence for claim in manifest.claims],
        "report": (results.root / "reports" / manifest.name / "report.html").is_file(),
    }
