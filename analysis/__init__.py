"""Analysis of results folders: scores, intervals, verdicts, tables, figures and reports.

``import analysis; analysis.load("results")`` gives a tidy frame; :mod:`analysis.frames` takes what you select of it to
the other modules. ``analysis.judge("a.csv", "b.csv")`` compares predictions of any program.
"""

from analysis.load import load
from analysis.predictions import judge
from analysis.records import ResultsError

__all__ = ["ResultsError", "judge", "load"]
