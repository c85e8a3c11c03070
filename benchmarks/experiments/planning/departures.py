"""Departures of an experiment's runs from a paper's printed settings, generated from specs and the papers' tables.

Printed settings: ``benchmarks/papers/smart_hyperparameters.csv`` and ``sda_hyperparameters.csv``. What varies between
an experiment's rows on purpose (a method's own options) is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.experiments.planning.base import Experiment
from benchmarks.papers import printed
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS
from smart_repro.methods import METHODS

PAPERS = {"SMART": ("Jiang", "smart-", "smart_hyperparameters"), "SDA": ("Xu et al.", "sda-", "sda_hyperparameters")}


@dataclass(frozen=True)
class Setting:
    """A setting that a paper prints.

    Attributes:
        name: name in a sentence.
        printed: value as the paper prints it.
        value: function that gives a run's value, as text.
        holds: function that returns True if the paper allows a run's value.
    """

    name: str
    printed: str
    value: Callable[[RunSpec], str]
    holds: Callable[[RunSpec], bool]


def departures(experiment: Experiment) -> tuple[str, ...]:
    """Return a sentence per paper whose methods the experiment has: each setting in which its real runs differ."""
    notes = []
    for paper in PAPERS:
        specs = list(_specs(experiment, paper))
        parts = []
        for setting in printed_settings(paper) if specs else ():
            values = dict.fromkeys(setting.value(spec) for spec in specs if not setting.holds(spec))
            if values:
                parts.append(f"{setting.name} {', '.join(values)} (printed: {setting.printed})")
        if parts:
            notes.append(f"Departures from {paper}'s printed settings: {'; '.join(parts)}.")
    return tuple(notes)


def _specs(experiment: Experiment, paper: str) -> Iterable[RunSpec]:
    """Yield the first seed's runs on real data that represent a paper.

    These are all trained runs in the paper's own tables, and the runs of its methods in other experiments.
    """
    author, prefix, _ = PAPERS[paper]
    is_own_table = experiment.name.startswith(prefix)
    for place in experiment.places:
        for row in experiment.rows:
            if not experiment.is_run(row, place) or row.combine or not experiment.seeds:
                continue
            spec = experiment.spec(row, place, experiment.seeds[0])
            is_papers = is_own_table or (author in METHODS[spec.method].paper and spec.method != "vanilla")
            if is_papers and not TASKS[spec.task].generated and TASKS[spec.task].own is None:
                yield spec


@lru_cache
def printed_settings(paper: str) -> tuple[Setting, ...]:
    """Return the settings that the paper prints for all of its runs."""
    table = {(line["row"], line["column"]): line["value"] for line in printed(PAPERS[paper][2])}
    return _of_smart(table) if paper == "SMART" else _of_sda(table)


def _of_smart(table: dict[tuple[str, str], str]) -> tuple[Setting, ...]:
    def whole(name: str) -> str:
        return table[name, "all tasks"]

    optimizers = {name.strip().lower() for name in whole("optimizer").split(";")}
    rates, batches = _numbers(whole("learning_rate_grid")), _numbers(whole("batch_size_grid"))
    dropouts = {"mnli": table["task_layer_dropout", "MNLI"], "cola": table["task_layer_dropout", "CoLA"]}
    default = table["task_layer_dropout", "default"]

    def head_dropout(spec: RunSpec) -> float:
        return float(default) if spec.head_dropout is None else spec.head_dropout  # the encoders' own is 0.1 too

    by_task = "; ".join([default, *(f"{task} {value}" for task, value in dropouts.items())])
    return (
        Setting(
            "optimizer",
            whole("optimizer"),
            lambda spec: f"{spec.optimizer} with weight decay {spec.weight_decay:g}",
            lambda spec: spec.optimizer in optimizers and spec.weight_decay == 0,
        ),
        _listed("learning rate", whole("learning_rate_grid"), rates, lambda spec: spec.learning_rate),
        _listed("batch size", whole("batch_size_grid"), batches, lambda spec: spec.batch_size),
        _listed("epochs", f"at most {whole('max_epochs')}", _numbers(whole("max_epochs")), lambda spec: spec.epochs),
        Setting(
            "head dropout",
            by_task,
            lambda spec: f"{head_dropout(spec):g} on {spec.task}",
            lambda spec: head_dropout(spec) == float(dropouts.get(spec.task, default)),
        ),
        *_shared(table, "all tasks", "all tasks"),
    )


def _of_sda(table: dict[tuple[str, str], str]) -> tuple[Setting, ...]:
    encoder, softmax = table["learning_rate", "encoder"], table["learning_rate", "softmax layer"]
    batch = float(table["batch_size", "BERT_BASE"]) * float(table["gradient_accumulation_steps", "BERT_BASE"])

    def head_rate(spec: RunSpec) -> float:
        return spec.learning_rate if spec.head_learning_rate is None else spec.head_learning_rate

    return (
        Setting(
            "optimizer",
            table["optimizer", "all"],
            lambda spec: spec.optimizer,
            lambda spec: spec.optimizer == table["optimizer", "all"].lower(),
        ),
        _listed("learning rate", encoder, _numbers(encoder), lambda spec: spec.learning_rate),
        _listed("head learning rate", softmax, _numbers(softmax), head_rate),
        _listed("batch size", f"{batch:g}", (batch,), lambda spec: spec.batch_size),
        *_shared(table, "all", "all"),
    )


def _shared(table: dict[tuple[str, str], str], warmup: str, length: str) -> tuple[Setting, ...]:
    longest, share = table["max_sequence_length", length], table["warmup_proportion", warmup]
    return (
        _listed("warm-up", share, _numbers(share), lambda spec: spec.warmup),
        _listed("longest text", longest.split(" ")[0], _numbers(longest.split(" ")[0]), lambda spec: spec.max_length),
    )


def _listed(name: str, words: str, allowed: tuple[float, ...], value: Callable[[RunSpec], float]) -> Setting:
    return Setting(name, words, lambda spec: f"{value(spec):g}", lambda spec: value(spec) in allowed)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(";"))
