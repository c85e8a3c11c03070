"""The systems in both papers' tables, each with the experiment's row that runs it or the reason why none does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analysis.schema import Point, Published
from benchmarks.experiments.planning.base import Experiment
from benchmarks.papers import published


@dataclass(frozen=True)
class System:
    """A row of a paper's table.

    Attributes:
        name: as printed.
        table: file of ``benchmarks/papers``.
        rows: ``EXPERIMENT: row, row`` where it is run; "" where it is not.
        reason: why it is not run.
    """

    name: str
    table: str
    rows: str
    reason: str = ""


def systems(experiments: Mapping[str, Experiment]) -> list[System]:
    """Return every system in a table of either paper once, with the rows that run it, or why none does."""
    by_name: dict[str, System] = {}
    for system in (row for experiment in experiments.values() for row in _systems_of(experiment)):
        if system.name not in by_name or (system.rows and not by_name[system.name].rows):
            by_name[system.name] = system
    return list(by_name.values())


def _systems_of(experiment: Experiment) -> Iterator[System]:
    """Yield the systems in an experiment's tables; rows that are settings or data sets are no systems."""
    if experiment.facts or any((omission.row, omission.column) == ("*", "*") for omission in experiment.omitted):
        return
    rows_of_printed: dict[str, dict[str, None]] = {}
    cells: tuple[Published | Point, ...] = (*experiment.published, *experiment.points)
    for cell in cells:
        rows_of_printed.setdefault(cell.printed[0], {})[cell.row] = None
    for table in experiment.tables:
        for name in dict.fromkeys(number.row for number in published(table)):
            rows = ", ".join(rows_of_printed.get(name, ()))
            if rows:
                yield System(name, table, f"{experiment.name}: {rows}")
                continue
            omissions = [omission for omission in experiment.omitted if omission.column == "*"]
            reasons = [omission.reason for omission in omissions if _matches(name, omission.row)]
            if not name.startswith(("#", "(header)")):
                yield System(name, table, "", reasons[0] if reasons else "")


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))
