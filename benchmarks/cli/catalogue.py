"""What there is and what it says about itself: the texts behind ``list``, ``show`` and ``plan``."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UsageError
from smart_repro.registry import Registry

if TYPE_CHECKING:
    pass


def listing(kind: str) -> list[dict[str, Any]]:
    """One row per thing of that kind. Raises UnknownNameError for another kind."""
    return _LISTINGS[kind]()


def card(name: str, results: Path) -> tuple[str, Any]:
    """Text and JSON-ready content about ``NAME`` or ``KIND:NAME``: the first kind that has the name.

    Raises: UsageError: if nothing has it.
    """
    if name == "spec":
        return _spec_card()
    run = results / "runs" / name
    if re.fullmatch(r"[0-9a-f]{32}", name) and run.is_dir():
        return _run_card(run)
    kind, colon, rest = name.partition(":")
    if colon:
        return _CARDS[kind](rest)
    for build in _CARDS.values():
        try:
            return build(name)
        except KeyError:
            continue
    raise UsageError(f"nothing is called {name!r}: `smart-repro list` with {', '.join(_LISTINGS)} shows the names")


# --- listings ---


_LISTINGS: Registry[Callable[[], list[dict[str, Any]]]] = Registry("kind of thing")
_CARDS: Registry[Callable[[str], tuple[str, Any]]] = Registry("kind of thing")


@_LISTINGS.register("methods")
def _methods() -> list[dict[str, Any]]:
    from smart_repro.methods import METHODS

    return [
        {
            "name": name,
            "cost": f"{method.cost(method.Config()) / 3:.2f} x plain",
            "what": _first_line(method),
            "paper": method.paper,
        }
        for name, method in METHODS.items()
    ]


@_LISTINGS.register("tasks")
def _tasks() -> list[dict[str, Any]]:
    from benchmarks.tasks import TASKS

    return [
        {
            "name": name,
            "title": task.title,
            "train": f"{task.sizes['train']:,}" if task.sizes.get("train") else "-",
            "outputs": task.head.num_outputs,
            "metrics": ", ".join(task.metrics),
            "data": "generated" if task.generated else "files or hub",
        }
        for name, task in TASKS.items()
    ]


@_LISTINGS.register("experiments")
def _experiments() -> list[dict[str, Any]]:
    from benchmarks.experiments import EXPERIMENTS, GROUPS

    rows = [{"name": name, "what": _summary(build.__doc__)} for name, build in EXPERIMENTS.items()]
    rows += [{"name": name, "what": f"All at once: {what}."} for name, what in GROUPS.items()]
    return [*rows, {"name": "compare", "what": "A grid of your own: --tasks and --methods."}]


@_LISTINGS.register("profiles")
def _profiles() -> list[dict[str, Any]]:
    from benchmarks.experiments.planning.profiles import PROFILES

    return [{"name": name, "what": _summary(build.__doc__)} for name, build in PROFILES.items()]


@_LISTINGS.register("models")
def _models() -> list[dict[str, Any]]:
    from benchmarks.training.models import MODELS

    return [{"name": name, "what": _summary(build.__doc__)} for name, build in MODELS.items()]


@_LISTINGS.register("claims")
def _claims() -> list[dict[str, Any]]:
    from benchmarks.experiments import EXPERIMENTS

    return [
        {
            "id": claim.id,
            "experiment": name,
            "table": claim.table,
            "claim": claim.sentence,
            "size": "" if claim.size is None else f"{claim.size:g}",
            "reading": claim.reading,
        }
        for name, build in EXPERIMENTS.items()
        for claim in build().claims
    ]


# --- cards ---


@_CARDS.register("method")
def _method_card(name: str) -> tuple[str, Any]:
    from smart_repro.methods import METHODS
    from smart_repro.methods.card import card as method_card
    from smart_repro.methods.card import render

    METHODS[name]
    found = method_card(name)
    return render(found), asdict(found)


@_CARDS.register("task")
def _task_card(name: str) -> tuple[str, Any]:
    from benchmarks.tasks import TASKS

    task = TASKS[name]
    content = {
        field: _plain(getattr(task, field)) for field in task.__dataclass_fields__ if not callable(getattr(task, field))
    }
    return _fields(f"Task {name}: {task.title}", content), content


@_CARDS.register("experiment")
def _experiment_card(name: str) -> tuple[str, Any]:
    from benchmarks.experiments import EXPERIMENTS

    experiment = EXPERIMENTS[name]()
    content = {
        "rows": [f"{row.id} ({row.title})" for row in experiment.rows],
        "columns": [column.id for column in experiment.columns],
        "seeds": list(experiment.seeds),
        "runs": len({spec for *_, spec in experiment.specs()}),
        "settings": dict(experiment.settings),
        "published numbers": len(experiment.published) + len(experiment.points),
        "not run": [f"{cell}: {reason}" for cell, reason in experiment.missing.items()],
        "claims": [f"{claim.id}: {claim.sentence}" for claim in experiment.claims],
        "notes": list(experiment.notes),
    }
    about = inspect.cleandoc(inspect.getmodule(EXPERIMENTS[name]).__doc__ or "")
    return f"{about}\n\n{_fields(f'Experiment {name}: {experiment.title}', content)}", content


@_CARDS.register("claim")
def _claim_card(name: str) -> tuple[str, Any]:
    from benchmarks.experiments import EXPERIMENTS

    found = {claim.id: (each, claim) for each, build in EXPERIMENTS.items() for claim in build().claims}
    if name not in found:
        raise KeyError(f"no claim named {name!r}; `smart-repro list claims` shows them all")
    experiment, claim = found[name]
    content = {"experiment": experiment, **claim.to_json()}
    shown = {**content, "kind": f"{claim.kind}: {_summary(type(claim.test).__doc__)}"}
    return _fields(f"Claim {name}", shown), content


@_CARDS.register("profile")
def _profile_card(name: str) -> tuple[str, Any]:
    from benchmarks.experiments.planning.profiles import PROFILES

    text = inspect.cleandoc(PROFILES[name].__doc__ or "")
    return f"Profile {name}: {text}", {"name": name, "what": text}


@_CARDS.register("model")
def _model_card(name: str) -> tuple[str, Any]:
    from benchmarks.training.models import MODELS

    files = MODELS[name]()
    content = {
        "folder": str(files.folder),
        "sha256": files.weights,
        "head": files.head,
        "saw before": files.contaminated or "-",
    }
    return _fields(f"Model {name}: {_summary(MODELS[name].__doc__)}", content), content


def _run_card(folder: Path) -> tuple[str, Any]:
    parts = ("spec", "environment", "result")
    content = {part: json.loads((folder / f"{part}.json").read_text()) for part in parts}
    return json.dumps(content, indent=1), content


def _spec_card() -> tuple[str, Any]:
    from benchmarks import spec

    source = inspect.getsource(spec.RunSpec)
    lines = [line.strip() for line in source.splitlines() if re.match(r"    \w+: ", line)]
    return "Settings of a run (--set NAME=VALUE), with their defaults:\n\n" + "\n".join(lines), lines


# --- plans ---


# --- data ---


def data_text(found: dict[str, dict[str, Any]]) -> str:
    """What ``smart-repro data`` prints: a block per task, then what is missing."""
    return "\n".join(line for name, about in found.items() for line in _data_lines(name, about))


def _data_lines(name: str, about: dict[str, Any]) -> Iterator[str]:
    yield f"{name} ({about['title']}), source: {about['source']}"
    for split, content in about["splits"].items():
        if content is None:
            reason = about["missing"].get(split) or about["broken"].get(split)
            yield f"  {split:<6} {'MISSING' if split in about['missing'] else 'BROKEN '}  {reason}"
            continue
        official = content["official_rows"]
        of = f" of {official:,}" if official and official != content["rows"] else ""
        labels = "hidden" if content["labels_hidden"] else _counts_text(content["labels"])
        yield f"  {split:<6} {content['rows']:>8,}{of} rows  labels: {labels}  sha256 {content['fingerprint'][:12]}"
        if content["agreement"]:
            yield f"         agreement: {_counts_text(content['agreement'])}"
        quantiles = content["lengths"]["quantiles"]
        lengths = ", ".join(f"{100 * float(q):g} %: {value:g}" for q, value in quantiles.items())
        yield f"         length in {content['lengths']['unit']}: {lengths}"
        yield from (f"         note: {note}" for note in content.get("notes", ()))
    for pair, count in about["duplicates_across"].items():
        if count:
            yield f"  {count:,} examples of {pair} (same texts)"


def _counts_text(counts: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name} {value:,}" for name, value in counts.items() if isinstance(value, int))
        or f"mean {counts.get('mean', 0):.2f}"
    )


# --- small helpers ---


def _summary(doc: str | None) -> str:
    """The first sentence or line of a docstring."""
    return inspect.cleandoc(doc or "").split("\n")[0]


def _first_line(method: Any) -> str:
    """A method's own docstring, else the first line of its module's."""
    own = method.__dict__.get("__doc__")
    module = inspect.getmodule(method)
    return _summary(own or (module.__doc__ if module else ""))


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _fields(title: str, content: dict[str, Any]) -> str:
    lines = [title, ""]
    for name, value in content.items():
        if value in ("", None, (), [], {}):
            continue
        shown = "\n".join(f"    {each}" for each in value) if isinstance(value, list) and len(value) > 3 else value
        lines.append(f"{name}:\n{shown}" if shown is not value else f"{name}: {value}")
    return "\n".join(lines)
