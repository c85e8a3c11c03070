"""One experiment as one page that opens anywhere: ``write_report(results, name)``."""

from analysis.report.build import write_report

__all__ = ["write_report"]
