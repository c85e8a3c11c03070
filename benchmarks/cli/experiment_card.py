"""The card of an experiment: as it is defined, or as a profile runs it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.experiments import Experiment


def experiment_named(name: str, profile: str | None = None) -> Experiment:
    """Return an experiment by its name, or the one of a study file.

    Args:
        name: its name, or the path of a study file.
        profile: the profile that it is run in; None: as it is defined.

    Raises:
        UnknownNameError: there is no such experiment or profile.
        UsageError: the study file cannot be read, or the experiment does not exist in the profile.
    """
    from benchmarks.experiments import EXPERIMENTS
    from benchmarks.experiments.planning.profiles import PROFILES, as_written

    if is_study_file(name):
        from benchmarks.experiments.planning.request import Request  # imports torch, which other cards do without

        return Request(name=name, profile=profile).experiment()
    experiment = EXPERIMENTS[name]()
    if profile is None:
        return experiment
    adapt = PROFILES[profile]
    is_plug_in = not EXPERIMENTS.origin(name).startswith("benchmarks.")
    return as_written(experiment, profile) if is_plug_in else adapt(experiment)


def is_study_file(name: str) -> bool:
    """Return True if the name is that of a study file."""
    return name.endswith(".toml")


def experiment_entries(name: str, profile: str | None) -> tuple[str, dict[str, Any]]:
    """Return the head of an experiment's card and its entries. Raises as :func:`experiment_named`."""
    from benchmarks.experiments import EXPERIMENTS

    experiment = experiment_named(name, profile)
    entries = {
        "profile": _profile_words(profile),
        "rows": {row.id: row.title for row in experiment.rows},
        "columns": [column.id for column in experiment.columns],
        "seeds": list(experiment.seeds),
        "runs": len({spec for *_, spec in experiment.specs()}),
        "settings": dict(experiment.settings),
        "settings by task": _by_task(experiment) if profile or is_study_file(name) else {},
        "published numbers": len(experiment.published) + len(experiment.points),
        "not run": dict(experiment.missing),
        "not scored": dict(experiment.unscored),
        "printed, without a cell": {f"{cell.row} | {cell.column}": cell.reason for cell in experiment.omitted},
        "no form in": dict(experiment.not_in),
        "claims": {claim.id: claim.sentence for claim in experiment.claims},
        "notes": list(experiment.notes),
    }
    if is_study_file(name):
        return f"Study {name}: {experiment.title}", entries
    document = inspect.cleandoc(inspect.getmodule(EXPERIMENTS[name]).__doc__ or "")
    return f"{document}\n\nExperiment {name}: {experiment.title}", entries


def _profile_words(profile: str | None) -> str:
    """Return a profile with its description; "" without one."""
    from benchmarks.experiments.planning.profiles import PROFILES

    return f"{profile}: {inspect.cleandoc(PROFILES[profile].__doc__ or '')}" if profile else ""


def _by_task(experiment: Experiment) -> dict[str, Any]:
    """Return the settings of single tasks; own data by their rows, without the definitions' fingerprints."""
    settings = {}
    for task, changes in experiment.task_settings.items():
        row_counts = {
            f"rows of {split}": rows for definition in changes.get("definitions", ()) for split, rows in definition.rows
        }
        settings[task] = {**row_counts, **{name: value for name, value in changes.items() if name != "definitions"}}
    return settings
