"""Reports: an experiment as a self-contained page (``write_report``), the front page of a folder (``write_index``)."""

from analysis.report.build import write_report
from analysis.report.site import write_index

__all__ = ["write_index", "write_report"]
