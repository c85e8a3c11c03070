"""The same experiment at three sizes: generated data on a tiny model, real data on a small one, the paper's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.experiments.base import Experiment, Number
from benchmarks.tasks import TASKS
from smart_repro.registry import Registry

PROFILES: Registry[Callable[[Experiment], Experiment]] = Registry("profile", listing="smart-repro list profiles")

DEMO_SETTINGS = {"model": "tiny", "batch_size": 16, "learning_rate": 1e-3, "epochs": 8, "max_steps": 300}
SMALL_SETTINGS = {"model": "minilm", "batch_size": 16, "learning_rate": 5e-5, "epochs": 3, "max_train_samples": 2500}


@PROFILES.register("demo")
def demo(experiment: Experiment) -> Experiment:
    """Generated data and the project's own tiny model: no network, no download, minutes on two cores, 3 seeds."""
    kept, missing, renamed = [], dict(experiment.missing), {}
    for column in experiment.columns:
        stand_in = replace(column, task=f"demo-{column.task}")
        if stand_in.task in TASKS and column.metric in TASKS[stand_in.task].metrics:
            kept.append(stand_in)
            renamed[column.id] = stand_in.id
        else:
            missing[f"*|{column.id}"] = f"no generated task stands in for {column.task}"
    settings = {**experiment.settings, **DEMO_SETTINGS, "predict": ("dev", "holdout", "train")}
    return replace(
        experiment,
        columns=tuple(kept),
        seeds=experiment.seeds[:3],
        settings=settings,
        published=_renamed(experiment.published, renamed),
        missing=missing,
        profile="demo",
    )


@PROFILES.register("small")
def small(experiment: Experiment) -> Experiment:
    """The real data sets at 2,500 training examples on MiniLM-L6: a laptop overnight, a GPU in minutes."""
    note = "Profile small: MiniLM-L6 on at most 2,500 training examples; compare directions with the paper, not levels."
    settings = {**experiment.settings, **SMALL_SETTINGS}
    return replace(experiment, settings=settings, notes=(*experiment.notes, note), profile="small")


@PROFILES.register("paper")
def paper(experiment: Experiment) -> Experiment:
    """The paper's own models on the whole data sets: hours to days on a GPU."""
    return replace(experiment, profile="paper")


def _renamed(numbers: tuple[Number, ...], columns: dict[str, str]) -> tuple[Number, ...]:
    return tuple(replace(number, column=columns[number.column]) for number in numbers if number.column in columns)


__all__ = ["DEMO_SETTINGS", "PROFILES", "SMALL_SETTINGS", "demo", "paper", "small"]
