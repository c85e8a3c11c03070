"""Reading result folders: scores, intervals, verdicts, tables, figures, reports. Imports neither other package,
never torch.

``import analysis; analysis.load("results")`` gives a tidy frame; :mod:`analysis.frames` takes what you select of it to
the other modules.
"""

from analysis.load import load
from analysis.records import ResultsError

__all__ = ["ResultsError", "load"]
