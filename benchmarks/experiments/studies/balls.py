"""Rows of R_s over the radius of its ball, and the controls that belong to a radius."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.experiments.planning.base import MethodRow, Times
from benchmarks.spec import method

ACTING = 1e-2  # a radius that was measured to change a twentieth of the answers on SST-2
LONGER: Mapping[str, Any] = {"epochs": Times(3), "max_steps": Times(3)}
MEASURED: Mapping[str, Any] = {"smoothness_radii": (0.01, 0.1, 1.0)}  # over the embeddings' root mean square
PREFIX = "epsilon"  # of every curve over a radius, by which the figure selects them


def ball(epsilon: float) -> dict[str, Any]:
    """Return a ball's options with noise and step in the paper's proportions: sigma = epsilon, eta = 100 epsilon."""
    return {"epsilon": epsilon, "sigma": epsilon, "eta": 100 * epsilon}


ACTING_ROW = MethodRow("r_s@0.01", "R_s [shared masks], epsilon = 0.01", method("smoothness", **ball(ACTING)))


def ascent(name: str, radii: Iterable[float], words: str, *, curve: str, **options: Any) -> tuple[MethodRow, ...]:
    """Return the points of a curve of ascents over the radius.

    Args:
        name: name of the method.
        radii: radii of the balls.
        words: title of the rows, before the radius.
        curve: name of the curve.
        **options: further options of the method.
    """
    return _curve(name, radii, words, curve, lambda x: {**ball(x), **options})


def signs(name: str, radii: Iterable[float], words: str, *, curve: str, **options: Any) -> tuple[MethodRow, ...]:
    """Return the points of a curve of random signs, each as long as a saturated ascent of its radius."""
    return _curve(name, radii, words, curve, lambda x: {"epsilon": x, "direction": "signs", **options})


def equal_strength(
    name: str, radii: Iterable[float], words: str, *, curve: str, **options: Any
) -> tuple[MethodRow, ...]:
    """Return ascents whose weight makes up for the radius, lambda_s = (1e-2 / epsilon)^2: R_s grows with its square.

    In float32 the weighted gradient at 1e-5 is within 1 % of the one in float64 (MiniLM, a test).
    """
    return _curve(name, radii, words, curve, lambda x: {**ball(x), "lambda_s": (ACTING / x) ** 2, **options})


def fixed_step(name: str, radii: Iterable[float], words: str, *, curve: str, **options: Any) -> tuple[MethodRow, ...]:
    """Return ascents with the paper's own step at every radius, eta = 1e-3."""
    return _curve(name, radii, words, curve, lambda x: {"epsilon": x, "sigma": x, **options})


def without_ball(name: str, words: str, **options: Any) -> MethodRow:
    """Return the row of independent masks without a perturbation: epsilon 0, dropout alone."""
    choice = method(name, dropout="independent", direction="none", **options)
    return MethodRow(f"{PREFIX}-0[independent]", words, choice)


def _curve(name: str, radii: Iterable[float], words: str, curve: str, options: Any) -> tuple[MethodRow, ...]:
    return tuple(
        MethodRow(f"{curve}@{x:g}", f"{words}, epsilon = {x:g}", method(name, **options(x)), curve=curve, x=x)
        for x in radii
    )
