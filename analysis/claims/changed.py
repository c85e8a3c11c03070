"""Claims that two arms give nearly the same answers, whatever their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.cells import read_cell
from analysis.claims import rule
from analysis.claims.claim import VALUE, Verdict
from analysis.claims.kinds import Case
from analysis.claims.logged import over_seeds
from analysis.contrasts import identical_shares
from analysis.records import ResultsError
from analysis.schema import Changed


def changed(case: Case, test: Changed) -> Verdict:
    """Decide whether row a changes less than a share of row b's answers: Student's interval over the seeds' shares.

    Where all seeds have the same share, these have no spread that an interval could be computed from: the exact
    binomial interval of all answers is used, as of independent ones.
    Supported where the interval ends below the share, contradicted where it begins above it.
    Raises: ResultsError: a cell is not run, fewer seeds than the claim needs, or several tasks.
    """
    claim = case.claim
    if len(claim.tasks) != 1:
        raise ResultsError(f"shares of changed answers are decided on one task, not on {', '.join(claim.tasks)}")
    (column,) = case.columns()
    a, b = (read_cell(case.results, case.manifest, row, column) for row in (claim.a, claim.b))
    common_seeds = [seed for seed in case.manifest.seeds if seed in a.seeds and seed in b.seeds]
    case.enough(len(common_seeds))
    shares, items = 1 - identical_shares(a, b, column.metric), len(common_seeds) * len(a.labels)
    interval = over_seeds(shares)
    p = rule.p_of_shift(interval, test.share)
    if not np.ptp(shares):
        from scipy.stats import binomtest  # imported here: it is slow

        exact = binomtest(round(shares.mean() * items), items, test.share)
        ends = exact.proportion_ci(interval.level)
        interval, p = replace(interval, low=float(ends.low), high=float(ends.high)), float(exact.pvalue)
    status = rule.inside(interval, -1.0, test.share)
    estimand = f"percent of {items:,} answers that differ, claimed below {100 * test.share:g}"
    interval = replace(interval, **{name: 100 * getattr(interval, name) for name in ("estimate", "low", "high", "se")})
    return replace(rule.verdict(claim, interval, {column.task: interval}, status), unit=VALUE, estimand=estimand, p=p)
