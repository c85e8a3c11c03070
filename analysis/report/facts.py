"""Tables of experiments that are no grid of runs: sizes of data sets, what a toy network learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.records import read_json
from analysis.results import Results
from analysis.schema import Manifest
from analysis.tables import number


@dataclass(frozen=True)
class FactTable:
    """A table of texts: ``name`` of its files, ``title``, headings, lines."""

    name: str
    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def fact_tables(results: Results, manifest: Manifest) -> list[FactTable]:
    """The experiment's tables beside its scores."""
    return list(TABLES.get(manifest.layout, lambda *_: iter(()))(results, manifest))


def data_sets(results: Results, manifest: Manifest) -> Iterator[FactTable]:
    """Printed sizes of data sets beside those of the official files."""
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
    """Means ± standard deviations over seeds of what each network learned."""
    path = results.root / "reports" / manifest.name / "boundary.json"
    networks = read_json(path)["networks"] if path.is_file() else []
    lines = []
    for row in manifest.rows:
        own = [each for each in networks if each["row"] == row.id]
        if own:
            values = [100 * np.array([each[name] for each in own]) for name in MEASURED]
            shown = [number(v.mean()) + (f" ± {number(v.std(ddof=1))}" if len(v) > 1 else "") for v in values]
            lines.append((row.title, str(len(own)), *shown))
    if lines:
        yield FactTable("table", manifest.title, ("network", "seeds", *MEASURED.values()), tuple(lines))


TABLES: dict[str, Callable[[Results, Manifest], Iterator[FactTable]]] = {"data-sets": data_sets, "boundary": boundary}
