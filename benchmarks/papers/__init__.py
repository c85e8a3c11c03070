"""Published numbers of the two papers: one CSV per table or figure, as printed (scores in percent)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PrintedNumber:
    """A number printed in a paper.

    Attributes:
        row: system, as the paper names it.
        column: task or setting, as the paper names it.
        metric: metric, as the paper names it.
        split: split of the data.
        value: as printed; scores in percent.
        table: paper and table, for a caption.
        source: document from which the number was transcribed.
    """

    row: str
    column: str
    metric: str
    split: str
    value: float
    table: str
    source: str


def published(table: str) -> list[PrintedNumber]:
    """Return the numbers of ``benchmarks/papers/<table>.csv``, without entries that are words or ranges."""
    return [number for line in _lines(table) if (number := _number(line)) is not None]


def _lines(table: str) -> Iterator[dict[str, str]]:
    with (Path(__file__).parent / f"{table}.csv").open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _number(line: dict[str, str]) -> PrintedNumber | None:
    try:
        value = float(line["value"])
    except ValueError:
        return None
    table = f"{line['paper'].split(' (')[0]}, {line['table']}"
    return PrintedNumber(line["row"], line["column"], line["metric"], line["split"], value, table, line["source"])


def printed(table: str) -> list[dict[str, str]]:
    """Return all lines of ``benchmarks/papers/<table>.csv`` as printed, including words and ranges."""
    return list(_lines(table))
