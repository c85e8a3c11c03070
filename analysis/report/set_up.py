"""The set-up of the runs: settings of training that all share, options of each method, environments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.figures.names import power_text
from analysis.report.facts import FactTable
from analysis.results import Run
from analysis.schema import Column, Manifest

# Field of a run's settings -> its name in the table. Seeds, splits and what is only measured are no part of the set-up.
SETTINGS: Mapping[str, str] = {
    "model": "model",
    "layers": "layers",
    "random_weights": "random weights",
    "head": "head",
    "max_length": "longest text (word pieces)",
    "max_train_samples": "training examples drawn",
    "per_class": "training examples a class",
    "label_noise": "share of training labels replaced",
    "epochs": "epochs",
    "max_steps": "most updates",
    "batch_size": "batch size",
    "accumulation": "micro-batches an update",
    "optimizer": "optimiser",
    "learning_rate": "learning rate",
    "head_learning_rate": "learning rate of the head",
    "schedule": "schedule",
    "warmup": "warm-up (share of updates)",
    "weight_decay": "weight decay",
    "clip": "largest gradient norm",
    "dropout": "dropout",
    "head_dropout": "dropout of the head",
    "precision": "precision",
}
# Key of an environment -> what it is, in plain words; any other key is a library.
ENVIRONMENT: Mapping[str, str] = {
    "smart_repro": "the version of smart-repro",
    "commit": "the commit of the code",
    "git": "the commit of the code",
    "python": "the version of Python",
    "platform": "the operating system",
    "device": "the kind of device",
    "device_name": "the processor or GPU",
    "instructions": "the processor's instructions",
    "threads": "the number of threads",
}
COMMITS = ("commit", "git")  # values that say nothing to a reader
MOST_VALUES = 4  # values of one key that a warning lists
UPDATES = "updates made"
LONGEST = 16  # characters of a value in the table of environments: enough of a commit
AS_USUAL: tuple[Any, ...] = (None, [], "", False)  # values of a setting that is not in use
USUAL: Mapping[str, Any] = {"accumulation": 1, "precision": "fp32", "label_noise": 0.0}  # not worth a line


@dataclass(frozen=True)
class SetUp:
    """The set-up of an experiment.

    Attributes:
        shared: name and value of each setting in which the methods do not differ.
        methods: the options of each method, with the settings of training in which the methods differ.
    """

    shared: tuple[tuple[str, str], ...]
    methods: FactTable

    def table(self) -> FactTable:
        """Return all of it as one table, for files."""
        shared = "; ".join(f"{name} {value}" for name, value in self.shared)
        blank = [""] * (len(self.methods.headings) - 2)
        lines = (("all methods", *blank, shared), *self.methods.lines)
        return FactTable(self.methods.name, "Set-up", self.methods.headings, lines)


def set_up(manifest: Manifest, runs: Sequence[Run]) -> SetUp | None:
    """Return the set-up of the finished runs; None without any."""
    by_row = {row.id: [run for run in runs if run.key in _keys(manifest, row.id)] for row in manifest.rows}
    by_row = {row: row_runs for row, row_runs in by_row.items() if row_runs}
    if not by_row:
        return None
    values = {row: _settings(row_runs) for row, row_runs in by_row.items()}
    names = [name for name in (*SETTINGS.values(), UPDATES) if any(name in settings for settings in values.values())]
    differing = [name for name in names if len({settings.get(name, "none") for settings in values.values()}) > 1]
    first = next(iter(values.values()))
    lines = tuple(
        (
            manifest.row(row).title,
            *(values[row].get(name, "none") for name in differing),
            ", ".join(_options(row_runs)) or "none",
        )
        for row, row_runs in by_row.items()
    )
    methods = FactTable("set-up", "Options of each method", ("method", *differing, "options"), lines)
    return SetUp(tuple((name, first[name]) for name in names if name not in differing), methods)


def _keys(manifest: Manifest, row: str) -> set[str]:
    return {key for keys in manifest.cells.get(row, {}).values() for key in keys}


def _settings(runs: Sequence[Run]) -> dict[str, str]:
    """Return the settings of one method's runs in words; several values of one setting belong to different tasks."""
    texts = {}
    for field, name in SETTINGS.items():
        present = [run.spec[field] for run in runs if field in run.spec]
        values = [value for value in present if value not in AS_USUAL and value != USUAL.get(field)]
        if values:
            texts[name] = _distinct(values) + (" (some tasks)" if len(values) < len(present) else "")
    steps = [run.result["steps"] for run in runs if run.result.get("steps")]
    if steps:
        texts[UPDATES] = f"{min(steps):,}" if min(steps) == max(steps) else f"{min(steps):,} to {max(steps):,}, by task"
    return texts


def _options(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the options of a method as ``name value``, also those at their defaults."""
    configs = [run.spec.get("method_config") or run.spec.get("options") or {} for run in runs]
    for name in dict.fromkeys(name for config in configs for name in config):
        yield f"{name} {_distinct(config[name] for config in configs if name in config)}"


def _distinct(values: Iterable[Any]) -> str:
    """Return the different values, in words: ``0.001`` or ``1 / 3``."""
    return " / ".join(dict.fromkeys(map(_text, values)))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return power_text(value) if value else "0"
    return "none" if value is None else ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def model_table(runs: Sequence[Run]) -> FactTable:
    """Return the models that the runs start from, as a reader can cite them: name, revision and digest of the weights.

    A revision is the hub's commit; models from elsewhere have none.
    """
    counted: dict[tuple[str, ...], int] = {}
    for run in runs:
        name = str(run.model.get("name") or run.spec.get("model"))
        model = (name, str(run.model.get("revision") or ""), str(run.fingerprints.get("weights") or ""))
        counted[model] = counted.get(model, 0) + 1
    lines = tuple((*model, f"{n:,}") for model, n in counted.items())
    return FactTable("models", "Model", ("model", "revision", "SHA-256 of the weights", "runs"), lines)


def environments(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the distinct environments of the runs: their text and the number of runs of each."""
    counted: dict[str, int] = {}
    for run in runs:
        text = json.dumps(run.environment, indent=1, sort_keys=True)
        counted[text] = counted.get(text, 0) + 1
    return [{"text": text, "runs": n} for text, n in counted.items()]


def environment_table(runs: Sequence[Run]) -> FactTable:
    """Return what differs between the environments of the runs, a line for each, in the order of their list."""
    contents, differing = _contents(runs), _differing(runs)
    lines = tuple(
        (str(number), str(environment["runs"]), *(str(content.get(name, ""))[:LONGEST] for name in differing))
        for number, (environment, content) in enumerate(zip(environments(runs), contents, strict=True), start=1)
    )
    return FactTable("environments", "Environments", ("environment", "runs", *differing), lines)


def several_environments(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """Return a warning on runs of several environments: how many, what differs, and whether a comparison mixes them.

    It is [] where all runs have the same environment.
    """
    contents, names = _contents(runs), _differing(runs)
    if not names:  # one environment, or a value that is absent in one and empty in another
        return []
    *others, last = (_difference(name, contents) for name in names)
    differences = f"{', '.join(others)} and {last}" if others else last
    is_code_alone = set(names) <= set(COMMITS)  # of one version of the arithmetic, which gives the same bits
    caution = "" if is_code_alone else " The same seed may give slightly different numbers in two of them."
    return [
        f"Several environments: the {len(runs):,} runs were made in {len(contents)} environments, which differ in "
        f"{differences}.{caution}{_mixed_pairs(manifest, runs)} They are listed under Runs."
    ]


def _mixed_pairs(manifest: Manifest, runs: Sequence[Run]) -> str:
    """Return how many of the compared pairs (one seed of two methods on a task) mix environments, in a sentence.

    Pairs are those of the claims and those of each method with the baseline; another commit alone is no other
    environment.
    """
    environment_by_key = {
        run.key: json.dumps({k: v for k, v in run.environment.items() if k not in COMMITS}, sort_keys=True)
        for run in runs
    }
    seed_by_key = {run.key: run.spec.get("seed") for run in runs}

    def by_seed(row: str, column: Column) -> dict[Any, str]:
        keys = [key for key in manifest.keys(row, column) if key in seed_by_key]
        return {seed_by_key[key]: environment_by_key[key] for key in keys}

    titles = {row.id: row.title for row in manifest.rows if not row.combine}
    compared = [(row, manifest.baseline_row or "") for row in titles if row != manifest.baseline_row]
    compared += [(claim.a, claim.b) for claim in manifest.claims]
    total = 0
    mixed: dict[str, int] = {}
    for a, b in dict.fromkeys(pair for pair in compared if pair[0] in titles and pair[1] in titles):
        for column in manifest.distinct():
            first, second = by_seed(a, column), by_seed(b, column)
            common = first.keys() & second.keys()
            total += len(common)
            if n_mixed := sum(first[seed] != second[seed] for seed in common):
                mixed[f"{titles[a]} with {titles[b]} on {column.title or column.task}"] = n_mixed
    if not total:
        return ""
    if not mixed:
        return " Each compared pair of runs (one seed of two methods) was made in one environment."
    names = list(mixed)
    rest = f"; and {len(names) - MOST_VALUES} more" if len(names) > MOST_VALUES else ""
    listed = "; ".join(names[:MOST_VALUES]) + rest
    return f" Of {total:,} compared pairs of runs, {sum(mixed.values()):,} mix two environments: {listed}."


def _contents(runs: Sequence[Run]) -> list[dict[str, Any]]:
    return [json.loads(str(environment["text"])) for environment in environments(runs)]


def _differing(runs: Sequence[Run]) -> list[str]:
    """Return the keys in which the environments of the runs differ."""
    contents = _contents(runs)
    names = dict.fromkeys(name for content in contents for name in content)
    return [name for name in names if len({str(content.get(name)) for content in contents}) > 1]


def _difference(name: str, contents: Sequence[Mapping[str, Any]]) -> str:
    """Return a key in plain words, with its values where they say something and are few."""
    values = list(dict.fromkeys(str(content.get(name, "not known")) for content in contents))
    words = ENVIRONMENT.get(name, f"the version of {name}")
    if name in COMMITS:
        return f"{words} ({len(values)} commits)"
    return f"{words} ({', '.join(values) if len(values) <= MOST_VALUES else f'{len(values)} values'})"
