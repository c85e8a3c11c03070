"""The two papers' published numbers, one CSV per table or figure, as printed (scores in percent)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PrintedNumber:
    """One printed number.

    Attributes:
        row: system, as the paper names it.
        column: task or setting, as the paper names it.
        value: as printed; scores in percent.
        where: paper and table, for a caption.
        source: where it was read.
    """

    row: str
    column: str
    metric: str
    split: str
    value: float
    where: str
    source: str


def published(table: str) -> list[PrintedNumber]:
    """The numbers of ``benchmarks/papers/<table>.csv``; entries that are words or ranges are left out."""
    return [number for line in _lines(table) if (number := _number(line)) is not None]


def _lines(table: str) -> Iterator[dict[str, str]]:
    with (Path(__file__).parent / f"{table}.csv").open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _number(line: dict[str, str]) -> PrintedNumber | None:
    try:
        value = float(line["value"])
    except ValueError:
        return None
    where = f"{line['paper'].split(' (')[0]}, {line['table']}"
    return PrintedNumber(line["row"], line["column"], line["metric"], line["split"], value, where, line["source"])


def printed(table: str) -> list[dict[str, str]]:
    """All lines of ``benchmarks/papers/<table>.csv`` as printed, words and ranges too."""
    return list(_lines(table))
