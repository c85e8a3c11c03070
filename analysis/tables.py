"""The experiment's table for people (Markdown), papers (LaTeX, booktabs) and programs (CSV), from the frame of
``compare``."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.scores import METRICS

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
    """The frame's rows, each with its columns as attributes."""
    return iter(frame.itertuples())


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """A number as it is printed everywhere: a true minus sign, an explicit plus where it is a difference, "" for
    nan."""
    if value is None or math.isnan(value):
        return ""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def probability(p: float) -> str:
    """A p value as it is printed everywhere: ``0.013``, ``0.21``, ``< 0.001``."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.095 else f"{p:.2f}"


def percent(share: float) -> str:
    """A share as a whole percentage: ``95 %``."""
    return f"{100 * share:.0f} %"


def digits_of(metric: str) -> int:
    """Decimals that make sense: one for percent, three for nats."""
    known = METRICS.get(metric)
    return 3 if known is not None and known.scale == 1.0 else 1


def unit_of(metric: str) -> str:
    """The unit of a difference as tables print it: points, nats, or the labels' own."""
    known = METRICS.get(metric)
    return known.unit if known is not None else "points"


def mean_and_spread(cell: Any) -> str:
    """``84.1 ± 0.6``; the mean alone where one seed has no spread; "missing" where nothing was run."""
    if cell.n_seeds == 0:
        return "missing"
    digits = digits_of(cell.metric)
    spread = number(cell.sd, digits)
    return number(cell.mean, digits) + (f" ± {spread}" if spread else "")


def interval(cell: Any) -> str:
    """``−0.4 to 2.8``, or "" for the baseline and missing cells."""
    if math.isnan(cell.low):
        return ""
    digits = digits_of(cell.metric)
    return f"{number(cell.low, digits)} to {number(cell.high, digits)}"


def heading(cell: Any) -> str:
    """``demo-rte, accuracy``, with the split where it is not dev, and "pilot at the floor" where the task is not
    learnt."""
    known = METRICS.get(cell.metric)
    metric = known.title if known else cell.metric
    split = f" ({cell.split})" if cell.split != "dev" else ""
    return f"{cell.column_title}, {metric}{split}" + (f" ({kind_of(cell.floor)})" if cell.floor else "")


def kind_of(undecided: str) -> str:
    """Why a difference decides nothing, in a few words: what stands before the colon of the whole reason."""
    return undecided.split(":")[0]


def lines(table: pd.DataFrame) -> list[list[str]]:
    """The table's cells as text, a line per task and method, in the order of :data:`HEADINGS`."""
    return [_line(cell) for cell in records(table)]


def matrix(table: pd.DataFrame) -> list[list[str]]:
    """The table as papers print it, a column per task and metric: up to three lines a method.

    ``mean ± sd`` with a mark (\u25b2 the interval lies above 0, \u25bc below) or why the difference decides nothing,
    then the difference with its interval, then what the paper prints with its difference. Lines that would be empty are
    left out. The first line holds the headings; a task at the floor is named there, and no cell of it has a mark.
    """
    cells = {(cell.row, cell.column): cell for cell in records(table)}
    columns = list(dict.fromkeys(table["column"]))
    titles = dict(zip(table["row"], table["row_title"], strict=True))
    top = ["method", *(heading(next(c for c in cells.values() if c.column == column)) for column in columns)]
    body = [top]
    for row, title in titles.items():
        mine = [cells.get((row, column)) for column in columns]
        for name, text in ((title, _marked), ("difference (95 % interval)", _difference), ("published", _published)):
            line = [text(cell) if cell is not None else "" for cell in mine]
            if any(line):
                body.append([name, *line])
    return body


def to_markdown(table: pd.DataFrame, notes: list[str] | None = None) -> str:
    """Two GitHub tables, as papers print it and a line per cell; notes as bullets above them."""
    both = [github(matrix(table), texts=1), github([HEADINGS, *lines(table)], texts=2)]
    bullets = "\n".join(f"- {_markdown(note)}" for note in notes or [])
    return "\n\n".join(part for part in (bullets, *both) if part) + "\n"


def github(rows: Sequence[Sequence[str]], texts: int | None = None) -> str:
    """A GitHub table, escaped; its first row holds the headings. Columns after the first ``texts`` are numbers."""
    head, *body = ([_markdown(text) for text in row] for row in rows)
    words = len(head) if texts is None else texts
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))


LATEX_HEAD = "% \\usepackage{booktabs} \\usepackage{graphicx}"
LATEX_LINES = 45  # of a table on a page; what is longer goes on in a second one
LATEX_WIDE = 40  # letters: a column of longer texts is broken into lines


def to_latex(table: pd.DataFrame, caption: str = "", notes: list[str] | None = None) -> str:
    """Two booktabs ``table`` environments, as papers print it and a line per cell; need booktabs and graphicx, which
    shrinks what is wider than the page."""
    body: list[str] = []
    before = None
    for n, line in enumerate(lines(table)):
        new = line[0] != before or n % LATEX_LINES == 0
        rule = "\\midrule\n" if new and body else ""
        body.append(rule + _latex_line([line[0] if new else "", *line[1:]]))
        before = line[0]
    comments = [LATEX_HEAD, *(f"% {note}".replace("\n", " ") for note in notes or [])]
    long = _latex_tables("ll" + "r" * (len(HEADINGS) - 2), HEADINGS, body, caption)
    return "\n".join([*comments, *_latex_matrix(table, caption), *long])


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + " \\\\"


def _latex_tables(columns: str, head: Sequence[str], body: Sequence[str], caption: str) -> list[str]:
    """The lines of as many ``table`` environments as pages are needed, none wider than the text."""
    found: list[str] = []
    for start in range(0, max(1, len(body)), LATEX_LINES):
        found += [
            "\\begin{table}",
            "\\centering",
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            _latex_line(head),
            "\\midrule",
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
    return found


def to_csv(table: pd.DataFrame) -> str:
    """All numbers at full precision. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    shown = table[CSV_COLUMNS].copy()
    shown["scores"] = [" ".join(map(repr, scores)) for scores in table["scores"]]  # one per seed, in seed order
    for name in shown.select_dtypes(exclude="number"):
        shown[name] = shown[name].map(lambda text: _no_formula(str(text)))
    return str(shown.to_csv(index=False, lineterminator="\n"))


def write_tables(table: pd.DataFrame, folder: Path, caption: str = "", notes: list[str] | None = None) -> list[Path]:
    """``table.md``, ``table.tex`` and ``table.csv`` in ``folder``."""
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
    """Any table of texts as ``stem.md``, ``stem.tex`` (booktabs) and ``stem.csv``, escaped for each."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    rows = [list(headings), *map(list, lines)]
    long = [max(len(text) for text in column) > LATEX_WIDE for column in zip(*rows, strict=True)]
    columns = "".join("p{7cm}" if wide else "l" for wide in long)
    environment = [LATEX_HEAD, *_latex_tables(columns, headings, [_latex_line(line) for line in lines], caption)]
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
    """Text that a spreadsheet would run gets a leading apostrophe."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped, and the few symbols tables use as commands."""
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
        "\n": " ",
        "\u25b2": r"$\uparrow$",
        "\u25bc": r"$\downarrow$",
        "[": "{[}",
        "*": "{*}",  # after a line's end they would be its option
    }
    return "".join(special.get(character, character) for character in text)


def _latex_matrix(table: pd.DataFrame, caption: str) -> list[str]:
    head, *body = matrix(table)
    shown: list[str] = []
    for name, *values in body:
        method = name not in ("difference (95 % interval)", "published")
        start = ("\\addlinespace\n" if shown else "") + latex(name) if method else "\\quad " + latex(name)
        shown.append(" & ".join([start, *map(latex, values)]) + " \\\\")
    return _latex_tables("l" + "r" * (len(head) - 1), head, shown, caption)


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


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text).replace("\n", " ")
