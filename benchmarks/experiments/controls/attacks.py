"""The strongest findings of the control studies, attacked: do they hold at other seeds, learning rates, examples?

The rule for what survives is in docs/analysis-plan.md, with what was changed of it after the runs.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.experiments.controls.together import together
from benchmarks.experiments.controls.what_drives_sda import what_drives_sda
from benchmarks.experiments.controls.what_drives_smart import what_drives_smart
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, TaskColumn, Times

TASK = "cola"
ATTACKED = (
    "control-sda-beats-vanilla",
    "control-sda-masks-matter",
    "control-sda-dropped-beats-vanilla",
    "control-released-is-as-good",
    "control-sda-teacher-dropout-matters",  # added after the runs, whose arms it has: analysis-plan.md
)


def _attack(name: str, change: str, *, seeds: range | None = None, rate: float | None = None) -> Experiment:
    """Return the attacked claims with their arms on CoLA, at other seeds or a multiple of the learning rate."""
    study, *further_studies = what_drives_sda(), together(), what_drives_smart()
    claims = {claim.id: claim for source in (study, *further_studies) for claim in source.claims}
    rows = {row.id: row for source in (study, *further_studies) for row in source.rows}
    attacked = [claims[id] for id in ATTACKED]
    arms = {arm for claim in attacked for arm in (claim.a, claim.b)}
    changed = {} if rate is None else {"learning_rate": Times(rate)}
    return replace(
        study,
        name=name,
        title=f"Attack on the findings: {change}",
        rows=tuple(row for id, row in rows.items() if id in arms),
        columns=(TaskColumn(TASK, "matthews", settings=changed, variant=change if rate else ""),),
        seeds=study.seeds if seeds is None else tuple(seeds),
        claims=tuple(
            replace(
                claim,
                id=f"{name}-{claim.id.removeprefix('control-')}",
                table=f"attack, {change}",
                tasks=(TASK,),
                partial=False,
            )
            for claim in attacked
        ),
        notes=(),
    )


@EXPERIMENTS.register("attack-seeds")
def attack_seeds() -> Experiment:
    """Do the strongest findings hold at seeds 10 to 17? Control study.

    Runs: 48 paper, 48 small, 30 demo.
    """
    return _attack("attack-seeds", "other seeds", seeds=range(10, 18))


@EXPERIMENTS.register("attack-half-rate")
def attack_half_rate() -> Experiment:
    """Do the strongest findings hold at half the learning rate? Control study.

    Runs: 48 paper, 48 small, 30 demo.
    """
    return _attack("attack-half-rate", "half the learning rate", rate=0.5)


@EXPERIMENTS.register("attack-double-rate")
def attack_double_rate() -> Experiment:
    """Do the strongest findings hold at double the learning rate? Control study.

    Runs: 48 paper, 48 small, 30 demo.
    """
    return _attack("attack-double-rate", "double the learning rate", rate=2)


@EXPERIMENTS.register("attack-slice")
def attack_slice() -> Experiment:
    """Do the strongest findings hold on a second draw of examples (seeds 20 to 27)? Control study.

    Runs: 48 paper, 48 small, 30 demo.
    """
    return _attack("attack-slice", "other examples", seeds=range(20, 28))
