"""Draw estimates: every function takes a frame and an ``Axes`` and returns the ``Axes``. It computes no statistics.

Colours stand for families of methods and stay distinct under the common kinds of colour blindness; marks and dashes
differ between all methods of a figure (:mod:`analysis.figures.palette`). One style serves papers, slides and dark pages
(:mod:`analysis.figures.style`).
"""

from analysis.figures.canvas import ACROSS, TITLE, mark, panels, save, set_title, to_svg
from analysis.figures.forest import common_reach, plot_differences, plot_forest, reach_of
from analysis.figures.heat import plot_confusion, plot_heat
from analysis.figures.lines import plot_curves, plot_expected_best, plot_reliability
from analysis.figures.names import (
    greater_is_better,
    legend_of_figure,
    one_line,
    room_below,
    room_below_names,
    room_for,
    short,
    unit,
    unit_of_scores,
)
from analysis.figures.palette import GRID, INK, LINES, MARKERS, PALETTE, SOFT, looks, marker_path, variables
from analysis.figures.plane import plot_boundary
from analysis.figures.strips import plot_box, plot_groups, plot_scores, span_of
from analysis.figures.style import LOOKS, restyle, style

PARTS = {
    "loss": "total loss",
    "task": "task loss",
    "smoothness": "smoothness (R_s)",
    "bregman": "Bregman (D_Breg)",
    "distillation": "distillation",
    "adversarial": "adversarial",
    "consistency": "consistency",
    "max_abs_delta": "max |delta|",
    "start_share": "theta_0's share in the teacher",
}

__all__ = [
    "ACROSS",
    "GRID",
    "INK",
    "LINES",
    "LOOKS",
    "MARKERS",
    "PALETTE",
    "PARTS",
    "SOFT",
    "TITLE",
    "common_reach",
    "greater_is_better",
    "legend_of_figure",
    "looks",
    "mark",
    "marker_path",
    "one_line",
    "panels",
    "plot_boundary",
    "plot_box",
    "plot_confusion",
    "plot_curves",
    "plot_differences",
    "plot_expected_best",
    "plot_forest",
    "plot_groups",
    "plot_heat",
    "plot_reliability",
    "plot_scores",
    "reach_of",
    "restyle",
    "room_below",
    "room_below_names",
    "room_for",
    "save",
    "set_title",
    "short",
    "span_of",
    "style",
    "to_svg",
    "unit",
    "unit_of_scores",
    "variables",
]
