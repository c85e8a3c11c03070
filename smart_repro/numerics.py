"""The version of the arithmetic: raised by any change that may alter one bit of a result.

Compaction, clipping, masks and the order of sums belong to it. Runs of two versions are never put into one cell of a
table nor contrasted, so raise it rarely, and say here what changed.
"""

from __future__ import annotations

# 1: the versions up to 0.1.0; it is left out of a run's key, later ones enter it.
# 2: dropout masks on a CPU from 16 bits each; an example's noise by a counter instead of a generator of its own; the
#    sum of a window of past students; rows of the word embeddings that no text of a run contains are not trained.
NUMERICS = 2
