"""Tables of an experiment for people (Markdown), papers (LaTeX, booktabs) and programs (CSV).

The input is the frame of :func:`analysis.comparison.compare`.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.records import short_name
from analysis.scores import displayed

if TYPE_CHECKING:
    import pandas as pd

MINUS = "\u2212"
CSV_COLUMNS = [
    "row",
    "column",
    "task",
    "metric",
    "split",
    "n_seeds",
    "n_items",
    "mean",
    "sd",
    "difference",
    "low",
    "high",
    "p",
    "n_pairs",
    "correlation",
    "against",
    "visible",
    "seeds_needed",
    "published",
    "published_difference",
    "published_source",
    "ceiling",
    "collapsed",
    "missing",
    "reason",
    "identical",
    "floor",
    "undecided",
]
HEADINGS = [
    "task",
    "method",
    "mean ± sd",
    "n",
    "difference",
    "95 % interval",
    "p",
    "published",
    "published diff.",
    "ceiling",
    "no verdict",
]


def records(frame: pd.DataFrame) -> Iterator[Any]:
    """Iterate over the frame's rows, each with its columns as attributes."""
    return iter(frame.itertuples())


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """Format a number for any report: a true minus sign, an explicit plus for differences, "" for nan."""
    if value is None or math.isnan(value):
        return ""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def probability(p: float) -> str:
    """Format a p value: ``0.013``, ``0.21``, ``< 0.001``."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.095 else f"{p:.2f}"


def percent(share: float) -> str:
    """Format a share as a whole percentage: ``95 %``."""
    return f"{100 * share:.0f} %"


def digits_of(metric: str) -> int:
    """Return the number of decimals of a metric: one for percent, three for nats."""
    return 3 if displayed(metric).scale == 1.0 else 1


def unit_of(metric: str) -> str:
    """Return the unit of a difference in tables: points, nats, or the labels' own."""
    return displayed(metric).unit


def mean_and_spread(cell: Any) -> str:
    """Format the mean and standard deviation of a cell: ``84.1 ± 0.6``.

    A single seed gives the mean only; a cell without runs gives "missing".
    """
    if cell.n_seeds == 0:
        return "missing"
    digits = digits_of(cell.metric)
    spread = number(cell.sd, digits)
    return number(cell.mean, digits) + (f" ± {spread}" if spread else "")


def interval(cell: Any) -> str:
    """Format the interval of a cell: ``−0.4 to 2.8``; "" for the baseline and missing cells."""
    if math.isnan(cell.low):
        return ""
    digits = digits_of(cell.metric)
    return f"{number(cell.low, digits)} to {number(cell.high, digits)}"


def heading(cell: Any) -> str:
    """Return the heading of a cell's column: ``demo-rte, accuracy``.

    It has the split where that is not dev, and "pilot at the floor" where the task was not learnt.
    """
    metric = displayed(cell.metric).title
    split = f" ({cell.split})" if cell.split != "dev" else ""
    return f"{cell.column_title}, {metric}{split}" + (f" ({kind_of(cell.floor)})" if cell.floor else "")


def kind_of(undecided: str) -> str:
    """Return why a difference decides nothing in a few words: the part of the reason before its colon."""
    return undecided.split(":")[0]


def lines(table: pd.DataFrame) -> list[list[str]]:
    """Return the table's cells as text: a line per task and method, in the order of :data:`HEADINGS`."""
    return [_line(cell) for cell in records(table)]


def without_empty(
    headings: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return headings and lines without the columns that are empty in every line; no line: nothing is left out."""
    kept = [n for n in range(len(headings)) if not lines or any(line[n] for line in lines)]
    return tuple(headings[n] for n in kept), tuple(tuple(line[n] for n in kept) for line in lines)


def matrix(table: pd.DataFrame) -> list[list[str]]:
    """Return the table as papers print it: a column per task and metric, up to three lines per method.

    The first line of a method is ``mean ± sd`` with a mark (▲ the interval lies above 0, ▼ below) or the reason why the
    difference decides nothing; the second is the difference with its interval; the third is the paper's number with its
    difference. Empty lines are left out. The first line of the table holds the headings; a task at the floor is marked
    there, and its cells have no marks.
    """
    cells = {(cell.row, cell.column): cell for cell in records(table)}
    columns = list(dict.fromkeys(table["column"]))
    titles = dict(zip(table["row"], table["row_title"], strict=True))
    top = ["method", *(heading(next(c for c in cells.values() if c.column == column)) for column in columns)]
    body = [top]
    for row, title in titles.items():
        row_cells = [cells.get((row, column)) for column in columns]
        for name, text in ((title, _marked), ("difference (95 % interval)", _difference), ("published", _published)):
            line = [text(cell) if cell is not None else "" for cell in row_cells]
            if any(line):
                body.append([name, *line])
    return body


def to_markdown(table: pd.DataFrame, notes: list[str] | None = None) -> str:
    """Return two GitHub tables (as papers print it, and a line per cell), below the notes as bullets."""
    headings, body = without_empty(HEADINGS, lines(table))
    tables = [github(matrix(table), texts=1), github([headings, *body], texts=2)]
    bullets = "\n".join(f"- {markdown(note)}" for note in notes or [])
    return "\n\n".join(part for part in (bullets, *tables) if part) + "\n"


def github(rows: Sequence[Sequence[str]], texts: int | None = None) -> str:
    """Return an escaped GitHub table; the first row holds headings; columns after the first ``texts`` are numbers."""
    head, *body = ([markdown(text) for text in row] for row in rows)
    words = len(head) if texts is None else texts
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))


LATEX_HEAD = "% \\usepackage{booktabs} \\usepackage{graphicx}"
LATEX_LINES = 45  # lines of a table on a page; longer tables are continued in another one
LATEX_WIDE = 40  # characters: columns with longer texts are broken into lines


def to_latex(table: pd.DataFrame, caption: str = "", notes: list[str] | None = None) -> str:
    """Return two booktabs ``table`` environments: as papers print it, and a line per cell.

    They need the packages booktabs and graphicx; the latter shrinks tables that are wider than the page.
    """
    body: list[str] = []
    previous_task = None
    headings, shown = without_empty(HEADINGS, lines(table))
    for n, line in enumerate(shown):
        is_first_line = line[0] != previous_task or n % LATEX_LINES == 0
        rule = "\\midrule\n" if is_first_line and body else ""
        body.append(rule + latex_line([line[0] if is_first_line else "", *line[1:]]))
        previous_task = line[0]
    comments = [LATEX_HEAD, *map(comment, notes or [])]
    long = _latex_tables("ll" + "r" * (len(headings) - 2), headings, body, caption)
    return "\n".join([*comments, *_latex_matrix(table, caption), *long])


def latex_line(cells: Sequence[str]) -> str:
    """Return a line of a ``tabular``, escaped."""
    return " & ".join(map(latex, cells)) + " \\\\"


def latex_opening(columns: str, head: Sequence[str]) -> list[str]:
    """Return the lines of a ``table`` environment down to the rule below its headings."""
    return [
        "\\begin{table}",
        "\\centering",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        latex_line(head),
        "\\midrule",
    ]


def _latex_tables(columns: str, head: Sequence[str], body: Sequence[str], caption: str) -> list[str]:
    """Return the lines of one ``table`` environment per page, none wider than the text."""
    text_lines: list[str] = []
    for start in range(0, max(1, len(body)), LATEX_LINES):
        text_lines += [
            *latex_opening(columns, head),
            *(
                line.removeprefix("\\midrule\n") if n == 0 else line
                for n, line in enumerate(body[start : start + LATEX_LINES])
            ),
            "\\bottomrule",
            "\\end{tabular}}",
            f"\\caption{{{latex(caption)}{' (continued)' if start else ''}}}",
            "\\end{table}",
            "",
        ]
    return text_lines


def to_csv(table: pd.DataFrame) -> str:
    """Return all numbers at full precision as CSV.

    Texts that a spreadsheet would run as a formula get a leading apostrophe.
    """
    columns = table[CSV_COLUMNS].copy()
    columns["scores"] = [" ".join(map(repr, scores)) for scores in table["scores"]]  # one per seed, in seed order
    for name in columns.select_dtypes(exclude="number"):
        columns[name] = columns[name].map(lambda text: _no_formula(str(text)))
    return str(columns.to_csv(index=False, lineterminator="\n"))


def write_tables(table: pd.DataFrame, folder: Path, caption: str = "", notes: list[str] | None = None) -> list[Path]:
    """Write ``table.md``, ``table.tex`` and ``table.csv`` to ``folder`` and return their paths."""
    texts = {
        "table.md": to_markdown(table, notes),
        "table.tex": to_latex(table, caption, notes),
        "table.csv": to_csv(table),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def write_plain(headings: Sequence[str], lines: Sequence[Sequence[str]], stem: Path, caption: str = "") -> list[Path]:
    """Write a table of texts as ``stem.md``, ``stem.tex`` (booktabs) and ``stem.csv``, escaped for each."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem = stem.with_name(short_name(stem.name))
    rows = [list(headings), *map(list, lines)]
    long = [max(len(text) for text in column) > LATEX_WIDE for column in zip(*rows, strict=True)]
    columns = "".join("p{7cm}" if wide else "l" for wide in long)
    environment = [LATEX_HEAD, *_latex_tables(columns, headings, [latex_line(line) for line in lines], caption)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_no_formula(cell) for cell in row] for row in rows])
    contents = {
        ".md": github(rows) + "\n",
        ".tex": "\n".join(environment),
        ".csv": text.getvalue(),
    }
    for suffix, content in contents.items():
        stem.with_name(stem.name + suffix).write_text(content, encoding="utf-8")
    return [stem.with_name(stem.name + suffix) for suffix in contents]


def _no_formula(text: str) -> str:
    """Return the text, with a leading apostrophe if a spreadsheet would run it as a formula."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def comment(note: str) -> str:
    """Return a note as a comment of a TeX file, in one line without characters that may end it."""
    return "% " + " ".join("".join(character if character.isprintable() else " " for character in note).split())


def latex(text: str) -> str:
    """Return text with LaTeX's special characters escaped, and the symbols of tables as commands."""
    special = {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "±": r"$\pm$",
        MINUS: "$-$",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "\u25b2": r"$\uparrow$",
        "\u25bc": r"$\downarrow$",
        "[": "{[}",
        "*": "{*}",  # LaTeX would read "[" or "*" after a line's end as its option
    }
    return "".join(special.get(character, character if character.isprintable() else " ") for character in text)


def _latex_matrix(table: pd.DataFrame, caption: str) -> list[str]:
    head, *body = matrix(table)
    rows: list[str] = []
    for name, *values in body:
        method = name not in ("difference (95 % interval)", "published")
        start = ("\\addlinespace\n" if rows else "") + latex(name) if method else "\\quad " + latex(name)
        rows.append(" & ".join([start, *map(latex, values)]) + " \\\\")
    return _latex_tables("l" + "r" * (len(head) - 1), head, rows, caption)


def _marked(cell: Any) -> str:
    if cell.undecided:
        return mean_and_spread(cell) + ("" if cell.floor else f" ({kind_of(cell.undecided)})")
    mark = " \u25b2" if cell.low > 0 else " \u25bc" if cell.high < 0 else ""
    return mean_and_spread(cell) + mark


def _difference(cell: Any) -> str:
    if math.isnan(cell.difference):
        return ""
    return f"{number(cell.difference, digits_of(cell.metric), signed=True)} ({interval(cell)})"


def _published(cell: Any) -> str:
    change = number(cell.published_difference, 1, signed=True)
    return number(cell.published, 1) + (f" ({change})" if change else "")


def _line(cell: Any) -> list[str]:
    digits = digits_of(cell.metric)
    seeds = (
        str(cell.n_seeds)
        if not cell.missing or not cell.n_seeds
        else f"{cell.n_seeds} of {cell.n_seeds + cell.missing}"
    )
    value = mean_and_spread(cell)
    if cell.n_seeds == 0:
        value = f"missing ({cell.reason})"
    return [
        heading(cell),
        cell.row_title,
        value,
        seeds,
        number(cell.difference, digits, signed=True),
        interval(cell),
        "" if math.isnan(cell.p) else probability(cell.p),
        number(cell.published, digits),
        number(cell.published_difference, digits, signed=True),
        number(cell.ceiling, digits),
        cell.undecided,
    ]


def markdown(text: str) -> str:
    """Return text with Markdown's special characters escaped, in one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text).replace("\n", " ")
