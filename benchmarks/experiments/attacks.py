"""The strongest findings of the control studies, attacked: do they hold at other seeds, learning rates, examples?

docs/analysis-plan.md, "What survives", committed before the runs: a finding survives if its verdict is the same in all
four attacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.experiments.base import EXPERIMENTS, Column, Experiment, Times
from benchmarks.experiments.claims import Claim
from benchmarks.experiments.controls import together, what_drives_sda

ATTACKED = ("control-sda-beats-vanilla", "control-sda-masks-matter", "control-sda-dropped-beats-vanilla")


def _attack(name: str, title: str, columns: Sequence[Column], seeds: range | None = None) -> Experiment:
    """The attacked claims and their arms, on other columns or at other seeds."""
    study = what_drives_sda()
    known = {claim.id: claim for claim in (*study.claims, *together().claims)}
    attacked = [known[id] for id in ATTACKED]
    arms = {arm for claim in attacked for arm in claim.contrast.values()}
    return replace(
        study,
        name=name,
        title=title,
        rows=tuple(row for row in study.rows if row.id in arms),
        columns=tuple(columns),
        seeds=study.seeds if seeds is None else tuple(seeds),
        claims=tuple(_again(claim, name, column) for column in columns for claim in attacked),
        notes=(),
    )


def _again(claim: Claim, attack: str, column: Column) -> Claim:
    """The claim in one column of an attack. A variant has its first word for a mark: "half" the learning rate."""
    id = f"{attack}-{claim.id.removeprefix('control-')}"
    same = replace(claim, id=id, table="attack on a finding", tasks=(column.task,), partial=False)
    if not column.variant:
        return same
    return replace(
        same,
        id=f"{id}-{column.variant.split()[0]}",
        sentence=f"At {column.variant}: {claim.sentence}",
        about={"columns": [column.id]},
    )


@EXPERIMENTS.register("attack-seeds")
def attack_seeds() -> Experiment:
    """Do the findings about SDA hold at seeds 10 to 17? Control study.

    Runs: 32 paper, 32 small, 12 demo.
    """
    return _attack("attack-seeds", "Attack: other seeds", [Column("cola", "matthews")], range(10, 18))


@EXPERIMENTS.register("attack-rates")
def attack_rates() -> Experiment:
    """Do the findings about SDA hold at half and at double the learning rate? Control study.

    Runs: 64 paper, 64 small, 24 demo.
    """
    rates = {"half": 0.5, "double": 2.0}
    columns = [
        Column("cola", "matthews", settings={"learning_rate": Times(factor)}, variant=f"{name} the learning rate")
        for name, factor in rates.items()
    ]
    return _attack("attack-rates", "Attack: other learning rates", columns)


@EXPERIMENTS.register("attack-slice")
def attack_slice() -> Experiment:
    """Do the findings about SDA hold on a second draw of examples (seeds 20 to 27)? Control study.

    Runs: 32 paper, 32 small, 12 demo.
    """
    return _attack("attack-slice", "Attack: other examples", [Column("cola", "matthews")], range(20, 28))
