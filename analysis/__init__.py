"""Analysis of results folders: scores, intervals, verdicts, tables, figures and reports.

``analysis.load("results")`` returns a tidy frame of all scores; :mod:`analysis.frames` applies the other modules to a
selection of its rows. ``analysis.judge("a.csv", "b.csv")`` compares predictions of any program. The package imports
neither ``smart_repro`` nor ``benchmarks`` nor torch.
"""

from typing import TYPE_CHECKING, Any

from analysis.load import load
from analysis.records import ResultsError

if TYPE_CHECKING:
    from analysis.predictions import judge

__all__ = ["ResultsError", "judge", "load"]


def __getattr__(name: str) -> Any:
    """Import ``judge`` when it is first used: it needs numpy, which listings do without."""
    if name != "judge":
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    from analysis.predictions import judge

    return judge
