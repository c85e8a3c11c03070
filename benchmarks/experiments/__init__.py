"""All experiments, by name. Adding one: its file, and one line here."""

# ruff: noqa: F401, I001  (imported to be registered; their order is the order of every listing)
from benchmarks.experiments import (
    smart_table1,
    smart_table1_large,
    smart_table2,
    smart_table3,
    smart_table4,
    smart_table5,
    smart_table6,
    smart_table7,
    datasets,
    smart_fig1,
    smart_fig2,
    smart_sensitivity,
    sda_table2,
    sda_table3,
    sda_table4,
    sda_figures,
    controls,
    attacks,
    regression,
)
from benchmarks.experiments.base import EXPERIMENTS, Column, Experiment, Row, narrowed
from benchmarks.experiments.groups import GROUPS

__all__ = ["EXPERIMENTS", "GROUPS", "Column", "Experiment", "Row", "narrowed"]
