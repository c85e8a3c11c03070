"""The findings of studies 1 and 2 in other settings: another learning rate, an encoder of three layers, another task.

What each is asked, and when a finding holds, is in docs/analysis-plan.md. Study 2 has its second task already. The arms
of study 1 train at its rate, ``--set learning_rate=RATE``, of which ``epsilon-half-rate`` takes half.

Runs: 31 each of study 1, 24 each of study 2; demo: 25 and 15.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from benchmarks.experiments.planning.base import EXPERIMENTS, DemoVariant, Experiment, TaskColumn, Times
from benchmarks.experiments.sda import settings as sda
from benchmarks.experiments.studies.epsilon import FEW, epsilon
from benchmarks.experiments.studies.self_distillation import self_distillation

LAYERS = 3  # of MiniLM's six
SST2 = TaskColumn("sst2", "accuracy")
_THREE_LAYERS: dict[str, Any] = {
    "settings": {"layers": LAYERS},
    "demo": DemoVariant(settings={"layers": 1}, note="The demo's model has two layers, of which one is kept."),
}


def _at_rate(factor: float, words: str) -> TaskColumn:
    return replace(SST2, settings={"learning_rate": Times(factor)}, variant=words)


def _elsewhere(
    study: Experiment, name: str, place: str, rows: Collection[str], claims: Collection[str], column: TaskColumn = SST2
) -> Experiment:
    """Return some arms and claims of a study in another setting.

    Args:
        study: the study.
        name: name of the experiment.
        place: the setting, as a sentence about it ends.
        rows: ids of the arms.
        claims: ids of the claims that are asked again, on the one task.
        column: the task.
    """
    return replace(
        study,
        name=name,
        title=f"{study.title.partition(':')[0]} {place}",
        rows=tuple(row for row in study.rows if row.id in rows),
        columns=(column,),
        columns_for=None,  # another task would be another setting
        claims=tuple(
            replace(
                claim,
                id=f"{claim.id.removesuffix('-on-sst2')}-{name.partition('-')[2].removeprefix('distillation-')}",
                sentence=f"{claim.sentence.removesuffix('.')}, {place}.",
                tasks=(column.task,),
            )
            for claim in study.claims
            if claim.id in claims
        ),
    )


def _radius(name: str, place: str, column: TaskColumn = SST2, **changes: Any) -> Experiment:
    """Return study 1's arms at the paper's radius and at one that acts, with the controls of the latter.

    Plain fine-tuning and the paper's radius, whose answers are compared one by one, have all seeds.
    """
    many = ("vanilla", "epsilon-ascent@1e-05")
    few = ("epsilon-ascent@0.01", "epsilon-signs@0.01", "epsilon-0[independent]")
    study = _elsewhere(epsilon(), name, place, many + few, ["control-epsilon-paper-changes-nothing"], column)
    rows = tuple(replace(row, seeds=None if row.id in many else FEW) for row in study.rows)
    return _changed(replace(study, rows=rows), **changes)


def _teacher(name: str, place: str, column: TaskColumn = SST2, **changes: Any) -> Experiment:
    """Return study 2's arms with one past student as teacher, without dropout and with the student's masks."""
    rows = ("vanilla", "sda[K=1]", "sda[K=1]:shared")
    claims = ("control-sda-one-student-on-sst2", "control-sda-teacher-masks-on-sst2")
    return _changed(_elsewhere(self_distillation(), name, place, rows, claims, column), **changes)


def _changed(study: Experiment, settings: dict[str, Any] | None = None, **fields: Any) -> Experiment:
    return replace(study, settings={**study.settings, **(settings or {})}, **fields)


@EXPERIMENTS.register("epsilon-half-rate")
def epsilon_half_rate() -> Experiment:
    """Do study 1's findings hold at half the learning rate?

    Runs: 31 paper, 31 small, 25 demo.
    """
    words = "half the learning rate"
    return _radius("epsilon-half-rate", f"at {words}", _at_rate(0.5, words))


@EXPERIMENTS.register("epsilon-three-layers")
def epsilon_three_layers() -> Experiment:
    """Do study 1's findings hold with an encoder of three layers?

    Runs: 31 paper, 31 small, 25 demo.
    """
    return _radius("epsilon-three-layers", "with three layers", **_THREE_LAYERS)


@EXPERIMENTS.register("epsilon-ag-news")
def epsilon_ag_news() -> Experiment:
    """Do study 1's findings hold on AG's News?

    Runs: 31 paper, 31 small, 25 demo.
    """
    return _radius("epsilon-ag-news", "on a topic task", sda.AG_NEWS)


@EXPERIMENTS.register("self-distillation-double-rate")
def self_distillation_double_rate() -> Experiment:
    """Do study 2's findings hold at twice the learning rate?

    Runs: 24 paper, 24 small, 15 demo.
    """
    words = "twice the learning rate"
    return _teacher("self-distillation-double-rate", f"at {words}", _at_rate(2, words))


@EXPERIMENTS.register("self-distillation-paper-rate")
def self_distillation_paper_rate() -> Experiment:
    """Do study 2's findings hold at the paper's learning rate, two fifths of the profile small's?

    Runs: 24 paper, 24 small, 15 demo.
    """
    words = "two fifths of the learning rate"
    return _teacher("self-distillation-paper-rate", f"at {words}", _at_rate(0.4, words))


@EXPERIMENTS.register("self-distillation-three-layers")
def self_distillation_three_layers() -> Experiment:
    """Do study 2's findings hold with an encoder of three layers?

    Runs: 24 paper, 24 small, 15 demo.
    """
    return _teacher("self-distillation-three-layers", "with three layers", **_THREE_LAYERS)
