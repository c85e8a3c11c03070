"""The papers' numbers at the cells of the suite that they correspond to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from analysis.schema import Point, PrintedCell, Published
from benchmarks.experiments.planning.base import MethodRow, TaskColumn
from benchmarks.papers import PrintedNumber, published


def place(rows: Iterable[MethodRow], columns: Iterable[TaskColumn], *tables: str) -> tuple[Published, ...]:
    """Return the published numbers of the tables, at the rows and columns that name them."""
    numbers = {cell(number): number for table in tables for number in published(table)}
    columns = tuple(columns)
    placed = []
    for row in rows:
        for column in columns:
            name = (
                row.published,
                column.published + row.at,
                column.published_metric or column.metric,
                column.published_split or column.split,
            )
            if row.published and name in numbers:
                number = numbers[name]
                source = f"{number.table}, {number.row}"
                placed.append(
                    Published(row.id, column.id, number.value, column.metric, column.split, source, printed=name)
                )
    return tuple(placed)


def points(
    table: str, rows: Mapping[str, str], column: str, axis: str, at: Mapping[str, float | str], quantity: str = ""
) -> tuple[Point, ...]:
    """Return published points of a curve.

    Args:
        table: file of ``benchmarks/papers``.
        rows: row as printed -> id of the suite's row; several ids are separated by blanks.
        axis: name of the axis.
        column: id of the suite's column.
        at: column as printed -> place on the axis.
        quantity: only numbers of this metric; "" takes all, each under its own metric.
    """
    return tuple(
        Point(row, column, n.metric, axis, at[n.column], n.value, f"{n.table}, {n.row}", cell(n))
        for n in published(table)
        if n.row in rows and n.column in at and quantity in ("", n.metric)
        for row in rows[n.row].split()
    )


def cell(number: PrintedNumber) -> PrintedCell:
    """Return a printed cell's name."""
    return number.row, number.column, number.metric, number.split
