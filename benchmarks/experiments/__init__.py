"""All experiments, by name. Adding one: its file, and one line here."""

from benchmarks.experiments import smart_table1  # noqa: F401  (registers itself)
from benchmarks.experiments.base import EXPERIMENTS, Column, Experiment, Row, narrowed

__all__ = ["EXPERIMENTS", "Column", "Experiment", "Row", "narrowed"]
