"""Reading result folders: scores, intervals, verdicts, tables, figures, reports. Imports neither other package,
never torch.

``import analysis; analysis.load("results")`` gives a tidy frame; the rest is in the modules, each usable from a
notebook.
"""

from analysis.load import ResultsError, load

__all__ = ["ResultsError", "load"]
