"""Result of :func:`analysis.judge`: an outcome that a notebook shows and that can be written as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.predictions import page
from analysis.predictions.outcome import Outcome


@dataclass(frozen=True)
class Judgement(Outcome):
    """Systems compared with a baseline on the same items: print it, or let a notebook show it."""

    def write(self, folder: str | Path) -> Path:
        """Write ``judge.html``, ``judge.json``, ``table.{md,tex,csv}`` and ``figures/`` there; return the page.

        Raises: ResultsError: the folder holds other files than those of an earlier judgement.
        """
        return page.write(self, Path(folder))

    def _repr_html_(self) -> str:
        """Return verdicts and table as HTML, for a notebook."""
        return page.fragment(self)
