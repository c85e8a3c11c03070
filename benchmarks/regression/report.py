"""Forms of a check's outcome: a table, annotations for GitHub, JSON, and JUnit XML."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from benchmarks.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from benchmarks.regression.comparison import Comparison, Finding

_COLOUR = {"worse": "red", "shifted": "red", "gone": "red", "better": "green"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def table(comparison: Comparison) -> Table:
    """Return a table of each cell's scores, its loss parts in one line, and every part that failed."""
    from rich.table import Table

    rich_table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cell", "figure"):
        rich_table.add_column(name, overflow="fold")
    for name in ("baseline", "now", "difference", "interval"):
        rich_table.add_column(name, justify="right", no_wrap=True)
    rich_table.add_column("verdict", no_wrap=True)
    for cell in comparison.cells:
        for line in _lines(comparison, cell):
            colour = _COLOUR.get(line[-1], "red" if line[-1] == "failed" else "")
            rich_table.add_row(*line, style=colour)
    return rich_table


def plain(comparison: Comparison) -> str:
    """Return the table and the summary as text, in colour on a terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    with console.capture() as captured:
        console.print(table(comparison), markup=False)
    return f"{captured.get()}\n{summary(comparison)}"


def _lines(comparison: Comparison, cell: str) -> Iterator[tuple[str, ...]]:
    if cell in comparison.failures:
        yield cell, comparison.failures[cell], "", "", "", "", "failed"
        return
    findings = [finding for finding in comparison.findings if finding.cell == cell]
    quiet = [finding for finding in findings if finding.part and not finding.drift.failed]
    for finding in findings:
        if not finding.part or finding.drift.failed:
            yield cell, finding.quantity, *_numbers(finding), finding.drift.verdict
    if quiet:
        verdicts = " and ".join(dict.fromkeys(finding.drift.verdict for finding in quiet))
        yield cell, f"{len(quiet)} means of loss parts", "", "", "", "", verdicts


def _numbers(finding: Finding) -> tuple[str, str, str, str]:
    d = finding.drift
    interval = "" if math.isnan(d.low) else f"{d.low:+.3g} to {d.high:+.3g}"
    return _short(d.before), _short(d.now), "" if math.isnan(d.difference) else f"{d.difference:+.3g}", interval


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.5g}"


def summary(comparison: Comparison) -> str:
    """Return the two sides of the comparison and the outcome, in a few lines."""
    paired = "paired by seed: same machine and versions, so the results must be bit-identical"
    pairing = paired if comparison.paired else f"unpaired: {comparison.unpaired_reason}"
    lines = [
        f"{comparison.name}, {len(comparison.cells)} cells, seeds {_listed(comparison.seeds)}. Compared {pairing}."
    ]
    if not comparison.paired:
        lines.append(
            "Runs of one seed need not be equal then, so the baseline's spread over seeds decides: "
            "only a larger change is detected."
        )
    lines += [f"Note: {note}." for note in comparison.notes]
    if comparison.unchecked:
        lines.append(f"Not checked: {len(comparison.unchecked)} more cells of the baseline.")
    if comparison.passed:
        lines.append(f"PASSED: {len(comparison.findings)} figures.")
    else:
        bad = len({*(finding.cell for finding in comparison.failed), *comparison.failures})
        lines.append(f"FAILED: {len(comparison.failed)} of {len(comparison.findings)} figures, in {bad} cells.")
    return "\n".join(lines)


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


def finding_text(finding: Finding) -> str:
    """Return a figure as one line."""
    before, after, difference, interval = _numbers(finding)
    return f"{finding.quantity} {finding.drift.verdict}: {before} -> {after} (difference {difference}, {interval})"


def content(comparison: Comparison) -> dict[str, Any]:
    """Return the outcome, JSON-ready; NaN becomes null."""
    findings = [
        {"cell": f.cell, "quantity": f.quantity, "kind": "part" if f.part else "score"}
        | {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(f.drift).items()
        }
        for f in comparison.findings
    ]
    return {
        "name": comparison.name,
        "passed": comparison.passed,
        "paired": comparison.paired,
        "why_unpaired": comparison.unpaired_reason,
        "seeds": list(comparison.seeds),
        "failures": dict(comparison.failures),
        "unchecked": list(comparison.unchecked),
        "notes": list(comparison.notes),
        "findings": findings,
    }


def github(comparison: Comparison) -> str:
    """Return workflow commands: an error per failed cell, and a notice with the outcome."""
    title = f"smart-repro check {comparison.name}"
    lines = []
    for cell in comparison.cells:
        problems = _problems(comparison, cell)
        if problems:
            lines.append(f"::error title={_property(f'{title}: {cell}')}::{_escaped(chr(10).join(problems))}")
    lines.append(f"::notice title={_property(title)}::{_escaped(summary(comparison))}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _problems(comparison: Comparison, cell: str) -> list[str]:
    if cell in comparison.failures:
        return [comparison.failures[cell]]
    return [finding_text(finding) for finding in comparison.failed if finding.cell == cell]


def write_junit(comparison: Comparison, path: Path) -> None:
    """Write one suite with one case per cell: failed figures are failures, runs without a result are errors."""
    failed_cells = {finding.cell for finding in comparison.failed}
    suite = ET.Element(
        "testsuite",
        name=f"smart-repro check {comparison.name}",
        tests=str(len(comparison.cells)),
        failures=str(len(failed_cells)),
        errors=str(len(comparison.failures)),
        skipped="0",
        time=f"{sum(comparison.seconds.values()):.3f}",
    )
    for cell in comparison.cells:
        seconds = comparison.seconds.get(cell, 0.0)
        case = ET.SubElement(
            suite, "testcase", classname=f"smart-repro.check.{comparison.name}", name=cell, time=f"{seconds:.3f}"
        )
        problems = [_NOT_XML.sub("?", problem) for problem in _problems(comparison, cell)]
        if problems:
            kind = "error" if cell in comparison.failures else "failure"
            ET.SubElement(case, kind, message=problems[0]).text = "\n".join(problems)
    ET.SubElement(suite, "system-out").text = _NOT_XML.sub("?", summary(comparison))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


FORMS: dict[str, Callable[[Comparison], str]] = {
    "text": plain,
    "github": github,
    "json": lambda comparison: json.dumps(content(comparison), indent=1),
}


def check_form(form: str) -> None:
    """Refuse an unknown form. Raises UsageError."""
    if form not in FORMS:
        raise UsageError(f"--format {form}: no such format; give {', '.join(FORMS)}")


def text(comparison: Comparison, form: str = "text") -> str:
    """Return the outcome as a table with its summary, as ``github`` annotations or as ``json``."""
    return FORMS[form](comparison)
