"""Is method A better than method B? Seeds and items are crossed: every seed of both is scored on the same items.

:func:`crossed_interval` decides: its interval speaks about new seeds on new items. The others describe one question
each and decide nothing; their ``method`` names the question.

Arrays ``a`` and ``b`` have shape ``(seeds, items)``: scores of items at equal seeds, or predictions together with
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
