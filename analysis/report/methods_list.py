"""The list of methods on a page: the sentence on each, as its own file begins, and the rows that it trains.

The sentences come from the registry of methods, which this package does not import: whoever writes a report hands them
over, as the command line does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.schema import Manifest


@dataclass(frozen=True)
class MethodEntry:
    """A method of the page.

    Attributes:
        name: its registered name.
        sentence: what it does.
        titles: titles of its rows on the page.
    """

    name: str
    sentence: str
    titles: tuple[str, ...]


def method_entries(manifest: Manifest, sentences: Mapping[str, str]) -> list[MethodEntry]:
    """Return an entry for each method and combiner of the rows that has a sentence, in their order."""
    titles: dict[str, list[str]] = {}
    for row in manifest.rows:
        for name in filter(None, (row.method, row.combine)):
            titles.setdefault(name, []).append(row.title)
    return [MethodEntry(name, sentences[name], tuple(rows)) for name, rows in titles.items() if name in sentences]
