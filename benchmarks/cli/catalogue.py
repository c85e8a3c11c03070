"""Texts of ``list``, ``show`` and ``data``: the names of each kind, and a card for each thing.

Built-in names are listed without torch: it takes seconds to import, and nothing here computes with it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.records import results_option
from benchmarks.cli.claims import claim_card, claim_rows
from benchmarks.cli.experiment_card import experiment_entries, is_study_file
from benchmarks.cli.terminal import note_line
from benchmarks.errors import UsageError
from smart_repro.registry import Registry, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from analysis.schema import Row
    from benchmarks.tasks import Task
    from smart_repro.card import Card

SHORT = 100  # characters of a value that stays on its own line in a card


def listing(
    kind: str, experiment: str | None = None, task: str | None = None, results: Path | None = None
) -> list[dict[str, Any]]:
    """Return one row for each thing of a kind.

    Args:
        kind: the kind: methods, tasks, experiments and so on.
        experiment: name of the experiment, or of the group of them (a paper), whose claims are listed; None: all.
        task: name of the task whose claims are listed; None: all.
        results: the folder whose runs decide claims; None: no verdict is looked up.
    Raises: UnknownNameError: for another kind, experiment or task. UsageError: if a filter is given for another kind.
    """
    if kind == "claims":
        return _claims_of(experiment, task, results)
    for option, value in (("--experiment", experiment), ("--task", task)):
        if value is not None and kind in _LISTINGS:
            raise UsageError(f"{option} {value} is for `list claims`, got `list {kind}`: leave it out")
    return _LISTINGS[kind]()


def card(name: str, results: Path, profile: str | None = None) -> tuple[str, Any]:
    """Return text and JSON-ready content about ``NAME`` or ``KIND:NAME``: of the first kind that has the name.

    ``spec`` and ``study`` are what a run and a study file may hold; the path of a study file is that study. Finished
    runs of ``results`` are named by their key, or its beginning. With a profile the card is of an experiment, as that
    profile runs it.

    Raises: UnknownNameError: for a name its kind does not have. UsageError: if no kind has the name. ResultsError: the
        run is damaged.
    """
    if profile is not None:
        return _experiment_in_profile(name, profile)
    if name == "spec":
        return _spec_card()
    if name == "study":
        return _study_format()
    kind, colon, name_in_kind = name.partition(":")
    if kind == "run" or re.fullmatch(r"[0-9a-f]{4,32}", name):
        from benchmarks.store.store import Store

        store, beginning = Store(results), name_in_kind if colon else name
        keys = store.done_keys()
        runs = [beginning] if beginning in keys else sorted(key for key in keys if key.startswith(beginning))
        if len(runs) == 1:
            store.verify(runs[0])
            return _run_card(store.folder(runs[0]))
        if runs or colon:
            raise UsageError(
                f"{len(runs) or 'no'} runs begin with {name_in_kind or name!r} in {results}: "
                f"`smart-repro runs list{results_option(results)}` shows them{store.packed.hint()}"
            )
    if colon:
        return _CARDS[kind](name_in_kind, results)
    if is_study_file(name):
        return _experiment_card(name, results)
    for build in _CARDS.values():
        try:
            return build(name, results)
        except UnknownNameError:
            continue
    names = [entry for kind in _LISTINGS for row in listing(kind) for entry in list(row.values())[:1]]
    suggestion = did_you_mean(name, names) or ":"
    raise UsageError(
        f"nothing is called {name!r}{suggestion} `smart-repro list` with {', '.join(_LISTINGS)} shows the names"
    )


# --- listings ---


_LISTINGS: Registry[Callable[[], list[dict[str, Any]]]] = Registry("kind of thing")
_CARDS: Registry[Callable[[str, Path], tuple[str, Any]]] = Registry("kind of thing")


@_LISTINGS.register("methods")
def _methods() -> list[dict[str, Any]]:
    from smart_repro.card import card as method_card
    from smart_repro.declarations import methods

    cards = [method_card(name) for name in methods()]
    return [
        {"name": card.name, "cost": f"{card.cost / 3:.2f} x plain", "what": card.title, "paper": card.paper}
        for card in cards
    ]


def _why_readings(card: Card) -> Iterator[str]:
    """Yield why a method has readings that differ in the dropout masks, from the deviations that the registry lists."""
    for deviation in card.deviations:
        _, mark, text = deviation.replace("``", "").partition("dropout: ")
        if mark:
            yield f"Readings: the paper does not say whether the two passes share their masks; {text}"
            return


def method_sentences(rows: Iterable[Row]) -> dict[str, str]:
    """Return a sentence on each method and combiner of these rows, by name; with readings, also what they mean.

    Only combiners need torch.
    """
    from smart_repro.card import card as method_card
    from smart_repro.declarations import methods

    sentences: dict[str, str] = {}
    reasons: dict[str, str] = {}  # why there are readings -> the first method that says it, since a page says it once
    for row in rows:
        if row.method in methods():
            card = method_card(row.method)
            masks = next((option.meaning for option in card.options if option.name == "dropout"), "")
            about = [f"Dropout {masks}."] if row.reading and masks else []
            why = [reason for reason in _why_readings(card) if reasons.setdefault(reason, row.method) == row.method]
            sentences[row.method] = " ".join([card.title, *about, *(why if about else [])])
        if row.combine:
            from smart_repro.methods import COMBINERS

            sentences[row.combine] = COMBINERS[row.combine].meaning
    return sentences


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
            "data": _data_kind(task),
        }
        for name, task in TASKS.items()
    ]


@_LISTINGS.register("experiments")
def _experiments() -> list[dict[str, Any]]:
    from benchmarks.experiments import EXPERIMENTS, GROUPS

    rows = [{"name": name, "what": _summary(build.__doc__)} for name, build in EXPERIMENTS.items()]
    rows += [{"name": name, "what": f"All at once: {description}."} for name, description in GROUPS.items()]
    return [*rows, {"name": "compare", "what": "A grid of your own: --tasks and --methods."}]


@_LISTINGS.register("profiles")
def _profiles() -> list[dict[str, Any]]:
    from benchmarks.experiments.planning.profiles import PROFILES

    return [{"name": name, "what": _summary(build.__doc__)} for name, build in PROFILES.items()]


@_LISTINGS.register("models")
def _models() -> list[dict[str, Any]]:
    from benchmarks.papers.named import BACKBONES
    from benchmarks.training.models import MODELS

    rows = [{"name": name, "what": _summary(build.__doc__)} for name, build in MODELS.items()]
    return [*rows, *({"name": name, "what": description} for name, description in BACKBONES.items())]


@_LISTINGS.register("optimizers")
def _optimizers() -> list[dict[str, Any]]:
    from benchmarks.papers.named import OPTIMIZERS

    return [{"name": name, "what": description} for name, description in OPTIMIZERS.items()]


@_LISTINGS.register("systems")
def _systems() -> list[dict[str, Any]]:
    from benchmarks.experiments import EXPERIMENTS
    from benchmarks.experiments.planning.systems import systems

    return [
        {"name": system.name, "table": system.table, "rows": system.rows or f"not run: {system.reason}"}
        for system in systems({name: build() for name, build in EXPERIMENTS.items()})
    ]


@_LISTINGS.register("claims")
def _claims() -> list[dict[str, Any]]:
    return _claims_of()


def _claims_of(
    experiment: str | None = None, task: str | None = None, results: Path | None = None
) -> list[dict[str, Any]]:
    from benchmarks.experiments import EXPERIMENTS, GROUPS
    from benchmarks.experiments.planning.groups import members
    from benchmarks.tasks import TASKS

    if task is not None:
        TASKS[task]  # an unknown name is refused, with the most similar one
    names = EXPERIMENTS if experiment is None else members(experiment) if experiment in GROUPS else [experiment]
    return claim_rows(list(names), task, results)


# --- cards ---


@_CARDS.register("method")
def _method_card(name: str, results: Path) -> tuple[str, Any]:
    from smart_repro.card import card as method_card
    from smart_repro.card import render

    content = method_card(name)
    return render(content), asdict(content)


@_CARDS.register("task")
def _task_card(name: str, results: Path) -> tuple[str, Any]:
    from benchmarks.tasks import TASKS

    task = TASKS[name]
    content = _task_content(task)
    return _text(f"Task {name}: {task.title}", content), content


def _data_kind(task: Task) -> str:
    if task.generated:
        return "generated"
    return "files or hub" if task.hub or task.parts else "files"


def _task_content(task: Task) -> dict[str, Any]:
    from benchmarks.tasks import Regression

    head = task.head
    files = {
        split: sorted({name for layout in task.layouts if (name := layout.expects(split))}) for split in task.splits
    }
    return {
        "predicts": f"a number from {head.low:g} to {head.high:g}" if isinstance(head, Regression) else head.labels,
        "texts": task.text,
        "metrics": task.metrics,
        "data": _data_kind(task),
        "rows": dict(task.sizes),
        "put together from": {split: " + ".join(parts) for split, parts in task.parts.items()},
        "evaluated by runs of": task.train_with,
        "folders": task.folders,
        "files": {split: " or ".join(names) for split, names in files.items() if names},
        "labels in the files": dict(task.spelling),
        "hub": task.hub and " ".join(filter(None, (task.hub.repo, task.hub.config))),
        "hub's splits": dict(task.hub.splits) if task.hub else {},
        "ceiling on dev": {metric: round(value, 4) for metric, value in task.ceiling.items()},
        "word pieces at most": task.max_length,
        "pronoun and candidates": "for head hnn" if task.mention else "",
        "never after training on": dict(task.not_after),
        "version": task.version,
        "in the papers": task.paper,
        "licence": task.licence,
    }


@_CARDS.register("experiment")
def _experiment_card(name: str, results: Path) -> tuple[str, Any]:
    head, content = experiment_entries(name, None)
    return _text(head, content), content


def _experiment_in_profile(name: str, profile: str) -> tuple[str, Any]:
    """Return the card of an experiment in a profile. Raises UsageError for the name of another kind of thing."""
    kind, colon, name_in_kind = name.partition(":")
    if colon and kind != "experiment":
        raise UsageError(f"--profile is for experiments, got `show {name}`: leave it out")
    head, content = experiment_entries(name_in_kind if colon else name, profile)
    return _text(head, content), content


@_CARDS.register("claim")
def _claim_card(name: str, results: Path) -> tuple[str, Any]:
    entries, content = claim_card(name, results)
    return "\n".join([f"Claim {name}", "", *(line for key, value in entries for line in _entry(key, value))]), content


@_CARDS.register("profile")
def _profile_card(name: str, results: Path) -> tuple[str, Any]:
    from benchmarks.experiments.planning.profiles import PROFILES

    text = inspect.cleandoc(PROFILES[name].__doc__ or "")
    return f"Profile {name}: {text}", {"name": name, "what": text}


@_CARDS.register("model")
def _model_card(name: str, results: Path) -> tuple[str, Any]:
    from benchmarks.papers.named import BACKBONES
    from benchmarks.training.models import MODELS

    if name in BACKBONES:
        return f"Model {name}: {BACKBONES[name]}", {"name": name, "what": BACKBONES[name]}
    files = MODELS[name]()
    content = {
        "folder": str(files.folder),
        "sha256": files.weights,
        "head": files.head,
        "saw before": files.contaminated,
        "masked-language head": files.lm_head,
    }
    return _text(f"Model {name}: {_summary(MODELS[name].__doc__)}", content), content


@_CARDS.register("optimizer")
def _optimizer_card(name: str, results: Path) -> tuple[str, Any]:
    from benchmarks.papers.named import OPTIMIZERS

    optimizers: Registry[str] = Registry("optimizer", listing="smart-repro list optimizers")
    for optimizer, words in OPTIMIZERS.items():
        optimizers.add(optimizer, words)
    return f"Optimizer {name}: {optimizers[name]}", {"name": name, "what": optimizers[name]}


@_CARDS.register("system")
def _system_card(name: str, results: Path) -> tuple[str, Any]:
    listed: Registry[dict[str, Any]] = Registry("system", listing="smart-repro list systems")
    for row in _systems():
        listed.add(row["name"], row)
    return _text(f"System {name}", listed[name]), listed[name]


def _run_card(folder: Path) -> tuple[str, Any]:
    from benchmarks.cli.run_card import run_content, run_entries

    content = run_content(folder)
    return _text(*run_entries(content)), content


def _spec_card() -> tuple[str, Any]:
    from benchmarks.cli.run_card import settings_entries, settings_text

    rows = settings_entries()
    return settings_text(rows), rows


def _study_format() -> tuple[str, Any]:
    from benchmarks.experiments.planning import study_file

    text = study_file.format_text()
    return text, text.splitlines()


# --- data ---


def data_text(report: dict[str, dict[str, Any]]) -> str:
    """Return the text of ``smart-repro data``: a block per task, then the missing splits."""
    return "\n".join(line for name, task_report in report.items() for line in _data_lines(name, task_report))


def _data_lines(name: str, report: dict[str, Any]) -> Iterator[str]:
    yield f"{name} ({report['title']}), source: {report['source']}"
    for split, content in report["splits"].items():
        if content is None:
            reason = report["missing"].get(split) or report["broken"].get(split)
            yield f"  {split:<6} {'MISSING' if split in report['missing'] else 'BROKEN '}  {reason}"
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
        yield from (f"         {note_line(note)}" for note in content.get("notes", ()))
    for pair, count in report["duplicates_across"].items():
        if count:
            yield f"  {count:,} examples of {pair} (same texts)"


def _counts_text(counts: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name} {value:,}" for name, value in counts.items() if isinstance(value, int))
        or f"mean {counts.get('mean', 0):.2f}"
    )


# --- small helpers ---


def _summary(doc: str | None) -> str:
    """Return the first line of a docstring."""
    return inspect.cleandoc(doc or "").split("\n")[0]


def _text(title: str, content: Mapping[str, Any]) -> str:
    """Return a card: the title, then a line or an indented block for each entry that is not empty."""
    return "\n".join([title, "", *(line for name, value in content.items() for line in _entry(name, value))])


def _entry(name: str, value: Any) -> list[str]:
    """Return the lines of one entry; none for an empty one."""
    if value is None or value in ("", (), [], {}):
        return []
    if isinstance(value, Mapping):
        flat = not any(isinstance(item, Mapping | list | tuple) for item in value.values())
        inline = ", ".join(f"{key} = {_word(item)}" for key, item in value.items()) if flat else ""
        if flat and len(inline) <= SHORT:
            return [f"{name}: {inline}"]
        inner = [line for key, item in value.items() for line in _entry(str(key), item)]
        return [f"{name}:", *(f"    {line}" for line in inner)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(item, Mapping) for item in value):
            return [line for number, item in enumerate(value, 1) for line in _entry(f"{name} {number}", item)]
        inline = ", ".join(map(_word, value))
        return (
            [f"{name}: {inline}"] if len(inline) <= SHORT else [f"{name}:", *(f"    {_word(item)}" for item in value)]
        )
    return [f"{name}: {_word(value)}"]


def _word(value: Any) -> str:
    """Return a value as a reader would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value))
    return "none" if value is None else str(value)
