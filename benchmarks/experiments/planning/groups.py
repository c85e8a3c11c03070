"""Papers as groups of experiments: ``smart-repro reproduce smart`` is every table and figure of the paper."""

from __future__ import annotations

from benchmarks.experiments.planning.base import EXPERIMENTS

GROUPS = {
    "smart": "every table, figure and sweep of SMART (Jiang et al. 2020)",
    "sda": "every table and figure of Self-Ensemble / Self-Distillation (Xu et al. 2020)",
    "controls": "the control studies, and the studies behind docs/FINDINGS.md",
}

GATE = "regression"  # judges the code, not the papers: in no group


def members(group: str) -> tuple[str, ...]:
    """Return the experiments of a group, in order. Raises KeyError."""
    GROUPS[group]
    papers = [name for name in EXPERIMENTS if name.startswith(("smart-", "sda-"))]
    if group == "controls":
        return tuple(name for name in EXPERIMENTS if name not in papers and name != GATE)
    return tuple(name for name in papers if name.startswith(f"{group}-"))
