"""A sentence on the weights of R-Drop and R_s, where an experiment has both: plans and reports both give it."""

from __future__ import annotations

from collections.abc import Iterable

SHARE = 4  # R-Drop weighs the symmetrised KL divergence by alpha / 4 (docs/why-r-drop.md), R_s by lambda_s


def unequal_strengths(alphas: Iterable[float], lambdas: Iterable[float]) -> str:
    """Return the note on R-Drop at these alphas and R_s at these lambda_s; "" without both, or if they are equal."""
    drop, smooth = sorted(set(alphas)), sorted(set(lambdas))
    if not drop or not smooth or [alpha / SHARE for alpha in drop] == smooth:
        return ""
    return (
        f"R-Drop and R_s do not have the same strength: for classification, R-Drop at alpha {_listed(drop)} weighs the "
        f"symmetrised KL divergence by alpha/{SHARE} = {_listed([alpha / SHARE for alpha in drop])}, R_s at lambda_s "
        f"{_listed(smooth)} by lambda_s, so equal strength needs alpha = {SHARE} lambda_s (docs/why-r-drop.md)."
    )


def _listed(values: Iterable[float]) -> str:
    return " / ".join(f"{value:g}" for value in values)
