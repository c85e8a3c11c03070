"""Writes analysis/claims/families.csv, which Holm's correction counts: ``python docs/_scripts/claim_families.py``.

Every claim of every experiment, with the paper (or the control studies) it belongs to. A test compares.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import benchmarks.experiments  # noqa: F401  (registers them)
from benchmarks.experiments.planning.base import EXPERIMENTS

PATH = Path(__file__).resolve().parents[2] / "analysis" / "claims" / "families.csv"
FAMILIES = {  # first word of a claim's table -> family
    "SMART": "SMART",
    "SDA": "Self-Ensemble and Self-Distillation",
    "study": "the studies",
    "HNN": "HNN",
}


def families() -> str:
    """Return the file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("claim", "family", "experiment"))
    for name, build in EXPERIMENTS.items():
        for claim in build().claims:
            first = claim.table.replace(",", " ").split(" ")[0]
            writer.writerow((claim.id, FAMILIES.get(first, "the control studies"), name))
    return text.getvalue()


if __name__ == "__main__":
    PATH.write_text(families(), encoding="utf-8")
