"""One experiment as one page that opens anywhere (``write_report``), and the front page of a folder
(``write_index``)."""

from analysis.report.build import write_report
from analysis.report.index import write_index

__all__ = ["write_index", "write_report"]
