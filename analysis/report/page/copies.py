"""The main table as texts to copy: the page's script puts together the lines that a reader sees, with their notes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from analysis import tables
from analysis.report.answer import BETTER, WORSE
from analysis.report.grid import Grid, GridCell, grid_of
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCE, PUBLISHED = "difference (95 % interval)", "published"
UP, DOWN = "\u25b2", "\u25bc"
ARROWS = f"{UP} ({DOWN}): the interval lies above (below) 0"
FILTER = "Filter: `{filter}`, {shown} of {total} lines"  # the script completes it


@dataclass(frozen=True)
class Piece:
    """A text with the numbers of the table's lines that it belongs to; it is copied if one of them is shown."""

    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Copy:
    """A form of the table, in the order in which the script puts it together.

    Attributes:
        head: text above the lines.
        pieces: text of the lines.
        between: text between two pieces.
        is_sorted: True if the pieces follow the order on the page, False if they keep their own.
        end: text between the last piece and the notes.
        notes: the notes, each with the lines that it explains.
        filter: line on an active filter; "" for a form that programs read.
        foot: text below the notes.
    """

    head: str
    pieces: tuple[Piece, ...]
    between: str = ""
    is_sorted: bool = True
    end: str = ""
    notes: tuple[Piece, ...] = ()
    filter: str = ""
    foot: str = ""


def copies(manifest: Manifest, cells: pd.DataFrame, notes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the forms by name.

    Args:
        manifest: the experiment.
        cells: the frame of its table.
        notes: warnings and remarks of the report, which belong to the whole table.
    """
    grid = grid_of(manifest, cells)
    footnotes = _footnotes(grid, manifest.row(manifest.baseline_row).title if manifest.baseline_row else "")
    forms = {
        "LaTeX": latex_copy(grid, manifest.title, footnotes, notes),
        "Markdown": markdown_copy(grid, manifest.title, footnotes, notes),
        "CSV": csv_copy(grid, cells),
    }
    return {name: asdict(form) for name, form in forms.items()}


def markdown_copy(grid: Grid, caption: str, footnotes: Sequence[Piece], notes: Sequence[str]) -> Copy:
    """Return the table for Markdown, with all notes below it."""
    everywhere = tuple(range(len(grid.lines)))
    texts = [*footnotes, *(Piece(note, everywhere) for note in notes)]
    return Copy(
        f"**{tables.markdown(caption)}**\n\n{tables.github([[grid.corner, *grid.headings]], texts=1)}\n",
        tuple(Piece("".join(f"{line}\n" for line in _github_lines(grid, n)), (n,)) for n, _ in enumerate(grid.lines)),
        end="\n",
        notes=tuple(Piece(f"- {tables.markdown(note.text)}\n", note.lines) for note in texts),
        filter=f"- {FILTER}\n",
    )


def latex_copy(grid: Grid, caption: str, footnotes: Sequence[Piece], notes: Sequence[str]) -> Copy:
    """Return the table for LaTeX: footnotes below it, warnings as comments above it."""
    comments = [tables.LATEX_HEAD, *map(tables.comment, notes)]
    opening = tables.latex_opening("l" + "r" * len(grid.headings), [grid.corner, *grid.headings])
    closing = ["\\bottomrule", "\\end{tabular}}", "\\par\\smallskip"]
    return Copy(
        "".join(f"{line}\n" for line in (*comments, *opening)),
        tuple(Piece(_latex_lines(grid, n), (n,)) for n, _ in enumerate(grid.lines)),
        "\\addlinespace\n",
        end="".join(f"{line}\n" for line in closing),
        notes=tuple(Piece(f"{{\\footnotesize {tables.latex(note.text)}\\par}}\n", note.lines) for note in footnotes),
        filter=f"% {FILTER}\n",
        foot=f"\\caption{{{tables.latex(caption)}}}\n\\end{{table}}\n",
    )


def csv_copy(grid: Grid, cells: pd.DataFrame) -> Copy:
    """Return ``table.csv``, a piece for each cell, in the order of that file."""
    places = list(cells["column" if grid.is_turned else "row"])
    numbers = {place: n for n, place in enumerate(dict.fromkeys(places))}
    head, *body = csv.reader(io.StringIO(tables.to_csv(cells)))
    pieces = tuple(Piece(_csv_line(line), (numbers[place],)) for line, place in zip(body, places, strict=True))
    return Copy(_csv_line(head), pieces, is_sorted=False)


def _footnotes(grid: Grid, baseline: str) -> list[Piece]:
    """Return what the numbers mean, then the notes at the foot of the table, each with the lines that have its mark."""
    everywhere = tuple(range(len(grid.lines)))
    general = [
        "Mean over seeds ± standard deviation",
        f"differences to {baseline} with their 95 % intervals" if baseline else "",
        grid.n,
    ]
    decided = tuple(n for n, (_, line) in enumerate(grid.lines) if any(map(_arrow, line)))
    return [
        Piece(f"{'; '.join(filter(None, general))}.", everywhere),
        Piece(f"{ARROWS}.", decided),
        *(Piece(f"({mark}) {text}.", _lines_with(grid, mark)) for mark, text in grid.notes),
    ]


def _lines_with(grid: Grid, mark: str) -> tuple[int, ...]:
    return tuple(n for n, (_, line) in enumerate(grid.lines) if any(mark in cell.marks.split() for cell in line))


def _rows(grid: Grid, n: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a line: scores, then differences and published numbers where there are any."""
    title, line = grid.lines[n]
    for name, texts in (
        (title, map(_score, line)),
        (DIFFERENCE, (f"{cell.change} ({cell.interval})" if cell.change else "" for cell in line)),
        (PUBLISHED, (cell.paper for cell in line)),
    ):
        row = (name, *texts)
        if any(row[1:]) or name == title:
            yield row


def _score(cell: GridCell) -> str:
    """Return mean and spread, the arrow of a decided difference, and the marks of the notes."""
    value = cell.value + (f" ± {cell.spread}" if cell.spread else "")
    marks = f"({', '.join(cell.marks.split())})" if cell.marks else ""
    missing = "missing" if not cell.value and cell.marks else ""
    return " ".join(filter(None, (value or missing, _arrow(cell), marks)))


def _arrow(cell: GridCell) -> str:
    if cell.chip not in (BETTER, WORSE):
        return ""
    return DOWN if cell.change.startswith(tables.MINUS) else UP


def _github_lines(grid: Grid, n: int) -> Iterable[str]:
    """Return the rows of a line as rows of a GitHub table, without a heading."""
    rows = list(_rows(grid, n))
    return tables.github([rows[0], *rows], texts=1).splitlines()[2:]


def _latex_lines(grid: Grid, n: int) -> str:
    first, *rest = _rows(grid, n)
    return tables.latex_line(first) + "\n" + "".join(f"\\quad {tables.latex_line(row)}\n" for row in rest)


def _csv_line(values: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
