"""Assign the numbers that the papers print to the cells and curves of the suite's experiments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from analysis.schema import Point, PrintedCell, Published
from benchmarks.experiments.planning.base import MethodRow, TaskColumn
from benchmarks.papers import PrintedNumber, published


def place(rows: Iterable[MethodRow], columns: Iterable[TaskColumn], *tables: str) -> tuple[Published, ...]:
    """Return the printed number of each cell of the suite; cells without a printed number are left out.

    Args:
        rows: rows of the suite; ``row.published`` is the row's printed name, "" where the paper has no such row.
        columns: columns of the suite; their ``published...`` fields give the printed names.
        *tables: files of ``benchmarks/papers``.
    """
    numbers = {cell(number): number for table in tables for number in published(table)}
    columns = tuple(columns)
    published_cells = []
    for row in rows:
        for column in columns:
            printed_name = (
                row.published,
                column.published + row.at,
                column.published_metric or column.metric,
                column.published_split or column.split,
            )
            if row.published and printed_name in numbers:
                number = numbers[printed_name]
                source = f"{number.table}, {number.row}"
                published_cells.append(
                    Published(
                        row.id, column.id, number.value, column.metric, column.split, source, printed=printed_name
                    )
                )
    return tuple(published_cells)


def points(
    table: str, rows: Mapping[str, str], column: str, axis: str, at: Mapping[str, float | str], quantity: str = ""
) -> tuple[Point, ...]:
    """Return the published points of curves.

    Args:
        table: file of ``benchmarks/papers``.
        rows: printed row -> id of the suite's row, or several ids separated by blanks, which share the points.
        column: id of the suite's column.
        axis: name of the x axis.
        at: printed column -> position on the x axis.
        quantity: metric of the numbers that are returned; "" returns the numbers of every metric.
    """
    return tuple(
        Point(
            row,
            column,
            number.metric,
            axis,
            at[number.column],
            number.value,
            f"{number.table}, {number.row}",
            cell(number),
        )
        for number in published(table)
        if number.row in rows and number.column in at and quantity in ("", number.metric)
        for row in rows[number.row].split()
    )


def cell(number: PrintedNumber) -> PrintedCell:
    """Return the name of a printed cell: row, column, metric and split as the paper prints them."""
    return number.row, number.column, number.metric, number.split
