"""The version of the arithmetic: raised by any change that may alter one bit of a result.

Compaction, clipping, masks and the order of sums belong to it. Runs of two versions are never put into one cell of a
table nor contrasted, so raise it rarely, and say here what changed.
"""

from __future__ import annotations

NUMERICS = 1  # 1: the versions up to 0.1.0; it is left out of a run's key, later ones enter it
