"""SMART, section 8.1 (prose, no table): how much lambda_s, mu, epsilon, sigma, S and the ascent steps matter.

A sweep over epsilon keeps eta = 100 epsilon and sigma = epsilon; with eta fixed at 1e-3 it is a second curve. It goes
on beyond the paper's range until R_s reaches what dropout alone makes of it, and up to 1. Beside it stand R_s alone,
random signs of equal norm, weights scaled to equal strength, no perturbation, three times the updates, and the l2 ball
that the paper compares with. ``--tasks`` takes any classification task.

Runs: 855 paper, 855 small, 855 demo.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.schema import Claim, Cost, Omission, Sweep, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, TaskColumn
from benchmarks.experiments.planning.columns import any_task
from benchmarks.experiments.studies import balls
from benchmarks.spec import method

_COLUMNS = (
    TaskColumn("rte", "accuracy"),
    TaskColumn("mrpc", "f1"),
    TaskColumn("cola", "matthews", published_metric="matthews_corr"),
)
_TASKS = tuple(column.task for column in _COLUMNS)
WEIGHTS = (0.01, 0.1, 1.0, 3.0, 10.0, 100.0)
RADII = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
ACTING_RADII = (1e-3, 1e-2, 1e-1, 1.0)
L2_RADII = (1e-3, 1e-1, 1.0, 10.0)  # of a whole example: entries of 1e-2 over 25 tokens of 384 make 0.98


def _curve(
    name: str, title: str, xs: tuple[float, ...], options: Any, reading: str = "shared"
) -> tuple[MethodRow, ...]:
    """Return the points of one curve; ``options(x)`` gives the method's options."""
    return tuple(
        MethodRow(f"{name}@{x:g}", f"{title} = {x:g}", method("smart", dropout=reading, **options(x)), curve=name, x=x)
        for x in xs
    )


_ROWS = (
    method_rows.vanilla("BERT"),
    *_curve("lambda_s", "lambda_s", WEIGHTS, lambda x: {"lambda_s": x}),
    *_curve("mu", "mu", WEIGHTS, lambda x: {"mu": x}),
    *(
        row
        for reading in method_rows.READINGS
        for row in _curve(
            f"epsilon[{reading}]",
            f"epsilon [{reading}], eta = 100 epsilon",
            RADII,
            balls.ball,
            reading,
        )
    ),
    *_curve("epsilon-eta-fixed", "epsilon, eta = 1e-3", RADII, lambda x: {"epsilon": x, "sigma": x}),
    *balls.signs("smart", ACTING_RADII, "random signs", curve="epsilon-signs"),
    *balls.ascent("smoothness", RADII[1:], "R_s alone", curve="epsilon-r-s-alone"),
    *balls.equal_strength("smart", (1e-5, 1e-3), "equal strength", curve="epsilon-equal-strength"),
    balls.without_ball("smart", "independent masks, epsilon = 0"),
    *(
        replace(row, settings=balls.LONGER)
        for row in balls.ascent("smart", (0.1, 1.0), "three times the updates", curve="epsilon-3x-updates")
    ),
    *_curve("l2-radius", "radius of the l2 ball", L2_RADII, lambda x: {**balls.ball(x), "p": 2}),
    *_curve("sigma", "sigma", (1e-7, 1e-6, 1e-5, 1e-4), lambda x: {"sigma": x}),
    *_curve("S", "S", (1.0, 2.0, 4.0), lambda x: {"inner_steps": int(x)}),
    *_curve("ascent-steps", "ascent steps", (1.0, 2.0, 3.0), lambda x: {"ascent_steps": int(x)}),
)


def _flat(name: str, sentence: str, curve: str, low: float, high: float, reading: str) -> Claim:
    return Claim(
        id=f"smart-sensitivity-{name}",
        sentence=sentence,
        table="SMART, section 8.1",
        contrast=against(f"{curve}@{high:g}", f"{curve}@{low:g}"),
        tasks=_TASKS,
        margin=1.0,
        reading=reading,
        test=Sweep(curve=curve, between=(low, high)),
    )


def _worse(name: str, sentence: str, a: str, b: str) -> Claim:
    return Claim(
        id=f"smart-sensitivity-{name}",
        sentence=sentence,
        table="SMART, section 8.1",
        contrast=against(a, b),
        tasks=_TASKS,
        direction="less",
        reading="shared",
    )


_CLAIMS = (
    _flat(
        "lambda-flat",
        "On average, results differ only slightly for lambda_s between 1 and 10.",
        "lambda_s",
        1,
        10,
        "shared",
    ),
    _flat("mu-flat", "On average, results differ only slightly for mu between 1 and 10.", "mu", 1, 10, "shared"),
    *(
        _flat(
            f"epsilon-flat-{reading}",
            "On average, results differ only slightly for epsilon between 1e-5 and 1e-4.",
            f"epsilon[{reading}]",
            1e-5,
            1e-4,
            reading,
        )
        for reading in method_rows.READINGS
    ),
    _worse("lambda-strong", "lambda_s of 100 regularises unreasonably strongly.", "lambda_s@100", "lambda_s@1"),
    _worse("mu-strong", "mu of 100 regularises unreasonably strongly.", "mu@100", "mu@1"),
    _worse(
        "epsilon-strong",
        "epsilon of 1e-3 regularises unreasonably strongly.",
        "epsilon[shared]@0.001",
        "epsilon[shared]@1e-05",
    ),
    _worse("lambda-weak", "lambda_s of 0.1 regularises unreasonably weakly.", "lambda_s@0.1", "lambda_s@1"),
    _worse("mu-weak", "mu of 0.1 regularises unreasonably weakly.", "mu@0.1", "mu@1"),
    _worse(
        "epsilon-weak",
        "epsilon of 1e-6 regularises unreasonably weakly.",
        "epsilon[shared]@1e-06",
        "epsilon[shared]@1e-05",
    ),
    _flat("sigma", "Any sigma up to epsilon works well.", "sigma", 1e-7, 1e-5, "shared"),
    Claim(
        id="smart-more-ascent-helps",
        sentence="More ascent steps help slightly.",
        table="SMART, section 8.1",
        contrast=against("ascent-steps@3", "ascent-steps@1"),
        tasks=_TASKS,
        reading="shared",
    ),
    Claim(
        id="smart-more-inner-steps-help",
        sentence="More inner iterations S help slightly.",
        table="SMART, section 8.1",
        contrast=against("S@4", "S@1"),
        tasks=_TASKS,
        reading="shared",
    ),
    Claim(
        id="smart-time",
        sentence="With S = 1 and one ascent step SMART takes about three times as long.",
        table="SMART, section 8.1",
        contrast=against("lambda_s@1", "vanilla"),
        tasks=_TASKS,
        size=3.0,
        margin=0.5,
        reading="shared",
        test=Cost(quantity="seconds"),
    ),
    Claim(
        id="smart-memory",
        sentence="With S = 1 and one ascent step SMART takes about twice the memory.",
        table="SMART, section 8.1",
        contrast=against("lambda_s@1", "vanilla"),
        tasks=_TASKS,
        size=2.0,
        margin=0.5,
        reading="shared",
        test=Cost(quantity="memory"),
    ),
)


@EXPERIMENTS.register("smart-sensitivity")
def smart_sensitivity() -> Experiment:
    """SMART, section 8.1: sweeps over lambda_s, mu, epsilon, sigma, S and ascent steps."""
    return Experiment(
        name="smart-sensitivity",
        title="SMART, section 8.1: sensitivity to its settings, BERT-base",
        rows=_ROWS,
        columns=_COLUMNS,
        seeds=method_rows.FIVE,
        baseline="vanilla",
        settings={**method_rows.SMART_SETTINGS, **balls.MEASURED},
        task_settings=method_rows.SMART_TASK_SETTINGS,
        tables=("smart_hyperparameters",),
        omitted=(Omission("*", "*", "a setting or a range stated in prose, not a score: the sweep's axis and claims"),),
        claims=_CLAIMS,
        layout="sweep-and-radius",
        columns_for=any_task,
        has_portable_claims=True,
        notes=(
            "The paper prints no table or plot of this, and does not say on which tasks; three small sets are "
            "used here.",
            "The paper compares with the l2 ball (p = 2) in words; it gives neither a radius nor a score for it.",
        ),
    )
