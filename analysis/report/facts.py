"""Tables of experiments that are not a grid of runs: sizes of data sets, results of a toy network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.records import read_json
from analysis.results import Results
from analysis.schema import Manifest
from analysis.tables import number, without_empty


@dataclass(frozen=True)
class FactTable:
    """A table of texts: name of its files, title, headings, lines."""

    name: str
    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]

    def without_empty(self) -> FactTable:
        """Return the table without the columns that are empty in every line; a table without lines is unchanged."""
        headings, lines = without_empty(self.headings, self.lines)
        return replace(self, headings=headings, lines=lines)


def fact_tables(results: Results, manifest: Manifest) -> list[FactTable]:
    """Return the experiment's tables other than that of its scores."""
    tables = TABLES.get(manifest.layout)
    return [] if tables is None else list(tables(results, manifest))


def data_sets(results: Results, manifest: Manifest) -> Iterator[FactTable]:
    """Yield the printed sizes of data sets with those of the official files."""
    lines = tuple(
        (
            fact.dataset,
            fact.column,
            fact.printed,
            "not known" if fact.count is None else f"{fact.count:,}",
            "yes" if fact.agrees else "no",
            fact.note,
        )
        for fact in manifest.facts
    )
    if lines:
        yield FactTable("table", manifest.title, ("data set", "column", "printed", "here", "agree", "note"), lines)


MEASURED = {
    "accuracy": "accuracy on fresh points (%)",
    "wrong_fitted": "wrong labels fitted (%)",
    "flipped": "class changes within the radius (%)",
}


def boundary(results: Results, manifest: Manifest) -> Iterator[FactTable]:
    """Yield means ± standard deviations over seeds of the measurements of each network."""
    path = results.root / "reports" / manifest.name / "boundary.json"
    networks = read_json(path)["networks"] if path.is_file() else []
    lines = []
    for row in manifest.rows:
        row_networks = [network for network in networks if network["row"] == row.id]
        if row_networks:
            values = [100 * np.array([network[name] for network in row_networks]) for name in MEASURED]
            texts = [number(v.mean()) + (f" ± {number(v.std(ddof=1))}" if len(v) > 1 else "") for v in values]
            lines.append((row.title, str(len(row_networks)), *texts))
    if lines:
        yield FactTable("table", manifest.title, ("network", "seeds", *MEASURED.values()), tuple(lines))


TABLES: dict[str, Callable[[Results, Manifest], Iterator[FactTable]]] = {"data-sets": data_sets, "boundary": boundary}
