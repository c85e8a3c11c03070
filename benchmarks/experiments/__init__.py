"""All experiments by name, and what one is made of: rows, columns, claims. Adding one: its file, and one line here."""

# ruff: noqa: F401, I001  (imported to be registered; their order is the order of every listing)
from benchmarks.experiments.smart import table1 as smart_table1
from benchmarks.experiments.smart import table1_large as smart_table1_large
from benchmarks.experiments.smart import table2 as smart_table2
from benchmarks.experiments.smart import table3 as smart_table3
from benchmarks.experiments.smart import table4 as smart_table4
from benchmarks.experiments.smart import table5 as smart_table5
from benchmarks.experiments.smart import table6 as smart_table6
from benchmarks.experiments.smart import table7 as smart_table7
from benchmarks.experiments import datasets
from benchmarks.experiments.smart import fig1 as smart_fig1
from benchmarks.experiments.smart import fig2 as smart_fig2
from benchmarks.experiments.smart import sensitivity as smart_sensitivity
from benchmarks.experiments.smart import hnn
from benchmarks.experiments.sda import table2 as sda_table2
from benchmarks.experiments.sda import table3 as sda_table3
from benchmarks.experiments.sda import table4 as sda_table4
from benchmarks.experiments.sda import figures as sda_figures
from benchmarks.experiments.controls import what_drives_smart
from benchmarks.experiments.controls import what_drives_sda
from benchmarks.experiments.controls import selection_bias
from benchmarks.experiments.controls import together
from benchmarks.experiments.controls import mechanism
from benchmarks.experiments.controls import last_batch_noise
from benchmarks.experiments.controls import optimizers
from benchmarks.experiments.controls import label_noise
from benchmarks.experiments.controls import size_curve
from benchmarks.experiments.studies import epsilon
from benchmarks.experiments.studies import self_distillation
from benchmarks.experiments.studies import equal_budgets
from benchmarks.experiments.studies import elsewhere
from benchmarks.experiments.controls import attacks
from benchmarks.experiments.controls import regression
from analysis.schema import Claim, Contrast
from benchmarks.experiments.planning.base import EXPERIMENTS, TaskColumn, Experiment, MethodRow, narrowed
from benchmarks.experiments.planning.groups import GROUPS
from benchmarks.spec import MethodChoice, method

__all__ = [
    "EXPERIMENTS",
    "GROUPS",
    "Claim",
    "Contrast",
    "Experiment",
    "MethodChoice",
    "MethodRow",
    "TaskColumn",
    "method",
    "narrowed",
]
