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
    from benchmarks.engine import Plan, Summary
    from benchmarks.estimate import Forecast


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
    from benchmarks.profiles import PROFILES

    return [{"name": name, "what": _summary(build.__doc__)} for name, build in PROFILES.items()]


@_LISTINGS.register("models")
def _models() -> list[dict[str, Any]]:
    from benchmarks.models import MODELS

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
    from benchmarks.experiments.claims import KINDS

    found = {claim.id: (each, claim) for each, build in EXPERIMENTS.items() for claim in build().claims}
    if name not in found:
        raise KeyError(f"no claim named {name!r}; `smart-repro list claims` shows them all")
    experiment, claim = found[name]
    content = {"experiment": experiment, **claim.to_json()}
    shown = {**content, "kind": f"{claim.kind}: {KINDS[claim.kind]}"}
    return _fields(f"Claim {name}", shown), content


@_CARDS.register("profile")
def _profile_card(name: str) -> tuple[str, Any]:
    from benchmarks.profiles import PROFILES

    text = inspect.cleandoc(PROFILES[name].__doc__ or "")
    return f"Profile {name}: {text}", {"name": name, "what": text}


@_CARDS.register("model")
def _model_card(name: str) -> tuple[str, Any]:
    from benchmarks.models import MODELS

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


def plan_content(plan: Plan, expected: Forecast) -> dict[str, Any]:
    """A plan for programs."""
    counts = plan.counts()
    left = [job.key for job in plan.to_do()]
    return {
        "experiment": plan.experiment.name,
        "title": plan.experiment.title,
        "profile": plan.experiment.profile,
        "runs": len(plan.jobs),
        **{state: counts.get(state, 0) for state in ("done", "running", "failed", "todo")},
        "updates": sum(plan.updates[key] for key in left),
        "forward_units": sum(plan.cost(key) for key in left),
        "forecast": asdict(expected),
        "warnings": list(plan.experiment.notes),
        "missing": dict(plan.experiment.missing),
        "keys": {"|".join(map(str, cell)): key for cell, key in plan.cells.items()},
    }


def plan_text(plan: Plan, expected: Forecast) -> str:
    """A plan for people."""
    experiment, counts = plan.experiment, plan.counts()
    profile = f", profile {experiment.profile}" if experiment.profile else ""
    states = ", ".join(f"{counts[state]} {word}" for state, word in _STATES.items() if counts[state]) or "none"
    lines = [
        f"{experiment.title}{profile}",
        f"{len(experiment.rows)} rows x {len(experiment.places)} tasks x {len(experiment.seeds)} seeds "
        f"= {len(plan.cells)} cells, {len(plan.jobs)} runs: {states}",
        "",
        f"{'row':<34}{'task':<16}{'runs':>5}{'done':>6}{'updates':>9}{'cost':>12}",
    ]
    for row in experiment.rows:
        for task in experiment.places:
            keys = [plan.cells[cell] for seed in experiment.seeds if (cell := (row.id, task, seed)) in plan.cells]
            if not keys:
                continue
            done = sum(plan.states[key].state == "done" for key in keys)
            updates = sum(plan.updates[key] for key in keys)
            units = sum(plan.cost(key) for key in keys)
            lines.append(f"{row.id:<34}{task:<16}{len(keys):>5}{done:>6}{updates:>9,}{units:>11,.0f}F")
    left = plan.to_do()
    total = sum(plan.cost(job.key) for job in left)
    lines += ["", f"To do: {len(left)} runs, {total:,.0f} F (F = one forward pass over a batch; a plain update is 3 F)"]
    lines += forecast_lines(expected) if left else []
    lines += sight_lines(plan)
    lines += [
        f"failed: {plan.titles[key]}: {plan.states[key].detail}"
        for key in plan.jobs
        if plan.states[key].state == "failed"
    ]
    lines += [f"not run: {cell}: {reason}" for cell, reason in experiment.missing.items()]
    lines += [f"note: {note}" for note in experiment.notes]
    return "\n".join(lines)


def sight_lines(plan: Plan) -> list[str]:
    """What the grid will be able to decide: the smallest visible difference of each plain claim beside the claimed one.

    Assumes the spread of docs/statistics.md, as if all metrics were accuracies, since nothing was run yet.
    """
    from analysis.power import in_words
    from benchmarks.prepared import split_of

    experiment, lines = plan.experiment, []
    if not plan.jobs or len(experiment.seeds) < 2:
        return []
    source = next(iter(plan.jobs.values())).source
    for claim in experiment.claims:
        found = [next((c for c in experiment.columns if c.task == task and claim.metric in ("", c.metric)), None)
                 for task in claim.tasks]  # fmt: skip
        columns = [column for column in found if column is not None]
        if not claim.plain or not columns or (len(columns) < len(found) and not claim.partial):
            continue
        items = [len(split_of(column.task, column.split, source)) for column in columns]
        lines.append(f"  {claim.id}: {in_words(claim.size, len(experiment.seeds), items)}")
    return ["", "What this grid can see (spread assumed: docs/statistics.md):", *lines, ""] if lines else []


def forecast_lines(expected: Forecast) -> list[str]:
    """What the runs to do will take, or how to learn it."""
    from benchmarks.display import duration

    workers = f"{expected.workers} at a time"
    needs = (
        f"{expected.disk / 2**20:,.1f} MiB on disk, {expected.memory / 2**30:.1f} GiB of memory for each run at work"
    )
    if expected.seconds is not None:
        return [f"Takes about {duration(expected.seconds)} on this machine, {workers}; {needs}"]
    known = f"How long it takes ({workers}) is not known: nothing was timed here of {', '.join(expected.unknown[:3])}"
    more = f" and {len(expected.unknown) - 3} others" if len(expected.unknown) > 3 else ""
    return [f"{known}{more}; add --calibrate", f"Needs about {needs}"]


def summary_text(plan: Plan, summary: Summary) -> str:
    """What became of a grid, in a line, and a line for each failure."""
    from benchmarks.display import duration

    done, failed = summary.of("done"), summary.of("failed")
    already = len(plan.jobs) - len(summary.outcomes) if not summary.interrupted else plan.counts()["done"]
    text = f"{plan.experiment.name}: {len(done)} runs done in {duration(summary.seconds)}, {already} were done before"
    if failed:
        text += f", {len(failed)} failed"
    if summary.error is not None and summary.expected is not None:
        text += f"; {duration(summary.expected)} were expected ({100 * summary.error:+.0f} %)"
    unfinished = [*failed, *summary.of("skipped")]
    reasons = [f"  {each.state}: {plan.titles[each.key]}: {each.message}" for each in unfinished]
    return "\n".join([text, *reasons])


_STATES = {"done": "done", "running": "running", "failed": "failed", "todo": "to do"}


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
