"""Tests of whether method A is better than method B, with seeds and items as crossed random factors.

:func:`crossed_interval` decides: its interval is for new seeds and new items. The other functions each answer a
narrower question, named in their ``method``, and decide nothing.

Arrays ``a`` and ``b`` have shape ``(seeds, items)``: item scores at equal seeds, or predictions together with
``labels`` and a ``metric``. All estimates are ``a - b``, as fractions.
"""

from analysis.crossed import Components, combine, components, crossed_interval, macro_interval
from analysis.descriptive import (
    EffectSize,
    Equivalence,
    effect_size,
    equivalence,
    hierarchical_bootstrap,
    holm,
    mcnemar,
    permutation_test,
    probability_of_superiority,
    sign_flip,
    variance_ratio_test,
    wilcoxon,
)
from analysis.interval import Interval

__all__ = [
    "Components",
    "EffectSize",
    "Equivalence",
    "Interval",
    "combine",
    "components",
    "crossed_interval",
    "effect_size",
    "equivalence",
    "hierarchical_bootstrap",
    "holm",
    "macro_interval",
    "mcnemar",
    "permutation_test",
    "probability_of_superiority",
    "sign_flip",
    "variance_ratio_test",
    "wilcoxon",
]
