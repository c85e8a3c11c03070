"""Checks that a model fits a task: its vocabulary, its positions, and the classes of a head it brings along.

A user's model may have been fine-tuned before. Training then starts from its head, whose classes may be in another
order than the task's; their names in ``config.json`` decide.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS
from benchmarks.tasks.base import Classification, Task
from benchmarks.tasks.sources import WARNING, Source
from benchmarks.training import models
from benchmarks.training.prepared import split_of
from smart_repro.models import class_dimensions, unknown_id

NOTED, REFUSED = 0.01, 0.5  # shares of unknown word pieces
SAMPLE = 500  # training texts that are tokenised for the check
_FRESH_HEAD = "; --set head=new starts a fresh one"
_SYNONYMS = {"pos": "positive", "neg": "negative", "entailed": "entailment", "entails": "entailment"}
_SYNONYMS |= {"contradictory": "contradiction", "paraphrase": "equivalent", "notparaphrase": "notequivalent"}


@dataclass(frozen=True)
class SavedHead:
    """The classifier that a model's weights bring along.

    Attributes:
        outputs: number of outputs.
        names: names of its classes, in its order; empty where the model does not name them.
    """

    outputs: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pieces:
    """Statistics of a sample of a task's training texts after tokenisation.

    Attributes:
        unknown_share: share of word pieces that the tokenizer does not know.
        lengths: tokens of each sampled example, special ones included.
        longest: tokens of the training example with the most bytes, an estimate of the longest one.
    """

    unknown_share: float
    lengths: tuple[int, ...]
    longest: int


# --- texts ---


def check_texts(run: RunSpec, source: Source) -> list[str]:
    """Return notes on how a run's model reads the training texts of its tasks.

    Raises: UsageError: its tokenizer does not know half of the word pieces.
    """
    notes = []
    for task in run.tasks:
        pieces = _pieces(run.model, task, source.kind, source.data_dir, tuple(sorted(source.data_files.items())))
        share = f"{100 * pieces.unknown_share:.0f} % of the word pieces in {task}'s training texts"
        if pieces.unknown_share >= REFUSED:
            raise UsageError(
                f"--model {run.model}: its tokenizer does not know {share}, so it would train on [UNK]: "
                + (
                    "tiny knows the generated tasks demo-* only; use minilm"
                    if run.model == "tiny"
                    else "give a model whose vocabulary covers them, saved with the tokenizer it was trained with"
                )
            )
        if pieces.unknown_share >= NOTED:
            notes.append(f"{WARNING}the tokenizer of {run.model} does not know {share}")
        length = models.kept_tokens(run.model, run.max_length)
        if length < min(run.max_length, pieces.longest):
            longer = np.mean(np.array(pieces.lengths) > length)
            notes.append(
                f"{run.model} has positions for {length} tokens, fewer than max_length={run.max_length}: longer texts "
                f"are cut to {length} tokens, about {100 * longer:.0f} % of {task}'s training texts (the longest has "
                f"{pieces.longest})"
            )
    return notes


def run_notes(run: RunSpec) -> list[str]:
    """Return notes on a run's model for its record: its head, and too few positions for max_length."""
    length = models.kept_tokens(run.model, run.max_length)
    cut = f"texts are cut to {length} tokens, not to {run.max_length}: {run.model} has no more positions"
    return [*([cut] if length < run.max_length else []), *model_notes(run)]


@lru_cache(maxsize=64)
def _pieces(model: str, task: str, kind: str, folder: Path | None, files: Any) -> Pieces:
    split = split_of(task, "train", Source(kind, folder, dict(files)))
    rows = np.unique(np.linspace(0, len(split) - 1, min(len(split), SAMPLE)).astype(int)).tolist()
    sizes = [sum(len(text.encode()) for text in texts) for texts in zip(*split.texts, strict=True)]
    longest = int(np.argmax(sizes))
    read = models.tokenizer(model)
    columns = [[column[row] for row in [*rows, longest]] for column in split.texts]
    *encoded, last = read(*columns, verbose=False)["input_ids"]
    unknown_piece = unknown_id(read)
    special = set(read.all_special_ids) - {unknown_piece}
    words = [token for tokens in encoded for token in tokens if token not in special]
    unknown_share = words.count(unknown_piece) if unknown_piece is not None else 0
    lengths = tuple(map(len, encoded))
    return Pieces(unknown_share / max(len(words), 1), lengths, max(*lengths, len(last)))


# --- heads ---


def model_notes(run: RunSpec) -> list[str]:
    """Return notes on a model: a classifier saved with its weights, or an uncertain padding token."""
    return [*_padding_note(run.model), *_head_notes(run)]


def _padding_note(model: str) -> list[str]:
    config = json.loads((models.resolve(model).folder / "config.json").read_text(encoding="utf-8"))
    in_config, in_tokenizer = config.get("pad_token_id"), models.tokenizer(model).pad_token_id
    if in_config is None or in_config == in_tokenizer:
        return []
    return [f"{WARNING}the tokenizer of {model} pads with token {in_tokenizer}, its config.json says {in_config}"]


def _head_notes(run: RunSpec) -> list[str]:
    if not _starts_from_saved_head(run):
        return []
    return [note for task in run.tasks if (note := _head_note(run.model, TASKS[task]))]


def class_orders(run: RunSpec) -> dict[str, tuple[int, ...]]:
    """Return, by task, which class of the saved head each class of the task is; only where the orders differ."""
    if not _starts_from_saved_head(run):
        return {}
    orders = {task: _order(run.model, TASKS[task]) for task in run.tasks}
    return {task: order for task, order in orders.items() if order is not None and order != tuple(sorted(order))}


def order_text(orders: Mapping[str, tuple[int, ...]]) -> str:
    """Return class orders as they enter a run's key: ``mnli=2 0 1``; empty where nothing is reordered."""
    return ",".join(f"{task}={' '.join(map(str, order))}" for task, order in orders.items())


def _starts_from_saved_head(run: RunSpec) -> bool:
    return run.head == "pooler" and not run.random_weights and run.combine is None


def _head_note(model: str, task: Task) -> str:
    saved = saved_head(model, task.head.num_outputs)
    if saved is None:
        return ""
    if saved.outputs != task.head.num_outputs:
        outputs = task.head.num_outputs
        return f"{model} brings a head with {saved.outputs} outputs, {task.name} needs {outputs}: its head is new"
    if not isinstance(task.head, Classification):
        return f"{model} brings a head with one output, which training on {task.name} starts from{_FRESH_HEAD}"
    task_classes = ", ".join(task.head.labels)
    if not saved.names:
        return (
            f"{WARNING}{model} brings a head whose {saved.outputs} classes have no names: they are taken for "
            f"{task.name}'s in this order: {task_classes}. If that is not their order, name them in config.json "
            f"(id2label){_FRESH_HEAD}"
        )
    order, names = _order(model, task), ", ".join(saved.names)
    if order is None:
        return (
            f"{WARNING}{model} brings a head for the classes {names}, {task.name} has {task_classes}: their order is "
            f"kept as it is{_FRESH_HEAD}"
        )
    if order != tuple(sorted(order)):
        return (
            f"the head of {model} has the classes in the order {names}, {task.name} in the order {task_classes}: "
            f"it is put into {task.name}'s order, by name{_FRESH_HEAD}"
        )
    return f"{model} brings a head for the classes of {task.name}, which training starts from{_FRESH_HEAD}"


def _order(model: str, task: Task) -> tuple[int, ...] | None:
    """Return the position of each class of the task in the saved head; None if the names do not determine it."""
    saved = saved_head(model, task.head.num_outputs)
    if saved is None or not saved.names or not isinstance(task.head, Classification):
        return None
    spellings = {_plain(written): _plain(name) for written, name in task.spelling.items() if not written.isdigit()}
    names = [spellings.get(_plain(name), _plain(name)) for name in saved.names]
    labels = [_plain(label) for label in task.head.labels]
    if sorted(names) != sorted(labels):
        return None
    return tuple(names.index(label) for label in labels)


def _plain(name: str) -> str:
    """Return a class name without case and punctuation, in its usual form, so that ``NEG`` equals ``negative``.

    Letters of every script count, with their marks; a name without any, such as ``+``, stays as it is.
    """
    kept = "LNM"  # first letters of Unicode's categories of letters, numbers and marks
    letters = "".join(
        sign for sign in unicodedata.normalize("NFKC", name).lower() if unicodedata.category(sign)[0] in kept
    )
    return _SYNONYMS.get(letters, letters or name.strip())


@lru_cache
def saved_head(model: str, outputs: int) -> SavedHead | None:
    """Return the head among a model's weights; None if they hold none.

    Args:
        model: name of the model.
        outputs: outputs of the task; they decide the names of the head's parameters in this architecture.
    """
    folder = models.resolve(model).folder
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kinds = config.get("architectures") or ["?"]
    if all(str(kind).endswith("Model") for kind in kinds):  # saved without a head
        return None
    from transformers import AutoConfig

    shape = AutoConfig.from_pretrained(folder, num_labels=outputs, trust_remote_code=False)
    try:
        axes = class_dimensions(shape)
    except ValueError:  # no classifier of this architecture: the run itself reports it
        return None
    stored = _shapes(models.weight_files(folder, model))
    counts = {stored[name][axis] for name, axis in axes.items() if name in stored and axis < len(stored[name])}
    if not axes or not set(axes) <= set(stored) or len(counts) != 1:
        return None
    (count,) = counts
    return SavedHead(count, _class_names(config, count))


def _class_names(config: Mapping[str, Any], outputs: int) -> tuple[str, ...]:
    """Return the class names in order, from id2label or label2id; empty where these only number the classes."""
    by_name = config.get("label2id")
    numbered = {str(number): name for name, number in by_name.items()} if isinstance(by_name, Mapping) else {}
    for names in (config.get("id2label"), numbered):
        if not isinstance(names, Mapping):
            continue
        listed = [str(names.get(str(number), "")) for number in range(outputs)]
        if len(names) == outputs and _are_names(listed):
            return tuple(listed)
    return ()


def _are_names(names: Iterable[str]) -> bool:
    names = list(names)
    counted = (re.fullmatch(r"(label|class)?[\s_-]*\d*", name, re.IGNORECASE) for name in names)
    return len({_plain(name) for name in names}) == len(names) and not any(counted)


def _shapes(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        with safe_open(file, framework="pt") as weights:
            shapes |= {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    return shapes
