"""Study 1: what the radius of R_s does, and what of it is the ascent's. R_s alone on SST-2.

At the paper's radius R_s with shared masks is about 1e-9 nats and steers nothing; somewhere it must begin to act, and
somewhere it must destroy. The arms around each radius tell why: random signs of equal norm (is it the direction?), the
weight scaled to equal strength (is it the size of the term?), the paper's step at every radius, independent masks and
no perturbation at all (is it dropout?), three times the updates (is it time?).

The radius that practice should take is chosen by ``epsilon-choice``, on seeds and examples of its own, and confirmed
with ``smart-repro run epsilon-confirmation --methods vanilla,epsilon-ascent@RADIUS`` on fresh seeds. All arms train at
the rate that plain fine-tuning was tuned to (``equal-budgets --tune``): ``--set learning_rate=RATE``.

Runs: 123 paper, 123 small, 105 demo.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.schema import Changed, Claim, against
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, TUNING_ROWS, Experiment, MethodRow, TaskColumn
from benchmarks.experiments.planning.columns import any_task
from benchmarks.experiments.studies import balls
from benchmarks.tasks import TASKS

RADII = (1e-5, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
CHOICE_SEEDS = (100, 101, 102)
CONFIRMATION_SEEDS = tuple(range(10, 18))
FEW = 5  # seeds of arms that no primary contrast needs
_MANY = {
    "vanilla",
    "epsilon-ascent@1e-05",
    *(f"epsilon-{arm}@{x}" for arm in ("ascent", "signs") for x in (0.01, 0.03)),
}
_ASCENTS = balls.ascent("smoothness", RADII, "R_s", curve="epsilon-ascent")
_LONGER = balls.ascent("smoothness", (0.1, 1.0), "R_s, three times the updates", curve="epsilon-3x-updates")
_ROWS: tuple[MethodRow, ...] = (
    method_rows.vanilla("plain fine-tuning"),
    *_ASCENTS,
    *balls.signs("smoothness", (1e-2, 3e-2, 1e-1, 1.0), "R_s, random signs", curve="epsilon-signs"),
    *balls.equal_strength("smoothness", (1e-5, 1e-3), "R_s at equal strength", curve="epsilon-equal-strength"),
    *balls.fixed_step("smoothness", (1e-5, 1e-2), "R_s, eta = 1e-3", curve="epsilon-eta-fixed"),
    *balls.ascent(
        "smoothness", (1e-5, 1e-2), "R_s, independent masks", curve="epsilon-independent", dropout="independent"
    ),
    balls.without_ball("smoothness", "independent masks, epsilon = 0"),
    *(replace(row, settings=balls.LONGER) for row in _LONGER),
)
_COLUMN = TaskColumn("sst2", "accuracy")


def _claim(name: str, sentence: str, a: str, b: str, **fields: object) -> Claim:
    return Claim(
        id=f"control-epsilon-{name}",
        sentence=sentence,
        table="study 1",
        contrast=against(a, b),
        tasks=("sst2",),
        partial=True,
        **fields,  # type: ignore[arg-type]
    )


CLAIMS = (
    _claim(
        "paper-changes-nothing",
        "At the paper's radius R_s with shared masks changes less than 0.1 % of plain fine-tuning's answers.",
        "epsilon-ascent@1e-05",
        "vanilla",
        direction="less",
        min_seeds=8,
        test=Changed(share=0.001),
    ),
    *(
        _claim(
            f"direction-at-{x:g}",
            f"With shared masks, at a radius of {x:g}, the ascent's direction is better than random signs of equal "
            "norm.",
            f"epsilon-ascent@{x:g}",
            f"epsilon-signs@{x:g}",
            bound=0.5,
            min_seeds=8,
        )
        for x in (1e-2, 3e-2)
    ),
    *(
        _claim(
            f"helps-at-{x:g}",
            f"R_s with shared masks and a radius of {x:g} is better than plain fine-tuning.",
            f"epsilon-ascent@{x:g}",
            "vanilla",
        )
        for x in RADII[1:6]
    ),
)


@EXPERIMENTS.register("epsilon")
def epsilon() -> Experiment:
    """Study 1: R_s over its radius on SST-2, against random signs, equal strength, fixed steps and dropout alone."""
    return Experiment(
        name="epsilon",
        title="Study 1: the radius of R_s",
        rows=tuple(row if row.id in _MANY else replace(row, seeds=FEW) for row in _ROWS),
        columns=(_COLUMN,),
        seeds=method_rows.EIGHT,
        baseline="vanilla",
        settings={**method_rows.SMART_SETTINGS, **balls.MEASURED},
        task_settings=method_rows.SMART_TASK_SETTINGS,
        claims=CLAIMS,
        layout="radius",
        columns_for=any_task,
        notes=(
            "R_s alone: with D_Breg beside it nothing would be inert. Except where a row says otherwise, eta = 100 "
            "epsilon, sigma = epsilon, lambda_s = 1 and masks are shared.",
            "Random signs have a root mean square of epsilon, the ascents of eta = 100 epsilon 0.92 to 0.96 epsilon on "
            "MiniLM: if an ascent is better, it is not by its length.",
        ),
    )


@EXPERIMENTS.register("epsilon-choice")
def epsilon_choice() -> Experiment:
    """Choice of the radius to confirm: study 1's ascents on tuning seeds, scored on training examples none draws.

    Runs: 24 paper, 24 small, 24 demo.
    """
    tuned_on = replace(_COLUMN, split="tuning")
    return Experiment(
        name="epsilon-choice",
        title="Study 1: choosing the radius of R_s",
        rows=_ASCENTS,
        columns=(tuned_on,),
        seeds=CHOICE_SEEDS,
        baseline="",
        settings={**method_rows.SMART_SETTINGS, "predict": ("tuning",), "tuning_rows": TUNING_ROWS},
        task_settings=method_rows.SMART_TASK_SETTINGS,
        adapt={"demo": _all_but_100, "paper": _all_but_tuning_rows},
        notes=("No score of dev or test is computed. Seeds 100 to 102 are in no other study.",),
    )


@EXPERIMENTS.register("epsilon-confirmation")
def epsilon_confirmation() -> Experiment:
    """Confirm the radius that ``epsilon-choice`` chose, at fresh seeds: ``--methods vanilla,epsilon-ascent@RADIUS``.

    Runs: 72 paper, 72 small, 45 demo.
    """
    return replace(
        epsilon(),
        name="epsilon-confirmation",
        title="Study 1: confirming the radius of R_s",
        rows=(_ROWS[0], *_ASCENTS),
        seeds=CONFIRMATION_SEEDS,
        claims=tuple(
            _claim(
                f"confirmed-at-{x:g}",
                f"R_s with shared masks and a radius of {x:g}, chosen on other seeds and examples, is better than "
                "plain fine-tuning.",
                f"epsilon-ascent@{x:g}",
                "vanilla",
                min_seeds=8,
            )
            for x in RADII
        ),
    )


def _all_but_100(experiment: Experiment) -> Experiment:
    """Leave 100 of the generated training sets' 400 examples to choose on."""
    columns = (replace(column, settings={"max_train_samples": 300}) for column in experiment.columns)
    return replace(experiment, columns=tuple(columns))


def _all_but_tuning_rows(experiment: Experiment) -> Experiment:
    """Leave the rows to choose on out of training sets that are used whole otherwise."""
    columns = (
        replace(column, settings={"max_train_samples": TASKS[column.trained].sizes["train"] - TUNING_ROWS})
        for column in experiment.columns
    )
    return replace(experiment, columns=tuple(columns))
