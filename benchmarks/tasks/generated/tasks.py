"""The tasks named ``demo-*``: each takes head, columns and metrics from the real task that it imitates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.tasks import glue, nli  # noqa: F401  (they enter the real tasks, which the generated ones copy)
from benchmarks.tasks.base import Split, Task
from benchmarks.tasks.generated import forms
from benchmarks.tasks.generated.annotators import (
    ANNOTATORS,
    THREE_CLASSES,
    TWO_CLASSES,
    WEIGHTS,
    majority,
    majority_ceiling,
    scores,
)
from benchmarks.tasks.generated.ceilings import binary_ceiling, f1, matthews, pearson_ceiling, spearman_ceiling
from benchmarks.tasks.generated.lexicon import HEDGES
from benchmarks.tasks.generated.scenes import Scenes
from benchmarks.tasks.generated.sentences import choice
from benchmarks.tasks.pronouns.forms import generated_reference
from benchmarks.tasks.registry import TASKS, register
from smart_repro.hnn.mention import Mention

SIZES = {"train": 400, "dev": 2_000, "test": 1_000}
TRUE_SCORES = (5, 3, 1)  # of forms.similarity's labels


@dataclass(frozen=True)
class Recipe:
    """The parts that define one generated task.

    Attributes:
        form: ``form(scenes, label) -> texts``.
        prior: frequency of each true label.
        votes: ``votes(label, tau) -> q``, the distribution of one annotator's answer on an item of type ``tau``.
        gold: function from the annotators' counts ``(classes,)`` to the gold label, or None where there is none.
        publishes: dev and test have the counts, as SNLI and MultiNLI do.
        reasons: share of events with a reason, which misleads (forms that use ``Scenes.event_text``).
        train: number of training examples.
        mention: function from a row to a pronoun with candidates, where it has one.
        version: number that is increased whenever the examples change; it seeds the generator.
    """

    form: Callable[[Scenes, int], tuple[str, ...]]
    prior: tuple[float, ...]
    votes: Callable[[int, int], np.ndarray]
    gold: Callable[[np.ndarray], float | None]
    publishes: bool = False
    reasons: float = 0.0
    train: int = SIZES["train"]
    mention: Callable[..., Mention | None] | None = None
    version: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """Examples per split."""
        return {**SIZES, "train": self.train}


@dataclass(frozen=True)
class Item:
    """One generated example with its type ``tau`` and vote distribution ``q``."""

    texts: tuple[str, ...]
    label: float
    votes: np.ndarray
    tau: int
    q: np.ndarray


def generator(name: str, split: str, version: int) -> np.random.Generator:
    """Return the generator of one split: seeded by content, the same in every process and on every machine."""
    return np.random.default_rng(list(sha256(f"{name} {split} {version}".encode()).digest()))


def items(recipe: Recipe, rng: np.random.Generator, split: str) -> Iterator[Item]:
    """Yield items without end and without repeated texts; one annotator labels train, five the other splits."""
    scenes = Scenes(rng, split, reasons=recipe.reasons)
    texts_so_far = set()
    while True:
        true = int(rng.choice(len(recipe.prior), p=recipe.prior))
        tau = int(rng.choice(len(WEIGHTS), p=WEIGHTS))
        q = recipe.votes(true, tau)
        votes = rng.multinomial(1 if split == "train" else ANNOTATORS, q)
        label = recipe.gold(votes)
        if label is None:
            continue
        first, *rest = recipe.form(scenes, true)
        texts = (f"{choice(rng, HEDGES[tau])} {first}", *rest)
        if texts not in texts_so_far:
            texts_so_far.add(texts)
            yield Item(texts, label, votes, tau, q)


def generate(name: str, recipe: Recipe, split: str) -> Split:
    """Return one split of a task, with the type and the vote distribution of every item in ``extra``."""
    rng = generator(name, split, recipe.version)
    rows = list(islice(items(recipe, rng, split), recipe.sizes[split]))
    return Split(
        ids=[f"{split}-{i}" for i in range(len(rows))],
        texts=tuple([list(column) for column in zip(*(row.texts for row in rows), strict=True)]),
        labels=np.array([row.label for row in rows]),
        votes=np.stack([row.votes for row in rows]) if recipe.publishes and split != "train" else None,
        sources=(f"generated, version {recipe.version}",),
        extra={"type": np.array([row.tau for row in rows]), "q": np.stack([row.q for row in rows])},
    )


def demo(copied: str, recipe: Recipe, ceiling: dict[str, float]) -> Task:
    """Register the generated task that has the form of a real one."""
    real, name = TASKS[copied], f"demo-{copied}"
    return register(
        Task(
            name,
            title=f"{real.title} (generated)",
            head=real.head,
            text=real.text,
            metrics=real.metrics,
            sizes=recipe.sizes,
            generate=partial(generate, name, recipe),
            mention=recipe.mention,
            version=recipe.version,
            max_length=32,
            licence="MIT, like the code that generates it",
            ceiling={metric: ceiling[metric] for metric in real.metrics},
        )
    )


def demo_binary(
    copied: str, form: Callable[[Scenes, int], tuple[str, ...]], positive: float = 0.5, **choices: Any
) -> Task:
    """Register a task of two classes, label 1 with probability ``positive``; ``choices`` go to :class:`Recipe`."""
    prior = (1 - positive, positive)
    ceiling = {"accuracy": majority_ceiling(TWO_CLASSES)} | {
        name: binary_ceiling(metric, TWO_CLASSES, prior) for name, metric in (("matthews", matthews), ("f1", f1))
    }
    return demo(copied, Recipe(form, prior, TWO_CLASSES.votes, majority, **choices), ceiling)


def demo_inference(copied: str) -> Task:
    """Register a task of three classes, with the votes of five annotators."""
    recipe = Recipe(forms.inference, (1 / 3, 1 / 3, 1 / 3), THREE_CLASSES.votes, majority, publishes=True)
    return demo(copied, recipe, {"accuracy": majority_ceiling(THREE_CLASSES)})


def demo_similarity(copied: str) -> Task:
    """Register a task of scores: one annotator's in train, the mean of five elsewhere."""
    prior = (1 / 3, 1 / 3, 1 / 3)

    def votes(label: int, tau: int) -> np.ndarray:
        return scores(TRUE_SCORES[label], tau)

    def gold(counts: np.ndarray) -> float:
        return float(counts @ np.arange(len(counts)) / counts.sum())

    mass = np.outer(prior, WEIGHTS).ravel()
    q = np.stack([votes(label, tau) for label in range(len(prior)) for tau in range(len(WEIGHTS))])
    ceiling = {"pearson": pearson_ceiling(mass, q), "spearman": spearman_ceiling(mass, q)}
    return demo(copied, Recipe(forms.similarity, prior, votes, gold), ceiling)


demo_binary("cola", forms.agreement, positive=0.7, train=480, version=2)
demo_binary("sst2", forms.sentiment, reasons=1.0, version=2)
demo_binary("mrpc", forms.equivalence, positive=0.67, reasons=0.04, version=2)
demo_binary("qqp", forms.duplicate, positive=0.37)
demo_similarity("stsb")
demo_inference("mnli")
demo_binary("qnli", forms.answer, reasons=0.3, version=2)
demo_binary("rte", forms.entailment)
demo_binary("wnli", forms.reference, mention=generated_reference)
demo_inference("snli")
