"""Cost of a whole paper, from the official sizes of its data sets alone, without data, model or network.

``smart-repro plan NAME`` on one experiment reads the data and gives more details.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import Experiment
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS, Task
from benchmarks.training.prepared import places
from smart_repro.hnn.options import HNN_HEADS
from smart_repro.methods import METHODS, build
from smart_repro.train import TrainConfig
from smart_repro.train import plan as training_plan

# Millions of parameters that every token meets (embeddings only look up), and the number of layers they are in.
PARAMETERS = {
    "bert-base-uncased": (85, 12),
    "bert-large-uncased": (302, 24),
    "roberta-large": (302, 24),
    "xlnet-large-cased": (302, 24),
    "minilm": (10.6, 6),
    "tiny": (0.2, 2),
}
# Mean word pieces of a training example (BERT's vocabulary), measured on up to 600 examples of each set's files.
TOKENS = {
    "cola": 11,
    "sst2": 14,
    "dprd": 27,
    "snli": 26,
    "stsb": 28,
    "wnli": 37,
    "mnli": 39,
    "scitail": 39,
    "qnli": 49,
    "mrpc": 52,
    "ag-news": 52,
    "rte": 70,
    "anli-r1": 90,
    "imdb": 276,
}
SENTENCE, REVIEW = 48, 280  # assumed of all other sets: sentences and pairs; reviews and articles
SEQUENCES = 4  # of an example of HNN: two for each of two candidates
RATE = 15e12  # floating point operations a second, assumed: a data-centre GPU in float32, which R_s and D_Breg need


@dataclass(frozen=True)
class Entry:
    """Cost of an experiment, a line of the bill.

    Attributes:
        runs: number of its runs, parents included.
        new: number of its runs that no earlier line of the bill contains.
        updates: optimiser updates of the new runs.
        units: training of the new runs in forward passes over one batch (a plain update is 3), without evaluation.
        hours: hours of the new runs on one GPU at :data:`RATE`, training and evaluation.
        reason: the reason why the profile does not have the experiment, or "".
    """

    name: str
    runs: int = 0
    new: int = 0
    updates: int = 0
    units: float = 0.0
    hours: float = 0.0
    reason: str = ""


def bill(experiments: Iterable[Experiment | tuple[str, str]]) -> list[Entry]:
    """Return an entry per experiment; a pair of name and reason becomes an entry with the reason."""
    counted: set[RunSpec] = set()
    entries = []
    for experiment in experiments:
        if isinstance(experiment, tuple):
            entries.append(Entry(experiment[0], reason=experiment[1]))
            continue
        runs = {spec for *_, root in experiment.specs() for spec in family(root)}
        new = {spec for spec in runs - counted if replace(spec, predict_each=None) not in counted}
        counted |= runs
        costs = [_cost(spec) for spec in new]
        steps, units, operations = (sum(column) for column in zip(*costs, strict=True)) if costs else (0, 0.0, 0.0)
        entries.append(Entry(experiment.name, len(runs), len(new), int(steps), units, operations / RATE / 3600))
    return entries


def family(spec: RunSpec) -> set[RunSpec]:
    """Return a run and all runs it needs."""
    return {spec, *(member for parent in spec.needed for member in family(parent))}


def text(title: str, entries: Iterable[Entry]) -> str:
    """Return the costs as text."""
    entries = list(entries)
    wide = max([20, *(len(entry.name) + 2 for entry in entries)])
    lines = [title, "", f"{'experiment':<{wide}}{'runs':>7}{'new':>7}{'updates':>13}{'cost':>17}{'GPU hours':>12}"]
    for entry in entries:
        if entry.reason:
            lines.append(f"{entry.name:<{wide}}  not in this profile: {entry.reason}")
        else:
            lines.append(
                f"{entry.name:<{wide}}{entry.runs:>7}{entry.new:>7}{entry.updates:>13,}{entry.units:>15,.0f} "
                f"F{entry.hours:>12,.1f}"
            )
    total = [sum(getattr(entry, name) for entry in entries) for name in ("new", "updates", "units", "hours")]
    lines.append(f"{'all':<{wide}}{'':>7}{total[0]:>7}{total[1]:>13,}{total[2]:>15,.0f} F{total[3]:>12,.1f}")
    lines += [
        "",
        "new: runs that no experiment above has already. F: one forward pass over a batch; a plain update is 3 F.",
        f"GPU hours: an order of magnitude, at {RATE / 1e12:.0f} TFLOP/s (float32) and the sets' mean lengths, where "
        f"these were measured (else {SENTENCE} tokens a sentence or pair, {REVIEW} a review); predictions included.",
        "Counted from the official sizes of the data sets. One experiment's own plan reads the data and shows "
        "its runs.",
    ]
    return "\n".join(lines)


def updates(spec: RunSpec) -> int:
    """Return how many updates a run makes."""
    return int(_cost(spec)[0])


def _cost(spec: RunSpec) -> tuple[float, float, float]:
    """Return updates, forward passes and floating point operations."""
    config = _config(spec.batch_size, spec.epochs, spec.max_steps)
    method = build(spec.method, **dict(spec.options))
    examples = {task: _examples(spec, task) for task in spec.tasks}
    steps = training_plan(list(examples.values()), config, method.replays)
    unit_cost = METHODS[spec.method].cost(method.config)
    token = 2e6 * million_parameters(spec.model, spec.layers)
    evaluations = 1 if spec.combine else max(1, round(steps.total / steps.per_epoch))
    judged = sum(
        _judged(spec, task, split, examples) * (evaluations if spec.predicts_each(split) else 1)
        for task, split in places(spec)
    )
    tokens = {task: min(tokens_of(TASKS[task]), spec.max_length) for task in examples}
    length = sum(tokens[task] * count for task, count in examples.items()) / sum(examples.values())
    forward = token * length * (SEQUENCES if spec.head in HNN_HEADS else 1)
    if spec.combine:
        return 0, 0.0, forward * judged
    units = steps.total * unit_cost
    return steps.total, units, forward * (units * spec.batch_size + judged)


@lru_cache
def _config(batch_size: int, epochs: int, max_steps: int | None) -> TrainConfig:
    return TrainConfig(batch_size=batch_size, epochs=epochs, max_steps=max_steps)


def _examples(spec: RunSpec, name: str) -> int:
    task = TASKS[name]
    available = _size(task, "train")
    requested = spec.max_train_samples or available
    if spec.per_class is not None:
        requested = spec.per_class * task.head.num_outputs
    examples = min(available, requested)
    return examples - round(spec.holdout * examples)


def _judged(spec: RunSpec, task: str, split: str, examples: Mapping[str, int]) -> int:
    if split == "tuning":
        return min(spec.tuning_rows, max(0, _size(TASKS[task], "train") - examples[task]))
    if split in ("holdout", "train"):
        aside = round(spec.holdout * examples[task]) or spec.holdout_rows
        return aside if split == "holdout" else examples[task]
    return _size(TASKS[task], split)


def _size(task: Task, split: str) -> int:
    if split in task.sizes:
        return task.sizes[split]
    if split in task.parts:
        return sum(_size(TASKS[part], split) for part in task.parts[split])
    raise UsageError(f"the size of {task.name}'s {split} split is not known")


def million_parameters(model: str, layers: int | None = None) -> float:
    """Return the million parameters that process every token; for an unlisted model those of BERT-base.

    Args:
        model: name of the model.
        layers: the first so many layers that are kept; None: all.
    """
    millions, all_layers = PARAMETERS.get(model, PARAMETERS["bert-base-uncased"])
    return millions if layers is None else millions * min(1.0, layers / all_layers)


def tokens_of(task: Task) -> int:
    """Return the mean number of tokens of the task's texts: measured, else assumed by its kind."""
    assumed = REVIEW if task.max_length > 128 else SENTENCE
    return min(task.max_length, TOKENS.get(task.name, assumed))


def content(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return the costs, JSON-ready."""
    return [vars(entry) for entry in entries]
