"""Names that the suite writes and the analysis reads: splits, loss parts, agreement buckets, terms of claims."""

from __future__ import annotations

SPLITS = ("train", "dev", "holdout", "test")

# `smart_repro.methods.base.PARTS` has the same names for the core, which imports nothing of the suite; a test compares.
LOSS_PARTS = ("task", "smoothness", "bregman", "distillation", "adversarial", "consistency")

# Agreement of five annotators: votes for the first, second and third label, from unanimous to contested.
BUCKETS = ("5/0/0", "4/1/0", "3/2/0", "3/1/1")

READINGS = ("shared", "independent", "as-released", "")
READING_WORDS = {"shared": "shared masks", "independent": "independent masks", "as-released": "as released"}
DIRECTIONS = ("greater", "less", "no less", "no greater", "the same")
QUANTIFIERS = ("average", "every", "any")

SELECTIONS = ("last", "best-dev", "best-holdout")

# Largest number of points of a drawn curve or a published history; each point is the mean over its share of updates.
CURVE_POINTS = 60
OVER = " over "  # between the name of a curve of one's own and the option it is over
