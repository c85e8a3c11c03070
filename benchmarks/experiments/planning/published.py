"""The papers' numbers, placed: which printed cell stands beside which of ours, and why some stand beside none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.experiments.planning.base import Column, Row
from benchmarks.papers import Published, published
from benchmarks.papers.placed import Cell, Number, Point


def place(rows: Iterable[Row], columns: Iterable[Column], *tables: str) -> tuple[Number, ...]:
    """The published numbers of the tables, at the rows and columns that name them."""
    printed = {cell(number): number for table in tables for number in published(table)}
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
            if row.published and name in printed:
                number = printed[name]
                source = f"{number.where}, {number.row}"
                placed.append(Number(row.id, column.id, column.metric, column.split, number.value, source, name))
    return tuple(placed)


def points(
    table: str, rows: Mapping[str, str], column: str, axis: str, at: Mapping[str, float | str], quantity: str = ""
) -> tuple[Point, ...]:
    """Published points of a curve.

    Args:
        rows: row as printed -> our rows' id; several ids are separated by blanks.
        column: id of our column.
        at: column as printed -> place on the axis.
        quantity: only numbers of this metric; "" takes all, each under its own metric.
    """
    return tuple(
        Point(row, column, n.metric, axis, at[n.column], n.value, f"{n.where}, {n.row}", cell(n))
        for n in published(table)
        if n.row in rows and n.column in at and quantity in ("", n.metric)
        for row in rows[n.row].split()
    )


def cell(number: Published) -> Cell:
    """A printed cell's name."""
    return number.row, number.column, number.metric, number.split
