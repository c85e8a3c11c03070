"""Analysis of results folders: scores, intervals, verdicts, tables, figures and reports.

``analysis.load("results")`` returns a tidy frame of all scores; :mod:`analysis.frames` applies the other modules to a
selection of its rows. ``analysis.judge("a.csv", "b.csv")`` compares predictions of any program. The package imports
neither ``smart_repro`` nor ``benchmarks`` nor torch.
"""

from analysis.load import load
from analysis.predictions import judge
from analysis.records import ResultsError

__all__ = ["ResultsError", "judge", "load"]
